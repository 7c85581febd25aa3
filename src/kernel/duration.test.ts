import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseDuration } from './duration.ts';

const refused: Record<string, string> = {
  'an empty text': '',
  'a number without a unit': '30',
  'a unit without a number': 'h',
  'a last number without a unit': '2h45',
  'a negative sign': '-1h',
  'a positive sign': '+1h',
  'a fraction': '1.5h',
  'a leading point': '.5h',
  'an exponent': '1e3s',
  'a space': '1h 30m',
  'a trailing line feed': '1h\n',
  'days, which Go does not know': '1d',
  'an upper-case unit': '1H',
  'a repeated unit letter': '1hh',
  'an inherited name for a unit': '1constructor',
  'Arabic digits': '\u0661h',
  'less than a millisecond': '1ns',
  'no whole number of milliseconds': '1s1us',
  'more than 64 bits of nanoseconds': '2562048h',
  'a number of sixty digits': `${'9'.repeat(60)}h`,
  'sixty-six characters': '1s'.repeat(33),
  'ten million digits': '1'.repeat(10_000_000),
};

for (const [what, text] of Object.entries(refused)) {
  test(`a duration that is ${what} is refused`, () => assert.equal(parseDuration(text), null));
}

const accepted: [string, number][] = [
  ['0', 0],
  ['0s', 0],
  ['300ms', 300],
  ['2h45m', 9_900_000],
  ['24h', 86_400_000],
  ['730h', 2_628_000_000],
  ['8760h', 31_536_000_000],
  ['30m', 1_800_000],
  ['1m1m', 120_000],
  ['1s1h', 3_601_000],
  ['007s', 7_000],
  ['1s'.repeat(32), 32_000],
  ['1000us', 1],
  ['1500\u00b5s500\u03bcs', 2],
  ['1000000ns', 1],
  ['2562047h', 9_223_369_200_000],
];

for (const [text, milliseconds] of accepted) {
  test(`${text} is ${milliseconds} milliseconds`, () => assert.equal(parseDuration(text), milliseconds));
}

test('property: the parts of a duration add up', () => {
  const part = fc.nat({ max: 9_999 });
  fc.assert(
    fc.property(part, part, part, part, (hours, minutes, seconds, milliseconds) => {
      const text = `${hours}h${minutes}m${seconds}s${milliseconds}ms`;
      assert.equal(parseDuration(text), ((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds);
    }),
  );
});

test('property: what is read is a whole number, neither negative nor unsafe, and nothing throws', () => {
  const pieces = fc.array(
    fc.oneof(fc.nat().map(String), fc.constantFrom('h', 'm', 's', 'ms', 'us', 'ns', '.', '-', ' ')),
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        pieces.map((list) => list.join('')),
      ),
      (text) => {
        const milliseconds = parseDuration(text);
        assert.ok(milliseconds === null || (Number.isSafeInteger(milliseconds) && milliseconds >= 0));
      },
    ),
    { numRuns: 1000 },
  );
});
