import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ConflictError, NotFoundError, PermissionDeniedError } from 'cloudflare';
import type { AuditLog } from 'cloudflare/resources/shared';
import { startTestApp, type TestApp } from '../../../test/support/app.ts';
import { behindHeldCounter } from '../../../test/support/held-counter.ts';
import { databases, type TestDatabase } from '../../../test/support/postgres.ts';
import {
  addPerson,
  addTenant,
  all,
  firstTenant,
  idsOf,
  join,
  opens,
  type Person,
  policiesOf,
  refused,
  type Tenant,
  tokenPolicy,
} from '../../../test/support/tenants.ts';
import { superAdministrator } from '../../kernel/permissions.ts';

const UNKNOWN = 'f'.repeat(32);
const isRemoval = (entry: AuditLog) => entry.action?.type === 'member.delete';
const roles = [superAdministrator.id];

for (const { name, create } of databases) {
  describe(`members on ${name}`, () => {
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

    const members = () => home.sdk.accounts.members;
    const inHome = () => ({ account_id: home.accountId });
    const inOther = () => ({ account_id: other.accountId });
    const listed = async (query: object = {}) =>
      (await all(members().list({ ...inHome(), ...query }))).map((member) => member.email);
    const lastEntry = async (tenant: Tenant, action: string) => {
      const { result } = await tenant.sdk.auditLogs.list({
        account_id: tenant.accountId,
        action: { type: action },
        per_page: 1,
      });
      return result[0];
    };

    describe('what is refused', () => {
      it('names every fault of a new member, and makes none', async () => {
        const may = policiesOf(home, { may: ['Account Settings Read'] });
        const tries: [string, object][] = [
          ['/email', { email: 'not an e-mail', roles }],
          ['/email', { email: `${'a'.repeat(80)}@example.com`, roles }],
          ['/email', { roles }],
          ['/roles', { email: 'bad@example.com' }],
          ['/roles', { email: 'bad@example.com', roles, policies: may }],
          ['/roles', { email: 'bad@example.com', roles: [] }],
          ['/roles/0', { email: 'bad@example.com', roles: [UNKNOWN] }],
          ['/status', { email: 'bad@example.com', roles, status: 'rejected' }],
          ['/policies/0/access', { email: 'bad@example.com', policies: [{ ...may[0], access: 'deny' }] }],
        ];
        for (const [pointer, body] of tries) {
          const answer = await app.api('POST', `/accounts/${home.accountId}/members`, { body });
          assert.deepEqual([answer.status, answer.body.errors[0].source.pointer], [400, pointer]);
        }
        assert.deepEqual(await listed(), [app.credentials.email]);
      });

      it('answers 409 to a second membership of the same person, however the e-mail is written', async () => {
        const person = await addPerson(app, home, { email: 'twice@example.com', may: [] });
        const again = { ...inHome(), email: 'TWICE@Example.com', policies: [] };
        await assert.rejects(members().create(again), ConflictError);
        await members().delete(person.memberId, inHome());
      });

      it('answers 404 to a member of another account, and leaves them there', async () => {
        const foreign = other.owner.memberId;
        await assert.rejects(members().get(foreign, inHome()), NotFoundError);
        await assert.rejects(members().delete(foreign, inHome()), NotFoundError);
        await assert.rejects(members().delete(foreign, inOther()), PermissionDeniedError);
        await assert.rejects(members().get('z'.repeat(32), inHome()), NotFoundError);
        assert.equal((await refused(members().get('short', inHome()))).status, 400);
        assert.equal(await opens(other.sdk, other.accountId), true);
      });

      it('lets nobody give a role or permission that they do not hold', async () => {
        const clerk = await addPerson(app, home, {
          email: 'clerk@example.com',
          may: ['Account Settings Write'],
        });
        const hire = (given: object) =>
          clerk.sdk.accounts.members.create({ ...inHome(), email: 'crony@example.com', ...given } as never);
        const excess = await refused(hire({ roles, status: 'accepted' }));
        assert.deepEqual([excess.status, excess.code, excess.pointer], [403, 1006, '/roles']);
        const may = policiesOf(home, { may: ['Account Settings Write', 'Access: Users Write'] });
        assert.deepEqual((await refused(hire({ policies: may }))).pointer, '/policies/0/permission_groups/1');
        assert.ok(!(await listed()).includes('crony@example.com'));
        const held = await hire({ policies: policiesOf(home, { may: ['Account Settings Write'] }) });
        await members().delete(held.id ?? '', inHome());
        await members().delete(clerk.memberId, inHome());
      });

      it('keeps the last Super Administrator who has a key, and says that a retry is no use', async () => {
        const [admin] = (await members().list(inHome())).result;
        const pending = await members().create({ ...inHome(), email: 'pending@example.com', roles });
        const keyless = await members().create({
          ...inHome(),
          email: 'keyless@example.com',
          roles,
          status: 'accepted',
        });
        const answer = await refused(members().delete(admin?.id ?? '', inHome()));
        assert.deepEqual([answer.status, answer.code], [400, 1005]);
        assert.equal(answer.error.headers?.get('x-should-retry'), 'false');
        assert.equal(await opens(app.keySdk(), home.accountId), true);
        for (const one of [pending, keyless]) await members().delete(one.id ?? '', inHome());
      });

      it('lets two removals at once not take both of the last Super Administrators', async () => {
        const tenant = await addTenant(app, 'pair');
        const second = await addPerson(app, tenant, { email: 'second@pair.test', roles });
        const token = await tenant.sdk.accounts.tokens.create({
          account_id: tenant.accountId,
          name: 'remover',
          policies: [tokenPolicy(tenant.accountId, ['Account Settings Write'])],
        });
        const remover = app.sdk({ apiToken: token.value ?? null });
        const outcomes = await Promise.allSettled(
          [tenant.owner, second].map(({ memberId }) =>
            remover.accounts.members.delete(memberId, { account_id: tenant.accountId }),
          ),
        );
        const lost = outcomes.flatMap((outcome) =>
          outcome.status === 'rejected' ? [outcome.reason.status] : [],
        );
        assert.deepEqual(lost, [400]);
        const keys = [tenant.owner, second];
        const open = await Promise.all(keys.map((person) => opens(person.sdk, tenant.accountId)));
        assert.deepEqual(open.filter((one) => one === true).length, 1);
      });

      it('lets of two who remove each other at once only one remain unharmed', async () => {
        const tenant = await addTenant(app, 'duel');
        const second = await addPerson(app, tenant, { email: 'second@duel.test', roles });
        const remove = (by: Person, whom: Person) =>
          by.sdk.accounts.members.delete(whom.memberId, { account_id: tenant.accountId });
        const outcomes = await Promise.allSettled([
          remove(tenant.owner, second),
          remove(second, tenant.owner),
        ]);
        assert.equal(outcomes.filter((outcome) => outcome.status === 'fulfilled').length, 1);
        const open = await Promise.all([tenant.owner, second].map(({ sdk }) => opens(sdk, tenant.accountId)));
        assert.deepEqual(open.sort(), [401, true]);
      });
    });

    describe('what is answered', () => {
      it('makes a pending member without rights, and shows all that the SDK expects', async () => {
        const made = await members().create({
          ...inHome(),
          email: 'Grace@Müller.example',
          policies: policiesOf(home, { may: ['Account Settings Read'] }),
        });
        assert.equal(made.status, 'pending');
        assert.equal(made.email, 'Grace@Müller.example');
        assert.deepEqual(made.roles, []);
        assert.equal(made.policies?.[0]?.permission_groups?.[0]?.name, 'Account Settings Read');
        assert.deepEqual(made.user, {
          id: made.user?.id,
          email: 'Grace@Müller.example',
          first_name: null,
          last_name: null,
          two_factor_authentication_enabled: false,
        });
        assert.deepEqual(await members().get(made.id ?? '', inHome()), made);
        await members().delete(made.id ?? '', inHome());
      });

      it('gives a pending member nothing, even with a key', async () => {
        const person = await addPerson(app, other, { email: 'both@example.com', roles });
        const made = await members().create({ ...inHome(), email: person.email, roles });
        assert.equal(await opens(person.sdk, home.accountId), 403);
        const seen = await all(person.sdk.accounts.list());
        assert.deepEqual(
          seen.map((account) => account.id),
          [other.accountId],
        );
        await members().delete(made.id ?? '', inHome());
      });

      it('lists by e-mail, status and name, both ways, in pages that lose nobody', async () => {
        const tenant = await addTenant(app, 'lists');
        const add = (email: string, status: 'accepted' | 'pending') =>
          tenant.sdk.accounts.members.create({ account_id: tenant.accountId, email, status, policies: [] });
        await add('b@x.test', 'pending');
        await add('a@x.test', 'accepted');
        const emails = async (query: object) =>
          (
            await all(
              tenant.sdk.accounts.members.list({ account_id: tenant.accountId, per_page: 1, ...query }),
            )
          ).map((member) => member.email);
        assert.deepEqual(await emails({}), ['a@x.test', 'b@x.test', 'owner@lists.test']);
        assert.deepEqual(await emails({ direction: 'desc' }), ['owner@lists.test', 'b@x.test', 'a@x.test']);
        assert.deepEqual(await emails({ order: 'status' }), ['a@x.test', 'owner@lists.test', 'b@x.test']);
        assert.deepEqual(await emails({ order: 'user.last_name' }), [
          'a@x.test',
          'b@x.test',
          'owner@lists.test',
        ]);
        assert.deepEqual(await emails({ status: 'pending' }), ['b@x.test']);
        assert.deepEqual(await emails({ status: 'rejected' }), []);
      });
    });

    describe('what ends with the call', () => {
      it('ends the key, the tokens and the group memberships of who is removed', async () => {
        const hank = await addPerson(app, home, { email: 'hank@example.com', roles });
        const token = await hank.sdk.user.tokens.create({
          name: 'mine',
          policies: [tokenPolicy(home.accountId, ['Account Settings Read'])],
        });
        const left = await hank.sdk.accounts.tokens.create({
          ...inHome(),
          name: "the account's",
          policies: [tokenPolicy(home.accountId, ['Account Settings Read'])],
        });
        const group = await home.sdk.iam.userGroups.create({ ...inHome(), name: 'Hank and others' });
        await home.sdk.iam.userGroups.members.create(group.id, {
          ...inHome(),
          members: [{ id: hank.memberId }],
        });
        const withToken = app.sdk({ apiToken: token.value ?? null });
        const withLeft = app.sdk({ apiToken: left.value ?? null });
        for (const sdk of [hank.sdk, withToken, withLeft])
          assert.equal(await opens(sdk, home.accountId), true);

        assert.deepEqual(await members().delete(hank.memberId, inHome()), { id: hank.memberId });

        assert.equal(await opens(hank.sdk, home.accountId), 401);
        assert.equal(await opens(withToken, home.accountId), 401);
        assert.equal(await opens(withLeft, home.accountId), true);
        assert.deepEqual((await home.sdk.iam.userGroups.members.list(group.id, inHome())).result, []);
        await assert.rejects(members().delete(hank.memberId, inHome()), NotFoundError);
        const entry = await lastEntry(home, 'member.delete');
        assert.ok(entry);
        assert.equal(entry.resource?.id, hank.memberId);
        const metadata = entry.metadata as { ended_tokens: string[]; remaining_account_tokens: string[] };
        assert.deepEqual(metadata.ended_tokens, [token.id]);
        assert.deepEqual(metadata.remaining_account_tokens, [left.id]);
      });

      it('comes back without anything of what they had', async () => {
        const ivan = await addPerson(app, home, { email: 'ivan@example.com', roles });
        await members().delete(ivan.memberId, inHome());
        const again = await members().create({
          ...inHome(),
          email: 'ivan@example.com',
          policies: [],
          status: 'accepted',
        });
        assert.notEqual(again.id, ivan.memberId);
        assert.notEqual(again.user?.id, ivan.administratorId);
        assert.deepEqual(again.roles, []);
        assert.equal(await opens(ivan.sdk, home.accountId), 401);
      });

      it('ends what is left of who is a member of nothing else: the key, and every token', async () => {
        const judy = await addPerson(app, home, { email: 'judy@example.com', roles });
        const token = await judy.sdk.user.tokens.create({
          name: 'own',
          policies: [tokenPolicy(home.accountId, ['Account Settings Read'])],
        });
        const withToken = app.sdk({ apiToken: token.value ?? null });
        assert.equal(await opens(withToken, home.accountId), true);
        await members().delete(judy.memberId, inHome());
        assert.equal(await opens(judy.sdk, home.accountId), 401);
        assert.equal(await opens(withToken, home.accountId), 401);
        const entry = await lastEntry(home, 'member.delete');
        assert.deepEqual((entry?.metadata as { ended_tokens?: string[] } | undefined)?.ended_tokens, [
          token.id,
        ]);
      });

      it('leaves to another account what is its own: nobody can end it by inviting and removing', async () => {
        const { owner } = other;
        const token = await owner.sdk.user.tokens.create({
          name: 'there',
          policies: [tokenPolicy(other.accountId, ['Account Settings Read'])],
        });
        const withToken = app.sdk({ apiToken: token.value ?? null });
        const guest = await join(home, owner, { may: ['Account Settings Read'] });
        assert.equal(await opens(owner.sdk, home.accountId), true);
        await members().delete(guest, inHome());
        assert.equal(await opens(owner.sdk, home.accountId), 403);
        assert.equal(await opens(withToken, home.accountId), 403);
        assert.equal(await opens(owner.sdk, other.accountId), true);
        assert.equal(await opens(withToken, other.accountId), true);
        const entry = JSON.stringify(await lastEntry(home, 'member.delete'));
        assert.ok(!entry.includes(other.accountId) && !entry.includes(token.id ?? 'no token'), entry);
      });

      it('lets people leave', async () => {
        const kim = await addPerson(app, home, { email: 'kim@example.com', may: ['Account Settings Write'] });
        await kim.sdk.accounts.members.delete(kim.memberId, inHome());
        assert.equal(await opens(kim.sdk, home.accountId), 401);
        assert.ok(!(await listed()).includes(kim.email));
      });

      it('makes no token in the name of somebody who is removed meanwhile (schedule 11)', async () => {
        for (let round = 0; round < 10; round++) {
          const leo = await addPerson(app, home, { email: `leo${round}@example.com`, roles });
          const making = leo.sdk.accounts.tokens.create({
            ...inHome(),
            name: `of leo ${round}`,
            policies: [tokenPolicy(home.accountId, ['Account Settings Read'])],
          });
          await Promise.allSettled([making, members().delete(leo.memberId, inHome())]);
          const log = (await home.sdk.auditLogs.list({ ...inHome(), per_page: 10 })).result;
          const position = (test: (entry: AuditLog) => boolean) =>
            (log.find(test)?.metadata as { position: number } | undefined)?.position ?? 0;
          const removed = position((entry) => entry.resource?.id === leo.memberId && isRemoval(entry));
          const made = position((entry) => entry.actor?.id === leo.administratorId);
          assert.ok(removed > made, `removed at ${removed}, acted at ${made}`);
        }
      });
    });

    // The writers of SQLite take turns: there is nothing to force.
    const onPostgres = name === 'postgres' ? describe : () => {};
    onPostgres('schedules that are forced', () => {
      const behind = (tenant: Tenant, acts: (() => Promise<unknown>)[]) =>
        behindHeldCounter({ url: database.url ?? '', accountId: tenant.accountId }, acts);

      it('asks for the last Super Administrator again after the counter', async () => {
        const tenant = await addTenant(app, 'forced');
        const second = await addPerson(app, tenant, { email: 'second@forced.test', roles });
        const { value = '' } = await tenant.sdk.accounts.tokens.create({
          account_id: tenant.accountId,
          name: 'remover',
          policies: [tokenPolicy(tenant.accountId, ['Account Settings Write'])],
        });
        const remover = app.sdk({ apiToken: value }).accounts.members;
        const remove = (person: Person) => () =>
          remover.delete(person.memberId, { account_id: tenant.accountId });
        const outcomes = await behind(tenant, [remove(tenant.owner), remove(second)]);
        assert.deepEqual(
          outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason.status : 'removed')),
          ['removed', 400],
        );
        assert.equal(await opens(second.sdk, tenant.accountId), true);
      });

      it('asks for the right again after the counter (schedule 11)', async () => {
        const mia = await addPerson(app, home, { email: 'mia@example.com', roles });
        const policies = [tokenPolicy(home.accountId, ['Account Settings Read'])];
        const outcomes = await behind(home, [
          () => members().delete(mia.memberId, inHome()),
          () => mia.sdk.accounts.tokens.create({ ...inHome(), name: 'too late', policies }),
          () => mia.sdk.iam.userGroups.create({ ...inHome(), name: 'too late' }),
        ]);
        assert.deepEqual(
          outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason.status : 'done')),
          ['done', 403, 403],
        );
        const tokens = await all(home.sdk.accounts.tokens.list(inHome()));
        assert.ok(!tokens.some((token) => token.name === 'too late'));
        assert.deepEqual((await home.sdk.iam.userGroups.list({ ...inHome(), name: 'too late' })).result, []);
      });

      it('asks again what may be granted after the counter', async () => {
        const group = await home.sdk.iam.userGroups.create({
          ...inHome(),
          name: 'Lenders',
          policies: policiesOf(home, { may: ['Access: Users Write'] }),
        });
        const ned = await addPerson(app, home, {
          email: 'ned@example.com',
          may: ['Account API Tokens Write'],
        });
        const join = { ...inHome(), members: [{ id: ned.memberId }] };
        await home.sdk.iam.userGroups.members.create(group.id, join);
        const policies = [tokenPolicy(home.accountId, ['Access: Users Write'])];
        const outcomes = await behind(home, [
          () =>
            home.sdk.iam.userGroups.members.delete(ned.memberId, { ...inHome(), user_group_id: group.id }),
          () => ned.sdk.accounts.tokens.create({ ...inHome(), name: 'borrowed', policies }),
        ]);
        const [, lent] = outcomes;
        assert.equal(lent?.status === 'rejected' && lent.reason.status, 403);
        assert.equal(lent?.status === 'rejected' && lent.reason.errors[0].code, 1006);
      });
    });

    it('opens members to nobody without the right', async () => {
      const nobody = await addPerson(app, home, { email: 'nobody@example.com', may: ['Access: Users Read'] });
      await assert.rejects(nobody.sdk.accounts.members.list(inHome()), PermissionDeniedError);
      const reader = await addPerson(app, home, {
        email: 'reader@example.com',
        may: ['Account Settings Read'],
      });
      await assert.rejects(
        reader.sdk.accounts.members.delete(nobody.memberId, inHome()),
        PermissionDeniedError,
      );
      const hire = { ...inHome(), email: 'x@example.com', policies: [] };
      await assert.rejects(reader.sdk.accounts.members.create(hire), PermissionDeniedError);
      assert.equal(idsOf(['Account Settings Read']).length, 1);
      assert.ok((await listed()).includes(nobody.email));
    });
  });
}
