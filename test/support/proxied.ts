import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { after, before, describe } from 'node:test';
import { WebSocket } from 'ws';
import type { Browser } from './browser.ts';
import { type Gated, type GatedApplication, startGated } from './gated.ts';
import type { Person } from './openid-provider.ts';
import { databases, type TestDatabase } from './postgres.ts';
import { startUpstream, type Upstream } from './upstream.ts';

/** A gated world with an application that the built-in proxy leads to. */
export interface Proxied extends AsyncDisposable {
  readonly world: Gated;
  readonly upstream: Upstream;
  readonly application: GatedApplication;
  /** Of the application, with the port of the server itself. */
  readonly host: string;
  /** An application on a host of its own, before this upstream unless told otherwise. */
  createApplication(name: string, more?: object, upstream?: string): Promise<GatedApplication>;
  /** The cookie of somebody who has signed in to the application by the proxy. */
  signedIn(person?: Person, application?: GatedApplication): Promise<SignedIn>;
}

export interface SignedIn {
  readonly person: Person;
  readonly browser: Browser;
  /** `CF_Authorization=…`. */
  readonly cookie: string;
}

export async function startProxied(database: TestDatabase, flags: readonly string[] = []): Promise<Proxied> {
  await using stack = new AsyncDisposableStack();
  const upstream = stack.use(await startUpstream());
  const world = stack.use(await startGated(database, flags));
  const createApplication: Proxied['createApplication'] = (name, more = {}, to = upstream.origin) => {
    const uri = `${name}.localhost:${world.app.port}`;
    return world.createApplication(uri, { destinations: [{ type: 'public', uri, upstream: to }], ...more });
  };
  const application = await createApplication('direct');
  const running = stack.move();
  return {
    world,
    upstream,
    application,
    host: new URL(application.site).host,
    createApplication,
    signedIn: async (person = world.person(), to = application) => {
      const browser = await world.signedIn(person, { site: to.site });
      const cookie = browser.jar.cookiesFor(new URL(to.site)).find(({ name }) => name === 'CF_Authorization');
      assert.ok(cookie);
      return { person, browser, cookie: `${cookie.name}=${cookie.value}` };
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** Describes what holds on both databases: one world on each, for all tests of the body. */
export function proxiedOnBothDatabases(title: string, body: (proxied: () => Proxied) => void): void {
  for (const { name, create } of databases) {
    describe(`${title} (${name})`, () => {
      const set: { proxied?: Proxied } = {};
      before(async () => {
        set.proxied = await startProxied(await create());
      });
      after(async () => await set.proxied?.[Symbol.asyncDispose]());
      body(() => {
        assert.ok(set.proxied);
        return set.proxied;
      });
    });
  }
}

type Place = Pick<Proxied, 'world' | 'host'>;

export interface Asking {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
}

/** Begins a request to a host of the server; its body is the caller's. */
export function begin(proxied: Place, path: string, { method = 'GET', headers = {} }: Asking): ClientRequest {
  const request = httpRequest({
    host: '127.0.0.1',
    port: proxied.world.app.port,
    path,
    method,
    headers: { host: proxied.host, ...headers },
    agent: false,
  });
  request.on('error', () => {});
  return request;
}

export async function answerOf(request: ClientRequest): Promise<IncomingMessage> {
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  answer.on('error', () => {});
  return answer;
}

/** A whole request and its whole answer. */
export async function ask(
  proxied: Proxied,
  path: string,
  asking: Asking & { body?: string | Uint8Array } = {},
) {
  const request = begin(proxied, path, asking);
  request.end(asking.body);
  const answer = await answerOf(request);
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  const { statusCode: status = 0, headers, rawHeaders, rawTrailers } = answer;
  const bytes = Buffer.concat(chunks);
  return { status, headers, rawHeaders, rawTrailers, bytes, text: bytes.toString() };
}

/** What the application says it was asked, at /echo. */
export interface Echoed {
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: readonly string[];
  readonly body: string;
  readonly rawTrailers: readonly string[];
}

export async function echo(
  proxied: Proxied,
  asking: Asking & { body?: string; path?: string },
): Promise<Echoed & { values: (name: string) => string[] }> {
  const answer = await ask(proxied, asking.path ?? '/echo', asking);
  assert.equal(answer.status, 200, answer.text);
  const echoed = JSON.parse(answer.text) as Echoed;
  return { ...echoed, values: (name) => valuesOf(echoed.rawHeaders, name) };
}

export function valuesOf(rawHeaders: readonly string[], name: string): string[] {
  return rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === name);
}

/** A WebSocket to the application that has opened. */
export async function openWebSocket(
  proxied: Place,
  { headers, path = '/socket' }: { headers: Readonly<Record<string, string>>; path?: string },
): Promise<WebSocket> {
  const webSocket = new WebSocket(`ws://127.0.0.1:${proxied.world.app.port}${path}`, {
    headers: { host: proxied.host, ...headers },
    perMessageDeflate: false,
  });
  webSocket.on('error', () => {});
  await once(webSocket, 'open');
  return webSocket;
}

/** Sends bytes as they are, and answers what came back until the connection ended. */
export async function sendRaw(proxied: Proxied, bytes: string | Uint8Array): Promise<string> {
  const socket = connect(proxied.world.app.port, '127.0.0.1');
  socket.on('error', () => {});
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  await once(socket, 'close');
  return Buffer.concat(chunks).toString('latin1');
}
