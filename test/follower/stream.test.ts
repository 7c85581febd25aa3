import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { newSecret } from '../../src/kernel/ids.ts';
import { revocation } from '../../src/protocol/feed.ts';
import { CLOSE, LARGEST_FROM_NODE } from '../../src/protocol/gate-messages.ts';
import { startTestGate, type TestGate, type TestGateOptions, until } from '../support/remote-gate.ts';
import {
  chainAt,
  GATE,
  type ScriptedNode,
  type ScriptedStream,
  startScriptedNode,
} from '../support/scripted-node.ts';

const TOKEN = newSecret('pcg');
const USER = revocation({ type: 'user', id: 'u1' });
const GONE = revocation({ type: 'gate', id: GATE });

interface Scene {
  readonly node: ScriptedNode;
  readonly gate: TestGate;
  readonly stream: ScriptedStream;
}

/** A gate and a node that knows its lines; the gate has attached, and has said so. */
function scene(title: string, play: (scene: Scene) => Promise<void>, options: Partial<TestGateOptions> = {}) {
  test(title, async () => {
    await using node = await startScriptedNode();
    await using gate = await startTestGate({ controlPlanes: [node.origin], token: TOKEN, ...options });
    await play({ node, gate, stream: await node.stream() });
  });
}

const reasonOf = ({ gate }: TestGate) => gate.unready() ?? 'ready';

describe('what a gate refuses of a node', () => {
  scene(
    'a snapshot that is older than what is applied: a position never goes back (schedule 16)',
    async (it) => {
      it.stream.welcome();
      it.stream.snapshot(8);
      assert.deepEqual(await it.stream.hears('ack'), { type: 'ack', epoch: 1, position: 8 });
      it.stream.close(CLOSE.forked);
      const lagging = await it.node.stream();
      assert.equal((await lagging.hears('attach')).applied, null);
      lagging.welcome();
      lagging.snapshot(7);
      assert.equal(await lagging.closed, CLOSE.unavailable);
      assert.ok(!lagging.heard.some(({ type }) => type === 'ack'), 'it acked what it did not take');
      const other = await it.node.stream();
      other.welcome();
      other.snapshot(9);
      assert.equal((await other.hears('ack')).position, 9);
    },
  );

  scene(
    'an entry that does not hang on the chain: it decides no more, and comes for a snapshot',
    async (it) => {
      it.stream.welcome();
      it.stream.snapshot(8);
      await it.stream.hears('ack');
      await it.stream.grant(1000);
      await answerSyncs(it.stream);
      await it.gate.ready();
      it.stream.batch(9, [USER], chainAt(7));
      assert.equal(await it.stream.closed, CLOSE.forked);
      assert.notEqual(reasonOf(it.gate), 'ready');
      const acked = it.stream.heard.filter((one) => one.type === 'ack').map(({ position }) => position);
      assert.ok(
        acked.every((position) => position === 8),
        'it acked an entry of another history',
      );
      assert.equal((await (await it.node.stream()).hears('attach')).applied, null);
    },
  );

  for (const [name, position] of [
    ['again', 8],
    ['from before', 7],
  ] as const) {
    scene(`an entry that comes ${name}`, async ({ stream }) => {
      stream.welcome();
      stream.snapshot(8);
      await stream.hears('ack');
      stream.batch(position, [USER], chainAt(8));
      assert.equal(await stream.closed, CLOSE.forked);
    });
  }

  scene('an entry of another epoch without a snapshot', async ({ stream }) => {
    stream.welcome();
    stream.snapshot(8);
    await stream.hears('ack');
    stream.say({ type: 'batch', epoch: 2, position: 9, items: [], chain: chainAt(8) });
    assert.equal(await stream.closed, CLOSE.forked);
  });

  scene('a frame that is too large: it decides no more, and comes for a snapshot', async (it) => {
    it.stream.welcome();
    it.stream.snapshot(8);
    await it.stream.hears('ack');
    await it.stream.grant(5000);
    await answerSyncs(it.stream);
    await it.gate.ready();
    it.stream.sayRaw(' '.repeat(LARGEST_FROM_NODE + 1));
    const next = await it.node.stream();
    assert.equal((await next.hears('attach')).applied, null);
    assert.notEqual(reasonOf(it.gate), 'ready');
  });

  scene('a lease that nobody asked for, and one of nothing', async (it) => {
    it.stream.welcome();
    it.stream.snapshot(8);
    it.stream.say({ type: 'lease', nonce: 4711, milliseconds: 60_000, wall: Date.now() });
    await it.stream.grant(0);
    await it.stream.hears('renew');
    assert.equal(reasonOf(it.gate), 'no lease');
  });

  for (const protocol of [1, 99]) {
    scene(`version ${protocol} of the protocol`, async ({ stream, gate }) => {
      stream.welcome({ protocol });
      assert.equal(await stream.closed, CLOSE.protocol);
      assert.equal((await gate.gate.over).kind, 'protocol');
    });
  }

  scene('words that are none of the protocol', async ({ stream, gate }) => {
    stream.sayRaw('{"type":"hello"}');
    assert.equal((await gate.gate.over).kind, 'protocol');
  });

  scene('another account under the same credential', async (it) => {
    it.stream.welcome();
    it.stream.snapshot(8);
    await it.stream.hears('ack');
    it.stream.close(CLOSE.unavailable);
    const other = await it.node.stream();
    other.welcome({ account: 'another' });
    assert.equal(await other.closed, CLOSE.forked);
    assert.notEqual(reasonOf(it.gate), 'ready');
  });
});

