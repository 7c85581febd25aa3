import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Cidr, contains, parseAddress } from '../kernel/address.ts';
import type { Clock } from '../kernel/clock.ts';
import { equalInConstantTime, randomHex } from '../kernel/crypto.ts';
import { type Scheme, SESSION_COOKIE } from '../protocol/cookies.ts';
import { type Answer, admitted, denied } from './answers.ts';
import type { Assertions } from './assertions.ts';
import { decide, type Reason, readsAhead, type Verdict } from './decide.ts';
import { type Question, readForwardedQuestion } from './question.ts';
import { signInAnswer } from './sign-in-answer.ts';
import type { Destination, GateState } from './state.ts';
import type { TokenVerifier } from './verify.ts';

export const FORWARD_AUTH_PATH = '/portcullis/forward-auth';
const SECRET_HEADER = 'x-portcullis-forward-auth-secret';
const EDGE_PREFIX = '/cdn-cgi/access/';

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
  readonly scheme: Scheme;
  readonly trustedProxies: readonly Cidr[];
  readonly secret: string | null;
  /** The client's address, by the trusted proxies alone. */
  readonly addressOf: (request: IncomingMessage) => string;
  /** Resolves when everything committed for the account is in force in `state`. */
  readonly catchUp: (accountId: string) => Promise<void>;
  /** Answers /cdn-cgi/access/… on the host of these applications: hand-off, sign-out. Never with a 2xx. */
  readonly edge: (
    question: Question,
    destinations: readonly Destination[],
    requestId: string,
  ) => Promise<Answer>;
  readonly onDecision: (decision: Decision) => void;
  readonly onFault: (error: unknown, requestId: string) => void;
}

interface Exchange {
  readonly question: Question;
  readonly response: ServerResponse;
  readonly requestId: string;
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
    answer(options, request, { response, requestId })
      .catch((error: unknown) => {
        send({ response, requestId }, denied(null, { status: 503, requestId }));
        options.onFault(error, requestId);
      })
      // A log that cannot be written must not take the gate down.
      .catch(() => response.destroy());
    return true;
  };
}

/** A proxy that was named by its address, or one that knows the secret; a wrong secret is never overlooked. */
function mayAsk({ trustedProxies, secret }: ForwardAuthOptions, request: IncomingMessage): boolean {
  const sent = request.headers[SECRET_HEADER];
  if (secret !== null && sent !== undefined) {
    return typeof sent === 'string' && equalInConstantTime(sent, secret);
  }
  const peer = parseAddress(request.socket.remoteAddress ?? '');
  return peer !== null && contains(trustedProxies, peer);
}

async function answer(
  options: ForwardAuthOptions,
  request: IncomingMessage,
  { response, requestId }: Omit<Exchange, 'question'>,
): Promise<void> {
  const reading = readForwardedQuestion(request, options.addressOf(request));
  if ('reason' in reading) {
    const { reason } = reading;
    note(options, { question: null, requestId }, { verdict: 'deny', reason });
    const status = reason === 'question_malformed' ? 400 : 403;
    return send({ response, requestId }, denied(null, { status, requestId }));
  }
  const { question } = reading;
  const exchange = { question, response, requestId };
  if (question.scheme !== options.scheme) return refuse(options, exchange, 'scheme_mismatch');
  if (question.path.startsWith(EDGE_PREFIX)) return await askEdge(options, exchange);
  const destination = options.state.route(question.host, question.path);
  if (!destination) return refuse(options, exchange, 'application_unknown');
  await judge(options, exchange, destination);
}

async function askEdge(options: ForwardAuthOptions, exchange: Exchange): Promise<void> {
  const { question, requestId } = exchange;
  const destinations = options.state.destinationsOn(question.host);
  if (destinations.length === 0) return refuse(options, exchange, 'application_unknown');
  const said = await options.edge(question, destinations, requestId);
  if (said.status < 300) throw new Error('a 2xx that is no admission would let the request through');
  send(exchange, said);
}

/**
 * Everything that takes time happens first (signature, catching up, the assertion); then destination,
 * revocations and policy are asked again and the answer is handed over in the same turn, with no await
 * between (schedule 12).
 */
async function judge(options: ForwardAuthOptions, exchange: Exchange, found: Destination): Promise<void> {
  const { question } = exchange;
  const credential = credentialOf(question);
  if ('reason' in credential) return decline(options, exchange, found, credential);
  const token = await options.verifier.verify(credential.token, found.account);
  if (!token) {
    return decline(options, exchange, found, { verdict: 'sign_in', reason: 'credential_invalid' });
  }
  if (readsAhead(found.account, token)) await options.catchUp(found.account.accountId);
  const first = decide(found, token, options.clock.now());
  if (first.verdict !== 'allow') return decline(options, exchange, found, first);
  const assertion = await options.assertions.of(found, first.session, options.clock.now());

  const destination = options.state.route(question.host, question.path);
  if (destination?.application.id !== found.application.id)
    return refuse(options, exchange, 'application_unknown');
  const verdict = decide(destination, token, options.clock.now());
  if (verdict.verdict !== 'allow') return decline(options, exchange, destination, verdict);
  note(options, exchange, verdict, { destination, userId: verdict.session.user_id });
  send(exchange, admitted(question, verdict.session.email, assertion));
}

type Refusal = Exclude<Verdict, { verdict: 'allow' }>;

/** Exactly one credential: the cookie, or the header that programs send. */
function credentialOf({ cookies, accessToken }: Question): { token: string } | Refusal {
  const sent = [...(cookies.get(SESSION_COOKIE) ?? []), ...(accessToken === null ? [] : [accessToken])];
  // Signing in would add another one, and send the browser round in circles.
  if (sent.length > 1) return { verdict: 'deny', reason: 'several_credentials' };
  const [token] = sent;
  return token ? { token } : { verdict: 'sign_in', reason: 'no_credential' };
}

/** A request to a known application that is not admitted. */
function decline(
  options: ForwardAuthOptions,
  exchange: Exchange,
  destination: Destination,
  refusal: Refusal,
): void {
  const { question, requestId } = exchange;
  const { scheme } = options;
  note(options, exchange, refusal, { destination });
  const signedIn = refusal.reason !== 'several_credentials';
  const said =
    refusal.verdict === 'sign_in'
      ? signInAnswer(question, destination, { scheme, requestId })
      : denied(question, { status: 403, requestId, signedIn });
  send(exchange, said);
}

/** A request that leads to no application. */
function refuse(options: ForwardAuthOptions, exchange: Exchange, reason: Reason): void {
  const { question, requestId } = exchange;
  note(options, exchange, { verdict: 'deny', reason });
  send(exchange, denied(question, { status: 403, requestId }));
}

function note(
  { onDecision }: ForwardAuthOptions,
  { question, requestId }: { question: Question | null; requestId: string },
  { verdict, reason }: Pick<Verdict, 'verdict' | 'reason'>,
  { destination, userId = null }: { destination?: Destination; userId?: string | null } = {},
): void {
  const applicationId = destination?.application.id ?? null;
  onDecision({ requestId, verdict, reason, host: question?.host ?? null, applicationId, userId });
}

/** Headers and status are written in one call: if one header cannot be sent, none of them is. */
function send({ response, requestId }: Omit<Exchange, 'question'>, { status, headers, body }: Answer): void {
  if (response.headersSent || response.destroyed) return;
  const lines = {
    ...headers,
    'content-length': String(Buffer.byteLength(body)),
    'x-request-id': requestId,
    'cache-control': 'no-store',
  };
  response.writeHead(status, lines as Record<string, string | string[]>).end(body);
}
