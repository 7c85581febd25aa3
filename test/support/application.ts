import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { text } from 'node:stream/consumers';

/** A request as it reached the application. */
export interface Arrived {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** An application that keeps whatever reaches it. */
export interface Application extends AsyncDisposable {
  readonly port: number;
  /** Whole requests, oldest first. */
  readonly arrived: Arrived[];
  /** How many requests have begun to arrive. */
  begun(): number;
  /** How many upgraded connections and streams of that person are open. */
  open(email: string): number;
  /** Ends those that are open. */
  hangUp(): void;
}

/**
 * An application that trusts its proxy and looks at nothing: it answers `hello`, sends what comes back on an
 * upgraded connection, and begins a stream without an end at `/stream`.
 */
export async function startApplication(): Promise<Application> {
  const arrived: Arrived[] = [];
  const open = new Map<Socket, string>();
  let begun = 0;
  const server = createServer((request, response) => {
    begun += 1;
    if (request.url?.split('?', 1)[0] === '/stream') {
      arrived.push(toArrived(request, ''));
      keep(open, request, request.socket);
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
      return;
    }
    // A client that goes away in the middle of its body has asked for nothing.
    text(request).then(
      (body) => response.end(`hello ${arrived.push(toArrived(request, body))}`),
      () => {},
    );
  });
  server.on('upgrade', (request, socket: Socket) => {
    arrived.push(toArrived(request, ''));
    keep(open, request, socket);
    socket.write(`${SWITCHING}sec-websocket-accept: ${acceptOf(request)}\r\n\r\n`);
    socket.pipe(socket);
  });
  const hangUp = () => {
    for (const socket of open.keys()) socket.destroy();
  };
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    arrived,
    begun: () => begun,
    hangUp,
    open: (email) => [...open.values()].filter((one) => one === email).length,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      hangUp();
    },
  };
}

const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n';

/** What some proxies check (RFC 6455 §4.2.2). */
function acceptOf({ headers }: IncomingMessage): string {
  const key = `${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  return createHash('sha1').update(key).digest('base64');
}

function keep(open: Map<Socket, string>, { headers }: IncomingMessage, socket: Socket): void {
  open.set(socket, String(headers['cf-access-authenticated-user-email']));
  socket.on('error', () => {}).once('close', () => open.delete(socket));
}

function toArrived({ method = '', url: target = '', rawHeaders }: IncomingMessage, body: string): Arrived {
  const headers = rawHeaders.flatMap((name, at): [string, string][] =>
    at % 2 === 0 ? [[name, rawHeaders[at + 1] ?? '']] : [],
  );
  return { method, target, headers, body };
}

/** The values of a header, whatever the case of its name. */
export function valuesOf(request: Arrived | undefined, name: string): string[] {
  return (request?.headers ?? []).filter(([one]) => one.toLowerCase() === name).map(([, value]) => value);
}
