import { Agent as HttpAgent, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { type RawData, WebSocket } from 'ws';
import type { Stopwatch } from '../kernel/clock.ts';
import { type Application, BEGUN, type Line, TICK, tickOf } from './application.ts';
import { causeOf } from './failed.ts';
import type { Attempt, Recorder, Removal } from './recorder.ts';
import { begin, type Dial, send, tlsOf } from './send.ts';
import { pause } from './until.ts';

/** A gate, and what is asked of it as whom. */
export interface Way {
  readonly gate: Dial;
  /** Of the application. */
  readonly host: string;
  readonly team: string;
  /** The Cookie header of the person. */
  readonly cookie: string;
  readonly application: Application;
  readonly removal: Removal;
  readonly stopwatch: Stopwatch;
  /** Ends everything. */
  readonly signal: AbortSignal;
}

interface Channel {
  readonly way: Way;
  readonly line: Line;
  readonly recorder: Recorder;
}

type Outcome = Pick<Attempt, 'outcome' | 'note'>;

/** Requests go without a pause from the call of the removal until so long after its return. */
const CLOSE_WATCH = 250;
const PAUSE = 10;
const AGAIN = 50;
const CONCURRENCY = 2;

/** Asks for the page again and again, two requests at a time, until the signal. */
export async function loopRequests(way: Way, recorder: Recorder): Promise<void> {
  const line = way.application.open({ reached: (begun) => recorder.reached(begun), uploaded: () => {} });
  const options = { keepAlive: true, maxSockets: CONCURRENCY };
  const agent = way.gate.url.protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options);
  const loop = async () => {
    for (let failures = 0; !way.signal.aborted; ) {
      const outcome = await askPage({ way, line, recorder }, agent);
      failures = outcome === 'failed' ? failures + 1 : 0;
      await pause(pauseAfter(way, failures), way.signal);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, loop));
  agent.destroy();
  line.close();
}

/** Milliseconds until the next request. One that was cut is followed at once: what comes of that is the question. */
function pauseAfter({ removal, stopwatch }: Way, failures: number): number {
  if (failures > 1) return AGAIN;
  const { begun, returned } = removal;
  const isClose = begun !== null && (returned === null || stopwatch.elapsed() - returned < CLOSE_WATCH);
  return isClose || failures > 0 ? 0 : PAUSE;
}

async function askPage({ way, line, recorder }: Channel, agent: HttpAgent): Promise<Outcome['outcome']> {
  const { gate, host, signal, stopwatch, application } = way;
  const begun = stopwatch.elapsed();
  const asked = { path: `/page/${line.id}`, host, headers: headersOf(way, begun), agent, signal };
  const outcome = await send(gate, asked).then(
    ({ status, headers, text }) =>
      outcomeOf(way, { status, headers, isOurs: text.includes(application.marker) }),
    (error: unknown): Outcome => ({ outcome: 'failed', note: causeOf(error) }),
  );
  if (!signal.aborted) recorder.attempt({ begun, ended: stopwatch.elapsed(), ...outcome });
  return outcome.outcome;
}

function headersOf({ cookie }: Way, begun: number): Record<string, string> {
  return { cookie, [BEGUN]: String(begun) };
}

/** A 2xx is an admission, whoever gave it; so is whatever has the application's mark. */
function outcomeOf(
  { team }: Way,
  { status, headers, isOurs }: { status: number; headers: IncomingHttpHeaders; isOurs: boolean },
): Outcome {
  const note = `it answers ${status}`;
  if (isOurs || status === 101 || (status >= 200 && status < 300)) return { outcome: 'admitted', note };
  const location = headers.location ?? '';
  const isSignIn = status === 302 && URL.canParse(location) && new URL(location).host === team;
  return { outcome: status === 401 || status === 403 || isSignIn ? 'refused' : 'failed', note };
}

/** Holds a stream open until the signal, and opens it anew whenever it ends, as browsers do. */
export async function holdStream(way: Way, recorder: Recorder): Promise<void> {
  const line = way.application.open({ reached: (begun) => recorder.reached(begun), uploaded: () => {} });
  while (!way.signal.aborted) {
    const wasOpen = await openStream({ way, line, recorder });
    await pause(wasOpen ? 0 : AGAIN, way.signal);
  }
  line.close();
}

/** Resolves when the stream is over; answers whether it ever was open. */
async function openStream(channel: Channel): Promise<boolean> {
  const { way, line, recorder } = channel;
  const { gate, host, signal, stopwatch } = way;
  const begun = stopwatch.elapsed();
  const note = (outcome: Outcome) => {
    if (!signal.aborted) recorder.attempt({ begun, ended: stopwatch.elapsed(), ...outcome });
  };
  const headers = { ...headersOf(way, begun), accept: 'text/event-stream' };
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(), gate.timeout);
  const stop = AbortSignal.any([signal, over.signal]);
  try {
    const answer = await begin(gate, { path: `/stream/${line.id}`, host, headers, signal: stop });
    clearTimeout(timer);
    const outcome = outcomeOf(way, {
      status: answer.statusCode ?? 0,
      headers: answer.headers,
      isOurs: false,
    });
    note(outcome);
    const isOpen = outcome.outcome === 'admitted';
    if (isOpen) await readStream(channel, answer);
    else answer.destroy();
    return isOpen;
  } catch (error) {
    note({ outcome: 'failed', note: over.signal.aborted ? 'it does not answer' : causeOf(error) });
    return false;
  } finally {
    clearTimeout(timer);
  }
}

