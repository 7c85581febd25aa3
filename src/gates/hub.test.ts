import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { revocation, type Subject } from '../protocol/feed.ts';
import { CLOSE, LARGEST_BATCH } from '../protocol/gate-messages.ts';
import type { Lease } from '../protocol/lease.ts';
import { createRevocationIndex } from '../protocol/revocation-index.ts';
import { createGateHub, type GateHub } from './hub.ts';
import type { GateProcess } from './process.ts';

const ACCOUNT = 'acme';
const LENGTH = 5000;
const OUT = LENGTH * 1.2;
const at = (position: number) => ({ epoch: 1, position });

/** A hub on a node with a lease of its own, all in the hand of a test. */
class Scene {
  now = 0;
  /** When the node's lease ends. */
  nodeEnds = Number.POSITIVE_INFINITY;
  readonly settled: number[] = [];
  readonly late: string[] = [];
  readonly streams = new Map<string, { sent: string[]; closed: number[] }>();
  readonly hub: GateHub;

  constructor() {
    const lease = { remaining: () => Math.max(0, this.nodeEnds - this.now) } as Lease;
    this.hub = createGateHub({
      lease,
      length: LENGTH,
      stopwatch: { elapsed: () => this.now },
      onSettled: (_account, { position }) => void this.settled.push(position),
      onLate: (name) => void this.late.push(name),
    });
    const head = { ...at(7), floor: 0, chain: '', chained: 0 };
    this.hub.load({ accountId: ACCOUNT, head, revocations: createRevocationIndex(head), states: [] });
  }

  /** Lets time pass, and what waits for it happen. */
  async pass(milliseconds: number): Promise<void> {
    for (let step = 0; step < milliseconds; step += 100) {
      this.now += Math.min(100, milliseconds - step);
      mock.timers.tick(Math.min(100, milliseconds - step));
      await turn();
    }
  }

  /** A process that has applied everything so far and has a lease. */
  join(processId: string, gateId = 'gate'): GateProcess {
    const process = this.connect(processId, gateId);
    process.caughtUp(at(7));
    process.ack(at(7));
    assert.equal(process.renew(), LENGTH);
    return process;
  }

  connect(processId: string, gateId = 'gate'): GateProcess {
    const told = { sent: [] as string[], closed: [] as number[] };
    this.streams.set(processId, told);
    const who = { processId, gateId, gateName: `name of ${processId}`, accountId: ACCOUNT };
    const stream = {
      send: (text: string) => void told.sent.push(text),
      close: (code: number) => {
        told.closed.push(code);
        this.hub.detach(process, stream, { returned: false });
      },
    };
    const process = this.hub.attach(who, stream);
    return process;
  }

  revoke(position: number, subject: Subject = { type: 'user', id: 'ana' }): void {
    this.hub.apply({
      accountId: ACCOUNT,
      at: at(position),
      items: [revocation(subject)],
      chain: `c${position}`,
    });
  }

  /** Whether a removal at that position may be answered now; and, once it may, for whom it waited. */
  wait(position: number) {
    const state = { isOver: false, waitedFor: [] as readonly string[] };
    void this.hub.settled(ACCOUNT, at(position)).then((waitedFor) => {
      Object.assign(state, { isOver: true, waitedFor });
    });
    return state;
  }
}

beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
afterEach(() => mock.timers.reset());

describe('a gate gets no lease', () => {
  test('before it has acked all that it was sent', () => {
    const scene = new Scene();
    const process = scene.connect('one');
    assert.equal(process.renew(), 0);
    process.caughtUp(at(7));
    assert.equal(process.renew(), 0);
    process.ack(at(6));
    assert.equal(process.renew(), 0);
    process.ack(at(7));
    assert.equal(process.renew(), LENGTH);
  });

  test('beyond that of its node', async () => {
    const scene = new Scene();
    const process = scene.join('one');
    scene.nodeEnds = 3000;
    assert.equal(process.renew(), 3000);
    await scene.pass(2999);
    assert.equal(process.renew(), 1);
    await scene.pass(1);
    assert.equal(process.renew(), 0);
  });

  test('by renewing without applying: each renewal ends when the first would have', async () => {
    const scene = new Scene();
    const process = scene.join('one');
    scene.revoke(8);
    const removal = scene.wait(8);
    for (let renewal = 0; renewal < 20; renewal++) {
      await scene.pass(500);
      const granted = process.renew();
      assert.ok(granted === 0 || scene.now + granted <= LENGTH, `${granted} ms at ${scene.now}`);
    }
    assert.equal(removal.isOver, true);
    assert.deepEqual(removal.waitedFor, ['name of one']);
  });

  test('after its lease had run out, before it has acked all that it owes', async () => {
    const scene = new Scene();
    const process = scene.join('one');
    await scene.pass(OUT + 100);
    scene.revoke(8);
    await turn();
    assert.equal(scene.settled.at(-1), 8, 'it was waited for without a lease');
    assert.equal(process.renew(), 0, 'it may decide without what others take for applied');
    process.ack(at(8));
    assert.equal(process.renew(), LENGTH);
  });

  test('once its credential is gone', async () => {
    const scene = new Scene();
    const process = scene.join('one', 'mine');
    const other = scene.join('two', 'another');
    scene.revoke(8, { type: 'gate', id: 'mine' });
    assert.equal(process.renew(), 0);
    other.ack(at(8));
    assert.equal(other.renew(), LENGTH);
    assert.deepEqual(scene.streams.get('two')?.closed, []);
  });
});

