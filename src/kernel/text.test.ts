import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { foldCase } from './text.ts';

const same: readonly (readonly [string, string, string])[] = [
  ['capitals', 'ÅNGSTRÖM', 'ångström'],
  ['composed and decomposed letters', 'e\u0301', '\u00e9'],
  ['a letter that is composed in lower case only', 'H\u0331', '\u1e96'],
  ['a sigma at the end of a word', 'ΟΔΟΣ', 'οδοσ'],
  ['a sigma before more letters', 'ΟΔΟΣΑ', 'οδοςα'],
  ['the sign for kelvin', '\u212a', 'k'],
];

for (const [name, one, other] of same) {
  test(`no difference: ${name}`, () => assert.equal(foldCase(one), foldCase(other)));
}

const different: readonly (readonly [string, string])[] = [
  ['a', 'á'],
  ['i', 'ı'],
  ['s', 'ſ'],
  ['ss', 'ß'],
  ['ab', 'a b'],
];

for (const [one, other] of different) {
  test(`“${one}” and “${other}” stay two`, () => assert.notEqual(foldCase(one), foldCase(other)));
}

test('folding a second time changes nothing, and folding never forgets a part', () => {
  const text = fc.string({ unit: 'binary' });
  fc.assert(
    fc.property(text, text, (one, other) => {
      const folded = foldCase(one);
      assert.equal(foldCase(folded), folded);
      assert.ok(foldCase(`${one} ${other}`).endsWith(` ${foldCase(other)}`));
    }),
  );
});
