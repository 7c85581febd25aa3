import type { Snapshot } from '../database/database.ts';
import type { Subject } from '../protocol/feed.ts';
import { type Head, isCurrent, type Rev, survives } from '../protocol/rev.ts';
import { readHead, readRevocations } from './store.ts';

/**
 * The first statement of every mint: where the feed stands. The root of a lineage (a sign-in's state) keeps
 * it as its `rev`; every later step inherits its parent's and uses this only to judge the parent (§4.3).
 */
export async function beginMint(snapshot: Snapshot, accountId: string): Promise<Head> {
  const head = await readHead(snapshot, accountId);
  if (!head) throw new Error('a mint in an account that does not exist');
  return head;
}

/**
 * Whether a parent may still bear children: its reading is of this epoch, between floor and head, and none
 * of its subjects was revoked after it. Asked after the rows were read, in the same transaction.
 */
export async function parentStands(
  snapshot: Snapshot,
  parent: { accountId: string; rev: Rev; head: Head; subjects: readonly Subject[] },
): Promise<boolean> {
  const { accountId, rev, head, subjects } = parent;
  if (!isCurrent(rev, head)) return false;
  const account: Subject = { type: 'account', id: accountId };
  const newest = await readRevocations(snapshot, accountId, [account, ...subjects]);
  return newest.every((revokedAt) => survives(rev, revokedAt));
}

/** Whether any of these was ever revoked, whenever that was. */
export async function wereRevoked(
  snapshot: Snapshot,
  accountId: string,
  subjects: readonly Subject[],
): Promise<boolean> {
  return (await readRevocations(snapshot, accountId, subjects)).length > 0;
}