describe('a gate and its node', () => {
  scene('it says who it is, with a key, and never twice the same process', async ({ stream, node }) => {
    const said = await stream.hears('attach');
    assert.match(said.process, /^[0-9a-f]{32}$/);
    assert.match(said.key.kid, /^[0-9a-f]{64}$/);
    assert.equal(said.applied, null);
    assert.deepEqual(node.authorizations, [`Bearer ${TOKEN}`]);
    await using second = await startTestGate({ controlPlanes: [node.origin], token: TOKEN });
    const other = await (await node.stream()).hears('attach');
    assert.notEqual(other.process, said.process);
    assert.equal(other.process, second.gate.processId);
  });

  scene('a storm of entries is acked by its last, and none of them is skipped', async ({ stream }) => {
    stream.welcome();
    stream.snapshot(8);
    await stream.hears('ack');
    let chain = chainAt(8);
    for (let position = 9; position <= 208; position++) {
      const user = revocation({ type: 'user', id: `u${position}` });
      chain = stream.batch(position, [user], chain);
    }
    let acks = 0;
    for (let position = 0; position < 208; acks++) position = (await stream.hears('ack')).position;
    assert.ok(acks < 100, `${acks} acks for 200 entries`);
  });

  scene('positions without entries are told late, and change nothing', async ({ stream }) => {
    stream.welcome();
    stream.snapshot(8);
    await stream.hears('ack');
    stream.say({ type: 'batch', epoch: 1, position: 12, items: [], chain: chainAt(8) });
    assert.equal((await stream.hears('ack')).position, 12);
    stream.say({ type: 'batch', epoch: 1, position: 10, items: [], chain: chainAt(8) });
    stream.batch(13, [USER], chainAt(8));
    assert.equal((await stream.hears('ack')).position, 13);
  });

  scene('after a stream that broke off it goes on from where it was', async ({ stream, node }) => {
    stream.welcome();
    stream.snapshot(8);
    await stream.hears('ack');
    const chain = stream.batch(9, [USER], chainAt(8));
    await stream.hears('ack');
    stream.close(CLOSE.unavailable);
    const next = await node.stream();
    assert.deepEqual((await next.hears('attach')).applied, { epoch: 1, position: 9, chain });
    next.welcome();
    next.say({ type: 'batch', epoch: 1, position: 9, items: [], chain });
    assert.equal((await next.hears('ack')).position, 9);
  });

  scene('half a snapshot is forgotten with its stream', async ({ stream, node, gate }) => {
    stream.welcome();
    const head = { epoch: 1, position: 8, floor: 0 };
    stream.say({ type: 'snapshot', part: 'begin', head, chain: chainAt(8) });
    stream.close(CLOSE.unavailable);
    const next = await node.stream();
    assert.equal((await next.hears('attach')).applied, null);
    next.welcome();
    next.say({ type: 'snapshot', part: 'end' });
    assert.equal(await next.closed, CLOSE.forked);
    assert.equal(reasonOf(gate), 'the control plane was not reached yet');
  });

  scene('a late answer is no newer lease', async (it) => {
    it.stream.welcome({ lease: 2000 });
    it.stream.snapshot(8);
    const first = await it.stream.hears('renew');
    const second = await it.stream.hears('renew');
    it.stream.say({ type: 'lease', nonce: second.nonce, milliseconds: 300, wall: Date.now() });
    await it.gate.ready();
    it.stream.say({ type: 'lease', nonce: first.nonce, milliseconds: 60_000, wall: Date.now() });
    await until(
      () => reasonOf(it.gate) === 'no lease',
      () => 'it lives on by a late answer',
      2000,
    );
  });

  scene('with a clock that is half a minute off it is not ready', async (it) => {
    it.stream.welcome();
    it.stream.snapshot(8);
    await it.stream.grant(1000, Date.now() - 40_000);
    await answerSyncs(it.stream);
    await until(
      () => /clock/.test(reasonOf(it.gate)),
      () => reasonOf(it.gate),
      900,
    );
  });

  scene(
    'the end of its own credential: it acks that nothing is open, goes, and does not come back',
    async (it) => {
      it.stream.welcome();
      it.stream.snapshot(8);
      await it.stream.hears('ack');
      await it.stream.grant(1000);
      await answerSyncs(it.stream);
      await it.gate.ready();
      it.stream.batch(9, [GONE], chainAt(8));
      await until(
        () => it.stream.heard.some((one) => one.type === 'ack' && one.position === 9),
        () => 'it does not say that it is over',
      );
      assert.notEqual(reasonOf(it.gate), 'ready');
      assert.equal(await it.stream.closed, 1000);
      assert.equal((await it.gate.gate.over).kind, 'revoked');
      await wait(300);
      assert.equal(it.node.authorizations.length, 1);
    },
  );

  scene('a stream that is closed because the credential is gone', async (it) => {
    it.stream.welcome();
    it.stream.snapshot(8);
    await it.stream.grant(60_000);
    await answerSyncs(it.stream);
    await it.gate.ready();
    it.stream.close(CLOSE.revoked);
    assert.equal((await it.gate.gate.over).kind, 'revoked');
    assert.notEqual(reasonOf(it.gate), 'ready');
  });

  scene('gives its lease back when it stops', async ({ stream, gate }) => {
    stream.welcome();
    stream.snapshot(8);
    await stream.hears('ack');
    await gate.gate.close();
    assert.equal(await stream.closed, 1000);
  });

  test('a node that does not take the credential: it does not try again', async () => {
    await using node = await startScriptedNode();
    node.refuseBy(401);
    await using gate = await startTestGate({ controlPlanes: [node.origin], token: TOKEN });
    assert.equal((await gate.gate.over).kind, 'revoked');
    await wait(300);
    assert.equal(node.authorizations.length, 1);
  });

  for (const status of [404, 500, 503]) {
    test(`whatever answers ${status} is asked again`, async () => {
      await using node = await startScriptedNode();
      node.refuseBy(status);
      await using gate = await startTestGate({ controlPlanes: [node.origin], token: TOKEN });
      await until(
        () => node.authorizations.length >= 2,
        () => 'it did not come again',
      );
      assert.ok(gate.log.some(({ why }) => why === `it answers ${status}`));
      node.refuseBy(0);
      await (await node.stream()).hears('attach');
    });
  }

  scene('whatever welcomes it and grants it nothing, it comes back to ever later', async (it) => {
    const takes = async (stream: ScriptedStream) => {
      stream.welcome();
      stream.snapshot(8);
      await stream.hears('ack');
      stream.close(CLOSE.forked);
    };
    await takes(it.stream);
    const begun = Date.now();
    for (let turn = 0; turn < 6; turn++) await takes(await it.node.stream());
    // At least half of 50, 100, 200, 400, 800 and 1600 ms; were each the first failure, 300 ms would do.
    assert.ok(Date.now() - begun >= 1500, 'it came back as if all were well');
  });

  test('of two control planes it goes to the other when one is gone', async () => {
    await using node = await startScriptedNode();
    const controlPlanes = ['http://127.0.0.1:1', node.origin];
    await using _gate = await startTestGate({ controlPlanes, token: TOKEN });
    await (await node.stream()).hears('attach');
  });
});

/** Says to each question that everything was sent. */
async function answerSyncs(stream: ScriptedStream): Promise<void> {
  const { nonce } = await stream.hears('sync');
  stream.say({ type: 'synced', nonce });
}
