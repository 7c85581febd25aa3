import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Cidr, contains, parseAddress } from '../kernel/address.ts';
import type { Clock } from '../kernel/clock.ts';
import { equalInConstantTime, randomHex, randomSecret, sha256 } from '../kernel/crypto.ts';
import {
  type Answer,
  BROWSER_COOKIE,
  cookie,
  denied,
  redirect,
  SESSION_COOKIE,
  unauthenticated,
} from './answers.ts';
import type { Assertions } from './assertions.ts';
import { decide, type Reason, readsAhead, type Verdict } from './decide.ts';
import { type Question, readForwardedQuestion } from './question.ts';
import type { Destination, GateState } from './state.ts';
import type { TokenVerifier } from './verify.ts';

export const FORWARD_AUTH_PATH = '/portcullis/forward-auth';
const SECRET_HEADER = 'x-portcullis-forward-auth-secret';
const EDGE_PREFIX = '/cdn-cgi/access/';
const BROWSER_SECONDS = 24 * 60 * 60;

/** One line of the gate's log; never a credential, never a query. */
export interface Decision {
  readonly requestId: string;
  readonly verdict: Verdict['verdict'];
  readonly reason: Reason;
  readonly host: string | null;
  readonly applicationId: string | null;
  readonly userId: string | null;
}

export interface ForwardAuthOptions {
  readonly state: GateState;
  readonly verifier: TokenVerifier;
  readonly assertions: Assertions;
  readonly clock: Clock;
  readonly scheme: 'http' | 'https';
  readonly trustedProxies: readonly Cidr[];
  readonly secret: string | null;
  /** The client's address, by the trusted proxies alone. */
  readonly addressOf: (request: IncomingMessage) => string;
  /** Resolves when everything committed for the account is in force in `state`. */
  readonly catchUp: (accountId: string) => Promise<void>;
  /** Answers /cdn-cgi/access/… on an application's host: hand-off, sign-out, identity. */
  readonly edge: (question: Question, destination: Destination, requestId: string) => Promise<Answer>;
  readonly onDecision: (decision: Decision) => void;
  readonly onFault: (error: unknown, requestId: string) => void;
}

/**
 * The forward-auth endpoint of the Caddy and Traefik family (standards §4). Takes the request and returns
 * true, or returns false when the path is not its own or the caller is no proxy that was named: then it is
 * as if the endpoint did not exist.
 */
export function createForwardAuth(options: ForwardAuthOptions) {
  return function forwardAuth(request: IncomingMessage, response: ServerResponse): boolean {
    if (request.url?.split('?', 1)[0] !== FORWARD_AUTH_PATH || !mayAsk(options, request)) return false;
    const requestId = randomHex(8);
    request.resume();
    answer(options, request, requestId, response).catch((error: unknown) => {
      options.onFault(error, requestId);
      send(response, requestId, denied(null, 503, requestId));
    });
    return true;
  };
}

function mayAsk({ trustedProxies, secret }: ForwardAuthOptions, request: IncomingMessage): boolean {
  const peer = parseAddress(request.socket.remoteAddress ?? '');
  if (peer && contains(trustedProxies, peer)) return true;
  const sent = request.headers[SECRET_HEADER];
  return secret !== null && typeof sent === 'string' && equalInConstantTime(sent, secret);
}

async function answer(
  options: ForwardAuthOptions,
  request: IncomingMessage,
  requestId: string,
  response: ServerResponse,
): Promise<void> {
  const reading = readForwardedQuestion(request, options.addressOf(request));
  if ('reason' in reading) {
    note(options, requestId, { reason: reading.reason, verdict: 'deny' }, null, null);
    return send(
      response,
      requestId,
      denied(null, reading.reason === 'question_malformed' ? 400 : 403, requestId),
    );
  }
  const { question } = reading;
  if (question.scheme !== options.scheme)
    return refuse(options, { question, response, requestId }, 'scheme_mismatch');
  const destination = options.state.route(question.host, question.path);
  if (question.path.startsWith(EDGE_PREFIX)) return await askEdge(options, { question, response, requestId });
  if (!destination) return refuse(options, { question, response, requestId }, 'application_unknown');
  await judge(options, { question, response, requestId }, destination);
}

interface Exchange {
  readonly question: Question;
  readonly response: ServerResponse;
  readonly requestId: string;
}

async function askEdge(options: ForwardAuthOptions, exchange: Exchange): Promise<void> {
  const { question, response, requestId } = exchange;
  const destination =
    options.state.route(question.host, question.path) ?? options.state.route(question.host, '/');
  if (!destination) return refuse(options, exchange, 'application_unknown');
  send(response, requestId, await options.edge(question, destination, requestId));
}

/**
 * Everything that takes time happens first (signature, catching up, the assertion); then destination,
 * revocations and policy are asked again and the answer is handed over in the same turn, with no await
 * between (schedule 12).
 */
