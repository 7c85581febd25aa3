import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { before, describe, it } from 'node:test';
import { AuthenticationError, PermissionDeniedError } from 'cloudflare';
import { startTestApp } from '../../../test/support/app.ts';
import { Browser } from '../../../test/support/browser.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases } from '../../../test/support/stage.ts';
import {
  addPerson,
  all,
  firstTenant,
  join,
  keySdk,
  type Person,
  refused,
  type Tenant,
  tokenPolicy,
} from '../../../test/support/tenants.ts';
import { superAdministrator } from '../../kernel/permissions.ts';
import { EMPTIED } from './removal-store.ts';

/** What stays of an account, so that whoever is behind learns of its end, and the audit log of it. */
const KEPT = [
  'account_creations',
  'accounts',
  'audit_entries',
  'feed_entries',
  'feed_heads',
  'node_acks',
  'removal_answers',
  'removals',
  'revocations',
];

onBothDatabases('an account is deleted', (stage) => {
  const set: { home?: Tenant; owner?: Person } = {};
  before(async () => {
    set.home = await firstTenant(stage.app);
    const roles = [superAdministrator.id];
    set.owner = await addPerson(stage.app, set.home, { email: 'owner@example.com', roles });
  });
  const world = () => {
    assert.ok(set.home && set.owner);
    return { home: set.home, owner: set.owner };
  };
  const make = async (name: string): Promise<Tenant> => {
    const { sdk } = world().owner;
    const { id } = await sdk.accounts.create({ name });
    const groups = (await sdk.iam.resourceGroups.list({ account_id: id })).result;
    const zones = await all(sdk.zones.list({ account: { id } }));
    const everything = groups.find((group) => group.scope.objects[0]?.key === '*')?.id ?? '';
    return { accountId: id, zoneId: zones[0]?.id ?? '', everything, zoneOnly: '', sdk };
  };
  const teamOf = async ({ sdk, accountId }: Tenant) =>
    (await sdk.zeroTrust.organizations.list({ account_id: accountId })).auth_domain ?? '';
  const tokenOf = async ({ sdk, accountId }: Tenant) => {
    const policies = [tokenPolicy(accountId, ['Account Settings Write', 'Account API Tokens Write'])];
    const made = await sdk.accounts.tokens.create({ account_id: accountId, name: 'token', policies });
    return stage.app.sdk({ apiToken: made.value ?? '' });
  };

  /** What is published there: of the first account, where nobody has the host. */
  const keysOn = async (host: string) => {
    const { text } = await new Browser().get(`http://${host}/cdn-cgi/access/certs`);
    return (JSON.parse(text) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid);
  };

  describe('never', () => {
    it('by a token of it, by a member without everything, or by a narrow token', async () => {
      const tenant = await make('Stays');
      const { accountId: account_id } = tenant;
      const may = ['Account Settings Write'] as const;
      const clerk = await addPerson(stage.app, tenant, { email: 'clerk@example.com', may });
      const narrow = await world().owner.sdk.user.tokens.create({
        name: 'narrow',
        policies: [tokenPolicy(account_id, ['Account Settings Write'])],
      });
      const before = await readRows(stage.database);
      const sdks = [await tokenOf(tenant), clerk.sdk, stage.app.sdk({ apiToken: narrow.value ?? '' })];
      for (const sdk of [...sdks, world().home.sdk]) {
        await assert.rejects(sdk.accounts.delete({ account_id }), PermissionDeniedError);
      }
      const after = await readRows(stage.database);
      for (const table of ['accounts', 'organizations', 'members', 'signing_keys', 'zones']) {
        assert.deepEqual(after[table], before[table], table);
      }
      assert.equal((await tenant.sdk.accounts.get({ account_id })).name, 'Stays');
    });

    it('if it is the one by which the server is operated', async () => {
      const { home, owner } = world();
      const account_id = home.accountId;
      const answer = await refused(owner.sdk.accounts.delete({ account_id }));
      assert.deepEqual([answer.status, answer.pointer], [400, '/path/account_id']);
      assert.equal((await owner.sdk.accounts.get({ account_id })).id, account_id);
      assert.equal((await home.sdk.accounts.get({ account_id })).id, account_id);
    });
  });

  it('and with it all that it had, and nobody else’s', async () => {
    const { home, owner } = world();
    const tenant = await make('Goes');
    const { sdk, accountId: account_id } = tenant;
    const team = await teamOf(tenant);
    const roles = [superAdministrator.id];
    const onlyHere = await addPerson(stage.app, tenant, { email: 'only.here@example.com', roles });
    const elsewhere = await addPerson(stage.app, home, { email: 'elsewhere@example.com', roles });
    await join(tenant, elsewhere, { roles });
    const token = await tokenOf(tenant);
    const keysBefore = await keysOn(team);
    assert.equal(keysBefore.length, 2);
    const { applications, groups, policies, serviceTokens } = sdk.zeroTrust.access;
    await applications.create({ account_id, type: 'self_hosted', domain: `app.${team.split(':')[0]}` });
    await groups.create({ account_id, name: 'g', include: [{ everyone: {} }] });
    await policies.create({ account_id, name: 'p', decision: 'allow', include: [{ everyone: {} }] });
    await serviceTokens.create({ account_id, name: 's' });
    await sdk.zeroTrust.gateway.lists.create({ account_id, name: 'l', type: 'EMAIL', items: [] });
    await sdk.zeroTrust.access.users.create({ account_id, email: 'u@example.com', name: 'u' });
    await sdk.iam.userGroups.create({ account_id, name: 'ug' });
    assert.equal((await token.accounts.tokens.list({ account_id })).result.length, 1);

    assert.deepEqual(await owner.sdk.accounts.delete({ account_id }), { id: account_id });

    await assert.rejects(token.accounts.tokens.list({ account_id }), AuthenticationError);
    await assert.rejects(onlyHere.sdk.accounts.list(), AuthenticationError);
    for (const one of [owner, elsewhere]) {
      await assert.rejects(one.sdk.accounts.get({ account_id }), PermissionDeniedError);
      assert.ok(!(await all(one.sdk.accounts.list())).some(({ id }) => id === account_id));
      await assert.rejects(one.sdk.accounts.delete({ account_id }), PermissionDeniedError);
    }
    assert.equal((await elsewhere.sdk.accounts.get({ account_id: home.accountId })).id, home.accountId);
    await assert.rejects(owner.sdk.zones.get({ zone_id: tenant.zoneId }), PermissionDeniedError);
    const keysAfter = await keysOn(team);
    assert.ok(!keysBefore.some((kid) => keysAfter.includes(kid)));
    const rows = await readRows(stage.database);
    const holding = Object.keys(rows).filter((table) => rows[table]?.some((row) => row.includes(account_id)));
    assert.deepEqual(
      holding.filter((table) => !KEPT.includes(table)),
      [],
    );
  });

  it('and the repeat of a client that lost the answer is told the same, but nobody else is', async () => {
    const { home, owner } = world();
    const { accountId: account_id } = await make('Repeated');
    const zone = await owner.sdk.zones.create({ account: { id: home.accountId }, name: 'repeated.example' });
    const again = { headers: { 'x-stainless-retry-count': '1' } };
    for (const remove of [
      (sdk: typeof owner.sdk, options = {}) => sdk.accounts.delete({ account_id }, options),
      (sdk: typeof owner.sdk, options = {}) => sdk.zones.delete({ zone_id: zone.id }, options),
    ]) {
      const first = await remove(owner.sdk);
      assert.deepEqual(await remove(owner.sdk, again), first);
      await assert.rejects(remove(owner.sdk), PermissionDeniedError);
      await assert.rejects(remove(home.sdk, again), PermissionDeniedError);
    }
  });

  it('and its team domain is nobody’s again, while its zones are free', async () => {
    const { home, owner } = world();
    const tenant = await make('Once');
    const team = await teamOf(tenant);
    const zone = await owner.sdk.zones.create({ account: { id: tenant.accountId }, name: 'free.example' });
    await owner.sdk.accounts.delete({ account_id: tenant.accountId });
    const again = await make('Once');
    assert.notEqual(await teamOf(again), team);
    const reborn = await owner.sdk.zones.create({ account: { id: home.accountId }, name: zone.name });
    assert.notEqual(reborn.id, zone.id);
  });

  it('and the key with which it was made is good for no other', async () => {
    const { sdk } = world().owner;
    const asked = { name: 'By key', 'Idempotency-Key': 'of-one-that-goes' };
    const { id: account_id } = await sdk.accounts.create(asked);
    await sdk.accounts.delete({ account_id });
    const answer = await refused(sdk.accounts.create(asked));
    assert.deepEqual([answer.status, answer.pointer], [409, '/header/Idempotency-Key']);
  });

  it('while others change it: they are refused, or have come before', async () => {
    const { owner } = world();
    const tenant = await make('Busy');
    const { accountId: account_id } = tenant;
    const writes = Array.from({ length: 6 }, (_, at) =>
      owner.sdk.accounts.members.create({
        account_id,
        email: `m${at}@example.com`,
        roles: [superAdministrator.id],
      }),
    );
    const tokens = Array.from({ length: 3 }, () => tokenOf(tenant).catch(() => null));
    const [gone] = await Promise.allSettled([owner.sdk.accounts.delete({ account_id }), ...writes]);
    assert.equal(gone?.status, 'fulfilled', String((gone as PromiseRejectedResult).reason));
    for (const sdk of await Promise.all(tokens)) {
      if (sdk) await assert.rejects(sdk.accounts.tokens.list({ account_id }), AuthenticationError);
    }
    const rows = await readRows(stage.database);
    const left = ['members', 'api_tokens'].flatMap((table) => rows[table] ?? []);
    assert.ok(!left.some((row) => row.includes(account_id)));
  });

  it('and a server that starts later knows nothing of it', async () => {
    const { owner } = world();
    const tenant = await make('Before the restart');
    const team = await teamOf(tenant);
    const keysBefore = await keysOn(team);
    await owner.sdk.accounts.delete({ account_id: tenant.accountId });
    await stage.app.close();
    await using later = await startTestApp(stage.database);
    const { email, key } = owner;
    const sdk = keySdk(later, email, key);
    await assert.rejects(sdk.accounts.get({ account_id: tenant.accountId }), PermissionDeniedError);
    const host = team.replace(/\d+$/, String(later.port));
    const keysAfter = await keysOn(host);
    assert.ok(!keysBefore.some((kid) => keysAfter.includes(kid)));
    assert.ok((await all(sdk.accounts.list())).length > 0);
  });

  it('and no table of accounts is forgotten', () => {
    if (stage.database.url !== null) return;
    const connection = new DatabaseSync(stage.database.file, { readOnly: true });
    const names = connection
      .prepare("select name from sqlite_master where type = 'table' and name not glob 'sqlite_*'")
      .all()
      .map(({ name }) => String(name));
    const isOfAccounts = (table: string) =>
      connection.prepare(`select 1 from pragma_table_info(?) where name = 'account_id'`).get(table) !==
      undefined;
    const goesWith = (table: string) =>
      connection
        .prepare(`select "table" as parent from pragma_foreign_key_list(?) where on_delete = 'CASCADE'`)
        .all(table)
        .map(({ parent }) => String(parent));
    const emptied: readonly string[] = EMPTIED;
    const forgotten = names.filter((table) => {
      if (!isOfAccounts(table) || KEPT.includes(table) || emptied.includes(table)) return false;
      return !goesWith(table).some((parent) => emptied.includes(parent));
    });
    connection.close();
    assert.deepEqual(forgotten, []);
  });
});
