import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';

/** A request as the application got it. */
export interface Arrival {
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: readonly string[];
  readonly headers: IncomingMessage['headers'];
  readonly request: IncomingMessage;
  readonly response: ServerResponse | null;
  readonly socket: Socket;
  /** Bytes of the body so far, where the path reads it. */
  received: number;
}

/** An application behind the gate, which does what a path says. */
export interface Upstream extends AsyncDisposable {
  readonly origin: string;
  readonly port: number;
  readonly arrivals: Arrival[];
  /** Connections that are open now. */
  readonly sockets: ReadonlySet<Socket>;
  readonly webSockets: Set<WebSocket>;
  /** Answers these paths otherwise, or others besides. */
  readonly paths: Record<string, RequestListener>;
  /** The next arrival at that path, or the one that was there already and that nobody has asked for. */
  arrival(path: string): Promise<Arrival>;
}

/** Bytes that can be told from others: the same number gives the same bytes. */
export function bytesOf(length: number): Buffer {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let at = 0; at < words.length; at++) words[at] = Math.imul(at, 2654435761);
  return Buffer.from(words.buffer, 0, length);
}

export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * Paths: `/` greets by e-mail; `/echo` tells what came; `/upload` answers the hash of the body; `/wait` never answers;
 * `/download?N` sends N bytes of `bytesOf`; `/events` is a stream that says one event and goes on when written to;
 * every WebSocket is echoed.
 */
export async function startUpstream(tls?: { key: string; cert: string }): Promise<Upstream> {
  const sockets = new Set<Socket>();
  const arrivals: Arrival[] = [];
  const untaken: Arrival[] = [];
  const webSockets = new Set<WebSocket>();
  const paths: Upstream['paths'] = { ...USUAL };
  const news = new EventEmitter();
  const arrive = (request: IncomingMessage, response: ServerResponse | null) => {
    const { method = '', url = '', rawHeaders, headers, socket } = request;
    const arrival = { method, url, rawHeaders, headers, request, response, socket, received: 0 };
    request.on('data', (chunk) => {
      arrival.received += chunk.length;
    });
    // Whoever answers decides whether the body is read.
    request.pause();
    arrivals.push(arrival);
    untaken.push(arrival);
    news.emit('arrival');
  };
  const listener: RequestListener = (request, response) => {
    arrive(request, response);
    const answer = paths[pathOf(request.url)] ?? notFound;
    answer(request, response);
  };
  const server: Server = tls ? createTlsServer(tls, listener) : createServer(listener);
  server.requestTimeout = 0;
  server.on(tls ? 'secureConnection' : 'connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
  });
  const echoing = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    arrive(request, null);
    if (paths[pathOf(request.url)] === refuseUpgrade) return void socket.end(REFUSED_UPGRADE);
    echoing.handleUpgrade(request, socket, head, (webSocket) => {
      webSockets.add(webSocket);
      webSocket.on('message', (data, isBinary) => webSocket.send(data, { binary: isBinary }));
      webSocket.on('error', () => {});
      webSocket.once('close', () => webSockets.delete(webSocket));
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return {
    origin: `${tls ? 'https' : 'http'}://127.0.0.1:${address.port}`,
    port: address.port,
    arrivals,
    sockets,
    webSockets,
    paths,
    arrival: async (path) => {
      for (;;) {
        const at = untaken.findIndex(({ url }) => pathOf(url) === path);
        const [found] = at < 0 ? [] : untaken.splice(at, 1);
        if (found) return found;
        await once(news, 'arrival', { signal: AbortSignal.timeout(20_000) });
      }
    },
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

export const refuseUpgrade: RequestListener = (_request, response) => void response.writeHead(404).end();

const REFUSED_UPGRADE = 'HTTP/1.1 403 Forbidden\r\nX-From: application\r\nContent-Length: 2\r\n\r\nno';

const notFound: RequestListener = (request, response) => {
  request.resume();
  response.writeHead(404).end('the application has no such page');
};

const USUAL: Upstream['paths'] = {
  '/': (request, response) => {
    request.resume();
    response.end(`hello ${request.headers['cf-access-authenticated-user-email']}`);
  },
  '/echo': (request, response) => {
    const { method, url, rawHeaders } = request;
    const chunks: Buffer[] = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('latin1');
      const { rawTrailers } = request;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ method, url, rawHeaders, body, rawTrailers }));
    });
    request.resume();
  },
  '/upload': (request, response) => {
    const hash = createHash('sha256');
    request.on('data', (chunk) => hash.update(chunk));
    request.on('end', () => response.end(hash.digest('hex')));
    request.resume();
  },
  '/wait': (request) => void request.resume(),
  '/download': (request, response) => {
    request.resume();
    const bytes = bytesOf(Number(request.url?.split('?')[1]));
    response.setHeader('content-length', bytes.length);
    // In pieces, as a file is read: one piece would lie in this process's queue as a whole.
    let at = 0;
    const more = () => {
      while (at < bytes.length) {
        const piece = bytes.subarray(at, at + 64 * 1024);
        at += piece.length;
        if (!response.write(piece)) return void response.once('drain', more);
      }
      response.end();
    };
    more();
  },
  '/events': (request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    response.write('data: first\n\n');
  },
};

function pathOf(url = ''): string {
  return url.split('?', 1)[0] ?? '';
}
