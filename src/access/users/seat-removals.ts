import type { Tx } from '../../database/database.ts';
import { endDevicesOf } from '../../devices/registrations/registrations.ts';
import type { FeedItem } from '../../protocol/feed.ts';
import { listSeenWithDevice, lockHolders } from './seat-store.ts';
import { releaseSeats } from './seats.ts';
import { type StoredUser, updateUserRow } from './store.ts';
import { endAccess } from './user-removals.ts';

/** The kinds that a seat is left with; nothing is given by it. */
export interface SeatKinds {
  readonly access: boolean;
  readonly gateway: boolean;
}

/** A seat, by its holder as the caller locked the row, and what is left of it. */
export interface SeatChange {
  readonly holder: StoredUser;
  readonly keep: SeatKinds;
}

/** What has become of a seat. */
export interface ChangedSeat {
  /** As it was, since the holder has none any more if it was taken away. */
  readonly seatUid: string;
  readonly holder: StoredUser;
  readonly items: readonly FeedItem[];
  readonly sessions: number;
  readonly devices: number;
}

/** The holders of these seats, by seat, their rows locked in the order of their ids. Whom nobody holds is absent. */
export async function lockSeats(
  tx: Tx,
  accountId: string,
  seatUids: readonly string[],
): Promise<Map<string, StoredUser>> {
  const holders = await lockHolders(tx, accountId, seatUids);
  return new Map(holders.map((holder) => [seatOf(holder), holder]));
}

/**
 * Takes kinds of seats away. Without access every session and application token of the person is over, and the next
 * sign-in must be fresh (as after revoke_user; removal-protocol, schedules 2, 3 and 22). Without gateway all their
 * registrations are deleted. With neither left both ends, and the seat is given back: the user stays, without one.
 */
export async function endSeats(
  tx: Tx,
  accountId: string,
  { changes, now }: { changes: readonly SeatChange[]; now: string },
): Promise<ChangedSeat[]> {
  const userIds = changes.map(({ holder }) => holder.id);
  // Their rows are locked, so nobody of them enrols meanwhile; most have no device to look after.
  const withDevice = await listSeenWithDevice(tx, { accountId, userIds, since: '' });
  const changed: ChangedSeat[] = [];
  for (const change of changes) {
    changed.push(await endSeat(tx, change, { now, hasDevice: withDevice.has(change.holder.id) }));
  }
  // After all else, since the count stays locked from here on.
  await releaseSeats(tx, accountId, changed.filter(({ holder }) => holder.seat_uid === null).length);
  return changed;
}

async function endSeat(
  tx: Tx,
  { holder, keep }: SeatChange,
  { now, hasDevice }: { now: string; hasDevice: boolean },
): Promise<ChangedSeat> {
  const had = { access: holder.access_seat === 1, gateway: holder.gateway_seat === 1 };
  const left = { access: had.access && keep.access, gateway: had.gateway && keep.gateway };
  const isOver = !left.access && !left.gateway;
  const of = { accountId: holder.account_id, userId: holder.id, how: 'delete', now } as const;
  const endsDevices = hasDevice && (isOver || had.gateway !== left.gateway);
  const devices = endsDevices ? await endDevicesOf(tx, of) : NO_DEVICES;
  const access = isOver || had.access !== left.access ? await endAccess(tx, holder) : NO_ACCESS;
  const isChanged = isOver || had.access !== left.access || had.gateway !== left.gateway;
  const change = {
    access_seat: left.access ? 1 : 0,
    gateway_seat: left.gateway ? 1 : 0,
    seat_uid: isOver ? null : holder.seat_uid,
    updated_at: isChanged ? now : holder.updated_at,
  };
  if (isChanged) await updateUserRow(tx, holder, change);
  return {
    seatUid: seatOf(holder),
    holder: { ...holder, ...change },
    items: [...access.items, ...devices.items],
    sessions: access.sessions,
    devices: devices.count,
  };
}

const NO_DEVICES = { items: [], count: 0 };
const NO_ACCESS = { items: [], sessions: 0 };

function seatOf({ seat_uid: seatUid }: StoredUser): string {
  if (seatUid === null) throw new Error('a user without a seat was taken for a holder');
  return seatUid;
}
