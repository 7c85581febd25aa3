import type { Reader, Tx } from '../../database/database.ts';
import { newUuid } from '../../kernel/ids.ts';
import {
  countSeat,
  type IdleKey,
  listIdleHolders,
  listSeenWithDevice,
  lockSeatCount,
  readSeatCount,
  readSeatLimit,
  uncountSeats,
  writeSeatLimit,
} from './seat-store.ts';
import type { StoredUser } from './store.ts';

/** What a seat is taken for: signing in to applications, or enrolling a device. */
export type SeatKind = 'access' | 'gateway';

/** What changes in the row of the user who has taken a seat. */
export type TakenSeat = Pick<StoredUser, 'seat_uid' | 'updated_at'> &
  Partial<Pick<StoredUser, 'access_seat' | 'gateway_seat'>>;

/** The account has no seat left, and the user holds none: what was to be begun must not be. */
export class SeatRefused extends Error {
  constructor() {
    super('the account has no seat left');
    this.name = 'SeatRefused';
  }
}

/**
 * Takes a seat for a user whose row the caller has locked (or just made), and answers what to write into it. A user
 * holds one seat at most, whatever its kinds: whoever has it takes no second one. Throws SeatRefused where the limit
 * of the account is reached; the transaction must fail then. The count stays locked until the transaction ends, so
 * call this late, and before the position of the feed is taken.
 */
export async function takeSeat(
  tx: Tx,
  user: Pick<StoredUser, 'account_id' | 'seat_uid' | 'access_seat' | 'gateway_seat' | 'updated_at'>,
  kind: SeatKind,
  now: string,
): Promise<TakenSeat> {
  const isNew = user.seat_uid === null;
  if (isNew && !(await countSeat(tx, user.account_id))) throw new SeatRefused();
  const isKind = (kind === 'access' ? user.access_seat : user.gateway_seat) === 1;
  return {
    seat_uid: user.seat_uid ?? newUuid(),
    ...(kind === 'access' ? { access_seat: 1 } : { gateway_seat: 1 }),
    updated_at: isKind ? user.updated_at : now,
  };
}

/** Gives the user's seat back, if there is one; the caller holds the lock of the row and clears or deletes it. */
export async function releaseSeat(tx: Tx, user: Pick<StoredUser, 'account_id' | 'seat_uid'>): Promise<void> {
  if (user.seat_uid !== null) await releaseSeats(tx, user.account_id, 1);
}

/** The same, of so many users at once. */
export async function releaseSeats(tx: Tx, accountId: string, seats: number): Promise<void> {
  if (seats > 0) await uncountSeats(tx, accountId, seats);
}

/** How many users may hold a seat (null: any number), and how many do. */
export interface SeatUse {
  readonly limit: number | null;
  readonly used: number;
}

export async function readSeatUse(reader: Reader, accountId: string): Promise<SeatUse> {
  return { limit: await readSeatLimit(reader, accountId), used: await readSeatCount(reader, accountId) };
}

/**
 * Sets the limit. Whoever holds a seat keeps it, however low the limit is; nobody takes one from here on until fewer
 * than the limit are in use. Answers what was before.
 */
export async function changeSeatLimit(tx: Tx, accountId: string, limit: number | null): Promise<SeatUse> {
  await lockSeatCount(tx, accountId);
  const before = await readSeatUse(tx, accountId);
  await writeSeatLimit(tx, accountId, limit);
  return before;
}

export type { IdleKey };

/**
 * The next seats whose holders have not signed in since `before` and whose devices were not seen since, longest ago
 * first, of at most `limit` holders looked at; `last` is whom to go on after, null when there is nobody more.
 */
export async function listIdleSeats(
  reader: Reader,
  asked: { accountId: string; before: string; after: IdleKey; limit: number },
): Promise<{ seatUids: string[]; last: IdleKey }> {
  const holders = await listIdleHolders(reader, asked);
  const userIds = holders.map(({ id }) => id);
  const { accountId, before: since } = asked;
  const seen = await listSeenWithDevice(reader, { accountId, userIds, since });
  const last = holders.at(-1);
  return {
    seatUids: holders.filter(({ id }) => !seen.has(id)).map(({ seat_uid: seatUid }) => seatUid),
    last: last && holders.length === asked.limit ? [last.seen_at, last.id] : null,
  };
}

/** Those of these holders, whose rows the caller has locked, who have neither signed in since nor had a device seen. */
export async function unusedSince(
  tx: Tx,
  { accountId, holders, since }: { accountId: string; holders: readonly StoredUser[]; since: string },
): Promise<StoredUser[]> {
  const away = holders.filter((holder) => (holder.last_successful_login ?? holder.created_at) < since);
  const userIds = away.map(({ id }) => id);
  const seen = await listSeenWithDevice(tx, { accountId, userIds, since });
  return away.filter(({ id }) => !seen.has(id));
}
