import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { NotFoundError, PermissionDeniedError } from 'cloudflare';
import { startTestApp, type TestApp } from '../../../test/support/app.ts';
import { databases, type TestDatabase } from '../../../test/support/postgres.ts';
import { addPerson, all, firstTenant, opens, refused, type Tenant } from '../../../test/support/tenants.ts';
import { roles } from '../../kernel/permissions.ts';

const names = ['Super Administrator - All Privileges', 'Administrator', 'Administrator Read Only'];
const [, administrator = '', readOnly = ''] = roles.map(({ id }) => id);
const both = { read: true, write: true };
const reading = { read: true, write: false };

for (const { name, create } of databases) {
  describe(`roles on ${name}`, () => {
    let database: TestDatabase;
    let app: TestApp;
    let home: Tenant;

    before(async () => {
      database = await create();
      app = await startTestApp(database);
      home = await firstTenant(app);
    });
    after(async () => {
      await app?.close();
      await database?.drop();
    });

    const inHome = () => ({ account_id: home.accountId });

    it('are shown to nobody without the right, and a role that there is not is a 404', async () => {
      const nobody = await addPerson(app, home, { email: 'nobody@example.com', may: ['Access: Users Read'] });
      await assert.rejects(nobody.sdk.accounts.roles.list(inHome()), PermissionDeniedError);
      await assert.rejects(nobody.sdk.accounts.roles.get(administrator, inHome()), PermissionDeniedError);
      await assert.rejects(home.sdk.accounts.roles.get('f'.repeat(32), inHome()), NotFoundError);
      assert.equal((await refused(home.sdk.accounts.roles.get('short', inHome()))).status, 400);
    });

    it('are listed in pages that end, each with what it permits', async () => {
      const listed = await all(home.sdk.accounts.roles.list({ ...inHome(), per_page: 1 }));
      assert.deepEqual(
        listed.map((role) => role.name),
        names,
      );
      assert.deepEqual(
        listed.map(({ permissions }) => [permissions.organization, permissions.zones, permissions.logs]),
        [
          [both, both, reading],
          [reading, both, reading],
          [reading, reading, reading],
        ],
      );
      for (const role of listed) {
        assert.ok(role.description.length > 20);
        assert.deepEqual(await home.sdk.accounts.roles.get(role.id.toUpperCase(), inHome()), role);
      }
    });

    it('let a reader read everything and change nothing', async () => {
      const reader = await addPerson(app, home, { email: 'reader@example.com', roles: [readOnly] });
      const { sdk } = reader;
      assert.equal(await opens(sdk, home.accountId), true);
      await sdk.zeroTrust.access.users.list(inHome());
      await sdk.zeroTrust.access.applications.list({ zone_id: home.zoneId });
      await sdk.auditLogs.list(inHome());
      await sdk.accounts.tokens.list(inHome());
      const refusals = [
        sdk.iam.userGroups.create({ ...inHome(), name: 'no' }),
        sdk.accounts.members.create({ ...inHome(), email: 'no@example.com', policies: [] }),
        sdk.zeroTrust.access.groups.create({ ...inHome(), name: 'no', include: [{ everyone: {} }] }),
        sdk.zeroTrust.organizations.revokeUsers({ ...inHome(), email: 'no@example.com' }),
      ];
      for (const refusal of await Promise.allSettled(refusals)) {
        assert.equal(refusal.status === 'rejected' && refusal.reason.status, 403);
      }
    });

    it('let an Administrator change all but members, user groups and tokens, and give no more than that', async () => {
      const manager = await addPerson(app, home, { email: 'manager@example.com', roles: [administrator] });
      const { sdk } = manager;
      const group = await sdk.zeroTrust.access.groups.create({
        ...inHome(),
        name: 'Everybody',
        include: [{ everyone: {} }],
      });
      await sdk.zeroTrust.access.groups.delete(group.id ?? '', inHome());
      const refusals = [
        sdk.accounts.members.create({ ...inHome(), email: 'no@example.com', policies: [] }),
        sdk.accounts.members.update(manager.memberId, { ...inHome(), roles: [{ id: roles[0]?.id ?? '' }] }),
        sdk.iam.userGroups.create({ ...inHome(), name: 'no' }),
        sdk.accounts.tokens.create({ ...inHome(), name: 'no', policies: [] }),
      ];
      const outcomes = await Promise.allSettled(refusals);
      assert.deepEqual(
        outcomes.map((one) => (one.status === 'rejected' ? one.reason.status : 'done')),
        [403, 403, 403, 400],
      );
    });

    it('are given by whoever holds all that they give, and end with the role', async () => {
      const email = 'guest@example.com';
      const guest = await addPerson(app, home, { email, roles: [readOnly] });
      assert.equal(await opens(guest.sdk, home.accountId), true);
      await home.sdk.accounts.members.update(guest.memberId, { ...inHome(), roles: [] });
      assert.equal(await opens(guest.sdk, home.accountId), 403);
    });
  });
}
