import type { FastifyReply, FastifyRequest } from 'fastify';
import type { TSchema } from 'typebox';
import type { Act, ActRequest, Principal, Wanted } from '../database/act.ts';
import type { Reader } from '../database/database.ts';
import { failureOf } from '../database/failures.ts';
import type { Walk } from '../database/paging.ts';
import { sha256 } from '../kernel/crypto.ts';
import { ApiError, refusal } from '../kernel/errors.ts';
import { hasNul, nulRefused } from './body.ts';
import { ignored, type Note, success } from './envelope.ts';
import type { Limits } from './rate-limit.ts';
import type { Call, Route, Zone } from './route.ts';
import { createValidator, escapePointer, unknownNames } from './validate.ts';

/** What the door asks of the rest: who is there, and whose a zone is. */
export interface DoorKeeper {
  readonly reader: Reader;
  /** Throws 400 or 401 (decisions, Authentication) for anything but valid credentials of one principal. */
  authenticate(request: { rawHeaders: readonly string[]; ip: string; id: string }): Promise<Principal>;
  findZone(reader: Reader, zoneId: string): Promise<Zone | null>;
  /** Resolves when everything that has committed in the account is in force. */
  settle(accountId: string): Promise<void>;
  /** What a DELETE of that caller was answered just now, by the name under which answers are kept, once it is in force. */
  answerBefore(key: string): Promise<{ result: unknown } | null>;
}

/** Where a request is, after authentication. */
interface Arrival {
  principal: Principal;
  ip: string;
}

const arrivals = Symbol('arrival');
type Marked = FastifyRequest & { [arrivals]?: Arrival };

/** The step between routing and parsing: failures per address, credentials, then the credential's own limit. */
export function createAuthenticator(
  keeper: DoorKeeper,
  limits: Limits,
  addressOf: (request: FastifyRequest) => string,
) {
  return async function authenticate(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const ip = addressOf(request);
    await limits.refuseFailing(request, ip);
    try {
      const { rawHeaders } = request.raw;
      const principal = await keeper.authenticate({ rawHeaders, ip, id: request.id });
      (request as Marked)[arrivals] = { principal, ip };
    } catch (error) {
      // A fault of ours, such as a database that is away, must not lock anybody out.
      if (error instanceof ApiError) await limits.countFailure(request, ip);
      throw error;
    }
    await limits.countCall(request, reply, (request as Marked)[arrivals]?.principal.credentialId ?? ip);
  };
}

/** The handler of a route: validate (400), ask for permission (403), call, wrap in the envelope. */
export function createHandler(route: Route, keeper: DoorKeeper) {
  const invalid = isAccess(route) ? 'invalidAccess' : 'invalid';
  const validateParams = route.params ? createValidator(scoped(route.params), 'path', invalid) : null;
  const validateQuery = createValidator(route.query ?? EMPTY, 'query', invalid);
  const validateBody = route.body ? createValidator(route.body, 'body', invalid) : null;

  return async function handle(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { principal, ip } = arrivalOf(request);
    if (hasNul(request.params)) throw nulRefused();
    const params = checkIds(request.params as Record<string, string>);
    const checked = {
      params: { ...params, ...(validateParams?.(params) as object) },
      query: validateQuery(request.query),
      body: validateBody?.(request.body ?? absentBody(route)),
    };
    const permitted = await permit(route, keeper, principal, params).catch((error: unknown) =>
      answeredBefore(error, { route, request, keeper, principal, checked }),
    );
    if ('result' in permitted) {
      reply.code(route.status);
      return success(permitted.result, [], route.list);
    }
    const { place } = permitted;
    const act = toAct(route, { request, principal, checked, ...place });
    const walk = walkOf(request, principal, checked.query as PageQuery);
    const idempotencyKey = idempotencyKeyOf(request);
    const call: Call<unknown, unknown, unknown> = {
      ...{ ...checked, ...place, principal, act, ip, walk },
      idempotencyKey,
    };
    const result = await route
      .handler(call as Call<never, never, never>)
      .catch((error: unknown) => refuse(error, { route, keeper, accountId: place.accountId }));
    // An answer may say by what it leaves out that access is gone: it must be in force by then (design §4.8).
    if (route.method === 'GET' && tellsOfAccess(route)) await keeper.settle(place.accountId);
    reply.code(route.status);
    if (route.bare) return { result, success: true };
    return success(result, notesOf(route, request), route.list);
  };
}

/** A 404 is told only when what it was read from is in force; what exists already is a 409. */
async function refuse(
  error: unknown,
  { route, keeper, accountId }: { route: Route; keeper: DoorKeeper; accountId: string },
): Promise<never> {
  if (error instanceof ApiError && error.status === 404 && accountId !== '') await keeper.settle(accountId);
  if (failureOf(error) !== 'unique') throw error;
  const name = isAccess(route) ? 'conflictAccess' : 'conflict';
  throw refusal(name, { detail: 'it already exists', cause: error });
}

/** What is missing in an answer of these is access that is gone: users, sessions, tokens, gates, devices, items of lists. */
function tellsOfAccess(route: Route): boolean {
  return isAccess(route) || /^\/(?:portcullis|gateway|devices)(?:\/|$)/.test(route.path);
}

/** Cloudflare's Access routes have error codes of their own (reference §6.2). */
function isAccess(route: Route): boolean {
  return route.path.startsWith('/access');
}

/** What a body is that was not sent: the schema's default, where it has one. */
function absentBody({ body }: Route): unknown {
  return (body as { default?: unknown } | undefined)?.default;
}

