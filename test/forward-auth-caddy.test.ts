import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { after, before, beforeEach, describe, test } from 'node:test';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { allowAll, createApplication, oidc, startProvider } from './support/access.ts';
import { startTestApp } from './support/app.ts';
import { Browser } from './support/browser.ts';
import { caddyIsMissing, startCaddy } from './support/caddy.ts';
import { freePort } from './support/free-port.ts';
import { signIn } from './support/openid-provider.ts';
import { databases } from './support/postgres.ts';

/** What a client might say of itself, in the spellings that some application takes for the real header. */
const FORGED = {
  'cf-access-authenticated-user-email': 'forged@example.com',
  'cf-access-jwt-assertion': 'forged',
  Cf_Access_Jwt_Assertion: 'forged',
  'CF_ACCESS-Authenticated_User_Email': 'forged',
  'cf-access_jwt_assertion': 'forged',
  'cf.access.jwt.assertion': 'forged',
  'cf.access-authenticated-user-email': 'forged',
};

/** What a program sends that is no browser. */
const PROGRAM = { 'sec-fetch-mode': null, accept: 'application/json' };

describe('an application behind the real Caddy, with the configuration in docs/', {
  skip: caddyIsMissing(),
}, () => {
  let world: Awaited<ReturnType<typeof build>>;
  before(async () => {
    world = await build();
  });
  after(async () => await world?.[Symbol.asyncDispose]());
  beforeEach(() => {
    world.arrived.length = 0;
  });

  test('without a session a browser is sent to sign in and a program is told 401', async () => {
    const browser = new Browser();
    const page = await browser.get(`${world.site}/reports?year=1`);
    assert.equal(page.status, 302);
    assert.equal(page.location?.origin, world.team);
    assert.equal(page.location?.searchParams.get('redirect_url'), '/reports?year=1');
    assert.equal((await browser.get(`${world.site}/reports`, PROGRAM)).status, 401);
    assert.deepEqual(world.arrived, []);
  });

  test('forged identity headers admit nobody', async () => {
    assert.equal((await new Browser().get(world.site, FORGED)).status, 302);
    assert.equal((await new Browser().get(world.site, { ...FORGED, ...PROGRAM })).status, 401);
    assert.deepEqual(world.arrived, []);
  });

  test('the team domain has the sign-in pages and nothing else of the server', async () => {
    const browser = new Browser();
    assert.equal((await browser.get(`${world.team}/cdn-cgi/access/certs`)).status, 200);
    for (const path of ['/client/v4/openapi.json', '/healthz', '/portcullis/forward-auth', '/']) {
      assert.equal((await browser.get(world.team + path)).status, 404, path);
    }
  });

  test('after sign-in the application is told who it is, signed for it alone', async () => {
    const browser = await world.signIn('ana');
    assert.equal((await browser.get(world.site)).status, 200);
    assert.deepEqual(world.seen('cf-access-authenticated-user-email'), ['ana@example.com']);
    const [assertion = '', ...more] = world.seen('cf-access-jwt-assertion');
    assert.deepEqual(more, []);
    const keys = JSON.parse((await browser.get(`${world.team}/cdn-cgi/access/certs`)).text) as JSONWebKeySet;
    const expected = { issuer: world.team, audience: world.aud ?? '' };
    const { payload } = await jwtVerify(assertion, createLocalJWKSet(keys), expected);
    assert.equal(payload.email, 'ana@example.com');
    assert.ok(Number(payload.exp) - Number(payload.iat) <= 300);
  });

  test('what a client says of itself never reaches the application, in whatever spelling', async () => {
    const browser = await world.signIn('ana');
    assert.equal((await browser.get(world.site, FORGED)).status, 200);
    const said = world.arrived
      .flatMap(({ headers }) => headers)
      .filter(([name]) => /^cf\W?_?access/i.test(name));
    assert.deepEqual(said.map(([name]) => name).sort(), [
      'Cf-Access-Authenticated-User-Email',
      'Cf-Access-Jwt-Assertion',
    ]);
    assert.ok(said.every(([, value]) => !value.includes('forged')));
  });

  test('a client cannot have the identity dropped by naming it as a header of the connection', async () => {
    const browser = await world.signIn('ana');
    const connection = 'close, cf-access-jwt-assertion, cf-access-authenticated-user-email';
    assert.equal((await browser.get(world.site, { connection })).status, 200);
    assert.deepEqual(world.seen('cf-access-authenticated-user-email'), ['ana@example.com']);
  });

  test('the session stays with the gate: its cookies and its header go, other cookies stay', async () => {
    const browser = await world.signIn('ana');
    const cookies = browser.jar.cookiesFor(new URL(world.site)).map(({ name, value }) => `${name}=${value}`);
    assert.equal(cookies.length, 2);
    await browser.get(world.site, { cookie: ['theme=dark', ...cookies, 'CF_Other=1'].join('; ') });
    assert.deepEqual(world.seen('cookie'), ['theme=dark; CF_Other=1']);
    const token = cookies.find((cookie) => cookie.startsWith('CF_Authorization='))?.split('=')[1] ?? '';
    assert.equal((await new Browser().get(world.site, { 'cf-access-token': token })).status, 200);
    assert.deepEqual(world.seen('cf-access-token'), []);
  });

  test('a request with a body arrives as it was sent', async () => {
    const browser = await world.signIn('ana');
    await browser.request(`${world.site}/form?a=%2B`, { method: 'POST', body: 'x'.repeat(100_000) });
    const [one] = world.arrived;
    assert.deepEqual([one?.method, one?.target, one?.body.length], ['POST', '/form?a=%2B', 100_000]);
  });

  test('no connection is upgraded, since it would outlive a removal', async () => {
    const browser = await world.signIn('ana');
    const upgrade = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' };
    assert.equal((await browser.get(world.site, upgrade)).status, 200);
    assert.deepEqual(world.seen('upgrade'), []);
  });

  test('a client cannot ask about another path than the one it wants', async () => {
    const browser = await world.signIn('ana');
    for (const name of ['x-forwarded-uri', 'x_forwarded_uri', 'x-original-url', 'x-forwarded-prefix']) {
      const page = await browser.get(`${world.site}/closed/file`, { [name]: '/' });
      assert.equal(page.location?.searchParams.get('redirect_url'), '/closed/file', name);
    }
    for (const path of ['/x/../closed/', '/./closed', '/%63losed/', '/closed/../closed/']) {
      assert.equal(await statusOf(browser, { site: world.site, path }), 302, path);
    }
    for (const path of ['//closed/', '/x%2f..%2fclosed/', '/closed;/', '/%2563losed/', '/x/..\\closed/']) {
      assert.equal(await statusOf(browser, { site: world.site, path }), 403, path);
    }
    assert.deepEqual(world.arrived, []);
  });

  test('the endpoints of the gate answer on the host of the application, which sees none of it', async () => {
    const browser = await world.signIn('ana');
    const identity = await browser.follow(`${world.site}/cdn-cgi/access/get-identity`);
    assert.equal(JSON.parse(identity.text).email, 'ana@example.com');
    const out = await browser.get(`${world.site}/cdn-cgi/access/logout`);
    assert.equal(out.location?.href, `${world.team}/cdn-cgi/access/logout`);
    assert.equal((await browser.get(world.site)).status, 302);
    assert.deepEqual(world.arrived, []);
  });

  test('when a user is deleted the next request is refused, and nobody else notices', async () => {
    const ana = await world.signIn('ana');
    const ben = await world.signIn('ben');
    await world.deleteUser('ana@example.com');
    assert.equal((await ana.get(world.site)).status, 302);
    assert.equal((await ana.get(world.site, PROGRAM)).status, 401);
    assert.deepEqual(world.arrived, []);
    assert.equal((await ben.get(world.site)).status, 200);
  });

  test('when the gate does not answer, nothing passes', async () => {
    const ben = await world.signIn('ben');
    await world.stopGate();
    assert.equal((await ben.get(world.site)).status, 502);
    assert.deepEqual(world.arrived, []);
  });
});

