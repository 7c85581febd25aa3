import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { createApplication } from '../../../test/support/access.ts';
import { type Gated, gatedOnBothDatabases } from '../../../test/support/gated.ts';
import { addTenant, all, refused } from '../../../test/support/tenants.ts';

/* What policies would say, through the official SDK: of one user for an application, and of everybody at once. */

const policy = (include: object[], more: object = {}) => ({ name: 'P', decision: 'allow', include, ...more });
const email = (address: string) => ({ email: { email: address } });
const everyone = { everyone: {} };

let made = 0;

/** An application under these policies. */
async function gate({ app }: Gated, policies: object[]): Promise<string> {
  made += 1;
  return (await createApplication(app, { domain: `checked-${made}.example.com`, policies })).id;
}

/** What the application's policies say of the user. */
async function check({ app, account_id }: Gated, id: string, query: string) {
  return await app.api('GET', `/accounts/${account_id}/access/apps/${id}/user_policy_checks?${query}`);
}

gatedOnBothDatabases('a check of a user', (world) => {
  test('is refused where application or user is not of this account', async () => {
    const { app } = world();
    const id = await gate(world(), [policy([everyone])]);
    const nobody = await check(world(), id, `email=${encodeURIComponent('nobody@example.com')}`);
    assert.equal(nobody.status, 404);
    assert.equal((await check(world(), crypto.randomUUID(), 'email=a@example.com')).status, 404);
    const other = await addTenant(app, 'elsewhere');
    const there = { account_id: other.accountId, email: 'ana@elsewhere.example' };
    const user = await other.owner.sdk.zeroTrust.access.users.create(there);
    assert.equal((await check(world(), id, `user_id=${user?.id}`)).status, 404);
    const ours = await app.sdk().zeroTrust.access.users.create({
      account_id: world().account_id,
      email: 'both@example.com',
    });
    const mixed = await check(world(), id, `user_id=${ours?.id}&email=other@example.com`);
    assert.equal(mixed.status, 404, 'id and e-mail of two people');
  });

  test('says which rule of which policy decided, by what the provider told last', async () => {
    const ana = world().person();
    await world().signedIn(ana);
    const { id: user_id } = await world().user(ana);
    const id = await gate(world(), [
      policy([email('other@example.com')], { name: 'Other', precedence: 1 }),
      policy([{ login_method: { id: world().providerId } }], { name: 'Staff', precedence: 2 }),
      policy([everyone], {
        name: 'Shut',
        decision: 'deny',
        precedence: 3,
        require: [email('x@example.com')],
      }),
    ]);
    const { body } = await check(world(), id, `user_id=${user_id}`);
    const { app_state: said, user_identity: who } = body.result;
    assert.equal(said.status, 'approved');
    assert.equal(said.app_uid, id);
    assert.deepEqual(
      said.policies.map(({ name, outcome }: { name: string; outcome: string }) => `${name} ${outcome}`),
      ['Other not_included', 'Staff applies', 'Shut requirement_missing'],
    );
    const rule = { login_method: { id: world().providerId } };
    assert.deepEqual(said.policies[1].rule, { list: 'include', index: 0, rule });
    assert.equal(said.policy, said.policies[1].id);
    assert.equal(who.email, ana.email);
    assert.equal(who.user_uuid, user_id);
  });

  test('knows that a bypass lets in whoever comes, and that an external service is not asked', async () => {
    const ana = world().person();
    await world().signedIn(ana);
    const { id: user_id } = await world().user(ana);
    const open = await gate(world(), [policy([everyone], { decision: 'bypass' })]);
    const bypassed = (await check(world(), open, `user_id=${user_id}`)).body.result.app_state;
    assert.deepEqual([bypassed.status, bypassed.reason], ['approved', 'policy_bypass']);
    const urls = { evaluate_url: 'https://asked.example/evaluate', keys_url: 'https://asked.example/keys' };
    const asking = await gate(world(), [policy([{ external_evaluation: urls }])]);
    const asked = (await check(world(), asking, `user_id=${user_id}`)).body.result.app_state;
    assert.deepEqual([asked.status, asked.policies[0].outcome], ['error', 'unknown']);
  });

  test('is what the SDK gets, of the caller, if the caller is a user', async () => {
    const { app, account_id } = world();
    const id = await gate(world(), [policy([email(app.credentials.email)])]);
    const { applications } = app.keySdk().zeroTrust.access;
    const unknown = await refused(applications.userPolicyChecks.list(id, { account_id }));
    assert.equal(unknown.status, 404, 'a member is no user');
    await app.sdk().zeroTrust.access.users.create({ account_id, email: app.credentials.email });
    const { app_state } = await applications.userPolicyChecks.list(id, { account_id });
    assert.equal(app_state?.status, 'approved');
  });
});

