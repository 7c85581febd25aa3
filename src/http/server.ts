import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import swagger from '@fastify/swagger';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { randomHex } from '../kernel/crypto.ts';
import { refusal } from '../kernel/errors.ts';
import { addJsonParser } from './body.ts';
import { createAuthenticator, createHandler, type DoorKeeper } from './door.ts';
import { failure } from './envelope.ts';
import { toRefusal } from './failures.ts';
import { describeApi, describeRoute } from './openapi.ts';
import { createLimits, type Limits, type RateLimit } from './rate-limit.ts';
import type { Route } from './route.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    permission?: readonly string[];
    open?: string;
  }
}

export const API_PREFIX = '/client/v4';
const DESCRIPTION = '/openapi.json';
const BODY_LIMIT = 1024 * 1024;
const TARGET_LIMIT = 8 * 1024;
const HEADER_LIMIT = 32 * 1024;

/** Whoever is asked about a request before anything else: forward-auth, and the hosts of applications. */
export interface Intercept {
  /** True when it has taken the request. */
  request(request: IncomingMessage, response: ServerResponse): boolean;
  /** Whether a request that asks for another protocol is its own; any other is answered as if it had not asked. */
  wantsUpgrade(request: IncomingMessage): boolean;
  /** Takes a request for which `wantsUpgrade` was true. */
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void;
}

/** What the log is told of one answered request: no query, no header, no body. */
export interface AccessLine {
  readonly requestId: string;
  readonly method: string;
  readonly route: string;
  readonly status: number;
  readonly milliseconds: number;
}

export interface HttpOptions {
  readonly keeper: DoorKeeper;
  readonly routes: readonly Route[];
  readonly rateLimit: RateLimit;
  /** Origin under which callers reach this server, for `documentation_url` and the OpenAPI document. */
  readonly publicUrl: string;
  /** The client's address, by the trusted proxies alone. */
  readonly addressOf: (request: IncomingMessage) => string;
  readonly intercept: Intercept;
  /** Adds the routes that are not the API's: health, sign-in pages. `limits` count by what the routes name. */
  readonly pages: (app: FastifyInstance, limits: Limits) => Promise<void>;
  readonly onAnswer: (line: AccessLine) => void;
  readonly onFault: (error: unknown, requestId: string) => void;
}

/** The HTTP server: the v4 API under /client/v4, and the pages beside it. Not yet listening. */
export async function createHttp(options: HttpOptions): Promise<FastifyInstance> {
  const documentation = `${options.publicUrl}/portcullis/errors`;
  const { intercept } = options;
  const app = Fastify({
    bodyLimit: BODY_LIMIT,
    genReqId: newRequestId,
    routerOptions: { maxParamLength: 512, ignoreTrailingSlash: false },
    forceCloseConnections: 'idle',
    frameworkErrors: (error, request, reply) => void sendRefusal(error, request, reply),
    clientErrorHandler: (error, socket) => refuseOnSocket(error, socket as Socket, documentation),
    serverFactory: (handler) => {
      const listener = (request: IncomingMessage, response: ServerResponse) => {
        if (!intercept.request(request, response)) handler(request, response);
      };
      // What Node itself says to a missing Host or an odd Expect has no body, and so no envelope.
      const server = createServer(
        {
          maxHeaderSize: HEADER_LIMIT,
          requireHostHeader: false,
          shouldUpgradeCallback: (request) => intercept.wantsUpgrade(request),
        },
        listener,
      );
      server.on('upgrade', (request, socket, head) => intercept.upgrade(request, socket as Socket, head));
      return server.on('checkExpectation', listener);
    },
  });

  function sendRefusal(error: unknown, request: FastifyRequest, reply: FastifyReply) {
    const refused = toRefusal(error);
    if (refused.status >= 500 || refused.cause !== undefined) options.onFault(refused, request.id);
    reply.code(refused.status).headers(refused.headers);
    protect(request, reply);
    return reply.type('application/json').serializer(JSON.stringify).send(failure(refused, documentation));
  }

  app.setErrorHandler(sendRefusal);
  app.addHook('onRequest', async (request, reply) => {
    protect(request, reply);
    if (!isAddressed(request.raw))
      throw refusal('malformedRequest', { detail: 'exactly one Host is needed' });
    if (request.url.length > TARGET_LIMIT) throw refusal('uriTooLong');
  });
  app.addHook('onResponse', async (request, reply) => {
    options.onAnswer({
      requestId: request.id,
      method: request.method,
      route: request.routeOptions.url ?? 'unknown',
      status: reply.statusCode,
      milliseconds: Math.round(reply.elapsedTime * 10) / 10,
    });
  });
  addJsonParser(app);
  refuseUnguardedRoutes(app);
  await app.register(swagger, describeApi(options.publicUrl));
  app.setNotFoundHandler(unknownRoute(options.routes));
  await app.register((api) => addApi(api, options), { prefix: API_PREFIX });
  await app.register(async (pages) => options.pages(pages, await createLimits(pages, options.rateLimit)));
  await app.ready();
  return app;
}

