import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { chainOf, EMPTY_CHAIN } from '../../src/protocol/chain.ts';
import type { FeedItem } from '../../src/protocol/feed.ts';
import {
  ATTACH_PATH,
  type FromGate,
  type FromNode,
  GATE_PROTOCOL,
} from '../../src/protocol/gate-messages.ts';

export const ACCOUNT = 'acme';
export const GATE = 'the-gate';

/** A gate's stream as a node has it, every word of it in the hand of a test. */
export interface ScriptedStream {
  /** What the gate has said, and nobody has asked for. */
  readonly heard: FromGate[];
  /** The next of that type, or the one that was said already. */
  hears<T extends FromGate['type']>(type: T): Promise<Extract<FromGate, { type: T }>>;
  say(message: FromNode): void;
  sayRaw(text: string): void;
  welcome(more?: Partial<Extract<FromNode, { type: 'welcome' }>>): void;
  /** A snapshot with these states at a position; the chain is made up from it unless given. */
  snapshot(position: number, items?: readonly FeedItem[], chain?: string): void;
  batch(position: number, items: readonly FeedItem[], before: string): string;
  /** Answers the next renewal. */
  grant(milliseconds: number, wall?: number): Promise<void>;
  close(code: number): void;
  /** The code with which it ended. */
  readonly closed: Promise<number>;
}

export interface ScriptedNode extends AsyncDisposable {
  readonly origin: string;
  /** The next stream of a gate. */
  stream(): Promise<ScriptedStream>;
  /** Refuses streams by this status; 0: takes them. */
  refuseBy(status: number): void;
  readonly authorizations: string[];
}

/** Speaks the node's side of the protocol as a test says. */
export async function startScriptedNode(): Promise<ScriptedNode> {
  const sockets = new WebSocketServer({ noServer: true });
  const streams: ScriptedStream[] = [];
  const authorizations: string[] = [];
  const state = { status: 0 };
  const server = createServer((_request, response) => void response.writeHead(404).end());
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    assert.equal(request.url, ATTACH_PATH);
    authorizations.push(request.headers.authorization ?? '');
    if (state.status !== 0)
      return void socket.end(`HTTP/1.1 ${state.status} No\r\ncontent-length: 0\r\n\r\n`);
    sockets.handleUpgrade(request, socket, head, (open) => {
      streams.push(scripted(open));
      server.emit('scripted');
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as { port: number };
  return {
    origin: `http://127.0.0.1:${port}`,
    authorizations,
    refuseBy: (status) => {
      state.status = status;
    },
    stream: async () => {
      while (streams.length === 0) await once(server, 'scripted', { signal: AbortSignal.timeout(10_000) });
      return streams.shift() ?? assert.fail();
    },
    [Symbol.asyncDispose]: async () => {
      for (const client of sockets.clients) client.terminate();
      server.close();
      server.closeAllConnections();
    },
  };
}

function scripted(socket: WebSocket): ScriptedStream {
  const heard: FromGate[] = [];
  const news = new EventTarget();
  socket.on('message', (data) => {
    heard.push(JSON.parse(String(data)));
    news.dispatchEvent(new Event('heard'));
  });
  socket.on('error', () => {});
  const say = (message: FromNode) => socket.send(JSON.stringify(message));
  const hears: ScriptedStream['hears'] = async (type) => {
    for (;;) {
      const at = heard.findIndex((one) => one.type === type);
      const [found] = at < 0 ? [] : heard.splice(at, 1);
      if (found) return found as Extract<FromGate, { type: typeof type }>;
      await once(news, 'heard', { signal: AbortSignal.timeout(5000) });
    }
  };
  return {
    heard,
    hears,
    say,
    sayRaw: (text) => socket.send(text),
    welcome: (more = {}) => say({ ...WELCOME, ...more }),
    snapshot: (position, items = [], chain = chainAt(position)) => {
      say({ type: 'snapshot', part: 'begin', head: { epoch: 1, position, floor: 0 }, chain });
      say({ type: 'snapshot', part: 'states', items });
      say({ type: 'snapshot', part: 'end' });
    },
    batch: (position, items, before) => {
      const chain = chainOf(before, { accountId: ACCOUNT, at: { epoch: 1, position }, items });
      say({ type: 'batch', epoch: 1, position, items, chain });
      return chain;
    },
    grant: async (milliseconds, wall = Date.now()) => {
      const { nonce } = await hears('renew');
      say({ type: 'lease', nonce, milliseconds, wall });
    },
    close: (code) => socket.close(code),
    closed: once(socket, 'close').then(([code]) => code as number),
  };
}

/** A chain that some history could have had at that position. */
export function chainAt(position: number): string {
  return position === 0 ? EMPTY_CHAIN : position.toString(16).padStart(64, '0');
}

const WELCOME: Extract<FromNode, { type: 'welcome' }> = {
  type: 'welcome',
  protocol: GATE_PROTOCOL,
  node: 'f'.repeat(32),
  account: ACCOUNT,
  gate: { id: GATE, name: 'edge' },
  scheme: 'http',
  lease: 1000,
};
