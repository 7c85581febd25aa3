import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { PermissionDeniedError } from 'cloudflare';
import { startTestApp, type TestApp } from '../../../test/support/app.ts';
import { databases, type TestDatabase } from '../../../test/support/postgres.ts';
import {
  addPerson,
  addTenant,
  all,
  firstTenant,
  join,
  refused,
  type Tenant,
} from '../../../test/support/tenants.ts';
import { DAY, timestamp } from '../../kernel/clock.ts';

for (const { name, create } of databases) {
  describe(`the audit log on ${name}`, () => {
    let database: TestDatabase;
    let app: TestApp;
    let home: Tenant;
    let other: Tenant;
    /** Names of the groups made, in that order, a day between the second and the third. */
    const names = ['first', 'second', 'third', 'fourth'];
    let midnight: string;

    before(async () => {
      database = await create();
      app = await startTestApp(database);
      home = await firstTenant(app);
      other = await addTenant(app, 'other');
      const make = (label: string, sdk = home.sdk) =>
        sdk.iam.userGroups.create({ account_id: home.accountId, name: label });
      for (const label of names.slice(0, 2)) await make(label);
      app.clock.advance(DAY);
      midnight = `${timestamp(app.clock.now()).slice(0, 10)}`;
      await make('third');
      await make('fourth', app.keySdk());
      await other.sdk.iam.userGroups.create({ account_id: other.accountId, name: 'theirs' });
    });
    after(async () => {
      await app?.close();
      await database?.drop();
    });

    const inHome = () => ({ account_id: home.accountId });
    const list = (query: object = {}) => home.sdk.auditLogs.list({ ...inHome(), ...query });
    const made = async (query: object = {}) =>
      (await all(list(query)))
        .filter((entry) => entry.action?.type === 'user_group.create')
        .map((entry) => (entry.metadata as { name: string }).name);

    it('is open to nobody without the right, and shows nobody another account', async () => {
      const { sdk } = await addPerson(app, home, {
        email: 'nobody@example.com',
        may: ['Access: Users Read'],
      });
      await assert.rejects(sdk.auditLogs.list(inHome()), PermissionDeniedError);
      await assert.rejects(other.sdk.auditLogs.list(inHome()), PermissionDeniedError);
      assert.ok(!(await made()).includes('theirs'));
    });

    it('refuses what it cannot do, and what it cannot read', async () => {
      const tries: [string, object][] = [
        ['/query/export', { export: true }],
        ['/query/actor.ip', { actor: { ip: '10.0.0.0/8' } }],
        ['/query/actor.ip', { actor: { ip: 'here' } }],
        ['/query/since', { since: 'yesterday' }],
        ['/query/before', { before: '2026-02-30T00:00:00Z' }],
        ['/query/per_page', { per_page: 1001 }],
        ['/query/direction', { direction: 'up' }],
      ];
      for (const [pointer, query] of tries) {
        const answer = await refused(list(query));
        assert.deepEqual([answer.status, answer.pointer], [400, pointer]);
      }
      await list({ export: false });
      for (const name of ['actor.email[]', 'actor[email]', 'id[0]', 'zone[name][]']) {
        const target = `/accounts/${home.accountId}/audit_logs?${encodeURIComponent(name)}=x`;
        const { status, body } = await app.api('GET', target);
        const pointer = body.errors[0]?.source?.pointer;
        assert.deepEqual([status, pointer], [400, `/query/${name}`], 'no filter is dropped in silence');
      }
    });

    it('is in the order of time, newest first unless told otherwise, in pages that lose nobody', async () => {
      assert.deepEqual(await made({ direction: 'asc', per_page: 1 }), names);
      assert.deepEqual(await made({ per_page: 1 }), [...names].reverse());
    });

    it('is narrowed by action, actor, address, entry and time', async () => {
      const [newest] = (await list({ action: { type: 'user_group.create' }, per_page: 1 })).result;
      assert.deepEqual(await made({ id: newest?.id }), ['fourth']);
      assert.deepEqual(await made({ action: { type: 'user_group.delete' } }), []);
      assert.deepEqual(await made({ actor: { email: app.credentials.email } }), ['fourth']);
      assert.equal((await made({ actor: { ip: '::ffff:127.0.0.1' } })).length, 4);
      assert.deepEqual(await made({ actor: { ip: '192.0.2.1' } }), []);
      assert.deepEqual(await made({ since: midnight, direction: 'asc' }), ['third', 'fourth']);
      assert.deepEqual(await made({ before: midnight, direction: 'asc' }), ['first', 'second']);
      assert.deepEqual(await made({ before: newest?.when, direction: 'asc' }), ['first', 'second', 'third']);
      assert.deepEqual(await made({ since: newest?.when }), ['fourth']);
      const zoned = { zone_id: home.zoneId, name: 'Zoned', include: [{ everyone: {} }] };
      await home.sdk.zeroTrust.access.groups.create(zoned);
      const ofZone = await all(list({ zone: { name: 'LocalHost' } }));
      assert.deepEqual(
        ofZone.map((entry) => entry.action?.type),
        ['access_group.create'],
      );
    });

    it('tells people what they did themselves, in the accounts that they are in now', async () => {
      const person = await addPerson(app, home, {
        email: 'actor@example.com',
        may: ['Account Settings Write'],
      });
      const { sdk } = person;
      await home.sdk.accounts.members.create({
        account_id: home.accountId,
        email: 'unseen@example.com',
        policies: [],
      });
      await sdk.iam.userGroups.create({ ...inHome(), name: 'own' });
      const guest = await join(other, person, { may: ['Account Settings Write'] });
      await sdk.iam.userGroups.create({ account_id: other.accountId, name: 'elsewhere' });
      const own = async (query: object = {}) =>
        (await all(sdk.user.auditLogs.list({ per_page: 1, ...query }))).map((entry) => entry.owner?.id);
      const both = [home.accountId, other.accountId, other.accountId];
      assert.deepEqual(await own({ direction: 'asc' }), both);
      assert.deepEqual(await own({ action: { type: 'user_group.delete' } }), []);
      assert.deepEqual(await own({ actor: { email: app.credentials.email } }), []);
      await other.sdk.accounts.members.delete(guest, { account_id: other.accountId });
      assert.deepEqual(await own(), [home.accountId]);
      await assert.rejects(home.sdk.user.auditLogs.list(), PermissionDeniedError);
    });

    it('tells who did what to what, and when', async () => {
      const [entry] = (await list({ actor: { email: app.credentials.email }, per_page: 1 })).result;
      const [group] = (await home.sdk.iam.userGroups.list({ ...inHome(), name: 'fourth' })).result;
      assert.deepEqual(entry?.action, { type: 'user_group.create', result: true });
      assert.deepEqual(entry?.resource, { type: 'user_group', id: group?.id });
      assert.deepEqual(entry?.owner, { id: home.accountId });
      assert.deepEqual(entry?.actor, {
        type: 'user',
        id: entry?.actor?.id,
        email: app.credentials.email,
        ip: '127.0.0.1',
      });
      assert.equal(entry?.interface, 'API');
      // The two are read one after the other.
      const apart = Date.parse(entry?.when ?? '') - Date.parse(group?.created_on ?? '');
      assert.ok(Math.abs(apart) < 1000, `${apart} ms`);
    });
  });
}
