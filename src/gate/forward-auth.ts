import type { IncomingMessage, ServerResponse } from 'node:http';
import { createContains } from '../kernel/address.ts';
import { equalInConstantTime } from '../kernel/crypto.ts';
import { createRequestIds } from '../kernel/ids.ts';
import type { Admission } from './admission.ts';
import { type Answer, admittedAnswer, denied } from './answers.ts';
import type { Reason } from './decide.ts';
import { type Asked, toDecision } from './decision.ts';
import { type Family, familyOf } from './forward-auth-families.ts';
import { EDGE_PREFIX, type GateOptions } from './gate-options.ts';
import { type Question, toQuestion } from './question.ts';
import { Headers } from './question-headers.ts';
import { refusalAnswer } from './sign-in-answer.ts';
import type { GateState } from './state.ts';

const SECRET_HEADER = 'x-portcullis-forward-auth-secret';

export interface ForwardAuthOptions extends GateOptions {
  readonly secret: string | null;
}

/** One question and whoever waits for its answer. */
interface Asking {
  readonly family: Family;
  readonly headers: Headers;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
}

interface Exchange {
  readonly asking: Asking;
  readonly asked: Asked;
}

/**
 * The forward-auth endpoints, one for each family of proxies (standards §4). Takes the request and returns true,
 * or returns false when the path is not its own or the caller is no proxy that was named: then it is as if the
 * endpoint did not exist.
 */
export function createForwardAuth(options: ForwardAuthOptions) {
  const isTrusted = createContains(options.trustedProxies);
  const newRequestId = createRequestIds();
  return function forwardAuth(request: IncomingMessage, response: ServerResponse): boolean {
    const family = familyOf(request.url ?? '');
    if (!family) return false;
    const headers = new Headers(request.rawHeaders);
    if (!mayAsk(options, headers, isTrusted(request.socket.remoteAddress ?? ''))) return false;
    const asking = { family, headers, request, response, requestId: newRequestId() };
    try {
      // Mostly nothing has to be waited for, and then a promise would cost more than the decision.
      answer(options, asking)?.catch((error: unknown) => fail(options, asking, error));
    } catch (error) {
      fail(options, asking, error);
    }
    return true;
  };
}

function fail({ onFault }: ForwardAuthOptions, asking: Asking, error: unknown): void {
  const { response, requestId } = asking;
  try {
    send(asking, denied(null, { status: 503, requestId }));
    onFault(error, requestId);
  } catch {
    // A log that cannot be written must not take the gate down.
    response.destroy();
  }
}

/**
 * A proxy that knows the secret, or one that was named by its address; a wrong secret is never overlooked. On a host
 * that people use the address is not enough: the same proxy brings their own requests from there.
 */
function mayAsk({ secret, state }: ForwardAuthOptions, headers: Headers, isTrusted: boolean): boolean {
  if (secret !== null && headers.has(SECRET_HEADER)) {
    return equalInConstantTime(headers.single(SECRET_HEADER) ?? '', secret);
  }
  return isTrusted && !headers.all('host').some((host) => isForPeople(state, host));
}

/** The host of an application or a team domain, in whatever spelling some proxy passes on. */
function isForPeople(state: GateState, host: string): boolean {
  const name = host
    .trim()
    .toLowerCase()
    .replace(/\.+(?=$|:)/, '');
  const isTeam = [name, name.replace(/:\d*$/, '')].some((one) => state.accountOfTeamDomain(one) !== null);
  return isTeam || state.isApplicationName(name);
}

function answer(options: ForwardAuthOptions, asking: Asking): void | Promise<void> {
  const { family, headers, request, requestId } = asking;
  const ip = options.addressOf(request);
  const at = options.clock.now();
  const reading = toQuestion(headers, family.read(request, headers), {
    ip,
    readCookies: options.readCookies,
  });
  const question = 'reason' in reading ? null : reading.question;
  const exchange = { asking, asked: { requestId, at, via: 'forward_auth' as const, ip, question } };
  if ('reason' in reading) return refuse(options, exchange, reading.reason);
  if (reading.question.scheme !== options.scheme) return refuse(options, exchange, 'scheme_mismatch');
  if (reading.question.path.startsWith(EDGE_PREFIX)) return askEdge(options, exchange, reading.question);
  return options.admissions.judge(reading.question, (admission) =>
    tell(options, exchange, reading.question, admission),
  );
}

async function askEdge(options: ForwardAuthOptions, exchange: Exchange, question: Question): Promise<void> {
  const { requestId } = exchange.asking;
  const destinations = options.state.destinationsOn(question.host);
  if (destinations.length === 0) return refuse(options, exchange, 'application_unknown');
  const said = await options.edge(question, destinations, requestId);
  if (said.status < 300) throw new Error('a 2xx that is no admission would let the request through');
  send(exchange.asking, said);
}

/** Hands the admission over, in the turn in which it was decided. */
function tell(
  { onDecision, scheme }: ForwardAuthOptions,
  exchange: Exchange,
  question: Question,
  admission: Admission,
): void {
  const { asked, asking } = exchange;
  const { requestId } = asking;
  onDecision(toDecision(asked, admission));
  const said =
    admission.verdict === 'allow'
      ? admittedAnswer(question, admission)
      : refusalAnswer(question, admission, { scheme, requestId });
  send(asking, said);
}

/** A request that leads to no application. */
function refuse({ onDecision }: ForwardAuthOptions, exchange: Exchange, reason: Reason): void {
  const { asked, asking } = exchange;
  const { question, requestId } = asked;
  onDecision(toDecision(asked, { verdict: 'deny', reason }));
  const status = reason === 'question_malformed' ? 400 : 403;
  send(asking, denied(question, { status, requestId }));
}

/** Headers and status are written in one call: if one header cannot be sent, none of them is. */
function send({ family, response, requestId }: Asking, said: Answer): void {
  if (response.headersSent || response.destroyed) return;
  const { status, headers, body } = family.carry(said);
  const lines = {
    ...headers,
    'content-length': String(Buffer.byteLength(body)),
    'x-request-id': requestId,
    'cache-control': 'no-store',
  };
  response.writeHead(status, lines as Record<string, string | string[]>).end(body);
}
