import type { Exchanges } from '../gate/exchanges.ts';
import { type Clock, type Clocks, MINUTE, SECOND } from '../kernel/clock.ts';
import type { FromGate, FromNode } from '../protocol/gate-messages.ts';
import { type Lease, RENEW_AFTER, type Reading } from '../protocol/lease.ts';

/** How long what is open waits for a new lease before it is reset, in milliseconds (design §4.6). */
const HELD_FOR = 5 * SECOND;
/** How often the lease is looked at besides at each admission and chunk, and asked for while there is none. */
const LOOK_EVERY = 100;
/** No node grants longer. */
const LONGEST_LEASE = MINUTE;
/** A stream on which nothing is answered for so many leases leads nowhere. */
const SILENT_FOR = 1;
const LEAST_SILENCE = SECOND;
const MOST_SKEW = 30 * SECOND;

export interface LeaseKeeperOptions {
  readonly lease: Lease;
  readonly clocks: Clocks;
  readonly clock: Clock;
  readonly exchanges: Pick<Exchanges, 'suspend' | 'resume' | 'cutSuspended'>;
  /** Resolves when everything that had committed is applied here. */
  readonly sync: () => Promise<void>;
  /** The node does not answer. */
  readonly onSilence: () => void;
  /** The lease has ended, or there is one again. */
  readonly onTurn: (isLive: boolean) => void;
}

/** Keeps this gate's right to decide, and holds what is open while there is none. */
export interface LeaseKeeper {
  /** A node has welcomed this gate: it is asked from now on. A usual lease is so many milliseconds. */
  begin(say: (message: FromGate) => void, length: number): void;
  /** Asks now, and not only when it is time. */
  ask(): void;
  /** There is no lease now. */
  isWithout(): boolean;
  /** The stream is gone. The lease goes on to its end. */
  leave(): void;
  take(granted: Extract<FromNode, { type: 'lease' }>): void;
  /** Ends it now. */
  end(): void;
  /** Whether the wall clock is too far from the node's for anything to be signed. */
  isSkewed(): boolean;
  stop(): void;
}

interface Line {
  readonly say: (message: FromGate) => void;
  readonly length: number;
  /** What was asked and is not answered, oldest first. */
  readonly asked: Map<number, Asked>;
  lastAsked: number;
  /** Milliseconds of the last grant: a node whose own lease is short gives less than a whole one. */
  granted: number;
}

interface Asked {
  readonly since: Reading;
  readonly wall: number;
}

/** Renews after 0.3 of a lease; counts from before it asks, and takes no late answer for a newer one. */
export function createLeaseKeeper(options: LeaseKeeperOptions): LeaseKeeper {
  const { lease, clocks, clock, exchanges, sync, onSilence, onTurn } = options;
  const now = () => clocks.monotonic();
  let line: Line | null = null;
  let nonce = 0;
  let heldSince: number | null = now();
  let isCatchingUp = false;
  let skew = 0;

  const ask = () => {
    if (!line) return;
    nonce += 1;
    line.lastAsked = now();
    line.asked.set(nonce, { since: lease.read(), wall: clock.now() });
    line.say({ type: 'renew', nonce });
  };

  const hold = () => {
    exchanges.suspend();
    if (heldSince !== null) return;
    heldSince = now();
    onTurn(false);
  };

  /** What is open goes on only after everything that had committed is applied (design §4.6). */
  const goOn = async () => {
    if (heldSince === null || isCatchingUp) return;
    isCatchingUp = true;
    try {
      await sync();
      if (!lease.isLive()) return;
      heldSince = null;
      exchanges.resume();
      onTurn(true);
    } catch {
      // Tried again with the next lease.
    } finally {
      isCatchingUp = false;
    }
  };

  const look = () => {
    if (!lease.isLive()) hold();
    if (heldSince !== null && now() - heldSince >= HELD_FOR) exchanges.cutSuspended();
    if (!line) return;
    if (isSilent(line, now())) return onSilence();
    const every = lease.isLive() && heldSince === null ? line.granted * RENEW_AFTER : LOOK_EVERY;
    if (now() - line.lastAsked >= Math.min(every, line.length * RENEW_AFTER)) ask();
  };

  const timer = setInterval(look, LOOK_EVERY / 2).unref();
  return {
    ask,
    isWithout: () => !lease.isLive(),
    begin: (say, length) => {
      line = { say, length, granted: length, asked: new Map(), lastAsked: now() };
      ask();
    },
    leave: () => {
      line = null;
    },
    take: (granted) => {
      const asked = line?.asked.get(granted.nonce);
      if (!line || !asked) return;
      for (const earlier of line.asked.keys()) if (earlier <= granted.nonce) line.asked.delete(earlier);
      skew = skewOf(granted.wall, asked.wall, clock.now());
      const milliseconds = Math.min(granted.milliseconds, LONGEST_LEASE);
      if (!(milliseconds > 0)) return;
      line.granted = milliseconds;
      // What went on under the one that has ended is held first.
      if (!lease.isLive()) hold();
      if (lease.renew(asked.since, milliseconds)) void goOn();
    },
    end: () => {
      lease.end();
      hold();
    },
    isSkewed: () => !(skew <= MOST_SKEW),
    stop: () => clearInterval(timer),
  };
}

/** A node that takes longer than a lease to answer is of no use: another may be. */
function isSilent({ asked, length }: Line, now: number): boolean {
  const [oldest] = asked.values();
  return oldest !== undefined && now - oldest.since.monotonic >= Math.max(LEAST_SILENCE, length * SILENT_FOR);
}

/** How far the node's wall clock is from where it can have been between the question and its answer. */
function skewOf(wall: number, asked: number, answered: number): number {
  return Math.max(0, asked - wall, wall - answered);
}
