import assert from 'node:assert/strict';
import { test } from 'node:test';
import { browserCookie, cookieHeader, heldSecret, onlyCookie, readCookies, stateCookie } from './cookies.ts';

for (const [header, expected] of [
  ['', {}],
  ['a=1', { a: ['1'] }],
  ['a=1;b=2 ;  c = 3', { a: ['1'], b: ['2'], c: ['3'] }],
  ['a=1; a=2; a=', { a: ['1', '2', ''] }],
  ['a=b=c==', { a: ['b=c=='] }],
  ['=x; y; ; a', {}],
  ['A=1; a=2', { A: ['1'], a: ['2'] }],
  ['a="1; b=2"', { a: ['"1'], b: ['2"'] }],
  ['__proto__=1; constructor=2', { ['__proto__']: ['1'], constructor: ['2'] }],
] as const) {
  test(`cookies are read as they are written: ${header}`, () => {
    assert.deepEqual([...readCookies(header)], Object.entries(expected));
  });
}

test('a cookie counts only if it comes once and holds something', () => {
  const cookies = readCookies('one=1; two=1; two=2; none=; same=1; same=1');
  assert.equal(onlyCookie(cookies, 'one'), '1');
  for (const name of ['two', 'none', 'same', 'missing']) assert.equal(onlyCookie(cookies, name), null, name);
});

test('a secret of another form than ours is not taken over', () => {
  const secret = `${'a-_9'.repeat(10)}abc`;
  assert.equal(heldSecret(readCookies(`s=${secret}`), 's'), secret);
  for (const value of [secret.slice(1), `${secret}a`, `${secret.slice(1)}=`, `${secret}; s=${secret}`]) {
    assert.equal(heldSecret(readCookies(`s=${value}`), 's'), null, value);
  }
});

test('a cookie is for its host alone, and carries what it was asked to', () => {
  const flags = { maxAge: 60, secure: true };
  assert.equal(cookieHeader('a', 'b', flags), 'a=b; Path=/; Max-Age=60; SameSite=Lax; HttpOnly; Secure');
  assert.equal(
    cookieHeader('a', 'b', { maxAge: 0, secure: false, httpOnly: false, sameSite: 'strict' }),
    'a=b; Path=/; Max-Age=0; SameSite=Strict',
  );
  assert.equal(
    cookieHeader('a', '', { ...flags, sameSite: 'none' }),
    'a=; Path=/; Max-Age=60; SameSite=None; HttpOnly; Secure',
  );
});

test('over https another host of the same site cannot plant what ties a sign-in to a browser', () => {
  assert.deepEqual(
    [browserCookie('https'), stateCookie('https'), browserCookie('http'), stateCookie('http')],
    ['__Host-CF_AppSession', '__Host-CF_Session', 'CF_AppSession', 'CF_Session'],
  );
});
