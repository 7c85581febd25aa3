import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { signIn } from '../support/openid-provider.ts';
import { databases } from '../support/postgres.ts';
import { ask, type Proxied, sendRaw, startProxied } from '../support/proxied.ts';

/*
 * Requests that two servers could cut up differently. The application behind the gate here writes down every byte
 * that it is sent: what is refused never gets there, and what gets there says one thing only.
 */

describe('a request that can be read in two ways', () => {
  let proxied: Proxied;
  let recorder: Awaited<ReturnType<typeof startRecorder>>;
  let host: string;
  let cookie: string;
  before(async () => {
    const [kind] = databases;
    assert.ok(kind);
    proxied = await startProxied(await kind.create());
    recorder = await startRecorder();
    const application = await proxied.createApplication('recorded', {}, recorder.origin);
    host = new URL(application.site).host;
    cookie = await cookieFor(proxied, application.site);
  });
  after(async () => {
    await proxied[Symbol.asyncDispose]();
    await recorder[Symbol.asyncDispose]();
  });

  /** With a credential that admits, so that only what is odd about it counts. */
  const head = (first: string, ...lines: string[]) =>
    [first, `Host: ${host}`, `Cookie: ${cookie}`, 'Connection: close', ...lines, '', ''].join('\r\n');
  const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';

  const REFUSED: Readonly<Record<string, () => string>> = {
    'length and coding': () =>
      `${head('POST / HTTP/1.1', 'Content-Length: 4', 'Transfer-Encoding: chunked')}0\r\n\r\n${SMUGGLED}`,
    'coding and length': () =>
      `${head('POST / HTTP/1.1', 'Transfer-Encoding: chunked', 'Content-Length: 6')}0\r\n\r\n${SMUGGLED}`,
    'two lengths': () => `${head('POST / HTTP/1.1', 'Content-Length: 1', 'Content-Length: 9')}a${SMUGGLED}`,
    'the same length twice': () => `${head('POST / HTTP/1.1', 'Content-Length: 1', 'Content-Length: 1')}a`,
    'a list of lengths': () => `${head('POST / HTTP/1.1', 'Content-Length: 1, 1')}a`,
    'a signed length': () => `${head('POST / HTTP/1.1', 'Content-Length: +1')}a`,
    'a negative length': () => head('POST / HTTP/1.1', 'Content-Length: -1'),
    'a length in hex': () => `${head('POST / HTTP/1.1', 'Content-Length: 0x1')}a`,
    'a length with a space': () => `${head('POST / HTTP/1.1', 'Content-Length: 1 0')}a`,
    'a length beyond every number': () => head('POST / HTTP/1.1', `Content-Length: ${'9'.repeat(30)}`),
    'an empty length': () => head('POST / HTTP/1.1', 'Content-Length: '),
    'two codings': () =>
      `${head('POST / HTTP/1.1', 'Transfer-Encoding: chunked', 'Transfer-Encoding: identity')}0\r\n\r\n`,
    'chunked twice': () =>
      `${head('POST / HTTP/1.1', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
    'a coding beside chunked': () =>
      `${head('POST / HTTP/1.1', 'Transfer-Encoding: gzip, chunked')}0\r\n\r\n`,
    'chunked that is not last': () =>
      `${head('POST / HTTP/1.1', 'Transfer-Encoding: chunked, identity')}0\r\n\r\n`,
    'an unknown coding': () => `${head('POST / HTTP/1.1', 'Transfer-Encoding: xchunked')}0\r\n\r\n`,
    'a coding in quotes': () => `${head('POST / HTTP/1.1', 'Transfer-Encoding: "chunked"')}0\r\n\r\n`,
    'a coding with a parameter': () =>
      `${head('POST / HTTP/1.1', 'Transfer-Encoding: chunked;a=b')}0\r\n\r\n`,
    'an empty coding': () => `${head('POST / HTTP/1.1', 'Transfer-Encoding: ')}0\r\n\r\n`,
    'a space before the colon': () => `${head('POST / HTTP/1.1', 'Transfer-Encoding : chunked')}0\r\n\r\n`,
    'a coding with a vertical tab': () =>
      `${head('POST / HTTP/1.1', 'Transfer-Encoding: \x0bchunked')}0\r\n\r\n`,
    'a folded coding': () => `${head('POST / HTTP/1.1', 'Transfer-Encoding:', ' chunked')}0\r\n\r\n`,
    'a folded header': () => head('GET / HTTP/1.1', 'X-A: 1', ' X-B: 2'),
    'a line that begins with a space': () => head('GET / HTTP/1.1', ' X-A: 1'),
    'a coding in HTTP/1.0': () => `${head('POST / HTTP/1.0', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
    'a bare LF after the first line': () => head('GET / HTTP/1.1').replace('\r\n', '\n'),
    'a bare LF after a header': () => head('GET / HTTP/1.1', 'X-A: 1').replace('X-A: 1\r\n', 'X-A: 1\n'),
    'a bare LF within a header': () => head('GET / HTTP/1.1', 'X-A: 1\nTransfer-Encoding: chunked'),
    'a bare CR within a header': () => head('GET / HTTP/1.1', 'X-A: 1\rX-B: 2'),
    'a bare CR after a header': () => head('GET / HTTP/1.1', 'X-A: 1').replace('X-A: 1\r\n', 'X-A: 1\r'),
    'NUL in a header': () => head('GET / HTTP/1.1', 'X-A: 1\x002'),
    'NUL in a name': () => head('GET / HTTP/1.1', 'X\x00A: 1'),
    'a control character in a header': () => head('GET / HTTP/1.1', 'X-A: \x01'),
    'a header without a name': () => head('GET / HTTP/1.1', ': 1'),
    'a header without a colon': () => head('GET / HTTP/1.1', 'X-A'),
    'a name with a space': () => head('GET / HTTP/1.1', 'X A: 1'),
    'two hosts': () => head('GET / HTTP/1.1', 'Host: other.example'),
    'the same host twice': () => head('GET / HTTP/1.1', `Host: ${host}`),
    'a whole address as target': () => head(`GET http://${host}/ HTTP/1.1`),
    'a foreign address as target': () => head('GET http://other.example/ HTTP/1.1'),
    'a target without its slash': () => head('GET x HTTP/1.1'),
    'an asterisk as target': () => head('OPTIONS * HTTP/1.1'),
    'an authority as target': () => head(`CONNECT ${host} HTTP/1.1`),
    'CONNECT with a path': () => head('CONNECT / HTTP/1.1'),
    'NUL in the target': () => head('GET /\x00 HTTP/1.1'),
    'a space in the target': () => head('GET /a b HTTP/1.1'),
    'a tab in the target': () => head('GET /a\tb HTTP/1.1'),
    'a fragment in the target': () => head('GET /#/admin HTTP/1.1'),
    'a backslash in the path': () => head('GET /a\\b HTTP/1.1'),
    'two slashes in the path': () => head('GET //admin HTTP/1.1'),
    'an encoded slash in the path': () => head('GET /a%2fb HTTP/1.1'),
    'an encoded NUL in the path': () => head('GET /a%00 HTTP/1.1'),
    'an encoded dot segment': () => head('GET /a/%2e%2e/b HTTP/1.1'),
    'a semicolon in the path': () => head('GET /a;b HTTP/1.1'),
    'bytes beyond ASCII in the path': () => head('GET /\xe4 HTTP/1.1'),
    'another version': () => head('GET / HTTP/1.2'),
    'HTTP/2 by its name alone': () => head('GET / HTTP/2.0'),
    'a version without digits': () => head('GET / HTTP/x'),
    'no version': () => head('GET /'),
    'a method in lower case': () => head('get / HTTP/1.1'),
    'a method that nobody knows': () => head('SMUGGLE / HTTP/1.1'),
    'the beginning of HTTP/2': () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  };

  for (const [name, bytes] of Object.entries(REFUSED)) {
    test(`with ${name}: nothing of it gets to the application`, async () => {
      recorder.clear();
      const answer = await sendRaw(proxied, bytes());
      const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(answer) ?? [];
      assert.ok(status === undefined || ['400', '403', '404', '405', '431', '505'].includes(status), answer);
      assert.equal(recorder.text(), '');
    });
  }

  const CUT: Readonly<Record<string, () => string>> = {
    'a chunk without its length': () => `\r\nabc\r\n0\r\n\r\n${SMUGGLED}`,
    'a chunk length beyond its bounds': () => 'fffffffffffffffff\r\nabc\r\n0\r\n\r\n',
    'a chunk that is longer than said': () => `3\r\nabcdef\r\n0\r\n\r\n${SMUGGLED}`,
    'a chunk with a signed length': () => `+3\r\nabc\r\n0\r\n\r\n${SMUGGLED}`,
    'a chunk with a length in 0x': () => `0x3\r\nabc\r\n0\r\n\r\n${SMUGGLED}`,
    'a chunk that ends with a bare LF': () => `3\nabc\n0\n\n${SMUGGLED}`,
    'a bare CR in a chunk extension': () => `3;a\rb\r\nabc\r\n0\r\n\r\n${SMUGGLED}`,
    'a bare LF in a chunk extension': () => `3;a\nabc\r\n0\r\n\r\n${SMUGGLED}`,
    'a trailer that is folded': () => `3\r\nabc\r\n0\r\nX: 1\r\n y\r\n\r\n${SMUGGLED}`,
    'a trailer with a length': () => `3\r\nabc\r\n0\r\nContent-Length: 50\r\n\r\n${SMUGGLED}`,
    'a trailer with a coding': () => `3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n${SMUGGLED}`,
  };

  for (const [name, body] of Object.entries(CUT)) {
    test(`with ${name}: the application is sent one request at most, and no end of it`, async () => {
      recorder.clear();
      await sendRaw(proxied, `${head('POST /cut HTTP/1.1', 'Transfer-Encoding: chunked')}${body()}`);
      const text = recorder.text();
      assert.equal(text.includes('smuggled'), false, text);
      assert.equal(text.match(/ HTTP\/1\.1\r\n/g)?.length ?? 0, text === '' ? 0 : 1);
      assert.equal(text.endsWith('0\r\n\r\n'), false, text);
    });
  }

  test('what follows a request on its connection is judged for itself', async () => {
    recorder.clear();
    const first = head('POST /first HTTP/1.1', 'Content-Length: 3').replace('Connection: close\r\n', '');
    const second = `GET /second HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
    const answer = await sendRaw(proxied, `${first}abc${second}`);
    assert.deepEqual(
      [...answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status),
      ['200', '401'],
    );
    assert.equal(recorder.text().includes('/second'), false);
  });

  test('an extension of a chunk is not passed on, nor are the cuts between chunks', async () => {
    recorder.clear();
    const body = '3;name="v;\\"x"\r\nabc\r\n1\r\nd\r\n0\r\n\r\n';
    const answer = await sendRaw(proxied, `${head('POST / HTTP/1.1', 'Transfer-Encoding: chunked')}${body}`);
    assert.match(answer, /^HTTP\/1\.1 200 /);
    assert.equal(recorder.text().includes('name='), false);
  });

  test('headers beyond every measure are answered 431', async () => {
    const answer = await sendRaw(proxied, head('GET / HTTP/1.1', `X-Bomb: ${'x'.repeat(40_000)}`));
    assert.match(answer, /^HTTP\/1\.1 431 /);
    const lines = Array.from({ length: 3000 }, (_, n) => `X-${n}: ${'y'.repeat(10)}`);
    assert.match(await sendRaw(proxied, head('GET / HTTP/1.1', ...lines)), /^HTTP\/1\.1 431 /);
  });

  test('an upgrade to another HTTP is not passed on', async () => {
    for (const protocol of ['h2c', 'HTTP/2.0', 'TLS/1.0', 'websocket, h2c', 'a b']) {
      recorder.clear();
      const lines = [`Upgrade: ${protocol}`, 'HTTP2-Settings: AAMAAABkAAQAAP__'];
      const request = head('GET /plain HTTP/1.1', ...lines).replace(
        'close',
        'Upgrade, HTTP2-Settings, close',
      );
      assert.match(await sendRaw(proxied, request), /^HTTP\/1\.1 200 /, protocol);
      assert.doesNotMatch(recorder.text(), /upgrade|settings/i);
    }
  });

  test('an upgrade with a body is answered as if it had not asked', async () => {
    recorder.clear();
    const request = head('GET /plain HTTP/1.1', 'Upgrade: websocket', 'Content-Length: 3').replace(
      'close',
      'Upgrade, close',
    );
    assert.match(await sendRaw(proxied, `${request}abc${SMUGGLED}`), /^HTTP\/1\.1 200 /);
    assert.doesNotMatch(recorder.text(), /upgrade|smuggled/i);
  });

  test('and an answer that can be read in two ways is none', async () => {
    for (const odd of [
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
      'HTTP/1.1 200 OK\r\nX: 1\r\n y\r\nContent-Length: 0\r\n\r\n',
      'HTTP/1.1 200 OK\nContent-Length: 0\n\n',
      'HTTP/1.1 200 OK\r\nX: \x00\r\nContent-Length: 0\r\n\r\n',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
      'HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n',
      'garbage\r\n\r\n',
      '',
    ]) {
      recorder.answer = odd;
      const answer = await ask(proxied, '/', { headers: { host, cookie } });
      assert.equal(answer.status, 502, JSON.stringify(odd));
    }
  });
});

async function cookieFor(proxied: Proxied, site: string): Promise<string> {
  const browser = proxied.world.browser();
  await signIn(browser, site, { login: proxied.world.person().sub });
  const cookie = browser.jar.cookiesFor(new URL(site)).find(({ name }) => name === 'CF_Authorization');
  assert.ok(cookie);
  return `${cookie.name}=${cookie.value}`;
}

/** An application that writes down what it is sent, and says the same to everything. */
async function startRecorder() {
  const chunks: Buffer[] = [];
  const sockets = new Set<Socket>();
  const recorder = { answer: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok' };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    let text = '';
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      text += chunk.toString('latin1');
      // Once for each head whose body, if there is one, has come.
      const isWhole = /\r\n\r\n$/.test(text) || (/content-length: 3\r\n/i.test(text) && /abc$/.test(text));
      if (!isWhole) return;
      text = '';
      if (recorder.answer === '') socket.destroy();
      else socket.write(recorder.answer, 'latin1');
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as { port: number };
  return Object.assign(recorder, {
    origin: `http://127.0.0.1:${port}`,
    text: () => Buffer.concat(chunks).toString('latin1'),
    clear: () => void chunks.splice(0),
    [Symbol.asyncDispose]: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  });
}
