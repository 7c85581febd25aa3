import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { createApplication } from './access.ts';
import type { BehindProxy, Front } from './behind-proxy.ts';
import { Browser } from './browser.ts';
import { createInspector } from './inspector.ts';

/** What a program sends that is no browser. */
export const PROGRAM = { 'sec-fetch-mode': null, accept: 'application/json' };

/** What people and programs meet behind any proxy: sign-in, identity, sign-out, removal. */
export function testHappyPath(world: () => BehindProxy & Front): void {
  const arrived = () => world().application.arrived;

  test('without a session a browser is sent to sign in and a program is told 401', async () => {
    const { site, team } = world();
    const browser = new Browser();
    const page = await browser.get(`${site}/reports?year=1`);
    assert.equal(page.status, 302);
    assert.equal(page.location?.origin, team);
    assert.equal(page.location?.searchParams.get('redirect_url'), '/reports?year=1');
    assert.match(String(page.headers['set-cookie']), /^CF_AppSession=/);
    const program = await browser.get(`${site}/reports`, PROGRAM);
    assert.equal(program.status, 401);
    assert.match(String(program.headers['www-authenticate']), /^Bearer realm="app\.localhost:\d+"$/);
    assert.equal((await browser.post(`${site}/reports`, {})).status, 401);
    assert.deepEqual(arrived(), []);
  });

  test('the team domain has the launcher, the sign-in pages and nothing else of the server', async () => {
    const { team } = world();
    const browser = new Browser();
    assert.equal((await browser.get(`${team}/cdn-cgi/access/certs`)).status, 200);
    for (const path of ['/', '/?from=somewhere']) {
      const launcher = await browser.get(team + path);
      assert.equal(launcher.location?.href, `${team}/cdn-cgi/access/login`, path);
    }
    for (const path of [
      '/client/v4/openapi.json',
      '/healthz',
      '/portcullis/forward-auth',
      '//',
      '/x',
      '/./x',
    ]) {
      assert.equal((await browser.get(team + path)).status, 404, path);
    }
  });

  test('after sign-in the application is told who it is, signed for it alone', async () => {
    const { site, aud, signIn } = world();
    const inspect = await createInspector(world());
    const browser = await signIn('ana', site);
    const page = await browser.get(`${site}/a/./b?x=%2F`);
    assert.deepEqual([page.status, page.text], [200, 'hello 1']);
    const [one] = arrived();
    assert.deepEqual([one?.method, one?.target], ['GET', '/a/b?x=%2F']);
    assert.deepEqual(await inspect(one ?? assert.fail()), { email: 'ana@example.com', aud: aud.root });
  });

  test('a part that is another application has its own sign-in and its own policy', async () => {
    const { site, aud, signIn } = world();
    const inspect = await createInspector(world());
    const ben = await signIn('ben', site, '/admin');
    assert.equal((await ben.get(`${site}/admin/users`)).status, 200);
    assert.deepEqual(await inspect(arrived()[0] ?? assert.fail()), {
      email: 'ben@example.com',
      aud: aud.admin,
    });
    const ana = await signIn('ana', site);
    const page = await ana.follow(`${site}/admin/users`);
    assert.equal(page.status, 403);
    assert.match(page.text, /Request (?:<code>)?[0-9a-f]{16}/);
    assert.deepEqual(arrived(), []);
  });

  test('the session stays with the gate: its cookies and its header go, other cookies stay', async () => {
    const { site, seen, signIn } = world();
    const browser = await signIn('ana', site);
    const cookies = browser.jar.cookiesFor(new URL(site)).map(({ name, value }) => `${name}=${value}`);
    assert.equal(cookies.length, 2);
    await browser.get(site, { cookie: ['theme=dark', ...cookies, 'CF_Other=1'].join('; ') });
    assert.deepEqual(seen('cookie'), ['theme=dark; CF_Other=1']);
    const token = cookies.find((cookie) => cookie.startsWith('CF_Authorization='))?.split('=')[1] ?? '';
    assert.equal((await new Browser().get(site, { 'cf-access-token': token })).status, 200);
    assert.deepEqual(seen('cf-access-token'), []);
  });

  test('anyone comes in by a bypass, and the application is told of nobody, whatever they say', async () => {
    const { app, application, site, seen } = world();
    const open = { name: 'Open', decision: 'bypass', include: [{ everyone: {} }] };
    const upstream = `http://127.0.0.1:${application.port}`;
    const destinations = [{ type: 'public' as const, uri: `${new URL(site).hostname}/open`, upstream }];
    const { id } = await createApplication(app, { name: 'Open', destinations, policies: [open] });
    const forged = {
      'cf-access-jwt-assertion': 'eyJhbGciOiJub25lIn0.e30.',
      'cf-access-authenticated-user-email': 'root@example.com',
      'portcullis-admitted': 'anyone',
    };
    assert.equal((await new Browser().get(`${site}/open`, { ...PROGRAM, ...forged })).status, 200);
    assert.equal(seen('cf-access-jwt-assertion').join(), '');
    assert.equal(seen('cf-access-authenticated-user-email').join(), '');
    assert.equal((await new Browser().get(site, { ...PROGRAM, ...forged })).status, 401);
    const { account_id } = app.credentials;
    await app.sdk().zeroTrust.access.applications.delete(id, { account_id });
    assert.equal((await new Browser().get(`${site}/open`, { ...PROGRAM, ...forged })).status, 401);
    assert.equal(arrived().length, 1);
  });

  test('a program comes in with a service token, which the application does not see, until it is deleted', async () => {
    const { app, site, seen } = world();
    const { account_id } = app.credentials;
    const { serviceTokens } = app.sdk().zeroTrust.access;
    const made = await serviceTokens.create({ account_id, name: 'A program' });
    const headers = {
      ...PROGRAM,
      'cf-access-client-id': made.client_id ?? '',
      'cf-access-client-secret': made.client_secret ?? '',
    };
    const program = new Browser();
    for (const method of ['GET', 'POST']) {
      assert.equal((await program.request(site, { method, headers })).status, 200);
      assert.match(seen('cf-access-jwt-assertion').join(), /^ey/);
      assert.equal(seen('cf-access-authenticated-user-email').join(), '');
      assert.deepEqual([...seen('cf-access-client-id'), ...seen('cf-access-client-secret')], []);
    }
    await serviceTokens.delete(made.id ?? '', { account_id });
    for (const method of ['GET', 'POST']) {
      assert.equal((await program.request(site, { method, headers })).status, 401);
    }
    assert.equal(arrived().length, 2);
  });

  test('a request with a body goes through the proxy of Portcullis and arrives as it was sent', async () => {
    const { site, seen, signIn } = world();
    const inspect = await createInspector(world());
    const browser = await signIn('ana', site);
    await browser.request(`${site}/form?a=%2B`, { method: 'POST', body: 'x'.repeat(100_000) });
    const [one, ...more] = arrived();
    assert.deepEqual([one?.method, one?.target, one?.body.length], ['POST', '/form?a=%2B', 100_000]);
    assert.deepEqual(more, []);
    await inspect(one ?? assert.fail());
    assert.match(seen('via').join(), /portcullis/);
    assert.deepEqual(seen('x-forwarded-host'), [new URL(site).host]);
  });

  test('the endpoints of the gate answer on the host of the application, which sees none of it', async () => {
    const { site, team, signIn } = world();
    const browser = await signIn('ana', site);
    const identity = await browser.follow(`${site}/cdn-cgi/access/get-identity`);
    assert.equal(JSON.parse(identity.text).email, 'ana@example.com');
    const out = await browser.get(`${site}/cdn-cgi/access/logout`);
    assert.equal(out.location?.href, `${team}/cdn-cgi/access/logout`);
    assert.equal((await browser.get(site)).status, 302);
    assert.deepEqual(arrived(), []);
  });

  test('when a user is deleted the next request is refused, and nobody else notices', async () => {
    const { site, signIn, deleteUser } = world();
    const dan = await signIn('dan', site);
    const eva = await signIn('eva', site);
    await deleteUser('dan@example.com');
    assert.equal((await dan.get(site)).status, 302);
    assert.equal((await dan.get(site, PROGRAM)).status, 401);
    assert.equal((await dan.post(site, {})).status, 401);
    assert.deepEqual(arrived(), []);
    assert.equal((await eva.get(site)).status, 200);
  });

  for (const [name, login, request] of [
    ['a WebSocket', 'fay', { path: '/socket', headers: WEBSOCKET }],
    ['a server-sent stream', 'gus', { path: '/stream', headers: { accept: 'text/event-stream' } }],
  ] as const) {
    test(`${name} is open when the user is deleted, and is cut when the call returns`, async () => {
      const { site, application, signIn, deleteUser } = world();
      const gone = await openLong(site, await signIn(login, site), request);
      const eva = await openLong(site, await signIn('eva', site), request);
      const others = application.open('eva@example.com');
      assert.equal(application.open(`${login}@example.com`), 1);
      await deleteUser(`${login}@example.com`);
      await gone.over;
      await endOf(() => application.open(`${login}@example.com`) === 0);
      assert.deepEqual([eva.isOpen(), application.open('eva@example.com')], [true, others]);
      // Not every proxy tells an application at once that a client has left.
      application.hangUp();
      await eva.over;
    });
  }

  test('a body that is still being sent when the user is deleted never arrives (schedule 13)', async () => {
    const { site, application, signIn, deleteUser } = world();
    const { host, port } = new URL(site);
    const cookie = (await signIn('hal', site)).jar.header(new URL(site));
    const before = application.begun();
    const socket = connect(Number(port), '127.0.0.1').on('error', () => {});
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket
      .resume()
      .write(`POST /form HTTP/1.1\r\nhost: ${host}\r\ncookie: ${cookie}\r\ncontent-length: 10\r\n\r\nhello`);
    await endOf(() => application.begun() > before);
    await deleteUser('hal@example.com');
    // The proxy may have ended the connection already.
    if (socket.writable) socket.end('hello');
    await closed;
    assert.deepEqual(arrived(), []);
  });

  test('when the gate does not answer, nothing passes', async () => {
    const { app, site, signIn } = world();
    const ben = await signIn('ben', site);
    await app.close();
    for (const headers of [{}, PROGRAM]) {
      const { status } = await ben.get(site, headers);
      assert.ok(status >= 500 && status <= 504, `${status}`);
    }
    assert.ok((await ben.post(site, {})).status >= 500);
    assert.deepEqual(arrived(), []);
  });
}