/** A request as it reached the application. */
interface Arrived {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly [name: string, value: string][];
  readonly body: string;
}

/** Portcullis, a provider, an application with a part that is closed to all, and Caddy before them. */
async function build() {
  await using stack = new AsyncDisposableStack();
  const [kind] = databases;
  assert.ok(kind);
  const database = stack.use(await kind.create());
  const port = await freePort();
  const team = `http://team.localhost:${port}`;
  const site = `http://app.localhost:${port}`;
  const app = stack.use(await startTestApp(database, { flags: [`--team-domain=${new URL(team).host}`] }));
  const arrived: Arrived[] = [];
  const upstream = stack.adopt(await startApplication(arrived), (server) => {
    server.close().closeAllConnections();
  });
  const { port: upstreamPort } = upstream.address() as { port: number };
  const values = {
    TEAM_DOMAIN: team,
    APP_DOMAIN: site,
    APP_UPSTREAM: `127.0.0.1:${upstreamPort}`,
    GATE_UPSTREAM: `127.0.0.1:${app.port}`,
  };
  stack.use(await startCaddy({ folder: database.folder, values }));
  const people = ['ana', 'ben'].map((sub) => ({ sub, email: `${sub}@example.com` }));
  const provider = stack.use(await startProvider(app, people));
  const sdk = app.sdk();
  const { account_id } = app.credentials;
  await sdk.zeroTrust.identityProviders.create({ account_id, ...oidc(provider) });
  const domain = new URL(site).host;
  const { aud } = await createApplication(app, { domain, policies: [allowAll] });
  const denyAll = { ...allowAll, decision: 'deny' };
  await createApplication(app, { domain: `${domain}/closed`, policies: [denyAll] });
  const running = stack.move();
  return {
    team,
    site,
    aud,
    arrived,
    /** The values of a header in the newest request that reached the application. */
    seen: (name: string) =>
      (arrived.at(-1)?.headers ?? []).filter((one) => one[0].toLowerCase() === name).map((one) => one[1]),
    signIn: async (login: string) => {
      const browser = new Browser();
      const page = await signIn(browser, site, { login });
      assert.equal(page.status, 200, page.text);
      arrived.length = 0;
      return browser;
    },
    deleteUser: async (email: string) => {
      for await (const user of sdk.zeroTrust.access.users.list({ account_id, email }))
        await sdk.zeroTrust.access.users.delete(user.id ?? '', { account_id });
    },
    stopGate: () => app.close(),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

async function startApplication(arrived: Arrived[]) {
  const server = createServer((request, response) => {
    void keep(request).then((one) => response.end(`hello ${arrived.push(one)}`));
  });
  server.on('upgrade', (request, socket) => {
    arrived.push(toArrived(request, ''));
    socket.destroy();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server;
}

async function keep(request: IncomingMessage): Promise<Arrived> {
  return toArrived(request, await text(request));
}

function toArrived({ method = '', url: target = '', rawHeaders }: IncomingMessage, body: string): Arrived {
  const headers = rawHeaders.flatMap((name, at): [string, string][] =>
    at % 2 === 0 ? [[name, rawHeaders[at + 1] ?? '']] : [],
  );
  return { method, target, headers, body };
}

/** The status of a navigation to a path that no address bar would keep as it is. */
async function statusOf(browser: Browser, { site, path }: { site: string; path: string }): Promise<number> {
  const { host, port } = new URL(site);
  const cookie = browser.jar.header(new URL(site)) ?? '';
  const headers = { host, cookie, 'sec-fetch-mode': 'navigate' };
  const [answer] = await once(get({ host: '127.0.0.1', port, path, headers, agent: false }), 'response');
  (answer as IncomingMessage).resume();
  return (answer as IncomingMessage).statusCode ?? 0;
}
