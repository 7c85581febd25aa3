import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, constants } from 'node:http2';
import { connect as connectPlain, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { askOver, openSession } from './support/http2.ts';
import { type RawAnswer, readAnswer, toBytes } from './support/raw-http.ts';
import { data, FRAME, frame, headers, openRawSession, reset } from './support/raw-http2.ts';
import { startTlsServer, type TlsServer } from './support/tls-world.ts';

/* `--tls-cert` and `--tls-key`: TLS, HTTP/2 and HTTP/1.1 on the listener, before hostile and friendly clients. */

let server: TlsServer;
before(async () => {
  server = await startTlsServer();
});
after(() => server[Symbol.asyncDispose]());

const users = () => `/client/v4/accounts/${server.app.credentials.account_id}/access/users`;
const bearer = () => ({ authorization: `Bearer ${server.app.credentials.api_token}` });

async function emails(): Promise<(string | undefined)[]> {
  const { account_id } = server.app.credentials;
  const page = await server.app.sdk().zeroTrust.access.users.list({ account_id });
  return page.result.map(({ email }) => email);
}

/** Whatever was done to it, others are served. */
async function assertServes(): Promise<void> {
  assert.equal((await fetch(`${server.app.origin}/readyz`)).status, 200);
}

function dial(options: ConnectionOptions = {}): TLSSocket {
  const socket = connect({ host: '127.0.0.1', port: server.app.port, servername: 'localhost', ...options });
  return socket.on('error', () => {});
}

/** Resolves when it is, however it came about. */
async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
}

/** The protocol that was agreed, or null if the handshake failed. */
async function agreed(options: ConnectionOptions): Promise<{ tls: string | null; alpn: unknown } | null> {
  const socket = dial(options);
  const isUp = await Promise.race([
    new Promise((resolve) => socket.once('secureConnect', () => resolve(true))),
    closed(socket),
  ]);
  const found = isUp ? { tls: socket.getProtocol(), alpn: socket.alpnProtocol } : null;
  socket.destroy();
  return found;
}

