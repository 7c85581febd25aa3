import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import swagger from '@fastify/swagger';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { randomHex } from '../kernel/crypto.ts';
import { refusal } from '../kernel/errors.ts';
import { createRequestIds } from '../kernel/ids.ts';
import { addJsonParser } from './body.ts';
import { createAuthenticator, createHandler, type DoorKeeper } from './door.ts';
import { failure } from './envelope.ts';
import { toRefusal } from './failures.ts';
import { fieldsProblem } from './fields.ts';
import { createListener, type Intercept, isReset } from './listener.ts';
import { describeApi, describeRoute } from './openapi.ts';
import { createLimits, type Limits, type RateLimit } from './rate-limit.ts';
import type { Route } from './route.ts';
import type { TlsSide } from './tls-side.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    permission?: readonly string[];
    open?: string;
    /** Says nothing that a lease is needed for: it is answered without one. */
    unleased?: boolean;
  }
}

export const API_PREFIX = '/client/v4';
const DESCRIPTION = '/openapi.json';
const BODY_LIMIT = 1024 * 1024;
const TARGET_LIMIT = 8 * 1024;

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
  /** Whether this node may decide; without that it answers health only (design §4.6). */
  readonly isLeased: () => boolean;
  /** null: plain HTTP. */
  readonly tls: TlsSide | null;
  /** Adds the routes that are not the API's: health, sign-in pages. `limits` count by what the routes name. */
  readonly pages: (app: FastifyInstance, limits: Limits) => Promise<void>;
  readonly onAnswer: (line: AccessLine) => void;
  readonly onFault: (error: unknown, requestId: string) => void;
}

/** The HTTP server: the v4 API under /client/v4, and the pages beside it. Not yet listening. */
export async function createHttp(options: HttpOptions): Promise<FastifyInstance> {
  const documentation = `${options.publicUrl}/portcullis/errors`;
  const app = Fastify({
    bodyLimit: BODY_LIMIT,
    genReqId: createRequestIds(),
    routerOptions: { maxParamLength: 512, ignoreTrailingSlash: false },
    forceCloseConnections: 'idle',
    frameworkErrors: (error, request, reply) => void sendRefusal(error, request, reply),
    clientErrorHandler: (error, socket) => refuseOnSocket(error, socket as Socket, documentation),
    serverFactory: (handler) => createListener({ ...options, handler }),
  });

  function sendRefusal(error: unknown, request: FastifyRequest, reply: FastifyReply) {
    const refused = toRefusal(error);
    if (refused.status >= 500 || refused.cause !== undefined) options.onFault(refused, request.id);
    reply.code(refused.status).headers(refused.headers);
    // Fastify asks to close; HTTP/2 has no such header.
    if (request.raw.httpVersion === '2.0') reply.removeHeader('connection');
    protect(request, reply);
    return reply.type('application/json').serializer(JSON.stringify).send(failure(refused, documentation));
  }

  app.setErrorHandler(sendRefusal);
  app.addHook('onRequest', async (request, reply) => {
    protect(request, reply);
    const problem = fieldsProblem(request.raw);
    if (problem) throw problem;
    if (request.url.length > TARGET_LIMIT) throw refusal('uriTooLong');
    if (!options.isLeased() && !request.routeOptions.config.unleased) throw refusal('unavailable');
  });
  app.addHook('preValidation', async ({ raw }) => {
    if (isReset(raw)) throw refusal('malformedRequest', { detail: 'the body broke off' });
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
    case 'own':
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

/** What fails before there is a request (garbage, oversized headers) is answered in the envelope as well. */
function refuseOnSocket(error: Error & { code?: string }, socket: Socket, documentation: string): void {
  // Whoever failed to shake hands understands no answer, and within one that has begun there is no place for another.
  const isHttp = /^(?:HPE|ERR_HTTP)_/.test(error.code ?? '');
  const underWay = (socket as { _httpMessage?: ServerResponse })._httpMessage;
  if (!isHttp || !socket.writable || underWay?.headersSent) return void socket.destroy();
  const refused = refusal(error.code === 'HPE_HEADER_OVERFLOW' ? 'headersTooLarge' : 'malformedRequest');
  const body = JSON.stringify(failure(refused, documentation));
  const status = refused.status === 431 ? '431 Request Header Fields Too Large' : '400 Bad Request';
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` +
      `x-request-id: ${randomHex(8)}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n${body}`,
  );
}
