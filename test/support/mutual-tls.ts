import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { after, before, describe } from 'node:test';
import type { ConnectionOptions } from 'node:tls';
import type Cloudflare from 'cloudflare';
import type { SelfsignedOptions } from 'selfsigned';
import { WebSocket } from 'ws';
import { startTestApp, type TestApp } from './app.ts';
import { Browser } from './browser.ts';
import { createPair, createPairFolder, type PairFolder, type TestPair, trust } from './certificates.ts';
import { askOver } from './http2.ts';
import { type OpenIdProvider, signIn, startOpenIdProvider } from './openid-provider.ts';
import { databases, type TestDatabase } from './postgres.ts';
import { type Echoed, valuesOf } from './proxied.ts';
import { createLog, type Log } from './tls-world.ts';
import { startUpstream, type Upstream } from './upstream.ts';

/** An application on a host of its own, which the built-in proxy leads to over TLS. */
export interface MutualApplication {
  readonly id: string;
  /** Without the port. */
  readonly hostname: string;
  /** With it. */
  readonly host: string;
}

export interface Asking {
  readonly client?: TestPair | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly path?: string;
  readonly http2?: boolean;
  /** Of the connection, beside all that. */
  readonly tls?: ConnectionOptions;
  readonly port?: number;
}

/** Hosts that browsers open: no wildcard counts directly below `localhost`. */
const SIGNED_IN = ['people', 'free', 'deleted', 'taken'].map((name) => `${name}.localhost`);

function namesOf(names: readonly string[]): Exclude<SelfsignedOptions['extensions'], undefined> {
  const altNames = names.map((value) => ({ type: 2, value }) as const);
  const address = { type: 7, ip: '127.0.0.1' } as const;
  return [
    { name: 'basicConstraints', cA: true },
    { name: 'subjectAltName', altNames: [...altNames, address] },
  ];
}

/** The server over TLS, before an application, where clients come directly: no proxy is trusted. */
export interface MutualTls extends AsyncDisposable {
  readonly app: TestApp;
  readonly sdk: Cloudflare;
  readonly account_id: string;
  readonly upstream: Upstream;
  readonly provider: OpenIdProvider;
  readonly pair: TestPair;
  readonly files: PairFolder;
  readonly log: Log;
  /** An application of which the policies are these. */
  createApplication(name: string, policies: readonly object[]): Promise<MutualApplication>;
  /** An authority of the account, for these hosts. Answers its id. */
  addAuthority(authority: TestPair, ...hostnames: readonly string[]): Promise<string>;
  /** The status that a program is answered, and what the application says of it. */
  ask(application: Pick<MutualApplication, 'host' | 'hostname'>, asking?: Asking): Promise<Asked>;
  /** The cookie of somebody who has signed in to the application, `people.localhost` for one, without a certificate. */
  signIn(application: MutualApplication): Promise<string>;
}

export interface Asked {
  readonly status: number;
  readonly text: string;
  /** Of the request as the application got it; empty where it got none. */
  readonly values: (name: string) => string[];
}

