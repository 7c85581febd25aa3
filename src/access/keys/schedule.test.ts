import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { KeySettingsRow, SigningKeyRow } from '../../database/tables.ts';
import { DAY, HOUR, MINUTE, timestamp } from '../../kernel/clock.ts';
import type { Stage } from './keys.ts';
import {
  daysUntilRotation,
  isFull,
  isOver,
  isRipe,
  isRotationDue,
  isUnderWay,
  MOST_FORMER,
} from './schedule.ts';

const NOW = Date.parse('2026-11-21T12:00:00.000Z');

const settingsOf = (rotatedAt: number, days = 42): KeySettingsRow => ({
  account_id: 'acme',
  rotation_interval_days: days,
  last_rotated_at: timestamp(rotatedAt),
});

const keyOf = (stage: Stage, purpose: 'session' | 'gate', since = NOW): SigningKeyRow => ({
  id: 'kid',
  account_id: 'acme',
  purpose,
  public_jwk: '{}',
  private_jwk: null,
  stage,
  stage_since: timestamp(since),
  created_at: timestamp(since),
});

describe('a rotation is due', () => {
  for (const [name, rotatedAt, expected] of [
    ['not on the day of the last', NOW, false],
    ['not a moment before the interval is over', NOW - 42 * DAY + 1, false],
    ['when the interval is over', NOW - 42 * DAY, true],
    ['when it is long over', NOW - 400 * DAY, true],
    ['not when the clock went back by a day', NOW + DAY, false],
    ['not when the clock was a day ahead then and is a day behind now', NOW + 2 * DAY, false],
    ['when the clock must have been years ahead', NOW + 3650 * DAY, true],
  ] as const) {
    test(name, () => assert.equal(isRotationDue(settingsOf(rotatedAt), NOW), expected));
  }

  test('never twice within an interval less two days, however a clock jumps by a day either way', () => {
    const errors = fc.array(fc.integer({ min: -DAY, max: DAY }), { minLength: 1, maxLength: 400 });
    fc.assert(
      fc.property(errors, fc.integer({ min: 21, max: 60 }), (errors, days) => {
        const rotatedAt = [NOW];
        let settings = settingsOf(NOW, days);
        for (const [at, error] of errors.entries()) {
          const truly = NOW + at * 8 * HOUR;
          if (!isRotationDue(settings, truly + error)) continue;
          settings = settingsOf(truly + error, days);
          assert.ok(truly - (rotatedAt.at(-1) ?? 0) >= (days - 2) * DAY);
          rotatedAt.push(truly);
        }
        const passed = errors.length * 8 * HOUR;
        assert.ok(passed < (days + 2) * DAY || rotatedAt.length > 1, 'and it does come');
      }),
    );
  });
});

describe('the days that are left', () => {
  for (const [name, rotatedAt, days, expected] of [
    ['are the whole interval at first', NOW, 42, 42],
    ['are rounded up', NOW - 41 * DAY - HOUR, 42, 1],
    ['are none when a rotation is due', NOW - 50 * DAY, 42, 0],
    ['are never more than the interval', NOW + DAY, 21, 21],
    ['are none when the last cannot be believed', NOW + 50 * DAY, 21, 0],
  ] as const) {
    test(name, () => assert.equal(daysUntilRotation(settingsOf(rotatedAt, days), NOW), expected));
  }
});

describe('a key may sign', () => {
  for (const [name, stage, seenFor, expected] of [
    ['not before it was published for a quarter of an hour', 'next', 15 * MINUTE - 1, false],
    ['from then on', 'next', 15 * MINUTE, true],
    ['not twice', 'current', DAY, false],
    ['never again', 'former', DAY, false],
  ] as const) {
    test(name, () => assert.equal(isRipe(keyOf(stage, 'session', NOW - 4000 * DAY), seenFor), expected));
  }
});

describe('a key is over', () => {
  for (const [name, key, seenFor, expected] of [
    ['never while it signs', keyOf('current', 'session', NOW - 4000 * DAY), 4000 * DAY, false],
    ['never before it has signed', keyOf('next', 'gate', NOW - 4000 * DAY), 4000 * DAY, false],
    ['not while the longest session can live', keyOf('former', 'session', NOW - 744 * HOUR), 40 * DAY, false],
    ['not while it can by a clock a day off', keyOf('former', 'session', NOW - 33 * DAY), 40 * DAY, false],
    [
      '34 days after it signed sessions, restarts or not',
      keyOf('former', 'session', NOW - 34 * DAY),
      0,
      true,
    ],
    ['not while an assertion can live', keyOf('former', 'gate'), 5 * MINUTE, false],
    [
      'not while one can by a clock that jumped',
      keyOf('former', 'gate', NOW - 2 * DAY),
      10 * MINUTE - 1,
      false,
    ],
    ['ten minutes after it signed assertions', keyOf('former', 'gate'), 10 * MINUTE, true],
    ['also when the clock went back since', keyOf('former', 'gate', NOW + DAY), 10 * MINUTE, true],
  ] as const) {
    test(name, () => assert.equal(isOver(key, { now: NOW, seenFor }), expected));
  }
});

test('there are never more keys than ten former ones, one that signs and one that will', () => {
  const former = Array.from({ length: MOST_FORMER }, () => keyOf('former', 'session'));
  assert.equal(isFull(former), true);
  assert.equal(isFull(former.slice(1)), false);
  assert.equal(isUnderWay([...former, keyOf('current', 'gate')]), false);
  assert.equal(isUnderWay([...former, keyOf('next', 'gate')]), true);
});
