import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AuthenticationError, NotFoundError } from 'cloudflare';
import { onBothDatabases } from '../../../test/support/stage.ts';
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

const roles = [superAdministrator.id];

onBothDatabases('a person whom another account names', (stage) => {
  let count = 0;

  /** Somebody at home in the first account, and another account that knows their e-mail. */
  async function cast() {
    const mark = `consent${count++}`;
    const home = await firstTenant(stage.app);
    const person = await addPerson(stage.app, home, { email: `Person@${mark}.test`, roles });
    const other = await addTenant(stage.app, mark);
    const members = other.sdk.accounts.members;
    const inOther = { account_id: other.accountId };
    const invite = (status: 'pending' | 'accepted' = 'pending') =>
      members.create({ ...inOther, email: `PERSON@${mark}.test`, status, roles });
    return { home, person, other, members, inOther, invite, mark };
  }

  const own = (person: Person, tenant: Tenant, name: string) =>
    person.sdk.user.tokens.create({
      name,
      policies: [tokenPolicy(tenant.accountId, ['Account Settings Read'])],
    });
  const logsOf = async ({ sdk, accountId: account_id }: Tenant) => {
    const since = { since: '2020-01-01', before: '2090-01-01' };
    const second = await all(sdk.accounts.logs.audit.list({ account_id, ...since }));
    return { first: await all(sdk.auditLogs.list({ account_id })), second };
  };

  describe('before they accept', () => {
    it('is made a member by nobody else: not when invited, nor by a change', async () => {
      const { person, home, other, members, inOther, invite } = await cast();
      const made = await refused(invite('accepted'));
      assert.deepEqual([made.status, made.pointer], [400, '/status']);
      assert.match(made.message, /PUT \/memberships/);
      const { id = '' } = await invite();
      for (const given of [{ roles: roles.map((id) => ({ id })) }, { policies: [] }]) {
        const change = { ...inOther, ...given, status: 'accepted' } as never;
        const answer = await refused(members.update(id, change));
        assert.deepEqual([answer.status, answer.pointer], [400, '/status']);
      }
      assert.equal((await members.get(id, inOther)).status, 'pending');
      assert.equal(await opens(person.sdk, other.accountId), 403);
      await person.sdk.memberships.update(id, { status: 'accepted' });
      assert.equal(await opens(person.sdk, other.accountId), true);
      assert.equal(await opens(person.sdk, home.accountId), true);
    });

    it('is an e-mail as it was written there, with no name, in every list', async () => {
      const { person, other, members, inOther, invite, mark } = await cast();
      await person.sdk.user.edit({ first_name: 'Zoe', last_name: 'Secret' });
      const made = await invite();
      const answers: unknown[] = [made];
      const { id = '', user } = made;
      const written = `PERSON@${mark}.test`;
      assert.deepEqual([user?.first_name, user?.last_name, user?.email], [null, null, written]);
      const group = await other.sdk.iam.userGroups.create({ ...inOther, name: 'Guests' });
      await other.sdk.iam.userGroups.members.create(group.id, { ...inOther, members: [{ id }] });
      answers.push(
        await members.get(id, inOther),
        (await members.list({ ...inOther, order: 'user.first_name' })).result.find((one) => one.id === id),
        (await other.sdk.iam.userGroups.members.list(group.id, inOther)).result,
        await members.update(id, { ...inOther, policies: [] } as never),
      );
      for (const answer of answers) {
        assert.match(JSON.stringify(answer), new RegExp(written));
        assert.doesNotMatch(JSON.stringify(answer), /Zoe|Secret|Person@/);
      }
      await person.sdk.memberships.update(id, { status: 'accepted' });
      const joined = await members.get(id, inOther);
      assert.deepEqual([joined.user?.first_name, joined.user?.email], ['Zoe', person.email]);
    });

    it('goes on as before: what they do is not told there, and none of it is in the way', async () => {
      const { person, home, other, invite, mark } = await cast();
      const everywhere = { ...tokenPolicy(home.accountId, ['Access: Users Read']) };
      const policies = [{ ...everywhere, resources: { 'com.cloudflare.api.account.*': '*' as const } }];
      await invite();
      const wild = await person.sdk.user.tokens.create({ name: 'everywhere', policies });
      await person.sdk.user.tokens.value.update(wild.id ?? '', { body: {} });
      await person.sdk.user.tokens.delete(wild.id ?? '');
      await person.sdk.user.edit({ telephone: '+1' });
      assert.equal(
        (await person.sdk.zones.create({ account: {}, name: `${mark}.example` })).account.id,
        home.accountId,
      );
      const logs = JSON.stringify(await logsOf(other));
      assert.doesNotMatch(logs, /user_token|user\.edit|everywhere/);
      for (const secret of [home.accountId, wild.id ?? '?']) assert.ok(!logs.includes(secret), secret);
    });

    it('may make accounts, however many have invited them', async () => {
      const { person, other } = await cast();
      await stage.app.app.control.database.write(async (tx) => {
        const { accountId: account_id } = other;
        const account = await tx.query
          .selectFrom('accounts')
          .selectAll()
          .where('id', '=', account_id)
          .executeTakeFirstOrThrow();
        for (let index = 0; index < 100; index++) {
          const id = `${index}`.padStart(3, '0') + account_id.slice(3);
          await tx.query
            .insertInto('accounts')
            .values({ ...account, id })
            .execute();
          const member = { id, account_id: id, administrator_id: person.administratorId, status: 'pending' };
          await tx.query
            .insertInto('members')
            .values({ ...member, roles: '[]', policies: '[]', created_on: account.created_on })
            .execute();
        }
      });
      assert.equal((await person.sdk.accounts.create({ name: 'mine' })).name, 'mine');
    });
  });

  describe('after they have joined', () => {
    it('tells each account of their tokens what is its own, and of others only that they are', async () => {
      const { person, home, other } = await cast();
      await join(other, person, { roles });
      const here = await own(person, home, 'project at home');
      const both = await person.sdk.user.tokens.create({
        name: 'in both',
        policies: [
          tokenPolicy(home.accountId, ['Access: Users Read']),
          {
            ...tokenPolicy(home.accountId, ['Zone Read']),
            resources: { [`com.cloudflare.api.account.zone.${home.zoneId}`]: '*' },
          },
          tokenPolicy(other.accountId, ['Account Settings Read']),
        ],
      });
      const policies = [tokenPolicy(home.accountId, ['Account Settings Read'])];
      await person.sdk.user.tokens.update(both.id ?? '', { name: 'at home alone', policies });
      await person.sdk.user.tokens.delete(here.id ?? '');
      const { first, second } = await logsOf(other);
      const text = JSON.stringify([first, second]);
      for (const secret of [
        'project at home',
        'Access: Users Read',
        'Zone Read',
        home.accountId,
        home.zoneId,
      ]) {
        assert.ok(!text.includes(secret), secret);
      }
      const told = (id?: string) =>
        first
          .filter((entry) => entry.resource?.id === id)
          .map(({ action, metadata }) => [action?.type, (metadata as { name?: string }).name]);
      assert.deepEqual(told(here.id), [
        ['user_token.delete', undefined],
        ['user_token.create', undefined],
      ]);
      assert.deepEqual(
        told(both.id).map(([type]) => type),
        ['user_token.update', 'user_token.create'],
      );
      assert.equal(told(both.id)[1]?.[1], 'in both');
      const atHome = JSON.stringify((await logsOf(home)).first);
      assert.match(atHome, /project at home/);
      assert.ok(!atHome.includes(other.accountId));
    });

    it('does not tell an account what the token is called that was used, if it does not reach it', async () => {
      const { person, other } = await cast();
      const { value = '' } = await person.sdk.user.tokens.create({
        name: 'my very own',
        policies: [
          {
            effect: 'allow',
            permission_groups: idsOf(['Memberships Write', 'User Details Write']).map((id) => ({ id })),
            resources: { [`com.cloudflare.api.user.${person.administratorId}`]: '*' },
          },
        ],
      });
      const id = await join(other, { ...person, sdk: stage.app.sdk({ apiToken: value }) }, { roles });
      await stage.app.sdk({ apiToken: value }).user.edit({ first_name: 'Ada' });
      const logs = await logsOf(other);
      assert.ok(
        logs.first.some((entry) => entry.resource?.id === id && entry.action?.type === 'membership.accept'),
      );
      assert.ok(logs.first.some((entry) => entry.action?.type === 'user.edit'));
      assert.doesNotMatch(JSON.stringify(logs), /my very own/);
    });
  });

  describe('when they are removed', () => {
    it('loses the key and every token though others have invited them, and gets none back', async () => {
      const { person, home, invite, other } = await cast();
      await invite();
      const token = await own(person, home, 'ci');
      const ci = stage.app.sdk({ apiToken: token.value ?? null });
      assert.equal(await opens(ci, home.accountId), true);
      await person.sdk.user.edit({ first_name: 'Zoe' });
      await home.sdk.accounts.members.delete(person.memberId, { account_id: home.accountId });
      await assert.rejects(person.sdk.user.get(), AuthenticationError);
      assert.equal(await opens(ci, home.accountId), 401);
      const again = await addAgain(home, person.email);
      assert.deepEqual([again.status, again.user?.first_name], ['accepted', null]);
      assert.equal(await opens(ci, home.accountId), 401);
      assert.equal(await opens(person.sdk, home.accountId), 401);
      const invited = await all(
        other.sdk.accounts.members.list({ account_id: other.accountId, status: 'pending' }),
      );
      assert.deepEqual(
        invited.map(({ user }) => user?.id),
        [person.administratorId],
      );
    });

    it('loses them with the account as well', async () => {
      const { person, other, invite } = await cast();
      const { id: account_id } = await person.sdk.accounts.create({ name: 'to be deleted' });
      const gone = { ...other, accountId: account_id, sdk: person.sdk };
      const guest = await addPerson(
        stage.app,
        { ...gone, everything: '' },
        { email: `guest${count++}@x.test`, roles },
      );
      await other.sdk.accounts.members.create({
        account_id: other.accountId,
        email: guest.email,
        policies: [],
      });
      await invite();
      await person.sdk.accounts.delete({ account_id });
      await assert.rejects(guest.sdk.user.get(), AuthenticationError);
      assert.equal((await person.sdk.user.get()).email, person.email);
    });

    it('loses the tokens that reach nothing else, for good, and keeps what is of other accounts', async () => {
      const { person, home, other } = await cast();
      const id = await join(other, person, { roles });
      const there = await own(person, other, 'there');
      const zone = await person.sdk.user.tokens.create({
        name: 'zone',
        policies: [
          {
            ...tokenPolicy(other.accountId, ['Zone Read']),
            resources: { [`com.cloudflare.api.account.zone.${other.zoneId}`]: '*' },
          },
        ],
      });
      const here = await own(person, home, 'here');
      await other.sdk.accounts.members.delete(id, { account_id: other.accountId });
      for (const { id = '' } of [there, zone])
        await assert.rejects(person.sdk.user.tokens.get(id), NotFoundError);
      assert.equal((await person.sdk.user.tokens.get(here.id ?? '')).name, 'here');
      const [entry] = (await logsOf(other)).first;
      const { ended_tokens = [] } = (entry?.metadata ?? {}) as { ended_tokens?: string[] };
      assert.deepEqual([...ended_tokens].sort(), [there.id, zone.id].sort());
      await join(other, person, { roles });
      assert.equal(await opens(stage.app.sdk({ apiToken: there.value ?? null }), other.accountId), 401);
      assert.equal(await opens(stage.app.sdk({ apiToken: here.value ?? null }), home.accountId), true);
    });

    it('loses nothing by an invitation that is taken back', async () => {
      const { person, home, members, inOther, invite } = await cast();
      const token = await own(person, home, 'kept');
      const { id = '' } = await invite();
      await members.delete(id, inOther);
      assert.equal(await opens(person.sdk, home.accountId), true);
      assert.equal(await opens(stage.app.sdk({ apiToken: token.value ?? null }), home.accountId), true);
    });
  });

  async function addAgain(tenant: Tenant, email: string) {
    return await tenant.sdk.accounts.members.create({
      account_id: tenant.accountId,
      email,
      status: 'accepted',
      policies: policiesOf(tenant, { may: ['Account Settings Read'] }),
    });
  }
});
