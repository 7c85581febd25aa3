import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type Cloudflare from 'cloudflare';
import { PermissionDeniedError } from 'cloudflare';
import { startTestApp, type TestApp } from '../../../test/support/app.ts';
import { databases, type TestDatabase } from '../../../test/support/postgres.ts';
import {
  addPerson,
  addTenant,
  all,
  firstTenant,
  idsOf,
  join,
  type Person,
  refused,
  type Tenant,
  tokenPolicy,
} from '../../../test/support/tenants.ts';
import { superAdministrator } from '../../kernel/permissions.ts';

const UNKNOWN = 'f'.repeat(32);

for (const { name, create } of databases) {
  describe(`accounts and zones on ${name}`, () => {
    let database: TestDatabase;
    let app: TestApp;
    let home: Tenant;
    let other: Tenant & { owner: Person };
    /** Super Administrator of both accounts. */
    let both: Person;

    before(async () => {
      database = await create();
      app = await startTestApp(database);
      home = await firstTenant(app);
      other = await addTenant(app, 'other');
      both = await addPerson(app, home, { email: 'both@example.com', roles: [superAdministrator.id] });
      await join(other, both, { roles: [superAdministrator.id] });
    });
    after(async () => {
      await app?.close();
      await database?.drop();
    });

    const accountsOf = async (sdk: Cloudflare, query: object = {}) =>
      (await all(sdk.accounts.list(query))).map((account) => account.id);
    const zonesOf = async (sdk: Cloudflare, query: object = {}) =>
      (await all(sdk.zones.list(query))).map((zone) => zone.name);
    const homeName = async () => (await home.sdk.accounts.get({ account_id: home.accountId })).name;

    describe('accounts', () => {
      it('refuses an account that the caller cannot see, existing or not, in the same words', async () => {
        const answers = await Promise.all(
          [other.accountId, UNKNOWN, 'z'.repeat(32)].map((id) => app.api('GET', `/accounts/${id}`)),
        );
        for (const { status, body } of answers) {
          assert.equal(status, 403);
          assert.deepEqual(body.errors, answers[0]?.body.errors);
        }
        assert.equal((await refused(home.sdk.accounts.get({ account_id: 'short' }))).status, 400);
      });

      it('lists a token its own account, a member those they have joined', async () => {
        assert.deepEqual(await accountsOf(home.sdk), [home.accountId]);
        assert.deepEqual(await accountsOf(other.sdk), [other.accountId]);
        const joined = await accountsOf(both.sdk);
        assert.deepEqual(joined.sort(), [home.accountId, other.accountId].sort());
      });

      it('lists a member’s token only the accounts that it was given something in', async () => {
        const one = await both.sdk.user.tokens.create({
          name: 'one',
          policies: [tokenPolicy(other.accountId, ['Access: Users Read'])],
        });
        assert.deepEqual(await accountsOf(app.sdk({ apiToken: one.value ?? null })), [other.accountId]);
        const inZone = await both.sdk.user.tokens.create({
          name: 'zone',
          policies: [
            {
              effect: 'allow',
              permission_groups: idsOf(['Zone Read']).map((id) => ({ id })),
              resources: { [`com.cloudflare.api.account.zone.${home.zoneId}`]: '*' },
            },
          ],
        });
        const zoneSdk = app.sdk({ apiToken: inZone.value ?? null });
        assert.deepEqual(await accountsOf(zoneSdk), [home.accountId]);
        assert.deepEqual(await zonesOf(zoneSdk), ['localhost']);
      });

      it('lists by name, both ways, in pages that lose nobody', async () => {
        const upwards = await accountsOf(both.sdk, { per_page: 1 });
        const downwards = await accountsOf(both.sdk, { per_page: 1, direction: 'desc' });
        assert.equal(upwards.length, 2);
        assert.deepEqual(upwards, downwards.reverse());
        assert.deepEqual(await accountsOf(both.sdk, { name: 'other' }), [other.accountId]);
        assert.deepEqual(await accountsOf(both.sdk, { name: 'nobody' }), []);
        const far = await both.sdk.accounts.list({ page: 1_000_000_000 });
        assert.deepEqual(far.result, []);
        assert.equal((await refused(both.sdk.accounts.list({ page: 0 }))).pointer, '/query/page');
      });

      it('shows what the SDK expects of an account', async () => {
        const account = await home.sdk.accounts.get({ account_id: home.accountId.toUpperCase() });
        assert.deepEqual(account, {
          id: home.accountId,
          name: await homeName(),
          type: 'standard',
          settings: { enforce_twofactor: false },
          created_on: account.created_on,
        });
        const nobody = await addPerson(app, home, { email: 'nobody@example.com', may: [] });
        await assert.rejects(nobody.sdk.accounts.get({ account_id: home.accountId }), PermissionDeniedError);
        assert.deepEqual(await accountsOf(nobody.sdk), [home.accountId]);
      });
    });

    describe('zones', () => {
      it('refuses a zone that the caller cannot see, existing or not', async () => {
        for (const zone_id of [other.zoneId, UNKNOWN]) {
          await assert.rejects(home.sdk.zones.get({ zone_id }), PermissionDeniedError);
        }
        assert.equal((await refused(home.sdk.zones.get({ zone_id: 'short' }))).status, 400);
      });

      it('lists the zones on which the caller may do something, and no others', async () => {
        assert.deepEqual(await zonesOf(home.sdk), ['localhost']);
        assert.deepEqual(await zonesOf(both.sdk), ['localhost', 'other.test']);
        const clerk = await addPerson(app, home, {
          email: 'clerk@example.com',
          may: ['Account Settings Read'],
        });
        assert.deepEqual(await zonesOf(clerk.sdk), []);
        const keeper = await addPerson(app, other, {
          email: 'keeper@example.com',
          may: ['Zone Read'],
          on: other.zoneOnly,
        });
        assert.deepEqual(await zonesOf(keeper.sdk), ['other.test']);
        assert.equal((await keeper.sdk.zones.get({ zone_id: other.zoneId })).name, 'other.test');
        await assert.rejects(keeper.sdk.zones.get({ zone_id: home.zoneId }), PermissionDeniedError);
      });

      it('filters by name, account, status and type, and pages', async () => {
        const { accountId } = other;
        assert.deepEqual(await zonesOf(both.sdk, { name: 'LOCALHOST' }), ['localhost']);
        assert.deepEqual(await zonesOf(both.sdk, { account: { id: accountId } }), ['other.test']);
        assert.deepEqual(await zonesOf(both.sdk, { account: { name: 'other' } }), ['other.test']);
        assert.deepEqual(await zonesOf(both.sdk, { status: 'pending' }), []);
        assert.deepEqual(await zonesOf(both.sdk, { type: ['full', 'partial'] }), ['localhost', 'other.test']);
        assert.deepEqual(await zonesOf(both.sdk, { type: ['full'] }), []);
        const downwards = { direction: 'desc', order: 'account.name', per_page: 1 };
        assert.deepEqual(await zonesOf(both.sdk, downwards), ['other.test', 'localhost']);
        assert.deepEqual(await zonesOf(home.sdk, { account: { id: accountId } }), []);
      });

      it('refuses filters that it does not have', async () => {
        assert.equal((await refused(home.sdk.zones.list({ name: 'contains:local' }))).pointer, '/query/name');
      });

      it('shows what can be said of a domain whose DNS is elsewhere', async () => {
        const zone = await home.sdk.zones.get({ zone_id: home.zoneId });
        assert.equal(zone.name, 'localhost');
        assert.equal(zone.status, 'active');
        assert.deepEqual(zone.account, { id: home.accountId, name: await homeName() });
        assert.deepEqual(zone.name_servers, []);
        assert.deepEqual((await home.sdk.zones.list()).result, [zone]);
      });
    });
  });
}