async function readStream({ way, line, recorder }: Channel, answer: IncomingMessage): Promise<void> {
  const { signal, stopwatch } = way;
  recorder.opened();
  let rest = '';
  answer.setEncoding('utf8');
  answer.on('data', (chunk: string) => {
    const at = stopwatch.elapsed();
    const lines = (rest + chunk).slice(-MOST_TEXT).split('\n');
    rest = lines.pop() ?? '';
    const ticks = lines.filter((one) => one.startsWith('data: ')).map((one) => tickOf(one.slice(6)));
    for (const tick of ticks.length > 0 ? ticks : [null])
      recorder.arrived({ at, sent: tick === null ? null : line.sentAt(tick) });
  });
  answer.on('error', () => {});
  await new Promise((resolve) => answer.once('close', resolve));
  if (!signal.aborted) recorder.closed(stopwatch.elapsed());
}

const MOST_TEXT = 64 * 1024;

/** Holds a WebSocket open until the signal, with messages both ways, and opens it anew whenever it ends. */
export async function holdWebSocket(way: Way, recorder: Recorder): Promise<void> {
  const sent: number[] = [];
  const line = way.application.open({
    reached: (begun) => recorder.reached(begun),
    uploaded: (tick) => recorder.arrived({ at: way.stopwatch.elapsed(), sent: sent[tick] ?? null }),
  });
  while (!way.signal.aborted) {
    const wasOpen = await openWebSocket({ way, line, recorder }, sent);
    await pause(wasOpen ? 0 : AGAIN, way.signal);
  }
  line.close();
}

/** Resolves when the WebSocket is over; answers whether it ever was open. */
async function openWebSocket(channel: Channel, sent: number[]): Promise<boolean> {
  const { way, line, recorder } = channel;
  const { signal, stopwatch } = way;
  const begun = stopwatch.elapsed();
  const webSocket = dialWebSocket(way, `/socket/${line.id}`, begun);
  const stop = () => webSocket.terminate();
  signal.addEventListener('abort', stop);
  const note = (outcome: Outcome) => {
    if (!signal.aborted) recorder.attempt({ begun, ended: stopwatch.elapsed(), ...outcome });
  };
  const isOpen = await opening(way, webSocket, note);
  if (isOpen) await talk(channel, webSocket, sent);
  signal.removeEventListener('abort', stop);
  webSocket.terminate();
  return isOpen;
}

function dialWebSocket(way: Way, path: string, begun: number): WebSocket {
  const { gate, host } = way;
  const url = new URL(path, gate.url);
  url.protocol = gate.url.protocol === 'https:' ? 'wss:' : 'ws:';
  const options = { perMessageDeflate: false, handshakeTimeout: gate.timeout, maxPayload: MOST_TEXT };
  const headers = { host, ...headersOf(way, begun) };
  return new WebSocket(url, { ...options, ...tlsOf({ url, ca: gate.ca }, host), headers });
}

/** Resolves when the WebSocket is open, with true, or will not open. What went wrong first is what counts. */
function opening(way: Way, webSocket: WebSocket, note: (outcome: Outcome) => void): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  webSocket.once('open', () => resolve({ outcome: 'admitted', note: 'it answers 101' }));
  webSocket.once('unexpected-response', (request, { statusCode = 0, headers }) => {
    resolve(outcomeOf(way, { status: statusCode, headers, isOurs: false }));
    request.destroy();
  });
  webSocket.on('error', (error) => resolve({ outcome: 'failed', note: causeOf(error) }));
  return promise.then((outcome) => {
    note(outcome);
    return webSocket.readyState === WebSocket.OPEN;
  });
}

async function talk({ way, line, recorder }: Channel, webSocket: WebSocket, sent: number[]): Promise<void> {
  const { signal, stopwatch } = way;
  recorder.opened();
  const timer = setInterval(() => {
    const text = JSON.stringify({ tick: sent.length });
    sent.push(stopwatch.elapsed());
    webSocket.send(text, () => {});
  }, TICK);
  webSocket.on('message', (data: RawData) => {
    const tick = tickOf(String(data));
    recorder.arrived({ at: stopwatch.elapsed(), sent: tick === null ? null : line.sentAt(tick) });
  });
  await new Promise((resolve) => webSocket.once('close', resolve));
  clearInterval(timer);
  if (!signal.aborted) recorder.closed(stopwatch.elapsed());
}
