/** Numbers that follow from a seed: the same seed gives the same schedule. */
export interface Random {
  /** At least 0 and below 1. */
  next(): number;
  /** At least `from` and below `to`. */
  between(from: number, to: number): number;
  /** Whole, at least 0 and below `below`. */
  whole(below: number): number;
  chance(part: number): boolean;
  pick<T>(some: readonly T[]): T;
}

/** Mulberry32: 32 bits of state, good enough for schedules. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const whole = (below: number) => Math.floor(next() * below);
  return {
    next,
    whole,
    between: (from, to) => from + next() * (to - from),
    chance: (part) => next() < part,
    pick: (some) => {
      const one = some[whole(some.length)];
      if (one === undefined) throw new TypeError('nothing to pick from');
      return one;
    },
  };
}
