import type { Static } from 'typebox';
import type { Reader, Tx } from '../../database/database.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import type { Problem } from '../../kernel/result.ts';
import type { Change } from '../../removal/act.ts';
import { type ChangedSeat, endSeats, lockSeats } from '../users/seat-removals.ts';
import { changeSeatLimit, readSeatUse, type SeatUse } from '../users/seats.ts';
import type { Seat, SeatChanges } from './contract.ts';

type Asked = Static<typeof SeatChanges>[number];
type Holder = ChangedSeat['holder'];

/**
 * Changes seats as asked, all of them or none (reference §3.2): what is false is taken away, at once and with the
 * access that hangs on it. 404 for a seat that nobody in the account holds, 400 for one that is named twice and for
 * true where it is false: a seat is taken by signing in or enrolling a device, not given. Answers in the order asked.
 */
export async function changeSeats(
  tx: Tx,
  { accountId, now, ...input }: { accountId: string; asked: readonly Asked[]; now: string },
): Promise<Change<Static<typeof Seat>[]>> {
  const asked = input.asked.map((one) => ({ ...one, seat_uid: one.seat_uid.toLowerCase() }));
  refuseRepeated(asked);
  const holders = await lockSeats(
    tx,
    accountId,
    asked.map(({ seat_uid: seatUid }) => seatUid),
  );
  const wanted = asked.map((one) => ({ holder: holderOf(holders, one), keep: keptOf(one) }));
  refuseGiving(asked, wanted);
  const changed = await endSeats(tx, accountId, { changes: wanted, now });
  return {
    result: changed.map(presentSeat),
    items: changed.flatMap(({ items }) => items),
    audit: {
      action: 'seats.update',
      resource: { type: 'seats', id: accountId },
      metadata: { seats: changed.map(auditedSeat) },
    },
  };
}

function keptOf({ access_seat: access, gateway_seat: gateway }: Asked) {
  return { access, gateway };
}

function holderOf(holders: ReadonlyMap<string, Holder>, { seat_uid: seatUid }: Asked): Holder {
  const holder = holders.get(seatUid);
  if (!holder) throw refusal('notFoundAccess', { detail: `seat ${seatUid} not found` });
  return holder;
}

function refuseRepeated(asked: readonly Asked[]): void {
  const seen = new Set<string>();
  const problems = asked.flatMap(({ seat_uid: seatUid }, at): Problem[] => {
    const isRepeated = seen.has(seatUid);
    seen.add(seatUid);
    return isRepeated ? [{ pointer: `/${at}/seat_uid`, message: 'is named twice' }] : [];
  });
  if (problems.length > 0) throw invalidInput(problems, 'invalidAccess');
}

const NOT_GIVEN = {
  access_seat: 'cannot be given: it is taken by signing in',
  gateway_seat: 'cannot be given: it is taken by enrolling a device',
} as const;

function refuseGiving(asked: readonly Asked[], wanted: readonly { holder: Holder }[]): void {
  const problems = wanted.flatMap(({ holder }, at): Problem[] =>
    (['access_seat', 'gateway_seat'] as const)
      .filter((kind) => asked[at]?.[kind] === true && holder[kind] !== 1)
      .map((kind) => ({ pointer: `/${at}/${kind}`, message: NOT_GIVEN[kind] })),
  );
  if (problems.length > 0) throw invalidInput(problems, 'invalidAccess');
}

/** The times are those of the user who holds the seat. */
function presentSeat({ seatUid, holder }: ChangedSeat): Static<typeof Seat> {
  return {
    seat_uid: seatUid,
    access_seat: holder.access_seat === 1,
    gateway_seat: holder.gateway_seat === 1,
    created_at: holder.created_at,
    updated_at: holder.updated_at,
  };
}

/** What an entry of the audit log says of a seat. */
export function auditedSeat({ seatUid, holder, sessions, devices }: ChangedSeat) {
  return {
    seat_uid: seatUid,
    user_id: holder.id,
    email: holder.email,
    access_seat: holder.access_seat === 1,
    gateway_seat: holder.gateway_seat === 1,
    sessions,
    devices,
  };
}

/** How many users may hold a seat, and how many do. */
export async function getSeatLimit(reader: Reader, accountId: string): Promise<SeatUse> {
  return await readSeatUse(reader, accountId);
}

/** Sets how many users may hold a seat. Whoever holds one keeps it, also where that is more than the limit. */
export async function setSeatLimit(
  tx: Tx,
  { accountId, limit }: { accountId: string; limit: number | null },
): Promise<Change<SeatUse>> {
  const before = await changeSeatLimit(tx, accountId, limit);
  return {
    result: { limit, used: before.used },
    audit: {
      action: 'seats.limit',
      resource: { type: 'seats', id: accountId },
      metadata: { limit: { from: before.limit, to: limit }, used: before.used },
    },
  };
}
