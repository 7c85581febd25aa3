import type { Snapshot } from '../database/database.ts';
import { type FromNode, LARGE_PART } from '../protocol/gate-messages.ts';
import type { Rev } from '../protocol/rev.ts';
import type { StateSource } from '../removal/feed.ts';
import { listRevocations, readHead } from '../removal/store.ts';

/** Sends one message as JSON; resolves when there is room for more. */
export type Send = (text: string) => Promise<void>;

/**
 * All that a gate needs of an account, message by message, from one snapshot of the database; returns the position
 * at which it was read. No message has more than about LARGE_PART bytes, unless a single item has.
 */
export async function sendSnapshot(
  snapshot: Snapshot,
  { accountId, sources }: { accountId: string; sources: readonly StateSource[] },
  send: Send,
): Promise<Rev> {
  const head = await readHead(snapshot, accountId);
  if (!head) throw new Error('a gate of an account that does not exist');
  const { epoch, position, floor, formers, chain } = head;
  const told = { epoch, position, floor, formers: formers ?? [] };
  const say = (message: FromNode) => send(JSON.stringify(message));
  await say({ type: 'snapshot', part: 'begin', head: told, chain });
  for await (const some of listRevocations(snapshot, accountId)) {
    const revocations = some.map(({ at, subject }) => [subject.type, subject.id, at.epoch, at.position]);
    for (const list of inParts(revocations)) {
      await send(`{"type":"snapshot","part":"revocations","revocations":${list}}`);
    }
  }
  for (const source of sources) {
    for (const list of inParts(await source(snapshot, accountId))) {
      await send(`{"type":"snapshot","part":"states","items":${list}}`);
    }
  }
  await say({ type: 'snapshot', part: 'end' });
  return { epoch, position };
}

/** The values as JSON arrays of about LARGE_PART bytes; each is written once, since there may be a million. */
function* inParts(values: Iterable<unknown>): Generator<string> {
  let texts: string[] = [];
  let size = 0;
  for (const value of values) {
    const text = JSON.stringify(value);
    const bytes = Buffer.byteLength(text);
    if (texts.length > 0 && size + bytes > LARGE_PART) {
      yield `[${texts.join(',')}]`;
      [texts, size] = [[], 0];
    }
    texts.push(text);
    size += bytes;
  }
  if (texts.length > 0) yield `[${texts.join(',')}]`;
}
