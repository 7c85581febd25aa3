import { connect, type Socket } from 'node:net';

/** One answer as it came over the wire. */
export interface WireAnswer {
  readonly status: number;
  /** Everything before the body, as it came. */
  readonly head: string;
  readonly body: string;
}

const ANSWER_WITHIN_MS = 10_000;

/**
 * A keep-alive connection on which bytes are sent as they are, one request after the other. After an answer that
 * ends the connection, and after bytes that nobody asked for, the next request goes over a new one.
 */
export class Wire implements Disposable {
  readonly #port: number;
  #socket: Socket | null = null;
  #received = '';
  #isOver = false;
  #wake: () => void = () => {};

  constructor(port: number) {
    this.#port = port;
  }

  /** Sends a request and reads its answer; null if the connection ends, or nothing comes, before it is whole. */
  async ask(bytes: Uint8Array, method: string): Promise<WireAnswer | null> {
    if (this.#isOver || this.#received !== '') this.#drop();
    const socket = this.#socket ?? this.#open();
    socket.write(bytes);
    const timer = setTimeout(() => this.#end(socket), ANSWER_WITHIN_MS);
    try {
      return await this.#read(method);
    } finally {
      clearTimeout(timer);
    }
  }

  async #read(method: string): Promise<WireAnswer | null> {
    for (;;) {
      const found = takeAnswer(this.#received, method, this.#isOver);
      if (found) {
        this.#received = found.rest;
        if (found.closes) this.#isOver = true;
        return found.answer;
      }
      if (this.#isOver) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #open(): Socket {
    const socket = connect(this.#port, '127.0.0.1');
    socket.setEncoding('latin1').setNoDelay(true);
    socket.on('data', (chunk: string) => {
      this.#received += chunk;
      this.#wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => this.#end(socket));
    this.#socket = socket;
    return socket;
  }

  #end(socket: Socket): void {
    socket.destroy();
    if (socket !== this.#socket) return;
    this.#isOver = true;
    this.#wake();
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = null;
    socket?.destroy();
    this.#received = '';
    this.#isOver = false;
  }

  [Symbol.dispose](): void {
    this.#drop();
  }
}

interface Taken {
  readonly answer: WireAnswer;
  readonly rest: string;
  readonly closes: boolean;
}

/** The first whole answer in what was received; interim answers are passed over. */
function takeAnswer(received: string, method: string, isOver: boolean): Taken | null {
  const end = received.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const head = received.slice(0, end);
  const rest = received.slice(end + 4);
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1] ?? 0);
  if (status >= 100 && status < 200 && status !== 101) return takeAnswer(rest, method, isOver);
  const body = takeBody(rest, {
    head,
    isOver,
    isEmpty: method === 'HEAD' || [101, 204, 304].includes(status),
  });
  if (!body) return null;
  const closes = body.closes || status === 101 || /^connection:.*\bclose\b/im.test(head);
  return { answer: { status, head, body: body.text }, rest: body.rest, closes };
}

function takeBody(
  rest: string,
  { head, isOver, isEmpty }: { head: string; isOver: boolean; isEmpty: boolean },
): { text: string; rest: string; closes: boolean } | null {
  if (isEmpty) return { text: '', rest, closes: false };
  if (/^transfer-encoding:.*chunked/im.test(head)) return takeChunks(rest);
  const length = /^content-length: *(\d+)/im.exec(head)?.[1];
  if (length === undefined) return isOver ? { text: rest, rest: '', closes: true } : null;
  if (rest.length < Number(length)) return null;
  return { text: rest.slice(0, Number(length)), rest: rest.slice(Number(length)), closes: false };
}

function takeChunks(rest: string): { text: string; rest: string; closes: boolean } | null {
  let text = '';
  let at = 0;
  for (;;) {
    const line = rest.indexOf('\r\n', at);
    if (line < 0) return null;
    const size = Number.parseInt(rest.slice(at, line), 16);
    const next = line + 2 + size + 2;
    if (!(size >= 0) || rest.length < next) return null;
    text += rest.slice(line + 2, next - 2);
    at = next;
    if (size === 0) return { text, rest: rest.slice(at), closes: false };
  }
}