async function judge(options: ForwardAuthOptions, exchange: Exchange, found: Destination): Promise<void> {
  const { question, response, requestId } = exchange;
  const credential = credentialOf(question);
  if ('reason' in credential) return signIn(options, exchange, found, credential.reason);
  const token = await options.verifier.verify(credential.token, found.account);
  if (!token) return signIn(options, exchange, found, 'credential_invalid');
  if (readsAhead(found.account, token)) await options.catchUp(found.account.accountId);
  const first = decide(found, token, options.clock.now());
  if (first.verdict !== 'allow') return decline(options, exchange, found, first);
  const assertion = await options.assertions.of(found, first.session, options.clock.now());

  const destination = options.state.route(question.host, question.path);
  if (destination?.application.id !== found.application.id)
    return refuse(options, exchange, 'application_unknown');
  const verdict = decide(destination, token, options.clock.now());
  if (verdict.verdict !== 'allow') return decline(options, exchange, destination, verdict);
  note(options, requestId, verdict, destination, question, verdict.session.user_id);
  send(response, requestId, admitted(question, verdict.session.email, assertion));
}

/** The one place from which a 200 comes. All identity headers, always; the session cookie taken out. */
function admitted(question: Question, email: string, assertion: string): Answer {
  return {
    status: 200,
    headers: {
      // As UTF-8 bytes: node takes header text for Latin-1.
      'cf-access-authenticated-user-email': Buffer.from(email).toString('latin1'),
      'cf-access-jwt-assertion': assertion,
      cookie: otherCookies(question),
    },
    body: '',
  };
}

function otherCookies({ cookies }: Question): string {
  const kept = [...cookies].filter(([name]) => name !== SESSION_COOKIE && name !== BROWSER_COOKIE);
  return kept.flatMap(([name, values]) => values.map((value) => `${name}=${value}`)).join('; ');
}

/** Exactly one credential: the cookie, or the header that programs send. */
function credentialOf({ cookies, accessToken }: Question): { token: string } | { reason: Reason } {
  const sent = [...(cookies.get(SESSION_COOKIE) ?? []), ...(accessToken === null ? [] : [accessToken])];
  if (sent.length > 1) return { reason: 'several_credentials' };
  const [token] = sent;
  return token ? { token } : { reason: 'no_credential' };
}

function decline(
  options: ForwardAuthOptions,
  exchange: Exchange,
  destination: Destination,
  verdict: Verdict,
): void {
  if (verdict.verdict === 'sign_in') {
    signIn(options, exchange, destination, verdict.reason);
    return;
  }
  note(options, exchange.requestId, verdict, destination, exchange.question);
  send(exchange.response, exchange.requestId, denied(exchange.question, 403, exchange.requestId));
}

function refuse(options: ForwardAuthOptions, exchange: Exchange, reason: Reason): void {
  note(options, exchange.requestId, { verdict: 'deny', reason }, null, exchange.question);
  send(exchange.response, exchange.requestId, denied(exchange.question, 403, exchange.requestId));
}

/** Sign-in: a redirect to the team domain for a navigation, 401 for anything else. */
function signIn(
  options: ForwardAuthOptions,
  exchange: Exchange,
  destination: Destination,
  reason: Reason,
): void {
  const { question, response, requestId } = exchange;
  note(options, requestId, { verdict: 'sign_in', reason }, destination, question);
  if (!question.navigation) {
    send(response, requestId, unauthenticated(question.host, requestId));
    return;
  }
  const known = question.cookies.get(BROWSER_COOKIE)?.[0];
  const browser = known && /^[\w-]{43}$/.test(known) ? known : randomSecret();
  const secure = options.scheme === 'https';
  send(
    response,
    requestId,
    redirect(loginUrl(options.scheme, question, destination, sha256(browser)), [
      cookie(BROWSER_COOKIE, browser, { maxAge: BROWSER_SECONDS, secure }),
    ]),
  );
}

/** Where a person signs in for an application; `nonce` ties the way back to this browser. */
function loginUrl(
  scheme: string,
  { host, target }: Question,
  { account, application }: Destination,
  nonce: string,
) {
  const team = account.organization?.auth_domain ?? '';
  const query = new URLSearchParams({ kid: application.aud, redirect_url: target, nonce });
  return `${scheme}://${team}/cdn-cgi/access/login/${host}?${query}`;
}

function note(
  options: ForwardAuthOptions,
  requestId: string,
  { verdict, reason }: { verdict: Verdict['verdict']; reason: Reason },
  destination: Destination | null,
  question: Question | null,
  userId: string | null = null,
): void {
  const applicationId = destination?.application.id ?? null;
  options.onDecision({ requestId, verdict, reason, host: question?.host ?? null, applicationId, userId });
}

function send(response: ServerResponse, requestId: string, { status, headers, body }: Answer): void {
  if (response.headersSent || response.destroyed) return;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value as string | string[]);
  response.setHeader('x-request-id', requestId);
  response.setHeader('cache-control', 'no-store');
  response.writeHead(status).end(body);
}
