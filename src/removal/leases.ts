import type { Stopwatch } from '../kernel/clock.ts';
import { MARGIN } from '../protocol/lease.ts';
import type { LeaseRow } from './lease-store.ts';

/** A lease of another node, as this process has read it. */
export interface SeenLease {
  readonly id: string;
  readonly name: string;
  readonly renewals: number;
  /** When it has run out whatever its node may think, by this process's stopwatch. */
  readonly deadline: number;
}

/**
 * The leases that this process has read, each timed from its own first reading of that renewal (design §4.8): a
 * lease is measured from before its row was written, so it cannot outlast its length from then, and a fifth for
 * clocks that differ in their rates. No stored time is ever compared.
 */
export interface Leases {
  /** Takes all rows of one reading that has just ended. */
  see(rows: readonly LeaseRow[]): readonly SeenLease[];
  /** Those that have run out by now: nobody needs to wait for them any more. */
  runOut(): readonly SeenLease[];
}

export function createLeases(stopwatch: Stopwatch): Leases {
  let seen = new Map<string, SeenLease>();

  const look = ({ id, name, renewals, lease_ms }: LeaseRow): SeenLease => {
    const known = seen.get(id);
    if (known?.renewals === renewals) return known;
    return { id, name, renewals, deadline: stopwatch.elapsed() + lease_ms * (1 + MARGIN) };
  };

  return {
    see: (rows) => {
      seen = new Map(rows.map((row) => [row.id, look(row)]));
      return [...seen.values()];
    },
    runOut: () => [...seen.values()].filter(({ deadline }) => stopwatch.elapsed() >= deadline),
  };
}
