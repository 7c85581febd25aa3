import type { BenchContext } from '../harness/bench.ts';
import { median, quantile } from '../harness/rounds.ts';
import type { Asker } from './ask.ts';
import type { Operation } from './operations.ts';
import type { Sizes } from './sizes.ts';
import type { World } from './worlds.ts';

/** Who is asked beside the large world. */
export interface Beside {
  readonly small: World;
  readonly prism: Asker | null;
}

interface Taken {
  readonly medians: number[];
  readonly slowest: number[];
}

/**
 * One operation in turn in the large world, in the small one, as statements without a server, and of Prism. Times are
 * those of single requests, one after the other on a kept connection.
 */
export async function measureRead(
  { record, say }: BenchContext,
  { large, operation, sizes, small, prism }: Beside & { large: World; operation: Operation; sizes: Sizes },
): Promise<void> {
  const { most = sizes.pages, begin, goal } = operation;
  const count = Math.min(most, sizes.pages);
  const mocked = Math.min(sizes.mocked, count);
  const contestants = [
    (round: number) => askAll(large, begin(large, round), count),
    (round: number) => askAll(small, begin(small, round), count),
    (round: number) => runAll(begin(large, round), count),
    ...(prism ? [(round: number) => mockAll(prism, begin(large, round), mocked)] : []),
  ];
  const taken = contestants.map((): Taken => ({ medians: [], slowest: [] }));
  // The first round warms caches and compilers.
  for (let round = 0; round <= sizes.rounds; round += 1) {
    for (const [at, contestant] of contestants.entries()) {
      const times = await contestant(round);
      if (round === 0) continue;
      taken[at]?.medians.push(median(times));
      taken[at]?.slowest.push(quantile(times, 0.99));
    }
  }
  const [ours, few, raw, mock] = taken;
  if (!ours || !few || !raw) throw new TypeError('nothing was measured');
  const name = `${large.engine}, ${operation.name}`;
  say(name);
  const limit = goal === undefined ? {} : { goal: { of: 'value', atMost: goal } as const };
  record({ name: `${name}, p99`, unit: 'ms', values: ours.slowest, ...limit });
  for (const [beside, values] of [
    [`${small.users} users`, few.medians],
    ['the statement alone', raw.medians],
    ['Prism', mock?.medians ?? null],
  ] as const) {
    record({ name: `${name}, median`, unit: 'ms', values: ours.medians, versus: { name: beside, values } });
  }
}

async function askAll({ asker }: World, { target }: ReturnType<Operation['begin']>, count: number) {
  const times: number[] = [];
  let before: string | null = null;
  for (let at = 0; at < count; at += 1) {
    const asked = target(at, before);
    const { status, text, milliseconds } = await asker.ask('GET', asked);
    if (status !== 200) throw new Error(`${asked}: ${status} ${text.slice(0, 300)}`);
    const { result } = JSON.parse(text) as { result: unknown };
    if (Array.isArray(result) && result.length === 0) throw new Error(`${asked}: nobody is there`);
    times.push(milliseconds);
    before = text;
  }
  return times;
}

async function runAll({ statement }: ReturnType<Operation['begin']>, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let at = 0; at < count; at += 1) {
    const began = performance.now();
    const rows = await statement(at);
    times.push(performance.now() - began);
    if (rows === 0) throw new Error('the statement found nothing');
  }
  return times;
}

/** The same requests, but for cursors: Prism takes any. It answers one sample of a list, never a page. */
async function mockAll(prism: Asker, { target }: ReturnType<Operation['begin']>, count: number) {
  const times: number[] = [];
  for (let at = 0; at < count; at += 1) {
    const asked = target(at, null);
    const { status, text, milliseconds } = await prism.ask('GET', asked);
    if (status !== 200) throw new Error(`Prism, ${asked}: ${status} ${text.slice(0, 300)}`);
    times.push(milliseconds);
  }
  return times;
}
