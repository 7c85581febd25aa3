/** One that takes part in a comparison; each call of `round` is one measurement. */
export interface Contestant {
  readonly name: string;
  round(): Promise<number>;
}

/** What each of them reached, in the order of the rounds. */
export type Results = (contestant: Contestant) => readonly number[];

/**
 * Measures all of them in turn, A B C A B C, so that whatever the machine does meanwhile meets them alike. The
 * results throw for one that took no part.
 */
export async function takeTurns(contestants: readonly Contestant[], rounds: number): Promise<Results> {
  const values = new Map<Contestant, number[]>(contestants.map((contestant) => [contestant, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const contestant of contestants) values.get(contestant)?.push(await contestant.round());
  }
  return (contestant) => {
    const found = values.get(contestant);
    if (!found) throw new TypeError(`${contestant.name} took no part`);
    return found;
  };
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  const [below, above] = [sorted[middle - 1], sorted[middle]];
  if (above === undefined) throw new TypeError('no values, no median');
  return sorted.length % 2 === 1 || below === undefined ? above : (below + above) / 2;
}

/** The smallest and the greatest. */
export function spreadOf(values: readonly number[]): [least: number, most: number] {
  if (values.length === 0) throw new TypeError('no values, no spread');
  return [Math.min(...values), Math.max(...values)];
}

/** Value by value, each with the other's of the same round. */
export function ratios(ours: readonly number[], theirs: readonly number[]): number[] {
  if (ours.length !== theirs.length) throw new TypeError('not the same number of rounds');
  return ours.map((value, round) => value / (theirs[round] ?? Number.NaN));
}

/** The value below which that part of them is. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}
