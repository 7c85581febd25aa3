import type { Reader } from '../database/database.ts';
import type { Stopwatch } from '../kernel/clock.ts';
import { type Rev, reaches } from '../protocol/rev.ts';
import type { Feed } from './feed.ts';
import { type Ack, readAcks, readLeases } from './lease-store.ts';
import type { Leases, SeenLease } from './leases.ts';

/** The gates that are attached to this node. */
export interface OwnGates {
  /**
   * Resolves when every gate that this node gave a lease has applied the feed of the account up to `at`, or its lease
   * has run out; with the names of those that ran out.
   */
  settled(accountId: string, at: Rev): Promise<readonly string[]>;
}

/** How long something took to be in force, and for whom. */
export interface Waited {
  readonly milliseconds: number;
  /** Nodes and gates that did not say that they applied it: their leases had to run out. */
  readonly waitedFor: readonly string[];
}

/** Knows how far what has committed is in force at every node and gate. */
export interface InForce {
  /**
   * Resolves when everything up to `at` is in force everywhere: each node whose lease row was read has acked it, or
   * that lease has run out by this process's own clock (design §4.8). Call after the commit; holds neither connection
   * nor lock.
   */
  reached(accountId: string, at: Rev): Promise<Waited>;
  /** Some node has acked something. */
  wake(): void;
}

/** For a process that nobody decides beside: what is in force in its own memory is in force. */
export function aloneInForce(feed: Pick<Feed, 'reach'>): InForce {
  return {
    reached: async (accountId, at) => {
      await feed.reach(accountId, at);
      return { milliseconds: 0, waitedFor: [] };
    },
    wake: () => {},
  };
}

export interface InForceOptions {
  readonly reader: Reader;
  readonly feed: Feed;
  readonly leases: Leases;
  readonly gates: OwnGates;
  readonly nodeId: string;
  readonly stopwatch: Stopwatch;
  /** How often acks are read while somebody waits, in milliseconds: nothing depends on being woken. */
  readonly lookEvery: number;
}

interface Waiting {
  readonly accountId: string;
  readonly at: Rev;
  readonly nodes: Map<string, SeenLease>;
  readonly waitedFor: string[];
  readonly done: () => void;
}

export function createInForce(options: InForceOptions): InForce {
  const { reader, feed, leases, gates, nodeId, stopwatch, lookEvery } = options;
  const everywhere = new Map<string, Rev>();
  const waiting = new Set<Waiting>();
  let isPlanned = false;
  let isLooking = false;
  let isWoken = false;

  const check = (one: Waiting, present: ReadonlySet<string>, acks: readonly Ack[]) => {
    for (const ack of acks) {
      if (ack.accountId !== one.accountId || !reaches(ack.at, one.at) || !one.nodes.delete(ack.nodeId))
        continue;
      one.waitedFor.push(...ack.waitedFor);
    }
    // A row that is gone was given up by its node, or has run out by somebody's clock.
    for (const id of one.nodes.keys()) if (!present.has(id)) one.nodes.delete(id);
  };

  const end = (one: Waiting) => {
    for (const [id, { deadline, name }] of one.nodes) {
      if (stopwatch.elapsed() < deadline) continue;
      one.nodes.delete(id);
      one.waitedFor.push(name);
    }
    if (one.nodes.size > 0) return;
    waiting.delete(one);
    one.done();
  };

  const lookOnce = async () => {
    const accountIds = [...new Set([...waiting].map(({ accountId }) => accountId))];
    const asked = [...waiting];
    const present = new Set(leases.see(await readLeases(reader)).map(({ id }) => id));
    const acks = await readAcks(reader, accountIds);
    for (const one of asked) check(one, present, acks);
  };

  const look = async () => {
    if (isLooking) return;
    isLooking = true;
    do {
      isWoken = false;
      // While the database does not answer, the leases run out all the same.
      await lookOnce().catch(() => {});
      for (const one of [...waiting]) end(one);
    } while (isWoken && waiting.size > 0);
    isLooking = false;
    if (waiting.size > 0) lookLater();
  };

  const lookLater = () => {
    if (isPlanned) return;
    isPlanned = true;
    setTimeout(() => {
      isPlanned = false;
      void look();
    }, lookEvery);
  };

  const wake = () => {
    isWoken = true;
    if (waiting.size > 0) void look();
  };

  const othersReached = async (accountId: string, at: Rev): Promise<readonly string[]> => {
    const rows = leases.see(await readLeases(reader)).filter(({ id }) => id !== nodeId);
    if (rows.length === 0) return [];
    const nodes = new Map(rows.map((row) => [row.id, row]));
    const waitedFor: string[] = [];
    await new Promise<void>((done) => {
      waiting.add({ accountId, at, nodes, waitedFor, done });
      wake();
    });
    return waitedFor;
  };

  return {
    wake,
    reached: async (accountId, at) => {
      const since = stopwatch.elapsed();
      await feed.reach(accountId, at);
      const known = everywhere.get(accountId);
      if (known && reaches(known, at)) return { milliseconds: 0, waitedFor: [] };
      const [own, others] = await Promise.all([gates.settled(accountId, at), othersReached(accountId, at)]);
      const before = everywhere.get(accountId);
      if (!before || reaches(at, before)) everywhere.set(accountId, at);
      return { milliseconds: stopwatch.elapsed() - since, waitedFor: [...own, ...others] };
    },
  };
}