describe('the handshake', () => {
  const weak = { minVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const;
  const table: readonly (readonly [name: string, options: ConnectionOptions, expected: unknown])[] = [
    ['HTTP/2 where it is offered', { ALPNProtocols: ['http/1.1', 'h2'] }, { tls: 'TLSv1.3', alpn: 'h2' }],
    [
      'HTTP/1.1 where nothing else is offered',
      { ALPNProtocols: ['http/1.1'] },
      { tls: 'TLSv1.3', alpn: 'http/1.1' },
    ],
    ['a client that offers nothing', {}, { tls: 'TLSv1.3', alpn: false }],
    ['TLS 1.2', { maxVersion: 'TLSv1.2', ALPNProtocols: ['h2'] }, { tls: 'TLSv1.2', alpn: 'h2' }],
    ['no protocol that nobody speaks here', { ALPNProtocols: ['spdy/3'] }, null],
    ['no TLS 1.1', { ...weak, maxVersion: 'TLSv1.1' }, null],
    ['no TLS 1.0', { ...weak, maxVersion: 'TLSv1' }, null],
  ];
  for (const [name, options, expected] of table) {
    test(`takes ${name}`, async () => {
      assert.deepEqual(await agreed(options), expected);
      await assertServes();
    });
  }

  test('is not done anew because a client asks', async () => {
    const socket = dial({ maxVersion: 'TLSv1.2', ALPNProtocols: ['http/1.1'] });
    await once(socket, 'secureConnect');
    const heard: string[] = [];
    socket.renegotiate({}, () => heard.push('done anew'));
    socket.on('data', (chunk) => heard.push(String(chunk)));
    socket.write(toBytes({ target: '/healthz' }, 'localhost'));
    await closed(socket);
    assert.deepEqual(heard, []);
    await assertServes();
  });

  test('what is no TLS at all is closed without a word of HTTP', async () => {
    const said = server.log.lines.length;
    for (const bytes of ['GET / HTTP/1.1\r\nHost: localhost\r\n\r\n', '\0'.repeat(100), '\x16\x03\x01\xff']) {
      const socket = connectPlain(server.app.port, '127.0.0.1');
      const heard: Buffer[] = [];
      socket.on('data', (chunk) => heard.push(chunk)).on('error', () => {});
      socket.end(bytes, 'latin1');
      await closed(socket);
      assert.doesNotMatch(Buffer.concat(heard).toString('latin1'), /HTTP|\{/);
    }
    await assertServes();
    assert.deepEqual(
      server.log.lines.slice(said).filter(({ level }) => Number(level) > 30),
      [],
      'nobody is woken by it',
    );
  });
});

describe('the API over TLS', () => {
  test('is driven by the official SDK, and says https of itself', async () => {
    const { account_id, base_url } = server.app.credentials;
    assert.equal(base_url, `${server.app.origin}/client/v4`);
    assert.match(base_url, /^https:/);
    const sdk = server.app.sdk({ baseURL: base_url });
    const made = await sdk.zeroTrust.access.users.create({ account_id, email: 'sdk@example.com' });
    await sdk.zeroTrust.access.users.delete(made?.id ?? '', { account_id });
    assert.equal((await emails()).includes('sdk@example.com'), false);
  });

  test('is whole over HTTP/2', async () => {
    const session = openSession(server.app.origin);
    const body = '{"email":"h2@example.com"}';
    const type = { 'content-type': 'application/json' };
    const made = await askOver(session, { ':method': 'POST', ':path': users(), ...type, ...bearer() }, body);
    assert.equal(made.status, 201, made.text);
    const { id } = JSON.parse(made.text).result;
    assert.match(String(made.headers['x-request-id']), /^[0-9a-f]{16}$/);
    const one = await askOver(session, { ':path': `${users()}/${id}`, ...bearer() });
    assert.equal(JSON.parse(one.text).result.email, 'h2@example.com');
    const head = await askOver(session, { ':method': 'HEAD', ':path': '/healthz' });
    assert.deepEqual([head.status, head.text], [200, '']);
    const gone = await askOver(session, { ':method': 'DELETE', ':path': `${users()}/${id}`, ...bearer() });
    assert.equal(gone.status, 202);
    assert.equal((await emails()).includes('h2@example.com'), false);
    session.close();
  });

  test('a body that waits for 100 Continue is asked for, over both protocols', async () => {
    const session = openSession(server.app.origin);
    const more = { expect: '100-continue', 'content-type': 'application/json', ...bearer() };
    const stream = session.request({ ':method': 'POST', ':path': users(), ...more });
    await once(stream, 'continue');
    stream.end('{"email":"waits-2@example.com"}');
    const [{ ':status': status }] = await once(stream, 'response');
    assert.equal(status, 201);
    session.destroy();
    const socket = dial();
    socket.write(
      toBytes(
        { method: 'POST', target: users(), headers: [...Object.entries(more), ['content-length', '31']] },
        'localhost',
      ),
    );
    const [first] = await once(socket, 'data');
    assert.match(String(first), /^HTTP\/1\.1 100 /);
    socket.write('{"email":"waits-1@example.com"}');
    assert.equal((await readAnswer(socket)).status, 201);
    const known = await emails();
    assert.ok(known.includes('waits-1@example.com') && known.includes('waits-2@example.com'));
  });
});

describe('what HTTP/2 brings that is wrong is refused in the envelope', () => {
  let session: ClientHttp2Session;
  before(() => {
    session = openSession(server.app.origin);
  });
  after(() => session.close());

  type Case = readonly [
    name: string,
    sends: () => Record<string, string | string[]>,
    status: number,
    code: number,
    body?: string,
  ];
  const post = { ':method': 'POST', 'content-type': 'application/json' };
  const table: readonly Case[] = [
    ['no credential', () => ({ ':path': users() }), 400, 9106],
    [
      'a credential that comes twice',
      () => ({ ':path': users(), ...bearer(), 'x-auth-email': ['a@example.com', 'b@example.com'] }),
      400,
      6003,
    ],
    [
      'a Host that is not :authority',
      () => ({ ':path': users(), ':authority': 'localhost', host: 'other.localhost', ...bearer() }),
      400,
      1010,
    ],
    ['a target of 9 KB', () => ({ ':path': `${users()}?a=${'a'.repeat(9000)}`, ...bearer() }), 414, 1011],
    ['headers of 33 KB', () => ({ ':path': users(), 'x-a': 'a'.repeat(33_000), ...bearer() }), 431, 1012],
    [
      'cookies of 33 KB in crumbs',
      () => ({
        ':path': users(),
        cookie: Array.from({ length: 300 }, (_, at) => `c${at}=${'a'.repeat(110)}`),
        ...bearer(),
      }),
      431,
      1012,
    ],
    ['an unknown path', () => ({ ':path': '/client/v4/nowhere', ...bearer() }), 404, 7003],
    ['another method', () => ({ ':method': 'PATCH', ':path': users(), ...bearer() }), 405, 10405],
    ['a method that nobody knows', () => ({ ':method': 'FROB', ':path': users(), ...bearer() }), 400, 1010],
    ['an escape that is cut off', () => ({ ':path': `${users()}/%`, ...bearer() }), 400, 1010],
    ['a body of 2 MB', () => ({ ...post, ':path': users(), ...bearer() }), 413, 1007, 'x'.repeat(2_000_000)],
    ['a body that is no JSON', () => ({ ...post, ':path': users(), ...bearer() }), 400, 1009, '{'],
    [
      'a body of another type',
      () => ({ ...post, ':path': users(), ...bearer(), 'content-type': 'text/plain' }),
      415,
      1008,
      'x',
    ],
  ];
  for (const [name, sends, status, code, body] of table) {
    test(name, async () => {
      const known = await emails();
      const answer = await askOver(session, sends(), body);
      assert.equal(answer.status, status, answer.text);
      assert.deepEqual(
        JSON.parse(answer.text).errors.map((error: { code: number }) => error.code),
        [code],
      );
      assert.equal(answer.headers['cache-control'], 'no-store');
      assert.deepEqual(await emails(), known);
      assert.equal(session.closed, false, 'the session serves on');
    });
  }

  test('CONNECT leads nowhere', async () => {
    const { status, text } = await askOver(session, { ':method': 'CONNECT', ':authority': 'localhost:22' });
    assert.deepEqual([status, text], [405, '']);
  });

  test('headers beyond all measure end their stream alone', async () => {
    const many = Object.fromEntries(Array.from({ length: 1100 }, (_, at) => [`x-${at}`, '']));
    for (const flood of [{ 'x-a': 'a'.repeat(100_000) }, many]) {
      const { status, code } = await askOver(session, { ':path': users(), ...flood, ...bearer() });
      assert.deepEqual([status, code], [undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM]);
    }
    assert.equal((await askOver(session, { ':path': '/healthz' })).status, 200);
  });

  test('two Hosts are seen by nobody who decides by them', async () => {
    const ask = { ':authority': 'localhost', host: 'other.localhost', ':path': '/portcullis/forward-auth' };
    assert.equal((await askOver(session, ask)).status, 400);
    const alone = { host: 'localhost', ':path': '/healthz' };
    assert.equal((await askOver(session, alone)).status, 200, 'Host without :authority will do');
  });
});

describe('frames that no browser sends', () => {
  const request = (more: readonly (readonly [string, string])[] = []) =>
    [
      [':method', more.length > 0 ? 'POST' : 'GET'],
      [':scheme', 'https'],
      [':path', users()],
      [':authority', 'localhost'],
      ...Object.entries(bearer()),
      ...more,
    ] as const;
  const json = [['content-type', 'application/json']] as const;

  test('a body that is broken off is not acted on, however whole it looks', async () => {
    const known = await emails();
    const { socket, until } = await openRawSession(server.app.port);
    const begun = (stream: number) =>
      Buffer.concat([
        headers(stream, request(json), { ends: false }),
        data(stream, '{"email":"broken-off@example.com"}'),
      ]);
    socket.write(Buffer.concat([begun(1), reset(1)]));
    socket.write(begun(3));
    socket.write(headers(5, request()));
    await until(({ stream }) => stream === 5);
    socket.write(Buffer.concat([reset(3), headers(7, request())]));
    await until(({ stream, flags }) => stream === 7 && (flags & 1) === 1);
    assert.deepEqual(await emails(), known);
    socket.destroy();
  });

  test('streams beyond the hundred that may be open are refused, and none of the others', async () => {
    const { socket, frames, until } = await openRawSession(server.app.port);
    const streams = Array.from({ length: 101 }, (_, at) => 1 + 2 * at);
    socket.write(Buffer.concat(streams.map((stream) => headers(stream, request(json), { ends: false }))));
    const refused = await until(({ type }) => type === FRAME.reset);
    assert.equal(refused?.stream, 201);
    assert.equal(refused?.payload.readUInt32BE(), constants.NGHTTP2_REFUSED_STREAM);
    assert.equal(frames.filter(({ type }) => type === FRAME.reset).length, 1);
    socket.destroy();
  });

  const resets = () =>
    Array.from({ length: 1000 }, (_, at) => [headers(1 + 2 * at, request()), reset(1 + 2 * at)]).flat();
  const pings = () =>
    Array.from({ length: 20_000 }, () => frame(FRAME.ping, 0, { payload: Buffer.alloc(8) }));
  const floods: readonly (readonly [name: string, frames: () => readonly Buffer[]])[] = [
    ['requests that are taken back at once', resets],
    ['pings', pings],
    ['settings', () => Array.from({ length: 20_000 }, () => frame(FRAME.settings, 0))],
    [
      'headers that never end',
      () => [
        headers(1, request(), { whole: false }),
        ...Array.from({ length: 1000 }, () =>
          frame(FRAME.continuation, 1, { payload: Buffer.from('\0\x01a\x01b') }),
        ),
      ],
    ],
    ['a frame of another protocol', () => [Buffer.from('GET / HTTP/1.1\r\n\r\n'.repeat(10))]],
  ];
  for (const [name, flood] of floods) {
    test(`a flood of ${name} ends its connection, and nobody else's`, async () => {
      const other = openSession(server.app.origin);
      assert.equal((await askOver(other, { ':path': '/healthz' })).status, 200);
      const { socket } = await openRawSession(server.app.port);
      // It reads nothing of the answers, and is not asked to.
      socket.write(Buffer.concat(flood()));
      await closed(socket);
      assert.equal((await askOver(other, { ':path': '/healthz' })).status, 200);
      other.close();
      await assertServes();
    });
  }
});

describe('HTTP/1.1 over TLS', () => {
  async function send(bytes: Uint8Array | string): Promise<RawAnswer> {
    const socket = dial({ ALPNProtocols: ['http/1.1'] });
    await once(socket, 'secureConnect');
    socket.write(bytes);
    return await readAnswer(socket);
  }
  const code = ({ text }: RawAnswer) => JSON.parse(text).errors[0].code;

  const table: readonly (readonly [name: string, bytes: string, status: number, code: number])[] = [
    ['garbage', '\x00\x01\x02\r\n\r\n', 400, 1010],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 1010],
    [
      'headers of 40 KB',
      `GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ${'a'.repeat(40_000)}\r\n\r\n`,
      431,
      1012,
    ],
    ['no Host', 'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 1010],
    ['two Hosts', 'GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n', 400, 1010],
    [
      'two lengths',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx',
      400,
      1010,
    ],
  ];
  for (const [name, bytes, status, expected] of table) {
    test(`${name} is refused in the envelope`, async () => {
      const answer = await send(bytes);
      assert.deepEqual([answer.status, code(answer)], [status, expected]);
    });
  }

  test('a request line that says HTTP/2.0 is HTTP/1 all the same', async () => {
    const answer = await send('GET /healthz HTTP/2.0\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    assert.equal(answer.status, 200);
  });

  test('a request that asks for another protocol is answered as if it had not asked', async () => {
    const upgrade = [
      ['upgrade', 'websocket'],
      ['sec-websocket-version', '13'],
      ['sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ=='],
    ] as const;
    const bytes = toBytes({ target: '/healthz', headers: upgrade }, 'localhost').toString('latin1');
    const answer = await send(bytes.replace('connection: close', 'connection: upgrade, close'));
    assert.deepEqual([answer.status, answer.text], [200, '{"status":"ok"}']);
  });

  test('a thousand headers hide none that comes after them', async () => {
    const junk = Array.from({ length: 3000 }, (_, at) => [`a${at}`, ''] as const);
    const twice = [
      ['x-auth-email', 'a@example.com'],
      ['x-auth-email', 'b@example.com'],
    ] as const;
    const answer = await send(toBytes({ target: users(), headers: [...junk, ...twice] }, 'localhost'));
    assert.deepEqual([answer.status, code(answer)], [400, 6003]);
  });
});
