import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { Exchange, Exchanges } from '../../src/gate/exchanges.ts';
import { ANA, type GateInHand, HOST, startGateInHand } from '../support/gate-in-hand.ts';
import { type GateSockets, watchGateSockets } from '../support/open-exchanges.ts';
import { type Arrival, bytesOf, sha256, startUpstream, type Upstream } from '../support/upstream.ts';

/*
 * What a changed policy may end stands still until it is decided (design §4.5): while it is frozen the gate hands
 * nothing to its kernel on either side, and afterwards not a byte is lost, doubled or out of order.
 */

describe('an exchange that is frozen', () => {
  let upstream: Upstream;
  let gate: GateInHand;
  let sockets: GateSockets;
  let hand: ReturnType<typeof holdExchanges>;
  before(() => {
    sockets = watchGateSockets();
  });
  after(() => sockets[Symbol.dispose]());
  beforeEach(async () => {
    hand = holdExchanges();
    upstream = await startUpstream();
    gate = await startGateInHand({ upstream: upstream.origin, exchanges: hand.exchanges });
  });
  afterEach(async () => {
    await gate[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  });

  /** Freezes it as soon as nothing is queued, does something meanwhile, and asserts that nothing flows. */
  async function frozen(ends: Ends, meanwhile: () => void = () => {}): Promise<void> {
    await hand.freeze();
    const before = [ends.client.bytesWritten, ends.upstream.bytesWritten];
    meanwhile();
    for (let turn = 0; turn < 200; turn++) await nextTurn();
    assert.deepEqual([ends.client.bytesWritten, ends.upstream.bytesWritten], before);
  }

  test('does not begin an answer that has come meanwhile', async () => {
    const { request, arrival, ends } = await ask('/wait');
    await frozen(ends, () => arrival.response?.end('at last'));
    hand.thaw();
    assert.equal((await bodyOf(request)).toString(), 'at last');
  });

  test('does not go on with an answer', async () => {
    const { request, arrival, ends } = await ask('/events');
    const body = bodyOf(request);
    await once(request, 'response');
    for (const event of ['second', 'third', 'fourth']) {
      await frozen(ends, () => arrival.response?.write(`data: ${event}\n\n`));
      hand.thaw();
    }
    await frozen(ends, () => arrival.response?.end('data: last\n\n'));
    hand.thaw();
    assert.equal(
      (await body).toString(),
      ['first', 'second', 'third', 'fourth', 'last'].map((event) => `data: ${event}\n\n`).join(''),
    );
  });

  test('stops and goes on in the midst of a long answer, again and again', async () => {
    const { request, arrival, ends } = await ask('/wait');
    const body = bodyOf(request);
    const bytes = bytesOf(20_000_000);
    for (let at = 0; at < bytes.length; at += 2_000_000) {
      await frozen(ends, () => arrival.response?.write(bytes.subarray(at, at + 2_000_000)));
      hand.thaw();
      // Some of it, so that the next freeze comes in its midst.
      const { bytesWritten } = ends.client;
      while (ends.client.bytesWritten === bytesWritten) await nextTurn();
    }
    arrival.response?.end();
    assert.equal(sha256(await body), sha256(bytes));
  });

  test('stops and goes on in the midst of a long body, again and again', async () => {
    const { request, ends } = await ask('/upload', 'POST');
    const answer = bodyOf(request);
    const bytes = bytesOf(20_000_000);
    request.end(bytes.subarray(1));
    for (let round = 0; round < 10; round++) {
      await frozen(ends);
      hand.thaw();
      await nextTurn();
    }
    const whole = Buffer.concat([Buffer.from('!'), bytes.subarray(1)]);
    assert.equal((await answer).toString(), sha256(whole));
  });

  test('does not end a body that has ended meanwhile', async () => {
    const { request, arrival, ends } = await ask('/upload', 'POST');
    await frozen(ends, () => request.end());
    assert.equal(arrival.request.complete, false);
    hand.thaw();
    assert.equal((await bodyOf(request)).toString(), sha256('!'));
  });

  test('holds the frames of a WebSocket either way, in their order', async () => {
    const { webSocket, ends, messages } = await connectWebSocket();
    webSocket.send('before');
    await messages.reach(1);
    await frozen(ends, () => {
      for (let n = 0; n < 20; n++) webSocket.send(`up ${n}`);
      for (const other of upstream.webSockets) for (let n = 0; n < 20; n++) other.send(`down ${n}`);
    });
    assert.deepEqual(messages.all, ['before']);
    hand.thaw();
    await messages.reach(41);
    const counted = (way: string) => Array.from({ length: 20 }, (_, n) => `${way} ${n}`);
    assert.deepEqual(
      messages.all.filter((message) => message.startsWith('up')),
      counted('up'),
    );
    assert.deepEqual(
      messages.all.filter((message) => message.startsWith('down')),
      counted('down'),
    );
    webSocket.close();
  });

  test('does not open a WebSocket that the application has opened meanwhile, and loses nothing said early', async () => {
    hand.freezeAtEntry = true;
    const webSocket = new WebSocket(`ws://127.0.0.1:${gate.port}/`, { headers: { host: HOST, cookie: ANA } });
    let isOpen = false;
    webSocket.once('open', () => {
      isOpen = true;
    });
    await upstream.arrival('/');
    for (const other of upstream.webSockets) other.send('early');
    for (let turn = 0; turn < 200; turn++) await nextTurn();
    assert.equal(isOpen, false);
    const message = once(webSocket, 'message');
    hand.thaw();
    assert.equal(String((await message)[0]), 'early');
    webSocket.send('late');
    assert.equal(String((await once(webSocket, 'message'))[0]), 'late');
    webSocket.terminate();
  });

  test('is reset, and not answered, when its application fails meanwhile', async () => {
    const { request, arrival } = await ask('/wait');
    await hand.freeze();
    const closed = new Promise((resolve) => request.once('close', resolve));
    request.once('response', () => assert.fail('was answered'));
    arrival.socket.resetAndDestroy();
    await closed;
    assert.equal(hand.open.size, 0);
  });

  for (const path of ['/wait', '/events', '/download?20000000'] as const) {
    test(`and then cut is sent nothing more: ${path}`, async () => {
      const { request, ends } = await ask(path);
      request.on('response', (answer) => answer.on('error', () => {}).resume());
      await frozen(ends);
      const before = ends.client.bytesWritten;
      hand.cut();
      assert.deepEqual([ends.client.destroyed, ends.upstream.destroyed], [true, true]);
      for (let turn = 0; turn < 50; turn++) await nextTurn();
      assert.equal(ends.client.bytesWritten, before);
    });
  }

  test('a WebSocket that is frozen and then cut is told why', async () => {
    const { webSocket, ends } = await connectWebSocket();
    await hand.freeze();
    const closed = once(webSocket, 'close');
    hand.cut();
    assert.deepEqual([ends.client.destroyed, ends.upstream.destroyed], [true, true]);
    const [code, reason] = await closed;
    assert.deepEqual([code, String(reason)], [4401, 'access was removed']);
  });

  test('a WebSocket that is cut in the midst of a frame is told nothing that could be taken for its payload', async () => {
    const { webSocket, messages } = await connectWebSocket();
    for (const other of upstream.webSockets) {
      const { _socket: raw } = other as WebSocket & { _socket: Socket };
      // The head of a text frame of five bytes, and two of them.
      raw.write(Buffer.from([0x81, 5, 0x61, 0x62]));
    }
    const { _socket: client } = webSocket as WebSocket & { _socket: Socket };
    const read = client.bytesRead;
    while (client.bytesRead === read) await nextTurn();
    const closed = once(webSocket, 'close');
    hand.cut();
    assert.equal((await closed)[0], 1006);
    assert.deepEqual(messages.all, []);
    assert.equal(client.bytesRead, read + 4);
  });

  async function ask(path: string, method = 'GET') {
    const headers = { host: HOST, cookie: ANA };
    const request = httpRequest({ host: '127.0.0.1', port: gate.port, path, method, headers, agent: false });
    request.on('error', () => {});
    if (method === 'POST') request.write('!');
    else request.end();
    const arrival = await upstream.arrival(path.split('?')[0] ?? '');
    const ends = endsOf(arrival, request.socket);
    return { request, arrival, ends };
  }

  async function connectWebSocket() {
    const headers = { host: HOST, cookie: ANA };
    const url = `ws://127.0.0.1:${gate.port}/`;
    const webSocket = new WebSocket(url, { headers, perMessageDeflate: false });
    webSocket.on('error', () => {});
    const arrival = await upstream.arrival('/');
    await once(webSocket, 'open');
    const { _socket: client } = webSocket as WebSocket & { _socket: Socket };
    return { webSocket, ends: endsOf(arrival, client), messages: collect(webSocket) };
  }

  function endsOf(arrival: Arrival, client: Socket | null): Ends {
    assert.ok(client);
    return { client: sockets.accepted(client), upstream: sockets.towards(arrival) };
  }
});

/** The gate's own sockets. */
interface Ends {
  readonly client: Socket;
  readonly upstream: Socket;
}

function collect(webSocket: WebSocket) {
  const all: string[] = [];
  webSocket.on('message', (data) => all.push(String(data)));
  return {
    all,
    reach: async (count: number) => {
      while (all.length < count) await once(webSocket, 'message');
    },
  };
}

async function bodyOf(request: ClientRequest): Promise<Buffer> {
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Exchanges that are frozen, thawed and cut by the test, one at a time. */
function holdExchanges() {
  const open = new Set<Exchange>();
  let isFrozen = false;
  const only = () => [...open][0] ?? assert.fail('nothing is open');
  const hand = {
    open,
    freezeAtEntry: false,
    exchanges: {
      enter: (exchange: Exchange) => {
        open.add(exchange);
        if (hand.freezeAtEntry) {
          queueMicrotask(() => {
            isFrozen = true;
            exchange.freeze();
          });
        }
        return { mayFlow: () => !isFrozen && open.has(exchange), leave: () => void open.delete(exchange) };
      },
    } as Partial<Exchanges> as Exchanges,
    freeze: async () => {
      isFrozen = true;
      while (!only().freeze()) {
        isFrozen = false;
        only().thaw();
        await nextTurn();
        isFrozen = true;
      }
    },
    thaw: () => {
      isFrozen = false;
      for (const exchange of open) exchange.thaw();
    },
    cut: () => {
      const exchange = only();
      open.delete(exchange);
      exchange.cut('revoked');
    },
  };
  return hand;
}
