import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { ConflictError } from 'cloudflare';
import { asking, createApplication } from '../../../test/support/access.ts';
import { startTestApp } from '../../../test/support/app.ts';
import { createAuthority } from '../../../test/support/client-certificates.ts';
import { behindHeldCounter } from '../../../test/support/held-counter.ts';
import { databases } from '../../../test/support/postgres.ts';
import { refuses, type Scenario } from '../../../test/support/refusals.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { addPerson, addTenant, firstTenant, refused, type Tenant } from '../../../test/support/tenants.ts';
import { superAdministrator } from '../../kernel/permissions.ts';

/*
 * Which hosts an application may have: one form of each (the table is in destinations.test.ts), none that is this
 * server's own, and none where another account is.
 */

const hostile = [
  ' ',
  'https://app.example.com',
  'user:secret@app.example.com',
  '*.example.com',
  'app.example.com:0',
  'app.example.com.',
  'app%00.example.com',
  'app\texample.com',
  '[::1]:8080',
  '256.1.1.1',
  'app\u2100.example.com',
  `${'a.'.repeat(127)}com`,
  'app.example.com/*',
  'app.example.com/?x',
  'app.example.com//',
  'app.example.com/a%2Fb',
  'app.example.com/a%5cb',
  'app.example.com/..',
  'app.example.com/a%00',
  'app.example.com/%252e',
  'app.example.com/%c0%af',
  'app.example.com/cdn-cgi/access/logout',
  'app.example.com/%63dn-cgi/access',
];

const pathOf = ({ app }: Stage) => `/accounts/${app.credentials.account_id}/access/apps`;

refuses(
  'hosts and paths that are refused',
  async (stage) => stage,
  hostile.map((domain): Scenario<Stage> => {
    const sends = (stage: Stage) => asking(stage.app, 'POST', pathOf(stage), { type: 'self_hosted', domain });
    return { name: JSON.stringify(domain), refusal: { status: 400, code: 12130, pointer: '/domain' }, sends };
  }),
);

