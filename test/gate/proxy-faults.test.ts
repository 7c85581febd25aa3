import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { createUpstreams } from '../../src/gate/upstream.ts';
import { freePort } from '../support/free-port.ts';
import { ANA, type GateInHand, type GateParts, HOST, startGateInHand } from '../support/gate-in-hand.ts';
import { bytesOf, refuseUpgrade, sha256, startUpstream, type Upstream } from '../support/upstream.ts';

/* The built-in proxy before applications that fail, and clients that go. */

describe('an application that cannot be reached', () => {
  for (const [name, origin, status] of [
    ['has no server', async () => `http://127.0.0.1:${await freePort()}`, 502],
    ['has a name that is none', async () => 'http://nowhere.invalid:80', 502],
    ['is at a link-local address', async () => 'http://169.254.169.254', 502],
    ['is at one written as IPv6', async () => 'http://[::ffff:169.254.169.254]', 502],
    ['is nowhere in particular', async () => 'http://0.0.0.0:80', 502],
    ['is the server itself', async () => 'http://127.0.0.1:1', 502],
    ['is the server itself, by a name', async () => 'http://localhost:1', 502],
  ] as const) {
    test(`because it ${name} is answered for, with the request id and no more`, async () => {
      const upstreams = createUpstreams({ authorities: null, isOwn: (_address, port) => port === 1 });
      await using gate = await startGateInHand({ upstream: await origin(), upstreams });
      const page = await ask(gate, '/', { 'sec-fetch-mode': 'navigate' });
      assert.equal(page.status, status);
      assert.match(page.text, /The application does not answer/);
      const [, requestId] = /Request <code>([0-9a-f]{16})<\/code>/.exec(page.text) ?? [];
      assert.equal(page.headers['x-request-id'], requestId);
      assert.doesNotMatch(page.text, /127\.0\.0\.1|169\.254|invalid|ECONN/);
      const program = await ask(gate, '/');
      assert.deepEqual(
        [program.status, program.headers['content-type']],
        [status, 'text/plain; charset=utf-8'],
      );
      assert.equal(gate.failures.length, 2);
      assert.deepEqual([gate.exchanges.size, gate.faults], [0, []]);
      upstreams.close();
    });
  }
});

describe('an application that takes its time', () => {
  let upstream: Upstream;
  beforeEach(async () => {
    upstream = await startUpstream();
  });
  afterEach(() => upstream[Symbol.asyncDispose]());
  const start = (timeouts: GateParts['timeouts']) =>
    startGateInHand({ upstream: upstream.origin, ...(timeouts ? { timeouts } : {}) });

  test('to shake hands is given up', async () => {
    const silent = createServer((socket) => socket.on('error', () => {}));
    await once(silent.listen(0, '127.0.0.1'), 'listening');
    const { port } = silent.address() as { port: number };
    const upstreams = createUpstreams({ authorities: null, isOwn: () => false });
    const parts = { upstream: `https://127.0.0.1:${port}`, upstreams, timeouts: { connect: 50 } };
    await using gate = await startGateInHand(parts);
    assert.equal((await ask(gate, '/')).status, 504);
    upstreams.close();
    silent.close();
  });

  test('to begin its answer is given up', async () => {
    await using gate = await start({ answer: 50 });
    assert.equal((await ask(gate, '/wait')).status, 504);
    const { socket } = await upstream.arrival('/wait');
    if (!socket.closed) await once(socket, 'close');
    assert.equal(gate.exchanges.size, 0);
  });

  test('in the midst of its answer is given up by a reset, so that nobody takes it for whole', async () => {
    await using gate = await start({ idle: 50 });
    await assertBroken(begin(gate, '/events'));
    assert.equal(gate.exchanges.size, 0);
  });

  test('on a WebSocket is given up', async () => {
    await using gate = await start({ idle: 50 });
    const webSocket = openWebSocket(gate);
    assert.equal((await once(webSocket, 'close'))[0], 1006);
    assert.equal(gate.exchanges.size, 0);
  });

  test('is waited for while its client is still sending', async () => {
    await using gate = await start({ answer: 50 });
    const request = begin(gate, '/upload', { method: 'POST' });
    request.write('slow');
    await upstream.arrival('/upload');
    await new Promise((resolve) => setTimeout(resolve, 150));
    request.end('ly');
    assert.equal((await whole(request)).text, sha256('slowly'));
  });
});

