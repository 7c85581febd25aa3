import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hostnameOf, isWithinZone, parseDestination, zoneNamesOver } from './destinations.ts';

const read: [string, string, string][] = [
  ['app.example.com', 'app.example.com', ''],
  ['APP.Example.COM', 'app.example.com', ''],
  ['app.example.com/', 'app.example.com', ''],
  ['app.example.com:8443', 'app.example.com:8443', ''],
  ['bücher.example', 'xn--bcher-kva.example', ''],
  ['localhost', 'localhost', ''],
  ['10.0.0.1:3000/x', '10.0.0.1:3000', '/x'],
  ['app.example.com/Admin/', 'app.example.com', '/Admin'],
  ['app.example.com/a/./b/../c', 'app.example.com', '/a/c'],
  ['app.example.com/%61dmin', 'app.example.com', '/admin'],
  ['app.example.com/cdn-cgi-not', 'app.example.com', '/cdn-cgi-not'],
];

for (const [text, host, path] of read) {
  test(`${text} is ${host}${path}`, () => {
    assert.deepEqual(parseDestination(text, ''), { ok: true, value: { uri: host + path, host, path } });
  });
}

const refused: string[] = [
  '',
  '/',
  '/admin',
  'https://app.example.com',
  'user@app.example.com',
  '*.example.com',
  'app.example.com/*',
  'app.example.com/a*',
  'app.example.com:0',
  'app.example.com:65536',
  'app.example.com:08',
  'app.example.com:',
  'app..example.com',
  '.example.com',
  'app.example.com.',
  'app example.com',
  'app%2eexample.com',
  'app.example.com\\x',
  'app.example.com?x',
  'app.example.com/a?b=c',
  'app.example.com/a#b',
  'app.example.com//a',
  'app.example.com/a;b',
  'app.example.com/a%2fb',
  'app.example.com/%2e%2e/b',
  'app.example.com/../b',
  'app.example.com/a b',
  'app.example.com/ü',
  'app.example.com/%c3%bc',
  'app.example.com/cdn-cgi',
  'app.example.com/cdn-cgi/access/login',
  'app.example.com/a/../cdn-cgi/x',
  `${'a'.repeat(64)}.example.com`,
  `${'a.'.repeat(200)}example.com`,
];

for (const text of refused) {
  test(`${JSON.stringify(text)} is no destination`, () => {
    const reading = parseDestination(text, '/domain');
    assert.equal(reading.ok, false);
    assert.ok(!reading.ok && reading.problems[0]?.pointer === '/domain');
  });
}

test('property: what was read is read as itself, and names no path of our own', () => {
  fc.assert(
    fc.property(fc.domain(), fc.webPath(), (domain, path) => {
      const once = parseDestination(domain + path, '');
      if (!once.ok) return;
      assert.deepEqual(parseDestination(once.value.uri, ''), once);
      assert.ok(!once.value.path.endsWith('/'));
      assert.doesNotMatch(once.value.path, /^\/cdn-cgi(\/|$)/);
    }),
  );
});

test('property: any text is read or refused, and never throws', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void parseDestination(text, '')));
});

test('a host is within a zone by whole labels, whatever its port', () => {
  const cases: [string, string, boolean][] = [
    ['example.com', 'example.com', true],
    ['a.b.example.com:8443', 'example.com', true],
    ['notexample.com', 'example.com', false],
    ['example.com.evil.test', 'example.com', false],
    ['com', 'example.com', false],
  ];
  for (const [host, zone, within] of cases) assert.equal(isWithinZone(host, zone), within, host);
  assert.equal(hostnameOf('a.example.com:8443'), 'a.example.com');
  assert.deepEqual(zoneNamesOver('a.example.com'), ['a.example.com', 'example.com', 'com']);
});
