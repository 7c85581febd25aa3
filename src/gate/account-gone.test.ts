import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FeedItem, StateKind } from '../protocol/feed.ts';
import { createRevocationIndex } from '../protocol/revocation-index.ts';
import { createGateState } from './state.ts';

const item = (kind: StateKind, id: string, state: object): FeedItem =>
  ({ kind, id, state }) as unknown as FeedItem;

const organizationOf = (name: string) =>
  item('organization', name, {
    auth_domain: `${name}.team`,
    deny_unmatched_requests: false,
    unmatched_exempted_zones: [],
    zones: [`${name}.example`],
  });

function loaded() {
  const state = createGateState();
  for (const accountId of ['acme', 'other']) {
    const revocations = createRevocationIndex({ epoch: 1, position: 1, floor: 0, formers: [] });
    const destinations = [{ host: `app.${accountId}`, path: '', upstream: null }];
    const states = [
      organizationOf(accountId),
      item('application', `${accountId}-app`, { id: `${accountId}-app`, destinations, policies: [] }),
      item('service_token', `${accountId}-token`, { id: `${accountId}-token`, client_id: accountId }),
      item('key', `${accountId}-key`, { kid: `${accountId}-key` }),
      item('session', `${accountId}-s`, { nonce: `${accountId}-s`, user_id: 'u', expires_at: 9e15 }),
    ];
    state.load({ accountId, revocations, states });
  }
  return state;
}

test('an account without its organization is forgotten whole, and no other', () => {
  const state = loaded();
  const held = state.route('app.acme', '/')?.account;
  assert.ok(held && state.accountOfTeamDomain('acme.team') && state.allowsUnmatched('x.acme.example'));
  const items: FeedItem[] = [
    { kind: 'revocation', subject: { type: 'account', id: 'acme' } },
    { kind: 'organization', id: 'acme', state: null },
  ];
  state.apply({ accountId: 'acme', at: { epoch: 1, position: 2 }, items });
  assert.equal(state.route('app.acme', '/'), null);
  assert.equal(state.isApplicationHost('app.acme'), false);
  assert.equal(state.accountOfTeamDomain('acme.team'), null);
  assert.equal(state.allowsUnmatched('x.acme.example'), null);
  // Whoever holds it from before sees the same.
  const { organization, applications, serviceTokens, keys, sessions, revocations } = held;
  assert.deepEqual(
    [organization, applications.size, serviceTokens.size, keys.size, sessions.size],
    [null, 0, 0, 0, 0],
  );
  assert.deepEqual([revocations.head.position, revocations.size], [2, 1]);
  const other = state.route('app.other', '/')?.account;
  assert.deepEqual([other?.serviceTokens.size, other?.keys.size, other?.sessions.size], [1, 1, 1]);
  assert.ok(state.accountOfTeamDomain('other.team') && state.allowsUnmatched('x.other.example'));
});
