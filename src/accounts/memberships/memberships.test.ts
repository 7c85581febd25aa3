import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { AuthenticationError, NotFoundError, PermissionDeniedError } from 'cloudflare';
import { startTestApp, type TestApp } from '../../../test/support/app.ts';
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
import type { PermissionGroupName } from '../../kernel/permissions.ts';
import { superAdministrator } from '../../kernel/permissions.ts';

for (const { name, create } of databases) {
  describe(`memberships on ${name}`, () => {
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
    /** Invites somebody who is at home elsewhere. */
    const invite = async (person: Person, status: 'pending' | 'accepted' = 'pending') => {
      const may = ['Account Settings Read'] as const;
      if (status === 'accepted') return await join(home, person, { may });
      const policies = policiesOf(home, { may });
      const made = await home.sdk.accounts.members.create({ ...inHome(), email: person.email, policies });
      return made.id ?? '';
    };
    const membersAtHome = async () =>
      (await all(home.sdk.accounts.members.list(inHome()))).map(({ id }) => id);
    /** A token of somebody's own that may do this with their own things. */
    const ownToken = async (person: Person, may: PermissionGroupName[]) => {
      const { value = '' } = await person.sdk.user.tokens.create({
        name: may.join(),
        policies: [
          {
            effect: 'allow',
            permission_groups: idsOf(may).map((id) => ({ id })),
            resources: { [`com.cloudflare.api.user.${person.administratorId}`]: '*' },
          },
        ],
      });
      return app.sdk({ apiToken: value }).memberships;
    };

    describe('what is refused', () => {
      it('is nothing that a token of an account has, nor one of a person that was not given it', async () => {
        const { value = '' } = await home.sdk.accounts.tokens.create({
          ...inHome(),
          name: "the account's",
          policies: [tokenPolicy(home.accountId, ['Account Settings Write'])],
        });
        const { memberships } = app.sdk({ apiToken: value });
        await assert.rejects(memberships.list(), PermissionDeniedError);
        const person = await addPerson(app, home, {
          email: 'narrow@example.com',
          roles: [superAdministrator.id],
        });
        const blind = await ownToken(person, ['User Details Read']);
        const reader = await ownToken(person, ['Memberships Read']);
        await assert.rejects(blind.list(), PermissionDeniedError);
        await assert.rejects(blind.get(person.memberId), PermissionDeniedError);
        assert.equal((await reader.get(person.memberId)).id, person.memberId);
        await assert.rejects(reader.delete(person.memberId), PermissionDeniedError);
        await assert.rejects(reader.update(person.memberId, { status: 'rejected' }), PermissionDeniedError);
        assert.equal(await opens(person.sdk, home.accountId), true);
      });

      it("answers 404 to anybody else's, and leaves it", async () => {
        const person = await addPerson(app, home, {
          email: 'theirs@example.com',
          may: ['Account Settings Read'],
        });
        const { memberships } = other.owner.sdk;
        await assert.rejects(memberships.get(person.memberId), NotFoundError);
        await assert.rejects(memberships.update(person.memberId, { status: 'rejected' }), NotFoundError);
        await assert.rejects(memberships.delete(person.memberId), NotFoundError);
        assert.equal(await opens(person.sdk, home.accountId), true);
      });

      it('does not read what it cannot', async () => {
        const { memberships } = other.owner.sdk;
        const tries: [string, () => Promise<unknown>][] = [
          ['/status', () => memberships.update(other.owner.memberId, { status: 'pending' as 'accepted' })],
          ['/status', () => memberships.update(other.owner.memberId, {} as { status: 'accepted' })],
          ['/query/order', () => memberships.list({ order: 'name' as 'id' })],
          ['/query/status', () => memberships.list({ status: 'gone' as 'pending' })],
          ['/path/membership_id', () => memberships.get('short')],
        ];
        for (const [pointer, call] of tries) {
          const answer = await refused(call());
          assert.deepEqual([answer.status, answer.pointer], [400, pointer]);
        }
      });

      it('keeps the last Super Administrator from leaving, by either way', async () => {
        const { sdk, memberId } = other.owner;
        for (const leave of [
          () => sdk.memberships.delete(memberId),
          () => sdk.memberships.update(memberId, { status: 'rejected' }),
        ]) {
          const answer = await refused(leave());
          assert.deepEqual([answer.status, answer.code], [400, 1005]);
        }
        assert.equal(await opens(sdk, other.accountId), true);
      });
    });

    describe('what is answered', () => {
      it('shows an invitation with the account, and gives nothing before it is accepted', async () => {
        const { sdk } = other.owner;
        const id = await invite(other.owner);
        const shown = await sdk.memberships.get(id);
        assert.deepEqual(
          [shown.status, shown.account?.id, shown.permissions, shown.roles],
          ['pending', home.accountId, {}, []],
        );
        assert.equal(await opens(sdk, home.accountId), 403);
        const accepted = await sdk.memberships.update(id, { status: 'accepted' });
        assert.equal(accepted.status, 'accepted');
        assert.deepEqual(accepted.permissions, { organization: { read: true, write: false } });
        assert.equal(accepted.policies?.[0]?.permission_groups?.[0]?.name, 'Account Settings Read');
        assert.deepEqual(await sdk.memberships.get(id), accepted);
        assert.deepEqual(await sdk.memberships.update(id, { status: 'accepted' }), accepted);
        assert.equal(await opens(sdk, home.accountId), true);
        const { result } = await home.sdk.auditLogs.list({
          ...inHome(),
          action: { type: 'membership.accept' },
        });
        assert.deepEqual(
          result.map((entry) => entry.actor?.email),
          [other.owner.email, other.owner.email],
        );
        await sdk.memberships.delete(id);
      });

      it('lists by account, status and id, both ways, narrowed, in pages that lose none', async () => {
        const { sdk, memberId } = other.owner;
        const id = await invite(other.owner);
        const { name: homeName } = await home.sdk.accounts.get(inHome());
        const ids = async (query: object) =>
          (await all(sdk.memberships.list({ per_page: 1, ...query }))).map((one) => one.id);
        const sorted = [id, memberId].sort();
        assert.deepEqual(await ids({}), sorted);
        assert.deepEqual(await ids({ direction: 'desc' }), [...sorted].reverse());
        assert.deepEqual(await ids({ order: 'status' }), [memberId, id]);
        const byName = homeName < 'other' ? [id, memberId] : [memberId, id];
        assert.deepEqual(await ids({ order: 'account.name' }), byName);
        assert.deepEqual(await ids({ status: 'pending' }), [id]);
        assert.deepEqual(await ids({ status: 'rejected' }), []);
        assert.deepEqual(await ids({ name: 'other' }), [memberId]);
        assert.deepEqual(await ids({ account: { name: homeName } }), [id]);
        assert.deepEqual(await ids({ account: { name: homeName }, name: 'other' }), []);
        const [own] = (await sdk.memberships.list({ name: 'other' })).result;
        assert.deepEqual(own?.roles, [superAdministrator.name]);
        assert.deepEqual(own?.account, await sdk.accounts.get({ account_id: other.accountId }));
        assert.deepEqual(own?.permissions?.zones, { read: true, write: true });
        await sdk.memberships.delete(id);
      });
    });

    describe('what ends with the call', () => {
      it('refuses an invitation for good: nothing stays that could be accepted later', async () => {
        const { sdk } = other.owner;
        const id = await invite(other.owner);
        assert.equal((await sdk.memberships.update(id, { status: 'rejected' })).status, 'rejected');
        await assert.rejects(sdk.memberships.get(id), NotFoundError);
        await assert.rejects(sdk.memberships.update(id, { status: 'accepted' }), NotFoundError);
        assert.ok(!(await membersAtHome()).includes(id));
        assert.equal(await opens(sdk, home.accountId), 403);
        assert.equal(await opens(sdk, other.accountId), true);
      });

      it('ends every right in the account, its groups included, and leaves what is of other accounts', async () => {
        for (const [index, leave] of [
          (sdk: Person['sdk'], id: string) => sdk.memberships.delete(id),
          (sdk: Person['sdk'], id: string) => sdk.memberships.update(id, { status: 'rejected' }),
        ].entries()) {
          const { owner } = other;
          const id = await invite(owner, 'accepted');
          const group = await home.sdk.iam.userGroups.create({ ...inHome(), name: `Guests ${index}` });
          await home.sdk.iam.userGroups.members.create(group.id, { ...inHome(), members: [{ id }] });
          assert.equal(await opens(owner.sdk, home.accountId), true);
          assert.equal((await leave(owner.sdk, id)).id, id);
          assert.equal(await opens(owner.sdk, home.accountId), 403);
          assert.deepEqual((await home.sdk.iam.userGroups.members.list(group.id, inHome())).result, []);
          assert.equal(await opens(owner.sdk, other.accountId), true);
          const { result } = await home.sdk.auditLogs.list({
            ...inHome(),
            action: { type: 'member.delete' },
            per_page: 1,
          });
          assert.deepEqual([result[0]?.resource?.id, result[0]?.actor?.email], [id, owner.email]);
        }
      });

      it('ends the key and the tokens of who is a member of nothing else', async () => {
        const kim = await addPerson(app, home, { email: 'kim@example.com', may: ['Account Settings Read'] });
        const mine = await ownToken(kim, ['Memberships Read']);
        await kim.sdk.memberships.delete(kim.memberId);
        await assert.rejects(kim.sdk.memberships.list(), AuthenticationError);
        await assert.rejects(mine.list(), AuthenticationError);
      });
    });
  });
}
