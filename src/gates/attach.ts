import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { ATTACH_PATH, LARGEST_FROM_GATE } from '../protocol/gate-messages.ts';
import type { GateCredential } from './attachment.ts';

export interface AttachOptions {
  /** Whether this node may decide; a gate that asks another time goes elsewhere. */
  readonly isLive: () => boolean;
  readonly authenticate: (secret: string) => Promise<GateCredential | null>;
  readonly onAttached: (socket: WebSocket, gate: GateCredential) => void;
  readonly onFault: (error: unknown) => void;
}

/** Takes the upgrades by which gates attach. */
export interface Attach {
  wantsUpgrade(request: IncomingMessage): boolean;
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void;
}

/** How many may be asked about at once, before anybody is known. */
const MOST_ASKING = 64;

/** The door for gates: a WebSocket at ATTACH_PATH with a gate credential, and for whoever else a plain refusal. */
export function createAttach({ isLive, authenticate, onAttached, onFault }: AttachOptions): Attach {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: LARGEST_FROM_GATE,
    perMessageDeflate: false,
  });
  let asking = 0;

  const ask = async (secret: string) => {
    asking += 1;
    try {
      return await authenticate(secret);
    } finally {
      asking -= 1;
    }
  };

  const admit = async (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const secret = secretOf(request);
    if (!isLive() || asking >= MOST_ASKING) return refuse(socket, '503 Service Unavailable');
    const gate = secret === null ? null : await ask(secret);
    if (!gate) return refuse(socket, '401 Unauthorized');
    if (socket.destroyed) return;
    server.handleUpgrade(request, socket, head, (opened) => onAttached(opened, gate));
  };

  return {
    wantsUpgrade: (request) =>
      request.url === ATTACH_PATH && request.method === 'GET' && isWebSocket(request),
    upgrade: (request, socket, head) => {
      const ignore = () => {};
      socket.on('error', ignore);
      admit(request, socket, head)
        .catch((error: unknown) => {
          onFault(error);
          refuse(socket, '503 Service Unavailable');
        })
        .finally(() => socket.off('error', ignore));
    },
  };
}

function isWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}

function secretOf({ headers }: IncomingMessage): string | null {
  return /^Bearer ([\w-]{1,200})$/.exec(headers.authorization ?? '')?.[1] ?? null;
}

function refuse(socket: Socket, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`);
}
