import { setTimeout as pause } from 'node:timers/promises';
import { askOnce } from '../harness/ask-once.ts';
import type { BenchContext } from '../harness/bench.ts';
import type { Estate } from '../harness/estate.ts';
import { residentMegabytes } from '../harness/processes.ts';
import { startServe } from '../harness/program.ts';
import type { Goal } from '../harness/report.ts';
import type { Fill } from '../harness/seed.ts';
import type { World } from './world.ts';

/** What one start of the server took. */
interface Start {
  /** From the start of the process to its first admission, in milliseconds. */
  readonly answeredIn: number;
  /** Megabytes, when nothing has been asked for a while. */
  readonly idle: number;
  /** The most megabytes that it had until then. */
  readonly most: number;
}

/** They name the compiled program and sizes that only the full run has. */
const GOALS = {
  idle: { of: 'value', atMost: 150 },
  revocations: { of: 'value', atMost: 64 },
  firstAnswer: { of: 'value', atMost: 1000 },
} as const satisfies Record<string, Goal>;

/** How soon the server answers, and what memory it holds, by what it has to know. Not pinned: there is no peer. */
export async function measureStarts(
  context: BenchContext,
  world: World,
  estates: { small: Estate; revoked: Estate; large: Estate },
): Promise<void> {
  context.say('starting the server again and again');
  const starts = { small: [] as Start[], revoked: [] as Start[], large: [] as Start[] };
  for (let round = 0; round < world.sizes.starts; round += 1) {
    for (const name of ['small', 'revoked', 'large'] as const) {
      starts[name].push(await startOnce(world, estates[name]));
    }
  }
  recordMemory(context, world, starts);
  recordFirstAnswers(context, world, starts);
}

async function startOnce({ program, questions, sizes }: World, { data }: Estate): Promise<Start> {
  const began = performance.now();
  await using server = await startServe(program, { data, core: null });
  const { status } = await askOnce(server, questions[0] ?? '');
  if (status !== 200) throw new Error(`the first answer is ${status}`);
  const answeredIn = performance.now() - began;
  await pause(sizes.settleFor);
  const { now: idle, most } = residentMegabytes(server.pid);
  return { answeredIn, idle, most };
}

type Starts = Readonly<Record<'small' | 'revoked' | 'large', readonly Start[]>>;

function recordMemory(context: BenchContext, { sizes }: World, { small, revoked }: Starts): void {
  const { record } = context;
  const count = `${sizes.revoked.revocations} revocations`;
  const idle = small.map((start) => start.idle);
  const more = revoked.map((start, round) => start.idle - (small[round]?.idle ?? Number.NaN));
  const most = revoked.map((start) => start.most);
  record({ name: 'serve, resident when idle', unit: 'MB', values: idle, ...goal(context, 'idle') });
  record({ name: `serve, ${count} more`, unit: 'MB', values: more, ...goal(context, 'revocations') });
  record({ name: `serve, ${count}, the most while it starts`, unit: 'MB', values: most });
}

function recordFirstAnswers(context: BenchContext, { sizes }: World, starts: Starts): void {
  for (const name of ['small', 'revoked', 'large'] as const) {
    const values = starts[name].map(({ answeredIn }) => answeredIn);
    const of = `start to first answer, ${sayFill(sizes[name])}`;
    context.record({ name: of, unit: 'ms', values, ...goal(context, 'firstAnswer') });
  }
}

function goal({ quick }: BenchContext, name: keyof typeof GOALS): { goal?: Goal } {
  return quick ? {} : { goal: GOALS[name] };
}

function sayFill({ users, sessions, revocations }: Fill): string {
  return `${users} users, ${sessions} sessions, ${revocations} revocations`;
}
