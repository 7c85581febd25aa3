import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { after, before, test } from 'node:test';
import { allowAll, createApplication, oidc, startProvider } from './support/access.ts';
import { startTestApp, type TestApp } from './support/app.ts';
import { NAVIGATION, signInByAsking } from './support/asked-sign-in.ts';
import type { OpenIdProvider } from './support/openid-provider.ts';
import { databases, type TestDatabase } from './support/postgres.ts';

/*
 * The question as Traefik's ForwardAuth asks it, and the answers that docs/traefik/portcullis.yml counts on.
 * Traefik itself is not run.
 */

const SITE = new URL('http://app.localhost');
const file = readFileSync(new URL('../docs/traefik/portcullis.yml', import.meta.url), 'utf8');

let database: TestDatabase;
let provider: OpenIdProvider;
let app: TestApp;

before(async () => {
  const [kind] = databases;
  assert.ok(kind);
  database = await kind.create();
  app = await startTestApp(database);
  provider = await startProvider(app, [{ sub: 'ana', email: 'ana@example.com' }]);
  const { account_id } = app.credentials;
  await app.sdk().zeroTrust.identityProviders.create({ account_id, ...oidc(provider) });
  await createApplication(app, { domain: SITE.host, policies: [allowAll] });
});

after(async () => {
  await provider?.close();
  await app?.close();
  await database?.drop();
});

test('whoever has no session is answered with something other than 2xx', async () => {
  assert.equal((await ask('/', NAVIGATION)).statusCode, 302);
  assert.equal((await ask('/', {})).statusCode, 401);
  assert.equal((await ask('/%2e%2e/', NAVIGATION)).statusCode, 403);
});

test('an admission carries exactly the headers that the file takes over', async () => {
  const answer = await ask('/', {
    ...NAVIGATION,
    cookie: `${await signInByAsking(ask, SITE, 'ana')}; theme=dark`,
  });
  assert.equal(answer.statusCode, 200);
  assert.equal(answer.headers['cf-access-authenticated-user-email'], 'ana@example.com');
  assert.ok(answer.headers['cf-access-jwt-assertion']);
  assert.equal(answer.headers.cookie, 'theme=dark');
  const taken = [...file.matchAll(/^ {10}- ([A-Z][\w-]+)$/gm)].map(([, name = '']) => name.toLowerCase());
  const identity = Object.keys(answer.headers).filter((name) => /^cf-|^cookie$/.test(name));
  assert.deepEqual(taken.sort(), identity.sort());
});

test('only plain reads are asked about; everything else goes through the proxy of Portcullis', () => {
  const reads = /^ {4}reads:\n(.*?)^ {4}\w/ms.exec(file)?.[1] ?? '';
  for (const part of [
    'Method(`GET`)',
    'Method(`HEAD`)',
    '`Upgrade`',
    '`Content-Length`',
    'event-stream',
    '/cdn-cgi/access/',
  ]) {
    assert.ok(reads.includes(part), part);
  }
  const priorities = [...file.matchAll(/priority: (\d+)/g)].map(([, priority]) => Number(priority));
  assert.deepEqual(priorities, [20, 10]);
  const through = /^ {4}through:\n(.*?)^$/ms.exec(file)?.[1] ?? '';
  assert.match(through, /service: portcullis/);
  assert.doesNotMatch(through, /middlewares/);
});

test('the file asks at the path where the gate answers', async () => {
  const address = /address: "http:\/\/127\.0\.0\.1:8787(\/\S+)"/.exec(file)?.[1];
  assert.equal(address, PATH);
});

const PATH = '/portcullis/forward-auth';

/** What Traefik sends for a GET of that target: the client's headers, and its own. */
async function ask(target: string, headers: Record<string, string>): Promise<IncomingMessage> {
  const own = {
    'x-forwarded-for': '192.0.2.7',
    'x-forwarded-host': SITE.host,
    'x-forwarded-method': 'GET',
    'x-forwarded-port': '80',
    'x-forwarded-proto': 'http',
    'x-forwarded-server': 'proxy',
    'x-forwarded-uri': target,
    'x-real-ip': '192.0.2.7',
  };
  const request = get({
    host: '127.0.0.1',
    port: app.port,
    path: PATH,
    headers: { ...headers, ...own },
    agent: false,
  });
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  return answer.resume();
}
