import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** The application behind all gates. It trusts whoever asks, and stamps each tick with the time at which it is sent. */
export interface TickingApplication extends AsyncDisposable {
  readonly origin: string;
  /** Told of each tick of a body that reached it: the exchange that the client named, and when it was sent. */
  onUpload(listener: (exchange: number, sent: number) => void): void;
}

/** How often an open connection ticks, in milliseconds. */
export const TICK_EVERY = 40;

/** What a page of it begins with: nobody else answers so. */
export const PAGE = 'the application is here';

/** A tick as text; it is found wherever it is in what came. */
export function tick(now = performance.now()): string {
  return `<${now.toFixed(3)}>`;
}

/** The times at which the ticks in this text were sent, and what may be the beginning of another one. */
export function readTicks(text: string): { ticks: number[]; rest: string } {
  const ticks = [...text.matchAll(/<(\d+\.\d+)>/g)].map(([, sent]) => Number(sent));
  const open = text.lastIndexOf('<');
  return { ticks, rest: open > text.lastIndexOf('>') ? text.slice(open) : '' };
}

export async function startTickingApplication(): Promise<TickingApplication> {
  const set: { listener: (exchange: number, sent: number) => void } = { listener: () => {} };
  const open = new Set<Socket>();
  const server = createServer((request, response) => {
    const path = request.url?.split('?', 1)[0];
    if (path === '/upload') return receive(request, set.listener, () => response.end(PAGE));
    if (path !== '/stream') return void request.resume().on('end', () => response.end(PAGE));
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    beat(request.socket, () => void response.write(`data: ${tick()}\n\n`));
  });
  server.on('upgrade', (request, socket: Socket) => {
    open.add(socket);
    socket.on('error', () => {}).once('close', () => open.delete(socket));
    socket.write(`${SWITCHING}sec-websocket-accept: ${acceptOf(request)}\r\n\r\n`);
    beat(socket, () => void socket.write(frame(tick())));
    socket.resume();
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    onUpload: (listener) => {
      set.listener = listener;
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      for (const socket of open) socket.destroy();
    },
  };
}

const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n';

function acceptOf({ headers }: IncomingMessage): string {
  const key = `${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  return createHash('sha1').update(key).digest('base64');
}

/** A text frame of fewer than 126 bytes, as a server sends it. */
function frame(text: string): Buffer {
  const payload = Buffer.from(text);
  return Buffer.concat([Buffer.from([0x81, payload.length]), payload]);
}

/** Until the connection closes. What a slow reader does not take is not sent: a stamp must not wait in a queue here. */
function beat(socket: Socket, work: () => void): void {
  const timer = setInterval(() => {
    if (socket.writableLength === 0) work();
  }, TICK_EVERY);
  socket.once('close', () => clearInterval(timer));
  work();
}

function receive(
  request: IncomingMessage,
  listener: (exchange: number, sent: number) => void,
  done: () => void,
): void {
  const exchange = Number(new URL(request.url ?? '', 'http://a').searchParams.get('exchange'));
  let held = '';
  request.setEncoding('latin1').on('data', (chunk: string) => {
    const { ticks, rest } = readTicks(held + chunk);
    held = rest;
    for (const sent of ticks) listener(exchange, sent);
  });
  request.on('error', () => {});
  request.on('end', done);
}
