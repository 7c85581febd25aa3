import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Listener, listening } from './world.ts';

/** Ways in which a gate breaks the promise, each on one channel alone. */
export const LIES = {
  'answers with the page that it has kept': 'requests',
  'asks the application without a verdict': 'requests',
  'lets requests through and hides the answer': 'requests',
  'goes on with the stream': 'stream',
  'says the last of the stream again and again': 'stream',
  'leaves the stream open': 'stream',
  'opens streams anew': 'stream',
  'goes on with the WebSocket': 'websocket',
  'lets the WebSocket speak to the application': 'websocket',
  'leaves the WebSocket open': 'websocket',
  'opens WebSockets anew': 'websocket',
} as const;

export type Lie = keyof typeof LIES;

interface Ports {
  readonly gate: number;
  readonly application: number;
}

/** Stands before a real gate, honest until the gate refuses or cuts, and then tells this lie. */
export async function startLyingGate(ports: Ports, lie: Lie): Promise<Listener> {
  const server = createServer(answers(ports, lie));
  server.on('upgrade', (request, socket, head) => upgrade(ports, lie, { request, socket, head }));
  return await listening(server);
}

function answers(ports: Ports, lie: Lie): RequestListener {
  const kept: { page?: Buffer } = {};
  return (request, response) => {
    response.on('error', () => {});
    ask(ports.gate, request, (answer) => {
      const exchange = { ports, lie, request, response };
      const isPage = request.url?.startsWith('/page/') ?? false;
      if (isPage && answer?.statusCode === 200)
        answer.on('data', (chunk: Buffer) => Object.assign(kept, { page: chunk }));
      if (answer === null) response.destroy();
      else if (answer.statusCode === 200) passOn(answer, response, (last) => afterCut(exchange, last));
      else if (lie === 'answers with the page that it has kept' && isPage)
        response.writeHead(200).end(kept.page);
      else afterRefusal(exchange, answer);
    });
  };
}

interface Exchange {
  readonly ports: Ports;
  readonly lie: Lie;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** What the application says to the same request, whatever the gate said. */
function askApplication({ ports, request, response }: Exchange): void {
  ask(ports.application, request, (answer) => passOn(answer, response, () => response.destroy()));
}

function afterRefusal(exchange: Exchange, answer: IncomingMessage): void {
  const { ports, lie, request, response } = exchange;
  const kind = request.url?.split('/')[1];
  const isPage = kind === 'page';
  if (isPage && lie === 'lets requests through and hides the answer')
    ask(ports.application, request, (other) => other?.resume());
  const asksAgain =
    (isPage && lie === 'asks the application without a verdict') ||
    (kind === 'stream' && lie === 'opens streams anew');
  if (asksAgain) askApplication(exchange);
  else passOn(answer, response, () => response.destroy());
}

/** The request once more, to that port; null if there is no answer. */
function ask(port: number, request: IncomingMessage, use: (answer: IncomingMessage | null) => unknown): void {
  const { url: path, method, headers } = request;
  const answered = Promise.withResolvers<IncomingMessage | null>();
  const asked = httpRequest({ host: '127.0.0.1', port, path, method, headers, agent: false });
  asked.on('response', (answer) => {
    answered.resolve(answer);
    use(answer);
  });
  asked.on('error', () => answered.resolve(null));
  asked.end();
  answered.promise.then((answer) => answer ?? use(null));
}

/** What the far side says, until it ends well, or is cut. */
function passOn(
  answer: IncomingMessage | null,
  response: ServerResponse,
  onCut: (last: Buffer) => void,
): void {
  if (answer === null) {
    response.destroy();
    return;
  }
  let last: Buffer = Buffer.alloc(0);
  answer.on('error', () => {});
  if (!response.headersSent) response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
  response.flushHeaders();
  answer.on('data', (chunk: Buffer) => {
    last = chunk;
    response.write(chunk);
  });
  answer.once('close', () => (answer.complete ? response.end() : onCut(last)));
  response.once('close', () => answer.destroy());
}

function afterCut(exchange: Exchange, last: Buffer): void {
  const { lie, request, response } = exchange;
  const isStream = request.url?.startsWith('/stream/') ?? false;
  if (isStream && lie === 'goes on with the stream') askApplication(exchange);
  else if (isStream && lie === 'says the last of the stream again and again') {
    const timer = setInterval(() => response.write(last), 50);
    response.once('close', () => clearInterval(timer));
  } else if (!isStream || lie !== 'leaves the stream open') response.destroy();
}

interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

function upgrade(ports: Ports, lie: Lie, { request, socket, head }: Upgrade): void {
  const speak = (port: number) => {
    const far = connect(port, '127.0.0.1');
    far.on('error', () => {});
    far.write(headOf(request));
    far.write(head);
    socket.on('data', (chunk) => far.write(chunk));
    return far;
  };
  const gate = speak(ports.gate);
  socket.on('error', () => gate.destroy());
  socket.once('close', () => gate.destroy());
  const state = { isOpen: false };
  const say = framesBut(socket);
  gate.on('data', (chunk: Buffer) => {
    if (state.isOpen) say(chunk);
    else if (chunk.toString('latin1').startsWith('HTTP/1.1 101')) {
      state.isOpen = true;
      const end = chunk.indexOf('\r\n\r\n') + 4;
      socket.write(chunk.subarray(0, end));
      say(chunk.subarray(end));
    } else if (lie === 'opens WebSockets anew') speak(ports.application).pipe(socket);
    else socket.write(chunk);
  });
  gate.once('close', () =>
    afterWebSocket({ lie, socket, isOpen: state.isOpen }, () => speak(ports.application)),
  );
}

/** Passes on a server's short frames but the close frame: what says why is the first thing that a liar keeps to itself. */
function framesBut(socket: Duplex): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (let length = 0; rest.length >= 2; rest = rest.subarray(length)) {
      length = 2 + ((rest[1] ?? 0) & 0x7f);
      if (rest.length < length) return;
      if (rest[0] !== 0x88) socket.write(rest.subarray(0, length));
    }
  };
}

function afterWebSocket(
  { lie, socket, isOpen }: { lie: Lie; socket: Duplex; isOpen: boolean },
  speak: () => Socket,
): void {
  const isFor = isOpen && !socket.destroyed;
  if (isFor && lie === 'goes on with the WebSocket') {
    const far = speak();
    // The application agrees to the upgrade once more; the client has been told before.
    far.once('data', (agreed: Buffer) => {
      const frames = agreed.subarray(agreed.indexOf('\r\n\r\n') + 4);
      if (frames.length > 0) socket.write(frames);
      far.pipe(socket);
    });
  } else if (isFor && lie === 'lets the WebSocket speak to the application') speak().resume();
  else if (isFor && lie === 'leaves the WebSocket open') return;
  else if (lie !== 'opens WebSockets anew' || isOpen) socket.destroy();
}

function headOf({ method, url, rawHeaders }: IncomingMessage): string {
  const lines = rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${rawHeaders[at + 1]}`] : []));
  return `${[`${method} ${url} HTTP/1.1`, ...lines].join('\r\n')}\r\n\r\n`;
}
