import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { pin } from './cores.ts';

/** A server in a process of its own, on a port of loopback. */
export interface Server extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
}

/** One whose code is in this repository; `told` is what it said of itself beside its port. */
export interface PeerServer<Told> extends Server {
  readonly told: Told;
}

export interface Started extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly pid: number;
  /** The last that it wrote to stdout and stderr, for whoever asks why it failed. */
  said(): string;
}

const MOST_SAID = 16_384;
const READY_WITHIN_MS = 60_000;
const END_WITHIN_MS = 10_000;
const TRY_EVERY_MS = 2;

/**
 * Starts a program with no settings from outside. What it writes is read, and only its end kept. Disposing of it
 * asks it to end, and ends it if it does not.
 */
export function startProcess(
  [program = '', ...args]: readonly string[],
  { ipc = false }: { ipc?: boolean } = {},
): Started {
  const stdio = ['ignore', 'pipe', 'pipe', ...(ipc ? ['ipc' as const] : [])] as const;
  const env = { PATH: process.env.PATH ?? '' };
  const child = spawn(program, args, { stdio: [...stdio], env, serialization: 'advanced' });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      said = (said + chunk).slice(-MOST_SAID);
    });
  }
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));
  if (child.pid === undefined) throw new Error(`${program} cannot be started`);
  return { child, pid: child.pid, said: () => said, [Symbol.asyncDispose]: () => stop(child) };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), END_WITHIN_MS);
  await ended;
  clearTimeout(late);
}

/**
 * Starts a file that calls `servePeer`, hands it its setup, and resolves when it listens. Throws with what it
 * wrote if it ends before that.
 */
export async function startPeer<Setup extends object, Told = unknown>(
  file: URL,
  { core, setup }: { core: number | null; setup: Setup },
): Promise<PeerServer<Told>> {
  await using stack = new AsyncDisposableStack();
  const started = stack.use(startProcess([process.execPath, fileURLToPath(file)], { ipc: true }));
  started.child.send(setup);
  const { port, told } = await nextMessage<{ port: number; told: Told }>(started, READY_WITHIN_MS);
  pin(started.pid, core);
  const kept = stack.move();
  return { pid: started.pid, port, told, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** The next message of a child; throws with what it wrote if it ends first, or if nothing comes in time. */
export async function nextMessage<T>({ child, said }: Started, within: number): Promise<T> {
  const over = new AbortController();
  const { signal } = over;
  try {
    return await Promise.race([
      once(child, 'message', { signal }).then(([message]) => message as T),
      once(child, 'close', { signal }).then(() => Promise.reject(new Error(`it ended: ${said()}`))),
      once(AbortSignal.timeout(within), 'abort', { signal }).then(() =>
        Promise.reject(new Error(`nothing came within ${within} ms: ${said()}`)),
      ),
    ]);
  } finally {
    over.abort();
  }
}

/** Resolves as soon as a port of loopback takes a connection; throws with what the process wrote if none does. */
export async function untilListening(
  { child, said }: Started,
  { port, within }: { port: number; within: number },
): Promise<void> {
  const deadline = performance.now() + within;
  while (!(await takesConnections(port))) {
    const hasEnded = child.exitCode !== null || child.signalCode !== null;
    if (hasEnded || performance.now() > deadline) throw new Error(`it does not listen: ${said()}`);
    await pause(TRY_EVERY_MS);
  }
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const answer = (takes: boolean) => {
      socket.destroy();
      resolve(takes);
    };
    socket.once('connect', () => answer(true)).once('error', () => answer(false));
  });
}
