import type { Tx } from '../../database/database.ts';
import { takeSeat } from './seats.ts';
import { lockUser, type StoredUser, updateUserRow } from './store.ts';

/** The user for whom a device is being enrolled, locked until the transaction ends; null if there is none. */
export async function lockEnrollingUser(
  tx: Tx,
  accountId: string,
  userId: string,
): Promise<StoredUser | null> {
  return await lockUser(tx, accountId, userId);
}

/**
 * A device was enrolled for a user whose row the caller has locked: they hold a gateway seat from now on. Throws
 * SeatRefused if the account has none left for someone who holds none. To be called late (seats.ts).
 */
export async function holdsDevice(tx: Tx, user: StoredUser, now: string): Promise<void> {
  await updateUserRow(tx, user, await takeSeat(tx, user, 'gateway', now));
}
