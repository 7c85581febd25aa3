import { sql } from 'kysely';
import { forUpdate, type Reader, type Tx } from '../../database/database.ts';
import { addToTotal, readTotal, startAt } from '../../database/paging.ts';
import { type StoredUser, selectUsers } from './store.ts';

const TOTAL = 'seats';

/**
 * Locks the count of seats until the end of the transaction and makes it where there is none: whoever changes it, or
 * the limit, comes through here first, so that the statement after this one reads both as they are.
 */
export async function lockSeatCount(tx: Tx, accountId: string): Promise<void> {
  await addToTotal(tx, accountId, TOTAL, 0);
}

/** Counts one more seat, if the account has one left, in one statement; answers whether it had. */
export async function countSeat(tx: Tx, accountId: string): Promise<boolean> {
  await lockSeatCount(tx, accountId);
  const limit = tx.query.selectFrom('accounts').select('seat_limit').where('id', '=', accountId);
  const { numUpdatedRows } = await tx.query
    .updateTable('totals')
    .set({ total: sql`total + 1` })
    .where('account_id', '=', accountId)
    .where('kind', '=', TOTAL)
    .where(({ or, eb }) => or([eb(limit, 'is', null), eb('total', '<', limit)]))
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** Counts so many seats less. */
export async function uncountSeats(tx: Tx, accountId: string, seats: number): Promise<void> {
  await addToTotal(tx, accountId, TOTAL, -seats);
}

/** How many users may hold a seat; null for any number. */
export async function readSeatLimit(reader: Reader, accountId: string): Promise<number | null> {
  const row = await reader.query
    .selectFrom('accounts')
    .select('seat_limit')
    .where('id', '=', accountId)
    .executeTakeFirst();
  return row?.seat_limit ?? null;
}

export async function writeSeatLimit(tx: Tx, accountId: string, limit: number | null): Promise<void> {
  await tx.query.updateTable('accounts').set({ seat_limit: limit }).where('id', '=', accountId).execute();
}

/** How many seats are in use. */
export async function readSeatCount(reader: Reader, accountId: string): Promise<number> {
  return await readTotal(reader, accountId, TOTAL);
}

/** The users who hold these seats, in the order of their ids, locked until the end of the transaction. */
export async function lockHolders(
  tx: Tx,
  accountId: string,
  seatUids: readonly string[],
): Promise<StoredUser[]> {
  if (seatUids.length === 0) return [];
  const select = selectUsers(tx, accountId).where('users.seat_uid', 'in', [...seatUids]);
  return await forUpdate(tx, select.orderBy('users.id')).execute();
}

/** Somebody who holds a seat, and when they were there last. */
export interface IdleHolder {
  readonly id: string;
  readonly seat_uid: string;
  /** Of their last sign-in; of somebody who never signed in, when the user was made. */
  readonly seen_at: string;
}

/** As in the index users_by_last_login. */
const LAST_LOGIN = sql<string>`coalesce(users.last_successful_login, users.created_at)`;

/** Who holds a seat and has not signed in since, longest ago first, after a key; at most so many. */
export async function listIdleHolders(
  reader: Reader,
  { accountId, before, after, limit }: { accountId: string; before: string; after: IdleKey; limit: number },
): Promise<IdleHolder[]> {
  const rows = await startAt(
    reader.query
      .selectFrom('users')
      .select(['users.id', 'users.seat_uid', LAST_LOGIN.as('seen_at')])
      .where('users.account_id', '=', accountId)
      .where('users.seat_uid', 'is not', null)
      .where(LAST_LOGIN, '<', before),
    [LAST_LOGIN, 'users.id'],
    { after, offset: 0, limit },
  ).execute();
  return rows.map((row) => ({ ...row, seat_uid: row.seat_uid ?? '' }));
}

/** `seen_at` and `id` of the holder after whom a list goes on. */
export type IdleKey = readonly [string, string] | null;

/** Which of these users have a registration that was seen since; with '', which have any. */
export async function listSeenWithDevice(
  reader: Reader,
  { accountId, userIds, since }: { accountId: string; userIds: readonly string[]; since: string },
): Promise<Set<string>> {
  if (userIds.length === 0) return new Set();
  const rows = await reader.query
    .selectFrom('registrations')
    .select('user_id')
    .distinct()
    .where('account_id', '=', accountId)
    .where('user_id', 'in', [...userIds])
    .where('last_seen_at', '>=', since)
    .execute();
  return new Set(rows.map((row) => row.user_id));
}
