import type { ClientRequest, IncomingMessage } from 'node:http';
import type { SecureContext } from 'node:tls';
import { WebSocket } from 'ws';
import { SECOND } from '../kernel/clock.ts';
import {
  ATTACH_PATH,
  CLOSE,
  type FromGate,
  type FromNode,
  LARGEST_FROM_NODE,
  readFromNode,
} from '../protocol/gate-messages.ts';
import { trusting } from './trust.ts';

/** An open stream to a node. */
export interface Stream {
  say(message: FromGate): void;
  close(code: number): void;
  /** Ends it without a word: whoever is there does not answer. */
  drop(): void;
}

/** How a stream ended, or why there was none. */
export interface End {
  readonly kind: 'revoked' | 'protocol' | 'lost';
  /** For the log: a close code, a status or an error, and no secret. */
  readonly why: string;
  readonly code: number | null;
}

export interface StreamOptions {
  /** Origin of the control plane. */
  readonly origin: string;
  readonly token: string;
  /** By what an https control plane is known; null where none is. */
  readonly trust: SecureContext | null;
  readonly onOpen: (stream: Stream) => void;
  /** In their order. What it throws ends the stream. */
  readonly onMessage: (message: FromNode, stream: Stream) => void;
  readonly onFault: (error: unknown) => void;
}

const HANDSHAKE_WITHIN = 5 * SECOND;
/** How long a stream that was closed may take to end. */
const CLOSE_WITHIN = SECOND;

/** One WebSocket to the control plane, with the gate's credential; resolves when it has ended, and never rejects. */
export function openStream(options: StreamOptions, signal: AbortSignal): Promise<End> {
  const { origin, token, trust, onOpen, onMessage, onFault } = options;
  const socket = new WebSocket(new URL(ATTACH_PATH, origin.replace(/^http/, 'ws')), {
    headers: { authorization: `Bearer ${token}` },
    handshakeTimeout: HANDSHAKE_WITHIN,
    maxPayload: LARGEST_FROM_NODE,
    perMessageDeflate: false,
    followRedirects: false,
    ...trusting(trust),
  });
  const stream = streamOn(socket);
  const ended = { why: '', status: 0, isUnreadable: false, isTooLarge: false };
  const take = (data: unknown, isBinary: boolean) => {
    const message = isBinary ? null : readFromNode(String(data));
    if (message) return onMessage(message, stream);
    ended.isUnreadable = true;
    stream.close(CLOSE.protocol);
  };
  return new Promise((resolve) => {
    const abort = () => socket.terminate();
    signal.addEventListener('abort', abort, { once: true });
    socket.on('open', () => onOpen(stream));
    socket.on('message', (data, isBinary) => {
      try {
        if (socket.readyState === WebSocket.OPEN) take(data, isBinary);
      } catch (error) {
        onFault(error);
        stream.close(CLOSE.forked);
      }
    });
    socket.on('unexpected-response', (request: ClientRequest, { statusCode = 0 }: IncomingMessage) => {
      ended.status = statusCode;
      request.destroy();
      socket.terminate();
    });
    socket.on('error', (error) => {
      ended.why = error.message;
      ended.isTooLarge = (error as NodeJS.ErrnoException).code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';
      // Nothing more is read of it: whatever comes is behind what could not be taken.
      if (ended.isTooLarge) socket.terminate();
    });
    socket.on('close', (code, reason) => {
      signal.removeEventListener('abort', abort);
      resolve(endOf({ ...ended, code, reason: reason.toString() }));
    });
  });
}

function streamOn(socket: WebSocket): Stream {
  return {
    say: (message) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
    },
    close: (code) => {
      socket.close(code);
      setTimeout(() => socket.terminate(), CLOSE_WITHIN).unref();
    },
    drop: () => socket.terminate(),
  };
}

interface Ended {
  readonly why: string;
  readonly status: number;
  readonly isUnreadable: boolean;
  readonly isTooLarge: boolean;
  readonly code: number;
  readonly reason: string;
}

function endOf({ why, status, isUnreadable, isTooLarge, code, reason }: Ended): End {
  // To go on from here would bring the same again; a snapshot comes in smaller parts.
  if (isTooLarge) return { kind: 'lost', why: 'it sent a frame that is too large', code: CLOSE.forked };
  if (status !== 0)
    return { kind: status === 401 ? 'revoked' : 'lost', why: `it answers ${status}`, code: null };
  const kind =
    code === CLOSE.revoked ? 'revoked' : isUnreadable || code === CLOSE.protocol ? 'protocol' : 'lost';
  // 1006: there was no closing frame, so the error says more, if there was one.
  const said = code === 1006 ? why || 'the connection broke off' : `closed with ${code} ${reason}`.trimEnd();
  return { kind, why: said, code };
}
