import type { Static } from 'typebox';
import type { Reader } from '../../database/database.ts';
import { type CursorPage, readCursorPage } from '../../database/paging.ts';
import type { RegistrationRow } from '../../database/tables.ts';
import { timestamp } from '../../kernel/clock.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { foldCase } from '../../kernel/text.ts';
import type { Registration, RegistrationQuery } from './contract.ts';
import type { StoredDevice } from './device-store.ts';
import {
  findDevices,
  findOwners,
  listRegistrations,
  type RegistrationFilter,
  type RegistrationOrder,
  type ShownUser,
} from './list-store.ts';
import { findRegistrations } from './store.ts';

export type PresentedRegistration = Static<typeof Registration>;
type Query = Static<typeof RegistrationQuery> & { per_page?: number };

/** A registration with its user and its device. */
export interface WholeRegistration {
  readonly row: RegistrationRow;
  readonly user: ShownUser;
  readonly device: StoredDevice;
}

const ORDERS: Readonly<Record<string, RegistrationOrder>> = {
  id: 'id',
  'user.name': 'user_name_key',
  'user.email': 'user_email_key',
  last_seen_at: 'last_seen_at',
  created_at: 'created_at',
};

/** A page of the registrations, those that are not revoked and oldest first unless asked otherwise. */
export async function registrationPage(
  reader: Reader,
  accountId: string,
  query: Query,
): Promise<CursorPage<PresentedRegistration>> {
  const withPolicy = readInclude(query.include, 'policy');
  const { sort_by: by = 'created_at', sort_order: direction = 'asc', per_page: perPage = 50 } = query;
  const order = ORDERS[by] ?? 'created_at';
  const filter = toFilter(query);
  const page = await readCursorPage(
    { cursor: query.cursor, perPage },
    {
      order: `registrations ${by} ${direction}`,
      key: order === 'id' ? ['string'] : ['string', 'string'],
      fetch: async (start) =>
        filter ? await listRegistrations(reader, accountId, { filter, start, order, direction }) : [],
      keyOf: (row) => (order === 'id' ? [row.id] : [row[order], row.id]),
    },
  );
  if (!page) throw badCursor();
  const whole = await completed(reader, accountId, page.items);
  return { ...page, items: whole.map((one) => presentRegistration(one, { withPolicy })) };
}

export function badCursor() {
  return invalidInput([{ pointer: '/query/cursor', message: 'is no cursor of this list in this order' }]);
}

/** What is asked to be included: nothing, or the one thing there is. */
export function readInclude(include: string | undefined, known: string): boolean {
  const asked = (include ?? '').split(',').filter((one) => one !== '');
  if (asked.some((one) => one !== known)) {
    throw invalidInput([{ pointer: '/query/include', message: `can only be ${known}` }]);
  }
  return asked.length > 0;
}

/** Null where nothing can be found: there is one profile, and one type of client. */
function toFilter(query: Query): RegistrationFilter | null {
  const { 'policy.id': policyId, registration_type: type, 'user.id': userIds, 'device.id': deviceId } = query;
  if ((policyId !== undefined && policyId !== 'default') || type === 'browser_extension') return null;
  const { id, search, seen_after, seen_before, status = 'active' } = query;
  return {
    status,
    ...(id ? { ids: folded(id) } : {}),
    ...(userIds ? { userIds: folded(userIds) } : {}),
    ...(deviceId === undefined ? {} : { deviceId }),
    ...(search ? { search: foldCase(search) } : {}),
    ...(seen_after === undefined ? {} : { seenAfter: storedTime(seen_after) }),
    ...(seen_before === undefined ? {} : { seenBefore: storedTime(seen_before) }),
  };
}

/** Ids of a list in the query, as they are stored. */
export function folded(ids: readonly string[]): string[] {
  return ids.map((id) => id.toLowerCase());
}

/** Any RFC 3339 time as times are stored, so that texts compare. */
export function storedTime(text: string): string {
  return timestamp(Date.parse(text));
}

/** 404 for one that is not of this account. */
export async function getRegistration(
  reader: Reader,
  accountId: string,
  id: string,
): Promise<WholeRegistration> {
  const rows = await findRegistrations(reader, accountId, { ids: [id] });
  const [whole] = await completed(reader, accountId, rows);
  if (!whole) throw unknownRegistration();
  return whole;
}

function unknownRegistration() {
  return refusal('notFound', { detail: 'registration not found' });
}

/** With users and devices, in their order; what was deleted between the readings is left out. */
export async function completed(
  reader: Reader,
  accountId: string,
  rows: readonly RegistrationRow[],
): Promise<WholeRegistration[]> {
  const owners = rows.map((row) => row.user_id);
  const deviceIds = rows.map((row) => row.device_id);
  const users = new Map((await findOwners(reader, accountId, owners)).map((user) => [user.id, user]));
  const devices = new Map((await findDevices(reader, accountId, deviceIds)).map((one) => [one.id, one]));
  return rows.flatMap((row) => {
    const [user, device] = [users.get(row.user_id), devices.get(row.device_id)];
    return user && device ? [{ row, user, device }] : [];
  });
}

/** A registration as the API answers it. */
export function presentRegistration(
  { row, user, device }: WholeRegistration,
  { withPolicy }: { withPolicy: boolean },
): PresentedRegistration {
  const { id, name, client_version: version } = device;
  return {
    id: row.id,
    created_at: row.created_at,
    updated_at: row.updated_at,
    last_seen_at: row.last_seen_at,
    revoked_at: row.revoked_at,
    deleted_at: null,
    device: { id, name, ...(version === '' ? {} : { client_version: version }) },
    user: { id: user.id, email: user.email, name: user.name },
    key: pointOf(row.public_jwk),
    key_type: 'secp256r1',
    registration_type: 'warp',
    tunnel_type: null,
    virtual_ipv4: null,
    virtual_ipv6: null,
    ...(withPolicy ? { policy: profileSince(row.created_at) } : {}),
  };
}

/** The profile that every registration has, from the day it was made. */
export function profileSince(updated_at: string) {
  return { id: 'default', name: 'Default', default: true, deleted: false, updated_at } as const;
}

/** The public key in one text: the uncompressed point (SEC 1, §2.3.3), in base64. */
export function pointOf(publicJwk: string): string {
  const { x, y } = JSON.parse(publicJwk) as { x: string; y: string };
  return Buffer.concat([Buffer.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]).toString(
    'base64',
  );
}
