import assert from 'node:assert/strict';
import { test } from 'node:test';
import { below, collect, isObject, misread, own, parsed, quote } from './result.ts';

test('one failed reading among good ones fails them all and names every problem', () => {
  const result = collect([parsed(1), misread('/0', 'bad'), parsed(2), misread('/1', 'worse')]);
  assert.deepEqual(result, {
    ok: false,
    problems: [
      { pointer: '/0', message: 'bad' },
      { pointer: '/1', message: 'worse' },
    ],
  });
});

test('good readings keep their order, undefined and empty arrays among them', () => {
  assert.deepEqual(collect<unknown>([parsed(undefined), parsed([]), parsed(3)]), {
    ok: true,
    value: [undefined, [], 3],
  });
});

test('a pointer escapes the two characters of RFC 6901 in the right order', () => {
  assert.equal(below('/include', 0), '/include/0');
  assert.equal(below('', 'a/b~c'), '/a~1b~0c');
  assert.equal(below('', '~1'), '/~01');
});

test('arrays, null and primitives are no objects', () => {
  for (const value of [[], null, 'x', 1, true, undefined]) assert.equal(isObject(value), false);
  assert.equal(isObject({}), true);
});

test('inherited properties are never read', () => {
  assert.equal(own({}, 'toString'), undefined);
  assert.equal(own({}, '__proto__'), undefined);
  assert.equal(own(JSON.parse('{"__proto__": 1}'), '__proto__'), 1);
});

test('a text is quoted without its controls and without its length', () => {
  assert.equal(quote('a"b\n'), '"a\\"b\\n"');
  assert.ok(quote('x'.repeat(1_000_000)).length < 70);
});
