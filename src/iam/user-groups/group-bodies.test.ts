import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestApp, type TestApp } from '../../../test/support/app.ts';
import { databases, type TestDatabase } from '../../../test/support/postgres.ts';
import { addPerson, all, firstTenant, type Person, type Tenant } from '../../../test/support/tenants.ts';

/* What clients of every age send and ask for (reference §3.7, §10). */

for (const { name, create } of databases) {
  describe(`bodies and lists of user groups on ${name}`, () => {
    let database: TestDatabase;
    let app: TestApp;
    let home: Tenant;
    let ada: Person;
    let bob: Person;

    before(async () => {
      database = await create();
      app = await startTestApp(database);
      home = await firstTenant(app);
      ada = await addPerson(app, home, { email: 'ada@example.com', may: [] });
      bob = await addPerson(app, home, { email: 'bob@example.com', may: [] });
    });
    after(async () => {
      await app?.close();
      await database?.drop();
    });

    const inHome = () => ({ account_id: home.accountId });
    const newGroup = async (label: string) =>
      (await home.sdk.iam.userGroups.create({ ...inHome(), name: label })).id;
    const send = (method: 'POST' | 'PUT', groupId: string, body: unknown) =>
      app.api(method, `/accounts/${home.accountId}/iam/user_groups/${groupId}/members`, { body });
    const members = async (groupId: string) =>
      (await all(home.sdk.iam.userGroups.members.list(groupId, inHome()))).map(({ id }) => id);

    it('refuses a body that names nobody, or in two ways, and adds nobody', async () => {
      const id = await newGroup('Refused');
      const one = { id: ada.memberId };
      const bodies = [
        {},
        { ...one, members: [one] },
        { members: one },
        { id: 1 },
        'x',
        null,
        [ada.memberId],
        { member: one },
      ];
      for (const body of bodies) {
        assert.equal((await send('POST', id, body)).status, 400, JSON.stringify(body));
      }
      for (const body of [one, { members: [] }, {}]) assert.equal((await send('PUT', id, body)).status, 400);
      assert.deepEqual(await members(id), []);
    });

    it('takes an array, one member alone, and members under their name; nothing of it is called unknown', async () => {
      const id = await newGroup('Forms');
      for (const body of [
        { id: ada.memberId },
        { members: [{ id: bob.memberId }] },
        [{ id: ada.memberId }],
      ]) {
        const answer = await send('POST', id, body);
        assert.equal(answer.status, 200, JSON.stringify(answer.body));
        assert.deepEqual(answer.body.messages, []);
        assert.ok(Array.isArray(answer.body.result));
      }
      assert.deepEqual(await members(id), [ada.memberId, bob.memberId]);
    });

    it('adds the same member again without a fault, and empties by an empty list alone', async () => {
      const id = await newGroup('Again');
      const join = { ...inHome(), members: [{ id: ada.memberId }] };
      const once = (await home.sdk.iam.userGroups.members.create(id, join)).result;
      assert.deepEqual((await home.sdk.iam.userGroups.members.create(id, join)).result, once);
      await home.sdk.iam.userGroups.members.create(id, { ...inHome(), members: [] });
      assert.deepEqual(await members(id), [ada.memberId]);
      await home.sdk.iam.userGroups.members.update(id, { ...inHome(), members: [] });
      assert.deepEqual(await members(id), []);
    });

    it('lists groups and permission groups by several ids, part of the name, and both ways', async () => {
      const ids = [await newGroup('List one'), await newGroup('List two'), await newGroup('List three')];
      const [one = '', two = ''] = ids;
      const names = async (query: string) => {
        const answer = await app.api('GET', `/accounts/${home.accountId}/iam/user_groups?${query}`);
        return answer.body.result.map((group: { name: string }) => group.name);
      };
      assert.deepEqual(await names(`id=${one}&id=${two.toUpperCase()}`), ['List one', 'List two']);
      assert.deepEqual(await names(`id=${one}`), ['List one']);
      assert.deepEqual(await names('fuzzyName=LIST%20t&direction=desc'), ['List two', 'List three']);
      const [first, second] = await all(home.sdk.iam.permissionGroups.list({ ...inHome(), per_page: 2 }));
      const both = await app.api(
        'GET',
        `/accounts/${home.accountId}/iam/permission_groups?id=${first?.id}&id=${second?.id}`,
      );
      assert.equal(both.body.result_info.total_count, 2);
    });
  });
}
