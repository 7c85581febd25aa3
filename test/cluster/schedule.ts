import type { Estate } from './estate.ts';
import { type FaultKind, possibleFaults } from './nemeses.ts';
import type { Random } from './random.ts';

/** So many rounds: every kind of fault in turn, in an order of chance, and every third time two at once. */
export function scheduleFaults(estate: Estate, random: Random, rounds: number): FaultKind[][] {
  const all = possibleFaults(estate);
  let left: FaultKind[] = [];
  const next = () => {
    if (left.length === 0) left = [...all];
    const kind = random.pick(left);
    left = left.filter((one) => one !== kind);
    return kind;
  };
  return Array.from({ length: rounds }, (_, at) => (at % 3 === 2 ? pair(next, random, all) : [next()]));
}

/** The database is not killed together with something else: then nobody would be there to see it. */
function pair(next: () => FaultKind, random: Random, all: readonly FaultKind[]): FaultKind[] {
  const first = next();
  const second = random.pick(all.filter((kind) => kind !== first && kind !== 'kill database'));
  return first === 'kill database' ? [first] : [first, second];
}
