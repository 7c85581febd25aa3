import assert from 'node:assert/strict';
import { describe, mock, test } from 'node:test';
import type { FromGate } from '../protocol/gate-messages.ts';
import { createLease } from '../protocol/lease.ts';
import { createLeaseKeeper } from './lease-keeper.ts';

/** A keeper by clocks and timers that stand still until the test moves them. */
function scene() {
  mock.timers.enable({ apis: ['setInterval'] });
  const time = { monotonic: 1000, boot: 5000, wall: 1_000_000 };
  const lease = createLease({
    monotonic: () => time.monotonic,
    boot: () => time.boot,
    wall: () => time.wall,
  });
  const seen: string[] = [];
  const said: FromGate[] = [];
  const syncs: PromiseWithResolvers<void>[] = [];
  const note = (what: string) => () => void seen.push(what);
  const keeper = createLeaseKeeper({
    lease,
    clocks: { monotonic: () => time.monotonic, boot: () => time.boot, wall: () => time.wall },
    clock: { now: () => time.wall },
    exchanges: { suspend: note('hold'), resume: note('go on'), cutSuspended: note('cut') },
    sync: () => {
      const round = Promise.withResolvers<void>();
      syncs.push(round);
      return round.promise;
    },
    onSilence: note('silence'),
    onTurn: (isLive) => void seen.push(isLive ? 'live' : 'ended'),
  });
  const pass = (milliseconds: number) => {
    for (let left = milliseconds; left > 0; left -= 50) {
      for (const clock of ['monotonic', 'boot', 'wall'] as const) time[clock] += Math.min(50, left);
      mock.timers.tick(50);
    }
  };
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  const nonce = () => {
    const last = said.findLast((one) => one.type === 'renew');
    return last?.type === 'renew' ? last.nonce : 0;
  };
  const grant = async (milliseconds: number, wall = time.wall) => {
    keeper.take({ type: 'lease', nonce: nonce(), milliseconds, wall });
    await settle();
  };
  /** Granted, caught up, and with nothing noted yet. */
  const leased = async (milliseconds = 1000) => {
    keeper.begin((message) => void said.push(message), 1000);
    await grant(milliseconds);
    syncs.at(-1)?.resolve();
    await settle();
    seen.length = 0;
  };
  const dispose = () => {
    keeper.stop();
    mock.timers.reset();
  };
  return { time, lease, keeper, seen, said, syncs, pass, settle, grant, leased, [Symbol.dispose]: dispose };
}

describe('the lease of a gate', () => {
  test('holds what is open when it ends, and cuts it after five seconds and not before', async () => {
    using it = scene();
    await it.leased();
    it.keeper.leave();
    it.pass(900);
    assert.equal(it.seen.length, 0);
    it.pass(200);
    assert.deepEqual([...new Set(it.seen)], ['hold', 'ended']);
    it.pass(4700);
    assert.ok(!it.seen.includes('cut'));
    it.pass(400);
    assert.ok(it.seen.includes('cut'));
  });

  test('lets what is held go on only when everything is applied', async () => {
    using it = scene();
    await it.leased();
    it.pass(1100);
    it.seen.length = 0;
    it.keeper.ask();
    await it.grant(1000);
    assert.ok(it.lease.isLive());
    assert.ok(!it.seen.includes('go on'));
    it.syncs.at(-1)?.resolve();
    await it.settle();
    assert.deepEqual(it.seen.slice(-2), ['go on', 'live']);
  });

  test('does not let it go on if that took longer than the new lease', async () => {
    using it = scene();
    await it.leased();
    it.pass(1100);
    it.keeper.ask();
    await it.grant(500);
    it.pass(600);
    it.seen.length = 0;
    it.syncs.at(-1)?.resolve();
    await it.settle();
    assert.ok(!it.seen.includes('go on'));
  });

  test('tries again with the next lease if it cannot catch up', async () => {
    using it = scene();
    await it.leased();
    it.pass(1100);
    it.keeper.ask();
    await it.grant(1000);
    it.syncs.at(-1)?.reject(new Error('nobody answers'));
    await it.settle();
    const rounds = it.syncs.length;
    it.keeper.ask();
    await it.grant(1000);
    assert.equal(it.syncs.length, rounds + 1);
  });

  test('holds what went on under a lease that had ended unseen when the next one comes', async () => {
    using it = scene();
    await it.leased();
    it.keeper.ask();
    // Between two looks.
    for (const clock of ['monotonic', 'boot', 'wall'] as const) it.time[clock] += 1100;
    it.keeper.take({ type: 'lease', nonce: 1, milliseconds: 1000, wall: it.time.wall });
    assert.equal(it.seen.length, 0);
    it.keeper.ask();
    await it.grant(1000);
    assert.deepEqual(it.seen.slice(0, 2), ['hold', 'ended']);
  });

  test('ends when the machine has slept (schedule 20)', async () => {
    using it = scene();
    await it.leased(60_000);
    it.time.boot += 3_600_000;
    it.time.wall += 3_600_000;
    it.pass(50);
    assert.ok(!it.lease.isLive());
    assert.ok(it.seen.includes('hold'));
  });

  test('counts from before it was asked for, whenever the answer comes', async () => {
    using it = scene();
    it.keeper.begin((message) => void it.said.push(message), 1000);
    const [first] = it.said;
    it.pass(50);
    it.pass(50);
    for (const clock of ['monotonic', 'boot', 'wall'] as const) it.time[clock] += 850;
    it.keeper.take({
      type: 'lease',
      nonce: first?.type === 'renew' ? first.nonce : 0,
      milliseconds: 900,
      wall: 0,
    });
    assert.ok(!it.lease.isLive(), 'it counts from the answer');
  });

  test('a node that answers nothing for a lease is left', async () => {
    using it = scene();
    await it.leased();
    it.keeper.ask();
    it.pass(900);
    assert.ok(!it.seen.includes('silence'));
    it.pass(200);
    assert.ok(it.seen.includes('silence'));
  });

  for (const [off, isSkewed] of [
    [0, false],
    [29_000, false],
    [-29_000, false],
    [31_000, true],
    [-31_000, true],
    [Number.NaN, true],
  ] as const) {
    test(`with a wall clock that is ${off} ms off it ${isSkewed ? 'does not sign' : 'signs'}`, async () => {
      using it = scene();
      it.keeper.begin((message) => void it.said.push(message), 1000);
      await it.grant(1000, it.time.wall + off);
      assert.equal(it.keeper.isSkewed(), isSkewed);
    });
  }
});
