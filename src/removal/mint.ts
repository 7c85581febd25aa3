import type { Snapshot, Tx } from '../database/database.ts';
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

/**
 * A transaction to mint in, whose first statement is the reading of the feed; `work` is given it.
 * Refuses by throwing whatever `work` throws.
 */
export async function mint<S extends Snapshot | Tx, T>(
  tx: S,
  accountId: string,
  work: (tx: S, head: Head) => Promise<T>,
): Promise<T> {
  const head = await beginMint(tx, accountId);
  return await work(tx, head);
}
