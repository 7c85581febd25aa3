import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { after, before, test } from 'node:test';
import { allowAll, createApplication, oidc, startProvider } from './support/access.ts';
import { startTestApp, type TestApp } from './support/app.ts';
import { NAVIGATION, signInByAsking } from './support/asked-sign-in.ts';
import type { OpenIdProvider } from './support/openid-provider.ts';
import { databases, type TestDatabase } from './support/postgres.ts';

/*
 * The question as Envoy's ext_authz asks it over HTTP, and the answers that docs/envoy/envoy.yaml counts on. Envoy
 * itself is not run.
 */

const SITE = new URL('http://app.localhost');
const SECRET = 'a secret between Envoy and the gate';
const file = readFileSync(new URL('../docs/envoy/envoy.yaml', import.meta.url), 'utf8');

const ASKED = listOf('allowed_headers');
const UPSTREAM = listOf('allowed_upstream_headers');
const CLIENT = listOf('allowed_client_headers');
const PREFIX = /path_prefix: (\S+)/.exec(file)?.[1] ?? '';

let database: TestDatabase;
let provider: OpenIdProvider;
let app: TestApp;
let cookie: string;

before(async () => {
  const [kind] = databases;
  assert.ok(kind);
  database = await kind.create();
  app = await startTestApp(database, { flags: [`--forward-auth-secret=${SECRET}`] });
  provider = await startProvider(app, [{ sub: 'ana', email: 'ana@example.com' }]);
  const { account_id } = app.credentials;
  await app.sdk().zeroTrust.identityProviders.create({ account_id, ...oidc(provider) });
  await createApplication(app, { domain: SITE.host, policies: [allowAll] });
  cookie = await signInByAsking((target, headers) => ask({ target, headers }), SITE, 'ana');
});

after(async () => {
  await provider?.close();
  await app?.close();
  await database?.drop();
});

test('an admission is exactly 200, whatever the method, and carries what the file takes over', async () => {
  for (const method of ['GET', 'HEAD', 'POST', 'DELETE', 'OPTIONS']) {
    const { statusCode, headers } = await ask({ method, headers: { cookie: `${cookie}; theme=dark` } });
    assert.equal(statusCode, 200);
    assert.equal(headers['cf-access-authenticated-user-email'], 'ana@example.com');
    assert.equal(headers.cookie, 'theme=dark');
    const identity = Object.keys(headers).filter((name) => /^cf-|^cookie$/.test(name));
    assert.deepEqual(identity.sort(), UPSTREAM.toSorted());
  }
  const { headers } = await ask({ headers: { cookie } });
  assert.equal(headers.cookie, '', 'what is empty is said, so that it replaces what the client sent');
});

test('a refusal is never 200, and all of it that matters gets through to the client', async () => {
  const page = await ask({ headers: NAVIGATION });
  assert.equal(page.statusCode, 302);
  const program = await ask({ headers: {} });
  assert.equal(program.statusCode, 401);
  const denied = await ask({ target: '/%2e%2e/', headers: NAVIGATION });
  assert.equal(denied.statusCode, 403);
  const said = [page, program, denied].flatMap(({ headers }) => Object.keys(headers));
  // Of the connection, and what only our own listener says.
  const others = ['date', 'connection', 'keep-alive', 'content-length', 'x-content-type-options'];
  assert.deepEqual(
    [...new Set(said)].filter((name) => !CLIENT.includes(name) && !others.includes(name)),
    [],
  );
});

test('what the question needs of the client is in the list of the file', async () => {
  const needed = [
    'cookie',
    'accept',
    'sec-fetch-mode',
    'sec-fetch-site',
    'x-requested-with',
    'cf-access-token',
    'portcullis-device-proof',
  ];
  const proxys = ['x-forwarded-proto', 'x-forwarded-for'];
  const service = ['cf-access-client-id', 'cf-access-client-secret'];
  assert.deepEqual(ASKED.toSorted(), [...needed, ...proxys, ...service].sort());
});

test('without the secret, or with another one, nothing is answered as a question', async () => {
  for (const secret of [null, '', 'another secret, which is as long as the right one']) {
    const { statusCode, headers } = await ask({ secret, headers: { cookie } });
    assert.notEqual(statusCode, 200);
    assert.equal(headers['cf-access-jwt-assertion'], undefined);
  }
});

test('the file fails closed, asks where the gate answers, and overrides the secret of a client', () => {
  assert.equal(PREFIX, '/portcullis/forward-auth/envoy');
  assert.match(file, /failure_mode_allow: false/);
  assert.match(file, /headers_to_add:\n +- \{ key: x-portcullis-forward-auth-secret, value: SECRET \}/);
  assert.ok(!ASKED.includes('x-portcullis-forward-auth-secret'));
});

test('when the user is deleted the next question is refused', async () => {
  const { account_id } = app.credentials;
  const { users } = app.sdk().zeroTrust.access;
  for await (const user of users.list({ account_id })) await users.delete(user.id ?? '', { account_id });
  assert.equal((await ask({ headers: { cookie } })).statusCode, 401);
});

/** The names below a key of the file. */
function listOf(key: string): string[] {
  const block = new RegExp(`^( +)${key}:\\n\\1  patterns:\\n((?:\\1    - exact: \\S+\\n)+)`, 'm').exec(file);
  return [...(block?.[2] ?? '').matchAll(/exact: (\S+)/g)].map(([, name = '']) => name);
}

interface Asked {
  readonly method?: string;
  readonly target?: string;
  readonly headers: Record<string, string>;
  readonly secret?: string | null;
}

/** What Envoy sends: the request line below the prefix, the host, and of the headers those that the file allows. */
async function ask({
  method = 'GET',
  target = '/',
  headers,
  secret = SECRET,
}: Asked): Promise<IncomingMessage> {
  const sent = { ...headers, 'x-forwarded-proto': 'http', 'x-forwarded-for': '192.0.2.7' };
  const allowed = Object.entries(sent).filter(([name]) => ASKED.includes(name));
  const own = { host: SITE.host, 'content-length': '0' };
  const added = secret === null ? {} : { 'x-portcullis-forward-auth-secret': secret };
  const asking = request({
    host: '127.0.0.1',
    port: app.port,
    method,
    path: PREFIX + target,
    headers: { ...Object.fromEntries(allowed), ...own, ...added },
    agent: false,
  });
  asking.end();
  const [answer] = (await once(asking, 'response')) as [IncomingMessage];
  return answer.resume();
}
