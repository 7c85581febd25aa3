import type { Database } from '../database/database.ts';
import type { Lease } from '../protocol/lease.ts';
import type { Feed } from './feed.ts';
import { dropLease, dropOwnLease, readLeases, writeLease } from './lease-store.ts';
import type { Leases } from './leases.ts';

/** Whether the database is one whose word counts: the primary, and of the history that is known. */
export type HistoryCheck = () => Promise<boolean>;

export interface NodeLeaseOptions {
  /** With connections of its own, so that no storm of requests can starve the lease. */
  readonly database: Database;
  readonly feed: Feed;
  readonly lease: Lease;
  readonly leases: Leases;
  /** New at every start (schedule 7). */
  readonly nodeId: string;
  /** What an operator knows this process by. */
  readonly name: string;
  readonly version: string;
  /** How long a lease is, in milliseconds. */
  readonly length: number;
  readonly checkHistory: HistoryCheck;
  /** The row was not there, and so neither were this node's acks. */
  readonly onNewRow: () => void;
}

/** Keeps a node's right to decide. */
export interface NodeLease {
  /**
   * Renews it: the row first, then the feed to the head, and only then the right (design §4.7; schedules 6 and 8).
   * Rejects if the database did not do its part; the lease that there was goes on to its end.
   */
  renew(): Promise<void>;
  /** Resolves when the row is there: before anything is granted to a gate. */
  ensureRow(): Promise<void>;
  /** Gives it up: nobody need wait for this node any more. Nothing may decide from then on. */
  release(): Promise<void>;
}

type OwnRow = Pick<NodeLeaseOptions, 'database' | 'leases' | 'nodeId' | 'name' | 'version' | 'length'>;

/** Leases of others that have run out are in nobody's way any more. */
async function dropRunOut({ database, leases, nodeId }: OwnRow): Promise<void> {
  const runOut = leases.runOut().filter(({ id }) => id !== nodeId);
  if (runOut.length === 0) return;
  await database.write(async (tx) => {
    for (const other of runOut) await dropLease(tx, other);
  });
}

function toRow({ nodeId, name, version, length }: OwnRow, renewals: number) {
  return { id: nodeId, name, version, renewals, lease_ms: length };
}

/**
 * For the one process that has the database to itself: its lock is its lease. A row is written only before the first
 * gate is granted anything, so that whoever comes after a crash waits until those grants have run out.
 */
export function createLockedNodeLease(options: OwnRow): NodeLease {
  const { database, leases, nodeId } = options;
  let written: Promise<boolean> | null = null;
  return {
    renew: async () => {
      leases.see(await readLeases(database.reader));
      await dropRunOut(options);
    },
    ensureRow: async () => {
      written ??= database.write((tx) => writeLease(tx, toRow(options, 0)));
      try {
        await written;
      } catch (error) {
        written = null;
        throw error;
      }
    },
    release: async () => {
      if (written) await database.write((tx) => dropOwnLease(tx, nodeId));
    },
  };
}

export function createNodeLease(options: NodeLeaseOptions): NodeLease {
  const { database, feed, lease, leases, nodeId, length, checkHistory, onNewRow } = options;
  let renewals = 0;
  return {
    renew: async () => {
      const since = lease.read();
      if (!(await checkHistory())) return;
      // Counted here: a row that was dropped and written anew must not look like the one that was dropped.
      renewals += 1;
      const row = toRow(options, renewals);
      if (await database.write((tx) => writeLease(tx, row))) onNewRow();
      leases.see(await readLeases(database.reader));
      await feed.catchUpAll();
      lease.renew(since, length);
      await dropRunOut(options);
    },
    // A node that has no lease grants none, and one that has a lease has its row.
    ensureRow: async () => {},
    release: async () => {
      lease.end();
      await database.write((tx) => dropOwnLease(tx, nodeId));
    },
  };
}
