import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import type { Admitted } from './admission.ts';
import { lookTo } from './answers.ts';
import type { Carrier, Incoming } from './carrier.ts';
import type { CutReason, Exchange, Place } from './exchanges.ts';
import { Flow } from './flow.ts';
import { dismiss, type Failure, failed, sendAnswer } from './proxy-answers.ts';
import { switchingHead, toRequestHeaders, toResponseHeaders, toTrailers } from './proxy-headers.ts';
import type { Question } from './question.ts';
import { type ClientEnd, clientEnd, resetSocket, streamOf } from './sockets.ts';
import { Tunnel } from './upgrade.ts';
import { UpstreamLeg } from './upstream-leg.ts';

/** Carries an admitted request to its application. Call in the turn of the verdict. */
export function carry(carrier: Carrier, incoming: Incoming): void {
  new ProxiedExchange(carrier, incoming).begin();
}

class ProxiedExchange implements Exchange {
  readonly question: Question;
  readonly admitted: Admitted;
  readonly #carrier: Carrier;
  readonly #incoming: Incoming;
  readonly #client: ClientEnd;
  readonly #leg: UpstreamLeg;
  readonly #place: Place;
  readonly #flow: Flow;
  #answer: IncomingMessage | null = null;
  #tunnel: Tunnel | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isSent = false;
  #isUpFull = false;
  #isDownFull = false;

  constructor(carrier: Carrier, incoming: Incoming) {
    const { question, admitted, response, socket } = incoming;
    this.question = question;
    this.admitted = admitted;
    this.#carrier = carrier;
    this.#incoming = incoming;
    this.#client = clientEnd(response, socket);
    this.#leg = this.#makeLeg();
    this.#isSent = !this.#leg.hasBody;
    this.#place = carrier.exchanges.enter(this);
    this.#flow = new Flow(this.#place);
  }

  get isUpgraded(): boolean {
    return this.#tunnel !== null;
  }

