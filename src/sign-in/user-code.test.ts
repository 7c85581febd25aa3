import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newUserCode, readUserCode, showUserCode } from './user-code.ts';

test('what is no code is none', () => {
  for (const text of [
    '',
    'BCDF',
    'BCDFGHJ',
    'BCDFGHJKL',
    'ABCD-EFGH',
    '1234-5678',
    'BCDF_GHJK',
    'B'.repeat(1000),
  ])
    assert.equal(readUserCode(text), null, text);
});

test('a code is read in whatever way a person types it', () => {
  for (const text of ['BCDFGHJK', 'bcdf-ghjk', ' BCDF GHJK ', 'bcdf–ghjk', 'b c d f - g h j k'])
    assert.equal(readUserCode(text), 'BCDFGHJK', text);
});

test('a new code is one, is shown in two halves, and is another each time', () => {
  const codes = Array.from({ length: 1000 }, newUserCode);
  assert.equal(new Set(codes).size, 1000);
  for (const code of codes) {
    assert.match(showUserCode(code), /^[A-Z]{4}-[A-Z]{4}$/);
    assert.equal(readUserCode(showUserCode(code)), code);
  }
  assert.equal(new Set(codes.join('')).size, 20, 'every letter of the alphabet comes up');
});