onBothDatabases('hosts', (stage) => {
  let other: Tenant;
  const place = () => ({ account_id: stage.app.credentials.account_id });
  const applications = () => stage.app.sdk().zeroTrust.access.applications;
  const remove = (...made: { id: string }[]) =>
    Promise.all(made.map(({ id }) => applications().delete(id, place())));
  const createElsewhere = (domain: string) =>
    other.sdk.zeroTrust.access.applications.create({
      account_id: other.accountId,
      type: 'self_hosted',
      domain,
    });

  before(async () => {
    other = await addTenant(stage.app, 'other');
  });

  test('of the server itself are refused in every spelling, so that it stays in reach', async () => {
    const { port, teamDomain } = stage.app;
    const own = [
      ...[teamDomain, teamDomain.toUpperCase(), 'team.localhost', 'team.localhost:9', `${teamDomain}/path`],
      ...[`127.0.0.1:${port}`, `127.0.0.1:${port}/path`, '127.0.0.1', '127.0.0.1:9'],
      ...['127.1', '0x7f.1', '2130706433', '１２７.0.0.1'],
      ...['localhost', `localhost:${port}`, `LOCALHOST:${port}`],
    ];
    const rows = await readRows(stage.database);
    for (const domain of own) {
      const { status, pointer, message } = await refused(createApplication(stage.app, { domain }));
      assert.deepEqual([status, pointer], [400, '/domain'], domain);
      assert.match(message, /one of this server itself/, domain);
    }
    assert.deepEqual(await readRows(stage.database), rows);
    const near = ['localhost.example', 'team.localhost.example', 'te_m.localhost', 'xteam.localhost'];
    for (const domain of near) await remove(await createApplication(stage.app, { domain }));
    assert.equal((await fetch(`${stage.app.origin}/healthz`)).status, 200);
  });

  test('that are the team domain of another account are refused', async () => {
    const { auth_domain = '' } = await other.sdk.zeroTrust.organizations.list({
      account_id: other.accountId,
    });
    for (const domain of [auth_domain, auth_domain.replace(/:\d+$/, ''), `${auth_domain}/path`]) {
      const { status, message } = await refused(createApplication(stage.app, { domain }));
      assert.equal(status, 400, domain);
      assert.match(message, /one of this server itself/);
    }
  });

  test('in the domain of another team are refused, also when its account was deleted', async () => {
    const home = await firstTenant(stage.app);
    const roles = [superAdministrator.id];
    const { sdk } = await addPerson(stage.app, home, { email: 'owner@example.com', roles });
    const { id: account_id } = await sdk.accounts.create({ name: 'acme' });
    const own = { account_id, type: 'self_hosted' as const, domain: 'wiki.acme.team.localhost' };
    const wanted = ['acme.team.localhost:9', 'wiki.acme.team.localhost:9', 'a.b.acme.team.localhost/path'];
    const isRefused = async () => {
      const rows = await readRows(stage.database);
      for (const domain of wanted) {
        const { status, pointer } = await refused(createApplication(stage.app, { domain }));
        assert.deepEqual([status, pointer], [400, '/domain'], domain);
      }
      assert.deepEqual(await readRows(stage.database), rows);
    };
    await isRefused();
    assert.ok((await sdk.zeroTrust.access.applications.create(own)).id);
    await sdk.accounts.delete({ account_id });
    await isRefused();
    await remove(await createApplication(stage.app, { domain: 'xacme.team.localhost' }));
  });

  const taken: readonly [string, string][] = [
    ['shop.example.com', 'SHOP.example.com/'],
    ['shop.example.com/a', 'shop.example.com/%61'],
    ['shop.example.com:81/a', 'shop.example.com:81/a/'],
    ['bücher.example', 'xn--bcher-kva.example'],
  ];
  for (const [domain, again] of taken) {
    test(`${again} is a conflict where ${domain} is taken, and is asked for once`, async () => {
      const one = await createApplication(stage.app, { domain });
      const rows = await readRows(stage.database);
      const { access } = stage.app.sdk({ maxRetries: 2 }).zeroTrust;
      const call = access.applications.create({ ...place(), type: 'self_hosted', domain: again });
      const { error } = await refused(call);
      assert.ok(error instanceof ConflictError);
      assert.equal(error.headers?.get('x-should-retry'), 'false');
      assert.deepEqual(await readRows(stage.database), rows);
      await remove(one);
      await remove(await createApplication(stage.app, { domain: again }));
    });
  }

  test('that another application has cannot be moved to, and nothing moves', async () => {
    const one = await createApplication(stage.app, { domain: 'one.example.com' });
    const two = await createApplication(stage.app, { domain: 'two.example.com' });
    const rows = await readRows(stage.database);
    const body = { type: 'self_hosted' as const, domain: 'one.example.com' };
    const { status, error } = await refused(applications().update(two.id, { ...place(), ...body }));
    assert.deepEqual([status, error.headers?.get('x-should-retry')], [409, 'false']);
    assert.deepEqual(await readRows(stage.database), rows);
    await remove(one, two);
  });

  test('where another account has an application are a conflict, whatever the port and path', async () => {
    const domain = 'shared.example.com/app';
    await createElsewhere(domain);
    const rows = await readRows(stage.database);
    const wanted = [
      domain,
      'shared.example.com',
      `${domain}/admin`,
      'shared.example.com:9',
      'Shared.example.com',
    ];
    for (const one of wanted) {
      const { status, error } = await refused(createApplication(stage.app, { domain: one }));
      assert.deepEqual([status, error.headers?.get('x-should-retry')], [409, 'false'], one);
    }
    assert.deepEqual(await readRows(stage.database), rows);
    const near = ['xshared.example.com', 'example.com', 'share_.example.com', 'app.shared.example.com'];
    for (const one of near) await remove(await createApplication(stage.app, { domain: one }));
  });

  test('in a zone of another account are refused, and their owner may have them', async () => {
    const rows = await readRows(stage.database);
    for (const domain of ['other.test', 'app.other.test', 'a.b.other.test:9/path']) {
      const { status, pointer } = await refused(createApplication(stage.app, { domain }));
      assert.deepEqual([status, pointer], [400, '/domain'], domain);
    }
    const { status } = await refused(createElsewhere('app.localhost'));
    assert.equal(status, 400);
    assert.deepEqual(await readRows(stage.database), rows);
    assert.ok((await createElsewhere('app.other.test')).id);
  });
});