const WEBSOCKET = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

const LAST_CHUNK = /(?:^|\r\n)0\r\n\r\n$/;

/** Opens something that does not end by itself, and waits for its first bytes from the application. */
async function openLong(
  site: string,
  browser: Browser,
  { path, headers }: { path: string; headers: Readonly<Record<string, string>> },
) {
  const { host, port } = new URL(site);
  const socket = connect(Number(port), '127.0.0.1').on('error', () => {});
  const cookie = browser.jar.header(new URL(site)) ?? '';
  const lines = Object.entries({ host, cookie, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
  const [answer] = (await Promise.race([once(socket, 'data'), closed.then(() => [''])])) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1\.1 (?:101|200) /);
  // Caddy 2.6 ends a stream that was cut as if it were complete, and keeps the connection.
  const lastChunk = new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      if (LAST_CHUNK.test(chunk.toString('latin1'))) resolve();
    });
  });
  const over = Promise.race([closed, lastChunk]);
  return { over, isOpen: () => !socket.destroyed };
}

/** What the kernel still has to tell the other process takes a moment: at most five seconds. */
async function endOf(isDone: () => boolean): Promise<void> {
  for (let tries = 0; !isDone(); tries += 1) {
    assert.ok(tries < 500, 'it does not end');
    await wait(10);
  }
}
