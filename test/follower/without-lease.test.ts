import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { WebSocket } from 'ws';
import { databases } from '../support/postgres.ts';
import { answerOf, begin, openWebSocket } from '../support/proxied.ts';
import { askGate } from '../support/remote-asks.ts';
import { deleteGate, type Followed, startFollowed, until } from '../support/remote-gate.ts';

/** Plays on a world of its own, so that what it breaks is broken for nobody else. */
function alone(
  title: string,
  play: (followed: Followed) => Promise<void>,
  gateFlags: readonly string[] = [],
) {
  for (const { name, create } of databases) {
    test(`${title} (${name})`, async () => {
      const options = { serveFlags: ['--lease=2'], gateFlags };
      await using followed = await startFollowed(await create(), options);
      await play(followed);
    });
  }
}

/** Until the gate has no lease any more. */
async function unled({ gate }: Followed): Promise<void> {
  await until(
    () => gate.gate.unready() !== null,
    () => 'it still decides by a lease',
  );
}

/** What the application has sent by now, and goes on to send. */
function hearing(webSocket: WebSocket): string[] {
  const heard: string[] = [];
  webSocket.on('message', (data) => void heard.push(String(data)));
  return heard;
}

describe('a gate whose stream is gone', () => {
  alone('asks a node about each plain request, and admits nobody who may not', async (followed) => {
    const { cookie, person } = await followed.signedIn();
    followed.line.refuseStreams();
    await unled(followed);
    const answer = await askGate(followed, '/', cookie);
    assert.deepEqual([answer.status, answer.text], [200, `hello ${person.email}`]);
    assert.equal((await askGate(followed, '/')).status, 401);
    const page = await followed.world.browser().get(followed.application.site);
    assert.equal(page.location?.origin, followed.world.team);
    const { account_id } = followed.world;
    await followed.world.sdk.zeroTrust.organizations.revokeUsers({ account_id, email: person.email });
    assert.equal((await askGate(followed, '/', cookie)).status, 401, 'admitted after the removal returned');
  });

  alone('never opens an upgrade, a stream for long, or a body that way (schedule 5)', async (followed) => {
    const { cookie } = await followed.signedIn();
    followed.line.refuseStreams();
    await unled(followed);
    const before = followed.upstream.arrivals.length;
    const upgrade = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' };
    const key = { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' };
    const asked = await askGate(followed, '/', cookie, { headers: { ...upgrade, ...key } });
    assert.equal(asked.status, 503);
    assert.equal((await askGate(followed, '/upload', cookie, { method: 'POST', body: 'x' })).status, 503);
    assert.equal(followed.upstream.arrivals.length, before, 'it reached the application');
    const events = begin(followed.place, '/events', { headers: { cookie } });
    events.end();
    const answer = (await answerOf(events)).resume();
    await until(
      () => answer.destroyed,
      () => 'a stream goes on without a lease',
    );
    assert.equal(answer.complete, false, 'a stream must not end as if it were whole');
  });

  alone('what it was lent ends with those milliseconds, and a removal waits for that', async (followed) => {
    const { cookie, person } = await followed.signedIn();
    followed.line.refuseStreams();
    await unled(followed);
    const waiting = begin(followed.place, '/wait', { headers: { cookie } });
    waiting.end();
    const arrival = await followed.upstream.arrival('/wait');
    let isOver = false;
    arrival.socket.once('close', () => {
      isOver = true;
    });
    const { account_id } = followed.world;
    await followed.world.sdk.zeroTrust.organizations.revokeUsers({ account_id, email: person.email });
    // The far end hears of it in a turn of its own.
    await wait(50);
    assert.ok(isOver, 'open after the removal returned');
  });

  alone('answers 503 once the control plane is gone altogether', async (followed) => {
    const { cookie } = await followed.signedIn();
    followed.line.refuse();
    await unled(followed);
    const before = followed.upstream.arrivals.length;
    assert.equal((await askGate(followed, '/', cookie)).status, 503);
    const signIn = await askGate(followed, '/cdn-cgi/access/authorized?code=x', cookie);
    assert.equal(signIn.status, 503);
    const ready = await askGate(followed, '/readyz', undefined, { headers: { host: 'other.example' } });
    assert.equal(ready.status, 503);
    assert.match(JSON.parse(ready.text).reason, /no lease/);
    const alive = await askGate(followed, '/healthz', undefined, { headers: { host: 'other.example' } });
    assert.equal(alive.status, 200);
    assert.equal(followed.upstream.arrivals.length, before);
  });

  alone('holds an open WebSocket, and lets it go on when it has caught up (schedule 4)', async (followed) => {
    const { cookie } = await followed.signedIn();
    const webSocket = await openWebSocket(followed.place, { headers: { cookie } });
    const heard = hearing(webSocket);
    const [behind] = followed.upstream.webSockets;
    followed.line.hold();
    await unled(followed);
    behind?.send('while held');
    await wait(500);
    assert.deepEqual(heard, []);
    followed.line.release();
    await until(
      () => heard.length > 0,
      () => 'it did not go on',
    );
    assert.deepEqual(heard, ['while held']);
    webSocket.close();
  });

  alone('does not let a held WebSocket of a removed user go on', async (followed) => {
    const { cookie, person } = await followed.signedIn();
    const webSocket = await openWebSocket(followed.place, { headers: { cookie } });
    const heard = hearing(webSocket);
    const [behind] = followed.upstream.webSockets;
    followed.line.hold();
    const { account_id } = followed.world;
    await followed.world.sdk.zeroTrust.organizations.revokeUsers({ account_id, email: person.email });
    behind?.send('after the removal returned');
    const closed = once(webSocket, 'close');
    await wait(200);
    followed.line.release();
    await closed;
    assert.deepEqual(heard, []);
  });

  alone('resets what is held when no lease comes in five seconds', async (followed) => {
    const { cookie } = await followed.signedIn();
    const webSocket = await openWebSocket(followed.place, { headers: { cookie } });
    const heard = hearing(webSocket);
    followed.line.refuse();
    await unled(followed);
    for (const behind of followed.upstream.webSockets) behind.send('never');
    await once(webSocket, 'close', { signal: AbortSignal.timeout(15_000) });
    assert.deepEqual(heard, []);
  });
});

describe('the credential of a gate', () => {
  alone('ends everything that the gate has open before the call that ended it returns', async (followed) => {
    const { cookie } = await followed.signedIn();
    const webSocket = await openWebSocket(followed.place, { headers: { cookie } });
    const [arrival] = followed.upstream.webSockets;
    const { status } = await deleteGate(followed.world.app, followed.issued);
    assert.equal(status, 200);
    assert.equal((await askGate(followed, '/', cookie)).status, 503);
    assert.notEqual(webSocket.readyState === webSocket.OPEN && arrival?.readyState === 1, true);
    const end = await followed.gate.gate.over;
    assert.equal(end.kind, 'revoked');
  });
});
