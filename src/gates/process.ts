import type { Stopwatch } from '../kernel/clock.ts';
import { CLOSE } from '../protocol/gate-messages.ts';
import { type Lease, MARGIN } from '../protocol/lease.ts';
import { type Rev, reaches } from '../protocol/rev.ts';

/** What a gate process is written to. */
export interface GateStream {
  /** Hands a message over; while the process catches up, it is kept until that has been sent. */
  send(text: string, at: Rev): void;
  close(code: number): void;
}

/** An entry that was sent and is not acked, and until when the lease of whoever owes it may last. */
interface Owed {
  readonly at: Rev;
  readonly cap: number;
}

/** One process of a gate: what it owes, and until when it may decide. By its own id, not its credential's (schedule 9). */
export interface GateProcess {
  readonly id: string;
  readonly gateId: string;
  readonly gateName: string;
  readonly accountId: string;
  /** Told of already. */
  isLate: boolean;
  connect(stream: GateStream): void;
  disconnect(stream: GateStream, options: { returned: boolean }): void;
  isAttached(): boolean;
  close(code: number): void;
  /** It was sent everything up to here that it did not have: it gets no lease before it has acked that. */
  caughtUp(at: Rev): void;
  /** An entry is sent to it; null: it cannot be, and the caller closes the stream of whoever lacks it. */
  owe(owed: Owed, text: string | null): void;
  /** Everything up to `at` is applied there. */
  ack(at: Rev): void;
  /** Grants a lease of so many milliseconds, counted from before it was asked for; 0: none. */
  renew(): number;
  /** Its credential is gone: no lease any more. */
  revoke(): void;
  /** Ends the stream of a revoked one that has said that it is over, or whose lease has run out. */
  closeIfOver(now: number): void;
  /**
   * The node has gone from one place to another without entries between: everything from there on is owed. The stream
   * is of no use any more; the caller closes it.
   */
  restart(from: Rev, to: Rev): void;
  hasUnacked(): boolean;
  firstUnacked(): Rev | null;
  /** Whether it has not said that it applied `at`. */
  owes(at: Rev): boolean;
  /** Whether it owes `at` and may still decide. */
  blocks(at: Rev, now: number): boolean;
  /** When its lease has run out for certain, by the node's stopwatch. */
  endsAt(): number;
  hasEnded(now: number): boolean;
}

export interface GateProcessOptions {
  /** What the node has applied. */
  readonly applied: Rev;
  readonly lease: Lease;
  readonly length: number;
  readonly stopwatch: Stopwatch;
  readonly onChange: () => void;
}

/** Nothing may be granted to whoever owes this. */
const NEVER = Number.NEGATIVE_INFINITY;

export function createGateProcess(
  who: { processId: string; gateId: string; gateName: string; accountId: string },
  { applied, lease, length, stopwatch, onChange }: GateProcessOptions,
): GateProcess {
  let stream: GateStream | null = null;
  let owed: Owed[] = [{ at: applied, cap: NEVER }];
  /** How far the process said on this stream that it is. */
  let acked: Rev | null = null;
  let endsAt = NEVER;
  let isRevoked = false;

  const hasEnded = (now: number) => now >= endsAt;
  const settle = (at: Rev) => {
    owed = owed.filter((one) => !reaches(at, one.at));
  };
  /** In the order of the feed: what is first is the least that it lacks. */
  const insert = (one: Owed) => {
    const after = owed.findIndex((other) => !reaches(one.at, other.at));
    owed.splice(after < 0 ? owed.length : after, 0, one);
  };
  const owes = (at: Rev) => owed[0] !== undefined && reaches(at, owed[0].at);

  const process: GateProcess = {
    ...{ id: who.processId, gateId: who.gateId, gateName: who.gateName, accountId: who.accountId },
    isLate: false,
    connect: (fresh) => {
      stream?.close(CLOSE.unavailable);
      stream = fresh;
      acked = null;
    },
    disconnect: (gone, { returned }) => {
      if (stream !== gone) return;
      stream = null;
      if (returned) endsAt = NEVER;
    },
    isAttached: () => stream !== null,
    close: (code) => stream?.close(code),
    caughtUp: (at) => {
      // What it owed before stays: it may still decide by a lease from then, without what it was just sent.
      insert({ at, cap: NEVER });
      // It may have said so already: a process can be faster than the snapshot that it was sent takes to end here.
      if (acked) settle(acked);
    },
    owe: (one, text) => {
      if (acked && reaches(acked, one.at)) return;
      insert(one);
      if (text !== null) stream?.send(text, one.at);
    },
    ack: (at) => {
      if (!acked || reaches(at, acked)) acked = at;
      settle(at);
      if (owed.length === 0) process.isLate = false;
      // The last thing that a revoked gate says: it has dropped its lease and cut everything.
      if (isRevoked && owed.length === 0) endsAt = NEVER;
      onChange();
    },
    renew: () => {
      const now = stopwatch.elapsed();
      // Without a lease it may have been taken for gone: what it owes then counts as applied, and must be.
      if (hasEnded(now) && owed.length > 0) return 0;
      const end = Math.min(now + length, now + lease.remaining(), ...owed.map(({ cap }) => cap));
      const milliseconds = isRevoked || stream === null ? 0 : Math.floor(end - now);
      if (!(milliseconds > 0)) return 0;
      endsAt = Math.max(endsAt, now + milliseconds * (1 + MARGIN));
      return milliseconds;
    },
    revoke: () => {
      isRevoked = true;
    },
    closeIfOver: (now) => {
      if (isRevoked && hasEnded(now)) stream?.close(CLOSE.revoked);
    },
    restart: (from, to) => {
      acked = null;
      insert({ at: { epoch: from.epoch, position: from.position + 1 }, cap: NEVER });
      insert({ at: to, cap: NEVER });
    },
    hasUnacked: () => owed.length > 0,
    firstUnacked: () => owed[0]?.at ?? null,
    owes,
    blocks: (at, now) => !hasEnded(now) && owes(at),
    endsAt: () => endsAt,
    hasEnded,
  };
  return process;
}
