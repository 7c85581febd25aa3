import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { after, before, describe } from 'node:test';
import type Cloudflare from 'cloudflare';
import { pino } from 'pino';
import { createEdge } from '../../demo/edge.ts';
import { startTestApp, type TestApp } from './app.ts';
import { Browser, type Page } from './browser.ts';
import {
  type OpenIdClient,
  type OpenIdProvider,
  type Person,
  signIn,
  startOpenIdProvider,
} from './openid-provider.ts';
import { databases, type TestDatabase } from './postgres.ts';
import { exchange, type RawAnswer, toBytes } from './raw-http.ts';

/** What the server logged, newest last. */
export type LogLine = Readonly<Record<string, unknown>>;

/** An application that anyone may be asked to sign in to. */
export interface GatedApplication {
  readonly id: string;
  readonly aud: string;
  /** Its address, as a person types it: `http://app.localhost:8080/path`. */
  readonly site: string;
}

/** A user as the SDK answers it, with the fields that are always there. */
export interface KnownUser {
  readonly id: string;
  readonly email: string;
}

/**
 * The server with a provider, an application of which everyone is, and a proxy with forward-auth before it:
 * all that lies between a person and an application.
 */
export interface Gated extends AsyncDisposable {
  readonly app: TestApp;
  readonly database: TestDatabase;
  readonly sdk: Cloudflare;
  readonly account_id: string;
  readonly provider: OpenIdProvider;
  readonly providerId: string;
  readonly application: GatedApplication;
  /** `http://team.localhost:…`. */
  readonly team: string;
  /** `http://app.localhost:…`, which the proxy serves. */
  readonly site: string;
  /** Requests that reached the application. */
  readonly arrived: IncomingMessage[];
  readonly log: LogLine[];
  /** Somebody whom the provider knows and nobody else does yet. */
  person(claims?: Partial<Person>): Person;
  browser(): Browser;
  /** A browser that has opened the application as that person. */
  signedIn(person: Person, options?: { browser?: Browser; site?: string }): Promise<Browser>;
  /** Opens the application as a navigation. */
  open(browser: Browser, path?: string): Promise<Page>;
  user(person: Person): Promise<KnownUser>;
  createApplication(domain: string, more?: object): Promise<GatedApplication>;
  createProvider(provider: OpenIdProvider, settings?: object, name?: string): Promise<string>;
  /** The question of a trusted proxy, with nothing but these headers. */
  ask(headers: readonly (readonly [name: string, value: string])[]): Promise<RawAnswer>;
}

export const CALLBACK = '/cdn-cgi/access/callback';
export const LOGOUT = '/cdn-cgi/access/logout';
export const IDENTITY = '/cdn-cgi/access/get-identity';
export const AUTHORIZED = '/cdn-cgi/access/authorized';

/** The client of the team domain at a provider. */
export function clientOf(teamDomain: string): OpenIdClient {
  return {
    client_id: 'portcullis',
    client_secret: 'a secret for this test',
    redirect_uris: [`http://${teamDomain}${CALLBACK}`],
  };
}

/** Describes what holds on both databases: one world on each, for all tests of the body. */
export function gatedOnBothDatabases(title: string, body: (world: () => Gated) => void): void {
  for (const { name, create } of databases) {
    describe(`${title} (${name})`, () => {
      const set: { world?: Gated } = {};
      before(async () => {
        set.world = await startGated(await create());
      });
      after(async () => await set.world?.[Symbol.asyncDispose]());
      body(() => {
        assert.ok(set.world);
        return set.world;
      });
    });
  }
}

