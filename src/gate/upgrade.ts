import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { CutReason } from './exchanges.ts';
import type { Headers } from './question-headers.ts';
import { resetSocket } from './sockets.ts';
import { closeFrame, type FrameFollower, followFrames } from './upgrade-frames.ts';

/** Protocols that a gate must not let through unread: further requests would follow that nobody judges. */
const ANOTHER_HTTP = /^(?:http|h2|tls)/i;
const PROTOCOL = /^[\w!#$%&'*+.^`|~-]+(?:\/[\w!#$%&'*+.^`|~-]+)?$/;

/** The protocol that a request asks to go on with, if it can be passed on; null: answer as if it had not asked. */
export function askedProtocol(request: IncomingMessage, headers: Headers): string | null {
  const protocol = headers.single('upgrade');
  const hasBody = headers.has('transfer-encoding') || (headers.single('content-length') ?? '0') !== '0';
  if (protocol === undefined || !PROTOCOL.test(protocol) || ANOTHER_HTTP.test(protocol)) return null;
  return request.method === 'GET' && request.httpVersion === '1.1' && !hasBody ? protocol : null;
}

export interface TunnelOptions {
  readonly client: Socket;
  readonly upstream: Socket;
  readonly protocol: string;
  readonly mayFlow: () => boolean;
  readonly onFlow: () => void;
  /** Both ends are closed. */
  readonly onEnd: () => void;
}

/** What is said in a WebSocket's last frame. */
const LAST_WORDS: Readonly<Record<CutReason, readonly [code: number, reason: string]>> = {
  revoked: [4401, 'access was removed'],
  policy: [4401, 'access is no longer allowed'],
  expired: [4401, 'the session has expired'],
  lease_ended: [1012, 'the gate lost its control plane'],
  stopping: [1001, 'the gate is restarting'],
};

/** Two connections whose bytes are handed on either way, each chunk only if it may still flow. */
export class Tunnel {
  readonly #client: Socket;
  readonly #upstream: Socket;
  readonly #options: TunnelOptions;
  /** null for whatever is no WebSocket, and before the answer that opens it. */
  #frames: FrameFollower | null = null;
  #isFrozen = false;
  #open = 2;

  constructor(options: TunnelOptions) {
    this.#options = options;
    this.#client = options.client;
    this.#upstream = options.upstream;
    this.#watch(this.#client, this.#upstream);
    this.#watch(this.#upstream, this.#client);
  }

  /** Opens it with the head of the answer, and what each side has sent already. */
  begin(head: string, { fromUpstream, fromClient }: { fromUpstream: Buffer; fromClient: Buffer }): void {
    // A last frame that the kernel holds back to send with more would be dropped by the reset after it.
    this.#client.setNoDelay(true);
    this.#client.write(head, 'latin1');
    if (this.#options.protocol.toLowerCase() === 'websocket') this.#frames = followFrames();
    if (fromUpstream.length > 0) this.#send(fromUpstream, this.#upstream, this.#client);
    if (fromClient.length > 0) this.#send(fromClient, this.#client, this.#upstream);
    this.#pump(this.#client, this.#upstream);
    this.#pump(this.#upstream, this.#client);
    this.thaw();
  }

  cut(reason: CutReason): void {
    resetSocket(this.#upstream);
    if (this.#client.writable && this.#client.writableLength === 0 && this.#frames?.isAtEnd()) {
      this.#client.write(closeFrame(...LAST_WORDS[reason]));
    }
    resetSocket(this.#client);
  }

  reset(): void {
    resetSocket(this.#upstream);
    resetSocket(this.#client);
  }

  freeze(): boolean {
    this.#isFrozen = true;
    this.#client.pause();
    this.#upstream.pause();
    return this.#client.writableLength === 0 && this.#upstream.writableLength === 0;
  }

  thaw(): void {
    this.#isFrozen = false;
    if (!this.#upstream.writableNeedDrain) this.#client.resume();
    if (!this.#client.writableNeedDrain) this.#upstream.resume();
  }

  #pump(from: Socket, to: Socket): void {
    from.on('data', (chunk: Buffer) => this.#send(chunk, from, to));
    from.on('end', () => to.end());
    to.on('drain', () => {
      if (!this.#isFrozen) from.resume();
    });
  }

  #send(chunk: Buffer, from: Socket, to: Socket): void {
    if (!this.#options.mayFlow()) {
      from.pause();
      from.unshift(chunk);
      return;
    }
    this.#options.onFlow();
    if (to === this.#client) this.#frames?.push(chunk);
    if (!to.write(chunk)) from.pause();
  }

  /** What did not end cleanly here does not end cleanly there. */
  #watch(socket: Socket, other: Socket): void {
    socket.on('error', () => {});
    socket.on('close', () => {
      if (socket.readableEnded && !socket.errored) other.end();
      else resetSocket(other);
      this.#open -= 1;
      if (this.#open === 0) this.#options.onEnd();
    });
  }
}
