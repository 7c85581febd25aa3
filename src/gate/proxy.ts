import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { createContains } from '../kernel/address.ts';
import { createRequestIds } from '../kernel/ids.ts';
import type { Admission, Admitted } from './admission.ts';
import { type Answer, denied, lookTo } from './answers.ts';
import type { Carrier, Incoming } from './carrier.ts';
import { isWorthAnother } from './client-certificate.ts';
import type { Reason } from './decide.ts';
import { type Asked, toDecision } from './decision.ts';
import { readDirectQuestion } from './direct-question.ts';
import { EDGE_PREFIX, type GateOptions } from './gate-options.ts';
import { askedSinceHandshake, namedHostOf } from './peer-certificate.ts';
import { dismiss, failed, MISDIRECTED, NOT_FOUND, sendAnswer } from './proxy-answers.ts';
import { carry } from './proxy-exchange.ts';
import { isCircling } from './proxy-headers.ts';
import type { Question } from './question.ts';
import { Headers } from './question-headers.ts';
import { refusalAnswer } from './sign-in-answer.ts';
import { isGone, resetSocket, streamOf } from './sockets.ts';
import { askedProtocol } from './upgrade.ts';

const MOST_EARLY = 64 * 1024;

export interface ProxyOptions extends GateOptions, Omit<Carrier, 'onFailure'> {
  /** An application that was to be asked could not be, or broke off. */
  readonly onUpstreamFailure: (error: unknown, requestId: string) => void;
}

/** A request that came straight to the host of an application, and whom to answer. */
type Arrived = Pick<Incoming, 'request' | 'response' | 'socket' | 'requestId' | 'upgrade' | 'takeEarly'>;

/** The built-in reverse proxy: judges what comes to the hosts of applications, and carries what it admits. */
export interface Proxy {
  /** Takes a request that is for the host of an application. */
  request(request: IncomingMessage, response: ServerResponse): void;
  /** Whether the client asks for another protocol that can be passed on to an application. */
  wantsUpgrade(request: IncomingMessage): boolean;
  /** Takes a request for which `wantsUpgrade` was true. */
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void;
}

export function createProxy(options: ProxyOptions): Proxy {
  const carrier = { ...options, onFailure: options.onUpstreamFailure };
  const receiving = { ...options, carrier, isTrusted: createContains(options.trustedProxies) };
  const newRequestId = createRequestIds();

  const take = (arrived: Arrived) => {
    // In the turn of the verdict, if that needs no waiting; a fault is answered either way.
    void run(options, arrived, () => receive(receiving, arrived));
  };

  return {
    request: (request, response) =>
      take({
        request,
        response,
        socket: request.socket,
        requestId: newRequestId(),
        upgrade: null,
        takeEarly: () => Buffer.alloc(0),
      }),
    wantsUpgrade: (request) => protocolFor(options, request) !== null,
    upgrade: (request, socket, head) => {
      // Sent behind a request that is not answered yet: there is no place on the connection for two answers.
      if (isAnswering(socket)) return resetSocket(socket);
      const takeEarly = keepEarly(socket, head);
      const response = responseOn(request, socket);
      const upgrade = protocolFor(options, request);
      take({ request, response, socket, requestId: newRequestId(), upgrade, takeEarly });
    },
  };
}

type Receiving = ProxyOptions & {
  readonly carrier: Carrier;
  readonly isTrusted: (peer: string) => boolean;
};

async function run(options: ProxyOptions, arrived: Arrived, work: () => void | Promise<void>): Promise<void> {
  const { response, requestId } = arrived;
  try {
    await work();
  } catch (error) {
    try {
      say(arrived, denied(null, { status: 503, requestId }));
      options.onFault(error, requestId);
    } catch {
      // Neither an answer nor a log that cannot be written must take the gate down.
      response.destroy();
    }
  }
}

function receive(options: Receiving, arrived: Arrived): void | Promise<void> {
  const { request, requestId } = arrived;
  const { addressOf, clock, state, isTrusted, readCookies, scheme } = options;
  const ip = addressOf(request);
  const at = clock.now();
  const reading = readDirectQuestion(request, { ip, isTrusted, readCookies });
  const question = 'reason' in reading ? null : forProgram(reading.question, arrived);
  const asked = { requestId, at, via: 'proxy' as const, ip, question };
  if ('reason' in reading || !question) {
    return refuse(options, arrived, {
      asked,
      reason: 'reason' in reading ? reading.reason : 'question_malformed',
    });
  }
  if (question.scheme !== scheme) return refuse(options, arrived, { asked, reason: 'scheme_mismatch' });
  if (question.path.startsWith(EDGE_PREFIX)) return askEdge(options, arrived, question);
  if (isMisdirected(options, request, { question, at })) return misdirected(options, arrived, asked);
  // Nobody's credential is looked at for a place to which nothing leads.
  if (!state.route(question.host, question.path)?.upstream) return notFound(options, arrived, asked);
  return options.admissions.judge(question, (admission) =>
    tell(options, arrived, { asked, question, admission }),
  );
}

