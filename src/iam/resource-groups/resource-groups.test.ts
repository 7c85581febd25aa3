import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { NotFoundError, PermissionDeniedError } from 'cloudflare';
import { startTestApp, type TestApp } from '../../../test/support/app.ts';
import { databases, type TestDatabase } from '../../../test/support/postgres.ts';
import {
  addPerson,
  addTenant,
  all,
  firstTenant,
  idsOf,
  refused,
  type Tenant,
} from '../../../test/support/tenants.ts';

const UNKNOWN = 'f'.repeat(32);
const ACCOUNT = 'com.cloudflare.api.account';

for (const { name, create } of databases) {
  describe(`permission and resource groups on ${name}`, () => {
    let database: TestDatabase;
    let app: TestApp;
    let home: Tenant;
    let other: Tenant;

    before(async () => {
      database = await create();
      app = await startTestApp(database);
      home = await firstTenant(app);
      other = await addTenant(app, 'other');
    });
    after(async () => {
      await app?.close();
      await database?.drop();
    });

    const inHome = () => ({ account_id: home.accountId });

    it('opens neither to a member without the right', async () => {
      const { sdk } = await addPerson(app, home, {
        email: 'nobody@example.com',
        may: ['Access: Users Read'],
      });
      await assert.rejects(sdk.iam.resourceGroups.list(inHome()), PermissionDeniedError);
      await assert.rejects(sdk.iam.resourceGroups.get(home.everything, inHome()), PermissionDeniedError);
      await assert.rejects(sdk.iam.permissionGroups.list(inHome()), PermissionDeniedError);
      await assert.rejects(sdk.iam.permissionGroups.get(UNKNOWN, inHome()), PermissionDeniedError);
    });

    it('answers 404 to a resource group of another account, and 400 to what is no id', async () => {
      const groups = home.sdk.iam.resourceGroups;
      for (const id of [other.everything, other.zoneOnly, UNKNOWN]) {
        await assert.rejects(groups.get(id, inHome()), NotFoundError);
      }
      assert.equal((await refused(groups.get('short', inHome()))).pointer, '/path/resource_group_id');
      assert.deepEqual((await groups.list({ ...inHome(), id: other.everything })).result, []);
    });

    it('has a resource group for the account and one for its zone', async () => {
      const groups = home.sdk.iam.resourceGroups;
      const listed = (await groups.list(inHome())).result;
      const key = `${ACCOUNT}.${home.accountId}`;
      assert.deepEqual(
        listed.map(({ id, scope }) => ({ id, scope })),
        [
          { id: home.everything, scope: { key, objects: [{ key: '*' }] } },
          { id: home.zoneOnly, scope: { key, objects: [{ key: `${ACCOUNT}.zone.${home.zoneId}` }] } },
        ],
      );
      assert.deepEqual(await groups.get(home.zoneOnly, inHome()), listed[1]);
      assert.deepEqual((await groups.list({ ...inHome(), name: key })).result, [listed[0]]);
    });

    it('lists the permission groups that members can be given, in pages', async () => {
      const groups = home.sdk.iam.permissionGroups;
      const listed = await all(groups.list({ ...inHome(), per_page: 7 }));
      assert.equal(new Set(listed.map((group) => group.id)).size, listed.length);
      assert.ok(listed.length > 20);
      assert.ok(listed.some((group) => group.name === 'Access: Users Write'));
      assert.ok(!listed.some((group) => group.name === 'API Tokens Write'));
      const first = await groups.list(inHome());
      assert.equal(first.result.length, 20);
      assert.deepEqual((await groups.list({ ...inHome(), page: 1000 })).result, []);
    });

    it('finds a permission group by id, name and label', async () => {
      const groups = home.sdk.iam.permissionGroups;
      const [id = ''] = idsOf(['Account Settings Read']);
      const group = await groups.get(id.toUpperCase(), inHome());
      assert.deepEqual(group, {
        id,
        name: 'Account Settings Read',
        meta: {
          label: 'account_settings_read',
          scopes: ACCOUNT,
          category: 'account_and_billing',
          editable: 'false',
          deprecated: 'false',
        },
      });
      for (const query of [{ id }, { name: 'Account Settings Read' }, { label: 'account_settings_read' }]) {
        assert.deepEqual((await groups.list({ ...inHome(), ...query })).result, [group]);
      }
      const both = (await groups.list({ ...inHome(), name: 'Access: Apps and Policies Read' })).result;
      assert.deepEqual(
        both.map((one) => one.meta?.scopes),
        [ACCOUNT, `${ACCOUNT}.zone`],
      );
      const [personal = ''] = idsOf(['API Tokens Write']);
      for (const unknown of [UNKNOWN, personal]) {
        await assert.rejects(groups.get(unknown, inHome()), NotFoundError);
      }
    });
  });
}
