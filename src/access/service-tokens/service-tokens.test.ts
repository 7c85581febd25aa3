import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NotFoundError } from 'cloudflare';
import type { ServiceToken } from 'cloudflare/resources/zero-trust/access/service-tokens';
import { newestEntry } from '../../../test/support/access.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { all } from '../../../test/support/tenants.ts';
import { DAY, HOUR, timestamp } from '../../kernel/clock.ts';
import { sha256 } from '../../kernel/crypto.ts';
import { isSecret } from '../../kernel/ids.ts';

/* Service tokens through the official SDK (reference §3.6). What they open is in test/gate/service-tokens.test.ts. */

const YEAR = 365 * DAY;

type Shown = Required<ServiceToken> & {
  client_secret?: string;
  client_secret_version: number;
  previous_client_secret_expires_at?: string;
  created_at: string;
  updated_at: string;
};

function use({ app }: Stage) {
  const { account_id, zone_id } = app.credentials;
  return { app, account_id, zone_id, tokens: app.sdk().zeroTrust.access.serviceTokens };
}

async function create(stage: Stage, fields: object = {}): Promise<Shown & { client_secret: string }> {
  const { tokens, account_id } = use(stage);
  return (await tokens.create({ account_id, name: 'CI', ...fields })) as Shown & { client_secret: string };
}

async function rowOf(stage: Stage, id: string): Promise<Record<string, unknown> | undefined> {
  const rows = (await readRows(stage.database)).service_tokens ?? [];
  return rows.map((row) => JSON.parse(row) as Record<string, unknown>).find((row) => row.id === id);
}

/** What the newest change told the gates. */
async function told(stage: Stage) {
  const rows = (await readRows(stage.database)).feed_entries ?? [];
  const feed = rows.map((row) => JSON.parse(row));
  const newest = Math.max(...feed.map(({ position }) => Number(position)));
  return feed
    .filter(({ position }) => Number(position) === newest)
    .sort((one, other) => one.ordinal - other.ordinal)
    .map(({ kind, subject_type, subject_id, payload }) => [
      kind,
      subject_type,
      subject_id,
      JSON.parse(payload),
    ]);
}

const ended = (id: string) => [
  ['revocation', 'service_token', id, null],
  ['service_token', null, id, null],
];

