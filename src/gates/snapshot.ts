import type { Snapshot } from '../database/database.ts';
import type { FeedItem } from '../protocol/feed.ts';
import type { FromNode } from '../protocol/gate-messages.ts';
import type { Rev } from '../protocol/rev.ts';
import type { StateSource } from '../removal/feed.ts';
import { listRevocations, readHead } from '../removal/store.ts';

/** How many items go into one message. */
const ITEMS_AT_ONCE = 500;

/**
 * All that a gate needs of an account, message by message, from one snapshot of the database; returns the position
 * at which it was read. `send` resolves when there is room for more.
 */
export async function sendSnapshot(
  snapshot: Snapshot,
  { accountId, sources }: { accountId: string; sources: readonly StateSource[] },
  send: (message: FromNode) => Promise<void>,
): Promise<Rev> {
  const head = await readHead(snapshot, accountId);
  if (!head) throw new Error('a gate of an account that does not exist');
  const { epoch, position, floor, formers, chain } = head;
  await send({
    type: 'snapshot',
    part: 'begin',
    head: { epoch, position, floor, formers: formers ?? [] },
    chain,
  });
  for await (const some of listRevocations(snapshot, accountId)) {
    const revocations = some.map(
      ({ at, subject }) => [subject.type, subject.id, at.epoch, at.position] as const,
    );
    if (revocations.length > 0) await send({ type: 'snapshot', part: 'revocations', revocations });
  }
  for (const source of sources) await sendStates(await source(snapshot, accountId), send);
  await send({ type: 'snapshot', part: 'end' });
  return { epoch, position };
}

async function sendStates(
  items: readonly FeedItem[],
  send: (message: FromNode) => Promise<void>,
): Promise<void> {
  for (let from = 0; from < items.length; from += ITEMS_AT_ONCE) {
    await send({ type: 'snapshot', part: 'states', items: items.slice(from, from + ITEMS_AT_ONCE) });
  }
}
