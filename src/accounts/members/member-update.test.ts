import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { NotFoundError, PermissionDeniedError } from 'cloudflare';
import { startTestApp, type TestApp } from '../../../test/support/app.ts';
import { behindHeldCounter } from '../../../test/support/held-counter.ts';
import { databases, type TestDatabase } from '../../../test/support/postgres.ts';
import {
  addPerson,
  addTenant,
  firstTenant,
  opens,
  type Person,
  policiesOf,
  refused,
  type Tenant,
  tokenPolicy,
} from '../../../test/support/tenants.ts';
import { roles, superAdministrator } from '../../kernel/permissions.ts';

const UNKNOWN = 'f'.repeat(32);
const everything = [{ id: superAdministrator.id }];
const [, administrator, readOnly] = roles.map(({ id }) => id);

for (const { name, create } of databases) {
  describe(`changes of members on ${name}`, () => {
    let database: TestDatabase;
    let app: TestApp;
    let home: Tenant;
    let other: Tenant & { owner: Person };

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
    const put = (id: string, body: object, sdk = home.sdk) =>
      sdk.put(`/accounts/${home.accountId}/members/${id}`, { body }) as Promise<{
        result: { status: string };
      }>;
    const rolesOf = async ({ memberId }: Person) =>
      (await home.sdk.accounts.members.get(memberId, inHome())).roles?.map((role) => role.id);

    describe('what is refused', () => {
      it('names every fault, and changes nothing', async () => {
        const person = await addPerson(app, home, {
          email: 'faults@example.com',
          may: ['Account Settings Read'],
        });
        const [policy] = policiesOf(home, { may: ['Account Settings Read'] });
        const was = await home.sdk.accounts.members.get(person.memberId, inHome());
        const tries: [string, object][] = [
          ['/roles/0', { roles: [{ id: UNKNOWN }] }],
          ['/roles', { roles: everything, policies: [policy] }],
          ['/policies/0/access', { policies: [{ ...policy, access: 'deny' }] }],
          [
            '/policies/0/permission_groups/0/id',
            { policies: [{ ...policy, permission_groups: [{ id: 'no' }] }] },
          ],
          [
            '/policies/0/resource_groups/0/id',
            { policies: [{ ...policy, resource_groups: [{ id: other.everything }] }] },
          ],
          ['/status', { status: 'rejected' }],
          ['/status', { status: 'pending' }],
          ['/email', { email: 'somebody.else@example.com', policies: [] }],
          ['/roles', { roles: null }],
        ];
        for (const [pointer, body] of tries) {
          const answer = await refused(put(person.memberId, body));
          assert.deepEqual([answer.status, answer.pointer], [400, pointer], JSON.stringify(body));
        }
        assert.deepEqual(await home.sdk.accounts.members.get(person.memberId, inHome()), was);
      });

      it('answers 404 to a member of another account, and leaves them what they have', async () => {
        const { memberId } = other.owner;
        const update = { ...inHome(), policies: [] };
        await assert.rejects(home.sdk.accounts.members.update(memberId, update), NotFoundError);
        assert.equal(await opens(other.owner.sdk, other.accountId), true);
      });

      it('is open to nobody without the right', async () => {
        const reader = await addPerson(app, home, {
          email: 'reader@example.com',
          may: ['Account Settings Read'],
        });
        const update = { ...inHome(), policies: [] };
        await assert.rejects(
          reader.sdk.accounts.members.update(reader.memberId, update),
          PermissionDeniedError,
        );
        assert.equal(await opens(reader.sdk, home.accountId), true);
      });

      it('lets nobody give what they do not hold, themselves included', async () => {
        const keeper = await addPerson(app, home, {
          email: 'keeper@example.com',
          may: ['Account Settings Write'],
        });
        const friend = await addPerson(app, home, { email: 'friend@example.com', may: [] });
        const more = policiesOf(home, { may: ['Access: Users Write'] });
        for (const id of [keeper.memberId, friend.memberId]) {
          for (const body of [
            { roles: everything },
            { roles: [{ id: administrator }] },
            { policies: more },
          ]) {
            const answer = await refused(put(id, body, keeper.sdk));
            assert.deepEqual([answer.status, answer.code], [403, 1006]);
          }
        }
        const given = policiesOf(home, { may: ['Account Settings Write'] });
        await keeper.sdk.accounts.members.update(friend.memberId, { ...inHome(), policies: given });
        assert.deepEqual(await rolesOf(keeper), []);
        assert.equal(await opens(friend.sdk, home.accountId), true);
      });

      it('does not take the access of the last Super Administrator', async () => {
        const tenant = await addTenant(app, 'last');
        const at = { account_id: tenant.accountId };
        for (const body of [{ policies: [] }, { roles: [] }, { roles: [{ id: readOnly ?? '' }] }]) {
          const answer = await refused(
            tenant.sdk.accounts.members.update(tenant.owner.memberId, { ...at, ...body }),
          );
          assert.deepEqual([answer.status, answer.code], [400, 1005]);
          assert.equal(answer.error.headers?.get('x-should-retry'), 'false');
        }
        assert.equal(await opens(tenant.owner.sdk, tenant.accountId), true);
      });

      it('lets of two who demote each other at once only one remain unharmed', async () => {
        const tenant = await addTenant(app, 'duel');
        const second = await addPerson(app, tenant, {
          email: 'second@duel.test',
          roles: [superAdministrator.id],
        });
        const demote = (by: Person, whom: Person) =>
          by.sdk.accounts.members.update(whom.memberId, { account_id: tenant.accountId, policies: [] });
        const outcomes = await Promise.allSettled([
          demote(tenant.owner, second),
          demote(second, tenant.owner),
        ]);
        assert.equal(outcomes.filter((outcome) => outcome.status === 'fulfilled').length, 1);
      });
    });

    describe('what is answered', () => {
      it('takes roles as ids and as objects, folds their case, and answers all that the SDK expects', async () => {
        const person = await addPerson(app, home, {
          email: 'forms@example.com',
          may: ['Account Settings Read'],
        });
        const made = await home.sdk.accounts.members.update(person.memberId, {
          ...inHome(),
          roles: everything,
        });
        assert.deepEqual(
          made.roles?.map((role) => role.id),
          [superAdministrator.id],
        );
        assert.deepEqual(made.policies, []);
        assert.equal(made.status, 'accepted');
        assert.equal(made.user?.id, person.administratorId);
        assert.deepEqual(await home.sdk.accounts.members.get(person.memberId, inHome()), made);
        await put(person.memberId, { roles: [(readOnly ?? '').toUpperCase()] });
        assert.deepEqual(await rolesOf(person), [readOnly]);
      });

      it('takes back what it answered, and changes nothing by it', async () => {
        const asked = [
          ...policiesOf(home, { may: ['Account Settings Read'] }),
          ...policiesOf(home, { may: ['Access: Users Read'], on: home.zoneOnly }),
        ];
        for (const given of [{ roles: [readOnly ?? ''] }, { policies: asked }]) {
          const email = `same-${Object.keys(given)[0]}@example.com`;
          const made = await home.sdk.accounts.members.create({ ...inHome(), email, ...given });
          const first = await put(made.id ?? '', made);
          const again = await put(made.id ?? '', made);
          assert.deepEqual(first.result, made);
          assert.deepEqual(again.result, made);
        }
      });

      it('keeps the order of policies and the ids that are sent, and gives new ones to the others', async () => {
        const person = await addPerson(app, home, {
          email: 'order@example.com',
          may: ['Account Settings Read'],
        });
        const [first] = (await home.sdk.accounts.members.get(person.memberId, inHome())).policies ?? [];
        const [added] = policiesOf(home, { may: ['Access: Users Read'] });
        const change = { ...inHome(), policies: [added, first] as never };
        const after = await home.sdk.accounts.members.update(person.memberId, change);
        assert.deepEqual(
          after.policies?.map(({ permission_groups }) => permission_groups?.[0]?.name),
          ['Access: Users Read', 'Account Settings Read'],
        );
        assert.equal(after.policies?.[1]?.id, first?.id);
        assert.notEqual(after.policies?.[0]?.id, first?.id);
      });

      it('accepts a pending member, if whoever does it holds all that begins to count', async () => {
        const email = 'pending@example.com';
        const made = await home.sdk.accounts.members.create({
          ...inHome(),
          email,
          roles: [superAdministrator.id],
        });
        const keeper = await addPerson(app, home, {
          email: 'usher@example.com',
          may: ['Account Settings Write'],
        });
        const answer = await refused(put(made.id ?? '', { status: 'accepted' }, keeper.sdk));
        assert.deepEqual([answer.status, answer.code], [403, 1006]);
        assert.equal((await put(made.id ?? '', { status: 'pending' })).result.status, 'pending');
        assert.equal((await put(made.id ?? '', { status: 'accepted' })).result.status, 'accepted');
      });
    });

    it('ends at once what is taken away, in the key and in every token', async () => {
      const dora = await addPerson(app, home, { email: 'dora@example.com', roles: [superAdministrator.id] });
      const policies = [tokenPolicy(home.accountId, ['Account Settings Read'])];
      const token = await dora.sdk.user.tokens.create({ name: 'mine', policies });
      const withToken = app.sdk({ apiToken: token.value ?? null });
      assert.equal(await opens(withToken, home.accountId), true);
      const left = policiesOf(home, { may: ['Access: Users Read'] });
      await home.sdk.accounts.members.update(dora.memberId, { ...inHome(), policies: left });
      assert.equal(await opens(dora.sdk, home.accountId), 403);
      assert.equal(await opens(withToken, home.accountId), 403);
      const { result } = await home.sdk.auditLogs.list({
        ...inHome(),
        action: { type: 'member.update' },
        per_page: 1,
      });
      assert.equal(result[0]?.resource?.id, dora.memberId);
      assert.deepEqual((result[0]?.metadata as { roles: object } | undefined)?.roles, {
        from: [superAdministrator.name],
        to: [],
      });
    });

    // The writers of SQLite take turns: there is nothing to force.
    (name === 'postgres' ? it : () => {})('asks for every right again after the counter', async () => {
      const tenant = await addTenant(app, 'forced');
      const at = { account_id: tenant.accountId };
      const second = await addPerson(app, tenant, {
        email: 'second@forced.test',
        roles: [superAdministrator.id],
      });
      const { value = '' } = await tenant.sdk.accounts.tokens.create({
        ...at,
        name: 'demoter',
        policies: [tokenPolicy(tenant.accountId, ['Account Settings Write'])],
      });
      const { members } = app.sdk({ apiToken: value }).accounts;
      const demote = (person: Person) => () => members.update(person.memberId, { ...at, policies: [] });
      const outcomes = await behindHeldCounter({ url: database.url ?? '', accountId: tenant.accountId }, [
        demote(tenant.owner),
        () =>
          tenant.owner.sdk.accounts.members.update(second.memberId, {
            ...at,
            policies: policiesOf(tenant, { may: ['Access: Users Read'] }),
          }),
        demote(second),
      ]);
      assert.deepEqual(
        outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason.status : 'done')),
        ['done', 403, 400],
      );
      assert.equal(await opens(second.sdk, tenant.accountId), true);
    });
  });
}
