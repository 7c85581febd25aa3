import type { Static } from 'typebox';
import type { Reader } from '../../database/database.ts';
import { type CursorPage, readCursorPage } from '../../database/paging.ts';
import { normaliseEmail } from '../../kernel/email.ts';
import { refusal } from '../../kernel/errors.ts';
import { foldCase } from '../../kernel/text.ts';
import type { DeviceFacts } from '../../protocol/state.ts';
import {
  badCursor,
  folded,
  profileSince,
  readInclude,
  storedTime,
} from '../registrations/registration-list.ts';
import type { PhysicalDevice, PhysicalDeviceQuery } from './contract.ts';
import {
  type DeviceFilter,
  type DeviceOrder,
  findDevice,
  findUsers,
  listDevices,
  type StoredDevice,
} from './store.ts';

export type PresentedDevice = Static<typeof PhysicalDevice>;
type Query = Static<typeof PhysicalDeviceQuery> & { per_page?: number };
type Asked = { withPolicy: boolean };

const INCLUDED = 'last_seen_registration.policy';

const ORDERS: Readonly<Record<string, DeviceOrder>> = {
  id: 'id',
  name: 'name_key',
  client_version: 'client_version',
  'last_seen_user.email': 'last_seen_email',
  last_seen_at: 'last_seen_at',
  active_registrations: 'active_registrations',
  created_at: 'created_at',
};

/** A page of the physical devices, those with a registration that is not revoked and oldest first unless asked otherwise. */
export async function physicalDevicePage(
  reader: Reader,
  accountId: string,
  query: Query,
): Promise<CursorPage<PresentedDevice>> {
  const withPolicy = readInclude(query.include, INCLUDED);
  const { sort_by: by = 'created_at', sort_order: direction = 'asc', per_page: perPage = 50 } = query;
  const order = ORDERS[by] ?? 'created_at';
  const filter = toFilter(query);
  const page = await readCursorPage(
    { cursor: query.cursor, perPage },
    {
      order: `physical devices ${by} ${direction}`,
      key: keyKinds(order),
      fetch: async (start) =>
        filter ? await listDevices(reader, accountId, { filter, start, order, direction }) : [],
      keyOf: (row) => (order === 'id' ? [row.id] : [row[order], row.id]),
    },
  );
  if (!page) throw badCursor();
  return { ...page, items: await presentAll(reader, { accountId, rows: page.items, withPolicy }) };
}

function keyKinds(order: DeviceOrder): readonly ('string' | 'number')[] {
  if (order === 'id') return ['string'];
  return [order === 'active_registrations' ? 'number' : 'string', 'string'];
}

/** Null where nothing can be found: there is one profile, one type of client, and there are no tags. */
function toFilter(query: Query): DeviceFilter | null {
  const { has_registration_type: type, 'last_seen_registration.policy': policy, tag = [] } = query;
  if (type === 'browser_extension' || tag.length > 0) return null;
  if (policy !== undefined && policy !== 'default') return null;
  const { id, search, seen_after, seen_before, active_registrations: active = 'only' } = query;
  const email = query['last_seen_user.email'];
  return {
    // A type of client is asked of active registrations alone.
    active: type === 'warp' && active === 'include' ? 'only' : active,
    ...(id ? { ids: folded(id) } : {}),
    ...(email === undefined ? {} : { lastSeenEmail: normaliseEmail(email) ?? email }),
    ...(search ? { search: foldCase(search) } : {}),
    ...(seen_after === undefined ? {} : { seenAfter: storedTime(seen_after) }),
    ...(seen_before === undefined ? {} : { seenBefore: storedTime(seen_before) }),
  };
}

/** 404 for one that is not of this account. */
export async function getPhysicalDevice(
  reader: Reader,
  accountId: string,
  { id, include }: { id: string; include?: string | undefined },
): Promise<PresentedDevice> {
  const withPolicy = readInclude(include, INCLUDED);
  const row = await findDevice(reader, accountId, id);
  const [device] = row ? await presentAll(reader, { accountId, rows: [row], withPolicy }) : [];
  if (!device) throw refusal('notFound', { detail: 'device not found' });
  return device;
}

async function presentAll(
  reader: Reader,
  { accountId, rows, withPolicy }: Asked & { accountId: string; rows: readonly StoredDevice[] },
): Promise<PresentedDevice[]> {
  const seen = rows.flatMap(({ last_seen_user_id: id }) => (id === null ? [] : [id]));
  const users = new Map((await findUsers(reader, accountId, seen)).map((user) => [user.id, user]));
  return rows.map((row) => present(row, users.get(row.last_seen_user_id ?? '') ?? null, { withPolicy }));
}

function present(
  row: StoredDevice,
  user: { id: string; email: string; name: string } | null,
  { withPolicy }: Asked,
): PresentedDevice {
  const facts = JSON.parse(row.facts) as DeviceFacts;
  const policy = withPolicy ? { policy: profileSince(row.created_at) } : {};
  return {
    id: row.id,
    name: row.name,
    active_registrations: row.active_registrations,
    created_at: row.created_at,
    updated_at: row.updated_at,
    last_seen_at: row.last_seen_at,
    deleted_at: null,
    tags: {},
    client_version: facts.client_version,
    device_type: facts.type,
    hardware_id: row.hardware_id,
    mac_address: facts.mac_address,
    manufacturer: facts.manufacturer,
    model: facts.model,
    os_version: facts.os_version,
    os_version_extra: facts.os_version_extra,
    public_ip: row.public_ip,
    serial_number: facts.serial_number,
    last_seen_user: user,
    last_seen_registration: row.last_seen_registration_id === null ? null : policy,
  };
}
