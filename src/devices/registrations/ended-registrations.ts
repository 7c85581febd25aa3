import type { Tx } from '../../database/database.ts';
import type { RegistrationRow } from '../../database/tables.ts';
import { type FeedItem, revocation } from '../../protocol/feed.ts';
import { addToDeviceCounts, lockDevices } from './device-store.ts';
import {
  addToUserCounts,
  deletePendingEnrolments,
  deleteRegistrations,
  deleteSessions,
  updateRegistrations,
} from './store.ts';

/** `delete`: the rows go. `revoke`: they stay, revoked. `reauthenticate`: their device sessions end, no more. */
export type Ending = 'delete' | 'revoke' | 'reauthenticate';

/**
 * Ends registrations. They are locked, and their users before them. Their device sessions go with the sessions that
 * came with those, so that nothing usable stays behind; counts are kept. No sign-in of their users from before enrols
 * another key afterwards (subject `devices`), and with a registration goes what its key asked for meanwhile. Answers
 * what gates must know, and how many there was anything to end of.
 */
export async function endRegistrations(
  tx: Tx,
  {
    accountId,
    rows,
    how,
    now,
  }: { accountId: string; rows: readonly RegistrationRow[]; how: Ending; now: string },
): Promise<{ items: FeedItem[]; count: number }> {
  const ended = rows.filter((row) => isEndedBy(row, how));
  const ids = ended.map(({ id }) => id);
  await lockDevices(
    tx,
    accountId,
    ended.map((row) => row.device_id),
  );
  const nonces = noncesOf(ended);
  await deleteSessions(tx, accountId, nonces);
  if (how === 'delete') {
    await deleteRegistrations(tx, accountId, ids);
    await deletePendingEnrolments(
      tx,
      accountId,
      ended.map((row) => row.thumbprint),
    );
  } else {
    const revoked = how === 'revoke' ? { revoked_at: now } : {};
    await updateRegistrations(tx, { accountId, ids }, { ...NO_SESSION, ...revoked, updated_at: now });
  }
  if (how !== 'reauthenticate') await count(tx, ended, -1);
  return {
    items: [...ended.flatMap(endingItems), ...nonces.flatMap(sessionEndingItems), ...ownersItems(ended)],
    count: ended.length,
  };
}

/** What a registration has that has no device session. */
const NO_SESSION = {
  session_nonce: null,
  session_epoch: null,
  session_position: null,
  session_ends_at: null,
} as const;

function isEndedBy(row: RegistrationRow, how: Ending): boolean {
  if (how === 'delete') return true;
  return how === 'revoke' ? row.revoked_at === null : row.session_nonce !== null;
}

/** Changes both counts by so many for each of these that is not revoked. Users and devices are locked. */
export async function count(tx: Tx, rows: readonly RegistrationRow[], by: 1 | -1): Promise<void> {
  const active = rows.filter((row) => row.revoked_at === null);
  await addToUserCounts(tx, tally(active, 'user_id', by));
  await addToDeviceCounts(tx, tally(active, 'device_id', by));
}

function tally(
  rows: readonly RegistrationRow[],
  key: 'user_id' | 'device_id',
  by: number,
): Map<string, number> {
  const found = new Map<string, number>();
  for (const row of rows) found.set(row[key], (found.get(row[key]) ?? 0) + by);
  return found;
}

function noncesOf(rows: readonly RegistrationRow[]): string[] {
  return rows.flatMap(({ session_nonce: nonce }) => (nonce === null ? [] : [nonce]));
}

function endingItems({ id }: RegistrationRow): FeedItem[] {
  return [revocation({ type: 'registration', id }), { kind: 'registration', id, state: null }];
}

function ownersItems(rows: readonly RegistrationRow[]): FeedItem[] {
  const userIds = [...new Set(rows.map((row) => row.user_id))].sort();
  return userIds.map((id) => revocation({ type: 'devices', id }));
}

/** What gates must know of a session that ended with its device session. */
export function sessionEndingItems(nonce: string): FeedItem[] {
  return [revocation({ type: 'session', id: nonce }), { kind: 'session', id: nonce, state: null }];
}
