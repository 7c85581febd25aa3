import type { Database } from '../database/database.ts';
import { failureOf } from '../database/failures.ts';
import { type Rev, reaches } from '../protocol/rev.ts';
import { type Ack, writeAcks } from './lease-store.ts';

/** Tells other nodes how far this one is, with all gates that it answers for. */
export interface AckWriter {
  /** This node answers for the feed of the account up to `at`. Returns at once; a storm is written in batches. */
  note(accountId: string, at: Rev, waitedFor: readonly string[]): void;
  /** The row of this node's lease is new: writes all that was noted so far, and from now on what comes. */
  begin(): void;
  close(): void;
}

export interface AckWriterOptions {
  readonly database: Database;
  readonly nodeId: string;
  /** What was written is to be read by whoever waits. */
  readonly onWritten: (accountIds: readonly string[]) => void;
  readonly onFault: (error: unknown) => void;
}

const AFTER_A_FAULT = 100;

export function createAckWriter({ database, nodeId, onWritten, onFault }: AckWriterOptions): AckWriter {
  const latest = new Map<string, Ack>();
  let unwritten = new Map<string, Ack>();
  let isWriting = false;
  let hasRow = false;
  let isClosed = false;

  const writeAll = async () => {
    const acks = unwritten;
    unwritten = new Map();
    try {
      // In one order everywhere: two writers of many rows would otherwise stand in each other's way.
      const sorted = [...acks.values()].sort((one, other) => (one.accountId < other.accountId ? -1 : 1));
      await database.write((tx) => writeAcks(tx, sorted));
      onWritten([...acks.keys()]);
    } catch (error) {
      // The row of the lease is gone, and with it the place for acks, until `begin` says that there is a new one.
      if (failureOf(error) === 'foreign_key') hasRow = false;
      else onFault(error);
      unwritten = new Map([...acks, ...unwritten]);
      await new Promise((resolve) => setTimeout(resolve, AFTER_A_FAULT).unref());
    }
  };

  const run = async () => {
    if (isWriting || !hasRow) return;
    isWriting = true;
    while (unwritten.size > 0 && hasRow && !isClosed) await writeAll();
    isWriting = false;
  };

  return {
    note: (accountId, at, waitedFor) => {
      const before = latest.get(accountId);
      if (before && reaches(before.at, at)) return;
      const ack = { nodeId, accountId, at, waitedFor };
      latest.set(accountId, ack);
      unwritten.set(accountId, ack);
      void run();
    },
    begin: () => {
      hasRow = true;
      unwritten = new Map([...latest, ...unwritten]);
      void run();
    },
    close: () => {
      isClosed = true;
    },
  };
}
