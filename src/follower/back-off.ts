import { randomHex } from '../kernel/crypto.ts';

/** How long to wait before the next attempt, in milliseconds: longer each time, and never quite the same. */
export interface BackOff {
  next(): number;
  /** It went well: the next failure is a first one again. */
  reset(): void;
}

const SHORTEST = 50;
const LONGEST = 2000;

/** From 50 ms on, doubled up to 2 s; each wait lies between half of that and the whole, so that gates do not come all at once. */
export function createBackOff(chance: () => number = randomFraction): BackOff {
  let most = SHORTEST;
  return {
    next: () => {
      const wait = most / 2 + (most / 2) * chance();
      most = Math.min(LONGEST, most * 2);
      return Math.max(SHORTEST, wait);
    },
    reset: () => {
      most = SHORTEST;
    },
  };
}

function randomFraction(): number {
  return Number.parseInt(randomHex(4), 16) / 2 ** 32;
}
