import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../support/browser.ts';
import { askOver, openSession } from '../support/http2.ts';
import { signIn } from '../support/openid-provider.ts';
import { databases } from '../support/postgres.ts';
import { ask, type Proxied, type SignedIn, startProxied } from '../support/proxied.ts';
import { type RawUpstream, startRawUpstream } from '../support/raw-upstream.ts';
import { startTlsWorld, type TlsWorld } from '../support/tls-world.ts';
import { bytesOf, sha256 } from '../support/upstream.ts';

/*
 * One process stands before everybody's applications: whatever one of them answers, and whatever a client sends,
 * ends that exchange at most.
 */

const CHUNKED = 'Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n';

const ANSWERS = {
  '/control': 'HTTP/1.1 200 O\x01K\r\nContent-Length: 2\r\n\r\nhi',
  '/delete': 'HTTP/1.1 200 O\x7fK\r\nContent-Length: 2\r\n\r\nhi',
  '/latin': 'HTTP/1.1 200 \xe9t\xe9\r\nContent-Length: 2\r\n\r\nhi',
  '/repeated': 'HTTP/1.1 200 OK\r\nEtag: a\r\nEtag: b\r\nDate: a\r\nDate: b\r\nContent-Length: 2\r\n\r\nhi',
  '/trailers': `HTTP/1.1 200 OK\r\n${CHUNKED}Etag: a\r\nEtag: b\r\nX-Sum: 1\r\n\r\n`,
  '/status': 'HTTP/1.1 099 x\r\nSet-Cookie: a=b\r\nX-From: application\r\nContent-Length: 2\r\n\r\nhi',
  '/garbage': 'no HTTP at all\r\n\r\n',
};

describe('odd answers of an application', () => {
  let proxied: Proxied;
  let odd: RawUpstream;
  let visitor: SignedIn;
  let host: string;
  before(async () => {
    const [kind] = databases;
    assert.ok(kind);
    odd = await startRawUpstream(ANSWERS);
    proxied = await startProxied(await kind.create());
    visitor = await proxied.signedIn();
    const application = await proxied.createApplication('odd', {}, odd.origin);
    host = new URL(application.site).host;
    const browser = visitor.browser;
    await signIn(browser, `${application.site}/`, { login: visitor.person.sub });
    const cookies = browser.jar.cookiesFor(new URL(application.site));
    visitor = { ...visitor, cookie: cookies.map(({ name, value }) => `${name}=${value}`).join('; ') };
  });
  after(async () => {
    await proxied?.[Symbol.asyncDispose]();
    await odd?.[Symbol.asyncDispose]();
  });

  const get = (path: string) => ask(proxied, path, { headers: { host, cookie: visitor.cookie } });

  for (const path of ['/control', '/delete', '/latin'] as const) {
    it(`words beside the status that are none do not keep the answer from coming: ${path}`, async () => {
      const answer = await get(path);
      assert.deepEqual([answer.status, answer.text], [path === '/latin' ? 200 : answer.status, 'hi']);
      assert.equal((await get('/')).text, 'hi', 'the server goes on');
    });
  }

  it('a field of one value that comes twice comes once, and trailers as well', async () => {
    assert.deepEqual((await get('/repeated')).headers.etag, 'a');
    const { text, rawTrailers } = await get('/trailers');
    assert.equal(text, 'hi');
    assert.deepEqual(rawTrailers, ['Etag', 'a', 'X-Sum', '1']);
  });

  for (const path of ['/status', '/garbage'] as const) {
    it(`what is no answer becomes the gate's own 502, with nothing of the application: ${path}`, async () => {
      const answer = await get(path);
      assert.equal(answer.status, 502);
      assert.match(answer.text, /^The application does not answer\. Request [0-9a-f]{16}\n$/);
      for (const name of ['set-cookie', 'x-from', 'via']) assert.equal(answer.headers[name], undefined, name);
    });
  }
});