onBothDatabases('a service token', (stage) => {
  test('is answered with its secret once, and kept without it', async () => {
    const { tokens, account_id, app } = use(stage);
    const answer = await tokens.create({ account_id, name: 'CI/CD' }).asResponse();
    const { result } = (await answer.json()) as { result: Shown };
    const { id, client_id, client_secret = '', created_at, expires_at } = result;
    assert.equal(answer.status, 201);
    const shown = {
      id,
      client_id,
      name: 'CI/CD',
      duration: '8760h',
      enabled: true,
      client_secret_version: 1,
      expires_at: timestamp(Date.parse(created_at) + YEAR),
      created_at,
      updated_at: created_at,
    };
    assert.deepEqual(result, { ...shown, client_secret });
    assert.match(id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.match(client_id, /^[0-9a-f]{32}\.access$/);
    assert.ok(isSecret(client_secret, ['cfast']));
    assert.deepEqual(await tokens.get(id, { account_id }), shown);
    assert.deepEqual(await tokens.get(id.toUpperCase(), { account_id }), shown);
    const everything = JSON.stringify(await readRows(stage.database));
    assert.ok(!everything.includes(client_secret.slice(6, 46)), 'the secret is stored nowhere');
    const state = {
      id,
      client_id,
      name: 'CI/CD',
      secret_hash: sha256(client_secret),
      previous: null,
      expires_at: Date.parse(expires_at),
    };
    assert.deepEqual(await told(stage), [['service_token', null, id, state]]);
    const entry = await newestEntry(app);
    assert.deepEqual([entry.action?.type, entry.resource?.id], ['service_token.create', id]);
  });

  test('lasts as long as it was asked to, or forever', async () => {
    const brief = await create(stage, { duration: '1h30m' });
    assert.equal(Date.parse(brief.expires_at) - Date.parse(brief.created_at), 1.5 * HOUR);
    const endless = await create(stage, { duration: 'forever' });
    assert.equal(endless.duration, 'forever');
    assert.ok(!('expires_at' in endless));
    const longest = await create(stage, { duration: '876000h' });
    assert.equal(Date.parse(longest.expires_at) - Date.parse(longest.created_at), 876_000 * HOUR);
  });

  test('can be made disabled, of a version, and in an account by the path of its zone', async () => {
    const { tokens, zone_id, account_id } = use(stage);
    const place = { account_id: undefined as never, zone_id };
    const made = await create(stage, { ...place, enabled: false, client_secret_version: 7, name: 'ZONE' });
    assert.deepEqual([made.enabled, made.client_secret_version], [false, 7]);
    assert.deepEqual(await told(stage), [['service_token', null, made.id, null]]);
    const found = await tokens.get(made.id, { zone_id });
    assert.deepEqual(await tokens.get(made.id, { account_id }), found);
    assert.equal((await tokens.update(made.id, { zone_id, enabled: true })).enabled, true);
    const [listed] = (await tokens.list({ zone_id, name: 'zone' })).result;
    assert.equal(listed?.id, made.id);
    assert.equal((await tokens.delete(made.id, { zone_id })).id, made.id);
    await assert.rejects(tokens.get(made.id, { account_id }), NotFoundError);
  });

  test('changes what is given and keeps the rest, also when it is sent back whole', async () => {
    const { tokens, account_id, app } = use(stage);
    const { client_secret: _, ...made } = await create(stage, { duration: '48h' });
    app.clock.advance(HOUR);
    const renamed = (await tokens.update(made.id, { account_id, name: 'Renamed' })) as Shown;
    assert.deepEqual(renamed, { ...made, name: 'Renamed', updated_at: renamed.updated_at });
    assert.ok(renamed.updated_at > made.updated_at);
    const same = (await tokens.update(made.id, { ...renamed, account_id })) as Shown;
    assert.deepEqual(same, { ...renamed, updated_at: same.updated_at });
    const nothing = (await tokens.update(made.id, { account_id })) as Shown;
    assert.equal(nothing.expires_at, made.expires_at);
  });

  test('ends later or earlier by another duration, which counts from the change', async () => {
    const { tokens, account_id, app } = use(stage);
    const { id } = await create(stage, { duration: '1h' });
    app.clock.advance(30 * HOUR);
    const longer = (await tokens.update(id, { account_id, duration: '2h' })) as Shown;
    assert.equal(Date.parse(longer.expires_at) - Date.parse(longer.updated_at), 2 * HOUR);
    const endless = (await tokens.update(id, { account_id, duration: 'forever' })) as Shown;
    assert.ok(!('expires_at' in endless));
    const shorter = (await tokens.update(id, { account_id, duration: '1m' })) as Shown;
    const [[, , , state]] = (await told(stage)) as [[string, null, string, { expires_at: number }]];
    assert.equal(state.expires_at, Date.parse(shorter.expires_at));
    const { metadata } = await newestEntry(app);
    assert.deepEqual(metadata.expires_at, { from: null, to: shorter.expires_at });
  });

  test('is prolonged by a year from its end, or from now if that is past, and not at all if it has none', async () => {
    const { tokens, account_id, app } = use(stage);
    const usual = await create(stage);
    const refreshed = (await tokens.refresh(usual.id, { account_id })) as Shown;
    assert.equal(Date.parse(refreshed.expires_at) - Date.parse(usual.expires_at), YEAR);
    assert.ok(!('client_secret' in refreshed));
    const brief = await create(stage, { duration: '1h' });
    app.clock.advance(2 * HOUR);
    const revived = (await tokens.refresh(brief.id, { account_id })) as Shown;
    assert.equal(Date.parse(revived.expires_at) - Date.parse(revived.updated_at), YEAR);
    const endless = await create(stage, { duration: 'forever' });
    assert.ok(!('expires_at' in (await tokens.refresh(endless.id, { account_id }))));
    const longest = await create(stage, { duration: '876000h' });
    await assert.rejects(tokens.refresh(longest.id, { account_id }), /a hundred years already/);
  });

  test('that is rotated has another secret, and the old one no time left', async () => {
    const { tokens, account_id, app } = use(stage);
    const made = await create(stage);
    const rotated = (await tokens.rotate(made.id, { account_id })) as Shown & { client_secret: string };
    assert.notEqual(rotated.client_secret, made.client_secret);
    assert.ok(isSecret(rotated.client_secret, ['cfast']));
    const { client_id, client_secret_version } = rotated;
    assert.deepEqual([client_id, client_secret_version], [made.client_id, 2]);
    assert.ok(!('previous_client_secret_expires_at' in rotated));
    const row = await rowOf(stage, made.id);
    assert.deepEqual(
      [row?.secret_hash, row?.previous_secret_hash, row?.previous_expires_at],
      [sha256(rotated.client_secret), null, null],
    );
    assert.ok(!JSON.stringify(await readRows(stage.database)).includes(rotated.client_secret.slice(6, 46)));
    const entry = await newestEntry(app);
    assert.equal(entry.action?.type, 'service_token.rotate');
    assert.equal(entry.metadata.new_secret, true);
  });

  test('that is rotated without a body at all is rotated at once', async () => {
    const { app, account_id } = use(stage);
    const made = await create(stage);
    const target = `/accounts/${account_id}/access/service_tokens/${made.id}/rotate`;
    for (const init of [
      {},
      { body: '' },
      { body: {} },
      { body: { previous_client_secret_expires_at: null } },
    ]) {
      const { status, body } = await app.api('POST', target, init);
      assert.deepEqual([status, body.messages], [200, []], JSON.stringify(init));
      assert.ok(isSecret(body.result.client_secret, ['cfast']));
      assert.equal((await rowOf(stage, made.id))?.previous_secret_hash, null);
    }
  });

  test('keeps the secret before the last rotation for the time given, which can be moved', async () => {
    const { tokens, account_id, app } = use(stage);
    const made = await create(stage);
    const until = (by: number) => timestamp(app.clock.now() + by);
    const first = until(HOUR);
    const rotated = (await tokens.rotate(made.id, {
      account_id,
      previous_client_secret_expires_at: first.replace('Z', '+00:00'),
    })) as Shown;
    assert.equal(rotated.previous_client_secret_expires_at, first);
    assert.equal((await rowOf(stage, made.id))?.previous_secret_hash, sha256(made.client_secret));
    const later = until(DAY);
    const moved = (await tokens.update(made.id, {
      account_id,
      previous_client_secret_expires_at: later,
    })) as Shown;
    assert.equal(moved.previous_client_secret_expires_at, later);
    assert.ok(!('client_secret' in moved));
    const past = until(-HOUR);
    const over = (await tokens.update(made.id, {
      account_id,
      previous_client_secret_expires_at: past,
    })) as Shown;
    assert.ok(!('previous_client_secret_expires_at' in over));
    assert.equal((await rowOf(stage, made.id))?.previous_secret_hash, null);
  });

  test('that is rotated with a time in the past is rotated at once', async () => {
    const { tokens, account_id, app } = use(stage);
    const made = await create(stage);
    const past = timestamp(app.clock.now() - 1);
    await tokens.rotate(made.id, { account_id, previous_client_secret_expires_at: past });
    assert.equal((await rowOf(stage, made.id))?.previous_secret_hash, null);
  });

  test('is rotated by a higher version, whose answer has the secret, and by no other update', async () => {
    const { tokens, account_id, app } = use(stage);
    const made = await create(stage);
    const grace = timestamp(app.clock.now() + HOUR);
    const asked = { account_id, client_secret_version: 3, previous_client_secret_expires_at: grace };
    const rotated = (await tokens.update(made.id, asked)) as Shown;
    assert.ok(isSecret(rotated.client_secret ?? '', ['cfast']));
    assert.equal(rotated.client_secret_version, 3);
    assert.equal(rotated.previous_client_secret_expires_at, grace);
    const again = (await tokens.update(made.id, asked)) as Shown;
    assert.ok(!('client_secret' in again));
    assert.equal((await rowOf(stage, made.id))?.secret_hash, sha256(rotated.client_secret ?? ''));
    const third = (await tokens.update(made.id, { account_id, client_secret_version: 4 })) as Shown;
    assert.ok(!('previous_client_secret_expires_at' in third), 'without a time it ends at once');
  });

  test('that is disabled is gone from the gates, and back when it is enabled', async () => {
    const { tokens, account_id } = use(stage);
    const made = await create(stage);
    const off = await tokens.update(made.id, { account_id, enabled: false });
    assert.equal(off.enabled, false);
    assert.deepEqual(await told(stage), ended(made.id));
    await tokens.rotate(made.id, { account_id });
    assert.deepEqual(await told(stage), [['service_token', null, made.id, null]]);
    await tokens.refresh(made.id, { account_id });
    assert.deepEqual(await told(stage), [['service_token', null, made.id, null]]);
    await tokens.update(made.id, { account_id, enabled: true });
    const [[kind, , id, state]] = (await told(stage)) as [[string, null, string, { client_id: string }]];
    assert.deepEqual([kind, id, state.client_id], ['service_token', made.id, made.client_id]);
  });

  test('that is deleted is answered once more, and again to a client that lost the answer', async () => {
    const { tokens, account_id, app } = use(stage);
    const { client_secret: _, ...made } = await create(stage);
    const answer = await tokens.delete(made.id, { account_id }).asResponse();
    assert.equal(answer.status, 200);
    assert.deepEqual(((await answer.json()) as { result: object }).result, made);
    assert.deepEqual(await told(stage), ended(made.id));
    assert.equal((await newestEntry(app)).action?.type, 'service_token.delete');
    await assert.rejects(tokens.get(made.id, { account_id }), NotFoundError);
    await assert.rejects(tokens.delete(made.id, { account_id }), NotFoundError);
    const target = `/accounts/${account_id}/access/service_tokens/${made.id}`;
    const headers = { 'x-stainless-retry-count': '1' };
    const repeated = await app.api('DELETE', target, { headers });
    assert.deepEqual([repeated.status, repeated.body.result], [200, made]);
  });

  test('can be deleted while a policy names it, which then reads as it was and matches nobody', async () => {
    const { tokens, account_id, app } = use(stage);
    const { id } = await create(stage);
    const rule = { service_token: { token_id: id } };
    const policy = { name: 'Robots', decision: 'non_identity', include: [rule] };
    const body = { type: 'self_hosted', domain: 'named.localhost', policies: [policy] };
    const made = await app.api('POST', `/accounts/${account_id}/access/apps`, { body });
    await tokens.delete(id, { account_id });
    const target = `/accounts/${account_id}/access/apps/${made.body.result.id}`;
    assert.deepEqual((await app.api('GET', target)).body.result.policies[0].include, [rule]);
    const sent = await app.api('PUT', target, { body: made.body.result });
    assert.equal(sent.body.errors[0].source.pointer, '/policies/0/include/0/service_token/token_id');
  });

  test('is found by name and by search, and listed by page, oldest first', async () => {
    const { tokens, account_id, app } = use(stage);
    const names = ['Straße 1', '100%_a', '100 Xa', 'STRASSE', '100%_a'];
    const made: Shown[] = [];
    for (const name of names) {
      app.clock.advance(1000);
      made.push(await create(stage, { name }));
    }
    const found = async (query: object) =>
      (await all(tokens.list({ account_id, ...query }))).map(({ name }) => name);
    assert.deepEqual(await found({ name: '100%_A' }), ['100%_a', '100%_a']);
    assert.deepEqual(await found({ name: 'straße' }), []);
    assert.deepEqual(await found({ search: '%_' }), ['100%_a', '100%_a']);
    assert.deepEqual(await found({ search: 'STRAS' }), ['STRASSE']);
    assert.deepEqual(await found({ search: made[2]?.client_id.slice(4, 30) ?? '' }), ['100 Xa']);
    assert.deepEqual(await found({ search: '\\' }), []);
    const walked = await all(tokens.list({ account_id, per_page: 2 }));
    assert.deepEqual(
      walked.slice(-names.length).map(({ id }) => id),
      made.map(({ id }) => id),
    );
    const page = await app.api(
      'GET',
      `/accounts/${account_id}/access/service_tokens?name=100%25_a&per_page=1`,
    );
    const { count, total_count, total_pages } = page.body.result_info;
    assert.deepEqual([count, total_count, total_pages], [1, 2, 2]);
    assert.ok(page.body.result.every((token: object) => !('client_secret' in token)));
  });
});