describe('an application that breaks off', () => {
  let upstream: Upstream;
  let gate: GateInHand;
  beforeEach(async () => {
    upstream = await startUpstream();
    gate = await startGateInHand({ upstream: upstream.origin });
  });
  afterEach(async () => {
    await gate[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  });

  for (const [how, end] of Object.entries<(socket: Socket) => void>({
    'with a reset': (socket) => void socket.resetAndDestroy(),
    'by closing': (socket) => void socket.destroy(),
    'by closing its half': (socket) => void socket.end(),
  })) {
    test(`${how} before its answer is answered for`, async () => {
      upstream.paths['/gone'] = ({ socket }) => end(socket);
      assert.equal((await ask(gate, '/gone')).status, 502);
      assert.equal(gate.exchanges.size, 0);
    });

    for (const [what, head] of [
      ['measured', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'],
      ['chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'],
    ] as const) {
      test(`${how} in the midst of a ${what} answer breaks off the client’s`, async () => {
        upstream.paths['/half'] = ({ socket }) =>
          void socket.write(head, () => setImmediate(() => end(socket)));
        await assertBroken(begin(gate, '/half'));
        assert.equal(gate.exchanges.size, 0);
      });
    }
  }

  test('in the midst of its head is answered for', async () => {
    upstream.paths['/head'] = ({ socket }) => void socket.end('HTTP/1.1 200 OK\r\nX-A: ');
    assert.equal((await ask(gate, '/head')).status, 502);
  });

  test('after an answer that was whole breaks nothing', async () => {
    upstream.paths['/whole'] = ({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole', () => socket.resetAndDestroy());
    };
    assert.equal((await ask(gate, '/whole')).text, 'whole');
  });

  test('by closing a connection that was kept is asked once more, if nothing can have happened', async () => {
    const seen: string[] = [];
    const fickle = createServer((socket) => {
      let asked = 0;
      socket.on('error', () => {});
      socket.on('data', (chunk) => {
        seen.push(String(chunk).split(' ', 1)[0] ?? '');
        asked += 1;
        if (asked === 1) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
        else socket.resetAndDestroy();
      });
    });
    await once(fickle.listen(0, '127.0.0.1'), 'listening');
    const { port } = fickle.address() as { port: number };
    await using kept = await startGateInHand({ upstream: `http://127.0.0.1:${port}` });
    assert.equal((await ask(kept, '/')).status, 200);
    assert.equal((await ask(kept, '/')).status, 200);
    assert.deepEqual(seen, ['GET', 'GET', 'GET']);
    assert.equal((await ask(kept, '/')).status, 200);
    const post = begin(kept, '/', { method: 'POST', headers: { 'content-length': '0' } });
    post.end();
    assert.equal((await whole(post)).status, 502);
    assert.equal(seen.filter((method) => method === 'POST').length, 1);
    fickle.close();
  });

  test('a new connection each time is not asked twice', async () => {
    let asked = 0;
    upstream.paths['/never'] = ({ socket }) => {
      asked += 1;
      socket.resetAndDestroy();
    };
    assert.equal((await ask(gate, '/never')).status, 502);
    assert.equal(asked, 1);
  });

  test('a WebSocket closes it for the client, and what was sent before arrives', async () => {
    const webSocket = openWebSocket(gate);
    await once(webSocket, 'open');
    const messages: string[] = [];
    webSocket.on('message', (data) => messages.push(String(data)));
    const [other] = [...upstream.webSockets];
    const closed = once(webSocket, 'close');
    other?.send('last words');
    other?.close(4000, 'enough');
    assert.deepEqual([(await closed)[0], messages], [4000, ['last words']]);
    while (gate.exchanges.size > 0) await nextTurn();
  });

  test('that resets a WebSocket resets it for the client', async () => {
    const webSocket = openWebSocket(gate);
    await once(webSocket, 'open');
    const { socket } = await upstream.arrival('/socket');
    const closed = once(webSocket, 'close');
    socket.resetAndDestroy();
    assert.equal((await closed)[0], 1006);
    while (gate.exchanges.size > 0) await nextTurn();
  });
});

describe('a client', () => {
  let upstream: Upstream;
  let gate: GateInHand;
  beforeEach(async () => {
    upstream = await startUpstream();
    gate = await startGateInHand({ upstream: upstream.origin });
  });
  afterEach(async () => {
    await gate[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  });

  for (const path of ['/wait', '/upload', '/events', '/download?50000000'] as const) {
    test(`that goes takes its request to the application with it: ${path}`, async () => {
      const method = path === '/upload' ? 'POST' : 'GET';
      const request = begin(gate, path, { method });
      if (method === 'POST') request.write('half');
      else request.end();
      const arrival = await upstream.arrival(path.split('?')[0] ?? '');
      const closed = new Promise((resolve) => arrival.socket.once('close', resolve));
      request.destroy();
      await closed;
      if (method === 'POST') assert.equal(arrival.request.complete, false);
      while (gate.exchanges.size > 0) await nextTurn();
    });
  }

  test('that goes while its WebSocket is being opened takes that with it', async () => {
    upstream.paths['/socket'] = () => {};
    const held = createServer((socket) =>
      socket.on('error', () => {}).on('data', () => news.resolve(socket)),
    );
    const news = Promise.withResolvers<Socket>();
    await once(held.listen(0, '127.0.0.1'), 'listening');
    const { port } = held.address() as { port: number };
    await using waiting = await startGateInHand({ upstream: `http://127.0.0.1:${port}` });
    const webSocket = openWebSocket(waiting);
    const socket = await news.promise;
    const closed = new Promise((resolve) => socket.once('close', resolve));
    webSocket.terminate();
    await closed;
    while (waiting.exchanges.size > 0) await nextTurn();
    held.close();
  });

  test('that goes from a WebSocket closes it for the application', async () => {
    const webSocket = openWebSocket(gate);
    await once(webSocket, 'open');
    const [other] = [...upstream.webSockets];
    assert.ok(other);
    const closed = once(other, 'close');
    webSocket.terminate();
    await closed;
    while (gate.exchanges.size > 0) await nextTurn();
  });

  test('that does not read stops the application, and nothing is kept for it', async () => {
    const request = begin(gate, '/download?50000000');
    request.end();
    const [answer] = (await once(request, 'response')) as [IncomingMessage];
    answer.pause();
    const { response } = await upstream.arrival('/download');
    const socket = response?.socket;
    assert.ok(socket);
    let before = -1;
    while (socket.bytesWritten !== before) {
      before = socket.bytesWritten;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.ok(before < 25_000_000, `${before} bytes were taken from the application`);
    answer.resume();
    await once(answer, 'end');
  });

  test('that is answered before its body was whole gets the answer', async () => {
    upstream.paths['/full'] = (_request, response) => void response.writeHead(413).end('enough');
    const request = begin(gate, '/full', { method: 'POST', headers: { 'content-length': '1000000' } });
    request.write('a');
    assert.deepEqual(await whole(request).then(({ status, text }) => [status, text]), [413, 'enough']);
    request.destroy();
    while (gate.exchanges.size > 0) await nextTurn();
  });

  test('that waits to be told to go on is told after the verdict, and the application is not asked to', async () => {
    const request = begin(gate, '/echo', {
      method: 'POST',
      headers: { expect: '100-continue', 'content-length': '4' },
    });
    request.flushHeaders();
    await once(request, 'continue');
    assert.equal(gate.decisions[0]?.verdict, 'allow');
    request.end('body');
    const { body, rawHeaders } = JSON.parse((await whole(request)).text);
    assert.deepEqual(
      [body, rawHeaders.includes('expect'), rawHeaders.includes('Expect')],
      ['body', false, false],
    );
  });

  test('that waits to be told to go on and may not is told so at once, and never to go on', async () => {
    const request = begin(gate, '/upload', {
      method: 'POST',
      headers: {
        expect: '100-continue',
        'content-length': '4',
        cookie: 'CF_Authorization=a; CF_Authorization=b',
      },
    });
    request.on('continue', () => assert.fail('was told to go on'));
    request.flushHeaders();
    const answer = await whole(request);
    assert.deepEqual([answer.status, answer.headers.connection], [403, 'close']);
    assert.deepEqual(upstream.arrivals, []);
  });

  test('of HTTP/1.0 gets an answer without chunks', async () => {
    const socket = connect(gate.port, '127.0.0.1');
    socket.write(`GET /events HTTP/1.0\r\nHost: ${HOST}\r\nCookie: ${ANA}\r\n\r\n`);
    let text = '';
    while (!text.includes('data: first')) text += String((await once(socket, 'data'))[0]);
    assert.doesNotMatch(text, /chunked/i);
    socket.destroy();
  });
});

describe('whatever is upgraded', () => {
  test('is pumped as it is, whatever it speaks, and half-closed in turn', async () => {
    const shouter = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => {
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: Shout/1\r\nX-Own: yes\r\n\r\nEARLY',
        );
        socket.on('data', (chunk) => socket.write(String(chunk).toUpperCase()));
        socket.on('end', () => socket.end('BYE'));
      });
    });
    await once(shouter.listen(0, '127.0.0.1'), 'listening');
    const { port } = shouter.address() as { port: number };
    await using gate = await startGateInHand({ upstream: `http://127.0.0.1:${port}` });
    const socket = connect({ port: gate.port, host: '127.0.0.1', allowHalfOpen: true });
    const chunks: string[] = [];
    socket.on('data', (chunk) => chunks.push(String(chunk)));
    const lines = `Host: ${HOST}\r\nCookie: ${ANA}\r\nConnection: Upgrade\r\nUpgrade: shout/1`;
    // What it says before it was answered must not be lost.
    socket.write(`GET / HTTP/1.1\r\n${lines}\r\n\r\nfirst `);
    while (!chunks.join('').includes('FIRST')) await once(socket, 'data');
    socket.end('second');
    await once(socket, 'close');
    const [head = '', body] = chunks.join('').split('\r\n\r\n');
    assert.match(head, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
    assert.match(head, /X-Own: yes/);
    assert.equal(body, 'EARLYFIRST SECONDBYE');
    while (gate.exchanges.size > 0) await nextTurn();
    shouter.close();
  });

  test('is refused as the application refuses it', async () => {
    await using upstream = await startUpstream();
    upstream.paths['/socket'] = refuseUpgrade;
    await using gate = await startGateInHand({ upstream: upstream.origin });
    const webSocket = openWebSocket(gate);
    const [, answer] = (await once(webSocket, 'unexpected-response')) as [ClientRequest, IncomingMessage];
    assert.deepEqual([answer.statusCode, answer.headers['x-from']], [403, 'application']);
    answer.destroy();
    while (gate.exchanges.size > 0) await nextTurn();
  });

  for (const [who, cookie, status] of [
    ['nobody', '', 401],
    ['somebody unknown', 'CF_Authorization=other; CF_Authorization=token', 403],
  ] as const) {
    test(`is refused to ${who} without a redirect, whatever it says of itself`, async () => {
      await using upstream = await startUpstream();
      await using gate = await startGateInHand({ upstream: upstream.origin });
      const webSocket = new WebSocket(`ws://127.0.0.1:${gate.port}/socket`, {
        headers: { host: HOST, cookie, accept: 'text/html', 'sec-fetch-mode': 'navigate' },
      });
      webSocket.on('error', () => {});
      const [, answer] = (await once(webSocket, 'unexpected-response')) as [ClientRequest, IncomingMessage];
      assert.deepEqual([answer.statusCode, answer.headers.location], [status, undefined]);
      answer.destroy();
      assert.deepEqual(upstream.arrivals, []);
    });
  }

  test('is not there for an application that cannot be reached', async () => {
    await using gate = await startGateInHand({ upstream: `http://127.0.0.1:${await freePort()}` });
    const webSocket = openWebSocket(gate);
    const [, answer] = (await once(webSocket, 'unexpected-response')) as [ClientRequest, IncomingMessage];
    assert.equal(answer.statusCode, 502);
    answer.destroy();
  });
});

describe('what ends by itself', () => {
  for (const path of ['/wait', '/events', '/download?50000000'] as const) {
    test(`is over at its time: ${path}`, async () => {
      await using upstream = await startUpstream();
      await using gate = await startGateInHand({ upstream: upstream.origin });
      const request = begin(gate, path);
      request.end();
      const arrival = await upstream.arrival(path.split('?')[0] ?? '');
      const closed = new Promise((resolve) => arrival.socket.once('close', resolve));
      gate.setTime(1999);
      gate.exchanges.sweep();
      assert.equal(gate.exchanges.size, 1);
      gate.setTime(2000);
      gate.exchanges.sweep();
      await closed;
      assert.deepEqual([gate.exchanges.size, gate.cuts], [0, ['expired']]);
      assert.equal((await ask(gate, '/')).status, 401);
    });
  }

  test('is sent nothing from that time on, before anybody has swept', async () => {
    await using upstream = await startUpstream();
    await using gate = await startGateInHand({ upstream: upstream.origin });
    const webSocket = openWebSocket(gate);
    await once(webSocket, 'open');
    gate.setTime(2000);
    webSocket.on('message', () => assert.fail('something came'));
    for (const other of upstream.webSockets) {
      other.on('message', () => assert.fail('something arrived'));
      other.send('late');
    }
    webSocket.send('late');
    for (let turn = 0; turn < 100; turn++) await nextTurn();
    gate.exchanges.sweep();
    assert.equal((await once(webSocket, 'close'))[0], 4401);
  });
});

test('bytes of many at once are nobody else’s', async () => {
  await using upstream = await startUpstream();
  await using gate = await startGateInHand({ upstream: upstream.origin });
  const sizes = Array.from({ length: 40 }, (_, n) => 1000 + n * 5003);
  const answers = await Promise.all(sizes.map((size) => ask(gate, `/download?${size}`)));
  for (const [at, { bytes }] of answers.entries())
    assert.equal(sha256(bytes), sha256(bytesOf(sizes[at] ?? 0)));
  assert.equal(gate.exchanges.size, 0);
});

function begin(
  gate: GateInHand,
  path: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> } = {},
): ClientRequest {
  const all = { host: HOST, cookie: ANA, ...headers };
  const request = httpRequest({
    host: '127.0.0.1',
    port: gate.port,
    path,
    method,
    headers: all,
    agent: false,
  });
  return request.on('error', () => {});
}

async function ask(gate: GateInHand, path: string, headers: Record<string, string> = {}) {
  const request = begin(gate, path, { headers });
  request.end();
  return await whole(request);
}

async function whole(request: ClientRequest) {
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  return { status: answer.statusCode ?? 0, headers: answer.headers, bytes, text: bytes.toString() };
}

/** That the answer begins, and then breaks off instead of ending. */
async function assertBroken(request: ClientRequest): Promise<void> {
  request.end();
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  answer.resume();
  answer.on('end', () => assert.fail('came to its end'));
  const [error] = await new Promise<[NodeJS.ErrnoException]>((resolve) =>
    answer.once('error', (fault) => resolve([fault])),
  );
  assert.equal(error.code, 'ECONNRESET');
}

function openWebSocket(gate: GateInHand): WebSocket {
  const headers = { host: HOST, cookie: ANA };
  const webSocket = new WebSocket(`ws://127.0.0.1:${gate.port}/socket`, {
    headers,
    perMessageDeflate: false,
  });
  return webSocket.on('error', () => {});
}
