import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseTimestamp, systemClock, timestamp } from './clock.ts';

const read = (text: string) => {
  const milliseconds = parseTimestamp(text);
  return milliseconds === null ? null : timestamp(milliseconds);
};

describe('a time', () => {
  const refused = [
    '',
    'now',
    '0',
    '2026-01-01',
    '2026-01-01T00:00:00',
    '2026-01-01T00:00Z',
    '2026-01-01 00:00:00Z',
    '2026-01-01T00:00:00.Z',
    '2026-01-01T00:00:00.1234567890Z',
    '2026-01-01T00:00:00+0100',
    '2026-01-01T00:00:00+24:00',
    '2026-01-01T00:00:00+01:60',
    '2026-1-1T00:00:00Z',
    '26-01-01T00:00:00Z',
    '+002026-01-01T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-01-32T00:00:00Z',
    '2026-02-29T00:00:00Z',
    '2026-02-30T00:00:00+01:00',
    '2026-04-31T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:60:00Z',
    '2026-01-01T23:59:60Z',
    ' 2026-01-01T00:00:00Z',
    '2026-01-01T00:00:00Z\n',
    '0000-01-01T00:00:00+00:01',
    '9999-12-31T23:59:59-00:01',
    '２０２６-01-01T00:00:00Z',
  ];
  for (const text of refused) {
    test(`${JSON.stringify(text)} is none`, () => assert.equal(parseTimestamp(text), null));
  }

  const table: readonly (readonly [string, string])[] = [
    ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05.000Z'],
    ['2026-01-02T03:04:05.6Z', '2026-01-02T03:04:05.600Z'],
    ['2026-01-02T03:04:05.123456789Z', '2026-01-02T03:04:05.123Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
    ['2026-01-01T00:30:00+01:00', '2025-12-31T23:30:00.000Z'],
    ['2026-02-28T23:30:00-01:00', '2026-03-01T00:30:00.000Z'],
    ['0000-01-01T00:00:00Z', '0000-01-01T00:00:00.000Z'],
    ['9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999Z'],
  ];
  for (const [text, expected] of table) {
    test(`${text} is ${expected}`, () => assert.equal(read(text), expected));
  }

  const times = fc.integer({
    min: Date.parse('0000-01-01T00:00:00Z'),
    max: Date.parse('9999-12-31T23:59:59.999Z'),
  });

  test('is read as it was written, and written as it was read', () => {
    fc.assert(
      fc.property(times, (time) => {
        assert.equal(parseTimestamp(timestamp(time)), time);
        assert.equal(read(timestamp(time)), timestamp(time));
      }),
    );
  });

  test('sorts as text as it does as a number', () => {
    fc.assert(
      fc.property(times, times, (one, other) => assert.equal(timestamp(one) < timestamp(other), one < other)),
    );
  });
});

test('the clock of the system is in milliseconds', () => {
  const before = Date.now();
  const now = systemClock.now();
  assert.ok(Number.isSafeInteger(now));
  assert.ok(before <= now && now <= Date.now());
});
