import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FeedItem } from '../protocol/feed.ts';
import { createRevocationIndex } from '../protocol/revocation-index.ts';
import { createGateState, type GateState } from './state.ts';

const DESTINATIONS: Readonly<Record<string, readonly string[]>> = {
  site: ['app.example'],
  admin: ['app.example/admin', 'app.example/ops/admin'],
  audit: ['app.example/admin/audit'],
  port: ['app.example:8443'],
  paths: ['paths.example/a'],
};

for (const [asked, id] of [
  ['app.example/', 'site'],
  ['app.example/administrator', 'site'],
  ['app.example/admin', 'admin'],
  ['app.example/admin/', 'admin'],
  ['app.example/admin/x', 'admin'],
  ['app.example/admin.html', 'site'],
  ['app.example/Admin', 'site'],
  ['app.example/ops', 'site'],
  ['app.example/ops/admin/x', 'admin'],
  ['app.example/admin/audit', 'audit'],
  ['app.example/admin/audit/x', 'audit'],
  ['app.example/admin/auditor', 'admin'],
  ['app.example:8443/admin', 'port'],
  ['app.example:443/admin', 'admin'],
  ['paths.example/a/b', 'paths'],
  ['paths.example/', null],
  ['paths.example/ab', null],
  ['example/', null],
  ['x.app.example/', null],
  ['app.example./', null],
  ['__proto__/', null],
] as const) {
  test(`${asked} belongs to ${id ?? 'nobody'}`, () => {
    const slash = asked.indexOf('/');
    const found = loaded().route(asked.slice(0, slash), asked.slice(slash));
    assert.equal(found?.application.id ?? null, id);
  });
}

test('every application of a host is found on it, whatever its path, once for each destination', () => {
  const on = (host: string) =>
    loaded()
      .destinationsOn(host)
      .map(({ application: { id } }) => id)
      .sort();
  assert.deepEqual(on('app.example'), ['admin', 'admin', 'audit', 'site']);
  assert.deepEqual(on('app.example:8443'), ['admin', 'admin', 'audit', 'port', 'site']);
  assert.deepEqual(on('paths.example'), ['paths']);
  assert.deepEqual(on('elsewhere.example'), []);
});

test('a path goes back to the broader application when its own is deleted, and is nobody’s after that', () => {
  const state = loaded();
  const end = (id: string, position: number) =>
    state.apply({
      accountId: 'acme',
      at: { epoch: 1, position },
      items: [{ kind: 'application', id, state: null }],
    });
  end('audit', 1);
  assert.equal(state.route('app.example', '/admin/audit')?.application.id, 'admin');
  end('admin', 2);
  assert.equal(state.route('app.example', '/admin/audit')?.application.id, 'site');
  end('site', 3);
  assert.equal(state.route('app.example', '/admin/audit'), null);
  assert.equal(state.isApplicationHost('app.example'), false);
  assert.equal(state.isApplicationHost('app.example:8443'), true);
});

test('sessions that have expired are forgotten, and those of a removed user at once', () => {
  const state = loaded();
  const session = (nonce: string, user_id: string, expires_at: number): FeedItem => ({
    kind: 'session',
    id: nonce,
    state: { nonce, user_id, expires_at },
  });
  const items = [session('n1', 'ana', 10), session('n2', 'ana', 20), session('n3', 'ben', 20)];
  state.apply({ accountId: 'acme', at: { epoch: 1, position: 1 }, items });
  const known = () => [...(state.account('acme')?.sessions.keys() ?? [])];
  state.sweep(10);
  assert.deepEqual(known(), ['n2', 'n3']);
  const revoked: FeedItem = { kind: 'revocation', subject: { type: 'user', id: 'ana' } };
  state.apply({ accountId: 'acme', at: { epoch: 1, position: 2 }, items: [revoked] });
  assert.deepEqual(known(), ['n3']);
});

test('an entry for an account that was never loaded is a mistake, and not passed over', () => {
  const batch = { accountId: 'unknown', at: { epoch: 1, position: 1 }, items: [] };
  assert.throws(() => loaded().apply(batch), /never loaded/);
});

function loaded(): GateState {
  const state = createGateState();
  const states = Object.entries(DESTINATIONS).map(([id, uris]): FeedItem => {
    const destinations = uris.map((uri) => {
      const [host = '', ...path] = uri.split('/');
      return { host, path: path.map((segment) => `/${segment}`).join('') };
    });
    return { kind: 'application', id, state: { id, aud: id, destinations } };
  });
  const revocations = createRevocationIndex({ epoch: 1, position: 0, floor: 0 });
  state.load({ accountId: 'acme', revocations, states });
  return state;
}
