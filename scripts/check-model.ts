/**
 * Checks the model of the removal protocol in `docs/model` with spin: in every scope the invariants hold, and every seeded
 * bug breaks the one it is there for. One line per run; exits 1 if any of it is otherwise, or if spin or gcc is absent.
 *
 * `npm run model -- traces` also writes the trace of each bug, `npm run model -- wide` checks larger scopes as well.
 */
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ModelRun, scopes, seeded, wideScopes } from './model-runs.ts';

const MODELS = fileURLToPath(new URL('../docs/model', import.meta.url));
const RUN_LIMIT_MS = 200_000;
const WIDE_LIMIT_MS = 3_600_000;
const MEGABYTES = 1900;
const WIDE_MEGABYTES = 12_000;
const DEPTH = 1_000_000;

interface Checked {
  readonly run: ModelRun;
  readonly problem: string | null;
  readonly states: number;
  readonly seconds: number;
  /** Statements that never ran. */
  readonly unreached: readonly string[];
}

const wishes = process.argv.slice(2);
const wantsTraces = wishes.includes('traces');
const wantsWide = wishes.includes('wide');

const workers = wantsWide ? 1 : Math.min(2, availableParallelism());
const checked = await inTurns([...scopes, ...(wantsWide ? wideScopes : []), ...seeded], workers, check);
const idle = neverRan(checked);
for (const line of idle) console.log(`FAILED no scope reaches ${line}`);
const failed = checked.filter(({ problem }) => problem !== null).length + idle.length;
console.log(failed === 0 ? `the model is as it should be: ${checked.length} runs` : `FAILED: ${failed}`);
process.exitCode = failed === 0 ? 0 : 1;

async function check(run: ModelRun): Promise<Checked> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-model-'));
  const started = Date.now();
  try {
    const output = await explore(run, folder);
    const problem = judge(run, output);
    if (problem === null && run.breaks !== null && wantsTraces) await keepTrace(run, folder);
    return report({
      run,
      problem,
      states: statesOf(output),
      seconds: since(started),
      unreached: unreachedIn(output),
    });
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return report({ run, problem, states: 0, seconds: since(started), unreached: [] });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** spin writes the checker, gcc compiles it, the checker runs. A bug is looked for breadth first: its trace is the shortest. */
async function explore(run: ModelRun, folder: string): Promise<string> {
  await copyFile(join(MODELS, run.model), join(folder, run.model));
  const megabytes = wantsWide ? WIDE_MEGABYTES : MEGABYTES;
  const search = run.breaks === null ? '-DNOFAIR' : '-DBFS';
  await command('spin', [...run.defines.map((one) => `-D${one}`), '-a', run.model], folder);
  // A small search is over before a better checker is compiled.
  const effort = run.breaks === null && run.model === 'cluster.pml' ? '-O2' : '-O0';
  const flags = [effort, '-w', '-DSAFETY', search, `-DMEMLIM=${megabytes}`];
  await command('gcc', [...flags, '-o', 'pan', 'pan.c'], folder);
  return command('./pan', ['-E', run.breaks === null ? '-w24' : '-w20', `-m${DEPTH}`], folder);
}

/** What is wrong with the outcome, or null. */
function judge({ breaks }: ModelRun, output: string): string | null {
  const errors = Number(/errors: (\d+)/.exec(output)?.[1] ?? Number.NaN);
  const isViolated = /assertion violated/.test(output);
  if (Number.isNaN(errors)) return `the checker did not end: ${output.trim().slice(-300)}`;
  if (breaks !== null) return errors > 0 && isViolated ? null : 'the bug is not found';
  if (errors > 0) return `an invariant is broken: ${/pan:.*/.exec(output)?.[0]}`;
  const cutShort = /max search depth too small|out of memory|Search not completed|reached -DMEMLIM/.exec(
    output,
  );
  return cutShort ? `the search is not complete: ${cutShort[0]}` : null;
}

function report(checked: Checked): Checked {
  const { run, problem, states, seconds } = checked;
  const outcome = run.breaks === null ? 'holds' : `breaks invariant ${run.breaks}`;
  const figures = `${states} states, ${seconds} s`;
  console.log(problem === null ? `ok ${run.name}: ${outcome}, ${figures}` : `FAILED ${run.name}: ${problem}`);
  return checked;
}

function statesOf(output: string): number {
  return Number(/(\d+) states, stored/.exec(output)?.[1] ?? 0);
}

function since(started: number): number {
  return Math.round((Date.now() - started) / 100) / 10;
}

/** The statements that a run never reached; the ends of processes that never end are none. */
function unreachedIn(output: string): string[] {
  const lines = [...output.matchAll(/^\t(\S+\.pml:\d+), state \d+, "(.*)"$/gm)];
  return lines.filter(([, , text]) => text !== '-end-').map(([, place, text]) => `${place} ${text}`);
}

/** What no scope of a model ever reaches is not checked by it. */
function neverRan(all: readonly Checked[]): string[] {
  const correct = all.filter(({ run, problem }) => run.breaks === null && problem === null);
  return ['cluster.pml', 'mint.pml'].flatMap((model) => {
    const [first, ...others] = correct.filter(({ run }) => run.model === model);
    return (first?.unreached ?? []).filter((line) =>
      others.every(({ unreached }) => unreached.includes(line)),
    );
  });
}

/** Replays the error and keeps what the processes say, one line each. */
async function keepTrace(run: ModelRun, folder: string): Promise<void> {
  const defines = run.defines.map((one) => `-D${one}`);
  const replay = await command('spin', [...defines, '-t', '-T', '-B', run.model], folder);
  const story = replay
    .split('\n')
    .filter((line) => /^(?:time|remover|node \d|gate|mint|removal|other|pruner) {2,}\S/.test(line));
  const head = `${run.model} ${defines.join(' ')}`;
  const text = [head, '', ...story, '', `Here invariant ${run.breaks} is broken.`, ''].join('\n');
  await writeFile(join(MODELS, 'traces', `${run.name}.txt`), text);
}

/** Runs a program to its end and returns what it printed; the exit code of spin's replay and of the checker says nothing. */
function command(program: string, args: readonly string[], cwd: string): Promise<string> {
  const timeout = wantsWide ? WIDE_LIMIT_MS : RUN_LIMIT_MS;
  return new Promise((resolve, reject) => {
    execFile(
      program,
      args,
      { cwd, timeout, killSignal: 'SIGKILL', maxBuffer: 64 << 20 },
      (error, out, err) => {
        if (error && 'code' in error && error.code === 'ENOENT')
          reject(new Error(`${program} is not installed`));
        else if (error?.killed) reject(new Error(`${program} did not end within ${timeout / 1000} s`));
        else if (error && program === 'gcc') reject(new Error(`gcc: ${err}`));
        else if (/Error:|syntax error/.test(out) && args.includes('-a')) reject(new Error(out.trim()));
        else resolve(out);
      },
    );
  });
}

async function inTurns<T, R>(
  items: readonly T[],
  workers: number,
  act: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const waiting = items.map((item, index) => ({ item, index }));
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) results[next.index] = await act(next.item);
  };
  await Promise.all(Array.from({ length: workers }, work));
  return results;
}