/** The test when it is done. */
async function finished({ app, account_id }: Gated, id: string) {
  const { policyTests } = app.sdk().zeroTrust.access.applications;
  for (let tries = 0; tries < 200; tries++) {
    const now = await policyTests.get(id, { account_id });
    if (now.status !== 'processing') return now;
    await wait(25);
  }
  throw new Error('the test does not end');
}

gatedOnBothDatabases('a policy test', (world) => {
  test('is refused with a pointer to what is wrong, and nothing is begun', async () => {
    const { app, account_id } = world();
    const start = (body: unknown) => app.api('POST', `/accounts/${account_id}/access/policy-tests`, { body });
    const wrong: [string, unknown][] = [
      ['/policies', {}],
      ['/policies', { policies: [] }],
      ['/policies', { policies: 'all' }],
      ['/policies/0', { policies: [crypto.randomUUID()] }],
      ['/policies/0', { policies: [null] }],
      ['/policies/0/include/0', { policies: [policy([{ mood: {} }])] }],
      [
        '/policies/1/include/0/group/id',
        {
          policies: [policy([everyone]), policy([{ group: { id: crypto.randomUUID() } }])],
        },
      ],
    ];
    for (const [pointer, body] of wrong) {
      const { status, body: said } = await start(body);
      assert.deepEqual([status, said.errors[0].source?.pointer], [400, pointer], JSON.stringify(body));
    }
    const { policyTests } = app.sdk().zeroTrust.access.applications;
    assert.equal((await refused(policyTests.get(crypto.randomUUID(), { account_id }))).status, 404);
  });

  test('judges every user of the account, and says of each which rule decided', async () => {
    const { app, account_id } = world();
    const { users } = app.sdk().zeroTrust.access;
    const { policyTests } = app.sdk().zeroTrust.access.applications;
    for (const name of ['ana', 'ben', 'eva'])
      await users.create({ account_id, email: `${name}@tested.example` });
    const other = await addTenant(app, 'not-tested');
    await other.owner.sdk.zeroTrust.access.users.create({
      account_id: other.accountId,
      email: 'eva@not-tested.example',
    });
    const policies = [
      policy([{ email_domain: { domain: 'tested.example' } }], { exclude: [email('eva@tested.example')] }),
    ] as never;
    const { id = '', status } = await policyTests.create({ account_id, policies });
    assert.equal(status, 'success');
    const done = await finished(world(), id);
    const { total_users: total = 0, users_approved: approved, users_blocked: blocked = 0 } = done;
    assert.equal(done.status, 'complete');
    assert.equal(done.percent_users_processed, 100);
    assert.deepEqual([approved, total - blocked, done.users_errored], [2, 2, 0]);
    const found = await all(policyTests.users.list(id, { account_id, status: 'success', per_page: 1 }));
    assert.deepEqual(
      found.map((user) => [user.email, user.status]),
      [
        ['ana@tested.example', 'approved'],
        ['ben@tested.example', 'approved'],
      ],
    );
    const refusedOnes = await all(policyTests.users.list(id, { account_id, status: 'fail' }));
    const eva = refusedOnes.find((user) => user.email === 'eva@tested.example');
    const { explanation } = eva as { explanation?: { policies: { outcome: string; rule: object }[] } };
    const rule = { list: 'exclude', index: 0, rule: email('eva@tested.example') };
    assert.deepEqual([explanation?.policies[0]?.outcome, explanation?.policies[0]?.rule], ['excluded', rule]);
    assert.ok(!refusedOnes.some((user) => user.email === 'eva@not-tested.example'));
    const elsewhere = other.owner.sdk.zeroTrust.access.applications.policyTests;
    assert.equal((await refused(elsewhere.get(id, { account_id: other.accountId }))).status, 404);
  });

  test('takes reusable policies by their ids', async () => {
    const { app, account_id } = world();
    const { policies, applications } = app.sdk().zeroTrust.access;
    const reusable = await policies.create({ account_id, ...policy([everyone]) } as never);
    const { id = '' } = await applications.policyTests.create({ account_id, policies: [reusable.id ?? ''] });
    const { status, users_blocked } = await finished(world(), id);
    assert.deepEqual([status, users_blocked], ['complete', 0]);
  });
});