describe('odd answers of an application over HTTP/2', () => {
  let world: TlsWorld;
  let odd: RawUpstream;
  let cookie: string;
  let site: string;
  before(async () => {
    odd = await startRawUpstream(ANSWERS);
    world = await startTlsWorld();
    site = await world.createWiki(odd.origin);
    const browser = new Browser();
    await signIn(browser, `${site}/`, { login: 'ana' });
    cookie = browser.jar
      .cookiesFor(new URL(site))
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ');
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await odd?.[Symbol.asyncDispose]();
  });

  for (const [path, status] of [
    ['/repeated', 200],
    ['/trailers', 200],
    ['/control', null],
    ['/status', 502],
    ['/garbage', 502],
  ] as const) {
    it(`${path} ends that stream at most`, async () => {
      const session = openSession(world.app.origin);
      try {
        const asked = { ':authority': new URL(site).host, cookie };
        const answer = await askOver(session, { ...asked, ':path': path });
        if (status !== null) assert.equal(answer.status, status);
        if (status === 502) assert.equal(answer.headers['set-cookie'], undefined);
        assert.equal((await askOver(session, { ...asked, ':path': '/' })).text, 'hi', 'the session goes on');
      } finally {
        session.destroy();
      }
    });
  }
});

describe('odd upgrades', () => {
  let proxied: Proxied;
  let cookie: string;
  before(async () => {
    const [kind] = databases;
    assert.ok(kind);
    proxied = await startProxied(await kind.create());
    ({ cookie } = await proxied.signedIn());
  });
  after(async () => await proxied?.[Symbol.asyncDispose]());

  /** The cookies of somebody who has signed in there. */
  const signedInTo = async (address: string) => {
    const browser = new Browser({ now: proxied.world.app.clock.now });
    await signIn(browser, `${address}/`, { login: proxied.world.person().sub });
    const cookies = browser.jar.cookiesFor(new URL(address));
    return cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
  };

  /** Sends bytes, and resolves when the server has ended the connection, in whatever way. */
  const untilClosed = (bytes: string) =>
    new Promise<void>((resolve) => {
      const socket = connect(proxied.world.app.port, '127.0.0.1', () => socket.write(bytes));
      socket
        .on('error', () => {})
        .on('close', () => resolve())
        .resume();
    });

  const plain = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: ${proxied.host}\r\n${more}\r\n`;
  const UPGRADE = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';

  it('an upgrade sent behind a request that is not answered yet ends the connection, and nothing else', async () => {
    await untilClosed(plain('/') + plain('/', UPGRADE));
    const signedIn = `Cookie: ${cookie}\r\n`;
    await untilClosed(plain('/wait', signedIn) + plain('/', UPGRADE + signedIn));
    const answer = await ask(proxied, '/', { headers: { cookie } });
    assert.equal(answer.status, 200, 'the server goes on');
  });

  it('an answer that is no upgrade arrives whole at a client that reads slowly', async () => {
    const body = bytesOf(3_000_000);
    const head = `HTTP/1.1 403 Forbidden\r\nContent-Length: ${body.length}\r\n\r\n`;
    await using refusing = await startRawUpstream({ '/refused': head + body.toString('latin1') });
    const to = await proxied.createApplication('refusing', {}, refusing.origin);
    const visitor = await signedInTo(to.site);
    const socket = connect(proxied.world.app.port, '127.0.0.1');
    socket.on('error', () => {});
    const lines = `Host: ${new URL(to.site).host}\r\n${UPGRADE}Cookie: ${visitor}\r\n`;
    socket.write(`GET /refused HTTP/1.1\r\n${lines}\r\n`);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      socket.pause();
      setImmediate(() => socket.resume());
    });
    await once(socket, 'close');
    const all = Buffer.concat(chunks);
    const start = all.indexOf('\r\n\r\n') + 4;
    assert.match(all.toString('latin1', 0, start), /^HTTP\/1\.1 403 /);
    assert.equal(sha256(all.subarray(start)), sha256(body));
  });
});
