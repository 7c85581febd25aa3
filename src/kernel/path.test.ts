import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { normalisePath, type PathRefusal } from './path.ts';

const refused: Record<PathRefusal, string[]> = {
  not_a_path: [
    '',
    '*',
    'admin',
    './admin',
    '?/admin',
    'http://app.example/admin',
    'app.example:443',
    '%2fadmin',
  ],
  fragment: ['/#', '/admin#x', '/public?x#/../admin', '#', '/%2e%2e#'],
  non_ascii: ['/café', '/\u0085', '/\uff0e\uff0e/admin', '/\ud800'],
  invalid_escape: ['/%', '/%2', '/%zz', '/a%2/b', '/%%32%65', '/%u002e', '/100%'],
  control_character: [
    '/a b',
    '/a\tb',
    '/a\r\nb',
    '/\0',
    '/\x7f',
    '/%00',
    '/a%0d%0ab',
    '/%1F',
    '/%7f',
    '/%09',
  ],
  backslash: ['/\\', '/public\\..\\admin', '/%5cadmin', '/..%5Cadmin', '/\\evil.example'],
  semicolon: ['/admin;', '/admin;x=1', '/public/..;/admin', '/;/admin', '/admin%3b', '/admin%3Bx'],
  empty_segment: ['//', '//admin', '/public//admin', '/admin//', '//evil.example/admin', '/a/..//b'],
  encoded_slash: ['/%2f', '/%2F/admin', '/public%2fadmin', '/public/..%2fadmin'],
  encoded_dot_segment: [
    '/%2e',
    '/%2E/',
    '/public/%2e%2e/admin',
    '/public/.%2e/admin',
    '/public/%2E./admin',
    '/a/%2e',
  ],
  invalid_utf8: ['/%ff', '/%c0%af', '/%c0%ae%c0%ae/admin', '/%e0%80%af', '/%ed%a0%80', '/caf%e9', '/%80'],
  double_encoding: [
    '/%252e%252e/admin',
    '/public/%252E%252e/admin',
    '/%252fadmin',
    '/%255cadmin',
    '/%2500',
    '/%253b',
    '/%25252e',
    '/%252525252e',
    '/%2561dmin',
    '/%25%32%65',
    '/%25%32e',
  ],
  above_root: ['/..', '/../', '/../admin', '/a/../../admin', '/./..', '/a/b/../../../c', '/.../../..'],
};

for (const [reason, targets] of Object.entries(refused)) {
  for (const target of targets) {
    test(`${JSON.stringify(target)} is refused: ${reason}`, () => {
      assert.deepEqual(normalisePath(target), { refused: reason });
    });
  }
}

const accepted: [string, string][] = [
  ['/', '/'],
  ['/?', '/'],
  ['/admin', '/admin'],
  ['/admin/', '/admin/'],
  ['/admin?next=//evil;%2e%2e\\', '/admin'],
  ['/.', '/'],
  ['/./', '/'],
  ['/a/.', '/a/'],
  ['/a/..', '/'],
  ['/a/../b', '/b'],
  ['/a/./b', '/a/b'],
  ['/a/b/..', '/a/'],
  ['/a/b/../c/', '/a/c/'],
  ['/public/../admin', '/admin'],
  ['/a/b/c/./../../g', '/a/g'],
  ['/.well-known/x', '/.well-known/x'],
  ['/...', '/...'],
  ['/..a/b..', '/..a/b..'],
  ['/%61dmin', '/admin'],
  ['/file%2etxt', '/file.txt'],
  ['/%7Eann/%2D%5f', '/~ann/-_'],
  ['/%2e%2e%2e', '/...'],
  ['/a%20b', '/a%20b'],
  ['/a%3fb%23c', '/a%3Fb%23c'],
  ['/caf%c3%a9', '/caf%C3%A9'],
  ['/users/a%40b.c', '/users/a%40b.c'],
  ["/:@!$&'()*+,=|[]^", "/:@!$&'()*+,=|[]^"],
  ['/100%25', '/100%25'],
  ['/100%25zz', '/100%25zz'],
  ['/a%2520b', '/a%2520b'],
  ['/%25c3%25a9', '/%25c3%25a9'],
];

for (const [target, path] of accepted) {
  test(`${JSON.stringify(target)} is ${path}`, () => assert.deepEqual(normalisePath(target), { path }));
}

const piece = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom('/', '.', '..', '/..', '/.', 'a', 'b', '~', '%', '25', '2e', '%2e', '%2E'),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '%2f',
      '%5C',
      '%00',
      '%61',
      '%c3%a9',
      '%252e',
      '%40',
      '\\',
      ';',
      '?',
      '#',
      'é',
    ),
  },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 0, max: 255 }).map((byte) => `%${byte.toString(16).padStart(2, '0')}`),
  },
);
const target = fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join('')}`);
const anyTarget = fc.oneof(
  { weight: 4, arbitrary: target },
  { weight: 1, arbitrary: fc.string() },
  fc.webPath(),
);

test('property: normalising twice is normalising once', () => {
  let paths = 0;
  fc.assert(
    fc.property(anyTarget, (text) => {
      const once = normalisePath(text);
      if ('refused' in once) return;
      paths++;
      assert.deepEqual(normalisePath(once.path), once);
    }),
    { numRuns: 5000 },
  );
  assert.ok(paths > 500, 'the property saw too few paths to mean anything');
});

test('property: a path holds nothing that two servers could read in two ways', () => {
  fc.assert(
    fc.property(anyTarget, (text) => {
      const result = normalisePath(text);
      if ('refused' in result) return;
      assert.match(result.path, /^\/[!-~]*$/);
      assert.doesNotMatch(result.path, /[\\;#?]|\/\/|\/\.{1,2}(\/|$)/);
      assert.doesNotMatch(result.path, /%(2f|5c|3b|00|2e|[01].|7f)/i);
      const twice = decodeURIComponent(result.path).split('/').length;
      assert.equal(twice, result.path.split('/').length);
    }),
    { numRuns: 5000 },
  );
});

test('property: an accepted path is what the URL standard makes of it, escapes apart', () => {
  fc.assert(
    fc.property(anyTarget, (text) => {
      const result = normalisePath(text);
      if ('refused' in result) return;
      const { pathname } = new URL(`http://app.example${text}`);
      assert.equal(decodeURIComponent(result.path), decodeURIComponent(pathname));
    }),
    { numRuns: 5000 },
  );
});

test('property: a server that decodes an accepted path once more still sees the same path', () => {
  fc.assert(
    fc.property(anyTarget, (text) => {
      const result = normalisePath(text);
      if ('refused' in result) return;
      const decoded = decodedOnce(result.path);
      const again = normalisePath(decoded);
      if ('path' in again) assert.equal(again.path.toLowerCase(), decoded.toLowerCase());
      else assert.match(again.refused, /^invalid_(escape|utf8)$/);
    }),
    { numRuns: 5000 },
  );
});

function decodedOnce(path: string): string {
  return path.replaceAll('%25', '%');
}

test('a target of ten million characters is read in linear time', () => {
  assert.deepEqual(normalisePath(`/${'a'.repeat(10_000_000)};`), { refused: 'semicolon' });
  assert.deepEqual(normalisePath(`/${'%25'.repeat(1_000_000)}2525252e`), { refused: 'double_encoding' });
  assert.deepEqual(normalisePath(`${'/a'.repeat(1_000_000)}${'/..'.repeat(1_000_001)}`), {
    refused: 'above_root',
  });
});
