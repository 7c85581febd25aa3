import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { before, test } from 'node:test';
import { createAuthority } from '../../test/support/client-certificates.ts';
import type { JsonObject } from '../kernel/json.ts';
import type { FeedItem } from '../protocol/feed.ts';
import { createClientCertificates } from './client-certificates.ts';

/* What the feed makes hosts ask for. What comes of it in handshakes is in test/gate/client-certificates*.test.ts. */

let pems: string[];
before(async () => {
  pems = await Promise.all(
    [1, 2, 3].map(async () => new X509Certificate((await createAuthority()).cert).toString()),
  );
});

function setUp() {
  const [parsed, faults] = [[], []] as [string[], unknown[]];
  const told = { changes: 0 };
  const clients = createClientCertificates({
    clock: { now: Date.now },
    onChange: () => {
      told.changes += 1;
    },
    onFault: (fault) => void faults.push(fault),
    parse: (pem) => {
      parsed.push(pem);
      return new X509Certificate(pem);
    },
  });
  const load = (accountId: string, ...states: FeedItem[]) => clients.load({ accountId, states });
  const apply = (accountId: string, ...items: FeedItem[]) => clients.apply({ accountId, items });
  const on = (hostname: string) => [...clients.authoritiesOn(hostname)].sort();
  return { clients, parsed, faults, told, load, apply, on };
}

function item(id: string, pem: string | undefined, ...hostnames: string[]): FeedItem {
  assert.ok(pem);
  const state = { id, name: id, certificate: pem, fingerprint: '', expires_at: 0, hostnames };
  return { kind: 'certificate', id, state: state as unknown as JsonObject };
}

function hostsOf(count: number, name = 'h'): string[] {
  return Array.from({ length: count }, (_, at) => `${name}${at}.example`);
}

test('an account without certificates, before and after, changes nothing', () => {
  const { clients, told, load, apply, on } = setUp();
  load('a', { kind: 'list', id: 'l', state: null });
  apply('a', { kind: 'list', id: 'l', state: null });
  assert.equal(told.changes, 0);
  assert.equal(clients.isAsking, false);
  load('a', item('1', pems[0], 'x.example'));
  assert.deepEqual([told.changes, on('x.example')], [1, [pems[0]]]);
  load('a');
  assert.deepEqual([told.changes, on('x.example'), clients.isAsking], [2, [], false]);
});

test('each certificate is read once, however many hosts it has and whatever else changes', () => {
  const { parsed, load, apply, on } = setUp();
  load('a', item('1', pems[0], ...hostsOf(1000)), item('2', pems[1], ...hostsOf(1000)));
  for (let at = 0; at < 500; at++) load(`other-${at}`, item('1', pems[2], `t${at}.example`));
  assert.equal(parsed.length, 502);
  for (const host of hostsOf(1000)) assert.deepEqual(on(host), [pems[0], pems[1]].sort());
  apply('a', { kind: 'certificate', id: '1', state: null });
  for (const host of hostsOf(1000)) assert.deepEqual(on(host), [pems[1]]);
  assert.equal(parsed.length, 502);
  apply('a', item('2', pems[1], 'only.example'));
  assert.equal(parsed.length, 503);
});

test('hosts that ask for the same share what they ask for, also across accounts, and keep it', () => {
  const { clients, load, apply } = setUp();
  load('a', item('1', pems[0], 'x.example', 'y.example'), item('2', pems[1], 'y.example', 'x.example'));
  load('b', item('9', pems[1], 'z.example'), item('8', pems[0], 'z.example'));
  load('c', item('1', pems[0], 'alone.example'));
  const shared = clients.authoritiesOn('x.example');
  for (const host of ['x.example', 'y.example', 'z.example'])
    assert.equal(clients.authoritiesOn(host), shared);
  assert.notEqual(clients.authoritiesOn('alone.example'), shared);
  apply('c', item('1', pems[0], 'alone.example', 'elsewhere.example'));
  assert.equal(clients.authoritiesOn('x.example'), shared);
});

test('what an account no longer has is asked for nowhere, and nobody else loses it', () => {
  const { load, apply, on } = setUp();
  load('a', item('1', pems[0], 'x.example', 'y.example'));
  load('b', item('1', pems[0], 'x.example'), item('2', pems[1], 'x.example'));
  assert.deepEqual(on('x.example'), [pems[0], pems[1]].sort(), 'each once');
  apply('b', item('1', pems[0]), { kind: 'certificate', id: '2', state: null });
  assert.deepEqual(on('x.example'), [pems[0]]);
  apply('a', item('1', pems[0], 'y.example'));
  assert.deepEqual([on('x.example'), on('y.example')], [[], [pems[0]]]);
  load('a', item('3', pems[2], 'x.example'));
  assert.deepEqual([on('x.example'), on('y.example')], [[pems[2]], []]);
});

test('one that cannot be read is asked for nowhere, nor what it replaces, and the others are', () => {
  const { faults, load, apply, on } = setUp();
  load('a', item('1', 'no PEM', 'x.example'), item('2', pems[1], 'x.example'));
  assert.deepEqual([faults.length, on('x.example')], [1, [pems[1]]]);
  apply('a', item('2', 'no PEM', 'x.example'), item('3', pems[2], 'x.example'));
  assert.deepEqual([faults.length, on('x.example')], [2, [pems[2]]]);
});
