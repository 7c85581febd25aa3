import type { Snapshot } from '../database/database.ts';
import { type AppliedPosition, type FromNode, LARGEST_BATCH } from '../protocol/gate-messages.ts';
import type { Rev } from '../protocol/rev.ts';
import type { StateSource } from '../removal/feed.ts';
import { readChainAt, readFeedAfter, readHead } from '../removal/store.ts';
import { type Send, sendSnapshot } from './snapshot.ts';

/** Whoever lacks more than this, in bytes, gets everything anew. */
const MOST_BROUGHT = 32 * 1024 * 1024;

/**
 * What a gate does not have that has applied the feed up to there: the entries since, or a snapshot if it has none of this
 * history, or if an entry is too large for a message, or all of them are too much. Returns the position that it then has.
 */
export async function bring(
  snapshot: Snapshot,
  of: { accountId: string; sources: readonly StateSource[]; applied: AppliedPosition | null },
  send: Send,
): Promise<Rev> {
  const { accountId, applied } = of;
  const texts = applied && (await entriesSince(snapshot, accountId, applied));
  if (!texts) return await sendSnapshot(snapshot, of, send);
  const head = await readHead(snapshot, accountId);
  if (!head) throw new Error('a gate of an account that does not exist');
  for (const text of texts) await send(text);
  const { epoch, position, chain } = head;
  const last: FromNode = { type: 'batch', epoch, position, items: [], chain };
  await send(JSON.stringify(last));
  return { epoch, position };
}

/** null: they cannot be sent, or do not go on from there. */
async function entriesSince(
  snapshot: Snapshot,
  accountId: string,
  applied: AppliedPosition,
): Promise<string[] | null> {
  if ((await readChainAt(snapshot, accountId, applied)) !== applied.chain) return null;
  const texts: string[] = [];
  let size = 0;
  for (const { at, items, chain } of await readFeedAfter(snapshot, accountId, applied)) {
    const message: FromNode = { type: 'batch', ...at, items, chain };
    const text = JSON.stringify(message);
    size += Buffer.byteLength(text);
    if (isTooLarge(text) || size > MOST_BROUGHT) return null;
    texts.push(text);
  }
  return texts;
}

/** Whether a transaction, as it would be sent, is too large to be sent by itself. */
export function isTooLarge(text: string): boolean {
  return Buffer.byteLength(text) > LARGEST_BATCH;
}
