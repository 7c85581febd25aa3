import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { PAGE, readTicks, TICK_EVERY, tick } from './application.ts';
import type { Door, Estate } from './estate.ts';
import type { Channel, Credential, History } from './history.ts';

/** Whoever asks: a credential, and the headers that carry it to a host. */
export interface Visitor {
  readonly credential: Credential;
  readonly host: string;
  readonly headers: Readonly<Record<string, string>>;
}

const ANSWER_WITHIN_MS = 6000;

/** Asks once; resolves when it is answered or failed. */
export async function askOnce(
  history: History,
  { visitor, door, isFirst = false }: { visitor: Visitor; door: Door; isFirst?: boolean },
): Promise<{ status: number; isAdmitted: boolean }> {
  const begin = history.now();
  const { status, text } = await answerOf(visitor, door).catch(() => ({ status: 0, text: '' }));
  const isAdmitted = status === 200 && text.startsWith(PAGE);
  const { id: credential } = visitor.credential;
  const seen = { credential, gate: door.name, begin, end: history.now(), status, isAdmitted, isFirst };
  history.add({ kind: 'request', ...seen });
  return { status, isAdmitted };
}

function answerOf({ host, headers }: Visitor, { port, agent }: Door) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const request = httpRequest({
      ...{ host: '127.0.0.1', port, agent, path: '/page' },
      headers: { host, accept: 'application/json', ...headers },
      timeout: ANSWER_WITHIN_MS,
    });
    request.on('timeout', () => request.destroy(new Error('no answer in time')));
    request.on('error', reject);
    request.on('response', (response: IncomingMessage) => {
      let text = '';
      response.setEncoding('latin1').on('data', (chunk) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.end();
  });
}

/** Something that goes on until it is told to stop. */
export interface Loop {
  stop(): Promise<void>;
}

/** Asks again and again, each time at the next of these doors; an answer that is none is asked again as well. */
export function keepAsking(
  history: History,
  { visitor, doors, every }: { visitor: Visitor; doors: readonly Door[]; every: number },
): Loop {
  const state = { isOver: false };
  const seen = new Set<string>();
  const run = async () => {
    for (let at = 0; !state.isOver; at += 1) {
      const door = doors[at % doors.length];
      if (!door) return;
      const isFirst = !seen.has(door.name);
      seen.add(door.name);
      await askOnce(history, { visitor, door, isFirst });
      await pause(every);
    }
  };
  const running = run();
  return {
    stop: async () => {
      state.isOver = true;
      await running;
    },
  };
}

/** An exchange that stays open until it is cut. */
export interface OpenExchange extends Loop {
  readonly channel: Channel;
  isOpen(): boolean;
}

/** Numbers that uploads are known by at the application. */
export interface Exchanges {
  open(visitor: Visitor, door: Door, channel: Channel): Promise<OpenExchange | null>;
}

interface Known {
  readonly visitor: Visitor;
  readonly door: Door;
  readonly channel: Channel;
}

/** Opens WebSockets, streams and uploads, and tells the history of every tick on them. */
export function watchExchanges(estate: Estate, history: History): Exchanges {
  const known = new Map<number, Known>();
  let last = 0;
  const received = (exchange: number, sent: number) => {
    const one = known.get(exchange);
    if (!one) return;
    const { visitor, door, channel } = one;
    const credential = visitor.credential.id;
    const at = { exchange, channel, sent, received: history.now() };
    history.add({ kind: 'tick', credential, gate: door.name, ...at });
  };
  estate.application.onUpload(received);
  return {
    open: async (visitor, door, channel) => {
      const exchange = ++last;
      known.set(exchange, { visitor, door, channel });
      const ended = () => {
        const credential = visitor.credential.id;
        history.add({
          kind: 'end',
          ...{ credential, gate: door.name, exchange, channel, at: history.now() },
        });
      };
      const hear = createHearing((sent) => received(exchange, sent));
      return await OPENERS[channel]({ visitor, door, exchange, hear, ended });
    },
  };
}

interface Opening {
  readonly visitor: Visitor;
  readonly door: Door;
  readonly exchange: number;
  readonly hear: (chunk: Buffer) => void;
  readonly ended: () => void;
}

type Opener = (opening: Opening) => Promise<OpenExchange | null>;

const OPENERS: Readonly<Record<Channel, Opener>> = { socket: openSocket, stream: openStream, upload };

function createHearing(onTick: (sent: number) => void): (chunk: Buffer) => void {
  let held = '';
  return (chunk) => {
    const { ticks, rest } = readTicks(held + chunk.toString('latin1'));
    held = rest;
    for (const sent of ticks) onTick(sent);
  };
}

function begin({ visitor, door }: Opening, path: string, more: object = {}, method = 'GET'): ClientRequest {
  const { host, headers } = visitor;
  const place = { host: '127.0.0.1', port: door.port, agent: false as const, path, method };
  return httpRequest({ ...place, headers: { host, accept: 'application/json', ...headers, ...more } });
}

const UPGRADE = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

async function openSocket(opening: Opening): Promise<OpenExchange | null> {
  const request = begin(opening, '/socket', UPGRADE);
  return await opened(request, (done) => {
    request.on('upgrade', (_response, socket: Socket, head) => {
      opening.hear(head);
      socket.on('data', opening.hear).on('error', () => {});
      socket.once('close', opening.ended);
      done(exchangeOn('socket', socket));
    });
    request.on('response', (response) => {
      response.resume();
      done(null);
    });
    request.end();
  });
}

async function openStream(opening: Opening): Promise<OpenExchange | null> {
  const request = begin(opening, '/stream', { accept: 'text/event-stream' });
  return await opened(request, (done) => {
    request.on('response', (response) => {
      if (response.statusCode !== 200) {
        response.resume();
        return done(null);
      }
      response.on('data', opening.hear).on('error', () => {});
      response.once('close', opening.ended);
      done(exchangeOn('stream', response.socket));
    });
    request.end();
  });
}

/** Its ticks go up. Whether it was admitted is seen at the application alone: the answer comes last. */
async function upload(opening: Opening): Promise<OpenExchange | null> {
  const request = begin(opening, `/upload?exchange=${opening.exchange}`, {}, 'POST');
  const state = { isOver: false };
  const timer = setInterval(() => {
    if (!state.isOver && request.writableLength === 0) request.write(tick());
  }, TICK_EVERY);
  const over = () => {
    if (state.isOver) return;
    state.isOver = true;
    clearInterval(timer);
    opening.ended();
  };
  // An answer before the end of the body says that nobody takes it any more.
  request.on('response', () => request.destroy()).on('error', () => {});
  request.once('close', over);
  request.write(tick());
  return {
    channel: 'upload',
    isOpen: () => !state.isOver,
    stop: async () => void request.destroy(),
  };
}

async function opened(
  request: ClientRequest,
  start: (done: (exchange: OpenExchange | null) => void) => void,
): Promise<OpenExchange | null> {
  return await new Promise((done) => {
    const late = setTimeout(() => request.destroy(), ANSWER_WITHIN_MS);
    const finish = (exchange: OpenExchange | null) => {
      clearTimeout(late);
      done(exchange);
    };
    request.on('error', () => finish(null));
    start(finish);
  });
}

function exchangeOn(channel: Channel, socket: Socket): OpenExchange {
  return {
    channel,
    isOpen: () => !socket.destroyed,
    stop: async () => void socket.destroy(),
  };
}
