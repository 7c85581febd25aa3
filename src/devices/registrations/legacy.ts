import type { Static } from 'typebox';
import type { Reader, Tx } from '../../database/database.ts';
import { refusal } from '../../kernel/errors.ts';
import type { DeviceFacts } from '../../protocol/state.ts';
import type { LegacyDevice } from './contract.ts';
import { listRegistrations } from './list-store.ts';
import type { Meant } from './registration-changes.ts';
import { completed, folded, pointOf, type WholeRegistration } from './registration-list.ts';
import { findRegistrations } from './store.ts';

/** Beyond them the list cannot be had at once, and it has no pages. */
const MOST_LISTED = 1000;

/**
 * Every registration of the account as a device, revoked ones too, oldest first. A 400 where there are more than 1000:
 * a list without pages must not leave anybody out.
 */
export async function legacyDevices(
  reader: Reader,
  accountId: string,
): Promise<Static<typeof LegacyDevice>[]> {
  const rows = await listRegistrations(reader, accountId, {
    filter: { status: 'all' },
    start: { after: null, offset: 0, limit: MOST_LISTED + 1 },
    order: 'created_at',
    direction: 'asc',
  });
  if (rows.length > MOST_LISTED) {
    const detail = `lists of more than ${MOST_LISTED} devices here; use devices/registrations, which has pages`;
    throw refusal('notSupported', { detail });
  }
  return (await completed(reader, accountId, rows)).map(presentLegacyDevice);
}

/** A registration as a device. */
export function presentLegacyDevice({ row, user, device }: WholeRegistration): Static<typeof LegacyDevice> {
  const facts = JSON.parse(row.facts) as DeviceFacts;
  const { type, client_version: version, ...others } = facts;
  const ip = device.last_seen_registration_id === row.id ? device.public_ip : null;
  return {
    id: row.id,
    gateway_device_id: device.id,
    created: row.created_at,
    updated: row.updated_at,
    last_seen: row.last_seen_at,
    deleted: false,
    name: device.name,
    device_type: type,
    key: pointOf(row.public_jwk),
    key_type: 'secp256r1',
    user: { id: user.id, email: user.email, name: user.name },
    ...said({ ...others, version, ip, revoked_at: row.revoked_at }),
  };
}

/** What there is of it. */
function said<T extends Record<string, string | null>>(values: T): { [K in keyof T]?: string } {
  const there = Object.entries(values).filter(([, value]) => value !== null);
  return Object.fromEntries(there) as { [K in keyof T]?: string };
}

/** What a bare array of ids names: registrations, and all registrations of what are physical devices. */
export async function readLegacyIds(tx: Tx, accountId: string, given: readonly string[]): Promise<Meant> {
  const ids = folded(given);
  const known = new Set((await findRegistrations(tx, accountId, { ids })).map(({ id }) => id));
  return {
    accountId,
    ids: ids.filter((id) => known.has(id)),
    deviceIds: ids.filter((id) => !known.has(id)),
  };
}
