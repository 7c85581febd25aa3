import type { Database, Reader, Tx } from '../database/database.ts';
import { type Clock, timestamp } from '../kernel/clock.ts';
import type { Rev } from '../protocol/rev.ts';
import type { InForce, Waited } from './in-force.ts';
import { finishRemovals, listOrphanedRemovals, noteRemoval } from './lease-store.ts';

/** A removal that is in force everywhere. */
export interface FinishedRemoval extends Waited {
  readonly accountId: string;
  readonly at: Rev;
}

/** The book of removals: which have committed, and when each was in force everywhere. Receipts are made of it. */
export interface Removals {
  /** Part of the removal's own transaction, so that the wait for it survives this process. */
  note(tx: Tx, removal: { accountId: string; at: Rev; now: string }): Promise<void>;
  /** Told when the wait is over. Returns at once; the outcome is written in the background. */
  finished(removal: FinishedRemoval): void;
  /** Waits for removals whose own process died while it did, and writes their outcome (design §4.8). */
  adopt(): Promise<void>;
}

/** For a process beside the servers: what it noted, a server finishes. */
export const detachedRemovals: Removals = {
  note: (tx, removal) => noteRemoval(tx, { ...removal, nodeId: null }),
  finished: () => {},
  adopt: async () => {},
};

export interface RemovalsOptions {
  readonly database: Database;
  readonly reader: Reader;
  readonly inForce: Pick<InForce, 'reached'>;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly onFinished: (removal: FinishedRemoval) => void;
  readonly onFault: (error: unknown) => void;
}

export function createRemovals(options: RemovalsOptions): Removals {
  const { database, reader, inForce, nodeId, clock, onFinished, onFault } = options;
  let unwritten: FinishedRemoval[] = [];
  let isWriting = false;

  const write = async (some: readonly FinishedRemoval[]) => {
    const now = timestamp(clock.now());
    await database.write(async (tx) => {
      for (const one of some) await finishRemovals(tx, { ...one, now });
    });
  };

  const writeAll = async () => {
    if (isWriting) return;
    isWriting = true;
    while (unwritten.length > 0) {
      const some = unwritten;
      unwritten = [];
      // What cannot be written now, whoever adopts it writes later.
      await write(some).catch(onFault);
    }
    isWriting = false;
  };

  const finished = (removal: FinishedRemoval) => {
    onFinished(removal);
    unwritten.push(removal);
    void writeAll();
  };

  return {
    note: (tx, removal) => noteRemoval(tx, { ...removal, nodeId }),
    finished,
    adopt: async () => {
      for (const { accountId, at, head } of await listOrphanedRemovals(reader, nodeId)) {
        // Up to the head, and not to its own position: that may be of an epoch that is over.
        finished({ accountId, at, ...(await inForce.reached(accountId, head)) });
      }
    },
  };
}
