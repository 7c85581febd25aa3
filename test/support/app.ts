import { readFile } from 'node:fs/promises';
import path from 'node:path';
import Cloudflare from 'cloudflare';
import { type Logger, pino } from 'pino';
import { type App, startApp } from '../../src/app.ts';
import { type Config, readConfig } from '../../src/config.ts';
import { type Clock, type Clocks, systemClocks } from '../../src/kernel/clock.ts';
import { freePort } from './free-port.ts';
import type { TestDatabase } from './postgres.ts';

/** What the first start wrote for the operator. */
export interface Credentials {
  base_url: string;
  account_id: string;
  zone_id: string;
  email: string;
  api_key: string;
  api_token: string;
}

/** The real time, and a way to move it. */
export interface TestClock extends Clock {
  advance(milliseconds: number): void;
}

export function createTestClock(): TestClock {
  let offset = 0;
  return {
    now: () => Date.now() + offset,
    advance: (by) => {
      offset += by;
    },
  };
}

/** The real server on a database of its own, listening on loopback. */
export interface TestApp extends AsyncDisposable {
  readonly app: App;
  readonly config: Config;
  readonly clock: TestClock;
  readonly credentials: Credentials;
  readonly origin: string;
  readonly port: number;
  readonly teamDomain: string;
  /** The official SDK with the account token, without retries unless asked. */
  sdk(options?: Partial<ConstructorParameters<typeof Cloudflare>[0]> & object): Cloudflare;
  /** The official SDK with the Global API Key. */
  keySdk(): Cloudflare;
  /** A plain request to the API with the account token, for what the SDK would never send. */
  api(method: string, target: string, init?: ApiInit): Promise<ApiAnswer>;
  /** Stops it; the database stays. */
  close(): Promise<void>;
}

export interface ApiInit {
  /** Sent as JSON unless it is a string or bytes. */
  body?: unknown;
  headers?: Record<string, string>;
  /** null: no credential. */
  token?: string | null;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape, asserted on by the tests
  readonly body: any;
}

const { now: wallClock } = Date;

/** By which leases are measured: the machine's own, also where a test has put another `Date` in its place. */
const untouchedClocks: Clocks = { ...systemClocks, wall: () => wallClock() };

/** Starts the server on a test database; a second start on the same one finds what the first left. */
export async function startTestApp(
  database: TestDatabase,
  {
    flags = [],
    clock = createTestClock(),
    logger = pino({ level: 'silent' }),
  }: { flags?: readonly string[]; clock?: TestClock; logger?: Logger } = {},
): Promise<TestApp> {
  const port = await freePort();
  const reading = readConfig(
    [
      `--listen=127.0.0.1:${port}`,
      `--data=${database.folder}`,
      ...(database.url ? [`--database-url=${database.url}`] : []),
      '--metrics-listen=off',
      '--log-level=silent',
      '--rate-limit=off',
      // A machine that is busy with tests must not end the right to decide in the middle of one.
      ...(flags.some((flag) => flag.startsWith('--lease')) ? [] : ['--lease=30']),
      ...(flags.some((flag) => flag.startsWith('--trusted-proxy')) ? [] : ['--trusted-proxy=127.0.0.0/8']),
      ...flags,
    ],
    {},
  );
  if (!reading.ok) throw new Error(reading.problems.join('\n'));
  const { config } = reading;
  const app = await startApp(config, { clock, logger, clocks: untouchedClocks });
  const credentials = JSON.parse(
    await readFile(path.join(database.folder, 'credentials.json'), 'utf8'),
  ) as Credentials;
  const origin = `${config.tls ? 'https' : 'http'}://127.0.0.1:${port}`;
  const base = {
    baseURL: `${origin}/client/v4`,
    maxRetries: 0,
    apiToken: null,
    apiEmail: null,
    apiKey: null,
  };
  return {
    app,
    config,
    clock,
    credentials,
    origin,
    port,
    teamDomain: app.teamDomain,
    sdk: (options = {}) => new Cloudflare({ ...base, apiToken: credentials.api_token, ...options }),
    keySdk: () => new Cloudflare({ ...base, apiEmail: credentials.email, apiKey: credentials.api_key }),
    api: (method, target, init) => call(origin, { method, target, ...init }, credentials.api_token),
    close: () => app.close(),
    [Symbol.asyncDispose]: () => app.close(),
  };
}

async function call(
  origin: string,
  { method, target, body, headers = {}, token }: ApiInit & { method: string; target: string },
  usual: string,
): Promise<ApiAnswer> {
  const raw = typeof body === 'string' || body instanceof Uint8Array;
  const response = await fetch(`${origin}/client/v4${target}`, {
    method,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === null ? {} : { authorization: `Bearer ${token ?? usual}` }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: raw ? (body as string) : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
}
