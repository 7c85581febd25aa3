import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applicationState } from '../../test/support/gate-parts.ts';
import { clearedTokenCookies, tokenCookies } from './token-cookies.ts';

const issued = { token: 't', seconds: 60, application: applicationState({}) };

test('the token comes alone where the application binds it to nothing', () => {
  assert.deepEqual(tokenCookies({ ...issued, binding: null }, 'https'), [
    'CF_Authorization=t; Path=/; Max-Age=60; SameSite=Lax; HttpOnly; Secure',
  ]);
});

test('over https the binding goes wherever the token may, out of reach of scripts, for as long', () => {
  const application = applicationState({ http_only_cookie: false, same_site_cookie: 'strict' });
  assert.deepEqual(tokenCookies({ ...issued, application, binding: 'b' }, 'https'), [
    'CF_Authorization=t; Path=/; Max-Age=60; SameSite=Strict; Secure',
    'CF_Binding=b; Path=/; Max-Age=60; SameSite=None; HttpOnly; Secure',
  ]);
});

test('over http no browser would take it for every site', () => {
  assert.deepEqual(
    tokenCookies({ ...issued, binding: 'b' }, 'http')[1],
    'CF_Binding=b; Path=/; Max-Age=60; SameSite=Lax; HttpOnly',
  );
});

test('both are taken away together', () => {
  assert.deepEqual(clearedTokenCookies('https'), [
    'CF_Authorization=; Path=/; Max-Age=0; SameSite=Lax; HttpOnly; Secure',
    'CF_Binding=; Path=/; Max-Age=0; SameSite=Lax; HttpOnly; Secure',
  ]);
});
