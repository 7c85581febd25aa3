import { sql } from 'kysely';
import { forUpdate, type Reader, type Tx } from '../../database/database.ts';
import { countRows } from '../../database/paging.ts';
import { inParts } from '../../database/parts.ts';
import type { RegistrationRow, UserRow } from '../../database/tables.ts';

/** What a registration takes of its user. */
export type Owner = Pick<UserRow, 'id' | 'account_id' | 'email_key' | 'name_key'>;

/**
 * These users, locked until the end of the transaction. Whoever changes registrations calls this first, then
 * `lockRegistrations`, then `lockDevices`: nobody waits for anybody in a circle.
 */
export async function lockOwners(tx: Tx, accountId: string, ids: Iterable<string>): Promise<Owner[]> {
  return await inParts([...new Set(ids)].sort(), async (some) =>
    forUpdate(
      tx,
      tx.query
        .selectFrom('users')
        .select(['id', 'account_id', 'email_key', 'name_key'])
        .where('account_id', '=', accountId)
        .where('id', 'in', [...some])
        .orderBy('id'),
    ).execute(),
  );
}

/** Which registrations are meant; of one account. */
export type Selection =
  | { readonly ids: readonly string[] }
  | { readonly userId: string }
  | { readonly deviceId: string }
  | { readonly thumbprint: string };

function select(reader: Reader, accountId: string, selection: Exclude<Selection, { ids: unknown }>) {
  const query = reader.query.selectFrom('registrations').selectAll().where('account_id', '=', accountId);
  if ('userId' in selection) return query.where('user_id', '=', selection.userId).orderBy('id');
  if ('deviceId' in selection) return query.where('device_id', '=', selection.deviceId).orderBy('id');
  return query.where('thumbprint', '=', selection.thumbprint);
}

function selectIds(reader: Reader, accountId: string, ids: readonly string[]) {
  return reader.query
    .selectFrom('registrations')
    .selectAll()
    .where('account_id', '=', accountId)
    .where('id', 'in', [...ids])
    .orderBy('id');
}

export async function findRegistrations(
  reader: Reader,
  accountId: string,
  selection: Selection,
): Promise<RegistrationRow[]> {
  if (!('ids' in selection)) return await select(reader, accountId, selection).execute();
  const ids = [...new Set(selection.ids)].sort();
  return await inParts(ids, (some) => selectIds(reader, accountId, some).execute());
}

/** The same, locked until the end of the transaction; after their users. */
export async function lockRegistrations(
  tx: Tx,
  accountId: string,
  selection: Selection,
): Promise<RegistrationRow[]> {
  if (!('ids' in selection)) return await forUpdate(tx, select(tx, accountId, selection)).execute();
  const ids = [...new Set(selection.ids)].sort();
  return await inParts(ids, (some) => forUpdate(tx, selectIds(tx, accountId, some)).execute());
}

/** Those of the account's registrations whose device session has not run out. */
export async function listWithSession(
  reader: Reader,
  accountId: string,
  now: string,
): Promise<RegistrationRow[]> {
  return await reader.query
    .selectFrom('registrations')
    .selectAll()
    .where('account_id', '=', accountId)
    .where('session_ends_at', '>', now)
    .where('session_nonce', 'is not', null)
    .where('revoked_at', 'is', null)
    .execute();
}

export async function countOnDevice(tx: Tx, deviceId: string): Promise<number> {
  return await countRows(tx.query.selectFrom('registrations').select('id').where('device_id', '=', deviceId));
}

/** False where a registration with its key is there already. */
export async function insertRegistration(tx: Tx, row: RegistrationRow): Promise<boolean> {
  const inserted = await tx.query
    .insertInto('registrations')
    .values(row)
    .onConflict((conflict) => conflict.columns(['account_id', 'thumbprint']).doNothing())
    .returning('id')
    .executeTakeFirst();
  return inserted !== undefined;
}

export async function updateRegistrations(
  tx: Tx,
  { accountId, ids }: { accountId: string; ids: readonly string[] },
  change: Partial<Omit<RegistrationRow, 'id' | 'account_id'>>,
): Promise<void> {
  await inParts(ids, (some) =>
    tx.query
      .updateTable('registrations')
      .set(change)
      .where('account_id', '=', accountId)
      .where('id', 'in', [...some])
      .execute(),
  );
}

export async function deleteRegistrations(tx: Tx, accountId: string, ids: readonly string[]): Promise<void> {
  await inParts(ids, (some) =>
    tx.query
      .deleteFrom('registrations')
      .where('account_id', '=', accountId)
      .where('id', 'in', [...some])
      .execute(),
  );
}

/** Deletes what these keys have asked for and nobody has answered. */
export async function deletePendingEnrolments(
  tx: Tx,
  accountId: string,
  thumbprints: readonly string[],
): Promise<void> {
  await inParts(thumbprints, (some) =>
    tx.query
      .deleteFrom('device_enrolments')
      .where('account_id', '=', accountId)
      .where('thumbprint', 'in', [...some])
      .where('status', '=', 'pending')
      .execute(),
  );
}

/** Deletes the sessions that came with device sessions, and with them the hand-offs under way. */
export async function deleteSessions(tx: Tx, accountId: string, nonces: readonly string[]): Promise<void> {
  await inParts(nonces, (some) =>
    tx.query
      .deleteFrom('sessions')
      .where('account_id', '=', accountId)
      .where('nonce', 'in', [...some])
      .execute(),
  );
}

/** Adds to the users' counts of registrations that are not revoked. They are locked. */
export async function addToUserCounts(tx: Tx, changes: ReadonlyMap<string, number>): Promise<void> {
  for (const [id, change] of changes) {
    await tx.query
      .updateTable('users')
      .set({ active_device_count: sql`active_device_count + ${change}` })
      .where('id', '=', id)
      .execute();
  }
}

/** Those of them that were last seen before a time, locked in their order. */
export async function lockUnseen(
  tx: Tx,
  accountId: string,
  { ids, before }: { ids: readonly string[]; before: string },
): Promise<RegistrationRow[]> {
  if (ids.length === 0) return [];
  return await forUpdate(tx, selectIds(tx, accountId, ids).where('last_seen_at', '<', before)).execute();
}

/** Keeps the name by which registrations are ordered with that of their user. */
export async function renameOwner(tx: Tx, owner: Pick<Owner, 'id' | 'name_key'>): Promise<void> {
  await tx.query
    .updateTable('registrations')
    .set({ user_name_key: owner.name_key })
    .where('user_id', '=', owner.id)
    .execute();
}
