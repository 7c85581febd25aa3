import { once } from 'node:events';
import { createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type Logger, pino } from 'pino';
import { startTestApp, type TestApp } from './app.ts';
import { createPair, createPairFolder, type PairFolder, type TestPair, trust } from './certificates.ts';
import { type OpenIdProvider, startOpenIdProvider } from './openid-provider.ts';
import { databases } from './postgres.ts';

/** The server with a certificate that this process trusts, on a database that does not matter here. */
export interface TlsServer extends AsyncDisposable {
  readonly app: TestApp;
  readonly pair: TestPair;
  readonly files: PairFolder;
  readonly log: Log;
}

type LogLine = Readonly<Record<string, unknown>>;

/** What a server logs. */
export interface Log {
  readonly logger: Logger;
  /** Newest last. */
  readonly lines: readonly LogLine[];
  /** The first line that has or will have this message, of those that come after the first `seen`. */
  until(message: string, seen?: number): Promise<LogLine>;
}

export function createLog(): Log {
  const lines: LogLine[] = [];
  let more = Promise.withResolvers<void>();
  const write = (line: string) => {
    lines.push(JSON.parse(line));
    more.resolve();
    more = Promise.withResolvers();
  };
  return {
    logger: pino({ level: 'trace', base: null }, { write }),
    lines,
    until: async (message, seen = 0) => {
      for (;;) {
        const found = lines.slice(seen).find(({ msg }) => msg === message);
        if (found) return found;
        await more.promise;
      }
    },
  };
}

export async function startTlsServer(flags: readonly string[] = []): Promise<TlsServer> {
  await using stack = new AsyncDisposableStack();
  const pair = await createPair();
  trust(pair);
  const files = stack.use(await createPairFolder(pair));
  const [kind] = databases;
  if (!kind) throw new Error('there is no kind of database');
  const database = stack.use(await kind.create());
  const log = createLog();
  const { logger } = log;
  const app = stack.use(await startTestApp(database, { flags: [...files.flags, ...flags], logger }));
  const running = stack.move();
  return { app, pair, files, log, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

/** All that lies between a person and an application, over TLS, with forward-auth before the application. */
export interface TlsWorld extends TlsServer {
  readonly provider: OpenIdProvider;
  /** `https://team.localhost:…` and `https://app.localhost:…`. */
  readonly team: string;
  readonly site: string;
  /** An application that everyone may use, before this upstream, on `https://wiki.localhost:…` of the server itself. */
  createWiki(upstream: string): Promise<string>;
}

/** One person is known to the provider, `ana`; everyone may use the application. */
export async function startTlsWorld(): Promise<TlsWorld> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startTlsServer());
  const { app } = server;
  const team = `https://${app.teamDomain}`;
  const client = {
    client_id: 'portcullis',
    client_secret: 'a secret for this test',
    redirect_uris: [`${team}/cdn-cgi/access/callback`],
  };
  const people = [{ sub: 'ana', email: 'ana@example.com', name: 'Ana' }];
  const provider = stack.use(await startOpenIdProvider({ people, clients: [client] }));
  const edge = createEdge(`${app.origin}/portcullis/forward-auth`, server.pair).listen(0, '127.0.0.1');
  stack.defer(() => {
    edge.close();
    edge.closeAllConnections();
  });
  await once(edge, 'listening');
  const site = `https://app.localhost:${(edge.address() as AddressInfo).port}`;
  await createProvider(app, provider, client);
  await createApplication(app, new URL(site).host);
  const running = stack.move();
  const createWiki = async (upstream: string) => {
    const uri = `wiki.localhost:${app.port}`;
    await createApplication(app, uri, { destinations: [{ type: 'public', uri, upstream }] });
    return `https://${uri}`;
  };
  return { ...server, provider, team, site, createWiki, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

async function createProvider(
  app: TestApp,
  provider: OpenIdProvider,
  { client_id, client_secret }: { client_id: string; client_secret: string },
): Promise<void> {
  const endpoints = { auth_url: provider.authUrl, token_url: provider.tokenUrl, certs_url: provider.jwksUri };
  await app.sdk().zeroTrust.identityProviders.create({
    account_id: app.credentials.account_id,
    name: 'Company login',
    type: 'oidc',
    config: { client_id, client_secret, ...endpoints },
  });
}

async function createApplication(app: TestApp, domain: string, more: object = {}): Promise<void> {
  const { account_id } = app.credentials;
  const sdk = app.sdk();
  const policies = [{ name: 'Everyone', decision: 'allow', include: [{ everyone: {} }] }];
  const asked = { account_id, name: domain, type: 'self_hosted', domain, policies, ...more };
  await sdk.zeroTrust.access.applications.create(
    asked as Parameters<typeof sdk.zeroTrust.access.applications.create>[0],
  );
}

/** A reverse proxy that ends TLS, asks the gate about each request, and is the application as well. */
function createEdge(gate: string, pair: TestPair) {
  return createServer(pair, ({ method, url, headers }, response) => {
    const { host, ...rest } = headers;
    const asked = {
      ...rest,
      'x-forwarded-method': method,
      'x-forwarded-proto': 'https',
      'x-forwarded-host': host,
      'x-forwarded-uri': url,
    };
    request(gate, { headers: asked }, (verdict) => {
      if (verdict.statusCode !== 200) {
        response.writeHead(verdict.statusCode ?? 502, verdict.rawHeaders);
        return void verdict.pipe(response);
      }
      verdict.resume();
      response.end(`hello ${verdict.headers['cf-access-authenticated-user-email']}`);
    })
      .on('error', () => response.writeHead(502).end())
      .end();
  });
}
