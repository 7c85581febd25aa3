import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { text } from 'node:stream/consumers';
import { after, before, beforeEach, describe, test } from 'node:test';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { startTestApp, type TestApp } from './support/app.ts';
import { Browser } from './support/browser.ts';
import { type Caddy, caddyIsMissing, startCaddy } from './support/caddy.ts';
import { freePort } from './support/free-port.ts';
import { type OpenIdProvider, signIn, startOpenIdProvider } from './support/openid-provider.ts';
import { databases, type TestDatabase } from './support/postgres.ts';

/** A request as it reached the application. */
interface Arrived {
  method: string;
  target: string;
  headers: [name: string, value: string][];
  body: string;
}

describe('an application behind the real Caddy', { skip: caddyIsMissing() }, () => {
  let database: TestDatabase;
  let app: TestApp;
  let provider: OpenIdProvider;
  let caddy: Caddy;
  let upstream: Server;
  let site: string;
  let team: string;
  let aud: string;
  const arrived: Arrived[] = [];
  let upgrades = 0;

  before(async () => {
    const [kind] = databases;
    assert.ok(kind);
    database = await kind.create();
    const port = await freePort();
    team = `http://team.localhost:${port}`;
    site = `http://app.localhost:${port}`;
    app = await startTestApp(database, { flags: [`--team-domain=${new URL(team).host}`] });
    upstream = createServer((request, response) => {
      void keep(request).then((one) => response.end(`hello ${arrived.push(one)}`));
    });
    upstream.on('upgrade', (_request, socket) => {
      upgrades += 1;
      socket.destroy();
    });
    await once(upstream.listen(0, '127.0.0.1'), 'listening');
    caddy = await startCaddy({
      folder: database.folder,
      values: {
        TEAM_DOMAIN: team,
        APP_DOMAIN: site,
        APP_UPSTREAM: `127.0.0.1:${portOf(upstream)}`,
        GATE_UPSTREAM: `127.0.0.1:${app.port}`,
      },
    });
    provider = await startProvider(team);
    aud = await configure(app, { provider, host: new URL(site).host });
  });

  beforeEach(() => {
    arrived.length = 0;
  });

  after(async () => {
    await caddy?.stop();
    await provider?.close();
    upstream?.close().closeAllConnections();
    await app?.close();
    await database?.drop();
  });

  test('without a session a browser is sent to sign in, a program is told 401, and the application sees neither', async () => {
    const browser = new Browser();
    const page = await browser.get(`${site}/reports?year=1`);
    assert.equal(page.status, 302);
    assert.equal(page.location?.origin, team);
    assert.equal(page.location?.searchParams.get('redirect_url'), '/reports?year=1');
    const program = await browser.get(`${site}/reports`, { 'sec-fetch-mode': null, accept: 'application/json' });
    assert.equal(program.status, 401);
    assert.deepEqual(arrived, []);
  });

  test('forged identity headers without a session admit nobody', async () => {
    const page = await new Browser().get(site, { ...FORGED, 'x-forwarded-uri': '/cdn-cgi/access/get-identity' });
    assert.equal(page.status, 302);
    assert.deepEqual(arrived, []);
  });

  test('the team domain has the sign-in pages and nothing else of the server', async () => {
    const browser = new Browser();
    assert.equal((await browser.get(`${team}/cdn-cgi/access/certs`)).status, 200);
    for (const path of ['/client/v4/openapi.json', '/healthz', '/portcullis/forward-auth', '/']) {
      assert.equal((await browser.get(team + path)).status, 404, path);
    }
  });

  test('after sign-in the application gets who it is, signed for it alone', async () => {
    const { page } = await signedIn('ana');
    assert.equal(page.status, 200);
    assert.deepEqual(valuesOf('cf-access-authenticated-user-email'), ['ana@example.com']);
    const [assertion = '', ...more] = valuesOf('cf-access-jwt-assertion');
    assert.deepEqual(more, []);
    const keys = JSON.parse((await new Browser().get(`${team}/cdn-cgi/access/certs`)).text) as JSONWebKeySet;
    const { payload } = await jwtVerify(assertion, createLocalJWKSet(keys), { issuer: team, audience: aud });
    assert.equal(payload.email, 'ana@example.com');
    assert.ok((payload.exp ?? 0) - (payload.iat ?? 0) <= 300);
  });

  test('what a client says of itself never reaches the application, in whatever spelling', async () => {
    const { browser } = await signedIn('ana');
    assert.equal((await browser.get(site, FORGED)).status, 200);
    const said = arrived[0]?.headers.filter(([name]) => /^cf[^a-z0-9]?access/i.test(name)) ?? [];
    assert.deepEqual(said.map(([name]) => name.toLowerCase()).sort(), [
      'cf-access-authenticated-user-email',
      'cf-access-jwt-assertion',
    ]);
    assert.ok(said.every(([, value]) => !value.includes('forged')));
  });

  test('a client cannot have the identity dropped by naming it as a header of the connection', async () => {
    const { browser } = await signedIn('ana');
    await browser.get(site, { connection: 'close, cf-access-jwt-assertion, cf-access-authenticated-user-email' });
    assert.deepEqual(valuesOf('cf-access-authenticated-user-email'), ['ana@example.com']);
  });

  test('the session stays with the gate: its cookies and its header go, the others stay', async () => {
    const { browser } = await signedIn('ana');
    const cookies = `${browser.jar.header(new URL(site))}; theme=dark; CF_Other=1`;
    await browser.get(site, { cookie: cookies });
    assert.deepEqual(valuesOf('cookie'), ['theme=dark; CF_Other=1']);
    arrived.length = 0;
    const token = browser.jar.cookiesFor(new URL(site)).find(({ name }) => name === 'CF_Authorization')?.value;
    assert.ok(token);
    assert.equal((await new Browser().get(site, { 'cf-access-token': token })).status, 200);
    assert.deepEqual(valuesOf('cf-access-token'), []);
  });

  test('a request with a body arrives as it was sent', async () => {
    const { browser } = await signedIn('ana');
    await browser.request(`${site}/form?a=%2B`, { method: 'POST', body: 'x'.repeat(100_000) });
    const [one] = arrived;
    assert.deepEqual([one?.method, one?.target, one?.body.length], ['POST', '/form?a=%2B', 100_000]);
  });

  test('no connection is upgraded, since it would outlive a removal', async () => {
    const { browser } = await signedIn('ana');
    const page = await browser.get(site, { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' });
    assert.equal(page.status, 200);
    assert.equal(upgrades, 0);
  });

  test('a client cannot ask about another path than the one it wants', async () => {
    const { browser } = await signedIn('ana');
    for (const headers of [{ 'x-forwarded-uri': '/' }, { 'x-original-url': '/' }, { 'x-forwarded-host': 'x' }]) {
      assert.equal((await browser.get(`${site}/closed/file`, headers)).status, 403);
    }
    for (const path of ['/x/../closed/file', '/%63losed/file', '//closed/file', '/closed%2ffile', '/closed;/file']) {
      assert.notEqual((await browser.get(`${site}${path}`)).status, 200, path);
    }
    assert.deepEqual(arrived, []);
  });

  test('the endpoints of the gate answer on the host of the application, which sees none of them', async () => {
    const { browser } = await signedIn('ana');
    const identity = await browser.get(`${site}/cdn-cgi/access/get-identity`);
    assert.equal(JSON.parse(identity.text).email, 'ana@example.com');
    const out = await browser.get(`${site}/cdn-cgi/access/logout`);
    assert.equal(out.location?.href, `${team}/cdn-cgi/access/logout`);
    assert.equal((await browser.get(site)).status, 302);
    assert.deepEqual(arrived, []);
  });

  test('when the user is deleted the next request is refused, and nobody else notices', async () => {
    const { browser: ana } = await signedIn('ana');
    const { browser: ben } = await signedIn('ben');
    await deleteUser(app, 'ana@example.com');
    assert.equal((await ana.get(site)).status, 302);
    const program = await ana.get(site, { 'sec-fetch-mode': null, accept: 'application/json' });
    assert.equal(program.status, 401);
    assert.deepEqual(arrived, []);
    assert.equal((await ben.get(site)).status, 200);
  });

  test('when the gate does not answer, nothing passes', async () => {
    const { browser } = await signedIn('ben');
    await app.close();
    assert.equal((await browser.get(site)).status, 502);
    assert.deepEqual(arrived, []);
  });

  /** A browser in which that person has reached the application; what arrived until then is forgotten but for that. */
  async function signedIn(login: string) {
    const browser = new Browser();
    const page = await signIn(browser, site, { login });
    assert.equal(page.status, 200, page.text);
    const last = arrived.splice(0).at(-1);
    const result = { browser, page };
    if (last) firstVisits.set(result.browser, last);
    return result;
  }
});
