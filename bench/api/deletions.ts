import type { BenchContext } from '../harness/bench.ts';
import { quantile } from '../harness/rounds.ts';
import { userIdOf } from './names.ts';
import { HOLDINGS, type Sizes } from './sizes.ts';
import type { World } from './worlds.ts';

/** Goals of the design, in milliseconds. */
const GOALS = { SQLite: 25, PostgreSQL: 50 } as const;

/** Users with everything that they can have are deleted one after the other, in the large world and in the small one in turn. */
export async function measureDeletions(
  { record, say }: BenchContext,
  { large, small, sizes }: { large: World; small: World; sizes: Sizes },
): Promise<void> {
  const { sessions, registrations, groups } = HOLDINGS;
  const name = `${large.engine}, delete a user with ${sessions} sessions, ${registrations} devices, ${groups} groups`;
  say(name);
  const times = new Map([large, small].map((world): [World, number[]] => [world, []]));
  for (let n = 1; n <= sizes.deletions; n += 1) {
    for (const [world, taken] of times) {
      const { status, text, milliseconds } = await world.asker.ask('DELETE', `/access/users/${userIdOf(n)}`);
      if (status !== 202) throw new Error(`a deletion: ${status} ${text.slice(0, 300)}`);
      taken.push(milliseconds);
    }
  }
  const [ours = [], few = []] = times.values();
  const goal = { of: 'value', atMost: GOALS[large.engine] } as const;
  record({ name: `${name}, p99`, unit: 'ms', values: [quantile(ours, 0.99)], goal });
  const versus = { name: `${small.users} users`, values: few };
  record({ name: `${name}, median`, unit: 'ms', values: ours, versus });
}
