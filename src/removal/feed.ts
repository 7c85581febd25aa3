import type { Database, Snapshot } from '../database/database.ts';
import type { FeedBatch, FeedItem } from '../protocol/feed.ts';
import { type Head, isBeyond, isPartOf, type Rev, reaches } from '../protocol/rev.ts';
import { createRevocationIndex, type RevocationIndex } from '../protocol/revocation-index.ts';
import {
  type ChainedHead,
  listAccountIds,
  listRevocations,
  readFeedAfter,
  readHead,
  readPositions,
} from './store.ts';

/** All that a gate needs of one account, as of one position. */
export interface AccountSnapshot {
  readonly accountId: string;
  readonly head: ChainedHead;
  /** Belongs to the one follower that keeps it. */
  readonly revocations: RevocationIndex;
  readonly states: readonly FeedItem[];
}

/** Whoever decides from memory. Both calls are synchronous and whole: after they return, it is in force. */
export interface Follower {
  load(snapshot: AccountSnapshot): void;
  apply(batch: FeedBatch): void;
}

/** Reads the living state of one kind of object of an account, for a snapshot. */
export type StateSource = (snapshot: Snapshot, accountId: string) => Promise<FeedItem[]>;

/**
 * Carries committed transactions to the followers of this process, each account in the order of its
 * positions and without a gap.
 */
export interface Feed {
  /** Loads every account. Call before the first decision. */
  start(): Promise<void>;
  /** A transaction of this process has committed. Applied at once if it is the next one. */
  committed(batch: FeedBatch): void;
  /** Whether something was applied here at or beyond a place that was taken just now: then a commit was lost. */
  isTaken(accountId: string, at: Rev): boolean;
  /** Resolves when everything up to `at` is in force here; reads what is missing from the database. */
  reach(accountId: string, at: Rev): Promise<void>;
  /** Resolves when everything committed before the call is in force here. */
  catchUp(accountId: string): Promise<void>;
  /**
   * Catches up every account that is loaded: all that anybody can be admitted to here. An account that is not is
   * nobody's yet, however many of them there are.
   */
  catchUpAll(): Promise<void>;
  /** Catches up every account and loads what is new: what no other call has brought, such as a commit whose answer was lost. */
  poll(): Promise<void>;
}

/** For a process that decides nothing itself, such as a command beside the server. */
export const detachedFeed: Feed = {
  start: async () => {},
  committed: () => {},
  isTaken: () => false,
  reach: async () => {},
  catchUp: async () => {},
  catchUpAll: async () => {},
  poll: async () => {},
};

export function createFeed(options: {
  database: Database;
  follower: Follower;
  sources: readonly StateSource[];
  /** Told that the database knows less than was applied here: a commit is lost (design §4.9). */
  onLost?: (accountId: string, applied: Rev) => void;
}): Feed {
  const { database, follower, sources, onLost = () => {} } = options;
  const applied = new Map<string, Head>();
  const catchingUp = new Map<string, Promise<void>>();

  const isApplied = (accountId: string, at: Rev) => {
    const here = applied.get(accountId);
    return here !== undefined && isPartOf(at, here);
  };

  const apply = (batch: FeedBatch) => {
    const here = applied.get(batch.accountId);
    follower.apply(batch);
    if (here) applied.set(batch.accountId, { ...here, ...batch.at });
  };

  /** A position never goes back, and neither does an epoch. */
  const isOld = (accountId: string, head: Head) => {
    const here = applied.get(accountId);
    return here !== undefined && reaches(here, head);
  };

  const load = (accountId: string) =>
    database.snapshot(
      async (snapshot) => {
        const loaded = await readSnapshot(snapshot, accountId, sources);
        // What was read before something newer was applied would un-revoke.
        if (!loaded || isOld(accountId, loaded.head)) return;
        follower.load(loaded);
        applied.set(accountId, loaded.head);
      },
      { repeatable: true },
    );

  const readMissing = (accountId: string, from: Rev) =>
    database.snapshot(
      async (snapshot) => {
        const head = await readHead(snapshot, accountId);
        if (!head) throw new Error('the feed of the account is gone');
        return { head, batches: await readFeedAfter(snapshot, accountId, from) };
      },
      { repeatable: true },
    );

  // What this process committed meanwhile may be among what was read, or beyond it: `isApplied` tells.
  const fetchMissing = async (accountId: string) => {
    const from = applied.get(accountId);
    if (!from) return await load(accountId);
    const { head, batches } = await readMissing(accountId, from);
    if (isBeyond(from, head)) onLost(accountId, from);
    if (isOld(accountId, head)) return;
    // Of another epoch, or some of what is missing was pruned: only a whole snapshot knows what it said.
    if (head.epoch !== from.epoch || from.position < head.floor) return await load(accountId);
    for (const batch of batches) {
      if (!isApplied(accountId, batch.at)) apply(batch);
    }
    const at = { epoch: head.epoch, position: head.position };
    if (!isApplied(accountId, at)) apply({ accountId, at, items: [], chain: head.chain });
  };

  const catchUp = async (accountId: string) => {
    // One that is under way may have read too early for this caller: wait for it, then read again.
    await catchingUp.get(accountId)?.catch(() => {});
    const running = catchingUp.get(accountId) ?? fetchMissing(accountId);
    catchingUp.set(accountId, running);
    try {
      await running;
    } finally {
      if (catchingUp.get(accountId) === running) catchingUp.delete(accountId);
    }
  };

  const catchUpBehind = async (isWanted: (accountId: string) => boolean) => {
    const before = new Map(applied);
    for (const { accountId, at } of await readPositions(database.reader)) {
      if (!isWanted(accountId)) continue;
      const here = before.get(accountId);
      // One that is behind what had been applied is read as well, for `onLost`.
      const isBehind = here !== undefined && !reaches(at, here);
      if (isBehind || !isApplied(accountId, at)) await catchUp(accountId);
    }
  };

  return {
    start: async () => {
      const accountIds = await listAccountIds(database.reader);
      for (const accountId of accountIds) await load(accountId);
    },
    committed: (batch) => {
      const here = applied.get(batch.accountId);
      if (here?.epoch === batch.at.epoch && batch.at.position === here.position + 1) apply(batch);
    },
    isTaken: (accountId, at) => isApplied(accountId, at),
    reach: async (accountId, at) => {
      if (!isApplied(accountId, at)) await catchUp(accountId);
      if (!isApplied(accountId, at)) throw new Error('the feed did not reach a committed position');
    },
    catchUp,
    catchUpAll: () => catchUpBehind((accountId) => applied.has(accountId)),
    poll: () => catchUpBehind(() => true),
  };
}

async function readSnapshot(
  snapshot: Snapshot,
  accountId: string,
  sources: readonly StateSource[],
): Promise<AccountSnapshot | null> {
  const head = await readHead(snapshot, accountId);
  if (!head) return null;
  const revocations = createRevocationIndex(head);
  for await (const some of listRevocations(snapshot, accountId)) {
    for (const { at, subject } of some) revocations.apply(at, [subject]);
  }
  const states: FeedItem[] = [];
  for (const source of sources) states.push(...(await source(snapshot, accountId)));
  return { accountId, head, revocations, states };
}
