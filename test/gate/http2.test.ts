import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, constants } from 'node:http2';
import { after, before, beforeEach, describe, test } from 'node:test';
import { connect } from 'node:tls';
import { WebSocket } from 'ws';
import { Browser } from '../support/browser.ts';
import { askOver, openSession } from '../support/http2.ts';
import { signIn } from '../support/openid-provider.ts';
import { toBytes } from '../support/raw-http.ts';
import { data, headers, openRawSession, reset } from '../support/raw-http2.ts';
import { startTlsWorld, type TlsWorld } from '../support/tls-world.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';

/* The built-in proxy where TLS is ours: HTTP/2 from the browser, HTTP/1.1 to the application. */

describe('the built-in proxy over HTTP/2', () => {
  let world: TlsWorld;
  let upstream: Upstream;
  let site: string;
  let cookie: string[];
  before(async () => {
    world = await startTlsWorld();
    upstream = await startUpstream();
    site = await world.createWiki(upstream.origin);
    const browser = new Browser();
    const page = await signIn(browser, `${site}/echo`, { login: 'ana' });
    assert.equal(page.status, 200, page.text);
    cookie = browser.jar.cookiesFor(new URL(site)).map(({ name, value }) => `${name}=${value}`);
    assert.ok(cookie.some((crumb) => crumb.startsWith('CF_Authorization=')));
  });
  after(async () => {
    await upstream?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  let session: ClientHttp2Session;
  beforeEach(() => {
    session?.close();
    session = openSession(world.app.origin);
    upstream.arrivals.length = 0;
  });
  after(() => session?.destroy());

  const authority = () => new URL(site).host;

  test('the application sees one Host, https, its own cookies, who it is, and no field of HTTP/2', async () => {
    const forged = { 'cf-access-authenticated-user-email': 'root@example.com', cf_access_jwt_assertion: 'x' };
    const own = ['a=1', ...cookie, 'b=2'];
    const asked = { ':authority': authority(), ':path': '/echo?q=1', cookie: own, ...forged };
    const answer = await askOver(session, asked);
    assert.equal(answer.status, 200, answer.text);
    const [arrival] = upstream.arrivals;
    assert.ok(arrival);
    assert.equal(arrival.url, '/echo?q=1');
    const names = arrival.rawHeaders.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase());
    assert.deepEqual(
      names.filter((name) => name.startsWith(':')),
      [],
    );
    for (const name of ['host', 'cookie', 'x-forwarded-proto', 'cf-access-authenticated-user-email'])
      assert.equal(names.filter((one) => one === name).length, 1, name);
    assert.equal(names.includes('cf_access_jwt_assertion'), false);
    assert.equal(arrival.headers.host, authority());
    assert.equal(arrival.headers['x-forwarded-proto'], 'https');
    assert.equal(arrival.headers.cookie, 'a=1; b=2');
    assert.equal(arrival.headers['cf-access-authenticated-user-email'], 'ana@example.com');
  });

  test('nothing reaches it without a session, by two names, or with two sessions', async () => {
    const path = { ':path': '/echo' };
    const cases: readonly (readonly [Record<string, string | string[]>, number])[] = [
      [{ ...path, ':authority': authority() }, 401],
      [{ ...path, ':authority': authority(), host: new URL(world.team).host, cookie }, 400],
      [{ ...path, ':authority': new URL(world.team).host, host: authority(), cookie }, 400],
      [{ ...path, ':authority': authority(), cookie: [...cookie, ...cookie] }, 403],
      [{ ...path, ':authority': authority(), ':method': 'TRACE', cookie }, 400],
      [{ ...path, ':authority': authority(), 'x-a': 'a'.repeat(40_000), cookie }, 431],
    ];
    for (const [asked, status] of cases) {
      const { ':path': _, cookie: __, ...shown } = asked;
      assert.equal((await askOver(session, asked)).status, status, JSON.stringify(shown).slice(0, 100));
    }
    assert.deepEqual(upstream.arrivals, []);
  });

  test('a body goes up whole, and one that breaks off is never passed off as whole', async () => {
    const body = 'x'.repeat(300_000);
    const post = { ':method': 'POST', ':path': '/upload', ':authority': authority(), cookie };
    const whole = await askOver(session, post, body);
    assert.equal(whole.status, 200, whole.text);
    assert.equal(upstream.arrivals.at(-1)?.received, body.length);
    const { socket } = await openRawSession(world.app.port);
    const fields = [
      [':method', 'POST'],
      [':scheme', 'https'],
      [':path', '/upload'],
      [':authority', authority()],
      ['cookie', cookie.join('; ')],
    ] as const;
    await upstream.arrival('/upload');
    socket.write(Buffer.concat([headers(1, fields, { ends: false }), data(1, 'half')]));
    const { request } = await upstream.arrival('/upload');
    const ended = new Promise((resolve) => request.once('close', resolve));
    socket.write(reset(1));
    await ended;
    assert.equal(request.complete, false);
    socket.destroy();
  });

  test('garbage behind a request is no place for another answer within the one under way', async () => {
    const socket = connect({ host: '127.0.0.1', port: world.app.port, servername: 'localhost' });
    const heard: string[] = [];
    const closed = new Promise((resolve) => socket.on('error', () => {}).once('close', resolve));
    socket.write(
      toBytes({ target: '/events', headers: [['cookie', cookie.join('; ')]] }, authority())
        .toString()
        .replace('connection: close\r\n', ''),
    );
    socket.on('data', (chunk) => {
      heard.push(String(chunk));
      if (/data: first/.test(heard.join(''))) socket.write('\0garbage\r\n\r\n');
    });
    await closed;
    assert.match(heard.join(''), /^HTTP\/1\.1 200 /);
    assert.equal(heard.join('').match(/HTTP\/1\.1/g)?.length, 1);
  });

  test('a removal resets the stream and the WebSocket, and no other stream of the connection', async () => {
    const stream = session.request({ ':path': '/events', ':authority': authority(), cookie });
    const [{ ':status': status }] = await once(stream, 'response');
    assert.equal(status, 200);
    await once(stream, 'data');
    const { socket } = await upstream.arrival('/events');
    const webSocket = await openWebSocket();
    const both = [webSocket, ...upstream.webSockets];
    const gone = both.map(
      (one) => new Promise((resolve) => one.on('error', () => {}).once('close', resolve)),
    );
    const cut = new Promise((resolve) => stream.on('error', () => {}).once('close', resolve));
    const { account_id } = world.app.credentials;
    const { users } = world.app.sdk().zeroTrust.access;
    for (const { id = '' } of (await users.list({ account_id })).result)
      await users.delete(id, { account_id });
    await Promise.all([cut, ...gone]);
    assert.equal(stream.rstCode, constants.NGHTTP2_CANCEL);
    if (!socket.closed) await once(socket, 'close');
    assert.equal((await askOver(session, { ':path': '/healthz' })).status, 200);
    const again = { ':path': '/events', ':authority': authority(), cookie };
    assert.equal((await askOver(session, again)).status, 401);
  });

  /** One that has echoed, by HTTP/1.1 over TLS. */
  async function openWebSocket(): Promise<WebSocket> {
    const webSocket = new WebSocket(`wss://127.0.0.1:${world.app.port}/socket`, {
      headers: { host: authority(), cookie: cookie.join('; ') },
    });
    await once(webSocket, 'open');
    webSocket.send('hello');
    const [echo] = await once(webSocket, 'message');
    assert.equal(String(echo), 'hello');
    return webSocket;
  }
});
