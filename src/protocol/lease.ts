import { type Clocks, SECOND } from '../kernel/clock.ts';

/** How long a lease is unless the operator says otherwise, in milliseconds. */
export const USUAL_LEASE = 5 * SECOND;

/** A lease is renewed after this part of it. */
export const RENEW_AFTER = 0.3;

/** Whoever waits for a lease of others to run out waits this much longer: clocks differ in their rates. */
export const MARGIN = 0.2;

/** Clocks that differ by more than this part of the lease end it. */
const DISAGREEMENT = 0.1;

/** How old a reading of the boot clock may be, in milliseconds, by the other two. */
const BOOT_EVERY = 100;

/** What the three clocks said at one moment. */
export interface Reading {
  readonly monotonic: number;
  readonly boot: number;
  readonly wall: number;
}

/** The right to decide, for a short time (design §4.6). Asked at every admission and every chunk; no timer ends it. */
export interface Lease {
  /** What the clocks say. Take it before a renewal is asked for: from then on the lease counts. */
  read(): Reading;
  /**
   * Makes it live for so many milliseconds from `since`, by whichever clock ran fastest. A renewal that was asked for
   * before the present one changes nothing. Returns whether it is live.
   */
  renew(since: Reading, milliseconds: number): boolean;
  /** Whether whoever holds it may decide now. Once it has ended, only a renewal brings it back. */
  isLive(): boolean;
  /** For how many milliseconds it goes on; 0 when it has ended. */
  remaining(): number;
  /** Ends it now. */
  end(): void;
}

interface Term {
  readonly since: Reading;
  readonly milliseconds: number;
}

/** Measures a lease on three clocks (removal-protocol, schedule 20). Begins without one. */
export function createLease(clocks: Clocks): Lease {
  let term: Term | null = null;
  let boot = { elapsed: 0, monotonic: 0, wall: 0 };

  const read = () => ({ monotonic: clocks.monotonic(), boot: clocks.boot(), wall: clocks.wall() });

  /** The boot clock is dear to ask; whenever either of the others has moved on, it is asked again. */
  const bootElapsed = (since: Reading, monotonic: number, wall: number) => {
    const isFresh =
      Math.abs(monotonic - boot.monotonic) < BOOT_EVERY && Math.abs(wall - boot.wall) < BOOT_EVERY;
    if (!isFresh) boot = { elapsed: clocks.boot() - since.boot, monotonic, wall };
    return boot.elapsed;
  };

  const remaining = () => {
    if (term === null) return 0;
    const { since, milliseconds } = term;
    const monotonic = clocks.monotonic() - since.monotonic;
    const wall = clocks.wall() - since.wall;
    const booted = bootElapsed(since, monotonic, wall);
    const longest = Math.max(monotonic, booted, wall);
    // A boot clock that was asked a while ago is behind by that much, and not in disagreement.
    const shortest = Math.min(monotonic, booted + BOOT_EVERY, wall);
    const left = longest - shortest > milliseconds * DISAGREEMENT + BOOT_EVERY ? 0 : milliseconds - longest;
    // Written so that an odd reading ends it.
    if (left > 0) return left;
    term = null;
    return 0;
  };

  return {
    read,
    remaining,
    isLive: () => remaining() > 0,
    end: () => {
      term = null;
    },
    renew: (since, milliseconds) => {
      const isLate = term !== null && remaining() > 0 && since.monotonic < term.since.monotonic;
      if (!isLate) {
        term = { since, milliseconds };
        boot = { elapsed: 0, monotonic: Number.NEGATIVE_INFINITY, wall: Number.NEGATIVE_INFINITY };
      }
      return remaining() > 0;
    },
  };
}

/** For whoever holds an exclusive lock instead: it lasts as long as the process. */
export const lockedLease: Lease = {
  read: () => ({ monotonic: 0, boot: 0, wall: 0 }),
  renew: () => true,
  isLive: () => true,
  remaining: () => Number.POSITIVE_INFINITY,
  end: () => {},
};