/**
 * Whether another connection could bring a certificate that counts on this host, where this one has not: browsers use one
 * HTTP/2 connection for several hosts, and keep it while authorities come. They take the answer for a hint to make
 * another (RFC 9110 §15.5.20).
 */
function isMisdirected(
  { state, isTrusted }: Receiving,
  { socket }: IncomingMessage,
  { question, at }: { question: Question; at: number },
): boolean {
  const account = state.route(question.host, question.path)?.account;
  if (!account || isTrusted(socket.remoteAddress ?? '')) return false;
  const connection = { named: namedHostOf(socket), askedSince: () => askedSinceHandshake(socket) };
  return isWorthAnother(account, connection, { origin: question, now: at });
}

/** Has the client make another connection for what comes next; what is under way on this one goes on. */
function misdirected({ onDecision }: ProxyOptions, arrived: Arrived, asked: Asked): void {
  const { request, response } = arrived;
  onDecision(toDecision(asked, { verdict: 'deny', reason: 'question_malformed' }));
  const stream = streamOf(response);
  if (!stream) response.shouldKeepAlive = false;
  say(arrived, MISDIRECTED);
  // Made for another host, it is still good for that.
  if (stream && namedHostOf(request.socket) === asked.question?.host.replace(/:\d{1,5}$/, ''))
    stream.session?.close();
}

/** Whoever asks for another protocol cannot follow a redirect. */
function forProgram(question: Question, { upgrade }: Arrived): Question {
  return upgrade === null ? question : { ...question, navigation: false };
}

interface Told {
  readonly asked: Asked;
  readonly question: Question;
  readonly admission: Admission;
}

/** Carries an admission out, in the turn in which it was decided. */
function tell(options: Receiving, arrived: Arrived, { asked, question, admission }: Told): void {
  const { requestId } = arrived;
  // Whatever may be let through without an application: from here nothing leads on.
  if (admission.reason === 'unmatched_allowed') {
    notFound(options, arrived, asked);
    return;
  }
  options.onDecision(toDecision(asked, admission));
  if (admission.verdict === 'allow') admit(options, arrived, { question, admitted: admission });
  else say(arrived, refusalAnswer(question, admission, { scheme: options.scheme, requestId }));
}

function admit(
  { carrier }: Receiving,
  arrived: Arrived,
  { question, admitted }: { question: Question; admitted: Admitted },
): void {
  const { request, response, requestId } = arrived;
  if (isGone(response)) return;
  if (admitted.destination.upstream === null) say(arrived, NOT_FOUND);
  else if (isCircling(request))
    say(arrived, failed(question, 'circle', { requestId, look: lookTo(admitted.destination) }));
  else carry(carrier, { ...arrived, question, admitted });
}

async function askEdge(options: Receiving, arrived: Arrived, question: Question): Promise<void> {
  const destinations = options.state.destinationsOn(question.host);
  if (destinations.length === 0) return say(arrived, NOT_FOUND);
  say(arrived, await options.edge(question, destinations, arrived.requestId));
}

function notFound({ onDecision }: ProxyOptions, arrived: Arrived, asked: Asked): void {
  onDecision(toDecision(asked, { verdict: 'deny', reason: 'application_unknown' }));
  say(arrived, NOT_FOUND);
}

function refuse(
  { onDecision }: ProxyOptions,
  arrived: Arrived,
  { asked, reason }: { asked: Asked; reason: Reason },
): void {
  onDecision(toDecision(asked, { verdict: 'deny', reason }));
  const status = reason === 'question_malformed' ? 400 : 403;
  say(arrived, denied(asked.question, { status, requestId: asked.requestId }));
}

/** What the gate itself says; the rest of the request is nobody's. */
function say({ request, response, requestId, upgrade }: Arrived, answer: Answer): void {
  sendAnswer(response, requestId, answer);
  if (upgrade === null) dismiss(request);
}

function protocolFor({ state }: ProxyOptions, request: IncomingMessage): string | null {
  const headers = new Headers(request.rawHeaders);
  const host = headers.single('host')?.toLowerCase() ?? '';
  return state.isApplicationHost(host) ? askedProtocol(request, headers) : null;
}

/** Whether Node still has an answer under way on the connection; it says so nowhere else. */
function isAnswering(socket: Socket): boolean {
  return Boolean((socket as { _httpMessage?: ServerResponse | null })._httpMessage);
}

/** An answer to a request whose connection the server has let go of, and no longer tells of room in it. */
function responseOn(request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  socket.on('drain', () => response.emit('drain'));
  return response.once('finish', () => socket.destroySoon());
}

/** Keeps what the client sends before it was answered, within bounds, and so notices when it goes. */
function keepEarly(socket: Socket, head: Buffer): () => Buffer {
  const kept = [head];
  let size = head.length;
  const keep = (chunk: Buffer) => {
    kept.push(chunk);
    size += chunk.length;
    if (size > MOST_EARLY) socket.pause();
  };
  const ended = () => socket.destroy();
  socket.on('error', () => {});
  socket.on('data', keep).on('end', ended);
  return () => {
    socket.off('data', keep).off('end', ended);
    return Buffer.concat(kept.splice(0));
  };
}
