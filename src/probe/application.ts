import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Stopwatch } from '../kernel/clock.ts';
import { randomHex } from '../kernel/crypto.ts';
import { listen } from '../server/listen.ts';
import { closeServer } from './provider.ts';

/** Milliseconds between two ticks of a stream or WebSocket. */
export const TICK = 20;

/** The header in which a request says when it began, by the clock of this process. */
export const BEGUN = 'x-probe-begun';

/** What the application saw of one channel. Times are those of the probe's stopwatch. */
export interface Line {
  /** Part of the path; whoever does not know it gets nothing. */
  readonly id: string;
  /** When the application handed over that tick; null if it never did. */
  sentAt(tick: number): number | null;
  close(): void;
}

export interface LineWatcher {
  /** A request that began then has reached the application. */
  reached(begun: number): void;
  /** A message of the client, with this number, has reached the application. */
  uploaded(tick: number): void;
}

/** The application behind the gates, which knows when it sent what. */
export interface Application {
  /** In the body of its page: proof that it was the application that answered. */
  readonly marker: string;
  open(watcher: LineWatcher): Line;
  /** The longest time that this process stood still since it was last asked. */
  takeStall(): number;
  close(): Promise<void>;
}

interface OpenLine {
  readonly watcher: LineWatcher;
  readonly sent: number[];
  readonly receivers: Set<(text: string) => void>;
}

/** Serves the probed application: a page, a stream of events and a WebSocket. Throws a StartError if the port is taken. */
export async function startApplication(
  at: { host: string; port: number },
  stopwatch: Stopwatch,
): Promise<Application> {
  const marker = `portcullis-probe-${randomHex(16)}`;
  const lines = new Map<string, OpenLine>();
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 1024, perMessageDeflate: false });
  const server = createServer((request, response) => serve({ lines, marker }, request, response));
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => {});
    const line = reach(lines, 'socket', request);
    if (line) sockets.handleUpgrade(request, socket, head, (webSocket) => talk(line, webSocket));
    else socket.destroy();
  });
  const listening = await listen(server, at);
  const pulse = startPulse(lines, stopwatch);
  return {
    marker,
    open: (watcher) => openLine(lines, watcher),
    takeStall: pulse.takeStall,
    close: async () => {
      pulse.stop();
      await closeServer(server, listening);
    },
  };
}

function openLine(lines: Map<string, OpenLine>, watcher: LineWatcher): Line {
  const id = randomHex(16);
  const line: OpenLine = { watcher, sent: [], receivers: new Set() };
  lines.set(id, line);
  return { id, sentAt: (tick) => line.sent[tick] ?? null, close: () => lines.delete(id) };
}

/** Sends each line its next tick, and notes how late this process was in doing so. */
function startPulse(lines: Map<string, OpenLine>, stopwatch: Stopwatch) {
  let [last, stall] = [stopwatch.elapsed(), 0];
  const timer = setInterval(() => {
    const now = stopwatch.elapsed();
    stall = Math.max(stall, now - last - TICK);
    last = now;
    for (const line of lines.values()) tick(line, stopwatch);
  }, TICK);
  return {
    takeStall: () => {
      const longest = stall;
      stall = 0;
      return longest;
    },
    stop: () => clearInterval(timer),
  };
}

function tick({ sent, receivers }: OpenLine, stopwatch: Stopwatch): void {
  if (receivers.size === 0) return;
  const text = JSON.stringify({ tick: sent.length });
  sent.push(stopwatch.elapsed());
  for (const receive of receivers) receive(text);
}

/** The line that a request is for, which is told of it; null for a stranger's. */
function reach(
  lines: ReadonlyMap<string, OpenLine>,
  kind: string,
  request: IncomingMessage,
): OpenLine | null {
  const [, of, id] = /^\/(page|stream|socket)\/([0-9a-f]{32})$/.exec(request.url ?? '') ?? [];
  const line = of === kind ? lines.get(id ?? '') : undefined;
  const begun = Number(request.headers[BEGUN]);
  if (line && Number.isFinite(begun)) line.watcher.reached(begun);
  return line ?? null;
}

function serve(
  { lines, marker }: { lines: ReadonlyMap<string, OpenLine>; marker: string },
  request: IncomingMessage,
  response: ServerResponse,
): void {
  request.resume();
  response.on('error', () => {});
  const stream = reach(lines, 'stream', request);
  if (stream) flow(stream, marker, response);
  else answer(response, request.url === '/' || reach(lines, 'page', request) !== null, marker);
}

function answer(response: ServerResponse, isPage: boolean, marker: string): void {
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' };
  response.writeHead(isPage ? 200 : 404, headers).end(isPage ? `${marker}\n` : 'Not found\n');
}

function flow({ receivers }: OpenLine, marker: string, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  response.write(`: ${marker}\n\n`);
  const receive = (text: string) => {
    if (!response.writableNeedDrain) response.write(`data: ${text}\n\n`);
  };
  receivers.add(receive);
  response.once('close', () => receivers.delete(receive));
}

function talk({ receivers, watcher }: OpenLine, webSocket: WebSocket): void {
  const receive = (text: string) => webSocket.send(text, () => {});
  receivers.add(receive);
  webSocket.on('error', () => {});
  webSocket.once('close', () => receivers.delete(receive));
  webSocket.on('message', (data) => {
    const number = tickOf(String(data));
    if (number !== null) watcher.uploaded(number);
  });
}

/** The number in a tick; null for anything else. */
export function tickOf(text: string): number | null {
  const [, number] = /^\{"tick":(\d{1,9})\}$/.exec(text) ?? [];
  return number === undefined ? null : Number(number);
}
