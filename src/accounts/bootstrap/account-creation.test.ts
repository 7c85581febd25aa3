import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type Cloudflare from 'cloudflare';
import { PermissionDeniedError } from 'cloudflare';
import { Browser } from '../../../test/support/browser.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases } from '../../../test/support/stage.ts';
import {
  addPerson,
  addTenant,
  all,
  firstTenant,
  type Person,
  refused,
  type Tenant,
  tokenPolicy,
} from '../../../test/support/tenants.ts';
import { HOUR } from '../../kernel/clock.ts';
import { permissionGroups, superAdministrator } from '../../kernel/permissions.ts';
import { labelOf } from './account-creation.ts';

it('a team domain is made of letters, digits and single hyphens', () => {
  const labels = {
    'Acme Corp.': 'acme-corp',
    'Zoë & Söhne': 'zoe-sohne',
    'xn--bcher-kva': 'xn-bcher-kva',
    '…': 'account',
    株式会社: 'account',
    '-a-': 'a',
    [`${'a'.repeat(39)}-b`]: 'a'.repeat(39),
  };
  for (const [name, label] of Object.entries(labels)) assert.equal(labelOf(name), label);
});

onBothDatabases('an account is made', (stage) => {
  const set: { home?: Tenant; owner?: Person } = {};
  before(async () => {
    set.home = await firstTenant(stage.app);
    set.owner = await addPerson(stage.app, set.home, {
      email: 'owner@example.com',
      roles: [superAdministrator.id],
    });
  });
  const world = () => {
    assert.ok(set.home && set.owner);
    return { home: set.home, owner: set.owner };
  };
  const accountsIn = async () => (await readRows(stage.database)).accounts?.length;
  const organizationOf = (sdk: Cloudflare, id: string) =>
    sdk.zeroTrust.organizations.list({ account_id: id });

  describe('never', () => {
    const cannot = async (sdk: Cloudflare) => {
      const before = await accountsIn();
      await assert.rejects(sdk.accounts.create({ name: 'No' }), PermissionDeniedError);
      assert.equal(await accountsIn(), before);
    };

    it('by a token of an account, whatever it may', async () => cannot(stage.app.sdk()));

    it('by a member who is no Super Administrator', async () => {
      const { home } = world();
      const may = ['Account Settings Write'] as const;
      await cannot((await addPerson(stage.app, home, { email: 'clerk@example.com', may })).sdk);
    });

    it('by a token of a Super Administrator that was not given everything', async () => {
      const { home, owner } = world();
      const policies = [tokenPolicy(home.accountId, ['Account Settings Write', 'Account Settings Read'])];
      const { value = '' } = await owner.sdk.user.tokens.create({ name: 'some', policies });
      await cannot(stage.app.sdk({ apiToken: value }));
    });

    it('of what cannot be honoured', async () => {
      const { owner } = world();
      const before = await accountsIn();
      const wrong: [object, string][] = [
        [{ name: 'x', unit: { id: 'a' } }, '/unit'],
        [{ name: '' }, '/name'],
        [{}, '/name'],
        [{ name: 'x'.repeat(161) }, '/name'],
        [{ name: 7 }, '/name'],
        [{ name: 'x', type: 'free' }, '/type'],
      ];
      for (const [asked, pointer] of wrong) {
        const answer = await refused(owner.sdk.accounts.create(asked as { name: string }));
        assert.deepEqual([answer.status, answer.pointer], [400, pointer], JSON.stringify(asked));
      }
      assert.equal(await accountsIn(), before);
    });
  });

  it('complete, its maker the only one who sees it', async () => {
    const { home, owner } = world();
    const other = await addTenant(stage.app, 'other');
    const made = await owner.sdk.accounts.create({
      name: 'Acme Corp.',
      type: 'enterprise',
      standalone: true,
    });
    assert.deepEqual(made, {
      id: made.id,
      name: 'Acme Corp.',
      type: 'enterprise',
      settings: { enforce_twofactor: false },
      created_on: made.created_on,
    });
    const account_id = made.id;
    assert.deepEqual(await owner.sdk.accounts.get({ account_id }), made);
    for (const sdk of [home.sdk, other.sdk]) {
      await assert.rejects(sdk.accounts.get({ account_id }), PermissionDeniedError);
      assert.ok(!(await all(sdk.accounts.list())).some(({ id }) => id === account_id));
    }
    const organization = await organizationOf(owner.sdk, account_id);
    assert.equal(organization.auth_domain, `acme-corp.team.localhost:${stage.app.port}`);
    const zones = await all(owner.sdk.zones.list({ account: { id: account_id } }));
    assert.deepEqual(
      zones.map(({ name }) => name),
      ['acme-corp.team.localhost'],
    );
    const members = await all(owner.sdk.accounts.members.list({ account_id }));
    assert.deepEqual(
      members.map(({ email, status, roles }) => [email, status, roles?.[0]?.id]),
      [['owner@example.com', 'accepted', superAdministrator.id]],
    );
    const logs = await all(owner.sdk.auditLogs.list({ account_id }));
    assert.ok(logs.some((one) => 'action' in one && one.action?.type === 'account.create'));
  });

  it('with a team domain of its own, that answers at once with keys of its own', async () => {
    const { owner } = world();
    const [one, two] = [
      await owner.sdk.accounts.create({ name: 'Same name' }),
      await owner.sdk.accounts.create({ name: 'Same name' }),
    ];
    const domains = await Promise.all(
      [one, two].map(async ({ id }) => (await organizationOf(owner.sdk, id)).auth_domain ?? ''),
    );
    assert.equal(domains[0], `same-name.team.localhost:${stage.app.port}`);
    assert.match(domains[1] ?? '', /^same-name-[0-9a-f]{8}\.team\.localhost:\d+$/);
    const kids = await Promise.all(domains.map((domain) => keysOf(domain)));
    const all = kids.flat();
    assert.equal(new Set(all).size, all.length);
    assert.equal(all.length, 4);
  });

  it('never with a team domain at or around what another account has', async () => {
    const { home, owner } = world();
    const { sdk, accountId: account_id } = home;
    const type = 'self_hosted' as const;
    const wiki = await sdk.zeroTrust.access.applications.create({
      account_id,
      type,
      domain: 'wiki.beta.team.localhost:8443/docs',
    });
    await sdk.zones.create({ account: { id: account_id }, name: 'deep.gamma.team.localhost' });
    for (const name of ['beta', 'gamma']) {
      const { id } = await owner.sdk.accounts.create({ name });
      const { auth_domain = '' } = await organizationOf(owner.sdk, id);
      assert.match(auth_domain, new RegExp(`^${name}-[0-9a-f]{8}\\.team\\.localhost:`));
    }
    const body = { account_id, type, domain: 'wiki.beta.team.localhost:8443/docs', name: 'Still there' };
    const { id = '' } = wiki;
    const changed = await sdk.zeroTrust.access.applications.update(id, body);
    assert.equal('name' in changed && changed.name, 'Still there');
  });

  it('by a person a thousand times at most, deleted accounts among them', async () => {
    const { home } = world();
    const roles = [superAdministrator.id];
    const person = await addPerson(stage.app, home, { email: 'tireless@example.com', roles });
    const { database } = stage.app.app.control;
    const at = '2026-01-01T00:00:00.000000Z';
    const made = Array.from({ length: 999 }, (_, index) => ({
      ...{ id: `made-${index}`, name: 'made', type: 'standard', created_on: at, deleted_at: at },
      created_by: person.administratorId,
    }));
    await database.write((tx) => tx.query.insertInto('accounts').values(made).execute());
    const last = await person.sdk.accounts.create({ name: 'Last' });
    await person.sdk.accounts.delete({ account_id: last.id });
    const before = await accountsIn();
    const answer = await refused(person.sdk.accounts.create({ name: 'One too many' }));
    assert.equal(answer.status, 409);
    assert.match(answer.message, /1000 accounts/);
    assert.equal(await accountsIn(), before);
    await database.write((tx) => tx.query.deleteFrom('accounts').where('id', 'like', 'made-%').execute());
    assert.ok((await person.sdk.accounts.create({ name: 'Another' })).id);
  });

  const keysOf = async (domain: string) => {
    const { text } = await new Browser().get(`http://${domain}/cdn-cgi/access/certs`);
    const { keys } = JSON.parse(text) as { keys: { kid: string }[] };
    return keys.map(({ kid }) => kid);
  };

  it('by a token of a Super Administrator that was given everything', async () => {
    const { home, owner } = world();
    const scopes = ['com.cloudflare.api.account', 'com.cloudflare.api.account.zone'] as const;
    const [ofAccount, ofZone] = scopes.map((scope) =>
      permissionGroups.filter((group) => group.scopes.includes(scope)).map(({ id }) => ({ id })),
    );
    const key = `com.cloudflare.api.account.${home.accountId}`;
    const { value = '' } = await owner.sdk.user.tokens.create({
      name: 'all',
      policies: [
        { effect: 'allow', permission_groups: ofAccount ?? [], resources: { [key]: '*' } },
        {
          effect: 'allow',
          permission_groups: ofZone ?? [],
          resources: { [key]: { 'com.cloudflare.api.account.zone.*': '*' } },
        },
      ],
    });
    const sdk = stage.app.sdk({ apiToken: value });
    const { id } = await sdk.accounts.create({ name: 'By token' });
    assert.equal((await owner.sdk.accounts.get({ account_id: id })).name, 'By token');
    // The person has it; what the token was given is what it was given.
    await assert.rejects(sdk.accounts.get({ account_id: id }), PermissionDeniedError);
  });

  describe('once for an Idempotency-Key', () => {
    const create = (sdk: Cloudflare, key: string, name = 'Once') =>
      sdk.accounts.create({ name, 'Idempotency-Key': key });

    it('however often, and at the same time', async () => {
      const { owner } = world();
      const before = (await accountsIn()) ?? 0;
      const answers = await Promise.all([1, 2, 3].map(() => create(owner.sdk, 'key-1')));
      answers.push(await create(owner.sdk, 'key-1'));
      for (const answer of answers) assert.deepEqual(answer, answers[0]);
      assert.equal(await accountsIn(), before + 1);
    });

    it('and not for another request, key or person, nor for ever', async () => {
      const { home, owner } = world();
      const first = await create(owner.sdk, 'key-2');
      const answer = await refused(create(owner.sdk, 'key-2', 'Another'));
      assert.deepEqual([answer.status, answer.pointer], [409, '/header/Idempotency-Key']);
      assert.equal(answer.error.headers?.get('x-should-retry'), 'false');
      const roles = [superAdministrator.id];
      const person = await addPerson(stage.app, home, { email: 'second@example.com', roles });
      const others = [await create(person.sdk, 'key-2'), await create(owner.sdk, 'key-3')];
      stage.app.clock.advance(25 * HOUR);
      others.push(await create(owner.sdk, 'key-2'));
      assert.equal(new Set([first, ...others].map(({ id }) => id)).size, 4);
    });

    it('which must be one', async () => {
      const { owner } = world();
      const before = await accountsIn();
      for (const key of ['x'.repeat(256), 'with space']) {
        const answer = await refused(create(owner.sdk, key));
        assert.deepEqual([answer.status, answer.pointer], [400, '/header/Idempotency-Key']);
      }
      assert.equal(await accountsIn(), before);
    });
  });
});

const flags = ['--team-domain=team.corp.example:7777', '--public-url=http://console.team.corp.example:7777'];

onBothDatabases(
  'the hosts of the server itself',
  (stage) => {
    it('are no account’s team domain, nor in one', async () => {
      const home = await firstTenant(stage.app);
      const roles = [superAdministrator.id];
      const { sdk } = await addPerson(stage.app, home, { email: 'owner@example.com', roles });
      for (const [name, domain] of [
        ['Console', /^console-[0-9a-f]{8}\.team\.corp\.example:7777$/],
        ['onsole', /^onsole\.team\.corp\.example:7777$/],
      ] as const) {
        const { id } = await sdk.accounts.create({ name });
        const { auth_domain = '' } = await sdk.zeroTrust.organizations.list({ account_id: id });
        assert.match(auth_domain, domain);
        const zones = await all(sdk.zones.list({ account: { id } }));
        assert.deepEqual(
          zones.map((zone) => zone.name),
          [auth_domain.replace(/:\d+$/, '')],
        );
      }
    });
  },
  { flags },
);
