import type { BenchContext } from '../harness/bench.ts';
import type { Estate } from '../harness/estate.ts';
import { startServe } from '../harness/program.ts';
import { takeTurns } from '../harness/rounds.ts';
import type { Server } from '../harness/servers.ts';
import { CPU_MICROSECONDS, enter, microsecondsEach } from './contestants.ts';
import type { World } from './world.ts';

/** The same sessions asked about in a small world and in a large one: what is around them must not matter. */
export async function measureGrowth(
  context: BenchContext,
  world: World,
  { small, large }: { small: Estate; large: Estate },
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const { cores, quick, rounds, record, say } = context;
  const { sizes, load, program } = world;
  const requests = world.questions.slice(0, sizes.asked);
  const start = async ({ data }: Estate) =>
    stack.use(await startServe(program, { data, core: cores.server }));
  say('forward-auth in a small and in a large world, in turn');
  const [ofLarge, ofSmall] = await Promise.all([start(large), start(small)]);
  const enterAs = (name: string, server: Server) =>
    enter(context, load, { name, server, requests, value: microsecondsEach });
  const { users, revocations } = sizes.large;
  const inLarge = await enterAs(`forward-auth, ${users} users and ${revocations} revocations`, ofLarge);
  const around = `${sizes.small.users} users and ${sizes.small.revocations} revocations`;
  const inSmall = await enterAs(around, ofSmall);
  const results = await takeTurns([inLarge, inSmall], rounds);
  record({
    name: inLarge.name,
    unit: CPU_MICROSECONDS,
    values: results(inLarge),
    versus: { name: inSmall.name, values: results(inSmall) },
    // The goal names sizes that only the full run has.
    ...(quick ? {} : { goal: { of: 'ratio', atMost: 1.1 } }),
  });
}
