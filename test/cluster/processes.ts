import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** A process that can be killed, frozen and started again as it was. */
export interface Managed extends AsyncDisposable {
  readonly name: string;
  pid(): number;
  isRunning(): boolean;
  /** Starts it if it does not run; resolves when it is ready, rejects with the end of its log if it is not in time. */
  start(): Promise<void>;
  /** Starts it without waiting for anything. */
  launch(): void;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM or another; resolves when it is gone, which it is made to be after ten seconds. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  freeze(): void;
  thaw(): void;
  log(): Promise<string>;
}

export interface ManagedOptions {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: { readonly uid: number; readonly gid: number } | null;
  /** Where its log is kept. */
  readonly folder: string;
  isReady(): Promise<boolean>;
}

/** Starts processes that do not outlive this one, whatever happens to it. */
export interface Keeper extends AsyncDisposable {
  manage(options: ManagedOptions): Managed;
  /** A folder that goes with this process. */
  forget(folder: string): void;
}

const READY_WITHIN_MS = 45_000;
const STOPS_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 40;

export function startKeeper(): Keeper {
  const path = fileURLToPath(new URL('./watchdog.ts', import.meta.url));
  // Detached: an interrupt that is meant for this process must not end it first.
  const watchdog = spawn(process.execPath, [path], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  watchdog.stdin.on('error', () => {});
  const managed: Managed[] = [];
  const tell = (line: string) => void watchdog.stdin.write(`${line}\n`);
  return {
    manage: (options) => {
      const one = createManaged(options, tell);
      managed.push(one);
      return one;
    },
    forget: tell,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(managed.map((one) => one[Symbol.asyncDispose]()));
      const ended = once(watchdog, 'exit');
      watchdog.stdin.end();
      await ended;
    },
  };
}

function createManaged(options: ManagedOptions, tell: (line: string) => void): Managed {
  const { name, folder, isReady } = options;
  const logFile = join(folder, `${name}.log`);
  let child: ChildProcess | null = null;
  const isRunning = () => child !== null && child.exitCode === null && child.signalCode === null;
  const log = async () => (await readFile(logFile, 'utf8').catch(() => '')).slice(-4000);

  const launch = () => {
    if (isRunning()) return;
    const started = spawnLogged(options, logFile);
    child = started;
    const { pid } = started;
    tell(`+${pid}`);
    started.once('exit', () => tell(`-${pid}`));
  };

  const signal = async (name: NodeJS.Signals) => {
    if (!child || !isRunning()) return;
    const ended = once(child, 'exit');
    child.kill('SIGCONT');
    child.kill(name);
    const late = setTimeout(() => child?.kill('SIGKILL'), STOPS_WITHIN_MS);
    await ended;
    clearTimeout(late);
  };

  return {
    name,
    log,
    launch,
    isRunning,
    pid: () => child?.pid ?? 0,
    start: async () => {
      launch();
      const until = performance.now() + READY_WITHIN_MS;
      while (!(await isReady().catch(() => false))) {
        if (!isRunning() || performance.now() > until) {
          throw new Error(`${name} does not start:\n${await log()}`);
        }
        await pause(LOOK_EVERY_MS);
      }
    },
    kill: () => signal('SIGKILL'),
    stop: (how = 'SIGTERM') => signal(how),
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    [Symbol.asyncDispose]: () => signal('SIGKILL'),
  };
}

function spawnLogged({ program, args, env, user, folder }: ManagedOptions, logFile: string): ChildProcess {
  const log = openSync(logFile, 'a');
  try {
    return spawn(program, args, {
      ...(user ?? {}),
      cwd: folder,
      env: { PATH: process.env.PATH ?? '', ...env },
      stdio: ['ignore', log, log],
    });
  } finally {
    closeSync(log);
  }
}
