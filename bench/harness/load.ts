import { fileURLToPath } from 'node:url';
import { pin } from './cores.ts';
import { cpuSeconds } from './processes.ts';
import { nextMessage, type Server, type Started, startProcess } from './servers.ts';

/** How requests are sent: always one at a time on a connection, the next when the answer is there. */
export interface LoadOptions {
  /** Asked in turn, over and over. */
  readonly requests: readonly string[];
  /** In milliseconds; what is under way then is waited for. Absent: every request once. */
  readonly during?: number;
  readonly connections?: number;
  /**
   * Whether the process that asks never sleeps: to wake it would be charged to the server, and more often to a
   * slow one than to a fast one. Usually; false where it shares its core with something that must run.
   */
  readonly awake?: boolean;
}

/** What came of it. Every answer had status 200 and was whole, or there is no outcome but an error. */
export interface Outcome {
  readonly answers: number;
  readonly bytes: number;
  /** From the first request to the last answer. */
  readonly seconds: number;
}

/** An outcome with what it took of the server's processor, in seconds. */
export interface Measured extends Outcome {
  readonly cpuSeconds: number;
}

/** The process that asks. There is one, so that servers are asked one after the other. */
export interface Load extends AsyncDisposable {
  ask(server: Server, options: LoadOptions): Promise<Measured>;
}

/** Requests travel to the process once, under a number; a list that is asked again is only named. */
export interface LoadMessage extends Omit<LoadOptions, 'requests'> {
  readonly port: number;
  readonly list: number;
  readonly requests?: readonly string[];
}

export type LoadAnswer = { readonly outcome: Outcome } | { readonly failure: string };

/** Enough to keep one core of a server busy, and few enough that a request does not wait long. */
const CONNECTIONS = 16;
const SLOWEST_MS = 120_000;

export function startLoad(core: number | null): Load {
  const file = fileURLToPath(new URL('./load-process.ts', import.meta.url));
  const started = startProcess([process.execPath, file], { ipc: true });
  pin(started.pid, core);
  const lists = new Map<readonly string[], number>();
  return {
    ask: async (server, { requests, connections = CONNECTIONS, awake = true, during }) => {
      const list = lists.get(requests) ?? lists.size;
      const isNew = !lists.has(requests);
      lists.set(requests, list);
      const rest = { connections, awake, ...(during === undefined ? {} : { during }), port: server.port };
      const before = cpuSeconds(server.pid);
      const outcome = await send(started, { ...rest, list, ...(isNew ? { requests } : {}) });
      return { ...outcome, cpuSeconds: cpuSeconds(server.pid) - before };
    },
    [Symbol.asyncDispose]: () => started[Symbol.asyncDispose](),
  };
}

async function send(started: Started, message: LoadMessage): Promise<Outcome> {
  const answered = nextMessage<LoadAnswer>(started, (message.during ?? 0) + SLOWEST_MS);
  started.child.send(message);
  const answer = await answered;
  if ('failure' in answer) throw new Error(`the load failed: ${answer.failure}`);
  return answer.outcome;
}
