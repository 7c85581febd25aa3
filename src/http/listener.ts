import {
  createServer as createPlainServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import {
  createSecureServer,
  Http2ServerRequest,
  constants as http2,
  type SecureServerOptions,
} from 'node:http2';
import type { Socket } from 'node:net';
import { MINUTE, SECOND } from '../kernel/clock.ts';
import { fieldsProblem, HEADER_LIMIT, toHttp1Fields } from './fields.ts';
import type { TlsSide } from './tls-side.ts';

/**
 * Whoever is asked about a request before anything else: forward-auth, and the hosts of applications. Never asked
 * about one that names no host or two.
 *
 * Over HTTP/2 it is given Node's compatibility objects (`Http2ServerRequest`), with the fields in the form of
 * HTTP/1.1: `rawHeaders` without pseudo-fields, one Host, one Cookie. They have no `headersDistinct`, and a body that
 * breaks off ends like one that is whole, but that the request is `aborted` then.
 */
export interface Intercept {
  /**
   * True when it has taken the request. To a client that waits for `100 Continue` it has to say so itself, by
   * `writeContinue`, if it wants the body.
   */
  request(request: IncomingMessage, response: ServerResponse): boolean;
  /** Whether a request that asks for another protocol is its own; any other is answered as if it had not asked. */
  wantsUpgrade(request: IncomingMessage): boolean;
  /** Takes a request for which `wantsUpgrade` was true; there are none in HTTP/2. */
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface ListenerOptions {
  readonly intercept: Intercept;
  /** Answers what the intercept leaves. */
  readonly handler: Handler;
  /** null: plain HTTP/1.1. Otherwise TLS, with HTTP/2 and HTTP/1.1. */
  readonly tls: TlsSide | null;
}

/** How long the whole of a request may take to arrive, unless the intercept takes it: uploads may flow for hours. */
const REQUEST_WITHIN = 5 * MINUTE;
const HANDSHAKE_WITHIN = 10 * SECOND;
const IDLE_SESSION = 72 * SECOND;

/** What Node itself says to a missing Host has no body, and so no envelope. */
const HTTP1 = {
  maxHeaderSize: HEADER_LIMIT,
  requireHostHeader: false,
  headersTimeout: MINUTE,
  // See REQUEST_WITHIN.
  requestTimeout: 0,
};

/** Node's own guards against floods, each tightened to what browsers need. */
const HTTP2 = {
  settings: {
    maxConcurrentStreams: 100,
    // Each field counts 32 bytes more here; what is still within is measured again and answered by a 431.
    maxHeaderListSize: 2 * HEADER_LIMIT,
    enablePush: false,
  },
  maxHeaderListPairs: 1000,
  // What an application repeats must not throw in the middle of its answer.
  strictSingleValueFields: false,
  maxSettings: 16,
  maxOutstandingPings: 10,
  maxSessionInvalidFrames: 100,
  maxSessionRejectedStreams: 100,
  maxSessionMemory: 10,
  // Rapid reset: as many at once as two loads of a large page, then 33 in a second.
  streamResetBurst: 200,
  streamResetRate: 33,
} satisfies SecureServerOptions;

/** The server of either kind, not yet listening. Fastify and the rest know it by what both kinds have. */
export function createListener({ intercept, handler, tls }: ListenerOptions): Server {
  const isTaken: Intercept['request'] = (request, response) => {
    // What its client has taken back already is not worth a look: a flood of such requests costs next to nothing.
    if (isReset(request)) return true;
    if (isHttp2(request)) toHttp1Fields(request);
    if (fieldsProblem(request) === null && intercept.request(request, response)) return true;
    boundInTime(request);
    return false;
  };
  const listener: Handler = (request, response) => {
    if (!isTaken(request, response)) handler(request, response);
  };
  const server = tls ? createTlsServer(tls) : createPlainServer(HTTP1);
  // Not among the options: a server of node:http2 has its own, whatever it is told. Without the second, fields
  // beyond the thousandth would be left out in silence.
  Object.assign(server, {
    shouldUpgradeCallback: (request: IncomingMessage) =>
      fieldsProblem(request) === null && intercept.wantsUpgrade(request),
    maxHeadersCount: 0,
  });
  server.on('request', listener);
  server.on('upgrade', (request, socket, head) => intercept.upgrade(request, socket as Socket, head));
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    if (isTaken(request, response)) return;
    response.writeContinue();
    handler(request, response);
  });
  return server.on('checkExpectation', listener);
}

/**
 * Whether the client has taken its request back. Node ends what was read of an HTTP/2 body when its stream is reset,
 * so whoever acts on a body asks here first; and a stream that was reset before anybody heard of its request is not
 * `aborted`.
 */
export function isReset(request: IncomingMessage): boolean {
  return request.aborted || (isHttp2(request) && request.stream.closed);
}

function createTlsServer(tls: TlsSide): Server {
  const server = createSecureServer({
    ...HTTP1,
    ...HTTP2,
    ...tls.options,
    allowHTTP1: true,
    // As a server of node:http has it.
    noDelay: true,
    handshakeTimeout: HANDSHAKE_WITHIN,
  });
  tls.attach(server);
  // Existing streams go on; without any, the connection ends.
  server.on('session', (session) => session.setTimeout(IDLE_SESSION, () => session.close()));
  return server as unknown as Server;
}

/** Its version does not tell: the parser of HTTP/1 lets a request line say `HTTP/2.0`. */
function isHttp2(request: unknown): request is Http2ServerRequest {
  return request instanceof Http2ServerRequest;
}

function boundInTime(request: IncomingMessage): void {
  const end = isHttp2(request)
    ? () => request.stream.close(http2.NGHTTP2_CANCEL)
    : () => void request.socket.destroy();
  const late = setTimeout(end, REQUEST_WITHIN).unref();
  const arrived = () => clearTimeout(late);
  request.once('end', arrived).once('close', arrived);
}
