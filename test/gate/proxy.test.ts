import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { startTestApp } from '../support/app.ts';
import { createPair, type TestPair } from '../support/certificates.ts';
import { IDENTITY, LOGOUT } from '../support/gated.ts';
import { databases, type TestDatabase } from '../support/postgres.ts';
import {
  answerOf,
  ask,
  begin,
  echo,
  openWebSocket,
  type Proxied,
  startProxied,
  valuesOf,
} from '../support/proxied.ts';
import { exchange, type RawAnswer, toBytes } from '../support/raw-http.ts';
import { createRobot, forRobots, twoHeaders } from '../support/service-tokens.ts';
import { bytesOf, sha256, startUpstream, type Upstream } from '../support/upstream.ts';

/* The built-in proxy, asked directly by a client. What it does while access ends is in open-connections.test.ts. */

describe('the built-in proxy', () => {
  let proxied: Proxied;
  let cookie: string;
  let email: string;
  before(async () => {
    proxied = await startProxied(await sqlite());
    const signedIn = await proxied.signedIn();
    cookie = signedIn.cookie;
    email = signedIn.person.email;
  });
  after(async () => await proxied[Symbol.asyncDispose]());

  test('signs a person in and carries the request, with the identity and nothing of the credential', async () => {
    const echoed = await echo(proxied, { headers: { cookie: `a=1; ${cookie}; b=2`, 'x-own': 'yes' } });
    assert.deepEqual(echoed.values('cf-access-authenticated-user-email'), [email]);
    assert.deepEqual(echoed.values('cookie'), ['a=1; b=2']);
    assert.deepEqual(echoed.values('host'), [proxied.host]);
    assert.deepEqual(echoed.values('x-own'), ['yes']);
    assert.deepEqual(echoed.values('via'), ['1.1 portcullis']);
    const { world, application } = proxied;
    const keys = (await (await fetch(`${world.app.origin}/cdn-cgi/access/certs`)).json()) as JSONWebKeySet;
    const [assertion = ''] = echoed.values('cf-access-jwt-assertion');
    const expected = { issuer: world.team, audience: application.aud, algorithms: ['RS256'] };
    const { payload } = await jwtVerify(assertion, createLocalJWKSet(keys), expected);
    assert.equal(payload.email, email);
  });

  test('carries bodies either way as they are', async () => {
    const body = bytesOf(3_000_000);
    const up = await ask(proxied, '/upload', { method: 'POST', headers: { cookie }, body });
    assert.equal(up.text, sha256(body));
    const down = await ask(proxied, '/download?3000000', { headers: { cookie } });
    assert.equal(sha256(down.bytes), sha256(body));
    assert.deepEqual(valuesOf(down.rawHeaders, 'content-length'), ['3000000']);
  });

  test('carries a WebSocket', async () => {
    const webSocket = await openWebSocket(proxied, { headers: { cookie } });
    webSocket.send('hello');
    const [data] = await once(webSocket, 'message');
    assert.equal(String(data), 'hello');
    webSocket.close(1000);
    const [code] = await once(webSocket, 'close');
    assert.equal(code, 1000);
  });

  test('sends whoever is not signed in to the team domain, and tells a program 401', async () => {
    const { browser } = proxied.world;
    const page = await browser().get(`${proxied.application.site}/deep?link=1`);
    assert.equal(page.status, 302);
    assert.equal(page.location?.origin, proxied.world.team);
    assert.equal((await ask(proxied, '/')).status, 401);
  });

  for (const [what, headers, status, reason] of [
    ['a cookie that is no token', { cookie: 'CF_Authorization=nonsense' }, 401, 'credential_invalid'],
    ['two cookies', { cookie: 'CF_Authorization=a; CF_Authorization=b' }, 403, 'several_credentials'],
    [
      'a cookie and a token',
      { cookie: 'CF_Authorization=a', 'cf-access-token': 'b' },
      403,
      'several_credentials',
    ],
    [
      'an unknown service token',
      { 'cf-access-client-id': 'a', 'cf-access-client-secret': 'b' },
      401,
      'service_token_unknown',
    ],
    ['two Cookie headers', { cookie: ['a=1', 'b=2'] }, 400, 'question_malformed'],
  ] as const) {
    test(`refuses ${what}, and the application hears nothing`, async () => {
      const before = proxied.upstream.arrivals.length;
      const asked = { headers: headers as Record<string, string | string[]> };
      const answer = await askInLines(proxied, asked.headers);
      assert.equal(answer.status, status, answer.text);
      const line = proxied.world.log.findLast(({ msg }) => msg === 'gate decision');
      assert.deepEqual([line?.reason, line?.via], [reason, 'proxy']);
      assert.equal(answer.headers.get('x-request-id'), line?.requestId);
      assert.equal(answer.headers.get('cache-control'), 'no-store');
      assert.equal(proxied.upstream.arrivals.length, before);
    });
  }

  test('refuses the token of another application', async () => {
    const other = await proxied.createApplication('other');
    const answer = await ask(proxied, '/', { headers: { cookie, host: new URL(other.site).host } });
    assert.equal(answer.status, 401);
  });

  test('knows nothing where no application or upstream is, whoever asks', async () => {
    const { world } = proxied;
    const host = `nowhere.localhost:${world.app.port}`;
    await world.createApplication(host, {});
    await proxied.createApplication('partly');
    for (const asked of [
      { host },
      { host, cookie },
      { host, cookie: 'CF_Authorization=a; CF_Authorization=b' },
    ]) {
      const answer = await ask(proxied, '/', { headers: asked });
      assert.deepEqual([answer.status, answer.text], [404, 'Not found\n']);
    }
  });

  test('never serves the API, health or forward-auth on the host of an application', async () => {
    for (const path of [
      '/client/v4/accounts',
      '/healthz',
      '/readyz',
      '/portcullis/forward-auth',
      '/metrics',
    ]) {
      const answer = await ask(proxied, path, { headers: { cookie } });
      assert.deepEqual([answer.status, answer.text], [404, 'the application has no such page'], path);
    }
  });

  test('tells who is signed in, and signs out, on the host of the application', async () => {
    const { browser, person } = await proxied.signedIn();
    const { site } = proxied.application;
    const identity = await browser.get(site + IDENTITY);
    assert.equal(identity.status, 200, identity.text);
    assert.equal(JSON.parse(identity.text).email, person.email);
    assert.equal((await ask(proxied, IDENTITY)).status, 400);
    assert.equal((await browser.get(site + LOGOUT)).status, 302);
    assert.equal((await browser.get(`${site}/`)).status, 302);
    assert.notEqual((await browser.get(site + IDENTITY)).status, 200);
  });

  test('leads by the longest path to each application’s own upstream', async () => {
    await using second = await startUpstream();
    second.paths['/area/x'] = (_request, response) => void response.end('second');
    const { world } = proxied;
    const uri = `${proxied.host}/area`;
    await world.createApplication(uri, {
      destinations: [{ type: 'public', uri, upstream: second.origin }],
      policies: [forRobots()],
    });
    const robot = await createRobot(world);
    const headers = Object.fromEntries(twoHeaders(robot));
    assert.equal((await ask(proxied, '/area/x', { headers })).text, 'second');
    assert.equal((await ask(proxied, '/area/../area/x', { headers })).text, 'second');
    assert.equal((await ask(proxied, '/areax', { headers })).status, 403);
    assert.equal((await ask(proxied, '/area/../echo', { headers })).status, 403);
    assert.equal(
      second.arrivals.every(({ url }) => url === '/area/x'),
      true,
    );
  });
});

