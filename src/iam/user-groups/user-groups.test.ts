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
  opens,
  type Person,
  policiesOf,
  refused,
  type Tenant,
} from '../../../test/support/tenants.ts';

const UNKNOWN = 'f'.repeat(32);

for (const { name, create } of databases) {
  describe(`user groups on ${name}`, () => {
    let database: TestDatabase;
    let app: TestApp;
    let home: Tenant;
    let other: Tenant;
    let readers: string;

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

    const groups = () => home.sdk.iam.userGroups;
    const inHome = () => ({ account_id: home.accountId });
    const ofGroup = (user_group_id: string) => ({ account_id: home.accountId, user_group_id });
    const newGroup = async (label: string, may: Parameters<typeof idsOf>[0] = []) =>
      (await groups().create({ ...inHome(), name: label, policies: policiesOf(home, { may }) })).id;
    const newPerson = (email: string, may: Parameters<typeof idsOf>[0] = []) =>
      addPerson(app, home, { email, may });
    const join = async (groupId: string, ...people: Person[]) =>
      await groups().members.create(groupId, {
        ...inHome(),
        members: people.map(({ memberId }) => ({ id: memberId })),
      });
    const audited = async () =>
      (await home.sdk.auditLogs.list({ ...inHome(), per_page: 1000 })).result.map(
        (entry) => entry.action?.type,
      );

    describe('what is refused', () => {
      it('answers 400 to ids that do not have 32 characters, 404 to those that are no group', async () => {
        for (const id of ['short', `${UNKNOWN}f`]) {
          const { status, pointer } = await refused(groups().delete(id, inHome()));
          assert.deepEqual([status, pointer], [400, '/path/user_group_id']);
        }
        for (const id of [UNKNOWN, 'z'.repeat(32)]) {
          await assert.rejects(groups().delete(id, inHome()), NotFoundError);
          await assert.rejects(groups().get(id, inHome()), NotFoundError);
          await assert.rejects(groups().update(id, { ...inHome(), name: 'x' }), NotFoundError);
        }
      });

      it('answers 404 to a group of another account, and leaves it as it was', async () => {
        const foreign = await other.sdk.iam.userGroups.create({
          account_id: other.accountId,
          name: 'Theirs',
        });
        await assert.rejects(groups().get(foreign.id, inHome()), NotFoundError);
        await assert.rejects(groups().update(foreign.id, { ...inHome(), name: 'Ours' }), NotFoundError);
        await assert.rejects(groups().delete(foreign.id, inHome()), NotFoundError);
        await assert.rejects(
          groups().delete(foreign.id, { account_id: other.accountId }),
          PermissionDeniedError,
        );
        const kept = await other.sdk.iam.userGroups.get(foreign.id, { account_id: other.accountId });
        assert.deepEqual(kept, foreign);
      });

      it('answers 409 without a retry to a name that is taken, in this account alone', async () => {
        await newGroup('Taken');
        const { status, error } = await refused(groups().create({ ...inHome(), name: 'Taken' }));
        assert.equal(status, 409);
        assert.equal(error.headers?.get('x-should-retry'), 'false');
        const free = await newGroup('Free');
        assert.equal((await refused(groups().update(free, { ...inHome(), name: 'Taken' }))).status, 409);
        assert.equal((await groups().get(free, inHome())).name, 'Free');
        await other.sdk.iam.userGroups.create({ account_id: other.accountId, name: 'Taken' });
      });

      it('answers 400 to a deny, to unknown permission groups and to resource groups of another account', async () => {
        const [id = ''] = idsOf(['Account Settings Read']);
        const [personal = ''] = idsOf(['API Tokens Write']);
        const tries = [
          [
            '/policies/0/access',
            {
              access: 'deny' as const,
              permission_groups: [{ id }],
              resource_groups: [{ id: home.everything }],
            },
          ],
          [
            '/policies/0/permission_groups/0/id',
            {
              access: 'allow' as const,
              permission_groups: [{ id: UNKNOWN }],
              resource_groups: [{ id: home.everything }],
            },
          ],
          [
            '/policies/0/permission_groups/0/id',
            {
              access: 'allow' as const,
              permission_groups: [{ id: personal }],
              resource_groups: [{ id: home.everything }],
            },
          ],
          [
            '/policies/0/resource_groups/0/id',
            {
              access: 'allow' as const,
              permission_groups: [{ id }],
              resource_groups: [{ id: other.everything }],
            },
          ],
        ] as const;
        for (const [pointer, policy] of tries) {
          const answer = await refused(
            groups().create({ ...inHome(), name: 'Bad', policies: [policy as never] }),
          );
          assert.deepEqual([answer.status, answer.pointer], [400, pointer]);
        }
        assert.deepEqual((await groups().list({ ...inHome(), name: 'Bad' })).result, []);
      });

      it('lets nobody give a group, or join to a group, what they do not hold', async () => {
        const clerk = await newPerson('clerk@example.com', ['Account Settings Write', 'Access: Users Read']);
        const theirs = clerk.sdk.iam.userGroups;
        const excess = policiesOf(home, { may: ['Access: Users Write'] });
        const created = await refused(theirs.create({ ...inHome(), name: 'Excess', policies: excess }));
        assert.deepEqual(
          [created.status, created.code, created.pointer],
          [403, 1006, '/policies/0/permission_groups/0'],
        );
        const strong = await newGroup('Strong', ['Access: Users Write']);
        const themselves = { ...inHome(), members: [{ id: clerk.memberId }] };
        assert.equal((await refused(theirs.members.create(strong, themselves))).code, 1006);
        assert.equal((await refused(theirs.members.update(strong, themselves))).code, 1006);
        const own = await newGroup('Own');
        await join(own, clerk);
        const widened = { ...inHome(), policies: excess.map((policy) => ({ id: UNKNOWN, ...policy })) };
        assert.equal((await refused(theirs.update(own, widened))).code, 1006);
        assert.deepEqual((await groups().members.list(strong, inHome())).result, []);
        assert.deepEqual((await groups().get(own, inHome())).policies, []);
        await theirs.create({
          ...inHome(),
          name: 'Held',
          policies: policiesOf(home, { may: ['Access: Users Read'] }),
        });
      });

      it('refuses readers to write, and everybody without a right', async () => {
        const reader = await newPerson('reader@example.com', ['Account Settings Read']);
        const id = await newGroup('Read only');
        assert.equal((await reader.sdk.iam.userGroups.get(id, inHome())).id, id);
        await assert.rejects(reader.sdk.iam.userGroups.delete(id, inHome()), PermissionDeniedError);
        await assert.rejects(
          reader.sdk.iam.userGroups.create({ ...inHome(), name: 'N' }),
          PermissionDeniedError,
        );
        const nobody = await newPerson('nobody@example.com');
        await assert.rejects(nobody.sdk.iam.userGroups.get(id, inHome()), PermissionDeniedError);
        assert.equal((await groups().get(id, inHome())).name, 'Read only');
      });

      it('asks for the member in the order malformed, unknown group, no member, not in the group', async () => {
        const group = await newGroup('Order');
        const outside = await newPerson('outside@example.com');
        const stranger =
          (await other.sdk.accounts.members.list({ account_id: other.accountId })).result[0]?.id ?? '';
        const members = groups().members;
        for (const verb of ['delete', 'get'] as const) {
          const malformed = await refused(members[verb]('short', ofGroup(UNKNOWN)));
          assert.deepEqual([malformed.status, malformed.pointer], [400, '/path/member_id']);
          await assert.rejects(members[verb](UNKNOWN, ofGroup(UNKNOWN)), NotFoundError);
          for (const id of [UNKNOWN, stranger]) {
            const invalid = await refused(members[verb](id, ofGroup(group)));
            assert.equal(invalid.status, 400);
            assert.match(invalid.message, /invalid member/);
          }
          await assert.rejects(members[verb](outside.memberId, ofGroup(group)), NotFoundError);
        }
      });

      it('adds nobody at all when one of the ids is no member of the account', async () => {
        const group = await newGroup('All or none');
        const somebody = await newPerson('somebody@example.com');
        const members = [{ id: somebody.memberId }, { id: UNKNOWN }];
        for (const verb of ['create', 'update'] as const) {
          const { status, pointer } = await refused(
            groups().members[verb](group, { ...inHome(), members }) as unknown as Promise<unknown>,
          );
          assert.deepEqual([status, pointer], [400, '/1/id']);
        }
        assert.deepEqual((await groups().members.list(group, inHome())).result, []);
      });

      it('leaves no audit entry for what was refused', async () => {
        const before = await audited();
        await refused(groups().delete(UNKNOWN, inHome()));
        await refused(groups().create({ ...inHome(), name: '' }));
        assert.deepEqual(await audited(), before);
      });
    });

    describe('what is answered', () => {
      it('shows a group with its permissions by name and its resources by scope', async () => {
        const made = await groups().create({
          ...inHome(),
          name: 'Shown',
          policies: policiesOf(home, { may: ['Account Settings Read'], on: home.zoneOnly }),
        });
        const [policy] = made.policies ?? [];
        assert.equal(policy?.access, 'allow');
        assert.equal(policy?.permission_groups?.[0]?.name, 'Account Settings Read');
        assert.deepEqual(policy?.resource_groups?.[0]?.scope, {
          key: `com.cloudflare.api.account.${home.accountId}`,
          objects: [{ key: `com.cloudflare.api.account.zone.${home.zoneId}` }],
        });
        assert.deepEqual(await groups().get(made.id.toUpperCase(), inHome()), made);
      });

      it('keeps a policy id that is sent back, gives new ones to others, and empties on []', async () => {
        const id = await newGroup('Edited', ['Account Settings Read']);
        const { policies: [first] = [] } = await groups().get(id, inHome());
        const renamed = await groups().update(id, { ...inHome(), name: 'Edited again' });
        assert.deepEqual(renamed.policies, [first]);
        const asked = policiesOf(home, { may: ['Access: Users Read'] }).map((policy) => ({
          id: UNKNOWN,
          ...policy,
        }));
        const both = [
          {
            id: first?.id ?? '',
            ...policiesOf(home, { may: ['Account Settings Read'] })[0],
          } as (typeof asked)[number],
          ...asked,
        ];
        const updated = await groups().update(id, { ...inHome(), policies: both });
        assert.equal(updated.name, 'Edited again');
        assert.equal(updated.policies?.[0]?.id, first?.id);
        assert.notEqual(updated.policies?.[1]?.id, UNKNOWN);
        assert.deepEqual((await groups().update(id, { ...inHome(), policies: [] })).policies, []);
      });

      it('lists by name, exactly or in part, in pages that lose nobody', async () => {
        for (const label of ['Ärzte 50%', 'page-1', 'page-2', 'page-3']) await newGroup(label);
        const named = async (query: object) =>
          (await all(groups().list({ ...inHome(), ...query }))).map((group) => group.name);
        assert.deepEqual(await named({ name: 'page-2' }), ['page-2']);
        assert.deepEqual(await named({ fuzzyName: 'PAGE-' }), ['page-1', 'page-2', 'page-3']);
        assert.deepEqual(await named({ fuzzyName: 'ärzte 50%' }), ['Ärzte 50%']);
        assert.deepEqual(await named({ fuzzyName: 'p%ge' }), []);
        assert.deepEqual(await named({ fuzzyName: 'page', direction: 'desc', per_page: 1 }), [
          'page-3',
          'page-2',
          'page-1',
        ]);
        const [one] = (await groups().list({ ...inHome(), name: 'page-1' })).result;
        assert.deepEqual(await named({ id: one?.id }), ['page-1']);
        assert.deepEqual(await named({ id: UNKNOWN }), []);
      });

      it('adds members once, replaces the set, and answers all of them', async () => {
        const group = await newGroup('Set');
        const ann = await newPerson('ann@example.com');
        const bob = await newPerson('bob@example.com');
        const shown = (person: Person) => ({ id: person.memberId, email: person.email, status: 'accepted' });
        assert.deepEqual((await join(group, bob)).result, [shown(bob)]);
        assert.deepEqual((await join(group, bob, ann, ann)).result, [shown(ann), shown(bob)]);
        const [only] = (await groups().members.list(group, { ...inHome(), fuzzyEmail: 'ANN@' })).result;
        assert.deepEqual(only, shown(ann));
        const descending = await all(
          groups().members.list(group, { ...inHome(), direction: 'desc', per_page: 1 }),
        );
        assert.deepEqual(descending, [shown(bob), shown(ann)]);
        const details = await groups().members.get(ann.memberId, ofGroup(group));
        assert.equal(details.user?.id, ann.administratorId);
        assert.ok(details.created_at);
        const replace = async (...people: Person[]) =>
          (
            await groups().members.update(group, {
              ...inHome(),
              members: people.map(({ memberId }) => ({ id: memberId })),
            })
          ).result;
        assert.deepEqual(await replace(ann), [shown(ann)]);
        assert.deepEqual(await replace(), []);
        assert.deepEqual((await groups().members.list(group, inHome())).result, []);
      });
    });

    describe('what ends with the call', () => {
      it('admits a member through the group, and refuses the first call after they are taken out', async () => {
        readers = await newGroup('Readers', ['Account Settings Read']);
        const carol = await newPerson('carol@example.com');
        assert.equal(await opens(carol.sdk, home.accountId), 403);
        await join(readers, carol);
        assert.equal(await opens(carol.sdk, home.accountId), true);
        const answer = await groups().members.delete(carol.memberId, ofGroup(readers));
        assert.deepEqual(answer, { id: carol.memberId, email: carol.email, status: 'accepted' });
        assert.equal(await opens(carol.sdk, home.accountId), 403);
        await assert.rejects(groups().members.delete(carol.memberId, ofGroup(readers)), NotFoundError);
      });

      it('ends everything that came through a group that is removed, and nothing else', async () => {
        const doomed = await newGroup('Doomed', ['Account Settings Read']);
        const dave = await newPerson('dave@example.com', ['Access: Users Read']);
        await join(doomed, dave);
        const token = await dave.sdk.user.tokens.create({
          name: 'mine',
          policies: [
            {
              effect: 'allow',
              permission_groups: idsOf(['Account Settings Read', 'Access: Users Read']).map((id) => ({ id })),
              resources: { [`com.cloudflare.api.account.${home.accountId}`]: '*' },
            },
          ],
        });
        const withToken = app.sdk({ apiToken: token.value ?? null });
        assert.equal(await opens(withToken, home.accountId), true);
        assert.deepEqual(await groups().delete(doomed, inHome()), { id: doomed });
        assert.equal(await opens(dave.sdk, home.accountId), 403);
        assert.equal(await opens(withToken, home.accountId), 403);
        await withToken.zeroTrust.access.users.list(inHome());
        await assert.rejects(groups().delete(doomed, inHome()), NotFoundError);
        await assert.rejects(groups().members.list(doomed, inHome()), NotFoundError);
      });

      it('ends and gives rights when the policies of the group change', async () => {
        const group = await newGroup('Changing');
        const eve = await newPerson('eve@example.com');
        await join(group, eve);
        assert.equal(await opens(eve.sdk, home.accountId), 403);
        const policies = policiesOf(home, { may: ['Account Settings Read'] }).map((policy) => ({
          id: '',
          ...policy,
        }));
        await groups().update(group, { ...inHome(), policies });
        assert.equal(await opens(eve.sdk, home.accountId), true);
        await groups().update(group, { ...inHome(), policies: [] });
        assert.equal(await opens(eve.sdk, home.accountId), 403);
      });

      it('lets people give up what they have through a group, by which they have the right to', async () => {
        const group = await newGroup('Leavers', ['Account Settings Write']);
        const frank = await newPerson('frank@example.com');
        await join(group, frank);
        await frank.sdk.iam.userGroups.members.delete(frank.memberId, ofGroup(group));
        await assert.rejects(frank.sdk.iam.userGroups.delete(group, inHome()), PermissionDeniedError);
        await join(group, frank);
        await frank.sdk.iam.userGroups.delete(group, inHome());
        assert.equal(await opens(frank.sdk, home.accountId), 403);
      });

      it('tells a repetition of a removal what the first was told, and nobody else', async () => {
        const group = await newGroup('Repeated');
        const target = `/accounts/${home.accountId}/iam/user_groups/${group}`;
        const first = await app.api('DELETE', target);
        const again = await app.api('DELETE', target, { headers: { 'x-stainless-retry-count': '1' } });
        assert.deepEqual([again.status, again.body.result], [200, first.body.result]);
        const admin = { 'x-auth-email': app.credentials.email, 'x-auth-key': app.credentials.api_key };
        const somebodyElse = await app.api('DELETE', target, {
          token: null,
          headers: { ...admin, 'x-stainless-retry-count': '1' },
        });
        assert.equal(somebodyElse.status, 404);
      });

      it('writes what happened into the audit log', async () => {
        const log = (
          await home.sdk.auditLogs.list({ ...inHome(), action: { type: 'user_group_member.remove' } })
        ).result;
        const entry = log.find((one) => one.resource?.id === readers);
        assert.ok(entry);
        assert.equal(entry.resource?.type, 'user_group');
        assert.equal((entry.metadata as { removed: string[] }).removed.length, 1);
        assert.ok((await audited()).includes('user_group.delete'));
      });
    });
  });
}
