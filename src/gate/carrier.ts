import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Exchanges } from './exchanges.ts';
import type { Passage } from './proxy-headers.ts';
import type { Upstreams } from './upstream.ts';

/** In milliseconds. */
export interface Timeouts {
  /** Name, connection and handshake. */
  readonly connect: number;
  /** From the last byte of the request to the head of the answer. */
  readonly answer: number;
  /** Between two chunks, whichever way they go. */
  readonly idle: number;
}

/** What every exchange is carried out with. */
export interface Carrier {
  readonly upstreams: Upstreams;
  readonly exchanges: Exchanges;
  readonly timeouts: Timeouts;
  /** The application, or the way to it, failed. */
  readonly onFailure: (error: unknown, requestId: string) => void;
}

/** An admitted request, and whom to answer. */
export interface Incoming extends Passage {
  readonly requestId: string;
  readonly response: ServerResponse;
  readonly socket: Socket;
  /** What the client has sent of the protocol that it asked for, before it was there; taken once. */
  readonly takeEarly: () => Buffer;
}