  begin(): void {
    const { request, response } = this.#incoming;
    request.on('error', () => {});
    response.on('error', () => {});
    response.once('close', () => this.#end());
    this.#startTimer(this.#carrier.timeouts.connect);
    this.#leg.begin();
    if (this.#flow.isOver) return;
    if (this.#leg.hasBody) this.#takeBody(request);
    else if (this.#incoming.upgrade === null) request.resume();
  }

  cut(reason: CutReason): void {
    if (this.#flow.isOver) return;
    this.#stop();
    if (this.#tunnel) this.#tunnel.cut(reason);
    else this.#resetBoth();
  }

  freeze(): boolean {
    this.#flow.freeze();
    if (this.#tunnel) return this.#tunnel.freeze();
    if (this.#leg.hasBody) this.#incoming.request.pause();
    this.#answer?.pause();
    return this.#client.isStill() && this.#leg.isStill();
  }

  thaw(): void {
    this.#flow.thaw();
    if (this.#flow.isOver) return;
    this.#tunnel?.thaw();
    if (this.#leg.hasBody && !this.#isUpFull) this.#incoming.request.resume();
    if (!this.#isDownFull && !this.#tunnel) this.#answer?.resume();
  }

  #makeLeg(): UpstreamLeg {
    const { question, admitted } = this;
    return new UpstreamLeg({
      upstreams: this.#carrier.upstreams,
      origin: admitted.destination.upstream ?? '',
      head: {
        method: question.method,
        path: targetOf(question),
        headers: toRequestHeaders(this.#incoming),
      },
      mayRepeat: () => this.#flow.mayFlow(),
      events: {
        connected: () => this.#connected(),
        answer: (answer) => this.#takeAnswer(answer),
        upgrade: (answer, socket, head) => this.#takeUpgrade(answer, { socket, head }),
        drain: () => {
          this.#isUpFull = false;
          if (!this.#flow.isFrozen) this.#incoming.request.resume();
        },
        fail: (error) => this.#fail('unreachable', error),
      },
    });
  }

  /** The head leaves now: it has waited for the connection, and the right to send it may have ended meanwhile. */
  #connected(): void {
    // What is frozen was still, so its head has left already; or it is in the hand of whoever froze it.
    const mayFlow = this.#flow.mayFlow();
    if (this.#flow.isOver) return;
    if (mayFlow || this.#flow.isFrozen) this.#awaitAnswer();
    else {
      this.#place.leave();
      this.cut('lease_ended');
    }
  }

  #awaitAnswer(): void {
    const { answer, idle } = this.#carrier.timeouts;
    if (!this.#answer && !this.#tunnel) this.#startTimer(this.#isSent ? answer : idle);
  }

  #takeBody(request: IncomingMessage): void {
    if (request.headers.expect?.toLowerCase() === '100-continue') this.#incoming.response.writeContinue();
    request.on('data', (chunk: Buffer) => {
      if (!this.#mayPass(chunk, request) || this.#leg.write(chunk)) return;
      this.#isUpFull = true;
      request.pause();
    });
    request.on('end', () => this.#flow.when(() => this.#endBody(request)));
  }

  /** A stream of HTTP/2 that was reset ends as if it were whole. */
  #endBody(request: IncomingMessage): void {
    if (request.aborted || streamOf(request)?.closed) this.#end();
    if (this.#flow.isOver) return;
    this.#isSent = true;
    this.#awaitAnswer();
    this.#leg.end(toTrailers(request.rawTrailers));
  }

  #takeAnswer(answer: IncomingMessage): void {
    this.#answer = answer;
    this.#startTimer(this.#carrier.timeouts.idle);
    answer.on('error', (error) => this.#fail('unreachable', error));
    answer.on('close', () => {
      if (!answer.readableEnded) this.#fail('unreachable', new Error('the answer ended before it was whole'));
    });
    this.#flow.when(() => this.#relay(answer));
  }

  #relay(answer: IncomingMessage): void {
    const { response } = this.#incoming;
    try {
      // HTTP/2 has no words beside the status.
      if (!streamOf(response)) response.statusMessage = reasonOf(answer);
      response.writeHead(answer.statusCode ?? 502, toResponseHeaders(answer));
    } catch (error) {
      this.#fail('unreachable', error);
      return;
    }
    let hasBegun = false;
    response.on('drain', () => this.#drained());
    answer.on('data', (chunk: Buffer) => {
      if (!this.#mayPass(chunk, answer)) return;
      hasBegun = true;
      if (response.write(chunk)) return;
      this.#isDownFull = true;
      answer.pause();
    });
    answer.on('end', () => this.#flow.when(() => this.#endAnswer(answer)));
    // A body that comes with the head goes with it; a stream that has none yet must not keep the client waiting.
    setImmediate(() => {
      if (!hasBegun && !response.writableEnded) this.#flow.when(() => response.flushHeaders());
    });
  }

  #drained(): void {
    this.#timer?.refresh();
    this.#isDownFull = false;
    if (!this.#flow.isFrozen) this.#answer?.resume();
  }

  #endAnswer(answer: IncomingMessage): void {
    const { response } = this.#incoming;
    if (!answer.complete) this.#fail('unreachable', new Error('the answer ended before it was whole'));
    if (this.#flow.isOver) return;
    response.addTrailers(toTrailers(answer.rawTrailers));
    response.end();
  }

  #takeUpgrade(answer: IncomingMessage, { socket, head }: { socket: Socket; head: Buffer }): void {
    const { upgrade, socket: client, response } = this.#incoming;
    socket.on('error', () => {});
    if (upgrade === null || answer.headers.upgrade?.toLowerCase() !== upgrade.toLowerCase()) {
      resetSocket(socket);
      this.#fail('unreachable', new Error('the application went on with a protocol not asked for'));
      return;
    }
    response.detachSocket(client);
    const tunnel = new Tunnel({
      client,
      upstream: socket,
      protocol: upgrade,
      mayFlow: () => this.#flow.mayFlow(),
      onFlow: () => this.#timer?.refresh(),
      onEnd: () => this.#end(),
    });
    this.#tunnel = tunnel;
    this.#startTimer(this.#carrier.timeouts.idle);
    this.#flow.when(() => {
      const fromClient = this.#incoming.takeEarly();
      tunnel.begin(switchingHead(answer, upgrade), { fromUpstream: head, fromClient });
    });
  }

  #mayPass(chunk: Buffer, source: Readable): boolean {
    if (!this.#flow.mayPass(chunk, source)) return false;
    this.#timer?.refresh();
    return true;
  }

  #startTimer(milliseconds: number): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fail('late', new Error('nothing came in time')), milliseconds);
  }

  #stop(): void {
    this.#flow.end();
    if (this.#timer) clearTimeout(this.#timer);
  }

  /** Says so if nothing was said yet; what has begun is reset, so that nobody takes it for whole. */
  #fail(failure: Failure, error: unknown): void {
    if (this.#flow.isOver) return;
    const { response, requestId } = this.#incoming;
    const maySay = !this.#tunnel && !response.headersSent && this.#flow.mayFlow();
    this.#stop();
    this.#place.leave();
    this.#carrier.onFailure(error, requestId);
    if (!maySay) {
      this.#resetBoth();
      return;
    }
    this.#leg.reset();
    try {
      const look = lookTo(this.admitted.destination);
      sendAnswer(response, requestId, failed(this.question, failure, { requestId, look }));
    } catch {
      this.#client.reset();
    }
    this.#leaveBody();
  }

  /** It is answered, or the client has gone. */
  #end(): void {
    if (this.#flow.isOver) return;
    this.#stop();
    this.#place.leave();
    this.#leg.reset();
    this.#leaveBody();
  }

  #leaveBody(): void {
    if (this.#incoming.upgrade === null) dismiss(this.#incoming.request);
  }

  #resetBoth(): void {
    try {
      if (this.#tunnel) this.#tunnel.reset();
      else this.#leg.reset();
    } finally {
      this.#client.reset();
    }
  }
}

/** The words beside the status, if they are such as RFC 9112 §4 has; they mean nothing. */
function reasonOf({ statusMessage = '' }: IncomingMessage): string {
  return /^[\t -~\x80-\xff]*$/.test(statusMessage) ? statusMessage : '';
}

/** What was judged is what is asked: the normalised path, and the query as it came. */
function targetOf({ path, target }: Question): string {
  const mark = target.indexOf('?');
  return mark < 0 ? path : path + target.slice(mark);
}
