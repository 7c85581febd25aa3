import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';

/** A server of another project that runs in the foreground, as a child of this process. */
export interface Foreground extends AsyncDisposable {
  stop(): Promise<void>;
}

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Where it listens once it is ready. */
  readonly port: number;
}

const PORT_TRIES = 200;
const BETWEEN_TRIES_MS = 50;
const STOPS_WITHIN_MS = 3000;

/** Why tests that need this program cannot run here, or false. `args` make it say its version. */
export function programIsMissing(program: string, args: string[], debianPackage: string): string | false {
  const found = spawnSync(program, args, { env: surroundings() }).status === 0;
  return found ? false : `${program} is not installed (Debian: apt-get install ${debianPackage})`;
}

/** Starts it and returns when its port takes connections; rejects with what it said if it ends before. */
export async function runInForeground({ program, args, env = {}, port }: Command): Promise<Foreground> {
  const child = spawn(program, args, {
    env: { ...surroundings(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = keepWords(child);
  const over = { ended: false };
  const ended = once(child, 'exit').then(() => {
    over.ended = true;
  });
  const stop = async () => {
    child.kill('SIGTERM');
    // Some wait for whoever is still connected.
    const late = setTimeout(() => child.kill('SIGKILL'), STOPS_WITHIN_MS);
    await ended;
    clearTimeout(late);
  };
  for (let tries = 0; !(await takesConnections(port)); tries += 1) {
    if (over.ended || tries === PORT_TRIES) {
      await stop();
      throw new Error(`${program} does not start:\n${said.text}`);
    }
    await wait(BETWEEN_TRIES_MS);
  }
  return { stop, [Symbol.asyncDispose]: stop };
}

/** Debian keeps servers where not everybody's PATH leads. */
function surroundings(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
}

/** The last that it said: what it logs over a long test is not kept. */
function keepWords(child: ChildProcessByStdio<null, Readable, Readable>): { text: string } {
  const said = { text: '' };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      said.text = (said.text + chunk).slice(-20_000);
    });
  }
  return said;
}

async function takesConnections(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
