import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Cidr, contains, parseAddress } from '../kernel/address.ts';
import type { Clock } from '../kernel/clock.ts';
import { equalInConstantTime, randomHex } from '../kernel/crypto.ts';
import type { Scheme } from '../protocol/cookies.ts';
import type { Admission, Admissions } from './admission.ts';
import { type Answer, admittedAnswer, denied } from './answers.ts';
import type { Reason } from './decide.ts';
import { type Asked, type Decision, toDecision } from './decision.ts';
import { type Question, readForwardedQuestion } from './question.ts';
import { refusalAnswer } from './sign-in-answer.ts';
import type { Destination, GateState } from './state.ts';

export const FORWARD_AUTH_PATH = '/portcullis/forward-auth';
const SECRET_HEADER = 'x-portcullis-forward-auth-secret';
const EDGE_PREFIX = '/cdn-cgi/access/';

export interface ForwardAuthOptions {
  readonly state: GateState;
  readonly admissions: Admissions;
  readonly clock: Clock;
  readonly scheme: Scheme;
  readonly trustedProxies: readonly Cidr[];
  readonly secret: string | null;
  /** The client's address, by the trusted proxies alone. */
  readonly addressOf: (request: IncomingMessage) => string;
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
  readonly asked: Asked;
  readonly response: ServerResponse;
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
        send(response, requestId, denied(null, { status: 503, requestId }));
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
  { response, requestId }: { response: ServerResponse; requestId: string },
): Promise<void> {
  const ip = options.addressOf(request);
  const at = options.clock.now();
  const reading = readForwardedQuestion(request, ip);
  const question = 'reason' in reading ? null : reading.question;
  const exchange = { asked: { requestId, at, via: 'forward_auth' as const, ip, question }, response };
  if ('reason' in reading) return refuse(options, exchange, reading.reason);
  if (reading.question.scheme !== options.scheme) return refuse(options, exchange, 'scheme_mismatch');
  if (reading.question.path.startsWith(EDGE_PREFIX))
    return await askEdge(options, exchange, reading.question);
  await options.admissions.judge(reading.question, (admission) =>
    tell(options, exchange, reading.question, admission),
  );
}

async function askEdge(options: ForwardAuthOptions, exchange: Exchange, question: Question): Promise<void> {
  const { requestId } = exchange.asked;
  const destinations = options.state.destinationsOn(question.host);
  if (destinations.length === 0) return refuse(options, exchange, 'application_unknown');
  const said = await options.edge(question, destinations, requestId);
  if (said.status < 300) throw new Error('a 2xx that is no admission would let the request through');
  send(exchange.response, requestId, said);
}

/** Hands the admission over, in the turn in which it was decided. */
function tell(
  { onDecision, scheme }: ForwardAuthOptions,
  { asked, response }: Exchange,
  question: Question,
  admission: Admission,
): void {
  const { requestId } = asked;
  onDecision(toDecision(asked, admission));
  const said =
    admission.verdict === 'allow'
      ? admittedAnswer(question, admission)
      : refusalAnswer(question, admission, { scheme, requestId });
  send(response, requestId, said);
}

/** A request that leads to no application. */
function refuse({ onDecision }: ForwardAuthOptions, { asked, response }: Exchange, reason: Reason): void {
  const { requestId, question } = asked;
  onDecision(toDecision(asked, { verdict: 'deny', reason }));
  const status = reason === 'question_malformed' ? 400 : 403;
  send(response, requestId, denied(question, { status, requestId }));
}

/** Headers and status are written in one call: if one header cannot be sent, none of them is. */
function send(response: ServerResponse, requestId: string, { status, headers, body }: Answer): void {
  if (response.headersSent || response.destroyed) return;
  const lines = {
    ...headers,
    'content-length': String(Buffer.byteLength(body)),
    'x-request-id': requestId,
    'cache-control': 'no-store',
  };
  response.writeHead(status, lines as Record<string, string | string[]>).end(body);
}
