import assert from 'node:assert/strict';
import diagnostics from 'node:diagnostics_channel';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { answerOf, begin, openWebSocket, type Proxied } from './proxied.ts';
import { type Arrival, bytesOf, sha256 } from './upstream.ts';

/** The ways in which an exchange can be open. */
export const EXCHANGES = ['waiting', 'upload', 'slow download', 'events', 'websocket'] as const;
export type ExchangeKind = (typeof EXCHANGES)[number];

/** How long the body of a download is, unless told otherwise: more than any kernel keeps. */
const DOWNLOAD = 50 * 1024 * 1024;

/** An exchange that is open, seen from all of its four ends. */
export interface OpenExchange {
  readonly kind: ExchangeKind;
  /** As the application knows it. */
  readonly arrival: Arrival;
  /** The gate's own ends. */
  readonly gate: { readonly client: Socket; readonly upstream: Socket };
  /** Goes on to its end, and asserts that nothing is lost, doubled or changed. */
  finish(): Promise<void>;
  /** Takes what is still to come, and asserts that the end is no whole one. Answers how many bytes ever came. */
  ended(): Promise<number>;
  /** Of a WebSocket, once it has ended. */
  readonly closeCode: () => number | null;
}

export interface As {
  readonly headers: Readonly<Record<string, string>>;
  /** Host of the application, if it is not the usual one. */
  readonly host?: string;
  /** How long a download is. */
  readonly length?: number;
}

/** The gate's sockets in this process: those that it accepted, by their client, and those to applications. */
export interface GateSockets extends Disposable {
  accepted(client: Socket): Socket;
  towards(arrival: Arrival): Socket;
}

export function watchGateSockets(): GateSockets {
  const accepted = new Set<Socket>();
  const outgoing = new Set<Socket>();
  const note = (sockets: Set<Socket>) => (message: unknown) => {
    sockets.add((message as { socket: Socket }).socket);
  };
  const [noteServer, noteClient] = [note(accepted), note(outgoing)];
  diagnostics.subscribe('net.server.socket', noteServer);
  diagnostics.subscribe('net.client.socket', noteClient);
  const find = (sockets: Set<Socket>, fits: (socket: Socket) => boolean) =>
    [...sockets].find((socket) => !socket.destroyed && fits(socket)) ?? assert.fail('no such connection');
  return {
    accepted: (client) =>
      find(
        accepted,
        (socket) => socket.remotePort === client.localPort && socket.localPort === client.remotePort,
      ),
    towards: ({ socket }) =>
      find(outgoing, (one) => one.localPort === socket.remotePort && one.remotePort === socket.localPort),
    [Symbol.dispose]: () => {
      diagnostics.unsubscribe('net.server.socket', noteServer);
      diagnostics.unsubscribe('net.client.socket', noteClient);
    },
  };
}

export interface Opening {
  readonly proxied: Pick<Proxied, 'world' | 'upstream' | 'host'>;
  readonly sockets: GateSockets;
}

const PATH_OF: Readonly<Record<ExchangeKind, string>> = {
  waiting: '/wait',
  upload: '/upload',
  'slow download': '/download',
  events: '/events',
  websocket: '/',
};

/** Opens an exchange and waits until it is well under way. */
export async function openExchange(opening: Opening, kind: ExchangeKind, as: As): Promise<OpenExchange> {
  const { paths } = opening.proxied.upstream;
  // Of its own, so that its arrival can be told from others.
  const mark = `/exchange-${Object.keys(paths).length}`;
  paths[mark] = paths[PATH_OF[kind]] ?? assert.fail();
  return kind === 'websocket'
    ? await openWebSocketExchange(opening, mark, as)
    : await openRequest(opening, { kind, mark }, as);
}

