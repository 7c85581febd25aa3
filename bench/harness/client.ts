import { connect, type Socket } from 'node:net';
import type { Outcome } from './load.ts';

export interface AskingOptions {
  readonly port: number;
  readonly requests: readonly Buffer[];
  readonly connections: number;
  readonly during?: number;
  readonly awake?: boolean;
}

/**
 * HTTP/1.1 with as little work as can be: requests are bytes, connections are kept, nothing is pipelined. An
 * answer must be a 200 with a Content-Length; anything else, and a connection that ends, is an error.
 */
export async function ask({ port, requests, connections, during, awake }: AskingOptions): Promise<Outcome> {
  const began = performance.now();
  const until = during === undefined ? Infinity : began + during;
  const count = { asked: 0, answers: 0, bytes: 0 };
  let hasFailed = false;
  const next = (): Buffer | null => {
    const isThrough = during === undefined && count.asked >= requests.length;
    const request = requests[count.asked % requests.length];
    if (hasFailed || isThrough || performance.now() >= until || !request) return null;
    count.asked += 1;
    return request;
  };
  const answered = (bytes: number) => {
    count.answers += 1;
    count.bytes += bytes;
  };
  using _ = awake ? stayAwake() : null;
  const conversations = Array.from({ length: connections }, () => converse(port, { next, answered }));
  await Promise.all(conversations).catch((error: unknown) => {
    // The others stop at their next answer.
    hasFailed = true;
    throw error;
  });
  return { answers: count.answers, bytes: count.bytes, seconds: (performance.now() - began) / 1000 };
}

/** Keeps the loop turning, so that the process never waits for the kernel to wake it. */
function stayAwake(): Disposable {
  let isOver = false;
  const turn = () => void (isOver || setImmediate(turn));
  turn();
  return {
    [Symbol.dispose]: () => {
      isOver = true;
    },
  };
}

interface Conversation {
  /** The next request, or null when there is nothing more to ask. */
  next(): Buffer | null;
  /** An answer is whole; the size of its body. */
  answered(bytes: number): void;
}

/** One connection from its first request to its last answer. */
function converse(port: number, { next, answered }: Conversation): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  return new Promise((resolve, reject) => {
    let isDone = false;
    const proceed = () => {
      const request = next();
      if (request) return void socket.write(request);
      isDone = true;
      socket.destroy();
      resolve();
    };
    const read = createReader((bytes) => {
      answered(bytes);
      proceed();
    });
    socket.on('connect', proceed);
    socket.on('data', (chunk: Buffer) => {
      try {
        read(chunk);
      } catch (error) {
        isDone = true;
        fail(socket, reject, error as Error);
      }
    });
    socket.on('error', (error) => fail(socket, reject, error));
    socket.on('close', () => {
      if (!isDone) reject(new Error('the server closed a connection'));
    });
  });
}

function fail(socket: Socket, reject: (error: Error) => void, error: Error): void {
  socket.destroy();
  reject(error);
}

/** Takes what comes on a connection apart into answers; throws at one that is not a whole 200. */
export function createReader(onAnswer: (bodyBytes: number) => void): (chunk: Buffer) => void {
  let head: Buffer = Buffer.alloc(0);
  let size = 0;
  let missing = 0;
  return (chunk) => {
    if (missing > 0) {
      missing -= chunk.length;
    } else {
      const held = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
      const end = held.indexOf('\r\n\r\n');
      head = end < 0 ? held : Buffer.alloc(0);
      if (end < 0) return;
      size = sizeOfBody(held.toString('latin1', 0, end));
      missing = size - (held.length - end - 4);
    }
    if (missing < 0) throw new Error('an answer is longer than it said');
    if (missing === 0) onAnswer(size);
  };
}

function sizeOfBody(head: string): number {
  if (!head.startsWith('HTTP/1.1 200 ')) throw new Error(`an answer is no 200: ${head.slice(0, 300)}`);
  const size = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (size === undefined) throw new Error(`an answer has no length: ${head.slice(0, 300)}`);
  return Number(size);
}