/** Takes the database over. */
export async function startMutualTls(
  database: TestDatabase,
  flags: readonly string[] = ['--trusted-proxy=192.0.2.1'],
): Promise<MutualTls> {
  await using stack = new AsyncDisposableStack();
  stack.use(database);
  const pair = await createPair({ extensions: namesOf(['localhost', 'team.localhost', ...SIGNED_IN]) });
  trust(pair);
  const files = stack.use(await createPairFolder(pair));
  const log = createLog();
  const { logger } = log;
  const app = stack.use(await startTestApp(database, { flags: [...files.flags, ...flags], logger }));
  const upstream = stack.use(await startUpstream());
  const team = `https://${app.teamDomain}`;
  const provider = stack.use(await startProvider(team));
  const { account_id } = app.credentials;
  const sdk = app.sdk();
  await createProvider(sdk, account_id, provider);
  const world = { app, sdk, account_id, upstream, provider, pair, files, log };
  const running = stack.move();
  return {
    ...world,
    createApplication: async (name, policies) => {
      const hostname = `${name}.localhost`;
      const host = `${hostname}:${app.port}`;
      const id = await createApplication(world, host, policies);
      return { id, hostname, host };
    },
    addAuthority: async ({ cert }, ...associated_hostnames) => {
      const named = { account_id, name: 'Authority', certificate: cert };
      const asked = { ...named, associated_hostnames: [...associated_hostnames] };
      const { id } = await sdk.zeroTrust.access.certificates.create(asked);
      return id ?? assert.fail();
    },
    ask: (application, asking = {}) => ask(app, application, asking),
    signIn: async ({ host }) => {
      const browser = new Browser({ now: app.clock.now });
      await signIn(browser, `https://${host}/`, { login: 'ana' });
      const cookies = browser.jar.cookiesFor(new URL(`https://${host}/`));
      const cookie = cookies.find(({ name }) => name === 'CF_Authorization') ?? assert.fail('not signed in');
      return `${cookie.name}=${cookie.value}`;
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** Describes what holds on both databases: one world on each, for all tests of the body. */
export function mutualTlsOnBothDatabases(title: string, body: (world: () => MutualTls) => void): void {
  for (const { name, create } of databases) {
    describe(`${title} (${name})`, () => {
      const set: { world?: MutualTls } = {};
      before(async () => {
        set.world = await startMutualTls(await create());
      });
      after(async () => await set.world?.[Symbol.asyncDispose]());
      body(() => set.world ?? assert.fail());
    });
  }
}

async function startProvider(team: string): Promise<OpenIdProvider> {
  const client = { client_id: 'portcullis', client_secret: 'a secret for this test' };
  return await startOpenIdProvider({
    people: [{ sub: 'ana', email: 'ana@example.com', name: 'Ana' }],
    clients: [{ ...client, redirect_uris: [`${team}/cdn-cgi/access/callback`] }],
  });
}

async function createProvider(sdk: Cloudflare, account_id: string, provider: OpenIdProvider): Promise<void> {
  const endpoints = { auth_url: provider.authUrl, token_url: provider.tokenUrl, certs_url: provider.jwksUri };
  const client = { client_id: 'portcullis', client_secret: 'a secret for this test' };
  const config = { ...client, ...endpoints };
  await sdk.zeroTrust.identityProviders.create({ account_id, name: 'Company login', type: 'oidc', config });
}

async function createApplication(
  { app, account_id, upstream }: Pick<MutualTls, 'app' | 'account_id' | 'upstream'>,
  host: string,
  policies: readonly object[],
): Promise<string> {
  const destinations = [{ type: 'public', uri: host, upstream: upstream.origin }];
  const body = { name: host, type: 'self_hosted', domain: host, destinations, policies };
  const made = await app.api('POST', `/accounts/${account_id}/access/apps`, { body });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  return made.body.result.id;
}

async function ask(
  app: TestApp,
  { host, hostname }: Pick<MutualApplication, 'host' | 'hostname'>,
  { client, headers = {}, path = '/echo', http2 = false, tls = {}, port = app.port }: Asking,
): Promise<Asked> {
  const to = { servername: hostname, rejectUnauthorized: false, ...client, ...tls };
  if (http2) {
    const session = connectHttp2(`https://127.0.0.1:${port}`, to).on('error', () => {});
    const answer = await askOver(session, { ':path': path, ':authority': host, ...headers });
    session.close();
    return toAsked(answer.status ?? 0, answer.text);
  }
  return await new Promise((resolve, reject) => {
    request(
      { host: '127.0.0.1', port, path, headers: { host, ...headers }, agent: false, ...to },
      async (answer) => resolve(toAsked(answer.statusCode ?? 0, await text(answer))),
    )
      .on('error', reject)
      .end();
  });
}

function toAsked(status: number, body: string): Asked {
  const echoed = status === 200 && body.startsWith('{') ? (JSON.parse(body) as Echoed) : { rawHeaders: [] };
  return { status, text: body, values: (name) => valuesOf(echoed.rawHeaders, name) };
}

/** A WebSocket to the application that has opened, at both of its ends. */
export interface MutualSocket {
  /** Says something, and tells whether the application heard it and answered. */
  isAlive(): Promise<boolean>;
  close(): void;
}

export async function openMutualSocket(
  { app }: MutualTls,
  { host, hostname }: MutualApplication,
  { client, headers = {} }: Pick<Asking, 'client' | 'headers'>,
): Promise<MutualSocket> {
  const webSocket = new WebSocket(`wss://127.0.0.1:${app.port}/socket`, {
    ...{ servername: hostname, rejectUnauthorized: false, ...client },
    headers: { host, ...headers },
    perMessageDeflate: false,
  });
  webSocket.on('error', () => {});
  await once(webSocket, 'open');
  const isAlive = async () => {
    if (webSocket.readyState !== WebSocket.OPEN) return false;
    const heard = new Promise<boolean>((resolve) => {
      webSocket.once('message', () => resolve(true)).once('close', () => resolve(false));
    });
    webSocket.send('are you there?');
    return await heard;
  };
  return { isAlive, close: () => webSocket.terminate() };
}
