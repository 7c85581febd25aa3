import { Agent, request } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly text: string;
  /** From the first byte of the request to the last of the answer. */
  readonly milliseconds: number;
}

/** One connection that is kept, one request at a time. */
export interface Asker {
  ask(method: 'GET' | 'DELETE', target: string): Promise<Answer>;
  close(): void;
}

const WITHIN_MS = 30_000;

/** `root` is put before each target. */
export function createAsker(port: number, { root, token }: { root: string; token: string }): Asker {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const headers = { authorization: `Bearer ${token}` };
  return {
    ask: (method, target) =>
      new Promise((resolve, reject) => {
        const began = performance.now();
        const options = { agent, port, host: '127.0.0.1', method, path: root + target, headers };
        const sent = request(options, (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk) => {
            text += chunk;
          });
          response.once('error', reject);
          response.once('end', () =>
            resolve({ status: response.statusCode ?? 0, text, milliseconds: performance.now() - began }),
          );
        });
        sent.setTimeout(WITHIN_MS, () => sent.destroy(new Error(`no answer: ${method} ${target}`)));
        sent.once('error', reject).end();
      }),
    close: () => agent.destroy(),
  };
}
