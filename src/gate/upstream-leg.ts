import type { ClientRequest, IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { resetSocket } from './sockets.ts';
import type { UpstreamHead, Upstreams } from './upstream.ts';

/** What the other side of an exchange is told. `fail` is told once, and nothing after it. */
export interface LegEvents {
  /** The connection stands; the head of the request is on its way. */
  readonly connected: () => void;
  readonly answer: (answer: IncomingMessage) => void;
  readonly upgrade: (answer: IncomingMessage, socket: Socket, head: Buffer) => void;
  readonly drain: () => void;
  readonly fail: (error: unknown) => void;
}

export interface LegOptions {
  readonly upstreams: Upstreams;
  readonly origin: string;
  readonly head: UpstreamHead;
  readonly events: LegEvents;
  /** Asked before a request is sent a second time. */
  readonly mayRepeat: () => boolean;
}

/** What may be sent twice (RFC 9110 §9.2.2). */
const REPEATABLE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

/** The way from the gate to the application, for one request. */
export class UpstreamLeg {
  readonly hasBody: boolean;
  readonly #options: LegOptions;
  #request: ClientRequest | null = null;
  #isAnswered = false;
  #isWhole = false;
  #isRepeated = false;
  #isOver = false;

  constructor(options: LegOptions) {
    const { headers } = options.head;
    this.#options = options;
    this.hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  }

  /** Begins the request in this turn. */
  begin(): void {
    const { upstreams, origin, head } = this.#options;
    try {
      const request = this.#isRepeated ? upstreams.openFresh(origin, head) : upstreams.open(origin, head);
      this.#request = request;
      this.#watch(request);
      if (this.hasBody) request.flushHeaders();
      else request.end();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** False: wait for `drain`. */
  write(chunk: Uint8Array): boolean {
    return this.#request?.write(chunk) ?? true;
  }

  /** The body was whole. */
  end(trailers: OutgoingHttpHeaders): void {
    if (this.#options.head.headers['transfer-encoding'] !== undefined) this.#request?.addTrailers(trailers);
    this.#request?.end();
  }

  /** Whether nothing of the request is queued in this process. */
  isStill(): boolean {
    return (this.#request?.writableLength ?? 0) === 0;
  }

  /** Ends it at once, unless it is over: its connection is closing by itself, or another's by now. */
  reset(): void {
    this.#isOver = true;
    const request = this.#request;
    if (!request || request.destroyed || this.#isWhole) return;
    if (request.socket) resetSocket(request.socket);
    request.destroy();
  }

  #watch(request: ClientRequest): void {
    const { events } = this.#options;
    let readBefore = 0;
    request.on('socket', (socket) => {
      readBefore = socket.bytesRead;
      this.#awaitConnection(request, socket);
    });
    request.on('response', (answer) => {
      this.#isAnswered = true;
      answer.once('end', () => {
        this.#isWhole = answer.complete && request.writableFinished;
      });
      if (this.#isOver) answer.destroy();
      else events.answer(answer);
    });
    request.on('upgrade', (answer, socket, head) => {
      this.#isAnswered = true;
      if (this.#isOver) resetSocket(socket);
      else events.upgrade(answer, socket, head);
    });
    request.on('drain', () => events.drain());
    request.on('error', (error) => {
      const isUntouched = request.reusedSocket && (request.socket?.bytesRead ?? 0) === readBefore;
      if (request === this.#request) this.#failed(error, isUntouched);
    });
    request.on('close', () => {
      if (request !== this.#request || this.#isAnswered) return;
      this.#fail(new Error('the connection ended without an answer'));
    });
  }

  #awaitConnection(request: ClientRequest, socket: Socket): void {
    const connected = () => {
      if (request === this.#request && !this.#isOver) this.#options.events.connected();
    };
    if (request.reusedSocket) connected();
    else socket.once((socket as Partial<TLSSocket>).encrypted ? 'secureConnect' : 'connect', connected);
  }

  /** A connection that was kept may have been closed just when it was taken: then nothing has happened yet. */
  #failed(error: NodeJS.ErrnoException, isUntouched: boolean): void {
    const isStale = isUntouched && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
    const isRepeatable = REPEATABLE.has(this.#options.head.method) && !this.hasBody && !this.#isRepeated;
    const mayRepeat = isStale && isRepeatable && !this.#isAnswered && !this.#isOver;
    if (mayRepeat && this.#options.mayRepeat()) {
      this.#isRepeated = true;
      this.begin();
    } else this.#fail(error);
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.events.fail(error);
  }
}