describe('a removal waits', () => {
  test('waits no longer for a silent gate because another has attached and was granted nothing', async () => {
    const scene = new Scene();
    scene.join('silent');
    scene.connect('never granted');
    scene.revoke(8);
    const removal = scene.wait(8);
    await scene.pass(OUT - 100);
    assert.equal(removal.isOver, false);
    await scene.pass(200);
    assert.equal(removal.isOver, true);
  });

  test('until every gate has acked it', async () => {
    const scene = new Scene();
    const [one, two] = [scene.join('one'), scene.join('two')];
    scene.revoke(8);
    const removal = scene.wait(8);
    one.ack(at(8));
    await turn();
    assert.equal(removal.isOver, false, 'one of two gates has acked');
    assert.ok(!scene.settled.includes(8), 'other nodes were told too early');
    two.ack(at(8));
    await turn();
    assert.deepEqual(removal, { isOver: true, waitedFor: [] });
    assert.equal(scene.settled.at(-1), 8);
  });

  test('for two processes of one credential, each by itself (schedule 9)', async () => {
    const scene = new Scene();
    const [one] = [scene.join('one', 'shared'), scene.join('two', 'shared')];
    scene.revoke(8);
    const removal = scene.wait(8);
    one.ack(at(8));
    await scene.pass(OUT - 100);
    assert.equal(removal.isOver, false, 'an ack counted for another process');
    await scene.pass(200);
    assert.deepEqual(removal, { isOver: true, waitedFor: ['name of two'] });
  });

  test('for a gate whose stream is gone, until its lease has run out, with a fifth more', async () => {
    const scene = new Scene();
    scene.join('one');
    await scene.pass(1000);
    scene.revoke(8);
    const removal = scene.wait(8);
    await scene.pass(OUT - 1000 - 100);
    assert.equal(removal.isOver, false);
    await scene.pass(200);
    assert.deepEqual(removal, { isOver: true, waitedFor: ['name of one'] });
    assert.deepEqual(scene.late, ['name of one']);
  });

  test('not for a gate that gave its lease back', async () => {
    const scene = new Scene();
    const stream = { send: () => {}, close: () => {} };
    const who = { processId: 'one', gateId: 'gate', gateName: 'one', accountId: ACCOUNT };
    const process = scene.hub.attach(who, stream);
    process.caughtUp(at(7));
    process.ack(at(7));
    process.renew();
    scene.hub.detach(process, stream, { returned: true });
    scene.revoke(8);
    const removal = scene.wait(8);
    await turn();
    assert.equal(removal.isOver, true);
  });

  test('until the stream of a gate that it revokes is closed', async () => {
    const scene = new Scene();
    const process = scene.join('one', 'mine');
    scene.revoke(8, { type: 'gate', id: 'mine' });
    const closed = scene.streams.get('one')?.closed ?? [];
    let closedAtReturn: readonly number[] = [];
    void scene.hub.settled(ACCOUNT, at(8)).then(() => {
      closedAtReturn = [...closed];
    });
    await turn();
    assert.deepEqual(closed, [], 'it could not have said that it is over');
    process.ack(at(8));
    await turn();
    assert.deepEqual(closedAtReturn, [CLOSE.revoked]);
  });

  test('for what was lent to a gate without a lease, and not for what is lent later (schedule 5)', async () => {
    const scene = new Scene();
    const lent = scene.hub.lend(ACCOUNT);
    assert.ok(lent > 0);
    scene.revoke(8);
    const removal = scene.wait(8);
    assert.ok(scene.hub.lend(ACCOUNT) > 0);
    await scene.pass(lent);
    assert.equal(removal.isOver, false);
    scene.hub.lend(ACCOUNT);
    await scene.pass(lent * 0.2 + 100);
    assert.equal(removal.isOver, true, 'it waited for an answer that was given after it');
  });

  test('and a node without a lease lends nothing', () => {
    const scene = new Scene();
    scene.nodeEnds = 0;
    assert.equal(scene.hub.lend(ACCOUNT), 0);
  });
});