describe('an upstream with TLS', () => {
  let upstream: Upstream;
  let pair: TestPair;
  before(async () => {
    pair = await createPair();
    upstream = await startUpstream(pair);
  });
  after(async () => await upstream[Symbol.asyncDispose]());

  /** What a service token is answered by an application at this upstream. */
  async function statusAt(proxied: Proxied, to: string): Promise<number> {
    const robot = await createRobot(proxied.world);
    const name = `tls-${proxied.world.log.length}`;
    const application = await proxied.createApplication(name, { policies: [forRobots()] }, to);
    const headers = { ...Object.fromEntries(twoHeaders(robot)), host: new URL(application.site).host };
    return (await ask(proxied, '/', { headers })).status;
  }

  test('is called if its certificate is good and for its own name, by an authority of the operator', async () => {
    const file = path.join(tmpdir(), `upstream-ca-${process.pid}.pem`);
    await writeFile(file, pair.cert);
    await using proxied = await startProxied(await sqlite(), [`--upstream-ca-file=${file}`]);
    await rm(file);
    assert.equal(await statusAt(proxied, upstream.origin), 200);
    assert.equal(await statusAt(proxied, `https://localhost:${upstream.port}`), 200);
    // The name of the application, which the client sent as Host, is none of the certificate's business.
    assert.deepEqual(
      upstream.arrivals.map(({ headers }) => headers.host?.startsWith('tls-')),
      [true, true],
    );
    assert.equal(await statusAt(proxied, `https://127.0.0.2:${upstream.port}`), 502);
    assert.equal(await statusAt(proxied, `http://127.0.0.1:${upstream.port}`), 502);
  });

  test('is not called if nobody vouches for it', async () => {
    await using proxied = await startProxied(await sqlite());
    const { length } = upstream.arrivals;
    assert.equal(await statusAt(proxied, upstream.origin), 502);
    assert.equal(upstream.arrivals.length, length);
  });

  test('with an authority’s file that is none, the server does not start', async () => {
    await using database = await sqlite();
    for (const [text, says] of [
      ['nothing', /--upstream-ca-file .*no certificate/],
      ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----', /--upstream-ca-file/],
    ] as const) {
      const file = path.join(database.folder, 'ca.pem');
      await writeFile(file, text);
      await assert.rejects(startTestApp(database, { flags: [`--upstream-ca-file=${file}`] }), says);
    }
    await assert.rejects(startTestApp(database, { flags: ['--upstream-ca-file=/nowhere.pem'] }), /ENOENT/);
  });
});

test('a server that stops says so to WebSockets, and waits for nothing else that never ends', async () => {
  const proxied = await startProxied(await sqlite());
  const { cookie } = await proxied.signedIn();
  const webSocket = await openWebSocket(proxied, { headers: { cookie } });
  const closed = once(webSocket, 'close');
  const request = begin(proxied, '/wait', { headers: { cookie } });
  request.end();
  const { response } = await proxied.upstream.arrival('/wait');
  const stopping = proxied.world.app.close();
  assert.equal((await closed)[0], 1001);
  // What is under way may still end.
  response?.end('at last');
  assert.equal((await answerOf(request)).statusCode, 200);
  await stopping;
  await proxied[Symbol.asyncDispose]();
});

/** A request whose repeated headers are lines of their own. */
async function askInLines(proxied: Proxied, headers: Record<string, string | string[]>): Promise<RawAnswer> {
  const lines = Object.entries(headers).flatMap(([name, values]) =>
    [values].flat().map((value) => [name, value] as const),
  );
  return await exchange(proxied.world.app.port, toBytes({ target: '/echo', headers: lines }, proxied.host));
}

async function sqlite(): Promise<TestDatabase> {
  const [kind] = databases;
  assert.ok(kind);
  return await kind.create();
}
