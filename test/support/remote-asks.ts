import { request as httpRequest, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Followed } from './remote-gate.ts';

export interface GateAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

export interface GateAsking {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Of another gate. */
  readonly port?: number;
}

/** A request of a program to the application by way of the gate. Rejects if the connection breaks off. */
export async function askGate(
  { place }: Pick<Followed, 'place'>,
  path: string,
  cookie?: string,
  { method = 'GET', headers = {}, body, port = place.world.app.port }: GateAsking = {},
): Promise<GateAnswer> {
  const own = { host: place.host, ...(cookie ? { cookie } : {}), ...headers };
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const to = { host: '127.0.0.1', port, path, method, headers: own, agent: false };
    httpRequest(to, resolve).on('error', reject).end(body);
  });
  return { status: answer.statusCode ?? 0, headers: answer.headers, text: await text(answer) };
}
