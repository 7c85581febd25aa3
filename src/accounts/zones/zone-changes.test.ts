import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { PermissionDeniedError } from 'cloudflare';
import { onBothDatabases } from '../../../test/support/stage.ts';
import {
  addPerson,
  addTenant,
  all,
  firstTenant,
  join,
  policiesOf,
  refused,
  type Tenant,
} from '../../../test/support/tenants.ts';
import { superAdministrator } from '../../kernel/permissions.ts';

const UNKNOWN = 'f'.repeat(32);

onBothDatabases('zones', (stage) => {
  const set: { home?: Tenant; other?: Tenant } = {};
  before(async () => {
    set.home = await firstTenant(stage.app);
    set.other = await addTenant(stage.app, 'other');
  });
  const tenants = () => {
    assert.ok(set.home && set.other);
    return { home: set.home, other: set.other };
  };
  const create = ({ sdk, accountId }: Tenant, name: string) =>
    sdk.zones.create({ account: { id: accountId }, name });
  const namesOf = async ({ sdk }: Tenant) => (await all(sdk.zones.list())).map(({ name }) => name);
  const known = ({ accountId }: Tenant) => stage.app.app.control.feed.catchUp(accountId);
  const exempt = (tenant: Tenant, names: string[]) =>
    stage.app.api('PUT', `/accounts/${tenant.accountId}/access/organizations`, {
      body: { deny_unmatched_requests: true, deny_unmatched_requests_exempted_zone_names: names },
    });
  const exempted = async ({ sdk, accountId }: Tenant) =>
    (await sdk.zeroTrust.organizations.list({ account_id: accountId }))
      .deny_unmatched_requests_exempted_zone_names;

  describe('refuse', () => {
    it('whoever may not write all zones of the account', async () => {
      const { home, other } = tenants();
      const mine = await create(home, 'mine.example');
      const oneZone = await addPerson(stage.app, home, {
        email: 'one.zone@example.com',
        may: ['Zone Write'],
        on: home.zoneOnly,
      });
      const reader = await addPerson(stage.app, home, { email: 'zr@example.com', may: ['Zone Read'] });
      const before = await namesOf(home);
      for (const { sdk } of [oneZone, reader, other]) {
        const account = { id: home.accountId };
        await assert.rejects(sdk.zones.create({ account, name: 'more.example' }), PermissionDeniedError);
        await assert.rejects(sdk.zones.delete({ zone_id: mine.id }), PermissionDeniedError);
      }
      for (const id of [UNKNOWN, other.accountId]) {
        const asked = home.sdk.zones.create({ account: { id }, name: 'more.example' });
        await assert.rejects(asked, PermissionDeniedError);
      }
      await assert.rejects(home.sdk.zones.delete({ zone_id: UNKNOWN }), PermissionDeniedError);
      assert.deepEqual(await namesOf(home), before);
    });

    it('what is no domain, or one of this server', async () => {
      const { home } = tenants();
      const before = await namesOf(home);
      const wrong = [
        '',
        'com',
        'localhost',
        '*.example.com',
        'a..b',
        'example.com.',
        'http://example.com',
        '192.0.2.1',
        'x_y.example',
        `${'a'.repeat(64)}.example`,
        'other.localhost',
        'below.other.localhost',
      ];
      for (const name of wrong) {
        const answer = await refused(create(home, name));
        assert.deepEqual([answer.status, answer.pointer], [400, '/name'], name);
      }
      assert.deepEqual(await namesOf(home), before);
    });

    it('DNS of ours', async () => {
      const { home } = tenants();
      const account = { id: home.accountId };
      for (const type of ['full', 'secondary', 'internal'] as const) {
        const answer = await refused(home.sdk.zones.create({ account, name: 'dns.example', type }));
        assert.deepEqual([answer.status, answer.pointer], [400, '/type']);
      }
      assert.ok(!(await namesOf(home)).includes('dns.example'));
    });

    it('a name around, in or below what another account has', async () => {
      const { home, other } = tenants();
      await create(home, 'corp.example.net');
      for (const name of ['corp.example.net', 'a.corp.example.net', 'example.net', 'CORP.example.net']) {
        const answer = await refused(create(other, name));
        assert.equal(answer.status, 409, name);
        assert.equal(answer.error.headers?.get('x-should-retry'), 'false');
      }
      await home.sdk.zeroTrust.access.applications.create({
        account_id: home.accountId,
        type: 'self_hosted',
        domain: 'wiki.without.example:8443/docs',
      });
      for (const name of ['wiki.without.example', 'without.example']) {
        assert.equal((await refused(create(other, name))).status, 409, name);
      }
      assert.equal((await create(other, 'other.without.example')).name, 'other.without.example');
      assert.equal((await refused(create(home, 'corp.example.net'))).status, 409);
      assert.equal((await create(home, 'a.corp.example.net')).name, 'a.corp.example.net');
    });

    it('to be deleted while a policy names them, and say whose', async () => {
      const { home } = tenants();
      const { sdk, accountId: account_id } = home;
      const { id: zone_id } = await create(home, 'named.example');
      const key = `com.cloudflare.api.account.zone.${zone_id}`;
      const [own] = (await sdk.iam.resourceGroups.list({ account_id, name: key })).result;
      const account = `com.cloudflare.api.account.${account_id}`;
      const scope = {
        key: account,
        objects: [{ key }, { key: `com.cloudflare.api.account.zone.${home.zoneId}` }],
      };
      const both = await sdk.iam.resourceGroups.create({ account_id, name: 'both zones', scope });
      for (const on of [own?.id ?? '', both.id]) {
        const policies = policiesOf(home, { may: ['Zone Read'], on });
        const group = await sdk.iam.userGroups.create({ account_id, name: `On ${on}`, policies });
        const answer = await refused(sdk.zones.delete({ zone_id }));
        assert.equal(answer.status, 409);
        assert.match(answer.message, new RegExp(`user group "On ${on}"`));
        assert.equal((await sdk.zones.get({ zone_id })).id, zone_id);
        await sdk.iam.userGroups.delete(group.id, { account_id });
      }
      assert.deepEqual(await sdk.zones.delete({ zone_id }), { id: zone_id });
      const left = (await sdk.iam.resourceGroups.list({ account_id })).result;
      assert.deepEqual(left.find(({ id }) => id === both.id)?.scope.objects, scope.objects.slice(1));
      assert.ok(!left.some(({ name }) => name === key));
      assert.ok(!JSON.stringify(left).includes(zone_id));
    });

    it('to be deleted where that would let through what they keep closed', async () => {
      const { home } = tenants();
      await create(home, 'around.example');
      const { id: zone_id } = await create(home, 'closed.around.example');
      await exempt(home, ['around.example']);
      const answer = await refused(home.sdk.zones.delete({ zone_id }));
      assert.equal(answer.status, 409);
      await known(home);
      assert.ok((await namesOf(home)).includes('closed.around.example'));
      await exempt(home, []);
      assert.deepEqual(await home.sdk.zones.delete({ zone_id }), { id: zone_id });
    });
  });

  it('are made for the account, active and partial, with a resource group', async () => {
    const { home, other } = tenants();
    const zone = await home.sdk.zones.create({
      account: { id: home.accountId.toUpperCase() },
      name: 'München.Example',
      type: 'partial',
    });
    assert.deepEqual([zone.name, zone.status, zone.type], ['xn--mnchen-3ya.example', 'active', 'partial']);
    assert.equal(zone.account.id, home.accountId);
    assert.deepEqual(await home.sdk.zones.get({ zone_id: zone.id }), zone);
    await assert.rejects(other.sdk.zones.get({ zone_id: zone.id }), PermissionDeniedError);
    assert.ok(!(await namesOf(other)).includes(zone.name));
    const name = `com.cloudflare.api.account.zone.${zone.id}`;
    const groups = await home.sdk.iam.resourceGroups.list({ account_id: home.accountId, name });
    assert.equal(groups.result.length, 1);
  });

  it('need no account to be named where the caller has but one', async () => {
    const { home, other } = tenants();
    const own = await other.sdk.zones.create({ account: {}, name: 'without.account.example' });
    assert.equal(own.account.id, other.accountId);
    const roles = [superAdministrator.id];
    const person = await addPerson(stage.app, home, { email: 'in.both@example.com', roles });
    await join(other, person, { roles });
    const answer = await refused(person.sdk.zones.create({ account: {}, name: 'whose.example' }));
    assert.deepEqual([answer.status, answer.pointer], [400, '/account/id']);
  });

  it('are told to gates with the same act', async () => {
    const { home } = tenants();
    const { id: zone_id, name } = await create(home, 'told.example');
    const zonesAtGate = async () => {
      const { database } = stage.app.app.control;
      const rows = await database.reader.query
        .selectFrom('feed_entries')
        .select('payload')
        .where('account_id', '=', home.accountId)
        .where('kind', '=', 'organization')
        .orderBy('position', 'desc')
        .limit(1)
        .execute();
      return (JSON.parse(rows[0]?.payload ?? '{}') as { zones: string[] }).zones;
    };
    assert.ok((await zonesAtGate()).includes(name));
    await exempt(home, [name]);
    await home.sdk.zones.delete({ zone_id });
    assert.ok(!(await zonesAtGate()).includes(name));
    assert.deepEqual(await exempted(home), []);
    await assert.rejects(home.sdk.zones.get({ zone_id }), PermissionDeniedError);
    await create(home, name);
    assert.deepEqual(await exempted(home), []);
  });

  it('are found by all of what is asked, or by any of it', async () => {
    const { other } = tenants();
    await create(other, 'any-one.example');
    const find = async (query: object) => (await all(other.sdk.zones.list(query))).map(({ name }) => name);
    const [none, one] = [{ id: UNKNOWN }, 'any-one.example'];
    assert.deepEqual(await find({ name: one, account: none }), []);
    assert.deepEqual(await find({ name: one, account: none, match: 'any' }), [one]);
    assert.deepEqual(await find({ name: 'nobody.example', account: none, match: 'any' }), []);
    assert.deepEqual(await find({ name: 'nobody.example', status: 'active', match: 'any' }), await find({}));
    assert.deepEqual(await find({ name: one, status: 'moved', match: 'any' }), [one]);
    assert.deepEqual(await find({ status: 'moved', match: 'any' }), []);
  });

  it('of the same name, asked for at the same time by two accounts, are given to one', async () => {
    const { home, other } = tenants();
    const answers = await Promise.allSettled([
      create(home, 'raced.example'),
      create(other, 'deeper.raced.example'),
    ]);
    const given = answers.filter(({ status }) => status === 'fulfilled');
    assert.equal(given.length, 1);
  });
});

