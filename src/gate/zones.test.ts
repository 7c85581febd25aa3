import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OrganizationState } from '../protocol/state.ts';
import { createZones } from './zones.ts';

interface Account {
  readonly name: string;
  readonly organization: OrganizationState | null;
}

function account(name: string, zones: string[], more: Partial<OrganizationState> = {}): Account {
  const organization = {
    auth_domain: `team.${zones[0]}`,
    deny_unmatched_requests: false,
    unmatched_exempted_zones: [],
    zones,
    ...more,
  } as unknown as OrganizationState;
  return { name, organization };
}

function asked(accounts: readonly Account[], host: string, ownHosts: readonly string[] = []) {
  const zones = createZones<Account>(ownHosts);
  zones.rebuild(accounts);
  return zones.allowsUnmatched(host)?.name ?? null;
}

const acme = account('acme', ['example.com']);

for (const [what, accounts, host, own] of [
  ['where there is no account', [], 'wiki.example.com', []],
  ['outside of every zone', [acme], 'example.org', []],
  ['under a name that merely ends alike', [acme], 'anexample.com', []],
  ['on the parent of a zone', [acme], 'com', []],
  ['on the team domain', [acme], 'team.example.com', []],
  ['on the team domain with another port', [acme], 'team.example.com:8443', []],
  ['on the team domain, written with a dot at its end', [acme], 'team.example.com.', []],
  ["on the server's own name", [acme], 'access.example.com', ['access.example.com:8787']],
  ["on the server's own name and another port", [acme], 'access.example.com:1', ['access.example.com']],
  [
    'in a zone that two accounts have',
    [acme, account('other', ['example.com'], { auth_domain: 'team.other.example' })],
    'wiki.example.com',
    [],
  ],
  [
    'where the account denies',
    [account('acme', ['example.com'], { deny_unmatched_requests: true })],
    'wiki.example.com',
    [],
  ],
  [
    'where another zone of it is exempted',
    [
      account('acme', ['example.com', 'public.example.com'], {
        deny_unmatched_requests: true,
        unmatched_exempted_zones: ['public.example.com'],
      }),
    ],
    'wiki.example.com',
    [],
  ],
  [
    'in the longer zone of an account that denies',
    [acme, account('other', ['secret.example.com'], { deny_unmatched_requests: true })],
    'wiki.secret.example.com',
    [],
  ],
  [
    'where the account does not say',
    [account('acme', ['example.com'], { deny_unmatched_requests: undefined as unknown as boolean })],
    'wiki.example.com',
    [],
  ],
  ['where the account has no organization', [{ name: 'acme', organization: null }], 'wiki.example.com', []],
] as const) {
  test(`nobody lets an unmatched request through ${what}`, () => {
    assert.equal(asked(accounts, host, own), null);
  });
}

test('an account that denies none lets it through in its zones, with any port', () => {
  for (const host of ['example.com', 'wiki.example.com', 'a.b.example.com:8080', 'wiki.example.com.']) {
    assert.equal(asked([acme], host), 'acme', host);
  }
});

test('an account that denies all lets it through in a zone that it exempts', () => {
  const more = { deny_unmatched_requests: true, unmatched_exempted_zones: ['public.example.com'] };
  const one = account('acme', ['example.com', 'public.example.com'], more);
  assert.equal(asked([one], 'www.public.example.com'), 'acme');
});

test('the longest zone decides, whoever has the shorter one', () => {
  const other = account('other', ['open.example.com']);
  const closed = account('acme', ['example.com'], { deny_unmatched_requests: true });
  assert.equal(asked([closed, other], 'www.open.example.com'), 'other');
  assert.equal(asked([closed, other], 'www.example.com'), null);
});