test('a host that two accounts ask for at once goes to the first, whatever the paths (postgres)', async () => {
  const postgres = databases.find(({ name }) => name === 'postgres');
  assert.ok(postgres);
  await using database = await postgres.create();
  await using app = await startTestApp(database);
  const other = await addTenant(app, 'other');
  const accountId = app.credentials.account_id;
  const theirs = { account_id: other.accountId, type: 'self_hosted' as const, domain: 'race.example.com/b' };
  // The first has its destination written and waits at its counter row; the second must wait, not overtake it.
  const [first, second] = await behindHeldCounter({ url: database.url ?? '', accountId }, [
    () => createApplication(app, { domain: 'race.example.com/a' }),
    () => other.sdk.zeroTrust.access.applications.create(theirs),
  ]);
  assert.equal(first?.status, 'fulfilled');
  assert.ok(second?.status === 'rejected' && second.reason instanceof ConflictError);
  const { application_destinations: rows = [] } = await readRows(database);
  assert.deepEqual(
    rows.map((row) => JSON.parse(row).account_id),
    [accountId],
  );
});

const domain = 'app.race.example';

/** What gives out a name or a host to the first account, and what an account beside it can then not have. */
const races: readonly {
  readonly name: string;
  readonly first: 'home' | 'other';
  readonly status: number;
  readonly acts: (home: Tenant, other: Tenant) => readonly (() => Promise<unknown>)[];
}[] = [
  {
    name: 'an application, then a zone around it',
    first: 'home',
    status: 409,
    acts: (home, other) => [() => createOn(home), () => zoneAround(other)],
  },
  {
    name: 'a zone, then an application in it',
    first: 'other',
    status: 400,
    acts: (home, other) => [() => zoneAround(other), () => createOn(home)],
  },
  {
    name: 'a zone, then an application moved into it',
    first: 'other',
    status: 400,
    acts: (home, other) => [() => zoneAround(other), () => moveTo(home)],
  },
  {
    name: 'a zone, then a certificate for a host in it',
    first: 'other',
    status: 400,
    acts: (home, other) => [() => zoneAround(other), () => certify(home)],
  },
];

for (const { name, first, status, acts } of races) {
  test(`of two accounts at once, one gets its way: ${name} (postgres)`, async () => {
    const postgres = databases.find((one) => one.name === 'postgres');
    assert.ok(postgres);
    await using database = await postgres.create();
    await using app = await startTestApp(database);
    const [home, other] = [await firstTenant(app), await addTenant(app, 'other')];
    await createApplication(app, { domain: 'before.example' });
    const { accountId } = first === 'home' ? home : other;
    // The first waits at its counter row with everything written; the second must wait for it, not overtake it.
    const [before, after] = await behindHeldCounter(
      { url: database.url ?? '', accountId },
      acts(home, other),
    );
    assert.equal(before?.status, 'fulfilled');
    assert.ok(after?.status === 'rejected', 'both succeeded');
    assert.equal((after.reason as { status?: number }).status, status);
  });
}

function createOn({ sdk, accountId: account_id }: Tenant) {
  return sdk.zeroTrust.access.applications.create({ account_id, type: 'self_hosted', domain });
}

function zoneAround({ sdk, accountId: id }: Tenant) {
  return sdk.zones.create({ account: { id }, name: 'race.example' });
}

async function moveTo({ sdk, accountId: account_id }: Tenant) {
  const [one] = (await sdk.zeroTrust.access.applications.list({ account_id })).result;
  const body = { account_id, type: 'self_hosted' as const, domain };
  return await sdk.zeroTrust.access.applications.update(one?.id ?? '', body);
}

async function certify({ sdk, accountId: account_id }: Tenant) {
  const { cert: certificate } = await createAuthority();
  const body = { account_id, name: 'CA', certificate, associated_hostnames: [domain] };
  return await sdk.zeroTrust.access.certificates.create(body);
}
