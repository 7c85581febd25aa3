import type { BenchContext } from '../harness/bench.ts';

export interface Sizes {
  readonly nodes: number;
  readonly gates: number;
  /** Seconds. */
  readonly lease: number;
  /** Removals of the healthy cluster. */
  readonly healthy: number;
  /** Removals while things go wrong, at least. */
  readonly removals: number;
  /** People who are removed in one round. */
  readonly batch: number;
  /** When faults end, whatever was done until then: milliseconds since the bench began. */
  readonly until: number;
  /** Removals of each measurement of growth. */
  readonly growth: number;
  /** How long nothing is done to see what that costs, in milliseconds. */
  readonly idleFor: number;
}

const FULL: Sizes = {
  ...{ nodes: 3, gates: 20, lease: 3, healthy: 300, removals: 2000, batch: 60 },
  ...{ until: 14 * 60_000, growth: 60, idleFor: 5000 },
};
const QUICK: Sizes = {
  ...{ nodes: 3, gates: 6, lease: 2, healthy: 60, removals: 300, batch: 40 },
  ...{ until: 30_000, growth: 0, idleFor: 0 },
};

export function sizesOf({ quick }: Pick<BenchContext, 'quick'>): Sizes {
  return quick ? QUICK : FULL;
}