async function addApi(api: FastifyInstance, options: HttpOptions): Promise<void> {
  const limits = await createLimits(api, options.rateLimit);
  const onRequest = createAuthenticator(options.keeper, limits, (request) => options.addressOf(request.raw));
  for (const route of options.routes) {
    const handler = createHandler(route, options.keeper);
    for (const prefix of prefixesOf(route)) {
      api.route({
        method: route.method,
        url: prefix + route.path,
        onRequest,
        handler,
        schema: describeRoute(route, prefix),
        validatorCompiler: () => () => true,
        config: { permission: route.permission },
      });
    }
  }
  api.get(
    DESCRIPTION,
    { schema: { hide: true }, config: { open: 'the description of the API says nothing of the data' } },
    async () => api.swagger(),
  );
}

/** A route whose config has neither permission groups nor a stated reason to be open does not boot. */
function refuseUnguardedRoutes(app: FastifyInstance): void {
  app.addHook('onRoute', (route) => {
    const { permission, open } = route.config ?? {};
    if (!permission?.length && !open) throw new Error(`${route.method} ${route.url} has no permission`);
  });
}

export function prefixesOf(route: Route): string[] {
  switch (route.scope) {
    case 'account':
      return ['/accounts/:account_id'];
    case 'account_or_zone':
      return ['/accounts/:account_id', '/zones/:zone_id'];
    case 'zone':
      return ['/zones/:zone_id'];
    case 'user':
      return ['/user'];
    case 'any':
      return [''];
  }
}

/** 405 with `Allow` where another method would do, else 404. */
function unknownRoute(routes: readonly Route[]) {
  const patterns: { method: string; segments: string[] }[] = [
    { method: 'GET', segments: (API_PREFIX + DESCRIPTION).split('/') },
    ...routes.flatMap((route) =>
      prefixesOf(route).map((prefix) => ({
        method: route.method,
        segments: (API_PREFIX + prefix + route.path).split('/'),
      })),
    ),
  ];
  return async (request: FastifyRequest) => {
    const segments = (request.url.split('?', 1)[0] ?? '').split('/');
    const matching = patterns.filter((pattern) => matches(pattern.segments, segments));
    if (matching.length === 0) throw refusal('unknownRoute');
    const allow = [...new Set(matching.map((pattern) => pattern.method))].sort().join(', ');
    throw refusal('unknownMethod', { headers: { allow } });
  };
}

function matches(pattern: readonly string[], segments: readonly string[]): boolean {
  return (
    pattern.length === segments.length &&
    pattern.every((part, at) => (part.startsWith(':') ? segments[at] !== '' : part === segments[at]))
  );
}

/** RFC 9112 §3.2: exactly one Host; HTTP/1.0 may do without. */
function isAddressed({ headersDistinct, httpVersion }: IncomingMessage): boolean {
  const hosts = headersDistinct.host?.length ?? 0;
  return hosts === 1 || (hosts === 0 && httpVersion !== '1.1');
}

/** Headers that every answer carries. */
function protect(request: FastifyRequest, reply: FastifyReply): void {
  reply.headers({
    'x-request-id': request.id,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
  });
}

function newRequestId(): string {
  return randomHex(8);
}

/** What fails before there is a request (garbage, oversized headers) is answered in the envelope as well. */
function refuseOnSocket(error: Error & { code?: string }, socket: Socket, documentation: string): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
  const refused = refusal(error.code === 'HPE_HEADER_OVERFLOW' ? 'headersTooLarge' : 'malformedRequest');
  const body = JSON.stringify(failure(refused, documentation));
  const status = refused.status === 431 ? '431 Request Header Fields Too Large' : '400 Bad Request';
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` +
      `x-request-id: ${newRequestId()}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n${body}`,
  );
}