const flags = ['--team-domain=team.corp.example:7777', '--public-url=http://console.hosts.example:7777'];

onBothDatabases(
  'a zone with names of the server or of a team in it',
  (stage) => {
    const create = ({ sdk, accountId }: Tenant, name: string) =>
      sdk.zones.create({ account: { id: accountId }, name });
    const namesOf = async ({ sdk }: Tenant) => (await all(sdk.zones.list())).map(({ name }) => name);

    it('is refused to an account, whatever it has', async () => {
      const other = await addTenant(stage.app, 'other');
      const expected = [
        ['console.hosts.example', 400],
        ['hosts.example', 409],
        ['team.corp.example', 400],
        ['any.team.corp.example', 400],
        ['corp.example', 409],
      ] as const;
      for (const [name, status] of expected) {
        const answer = await refused(create(other, name));
        assert.deepEqual([answer.status, answer.pointer], [status, '/name'], name);
      }
      assert.deepEqual(await namesOf(other), ['other.test']);
      for (const name of ['xhosts.example', 'xcorp.example'])
        assert.equal((await create(other, name)).name, name);
    });

    it('is the first account’s to have', async () => {
      const home = await firstTenant(stage.app);
      await addTenant(stage.app, 'third');
      for (const name of ['hosts.example', 'corp.example'])
        assert.equal((await create(home, name)).name, name);
    });

    it('is refused also when the team’s account was deleted', async () => {
      const home = await firstTenant(stage.app);
      const gone = await addTenant(stage.app, 'gone');
      await gone.owner.sdk.accounts.delete({ account_id: gone.accountId });
      for (const name of ['gone.localhost', 'below.gone.localhost']) {
        const answer = await refused(create(home, name));
        assert.deepEqual([answer.status, answer.pointer], [400, '/name'], name);
      }
      assert.ok(!(await namesOf(home)).some((name) => name.endsWith('gone.localhost')));
      assert.equal((await create(home, 'gone.test')).name, 'gone.test');
    });
  },
  { flags },
);
