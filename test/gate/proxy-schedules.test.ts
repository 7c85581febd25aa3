import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { createServer as createTcpServer, type LookupFunction } from 'node:net';
import { describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createUpstreams } from '../../src/gate/upstream.ts';
import type { FeedItem } from '../../src/protocol/feed.ts';
import {
  ANA,
  applicationItem,
  destinationAt,
  type GateInHand,
  HOST,
  plainUpstreams,
  startGateInHand,
} from '../support/gate-in-hand.ts';
import { startUpstream } from '../support/upstream.ts';

/*
 * Schedules 12 and 15 of the removal protocol at the built-in proxy: something is removed at every moment between a
 * question and the first byte that an application is sent.
 */

const revokedUser: FeedItem = { kind: 'revocation', subject: { type: 'user', id: 'ana' } };

/** What ends ana's access, for each way in which it ends. */
const REMOVALS: Readonly<Record<string, readonly FeedItem[]>> = {
  'the user is revoked': [revokedUser],
  'the session ends': [{ kind: 'session', id: 'n1', state: null }],
  'the application is deleted': [
    { kind: 'revocation', subject: { type: 'application', id: 'wiki' } },
    { kind: 'application', id: 'wiki', state: null },
  ],
  'the policy no longer allows': [
    applicationItem({ destinations: destinationAt('http://127.0.0.1:9'), policies: [] }),
  ],
};

describe('schedule 12: what is removed between the verdict and the first byte', () => {
  for (const [name, removal] of Object.entries(REMOVALS)) {
    for (const slow of ['verify', 'sign'] as const) {
      test(`${name} while the gate waits to ${slow}: the application hears nothing`, async () => {
        await using upstream = await startUpstream();
        const held = hold();
        const known =
          slow === 'verify'
            ? { verify: held.around(async () => TOKEN) }
            : { sign: held.around(async () => 'assertion') };
        await using gate = await startGateInHand({ upstream: upstream.origin, ...known });
        const request = ask(gate);
        await held.reached;
        gate.apply(...removal);
        held.release();
        const answer = await answerTo(request);
        assert.notEqual(answer?.statusCode, 200);
        assert.deepEqual(upstream.arrivals, []);
        assert.equal(upstream.sockets.size, 0);
        assert.deepEqual(
          gate.decisions.map(({ verdict }) => verdict === 'allow'),
          [false],
        );
        assert.equal(gate.exchanges.size, 0);
      });
    }

    test(`${name} while the application's name is looked up: it is never connected`, async () => {
      await using upstream = await startUpstream();
      const held = hold();
      const lookup: LookupFunction = (_name, options, callback) => {
        const found = [{ address: '127.0.0.1', family: 4 }];
        held.wait().then(() => (options.all ? callback(null, found) : callback(null, '127.0.0.1', 4)));
      };
      const origin = `http://application.example:${upstream.port}`;
      await using gate = await startGateInHand({ upstream: origin, upstreams: plainUpstreams(lookup) });
      const request = ask(gate, { method: 'POST', body: 'a body' });
      await held.reached;
      await nextTurn();
      assert.equal(gate.exchanges.size, 1);
      gate.apply(...removal);
      await nextTurn();
      assert.equal(gate.exchanges.size, 0);
      held.release();
      assert.equal(await answerTo(request), null);
      await nextTurn();
      assert.deepEqual(upstream.arrivals, []);
      assert.equal(upstream.sockets.size, 0);
    });

    test(`${name} while TLS with the application is being agreed on: it is sent nothing`, async () => {
      await using silent = await startSilentServer();
      const upstreams = createUpstreams({ authorities: null, isOwn: () => false });
      await using gate = await startGateInHand({ upstream: `https://127.0.0.1:${silent.port}`, upstreams });
      const request = ask(gate, { method: 'POST', body: 'a body' });
      await silent.reached;
      gate.apply(...removal);
      await nextTurn();
      assert.equal(await answerTo(request), null);
      await silent.closed;
      assert.equal(silent.received[0], 0x16, 'a handshake and nothing else');
      assert.equal(gate.exchanges.size, 0);
      upstreams.close();
    });
  }

  test('without a removal each of these requests is carried', async () => {
    await using upstream = await startUpstream();
    await using gate = await startGateInHand({ upstream: upstream.origin });
    assert.equal((await answerTo(ask(gate)))?.statusCode, 200);
    assert.equal(upstream.arrivals.length, 1);
  });
});

describe('schedule 15: what was learnt before a removal is not used after it', () => {
  for (const slow of ['verify', 'sign'] as const) {
    test(`what took time to ${slow} admits neither its own request nor the next`, async () => {
      await using upstream = await startUpstream();
      const held = hold();
      const known =
        slow === 'verify'
          ? { verify: held.around(async () => TOKEN) }
          : { sign: held.around(async () => 'assertion') };
      await using gate = await startGateInHand({ upstream: upstream.origin, ...known });
      const first = ask(gate);
      await held.reached;
      gate.apply(revokedUser);
      held.release();
      assert.equal((await answerTo(first))?.statusCode, 401);
      assert.equal((await answerTo(ask(gate)))?.statusCode, 401);
      assert.deepEqual(upstream.arrivals, []);
    });
  }
});

const TOKEN = {
  type: 'app',
  audience: 'aud',
  userId: 'ana',
  email: 'ana@example.com',
  sessionNonce: 'n1',
  expiresAt: 2000,
  rev: { epoch: 1, position: 5 },
  applicationRev: { epoch: 1, position: 5 },
  binding: null,
} as const;

/** Something that waits until it is let go, once. */
function hold() {
  const gate = { reach: () => {}, open: () => {} };
  const reached = new Promise<void>((resolve) => {
    gate.reach = resolve;
  });
  const opened = new Promise<void>((resolve) => {
    gate.open = resolve;
  });
  const wait = async () => {
    gate.reach();
    await opened;
  };
  return {
    reached,
    release: () => gate.open(),
    wait,
    around:
      <T>(work: () => Promise<T>) =>
      async () => {
        await wait();
        return await work();
      },
  };
}

function ask({ port }: GateInHand, { method = 'GET', body = '' } = {}): ClientRequest {
  const headers = { host: HOST, cookie: ANA, ...(body ? { 'content-length': body.length } : {}) };
  const request = httpRequest({ host: '127.0.0.1', port, method, headers, agent: false });
  request.on('error', () => {});
  request.end(body);
  return request;
}

/** null: the connection was reset before an answer. */
async function answerTo(request: ClientRequest): Promise<IncomingMessage | null> {
  const answer = await new Promise<IncomingMessage | null>((resolve) => {
    request.once('response', resolve);
    request.once('close', () => resolve(null));
  });
  answer?.resume();
  return answer;
}

/** Accepts connections and never answers. */
async function startSilentServer() {
  const events = { reach: () => {}, close: () => {} };
  const reached = new Promise<void>((resolve) => {
    events.reach = resolve;
  });
  const closed = new Promise<void>((resolve) => {
    events.close = resolve;
  });
  const received: number[] = [];
  const server = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.on('close', () => events.close());
    socket.on('data', (chunk) => {
      received.push(...chunk);
      events.reach();
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as { port: number };
  return { port, reached, closed, received, [Symbol.asyncDispose]: async () => void server.close() };
}