async function openRequest(
  { proxied, sockets }: Opening,
  { kind, mark }: { kind: ExchangeKind; mark: string },
  { headers, host = proxied.host, length = DOWNLOAD }: As,
): Promise<OpenExchange> {
  const path = kind === 'slow download' ? `${mark}?${length}` : mark;
  const request = begin(proxied, path, {
    method: kind === 'upload' ? 'POST' : 'GET',
    headers: { ...headers, host },
  });
  const body = bytesOf(4 * 1024 * 1024);
  if (kind === 'upload') request.write(body.subarray(0, 1024 * 1024));
  else request.end();
  const received: Buffer[] = [];
  const answered = answerOf(request);
  answered.catch(() => {});
  const arrival = await proxied.upstream.arrival(mark);
  if (kind === 'upload') while (arrival.received === 0) await once(arrival.request, 'data');
  if (kind === 'slow download' || kind === 'events') (await answered).pause();
  if (kind === 'events') await readUntil(await answered, 'data: first\n\n');
  const client = request.socket ?? assert.fail();
  const gone = new Promise((resolve) => client.once('close', resolve));
  const gate = { client: sockets.accepted(client), upstream: sockets.towards(arrival) };
  if (kind === 'slow download') await untilFull(gate.client);
  return {
    kind,
    arrival,
    gate,
    closeCode: () => null,
    finish: async () => {
      if (kind === 'waiting') arrival.response?.end('at last');
      if (kind === 'upload') request.end(body.subarray(1024 * 1024));
      if (kind === 'events') arrival.response?.end('data: second\n\n');
      const whole = await readAll(await answered);
      const expected = {
        waiting: 'at last',
        upload: sha256(body),
        'slow download': bytesOf(length),
        events: 'data: second\n\n',
      }[kind as Exclude<ExchangeKind, 'websocket'>];
      assert.equal(sha256(whole), sha256(expected), `${kind} is not what was sent`);
    },
    ended: async () => {
      answered.then((answer) => answer.on('data', (chunk) => received.push(chunk)).resume()).catch(() => {});
      const whole = answered.then(async (answer) => once(answer, 'end')).then(() => true);
      const isWhole = await Promise.race([whole, gone.then(() => false)]).catch(() => false);
      assert.equal(isWhole, false, `${kind} came to its end`);
      return received.reduce((sum, { length }) => sum + length, 0);
    },
  };
}

async function openWebSocketExchange(
  { proxied, sockets }: Opening,
  mark: string,
  { headers, host = proxied.host }: As,
): Promise<OpenExchange> {
  const webSocket = await openWebSocket(proxied, { headers: { ...headers, host }, path: mark });
  const { _socket: client } = webSocket as WebSocket & { _socket: Socket };
  const arrival = await proxied.upstream.arrival(mark);
  await echoes(webSocket, 'first');
  let code: number | null = null;
  const gone = new Promise<void>((resolve) => {
    webSocket.once('close', (one) => {
      code = one;
      resolve();
    });
  });
  return {
    kind: 'websocket',
    arrival,
    gate: { client: sockets.accepted(client), upstream: sockets.towards(arrival) },
    closeCode: () => code,
    finish: async () => {
      await echoes(webSocket, 'second');
      webSocket.close(1000);
      await gone;
      assert.equal(code, 1000);
    },
    ended: async () => {
      const received: unknown[] = [];
      webSocket.on('message', (data) => received.push(data));
      await gone;
      assert.notEqual(code, 1000);
      return received.length;
    },
  };
}

async function echoes(webSocket: WebSocket, text: string): Promise<void> {
  webSocket.send(text);
  const [data] = await once(webSocket, 'message');
  assert.equal(String(data), text);
}

async function readUntil(answer: IncomingMessage, expected: string): Promise<void> {
  let text = '';
  while (text.length < expected.length) {
    text += answer.read() ?? '';
    if (text.length < expected.length) await once(answer, 'readable');
  }
  assert.equal(text, expected);
}

async function readAll(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Until the client's kernel takes no more, so that bytes wait in this process. */
async function untilFull(socket: Socket): Promise<void> {
  let before = -1;
  while (socket.writableLength === 0 || socket.bytesWritten !== before) {
    before = socket.bytesWritten;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
