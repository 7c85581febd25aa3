import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { connect, createServer, type Socket } from 'node:net';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { WebSocket } from 'ws';
import type { FeedItem } from '../../src/protocol/feed.ts';
import { createPair, type TestPair } from '../support/certificates.ts';
import { ANA, type GateInHand, HOST, startGateInHand } from '../support/gate-in-hand.ts';
import { askOver } from '../support/http2.ts';
import { type GateSockets, watchGateSockets } from '../support/open-exchanges.ts';
import { bytesOf, sha256, startUpstream, type Upstream } from '../support/upstream.ts';

/* The built-in proxy over TLS: what HTTP/2 brings, and how its streams end. */

const revoked: FeedItem = { kind: 'revocation', subject: { type: 'user', id: 'ana' } };

describe('over HTTP/2', () => {
  let pair: TestPair;
  let upstream: Upstream;
  let gate: GateInHand;
  let sockets: GateSockets;
  let session: ClientHttp2Session;
  before(async () => {
    pair = await createPair();
    sockets = watchGateSockets();
  });
  after(() => sockets[Symbol.dispose]());
  beforeEach(async () => {
    upstream = await startUpstream();
    gate = await startGateInHand({ upstream: upstream.origin, tls: pair });
    session = open(gate.port);
  });
  afterEach(async () => {
    session.destroy();
    await gate[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  });

  function open(port: number): ClientHttp2Session {
    const windows = { settings: { initialWindowSize: 64 * 1024 * 1024 } };
    const made = connectHttp2(`https://localhost:${port}`, { ca: pair.cert, ...windows }).on(
      'error',
      () => {},
    );
    return made.once('connect', () => made.setLocalWindowSize(64 * 1024 * 1024));
  }

  function openOver(port: number): ClientHttp2Session {
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    const made = connectHttp2('https://localhost', {
      createConnection: () =>
        connectTls({ socket, ca: pair.cert, servername: 'localhost', ALPNProtocols: ['h2'] }),
      settings: { initialWindowSize: 64 * 1024 * 1024 },
    }).on('error', () => {});
    return made.once('connect', () => made.setLocalWindowSize(64 * 1024 * 1024));
  }

  const asAna = (path: string, more: Readonly<Record<string, string | string[]>> = {}) => ({
    ':authority': HOST,
    ':path': path,
    cookie: ANA,
    ...more,
  });

  test('a request is carried as HTTP/1.1, with the cookies of its crumbs and without what is the connection’s', async () => {
    const answer = await askOver(session, asAna('/echo?q', { cookie: ['a=1', ANA, 'b=2'], te: 'trailers' }));
    assert.equal(answer.status, 200, answer.text);
    const { rawHeaders, url } = JSON.parse(answer.text) as { rawHeaders: string[]; url: string };
    const value = (name: string) => rawHeaders[rawHeaders.indexOf(name) + 1];
    assert.deepEqual([url, value('host'), value('cookie')], ['/echo?q', HOST, 'a=1; b=2']);
    assert.deepEqual([value('via'), value('x-forwarded-proto')], ['2 portcullis', 'https']);
    assert.equal(
      rawHeaders.some((name) => name.startsWith(':') || name === 'te'),
      false,
    );
    assert.equal(answer.headers.via, '1.1 portcullis');
    assert.equal(answer.headers.connection, undefined);
  });

  test('a body is carried without a length, and one with a length keeps it', async () => {
    const bare = JSON.parse((await askOver(session, asAna('/echo', { ':method': 'POST' }), 'abc')).text);
    assert.equal(bare.body, 'abc');
    assert.ok(bare.rawHeaders.includes('chunked'));
    const more = { ':method': 'PUT', 'content-length': '3' };
    const measured = JSON.parse((await askOver(session, asAna('/echo', more), 'abc')).text);
    assert.deepEqual([measured.body, measured.rawHeaders.includes('chunked')], ['abc', false]);
  });

  test('repeated headers of an answer come through, ours do not', async () => {
    upstream.paths['/said'] = (_request, response) => {
      response.writeHead(200, [
        ['Set-Cookie', 'a=1'],
        ['Set-Cookie', 'CF_Authorization=x'],
        ['Set-Cookie', 'b=2'],
        ['Connection', 'close, x-hop'],
        ['X-Hop', '1'],
      ] as unknown as Record<string, string>);
      response.end();
    };
    const { headers } = await askOver(session, asAna('/said'));
    assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2']);
    assert.equal(headers['x-hop'], undefined);
  });

  test('an authority that differs from Host is refused before anybody is asked', async () => {
    const answer = await askOver(session, asAna('/', { host: 'other.example' }));
    assert.notEqual(answer.status, 200);
    assert.deepEqual([upstream.arrivals, gate.decisions], [[], []]);
  });

  test('a stream that its client resets takes its request to the application with it, and leaves nothing', async () => {
    for (const path of ['/wait', '/events']) {
      const stream = begin(asAna(path));
      const arrival = await upstream.arrival(path);
      const closed = new Promise((resolve) => arrival.socket.once('close', resolve));
      stream.close(8);
      await closed;
      while (gate.exchanges.size > 0) await nextTurn();
    }
  });

  test('half a body whose connection breaks is never taken for a whole one', async () => {
    await using link = await startSlowLink(gate.port);
    const far = openOver(link.port);
    const stream = far.request(asAna('/upload', { ':method': 'POST' })).on('error', () => {});
    stream.write('half of it');
    const arrival = await upstream.arrival('/upload');
    const closed = new Promise((resolve) => arrival.socket.once('close', resolve));
    link.towardsGate().destroy();
    await closed;
    assert.equal(arrival.request.complete, false);
    while (gate.exchanges.size > 0) await nextTurn();
    far.destroy();
  });

  for (const path of ['/wait', '/events', '/upload', '/download?1000000']) {
    test(`a removal resets the stream, and no other: ${path}`, async () => {
      const stays = session.request({ ...asAna('/nothing'), ':authority': 'another.example' });
      stays.on('error', () => {});
      const stream = begin(asAna(path));
      const arrival = await upstream.arrival(path.split('?')[0] ?? '');
      const leg = sockets.towards(arrival);
      if (path === '/events') await once(stream, 'data');
      const closed = new Promise((resolve) => stream.once('close', resolve));
      gate.apply(revoked);
      assert.equal(leg.destroyed, true);
      assert.equal(gate.exchanges.size, 0);
      await closed;
      assert.equal(stream.rstCode, 8);
      assert.equal(session.destroyed, false);
      assert.equal((await askOver(session, asAna('/echo'))).status, 401);
    });
  }

  test('a removal drops what is queued for a client that does not read, with the connection if it must', async () => {
    await using slow = await startSlowLink(gate.port);
    const far = openOver(slow.port);
    const stream = far.request(asAna('/download?50000000')).on('error', () => {});
    stream.resume();
    await once(stream, 'response');
    slow.pause();
    const ours = sockets.accepted(slow.towardsGate());
    await untilFull(ours);
    gate.apply(revoked);
    const { bytesWritten } = ours;
    assert.equal(ours.destroyed, true);
    const closed = new Promise((resolve) => far.once('close', resolve));
    slow.resume();
    await closed;
    assert.equal(ours.bytesWritten, bytesWritten);
  });

  test('a long answer comes whole', async () => {
    const stream = begin(asAna('/download?20000000'));
    const chunks: Buffer[] = [];
    for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
    assert.equal(sha256(Buffer.concat(chunks)), sha256(bytesOf(20_000_000)));
    while (gate.exchanges.size > 0) await nextTurn();
  });

  test('an application that breaks off resets the stream', async () => {
    upstream.paths['/half'] = (request, response) => {
      response.writeHead(200, { 'content-length': 100 }).write('half');
      setImmediate(() => request.socket.resetAndDestroy());
    };
    const { code, text } = await askOver(session, asAna('/half'));
    assert.notEqual(code, 0);
    assert.ok(text.length < 100);
    assert.equal(session.destroyed, false);
  });

  test('over HTTP/1.1 on the same port, a removal resets the connection below TLS', async () => {
    const headers = { host: HOST, cookie: ANA };
    const request = httpsRequest({
      host: '127.0.0.1',
      port: gate.port,
      path: '/events',
      headers,
      ca: pair.cert,
      servername: 'localhost',
      agent: false,
    });
    request.on('error', () => {});
    request.end();
    const arrival = await upstream.arrival('/events');
    const leg = sockets.towards(arrival);
    const [answer] = await once(request, 'response');
    const failed = once(answer, 'error');
    answer.resume();
    gate.apply(revoked);
    assert.equal(leg.destroyed, true);
    assert.equal((await failed.catch((error) => [error]))[0].code, 'ECONNRESET');
  });

  test('a WebSocket over TLS is told why it is cut', async () => {
    const tls = { ca: pair.cert, servername: 'localhost' };
    const headers = { host: HOST, cookie: ANA };
    const webSocket = new WebSocket(`wss://127.0.0.1:${gate.port}/socket`, [], { headers, ...tls });
    webSocket.on('error', () => {});
    await once(webSocket, 'open');
    webSocket.send('hello');
    assert.equal(String((await once(webSocket, 'message'))[0]), 'hello');
    const leg = sockets.towards(await upstream.arrival('/socket'));
    const closed = once(webSocket, 'close');
    gate.apply(revoked);
    assert.equal(leg.destroyed, true);
    const [code, reason] = await closed;
    assert.deepEqual([code, String(reason)], [4401, 'access was removed']);
  });

  function begin(headers: Readonly<Record<string, string | string[]>>): ClientHttp2Stream {
    const isUpload = headers[':path'] === '/upload';
    const stream = session.request(
      { ...headers, ':method': isUpload ? 'POST' : 'GET' },
      { endStream: !isUpload },
    );
    stream.on('error', () => {});
    if (isUpload) stream.write('half of it');
    return stream;
  }
});

/** A way to the gate on which the test can stop what comes from it. */
async function startSlowLink(to: number) {
  const links: Socket[] = [];
  const server = createServer((client) => {
    const link = connect(to, '127.0.0.1');
    links.push(link);
    client.on('error', () => link.destroy()).on('data', (chunk) => link.write(chunk));
    link.on('error', () => client.destroy()).on('data', (chunk) => client.write(chunk));
    link.on('close', () => client.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const link = () => links[0] ?? assert.fail();
  return {
    port: (server.address() as { port: number }).port,
    pause: () => link().pause(),
    resume: () => link().resume(),
    towardsGate: link,
    [Symbol.asyncDispose]: async () => {
      server.close();
      for (const one of links) one.destroy();
    },
  };
}

/** Until nothing more is taken by the kernel. */
async function untilFull(socket: Socket): Promise<void> {
  const { _handle: handle } = socket as unknown as {
    _handle: { writeQueueSize: number; bytesWritten: number };
  };
  let before = -1;
  while (handle.writeQueueSize === 0 || handle.bytesWritten !== before) {
    before = handle.bytesWritten;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
