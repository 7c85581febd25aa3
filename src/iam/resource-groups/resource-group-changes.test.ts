import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { NotFoundError, PermissionDeniedError } from 'cloudflare';
import { onBothDatabases } from '../../../test/support/stage.ts';
import {
  addPerson,
  addTenant,
  firstTenant,
  policiesOf,
  refused,
  type Tenant,
} from '../../../test/support/tenants.ts';

const ACCOUNT = 'com.cloudflare.api.account';
const UNKNOWN = 'f'.repeat(32);

onBothDatabases('resource groups', (stage) => {
  const set: { home?: Tenant; other?: Tenant } = {};
  before(async () => {
    set.home = await firstTenant(stage.app);
    set.other = await addTenant(stage.app, 'other');
  });
  const tenants = () => {
    assert.ok(set.home && set.other);
    return { home: set.home, other: set.other };
  };
  const zoneKey = ({ zoneId }: Tenant) => `${ACCOUNT}.zone.${zoneId}`;
  const scopeOf = ({ accountId }: Tenant, ...keys: string[]) => ({
    key: `${ACCOUNT}.${accountId}`,
    objects: keys.map((key) => ({ key })),
  });
  const create = (tenant: Tenant, name: string, ...keys: string[]) =>
    tenant.sdk.iam.resourceGroups.create({
      account_id: tenant.accountId,
      name,
      scope: scopeOf(tenant, ...(keys.length > 0 ? keys : [zoneKey(tenant)])),
    });
  const namesOf = async ({ sdk, accountId }: Tenant) =>
    (await sdk.iam.resourceGroups.list({ account_id: accountId })).result.map(({ name }) => name);

  describe('refuse', () => {
    it('a member without the right, who may read', async () => {
      const { home } = tenants();
      const { id } = await create(home, 'for readers');
      const may = ['Account Settings Read'] as const;
      const { sdk } = await addPerson(stage.app, home, { email: 'reader@example.com', may });
      const groups = sdk.iam.resourceGroups;
      const account_id = home.accountId;
      assert.equal((await groups.get(id, { account_id })).name, 'for readers');
      await assert.rejects(
        groups.create({ account_id, name: 'mine', scope: scopeOf(home, '*') }),
        PermissionDeniedError,
      );
      await assert.rejects(groups.update(id, { account_id, name: 'mine' }), PermissionDeniedError);
      await assert.rejects(groups.delete(id, { account_id }), PermissionDeniedError);
      assert.equal((await groups.get(id, { account_id })).name, 'for readers');
      assert.ok(!(await namesOf(home)).includes('mine'));
    });

    it('what is not the account’s own', async () => {
      const { home, other } = tenants();
      const before = await namesOf(home);
      const make = async (scope: object) =>
        await refused(
          home.sdk.iam.resourceGroups.create({
            account_id: home.accountId,
            name: 'theirs',
            scope: scope as ReturnType<typeof scopeOf>,
          }),
        );
      const wrong: [object, string][] = [
        [scopeOf(other, '*'), '/scope/key'],
        [{ ...scopeOf(home, '*'), key: `${ACCOUNT}.*` }, '/scope/key'],
        [scopeOf(home, zoneKey(home), zoneKey(other)), '/scope/objects/1/key'],
        [scopeOf(home, `${ACCOUNT}.zone.${UNKNOWN}`), '/scope/objects/0/key'],
        [scopeOf(home, `${ACCOUNT}.${home.accountId}`), '/scope/objects/0/key'],
        [scopeOf(home, `com.cloudflare.api.user.${UNKNOWN}`), '/scope/objects/0/key'],
        [scopeOf(home, '*', '*'), '/scope/objects/1/key'],
        [scopeOf(home), '/scope/objects'],
      ];
      for (const [scope, pointer] of wrong) {
        const answer = await make(scope);
        assert.deepEqual([answer.status, answer.pointer], [400, pointer], JSON.stringify(scope));
      }
      assert.deepEqual(await namesOf(home), before);
    });

    it('to touch the groups of the account and its zones, and those of another account', async () => {
      const { home, other } = tenants();
      const theirs = await create(other, 'of the other');
      const { resourceGroups } = home.sdk.iam;
      const account_id = home.accountId;
      for (const id of [home.everything, home.zoneOnly]) {
        const before = await resourceGroups.get(id, { account_id });
        assert.equal((await refused(resourceGroups.update(id, { account_id, name: 'x' }))).status, 400);
        assert.equal((await refused(resourceGroups.delete(id, { account_id }))).status, 400);
        assert.deepEqual(await resourceGroups.get(id, { account_id }), before);
      }
      for (const id of [theirs.id, other.everything, UNKNOWN]) {
        await assert.rejects(resourceGroups.update(id, { account_id, name: 'x' }), NotFoundError);
        await assert.rejects(resourceGroups.delete(id, { account_id }), NotFoundError);
      }
      const kept = await other.sdk.iam.resourceGroups.get(theirs.id, { account_id: other.accountId });
      assert.equal(kept.name, 'of the other');
    });

    it('a name that is taken, in this account alone', async () => {
      const { home, other } = tenants();
      await create(home, 'twice');
      const answer = await refused(create(home, 'twice'));
      assert.equal(answer.status, 409);
      assert.equal(answer.error.headers?.get('x-should-retry'), 'false');
      assert.equal((await create(other, 'twice')).name, 'twice');
    });

    it('to delete one that a policy names, and say whose', async () => {
      const { home } = tenants();
      const { sdk, accountId: account_id } = home;
      const { id } = await create(home, 'in use');
      const may = ['Zone Read'] as const;
      const person = await addPerson(stage.app, home, { email: 'in.use@example.com', may, on: id });
      const policies = policiesOf(home, { may, on: id });
      const group = await sdk.iam.userGroups.create({ account_id, name: 'Users of it', policies });
      const answer = await refused(sdk.iam.resourceGroups.delete(id, { account_id }));
      assert.equal(answer.status, 409);
      assert.match(answer.message, /member "in\.use@example\.com", user group "Users of it"/);
      await sdk.iam.userGroups.delete(group.id, { account_id });
      await sdk.accounts.members.delete(person.memberId, { account_id });
      assert.deepEqual(await sdk.iam.resourceGroups.delete(id, { account_id }), { id });
    });

    it('to widen one beyond what the caller holds, where policies grant by it', async () => {
      const { home } = tenants();
      const { sdk, accountId: account_id } = home;
      const { id } = await create(home, 'to be widened');
      await addPerson(stage.app, home, { email: 'by.it@example.com', may: ['Zone Write'], on: id });
      const may = ['Account Settings Write'] as const;
      const clerk = await addPerson(stage.app, home, { email: 'clerk@example.com', may });
      const wider = { account_id, scope: scopeOf(home, '*') };
      const answer = await refused(clerk.sdk.iam.resourceGroups.update(id, wider));
      assert.deepEqual([answer.status, answer.pointer], [403, '/scope/objects']);
      const before = await sdk.iam.resourceGroups.get(id, { account_id });
      assert.deepEqual(before.scope, scopeOf(home, zoneKey(home)));
      const renamed = await clerk.sdk.iam.resourceGroups.update(id, { account_id, name: 'renamed' });
      assert.deepEqual([renamed.name, renamed.scope], ['renamed', before.scope]);
      const after = await sdk.iam.resourceGroups.update(id, wider);
      assert.deepEqual(after.scope, wider.scope);
    });
  });

  it('are made, read, changed and deleted as the SDK says', async () => {
    const { home } = tenants();
    const { resourceGroups } = home.sdk.iam;
    const account_id = home.accountId;
    const made = await create(
      home,
      'zones',
      zoneKey(home)
        .toUpperCase()
        .replace(/^.*(?=\.)/, `${ACCOUNT}.zone`),
    );
    assert.deepEqual(made, {
      id: made.id,
      name: 'zones',
      scope: scopeOf(home, zoneKey(home)),
      meta: { key: 'editable', value: 'true' },
    });
    assert.deepEqual(await resourceGroups.get(made.id, { account_id }), made);
    const every = await resourceGroups.update(made.id, {
      account_id,
      scope: scopeOf(home, `${ACCOUNT}.zone.*`),
    });
    assert.deepEqual(every, { ...made, scope: scopeOf(home, `${ACCOUNT}.zone.*`) });
    assert.deepEqual(await resourceGroups.update(made.id.toUpperCase(), { account_id }), every);
    assert.deepEqual(await resourceGroups.delete(made.id, { account_id }), { id: made.id });
    await assert.rejects(resourceGroups.get(made.id, { account_id }), NotFoundError);
  });

  it('end what they gave with the call that narrows them', async () => {
    const { home } = tenants();
    const account_id = home.accountId;
    const { id } = await create(home, 'to be narrowed', '*');
    const may = ['Account Settings Read'] as const;
    const person = await addPerson(stage.app, home, { email: 'narrow@example.com', may, on: id });
    assert.equal((await person.sdk.accounts.get({ account_id })).id, account_id);
    await home.sdk.iam.resourceGroups.update(id, { account_id, scope: scopeOf(home, zoneKey(home)) });
    await assert.rejects(person.sdk.accounts.get({ account_id }), PermissionDeniedError);
  });
});
