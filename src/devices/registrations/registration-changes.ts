import type { AuditFacts } from '../../audit/audit.ts';
import type { Tx } from '../../database/database.ts';
import { startAgain } from '../../database/failures.ts';
import type { RegistrationRow } from '../../database/tables.ts';
import { refusal } from '../../kernel/errors.ts';
import type { Change } from '../../removal/act.ts';
import { lockDevices, type StoredDevice } from './device-store.ts';
import { count, endRegistrations } from './ended-registrations.ts';
import { findRegistrations, lockOwners, lockRegistrations, updateRegistrations } from './store.ts';

/** Which registrations are meant: by their own ids, and all of some devices. */
export interface Meant {
  readonly accountId: string;
  readonly ids?: readonly string[];
  readonly deviceIds?: readonly string[];
}

/** What is meant, locked: users first, then registrations, then devices. */
export interface Held {
  readonly rows: readonly RegistrationRow[];
  /** Those that were named; no registration comes to them until the transaction ends. */
  readonly devices: readonly StoredDevice[];
}

/**
 * Locks what is meant, all of it or nothing: a 404 if any of it is not of this account. What came to a device between
 * the first reading and its lock makes the transaction begin again.
 */
export async function holdMeant(tx: Tx, { accountId, ids = [], deviceIds = [] }: Meant): Promise<Held> {
  const find = () => findMeant(tx, { accountId, ids, deviceIds });
  const first = await find();
  await lockOwners(
    tx,
    accountId,
    first.map((row) => row.user_id),
  );
  const rows = await lockRegistrations(tx, accountId, { ids: first.map(({ id }) => id) });
  const devices = await lockDevices(tx, accountId, deviceIds);
  const known = new Set(rows.map(({ id }) => id));
  if (ids.some((id) => !known.has(id)) || devices.length < new Set(deviceIds).size)
    throw unknownOnes(Boolean(ids.length));
  if (devices.length > 0 && (await find()).some(({ id }) => !known.has(id))) throw startAgain();
  return { rows, devices };
}

async function findMeant(tx: Tx, { accountId, ids = [], deviceIds = [] }: Meant): Promise<RegistrationRow[]> {
  const found = await findRegistrations(tx, accountId, { ids });
  for (const deviceId of new Set(deviceIds)) {
    found.push(...(await findRegistrations(tx, accountId, { deviceId })));
  }
  return found;
}

function unknownOnes(isRegistration: boolean) {
  const what = isRegistration ? 'registration' : 'device';
  return refusal('notFound', { detail: `${what} not found; nothing was changed` });
}

/** Ends registrations for good, all or none of them. The devices stay. */
export function deleteMeant(tx: Tx, meant: Meant & { now: string }): Promise<Change<null>> {
  return endMeant(tx, meant, 'delete');
}

/** Revokes registrations, all or none of them; one that is revoked stays as it is. */
export function revokeMeant(tx: Tx, meant: Meant & { now: string }): Promise<Change<null>> {
  return endMeant(tx, meant, 'revoke');
}

async function endMeant(
  tx: Tx,
  meant: Meant & { now: string },
  how: 'delete' | 'revoke',
): Promise<Change<null>> {
  const held = await holdMeant(tx, meant);
  const { accountId, now } = meant;
  const { items } = await endRegistrations(tx, { accountId, rows: held.rows, how, now });
  return { result: null, items, audit: factsOf(held, how) };
}

/**
 * Takes revocations back, all or none of them. It gives no device session: the person signs in on the device again,
 * afresh (removal-protocol, invariant 3).
 */
export async function unrevokeMeant(tx: Tx, meant: Meant & { now: string }): Promise<Change<null>> {
  const held = await holdMeant(tx, meant);
  const { accountId, now } = meant;
  const revoked = held.rows.filter((row) => row.revoked_at !== null);
  await lockDevices(
    tx,
    accountId,
    revoked.map((row) => row.device_id),
  );
  const ids = revoked.map(({ id }) => id);
  await updateRegistrations(tx, { accountId, ids }, { revoked_at: null, updated_at: now });
  await count(
    tx,
    revoked.map((row) => ({ ...row, revoked_at: null })),
    1,
  );
  return { result: null, audit: factsOf(held, 'unrevoke') };
}

const MOST_NAMED = 100;

/** A device that has no registration is named itself. */
function factsOf({ rows, devices }: Held, verb: string): AuditFacts {
  const [first] = rows;
  const ids = rows.slice(0, MOST_NAMED).map(({ id }) => id);
  return {
    action: `registration.${verb}`,
    resource: first
      ? { type: 'registration', id: first.id }
      : { type: 'physical_device', id: devices[0]?.id ?? '' },
    metadata: { registrations: rows.length, ids },
  };
}
