import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Credentials } from './app.ts';
import { freePort } from './free-port.ts';
import type { TestDatabase } from './postgres.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/portcullis.js', import.meta.url));

/** Shared by all tests: to read every source anew at each start would take most of their time. */
const COMPILED = path.join(tmpdir(), 'portcullis-test-compiled');

/** The real program in a process of its own. */
export interface Program extends AsyncDisposable {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  /** What it has said so far. */
  stdout(): string;
  stderr(): string;
  /** Resolves when it has said so; rejects if it ends before. */
  says(words: string): Promise<void>;
  /** Its exit code, once it has ended and said its last. */
  readonly ended: Promise<number | null>;
}

export interface ProgramOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Starts `portcullis` with these arguments and no settings from outside. */
export function runProgram(args: readonly string[], { env = {}, cwd }: ProgramOptions = {}): Program {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', NODE_COMPILE_CACHE: COMPILED, ...env },
    ...(cwd === undefined ? {} : { cwd }),
  });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    said.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    said.stderr += chunk;
  });
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return {
    child,
    stdout: () => said.stdout,
    stderr: () => said.stderr,
    says: async (words) => {
      while (!said.stdout.includes(words)) {
        const over = await Promise.race([
          once(child.stdout, 'data').then(() => false),
          ended.then(() => true),
        ]);
        if (over && !said.stdout.includes(words))
          throw new Error(`it ended without “${words}”: ${said.stderr}`);
      }
    },
    ended,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Runs it to its end. */
export async function runToEnd(args: readonly string[], options: ProgramOptions = {}) {
  await using program = runProgram(args, options);
  const code = await program.ended;
  return { code, stdout: program.stdout(), stderr: program.stderr() };
}

/** The flags by which a command finds a test database and its folder. */
export function place({ url, folder }: Pick<TestDatabase, 'url' | 'folder'>): string[] {
  return [`--data=${folder}`, ...(url === null ? [] : [`--database-url=${url}`])];
}

/** A server that is ready for requests. */
export interface Server extends Program {
  readonly port: number;
  readonly origin: string;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
}

/** `portcullis serve` on a test database, on a free port of loopback. */
export async function serve(
  database: Pick<TestDatabase, 'url' | 'folder'>,
  { flags = [], ...options }: ProgramOptions & { flags?: readonly string[] } = {},
): Promise<Server> {
  const port = await freePort();
  const args = ['serve', `--listen=127.0.0.1:${port}`, ...place(database), '--metrics-listen=off', ...flags];
  const program = runProgram(args, options);
  await program.says('is ready.');
  return {
    ...program,
    port,
    origin: `http://127.0.0.1:${port}`,
    stop: () => {
      program.child.kill('SIGTERM');
      return program.ended;
    },
  };
}

/** What the operator finds in a credentials file. */
export async function readCredentials(folder: string, name = 'credentials.json'): Promise<Credentials> {
  return JSON.parse(await readFile(path.join(folder, name), 'utf8')) as Credentials;
}