/** Takes the database over: it goes with the world. */
export async function startGated(database: TestDatabase, flags: readonly string[] = []): Promise<Gated> {
  await using stack = new AsyncDisposableStack();
  stack.use(database);
  const log: LogLine[] = [];
  const logger = pino({ level: 'trace', base: null }, { write: (line) => void log.push(JSON.parse(line)) });
  const app = stack.use(await startTestApp(database, { flags, logger }));
  const client = clientOf(app.teamDomain);
  const provider = stack.use(await startOpenIdProvider({ people: [], clients: [client] }));
  const arrived: IncomingMessage[] = [];
  const upstream = createServer((request, response) => {
    arrived.push(request.resume());
    response.end(`hello ${request.headers['cf-access-authenticated-user-email']}`);
  });
  const gate = new URL(`${app.origin}/portcullis/forward-auth`);
  const edge = createEdge({ gate, application: new URL(await serve(stack, upstream)) });
  const site = `http://app.localhost:${new URL(await serve(stack, edge)).port}`;
  const { account_id } = app.credentials;
  const sdk = app.sdk();
  const to = { sdk, account_id };
  const providerId = await createProvider(to, { provider, client });
  const application = await createApplication(to, new URL(site).host);
  const people = { made: 0 };
  const running = stack.move();
  const world: Gated = {
    app,
    database,
    sdk,
    account_id,
    provider,
    providerId,
    application,
    team: `http://${app.teamDomain}`,
    site,
    arrived,
    log,
    person: (claims = {}) => {
      people.made += 1;
      const sub = `person-${people.made}`;
      const person = { sub, email: `${sub}@example.com`, name: `Person ${people.made}`, ...claims };
      provider.people.push(person);
      return person;
    },
    browser: () => new Browser({ now: app.clock.now }),
    signedIn: async ({ sub, email }, { browser = world.browser(), site: to = site } = {}) => {
      const page = await signIn(browser, to, { login: sub });
      assert.equal(page.status, 200, page.text);
      assert.equal(page.text, `hello ${email}`);
      return browser;
    },
    open: (browser, path = '/') => browser.get(site + path),
    user: async ({ email }) => {
      const page = await sdk.zeroTrust.access.users.list({ account_id, email });
      const [user] = page.result;
      assert.ok(user?.id && user.email, `no user ${email}`);
      return { id: user.id, email: user.email };
    },
    createApplication: (domain, more) => createApplication(to, domain, more),
    createProvider: (other, settings, name) =>
      createProvider(to, { provider: other, client, settings, name }),
    ask: (headers) =>
      exchange(app.port, toBytes({ target: '/portcullis/forward-auth', headers }, `127.0.0.1:${app.port}`)),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
  return world;
}

/** Serves on a loopback port until the stack is disposed; answers the origin. */
async function serve(stack: AsyncDisposableStack, server: Server): Promise<string> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  stack.defer(async () => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return `http://127.0.0.1:${address.port}`;
}

interface Account {
  readonly sdk: Cloudflare;
  readonly account_id: string;
}

async function createProvider(
  { sdk, account_id }: Account,
  {
    provider,
    client,
    settings = {},
    name = `Provider ${new URL(provider.issuer).port}`,
  }: {
    provider: OpenIdProvider;
    client: OpenIdClient;
    settings?: object | undefined;
    name?: string | undefined;
  },
): Promise<string> {
  const { client_id, client_secret } = client;
  const endpoints = { auth_url: provider.authUrl, token_url: provider.tokenUrl, certs_url: provider.jwksUri };
  const created = await sdk.zeroTrust.identityProviders.create({
    account_id,
    name,
    type: 'oidc',
    config: { client_id, client_secret, ...endpoints, ...settings },
  });
  assert.ok(created.id);
  return created.id;
}

async function createApplication(
  { sdk, account_id }: Account,
  domain: string,
  more: object = {},
): Promise<GatedApplication> {
  const policies = [{ name: 'Everyone', decision: 'allow', include: [{ everyone: {} }] }];
  const asked = { account_id, name: domain, type: 'self_hosted', domain, policies, ...more };
  const created = await sdk.zeroTrust.access.applications.create(
    asked as Cloudflare.ZeroTrust.Access.ApplicationCreateParams,
  );
  assert.ok('aud' in created && created.aud && created.id);
  return { id: created.id, aud: created.aud, site: `http://${domain}` };
}
