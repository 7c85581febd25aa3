import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Clocks } from '../kernel/clock.ts';
import { createLease } from './lease.ts';

const LENGTH = 5000;

/** Three clocks that are moved by hand, each as far as a test says. */
function clocksInHand() {
  const at = { monotonic: 1000, boot: 90_000, wall: 1_700_000_000_000 };
  const clocks: Clocks = {
    monotonic: () => at.monotonic,
    boot: () => at.boot,
    wall: () => at.wall,
  };
  const pass = (by: number, { but = {} }: { but?: Partial<typeof at> } = {}) => {
    for (const name of ['monotonic', 'boot', 'wall'] as const) at[name] += but[name] ?? by;
  };
  return { clocks, pass, lease: createLease(clocks) };
}

describe('a lease has ended', () => {
  test('before the first was granted', () => {
    const { lease } = clocksInHand();
    assert.equal(lease.isLive(), false);
    assert.equal(lease.remaining(), 0);
  });

  test('when its time has passed since before it was asked for, however long the answer took', () => {
    const { lease, pass } = clocksInHand();
    const asked = lease.read();
    pass(4000);
    assert.equal(lease.renew(asked, LENGTH), true);
    pass(999);
    assert.equal(lease.isLive(), true);
    pass(1);
    assert.equal(lease.isLive(), false);
  });

  test('when the answer came after it would have ended', () => {
    const { lease, pass } = clocksInHand();
    const asked = lease.read();
    pass(LENGTH);
    assert.equal(lease.renew(asked, LENGTH), false);
    assert.equal(lease.isLive(), false);
  });

  const HOUR = 3_600_000;
  for (const [name, but] of [
    ['while the monotonic clock stood still (schedule 20)', { monotonic: 0 }],
    ['while only the boot clock saw it (schedule 20)', { monotonic: 0, wall: 0 }],
    ['while only the wall clock saw it (schedule 20)', { monotonic: 0, boot: 0 }],
  ] as const) {
    test(`when the machine slept an hour, ${name}`, () => {
      const { lease, pass } = clocksInHand();
      lease.renew(lease.read(), LENGTH);
      pass(200);
      assert.equal(lease.isLive(), true);
      // Other clocks have to move a little for the boot clock to be asked again.
      pass(200);
      pass(HOUR, { but });
      assert.equal(lease.isLive(), false);
    });
  }

  for (const [name, by] of [
    ['forward', 1000],
    ['back', -1000],
  ] as const) {
    test(`when the wall clock was set ${name} by more than a tenth of it, and stays so when it is set back`, () => {
      const { lease, pass } = clocksInHand();
      lease.renew(lease.read(), LENGTH);
      pass(0, { but: { wall: by } });
      assert.equal(lease.isLive(), false);
      pass(0, { but: { wall: -by } });
      assert.equal(lease.isLive(), false);
    });
  }

  test('when a clock says what is no number', () => {
    const { lease, clocks } = clocksInHand();
    const odd = createLease({ ...clocks, monotonic: () => Number.NaN });
    assert.equal(odd.renew(lease.read(), LENGTH), false);
    assert.equal(odd.isLive(), false);
  });

  test('when it was granted for no time, or for an odd one', () => {
    const { lease } = clocksInHand();
    for (const milliseconds of [0, -1, Number.NaN, undefined as unknown as number]) {
      assert.equal(lease.renew(lease.read(), milliseconds), false, String(milliseconds));
    }
  });

  test('when it was ended, until it is renewed', () => {
    const { lease } = clocksInHand();
    lease.renew(lease.read(), LENGTH);
    lease.end();
    assert.equal(lease.isLive(), false);
    assert.equal(lease.renew(lease.read(), LENGTH), true);
  });
});

describe('a lease goes on', () => {
  test('under a renewal, and an answer to an earlier request does not take it back', () => {
    const { lease, pass } = clocksInHand();
    const early = lease.read();
    pass(1500);
    const late = lease.read();
    lease.renew(late, LENGTH);
    pass(10);
    assert.equal(lease.renew(early, LENGTH), true);
    pass(LENGTH - 11);
    assert.equal(lease.isLive(), true, 'it counts from the later request');
    pass(1);
    assert.equal(lease.isLive(), false, 'and not from the answer');
  });

  test('while the wall clock is slewed within a tenth of it', () => {
    const { lease, pass } = clocksInHand();
    lease.renew(lease.read(), LENGTH);
    pass(1000, { but: { wall: 1400 } });
    assert.equal(lease.isLive(), true);
    assert.equal(lease.remaining(), LENGTH - 1400, 'by the clock that ran fastest');
  });

  test('with a boot clock that tells hundredths of a second only', () => {
    const { lease, pass } = clocksInHand();
    lease.renew(lease.read(), LENGTH);
    for (let step = 0; step < 49; step++) pass(100, { but: { boot: step % 2 === 0 ? 90 : 110 } });
    assert.equal(lease.isLive(), true);
  });
});