const EMPTY = { type: 'object', properties: {} } as TSchema;

function scoped(params: TSchema): TSchema {
  return { ...params, additionalProperties: true } as TSchema;
}

function arrivalOf(request: FastifyRequest): Arrival {
  const arrival = (request as Marked)[arrivals];
  if (!arrival) throw new Error('a handler was reached without authentication');
  return arrival;
}

/** The ids of the scope itself: 32 characters, folded; whether they exist is never said (403). */
function checkIds(params: Record<string, string>): Record<string, string> {
  const folded = { ...params };
  for (const name of ['account_id', 'zone_id']) {
    const id = params[name];
    if (id === undefined) continue;
    if (id.length !== 32) {
      throw refusal('invalid', { detail: `${name} must have 32 characters`, pointer: `/path/${name}` });
    }
    folded[name] = id.toLowerCase();
  }
  return folded;
}

async function permit(
  route: Route,
  keeper: DoorKeeper,
  principal: Principal,
  params: Record<string, string>,
) {
  const zone = params.zone_id ? await keeper.findZone(keeper.reader, params.zone_id) : null;
  if (params.zone_id && !zone) throw refusal('forbidden');
  const accountId = zone?.account_id ?? params.account_id ?? '';
  const wanted = wantedFor(route, { accountId, zone, principal });
  if (wanted && !(await principal.permits(keeper.reader, wanted))) throw refusal('forbidden');
  return { place: { accountId, zone } };
}

/** The account or zone of the path may be what the first of two such requests has deleted. */
async function answeredBefore(
  error: unknown,
  at: Asked & { keeper: DoorKeeper },
): Promise<{ result: unknown }> {
  const { key, isRetry } = repeatOf(at);
  const mayBe = at.route.method === 'DELETE' && isRetry && error instanceof ApiError;
  const answer = mayBe ? await at.keeper.answerBefore(key) : null;
  if (answer === null) throw error;
  return answer;
}

function wantedFor(
  route: Route,
  { accountId, zone, principal }: { accountId: string; zone: Zone | null; principal: Principal },
): Wanted | null {
  const names = route.permission;
  if (route.scope === 'any') return null;
  if (route.scope === 'user' || route.scope === 'own') {
    if (!principal.administratorId) throw refusal('forbidden');
    return { names, user: principal.administratorId };
  }
  return zone ? { names, account: accountId, zone: zone.id } : { names, account: accountId };
}

function toAct(route: Route, at: Omit<Asked, 'route'> & { accountId: string; zone: Zone | null }): Act {
  const { principal, accountId } = at;
  const wanted = wantedFor(route, at);
  return {
    accountId,
    actor: principal.actor,
    request: requestOf(route, at),
    authorize: async (tx) => {
      if (wanted && !(await principal.permits(tx, wanted))) throw refusal('forbidden');
    },
    ...(route.method === 'DELETE' ? { repeat: repeatOf({ route, ...at }) } : {}),
  };
}

const MOST_USER_AGENT = 512;

/** What the audit log keeps of it: a query or body could hold what nobody should read there. */
function requestOf(
  route: Route,
  { request, zone }: { request: FastifyRequest; zone: Zone | null },
): ActRequest {
  return {
    method: route.method,
    uri: request.url.split('?', 1)[0] ?? '',
    status: route.status,
    userAgent: request.headers['user-agent']?.slice(0, MOST_USER_AGENT) ?? null,
    zone: zone && { id: zone.id, name: zone.name },
  };
}

interface PageQuery {
  page?: number;
  per_page?: number;
}

/** Names the walk by who walks and what is asked, so that its next page starts where this one ended. */
function walkOf(
  request: FastifyRequest,
  principal: Principal,
  { page = 1, per_page: perPage = 100 }: PageQuery,
): Walk {
  const { page: _, ...rest } = request.query as Record<string, unknown>;
  const asked = JSON.stringify(Object.entries(rest).sort());
  return { key: `${principal.credentialId} ${request.url.split('?', 1)[0]} ${asked}`, page, perPage };
}

function idempotencyKeyOf({ headers }: FastifyRequest): string | null {
  const key = headers['idempotency-key'];
  return key === undefined ? null : String(key);
}

/** A request with what was read of it. */
interface Asked {
  readonly route: Route;
  readonly request: FastifyRequest;
  readonly principal: Principal;
  readonly checked: { readonly params: object; readonly query: unknown };
}

/**
 * The SDK repeats a DELETE whose answer was lost and says so in this header (reference §1.1). The same request is the
 * same route with the same parameters, as they were read: ids in any case, names in their own.
 */
function repeatOf({ route, request, principal, checked }: Asked) {
  const count = request.headers['x-stainless-retry-count'];
  const { method, scope, path } = route;
  const asked = [checked.params, checked.query].map((one) => Object.entries(one ?? {}).sort());
  const key = sha256(JSON.stringify([principal.credentialId, method, scope, path, ...asked]));
  return { key, isRetry: typeof count === 'string' && /^[1-9]\d{0,2}$/.test(count) };
}

function notesOf(route: Route, request: FastifyRequest): Note[] {
  const ignoredIn = (value: unknown, schema: TSchema | undefined, prefix: string) =>
    unknownNames(value, schema).map((name) => ignored(`${prefix}/${escapePointer(name)}`));
  const body = ignoredIn(request.body, route.body, '');
  const query = ignoredIn(request.query, route.query, '/query');
  return [...(route.says ? [route.says] : []), ...body, ...query].slice(0, 50);
}
