import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type BenchRequest, readArguments } from './arguments.ts';
import type { Bench } from './bench.ts';
import { type Cores, chooseCores } from './cores.ts';
import { describeMachine, ownVersions } from './machine.ts';
import { type Row, toRow, toTable } from './report.ts';

/** Benches by name, loaded when they are asked for. */
export type Benches = Readonly<Record<string, () => Promise<Bench>>>;

/** Where a call writes: what was measured, and what is said meanwhile. */
export interface Output {
  write(text: string): void;
  say(line: string): void;
}

/** How long a call may take, in milliseconds: 50 seconds or 20 minutes, less what its end takes. */
const LIMITS = { quick: 47_000, full: 20 * 60_000 - 10_000 };
const QUICK_MARK = ' (quick)';
const [DONE, FAULT, UNUSABLE] = [0, 1, 2];

/**
 * Runs what the arguments ask for, and writes the report as its last line or lines. Resolves with the exit code:
 * 0 whether goals are reached or not, 1 if a bench failed, was interrupted or took too long (what had been
 * measured is written all the same), 2 if the arguments make no sense.
 */
export async function runCall(args: readonly string[], benches: Benches, output: Output): Promise<number> {
  const reading = readArguments(args, Object.keys(benches));
  if ('problem' in reading) {
    output.say(reading.problem);
    return UNUSABLE;
  }
  const { request } = reading;
  const cores = chooseCores();
  const rows: Row[] = [];
  const versions: Record<string, string | null> = ownVersions();
  const failure = await within(request, async (stack) => {
    for (const name of request.names) {
      const bench = await benches[name]?.();
      if (!bench) throw new TypeError(`no bench ${name}`);
      Object.assign(versions, await bench.versions());
      await runBench(bench, { request, cores, stack, rows, output });
    }
  });
  const machine = describeMachine(cores);
  const report = { machine, versions, rows };
  if (!request.json) output.write(`\n${toLines({ machine, versions })}\n\n${toTable(rows)}`);
  if (failure) output.say(failure.stack ?? failure.message);
  if (request.json) output.write(JSON.stringify(report));
  return failure ? FAULT : DONE;
}

/** Does the work until it ends, takes too long or is interrupted; then everything that it started is ended. */
async function within(
  { quick }: BenchRequest,
  work: (stack: AsyncDisposableStack) => Promise<void>,
): Promise<Error | null> {
  const limit = quick ? LIMITS.quick : LIMITS.full;
  await using stack = new AsyncDisposableStack();
  const { promise: givenUp, reject } = Promise.withResolvers<never>();
  const late = setTimeout(() => reject(new Error(`not done within ${limit / 1000} s: given up`)), limit);
  const interrupt = (signal: string) => reject(new Error(`interrupted by ${signal}`));
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, interrupt);
  stack.defer(() => {
    clearTimeout(late);
    for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, interrupt);
  });
  try {
    await Promise.race([work(stack), givenUp]);
    return null;
  } catch (error) {
    return error as Error;
  }
}

interface Call {
  readonly request: BenchRequest;
  readonly cores: Cores;
  readonly stack: AsyncDisposableStack;
  readonly rows: Row[];
  readonly output: Output;
}

async function runBench(bench: Bench, { request, cores, stack, rows, output }: Call): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'portcullis-bench-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const began = performance.now();
  const { quick, seed = Date.now() % 1_000_000 } = request;
  await bench.run({
    quick,
    seed,
    cores,
    folder,
    stack,
    rounds: quick ? 7 : 11,
    roundFor: quick ? 100 : 1500,
    record: (measurement) => {
      const name = measurement.name + (quick ? QUICK_MARK : '');
      rows.push(toRow({ ...measurement, name }));
    },
    say: (line) => output.say(`${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${line}`),
  });
}

function toLines(facts: Readonly<Record<string, object>>): string {
  const describe = (fact: object) =>
    Object.entries(fact).map(([name, value]) => `${name} ${value ?? 'absent'}`);
  return Object.entries(facts)
    .map(([name, fact]) => `${name}: ${describe(fact).join(', ')}`)
    .join('\n');
}