describe('a transaction that is too large for a message', () => {
  const large = (position: number) => ({
    accountId: ACCOUNT,
    at: at(position),
    items: [
      revocation({ type: 'user', id: 'ana' }),
      { kind: 'group', id: 'g1', state: { name: 'x'.repeat(LARGEST_BATCH) } } as const,
    ],
    chain: 'c',
  });

  test('is not sent: each gate has to come back for a snapshot, and is waited for until it has applied that', async () => {
    const scene = new Scene();
    scene.join('one');
    scene.join('two');
    scene.hub.apply(large(8));
    const removal = scene.wait(8);
    for (const { sent, closed } of scene.streams.values())
      assert.deepEqual([sent, closed], [[], [CLOSE.forked]]);
    await scene.pass(500);
    assert.equal(removal.isOver, false);
    assert.ok(!scene.settled.includes(8), 'other nodes were told too early');
    for (const id of ['one', 'two']) {
      const again = scene.connect(id);
      again.caughtUp(at(8));
      assert.equal(again.renew(), 0);
      again.ack(at(8));
    }
    await turn();
    assert.deepEqual(removal, { isOver: true, waitedFor: [] });
  });

  test('is waited for until the lease of a gate that does not come back has run out', async () => {
    const scene = new Scene();
    scene.join('one');
    scene.hub.apply(large(8));
    const removal = scene.wait(8);
    await scene.pass(OUT - 100);
    assert.equal(removal.isOver, false);
    await scene.pass(200);
    assert.deepEqual(removal, { isOver: true, waitedFor: ['name of one'] });
  });

  test('ends no stream of a gate that has it from a snapshot', () => {
    const scene = new Scene();
    const process = scene.connect('one');
    process.caughtUp(at(8));
    process.ack(at(8));
    scene.hub.apply(large(8));
    assert.deepEqual(scene.streams.get('one'), { sent: [], closed: [] });
  });
});

describe('a gate that comes back', () => {
  test('still owes what it did not apply, while its lease from before lives', async () => {
    const scene = new Scene();
    scene.join('one');
    scene.revoke(8);
    const removal = scene.wait(8);
    scene.revoke(9);
    const again = scene.connect('one');
    again.caughtUp(at(9));
    await scene.pass(500);
    assert.equal(removal.isOver, false, 'it was only sent, and not applied');
    assert.ok(!scene.settled.includes(8), 'other nodes were told too early');
    assert.equal(again.renew(), 0);
    again.ack(at(9));
    await turn();
    assert.deepEqual(removal, { isOver: true, waitedFor: [] });
    assert.equal(again.renew(), LENGTH);
  });

  test('to a node that is behind the snapshot it sends owes in the order of the feed', async () => {
    const scene = new Scene();
    scene.join('one');
    const again = scene.connect('one');
    again.caughtUp(at(10));
    scene.revoke(8);
    const removal = scene.wait(8);
    await turn();
    assert.equal(removal.isOver, false);
    again.ack(at(10));
    await turn();
    assert.equal(removal.isOver, true);
    scene.revoke(9);
    scene.revoke(10);
    assert.equal(again.firstUnacked(), null, 'it has said that it applied these');
  });

  test('must have the credential that it came with', () => {
    const scene = new Scene();
    scene.join('one', 'mine');
    assert.throws(() => scene.connect('one', 'another'), /another gate/);
  });
});

describe('a gate that is sent what it does not know any more', () => {
  test('is waited for by all that came before, of an earlier epoch as well', async () => {
    const scene = new Scene();
    scene.join('one');
    scene.join('two');
    scene.revoke(8);
    const removal = scene.wait(8);
    const head = { epoch: 2, position: 12, floor: 0, chain: 'x', chained: 12 };
    scene.hub.load({ accountId: ACCOUNT, head, revocations: createRevocationIndex(head), states: [] });
    await scene.pass(OUT - 200);
    assert.equal(removal.isOver, false);
    assert.ok(
      scene.settled.every((position) => position <= 8),
      String(scene.settled),
    );
    await scene.pass(300);
    assert.equal(removal.isOver, true);
  });

  test('has to come back, and is waited for until it does or has run out', async () => {
    const scene = new Scene();
    scene.join('one');
    const head = { ...at(12), floor: 9, chain: 'x', chained: 12 };
    scene.hub.load({ accountId: ACCOUNT, head, revocations: createRevocationIndex(head), states: [] });
    assert.deepEqual(scene.streams.get('one')?.closed, [CLOSE.forked]);
    const removal = scene.wait(12);
    await scene.pass(OUT - 100);
    assert.equal(removal.isOver, false);
    await scene.pass(200);
    assert.equal(removal.isOver, true);
  });

  test('is sent each entry once, in its order', () => {
    const scene = new Scene();
    scene.join('one');
    for (const position of [8, 9, 10]) scene.revoke(position);
    const sent = (scene.streams.get('one')?.sent ?? []).map(
      (text) => JSON.parse(text) as { position: number },
    );
    assert.deepEqual(
      sent.map(({ position }) => position),
      [8, 9, 10],
    );
  });
});
