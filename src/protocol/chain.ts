import { sha256 } from '../kernel/crypto.ts';
import type { FeedItem } from './feed.ts';
import type { Rev } from './rev.ts';

/** The chain of an account in whose feed nothing has happened yet. */
export const EMPTY_CHAIN = '';

/**
 * The hash of everything in an account's feed up to `at` (removal-protocol, schedule 10): two histories that differ
 * anywhere differ in it, even where they have the same positions. What has no items leaves it as it is.
 */
export function chainOf(
  before: string,
  { accountId, at, items }: { accountId: string; at: Rev; items: readonly FeedItem[] },
): string {
  if (items.length === 0) return before;
  return sha256(JSON.stringify([before, accountId, at.epoch, at.position, items.map(linkOf)]));
}

/** A state as text: it is read back from the database with its keys in the same order. */
function linkOf(item: FeedItem): readonly unknown[] {
  if (item.kind === 'revocation') return [item.kind, item.subject.type, item.subject.id];
  return [item.kind, item.id, JSON.stringify(item.state)];
}
