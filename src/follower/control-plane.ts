import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { SecureContext } from 'node:tls';
import { SECOND } from '../kernel/clock.ts';
import { trusting } from './trust.ts';

/** Asks the control plane, whichever node it is. */
export interface ControlPlane {
  /** What it answers to a POST of this JSON; rejects if that is no answer of it, or not there within two seconds. */
  ask(path: string, question: object): Promise<unknown>;
  close(): void;
}

export interface ControlPlaneOptions {
  /** Tried in this order, from the one that answered last. */
  readonly origins: readonly string[];
  readonly token: string;
  /** By what an https control plane is known; null where none is. */
  readonly trust: SecureContext | null;
}

const WITHIN = 2 * SECOND;
/** For whatever is asked at once: nobody waits for a connection behind somebody else. */
const MOST_SOCKETS = 128;
/** An answer holds one application, without its policies. */
const LARGEST_ANSWER = 4 * 1024 * 1024;

export function createControlPlane({ origins, token, trust }: ControlPlaneOptions): ControlPlane {
  const options = { keepAlive: true, maxSockets: MOST_SOCKETS };
  const http = new HttpAgent(options);
  const https = new HttpsAgent({ ...options, ...trusting(trust) });
  let first = 0;

  const post = (origin: string, path: string, { body, signal }: { body: string; signal: AbortSignal }) => {
    const isTls = origin.startsWith('https:');
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    };
    const init = { method: 'POST', headers, signal };
    return new Promise<unknown>((resolve, reject) => {
      const request = isTls
        ? httpsRequest(new URL(path, origin), { ...init, agent: https })
        : httpRequest(new URL(path, origin), { ...init, agent: http });
      request.on('error', reject);
      request.on('response', (answer) => readAnswer(answer).then(resolve, reject));
      request.end(body);
    });
  };

  return {
    ask: async (path, question) => {
      const asking = { body: JSON.stringify(question), signal: AbortSignal.timeout(WITHIN) };
      let failure: unknown = new Error('there is no control plane');
      for (let turn = 0; turn < origins.length && !asking.signal.aborted; turn++) {
        const at = (first + turn) % origins.length;
        try {
          const answer = await post(origins[at] ?? '', path, asking);
          first = at;
          return answer;
        } catch (error) {
          failure = error;
        }
      }
      throw failure;
    },
    close: () => {
      http.destroy();
      https.destroy();
    },
  };
}

async function readAnswer(answer: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  if (answer.statusCode !== 200) {
    answer.resume();
    throw new Error(`the control plane answers ${answer.statusCode}`);
  }
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > LARGEST_ANSWER) throw new Error('the control plane answers too much');
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
}
