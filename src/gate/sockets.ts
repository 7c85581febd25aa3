import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Http2ServerResponse, constants as http2, type ServerHttp2Stream } from 'node:http2';
import { Socket } from 'node:net';

/**
 * Ends a connection in this turn by a reset: what is queued for it, in this process and in the kernel, is dropped
 * (schedule 14). Over TLS it is the socket below that is reset. Does nothing to one that has ended.
 */
export function resetSocket(socket: Socket): void {
  const raw = below(socket);
  prepareReset(socket, raw);
  // From above: in the other order Node may touch what is freed already.
  socket.destroy();
  raw.destroy();
}

/**
 * Has the next `destroy` reset a connection. `resetAndDestroy` would not do: it leaves no choice of what is destroyed
 * first, waits for a socket that still connects, and never lets go of one that is just being shut down.
 */
function prepareReset(socket: Socket, raw: Socket): void {
  const isBeingShutDown = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
  if (raw.destroyed || raw.connecting || isBeingShutDown) return;
  Object.assign(raw, { resetAndClosing: true });
  raw.on('error', () => {});
}

/** What the kernel knows of a TLS socket. Node has no public name for it. */
function below(socket: Socket): Socket {
  const { _parent: parent } = socket as Socket & { _parent?: unknown };
  return parent instanceof Socket ? parent : socket;
}

/** The side of an exchange on which the client is. */
export interface ClientEnd {
  /** Whether nothing of the answer is queued in this process. */
  isStill(): boolean;
  /** Drops what is queued and resets the connection; over HTTP/2 the stream alone, if it has nothing in the queue. */
  reset(): void;
}

export function clientEnd(response: ServerResponse, socket: Socket): ClientEnd {
  const isStill = () => response.writableLength === 0;
  const stream = streamOf(response);
  const reset = stream ? () => resetStream(stream, isStill()) : () => resetSocket(socket);
  return { isStill, reset };
}

/** The stream of an HTTP/2 request or answer; null in HTTP/1. */
export function streamOf(message: IncomingMessage | ServerResponse): ServerHttp2Stream | null {
  const { stream } = message as Partial<Pick<Http2ServerResponse, 'stream'>>;
  return stream ?? null;
}

/** Whether nobody is there to answer any more. */
export function isGone(response: ServerResponse): boolean {
  return streamOf(response)?.destroyed ?? response.destroyed;
}

/**
 * All streams of a session share one queue for the kernel, from which nothing can be taken back. So if a part of
 * this one may be in it, the connection goes with it; else the others live on.
 */
function resetStream(stream: ServerHttp2Stream, isStill: boolean): void {
  const { session } = stream;
  if (!isStill && session && !session.destroyed && hasQueued(session.socket)) {
    const raw = below(session.socket as Socket);
    prepareReset(raw, raw);
    raw.destroy();
    return;
  }
  if (!stream.destroyed) stream.close(http2.NGHTTP2_CANCEL);
  stream.destroy();
}

/** Whether bytes wait for the kernel to take them; also where Node does not tell. */
function hasQueued(socket: unknown): boolean {
  const { _handle: handle } = below(socket as Socket) as { _handle?: { writeQueueSize?: number } | null };
  return handle?.writeQueueSize !== 0;
}
