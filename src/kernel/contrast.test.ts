import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { contrast, isColour, readableOn } from './contrast.ts';

test('only six hexadecimal digits after a number sign are a colour', () => {
  for (const text of [
    '',
    'red',
    '#123',
    '123456',
    '#12345g',
    '#1234567',
    '#123456;',
    ' #123456',
    '#123456\n',
  ]) {
    assert.equal(isColour(text), false, text);
  }
  for (const text of ['#000000', '#A1b2C3']) assert.equal(isColour(text), true);
});

test('contrast is that of the standard', () => {
  assert.equal(contrast('#000000', '#ffffff'), 21);
  assert.equal(contrast('#808080', '#808080'), 1);
  assert.equal(contrast('#767676', '#ffffff').toFixed(2), '4.54');
  assert.equal(contrast('#ffffff', '#777777').toFixed(2), '4.48');
});

test('a colour that cannot be read gives way to the next that can', () => {
  assert.equal(readableOn('#ffffff', ['#eeeeee', null, '#123456']), '#123456');
  assert.equal(readableOn('#ffffff', ['#123456', '#000000']), '#123456');
  assert.equal(readableOn('#ffff00', ['#ffffff']), '#000000');
  assert.equal(readableOn('#000080', ['#000000']), '#ffffff');
});

const colour = fc
  .integer({ min: 0, max: 0xffffff })
  .map((value) => `#${value.toString(16).padStart(6, '0')}`);

test('property: on any ground whatever is chosen can be read', () => {
  fc.assert(
    fc.property(colour, colour, (ground, wanted) => {
      const chosen = readableOn(ground, [wanted]);
      assert.ok(contrast(chosen, ground) >= 4.5, `${chosen} on ${ground}`);
      if (contrast(wanted, ground) >= 4.5) assert.equal(chosen, wanted);
    }),
    { numRuns: 2000 },
  );
});
