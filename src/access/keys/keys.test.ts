import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Browser, type Page } from '../../../test/support/browser.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases } from '../../../test/support/stage.ts';
import { addTenant } from '../../../test/support/tenants.ts';
import { operator } from '../../kernel/actor.ts';
import { SECOND } from '../../kernel/clock.ts';
import { createVault } from '../../kernel/crypto.ts';
import type { FeedItem } from '../../protocol/feed.ts';
import { commitAct } from '../../removal/act.ts';
import { generateKey, storeKey } from './keys.ts';
import { PUBLISHED_FOR } from './schedule.ts';

/*
 * The JWK Set that applications verify with (reference §5): public parts, and nothing else, whatever name the
 * server is asked under.
 */

interface Jwk {
  readonly kid: string;
  readonly kty: string;
  readonly alg: string;
  readonly use: string;
  readonly n: string;
  readonly e: string;
}

const CERTS = '/cdn-cgi/access/certs';

function keysOf({ status, text }: Page): Jwk[] {
  assert.equal(status, 200);
  return (JSON.parse(text) as { keys: Jwk[] }).keys;
}

onBothDatabases('signing keys', (stage) => {
  const browser = new Browser();
  const certs = (host: string) => browser.get(`http://${host}${CERTS}`);
  const storeIn = async (accountId: string) => {
    const [session, gate] = [await generateKey('session'), await generateKey('gate')];
    const vault = createVault(Buffer.alloc(32, 1));
    const act = { accountId, actor: operator, authorize: async () => {} };
    await commitAct(stage.app.app.control, act, async (tx) => {
      const items: FeedItem[] = [];
      for (const key of [session, gate]) {
        items.push(await storeKey(tx, { key, accountId, vault, now: '2026-11-21T00:00:00.000Z' }));
      }
      const resource = { type: 'keys', id: accountId };
      return { result: null, items, audit: { action: 'keys.test', resource } };
    });
    return { kids: [session.kid, gate.kid].sort() };
  };

  test('their private parts are in no answer, and in the database only sealed', async () => {
    const names = new Set(['kid', 'kty', 'alg', 'use', 'n', 'e']);
    for (const host of [stage.app.teamDomain, `127.0.0.1:${stage.app.port}`]) {
      const page = await certs(host);
      for (const key of keysOf(page)) assert.deepEqual(new Set(Object.keys(key)), names);
      assert.doesNotMatch(page.text, /"(?:d|p|q|dp|dq|qi|oth|k)"/);
    }
    const rows = await readRows(stage.database);
    for (const [table, all] of Object.entries(rows)) {
      assert.doesNotMatch(all.join('\n'), /\\?"(?:dp|dq|qi)\\?":/, table);
    }
    for (const row of rows.signing_keys ?? []) {
      assert.match(JSON.parse(row).private_jwk, /^[\w-]+$/);
    }
  });

  test('may be kept for five minutes by whoever asks, with or without a credential', async () => {
    const page = await certs(stage.app.teamDomain);
    assert.equal(page.headers['cache-control'], 'public, max-age=300');
    assert.ok(2 * 300 * SECOND <= PUBLISHED_FOR, 'a key does not sign before whoever kept the set has it');
    assert.match(page.headers['content-type'] ?? '', /^application\/json/);
  });

  test('are the same on the team domain and on an address of the server: RS256, for signatures', async () => {
    const ofTeam = keysOf(await certs(stage.app.teamDomain));
    assert.deepEqual(keysOf(await certs(`127.0.0.1:${stage.app.port}`)), ofTeam);
    assert.equal(ofTeam.length, 2);
    for (const { kid, kty, alg, use, n } of ofTeam) {
      assert.deepEqual([kty, alg, use], ['RSA', 'RS256', 'sig']);
      assert.match(kid, /^[0-9a-f]{64}$/);
      assert.equal(Buffer.from(n, 'base64url').length, 256);
    }
  });

  test('of another account are on its own team domain, and there alone', async () => {
    const other = await addTenant(stage.app, 'other');
    const { kids } = await storeIn(other.accountId);
    const theirs = keysOf(await certs(`other.localhost:${stage.app.port}`)).map(({ kid }) => kid);
    assert.deepEqual(theirs.sort(), kids);
    const ours = keysOf(await certs(stage.app.teamDomain)).map(({ kid }) => kid);
    for (const kid of kids) assert.ok(!ours.includes(kid));
  });
});
