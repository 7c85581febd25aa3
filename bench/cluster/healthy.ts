import { setTimeout as pause } from 'node:timers/promises';
import { askOnce, watchExchanges } from '../../test/cluster/channels.ts';
import { signInMany } from '../../test/cluster/crowd.ts';
import type { Estate } from '../../test/cluster/estate.ts';
import { createHistory, type HistoryEvent, type RemovalEvent } from '../../test/cluster/history.ts';
import type { SignedIn } from '../../test/cluster/people.ts';
import { createRandom } from '../../test/cluster/random.ts';
import { callRemoval, deleteUser, rootOf } from '../../test/cluster/removals.ts';
import type { BenchContext } from '../harness/bench.ts';
import { quantile } from '../harness/rounds.ts';
import type { Sizes } from './sizes.ts';

/** How many people have something open while others are removed. */
const OPEN = 30;
const P50 = { of: 'value', atMost: 20 } as const;
const P99 = { of: 'value', atMost: 100 } as const;

/** What a removal takes when nothing is wrong: one after the other, each of somebody with an open connection. */
export async function measureHealthy(context: BenchContext, estate: Estate, sizes: Sizes): Promise<void> {
  context.say('removing people from a healthy cluster');
  const { took, events } = await removeMany(estate, {
    count: sizes.healthy,
    seed: context.seed,
    prefix: 'h',
  });
  const name = `removal call, ${sizes.nodes} nodes, ${sizes.gates} gates, healthy`;
  context.record({ name, unit: 'ms', values: took, goal: P50 });
  context.record({ name: `${name}, p99`, unit: 'ms', values: [quantile(took, 0.99)], goal: P99 });
  const { refused, cut } = seenIn(events);
  const percent = { unit: '%' } as const;
  context.record({ name: 'first requests at another gate that were refused', ...percent, values: [refused] });
  context.record({ name: 'connections cut before the removal returned', ...percent, values: [cut] });
}

/** One gate is frozen, with a lease: each removal waits for that to run out, and no longer. */
export async function measureDeadGate(
  { say, record, seed }: BenchContext,
  estate: Estate,
  { lease }: Sizes,
): Promise<void> {
  say('removing people while a gate is frozen');
  const people = await manyPeople(estate, { count: 12, seed, prefix: 'd' });
  const history = createHistory();
  const random = createRandom(seed);
  const took: number[] = [];
  for (const gate of estate.gates.slice(0, 3)) {
    gate.process.freeze();
    const some = people.splice(0, 4);
    const removing = some.map((one) => callRemoval(estate, history, { removal: deleteUser(one), random }));
    took.push(...(await Promise.all(removing)).map(tookOf));
    gate.process.thaw();
    await estate.ready();
    await pause(lease * 300);
  }
  const bound = lease * 1200 + P99.atMost;
  const goal = { of: 'value', atMost: bound } as const;
  const name = `removal call, a gate with a lease of ${lease} s frozen, the slowest`;
  record({ name, unit: 'ms', values: [Math.max(...took)], goal });
}

export interface Many {
  readonly count: number;
  readonly seed: number;
  readonly prefix: string;
  /** How many are removed at a time; 1 if not given. */
  readonly atOnce?: number;
}

export interface Removed {
  /** How long each removal took, in milliseconds. */
  readonly took: readonly number[];
  readonly events: readonly HistoryEvent[];
}

/** Signs them in, lets each ask at another gate and some hold a connection open, and removes them. */
export async function removeMany(estate: Estate, many: Many): Promise<Removed> {
  const history = createHistory();
  const random = createRandom(many.seed);
  const people = await manyPeople(estate, many);
  const exchanges = watchExchanges(estate, history);
  for (const visitor of people)
    await askOnce(history, { visitor, door: random.pick(estate.doors), isFirst: true });
  const open = people
    .slice(0, OPEN)
    .map((person) => exchanges.open(person, random.pick(estate.doors), 'stream'));
  await Promise.all(open);
  const took: number[] = [];
  const next = async () => {
    for (let person = people.shift(); person !== undefined; person = people.shift()) {
      took.push(tookOf(await callRemoval(estate, history, { removal: deleteUser(person), random })));
    }
  };
  await Promise.all(Array.from({ length: many.atOnce ?? 1 }, next));
  for (const one of await Promise.all(open)) await one?.stop();
  return { took, events: history.events };
}

async function manyPeople(estate: Estate, { count, seed, prefix }: Many): Promise<SignedIn[]> {
  const people = Array.from({ length: count }, (_, n) => `${prefix}-${n}`);
  const history = createHistory();
  return await signInMany(estate, history, { people, random: createRandom(seed) });
}

/** In percent: requests that were refused although nobody was removed, and connections that ended before the answer. */
function seenIn(events: readonly HistoryEvent[]): { refused: number; cut: number } {
  const percent = (some: readonly boolean[]) => (some.filter(Boolean).length / some.length) * 100;
  const returns = new Map(
    events.flatMap((event) => (event.kind === 'removal' ? [[event.root, event.returned ?? 0] as const] : [])),
  );
  const personOf = (credential: string) => rootOf.person(credential.slice(0, credential.lastIndexOf('-')));
  const asked = events.filter((event) => event.kind === 'request');
  const ends = events.filter((event) => event.kind === 'end');
  return {
    refused: percent(asked.map(({ isAdmitted }) => !isAdmitted)),
    cut: percent(ends.map(({ credential, at }) => at <= (returns.get(personOf(credential)) ?? 0))),
  };
}

function tookOf({ call, returned }: RemovalEvent): number {
  return (returned ?? Number.POSITIVE_INFINITY) - call;
}
