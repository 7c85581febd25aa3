import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { startTestApp, type TestApp } from '../support/app.ts';
import { databases, type TestDatabase } from '../support/postgres.ts';
import { ask, openWebSocket, type Proxied, startProxied } from '../support/proxied.ts';
import { type Switchboard, startSwitchboard } from '../support/switchboard.ts';

/** Seconds: short, and enough for a busy machine to renew it in time. */
const LEASE = 2;
const FLAGS = [`--lease=${LEASE}`];
/** A fifth more, for clocks that differ in their rates; and what a busy machine takes. */
const RUN_OUT = LEASE * 1200;
const BUSY = 4000;

describe('a node whose database is cut off', () => {
  const set: { node?: Proxied; other?: TestApp; link?: Switchboard; stack?: AsyncDisposableStack } = {};
  const node = () => set.node ?? assert.fail();
  const other = () => set.other ?? assert.fail();
  const link = () => set.link ?? assert.fail();

  before(async () => {
    const stack = new AsyncDisposableStack();
    set.stack = stack;
    const postgres = databases.find(({ name }) => name === 'postgres') ?? assert.fail();
    const database = await postgres.create();
    const url = new URL(database.url ?? assert.fail());
    set.link = stack.use(await startSwitchboard(Number(url.port)));
    url.port = String(set.link.port);
    const behind: TestDatabase = { ...database, url: url.href };
    set.node = stack.use(await startProxied(behind, FLAGS));
    set.other = stack.use(await startTestApp(database, { flags: FLAGS }));
  });
  after(async () => {
    set.link?.release();
    await set.stack?.disposeAsync();
  });

  const status = async (path: string, init?: RequestInit) =>
    (await fetch(`${node().world.app.origin}${path}`, init)).status;

  const untilReady = async () => {
    const until = performance.now() + 10_000;
    while ((await status('/readyz')) !== 200) {
      assert.ok(performance.now() < until, 'the node did not recover within ten seconds');
      await wait(20);
    }
  };

  test('answers health only when its lease has ended, and recovers by itself', async () => {
    const { cookie } = await node().signedIn();
    assert.equal((await ask(node(), '/', { headers: { cookie } })).status, 200);
    link().hold();
    await wait(LEASE * 1000 + 200);
    const refused = await ask(node(), '/', { headers: { cookie } });
    assert.equal(refused.status, 503, 'the gate decided without a lease');
    const api = await fetch(`${node().world.app.origin}/client/v4/accounts`, {
      headers: { authorization: `Bearer ${node().world.app.credentials.api_token}` },
    });
    assert.equal(api.status, 503);
    assert.equal(((await api.json()) as { errors: { code: number }[] }).errors[0]?.code, 10503);
    assert.equal(await status('/client/v4/openapi.json'), 503);
    assert.equal(await status('/cdn-cgi/access/certs'), 503);
    assert.equal(await status('/healthz'), 200);
    const ready = await fetch(`${node().world.app.origin}/readyz`);
    assert.deepEqual([ready.status, ((await ready.json()) as { reason: string }).reason], [503, 'no lease']);
    link().release();
    await untilReady();
    assert.equal((await ask(node(), '/', { headers: { cookie } })).status, 200);
  });

  test('holds open connections still, and lets them go on under the next lease (schedule 4)', async () => {
    const { cookie } = await node().signedIn();
    const socket = await openWebSocket(node(), { headers: { cookie } });
    const heard: string[] = [];
    socket.on('message', (data) => heard.push(String(data)));
    socket.send('before');
    await once(socket, 'message');
    link().hold();
    await wait(LEASE * 1000 + 300);
    socket.send('meanwhile');
    for (const one of node().upstream.webSockets) one.send('from the application');
    await wait(500);
    assert.deepEqual(heard, ['before'], 'something flowed without a lease');
    link().release();
    await untilReady();
    while (heard.length < 3) await once(socket, 'message', { signal: AbortSignal.timeout(5000) });
    assert.deepEqual(heard.toSorted(), ['before', 'from the application', 'meanwhile']);
    assert.equal(socket.readyState, socket.OPEN);
    socket.terminate();
  });

  test('resets open connections that get no new lease within five seconds', async () => {
    const { cookie } = await node().signedIn();
    const socket = await openWebSocket(node(), { headers: { cookie } });
    const closed = once(socket, 'close', { signal: AbortSignal.timeout(LEASE * 1000 + 5000 + BUSY) });
    link().hold();
    const [code] = await closed;
    assert.notEqual(code, 1000);
    link().release();
    await untilReady();
  });

  test('does not carry on for somebody who is removed on another node meanwhile (schedules 6 and 8)', async () => {
    const { cookie, person } = await node().signedIn();
    const socket = await openWebSocket(node(), { headers: { cookie } });
    const heard: string[] = [];
    socket.on('message', (data) => heard.push(String(data)));
    const { account_id } = node().world;
    link().hold();
    const since = performance.now();
    await other().sdk().zeroTrust.organizations.revokeUsers({ account_id, email: person.email });
    const took = performance.now() - since;
    // Whether it had to wait for the node that is cut off depends on when that renewed its lease for the last time.
    assert.ok(took < RUN_OUT + BUSY, `took ${took} ms`);
    const told = heard.length;
    for (const one of node().upstream.webSockets) one.send('after the return');
    socket.send('after the return');
    const answers = await Promise.all([1, 2, 3].map(() => ask(node(), '/', { headers: { cookie } })));
    assert.ok(
      answers.every((answer) => answer.status !== 200),
      String(answers.map((answer) => answer.status)),
    );
    await wait(300);
    assert.equal(heard.length, told, 'a byte flowed after the removal had returned');
    const gone = once(socket, 'close', { signal: AbortSignal.timeout(10_000) });
    link().release();
    await gone;
    await untilReady();
    assert.notEqual((await ask(node(), '/', { headers: { cookie } })).status, 200);
    assert.equal(heard.length, told);
  });
});

describe('a node that dies', () => {
  test('is waited for until its lease has run out, once, and not by who comes later (schedules 6 and 7)', async () => {
    await using stack = new AsyncDisposableStack();
    const postgres = databases.find(({ name }) => name === 'postgres') ?? assert.fail();
    const database = await postgres.create();
    const url = new URL(database.url ?? assert.fail());
    const link = stack.use(await startSwitchboard(Number(url.port)));
    url.port = String(link.port);
    const survivor = stack.use(await startProxied(database, FLAGS));
    const dying = await startTestApp({ ...database, url: url.href }, { flags: FLAGS });
    const { account_id, app } = survivor.world;
    const remove = async () => {
      const { cookie, person } = await survivor.signedIn();
      const since = performance.now();
      await app.sdk().zeroTrust.organizations.revokeUsers({ account_id, email: person.email });
      const took = performance.now() - since;
      assert.notEqual((await ask(survivor, '/', { headers: { cookie } })).status, 200);
      return took;
    };
    await remove();
    // Dead to all others: it renews nothing and acks nothing any more.
    link.hold();
    const first = await remove();
    assert.ok(first > 100, `a node with a live lease was not waited for: ${first} ms`);
    await wait(RUN_OUT);
    const later = await remove();
    assert.ok(later < first || later < RUN_OUT / 2, `${first} ms, then ${later} ms`);
    link.release();
    await dying.close();
  });
});
