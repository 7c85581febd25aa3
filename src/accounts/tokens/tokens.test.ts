import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type Cloudflare from 'cloudflare';
import { AuthenticationError, NotFoundError, PermissionDeniedError } from 'cloudflare';
import type { TokenCreateParams } from 'cloudflare/resources/accounts/tokens/tokens';
import { startTestApp, type TestApp } from '../../../test/support/app.ts';
import { databases, type TestDatabase } from '../../../test/support/postgres.ts';
import {
  addTenant,
  all,
  firstTenant,
  idsOf,
  join,
  opens,
  type Person,
  refused,
  type Tenant,
  tokenPolicy,
} from '../../../test/support/tenants.ts';
import { HOUR, timestamp } from '../../kernel/clock.ts';
import type { PermissionGroupName } from '../../kernel/permissions.ts';

const UNKNOWN = 'f'.repeat(32);
const ACCOUNT = 'com.cloudflare.api.account';

for (const { name, create } of databases) {
  describe(`account tokens on ${name}`, () => {
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

    const tokens = () => home.sdk.accounts.tokens;
    const inHome = () => ({ account_id: home.accountId });
    const allowing = (...may: PermissionGroupName[]) => tokenPolicy(home.accountId, may);
    const denying = (...may: PermissionGroupName[]) => ({ ...allowing(...may), effect: 'deny' as const });
    const newToken = (may: PermissionGroupName[], extra: Partial<TokenCreateParams> = {}) =>
      tokens().create({ ...inHome(), name: 'made', policies: [allowing(...may)], ...extra });
    const using = (token: { value?: string }, from?: string) =>
      app.sdk({
        apiToken: token.value ?? null,
        ...(from ? { defaultHeaders: { 'x-forwarded-for': from } } : {}),
      });
    const inHours = (hours: number) => timestamp(app.clock.now() + hours * HOUR);
    const post = (body: object) => app.api('POST', `/accounts/${home.accountId}/tokens`, { body });

    describe('what is refused', () => {
      it('names what is wrong with a new token, and makes none', async () => {
        const count = (await all(tokens().list(inHome()))).length;
        const policy = allowing('Account Settings Read');
        const on = (resources: object) => ({ policies: [{ ...policy, resources }] });
        const zone = `${ACCOUNT}.zone.${other.zoneId}`;
        const tries: [string, object][] = [
          ['/name', { name: '' }],
          ['/name', { name: 'n'.repeat(121) }],
          ['/policies', { policies: [] }],
          ['/policies/0/effect', { policies: [{ ...policy, effect: 'maybe' }] }],
          [
            '/policies/0/permission_groups/0/id',
            { policies: [{ ...policy, permission_groups: [{ id: UNKNOWN }] }] },
          ],
          [
            `/policies/0/resources/${ACCOUNT}.${other.accountId}`,
            on({ [`${ACCOUNT}.${other.accountId}`]: '*' }),
          ],
          [`/policies/0/resources/${ACCOUNT}.*`, on({ [`${ACCOUNT}.*`]: '*' })],
          [
            `/policies/0/resources/${zone}`,
            {
              policies: [
                {
                  ...policy,
                  permission_groups: idsOf(['Zone Read']).map((id) => ({ id })),
                  resources: { [zone]: '*' },
                },
              ],
            },
          ],
          [
            `/policies/0/resources/${ACCOUNT}.${home.accountId}`,
            {
              policies: [
                {
                  ...policy,
                  permission_groups: idsOf(['Zone Read']).map((id) => ({ id })),
                  resources: { [`${ACCOUNT}.${home.accountId}`]: { [zone]: '*' } },
                },
              ],
            },
          ],
          [
            `/policies/0/resources/com.cloudflare.api.user.${UNKNOWN}`,
            {
              policies: [
                {
                  ...policy,
                  permission_groups: idsOf(['API Tokens Write']).map((id) => ({ id })),
                  resources: { [`com.cloudflare.api.user.${UNKNOWN}`]: '*' },
                },
              ],
            },
          ],
          ['/condition/request_ip/in/0', { condition: { request_ip: { in: ['10.0.0.0/33'] } } }],
          ['/condition/request_ip/in', { condition: { request_ip: { in: [] } } }],
          ['/condition/request.ip/not_in/1', { condition: { 'request.ip': { not_in: ['::1', 'here'] } } }],
          [
            '/condition/request.ip',
            { condition: { request_ip: { in: ['::1'] }, 'request.ip': { in: ['::1'] } } },
          ],
          ['/not_before', { not_before: 'tomorrow' }],
          ['/expires_on', { expires_on: inHours(-1) }],
          ['/expires_on', { not_before: inHours(2), expires_on: inHours(1) }],
        ];
        for (const [pointer, change] of tries) {
          const answer = await post({ name: 'bad', policies: [policy], ...change });
          const fault = answer.body.errors[0];
          assert.deepEqual([answer.status, fault.source?.pointer], [400, pointer], fault.message);
        }
        const unknownCondition = await post({
          name: 'bad',
          policies: [policy],
          condition: { country: ['NZ'] },
        });
        assert.equal(unknownCondition.status, 400);
        assert.equal((await all(tokens().list(inHome()))).length, count);
      });

      it('answers 404 to a token of another account or of a person', async () => {
        const theirs = await other.sdk.accounts.tokens.create({
          account_id: other.accountId,
          name: 'theirs',
          policies: [tokenPolicy(other.accountId, ['Account Settings Read'])],
        });
        const personal = await app
          .keySdk()
          .user.tokens.create({ name: 'p', policies: [allowing('Account Settings Read')] });
        for (const { id = '' } of [theirs, personal, { id: 'z'.repeat(32) }]) {
          await assert.rejects(tokens().get(id, inHome()), NotFoundError);
          await assert.rejects(tokens().delete(id, inHome()), NotFoundError);
          await assert.rejects(tokens().value.update(id, inHome()), NotFoundError);
          const update = { ...inHome(), name: 'ours', policies: [allowing('Account Settings Read')] };
          await assert.rejects(tokens().update(id, update), NotFoundError);
        }
        assert.equal((await refused(tokens().get('short', inHome()))).status, 400);
        assert.equal(await opens(using(theirs), other.accountId), true);
        assert.equal(await opens(using(personal), home.accountId), true);
        assert.equal(await opens(using(theirs), home.accountId), 403);
      });

      it('lets nobody put into a token what they do not hold, in whatever way', async () => {
        const clerk = await newToken(['Account API Tokens Write', 'Account Settings Read']);
        const theirs = using(clerk).accounts.tokens;
        const strong = await newToken(['Account Settings Write', 'Account Settings Read'], {
          condition: { request_ip: { not_in: ['192.0.2.0/24'] } },
          expires_on: inHours(5),
        });
        const { id = '', ...before } = await tokens().get(strong.id ?? '', inHome());
        const same = {
          ...inHome(),
          name: 'made',
          policies: [allowing('Account Settings Write', 'Account Settings Read')],
          condition: { request_ip: { not_in: ['192.0.2.0/24'] } },
          expires_on: inHours(4),
        };
        const excessive = [
          () => theirs.create({ ...inHome(), name: 'x', policies: [allowing('Account Settings Write')] }),
          () => theirs.update(clerk.id ?? '', { ...same, policies: [allowing('Account Settings Write')] }),
          () => theirs.update(id, { ...same, expires_on: inHours(6) }),
          () =>
            theirs.update(id, {
              ...inHome(),
              name: same.name,
              policies: same.policies,
              expires_on: inHours(4),
            }),
          () => theirs.update(id, { ...same, policies: [...same.policies, allowing('Access: Users Write')] }),
          () => theirs.value.update(id, inHome()),
        ];
        for (const call of excessive) {
          const { status, code } = await refused(call());
          assert.deepEqual([status, code], [403, 1006]);
        }
        assert.deepEqual(await tokens().get(id, inHome()), { id, ...before });
        assert.equal(await opens(using(strong), home.accountId), true);

        await theirs.update(id, { ...same, name: 'renamed' });
        await theirs.update(id, { ...same, status: 'disabled' });
        assert.equal((await refused(theirs.update(id, { ...same, status: 'active' }))).code, 1006);
        await theirs.delete(id, inHome());
        assert.equal(await opens(using(strong), home.accountId), 401);
      });

      it('lets nobody who holds less lift a deny', async () => {
        const clerk = await newToken(['Account API Tokens Write']);
        const policies = [allowing('Account Settings Read'), denying('Account Settings Read')];
        const bound = await tokens().create({ ...inHome(), name: 'bound', policies });
        assert.equal(await opens(using(bound), home.accountId), 403);
        const lift = { ...inHome(), name: 'bound', policies: policies.slice(0, 1) };
        const theirs = using(clerk).accounts.tokens;
        assert.equal((await refused(theirs.update(bound.id ?? '', lift))).code, 1006);
        assert.equal(await opens(using(bound), home.accountId), 403);
        await tokens().update(bound.id ?? '', lift);
        assert.equal(await opens(using(bound), home.accountId), true);
      });

      it('refuses readers to write, and everybody without a right', async () => {
        const reader = using(await newToken(['Account API Tokens Read'])).accounts.tokens;
        const { id = '' } = (await reader.list(inHome())).result[0] ?? {};
        await assert.rejects(reader.delete(id, inHome()), PermissionDeniedError);
        await assert.rejects(reader.value.update(id, inHome()), PermissionDeniedError);
        const nobody = using(await newToken(['Access: Users Read'])).accounts.tokens;
        await assert.rejects(nobody.list(inHome()), PermissionDeniedError);
      });
    });

    describe('what is answered', () => {
      it('shows the secret once, and keeps it nowhere', async () => {
        const made = await newToken(['Account Settings Read']);
        assert.match(made.value ?? '', /^cfat_[0-9A-Za-z]{40}[0-9a-f]{8}$/);
        const { value, ...rest } = made;
        assert.deepEqual({ ...(await tokens().get(made.id ?? '', inHome())) }, rest);
        const rolled = await tokens().value.update(made.id ?? '', inHome());
        const everything = JSON.stringify([
          await app.app.control.database.reader.query.selectFrom('api_tokens').selectAll().execute(),
          await app.app.control.database.reader.query.selectFrom('audit_entries').selectAll().execute(),
          (await tokens().list({ ...inHome(), per_page: 1000 })).result,
        ]);
        for (const secret of [value, rolled]) assert.ok(secret && !everything.includes(secret));
      });

      it('accepts both spellings of the condition and answers the SDK’s', async () => {
        const policies = [allowing('Account Settings Read')];
        const read = (body: object) =>
          post({ name: 'c', policies, ...body }).then(({ body: { result } }) => result);
        const request_ip = { in: ['127.0.0.0/8'], not_in: ['10.0.0.1'] };
        for (const condition of [{ request_ip }, { 'request.ip': request_ip }]) {
          assert.deepEqual((await read({ condition })).condition, { request_ip });
        }
        for (const condition of [null, {}, { request_ip: {} }, { request_ip: { not_in: [] } }]) {
          assert.equal('condition' in (await read({ condition })), false);
        }
      });

      it('replaces everything on update, keeps the status, and the ids of policies that stay', async () => {
        const made = await newToken(['Account Settings Read'], { expires_on: inHours(1) });
        const id = made.id ?? '';
        await tokens().update(id, {
          ...inHome(),
          name: 'off',
          policies: [allowing('Account Settings Read')],
          status: 'disabled',
        });
        const policies = [allowing('Access: Users Read'), allowing('Account Settings Read')];
        const updated = await tokens().update(id, { ...inHome(), name: 'other', policies });
        assert.equal(updated.name, 'other');
        assert.equal(updated.status, 'disabled');
        assert.equal(updated.expires_on, undefined);
        assert.equal(updated.policies?.[1]?.id, made.policies?.[0]?.id);
        assert.notEqual(updated.policies?.[0]?.id, made.policies?.[0]?.id);
        assert.deepEqual(updated.policies?.[0]?.permission_groups[0]?.name, 'Access: Users Read');
        const expired = { ...inHome(), name: 'x', policies, status: 'expired' as const };
        assert.deepEqual((await refused(tokens().update(id, expired))).pointer, '/status');
      });

      it('reads times in any offset and answers UTC', async () => {
        const { expires_on } = await newToken(['Account Settings Read'], {
          expires_on: '2124-05-06T09:08:07+02:00',
        });
        assert.equal(expires_on, '2124-05-06T07:08:07.000Z');
      });

      it('lists in the order of issue, both ways, in pages that lose nobody', async () => {
        const ids = (list: { id?: string }[]) => list.map(({ id }) => id);
        const upwards = ids(await all(tokens().list({ ...inHome(), per_page: 3 })));
        const downwards = ids(await all(tokens().list({ ...inHome(), direction: 'desc', per_page: 4 })));
        assert.ok(upwards.length > 8);
        assert.deepEqual(upwards, downwards.reverse());
      });

      it('lists the permission groups that a token can have', async () => {
        const groups = (await tokens().permissionGroups.list(inHome())).result;
        const [one] = groups.filter((group) => group.name === 'Account Settings Read');
        assert.deepEqual(one, {
          id: 'c1fde68c7bcc44588cbb6ddbc16d6480',
          name: 'Account Settings Read',
          category: 'account_and_billing',
          is_selectable: true,
          scopes: [ACCOUNT],
        });
        const zones = await tokens().permissionGroups.list({ ...inHome(), scope: `${ACCOUNT}.zone` });
        assert.ok(zones.result.length > 0);
        assert.ok(zones.result.every((group) => group.scopes?.[0] === `${ACCOUNT}.zone`));
        assert.ok(!groups.some((group) => group.scopes?.includes('com.cloudflare.api.user')));
      });

      it('verifies the token that asks, and says that it is valid', async () => {
        const made = await newToken(['Access: Users Read'], { expires_on: inHours(3) });
        assert.deepEqual(await using(made).accounts.tokens.verify(inHome()), {
          id: made.id,
          status: 'active',
          expires_on: made.expires_on,
        });
        const raw = await app.api('GET', `/accounts/${home.accountId}/tokens/verify`);
        assert.deepEqual(raw.body.messages, [{ code: 10000, message: 'This API Token is valid and active' }]);
        const atUser = await refused(using(made).user.tokens.verify());
        assert.deepEqual([atUser.status, atUser.code, atUser.message], [401, 1000, 'Invalid API Token']);
        assert.equal((await refused(app.keySdk().accounts.tokens.verify(inHome()))).code, 1000);
        const elsewhere = using(made).accounts.tokens.verify({ account_id: other.accountId });
        await assert.rejects(elsewhere, PermissionDeniedError);
      });
    });

    describe('what ends with the call', () => {
      it('ends the old secret when a token is rolled, by itself too', async () => {
        const made = await newToken(['Account API Tokens Write', 'Account Settings Read']);
        const value = await using(made).accounts.tokens.value.update(made.id ?? '', inHome());
        assert.equal(await opens(using(made), home.accountId), 401);
        assert.equal(await opens(using({ value }), home.accountId), true);
      });

      it('ends a token that is deleted, by itself too', async () => {
        const made = await newToken(['Account API Tokens Write', 'Account Settings Read']);
        assert.deepEqual(await using(made).accounts.tokens.delete(made.id ?? '', inHome()), { id: made.id });
        assert.equal(await opens(using(made), home.accountId), 401);
        await assert.rejects(tokens().delete(made.id ?? '', inHome()), NotFoundError);
      });

      it('ends a token that is disabled, and gives it back when it is enabled', async () => {
        const made = await newToken(['Account Settings Read']);
        const as = { ...inHome(), name: 'made', policies: [allowing('Account Settings Read')] };
        await tokens().update(made.id ?? '', { ...as, status: 'disabled' });
        assert.equal(await opens(using(made), home.accountId), 401);
        await assert.rejects(using(made).accounts.tokens.verify(inHome()), AuthenticationError);
        await tokens().update(made.id ?? '', { ...as, status: 'active' });
        assert.equal(await opens(using(made), home.accountId), true);
      });

      it('lets a token in from the addresses of its condition alone', async () => {
        const made = await newToken(['Account Settings Read'], {
          condition: { request_ip: { in: ['203.0.113.0/24', '2001:db8::/32'], not_in: ['203.0.113.9/32'] } },
        });
        for (const from of ['203.0.113.7', '2001:db8::1', '::ffff:203.0.113.8']) {
          assert.equal(await opens(using(made, from), home.accountId), true, from);
        }
        for (const from of ['203.0.113.9', '198.51.100.1', '2001:db9::1', '::ffff:203.0.113.9']) {
          assert.equal(await opens(using(made, from), home.accountId), 401, from);
        }
        assert.equal(await opens(using(made), home.accountId), 401);
      });

      it('holds a token between its times alone, and lists it as expired when asked', async () => {
        const made = await newToken(['Account Settings Read'], {
          not_before: inHours(1),
          expires_on: inHours(2),
        });
        assert.equal(await opens(using(made), home.accountId), 401);
        app.clock.advance(1.5 * HOUR);
        assert.equal(await opens(using(made), home.accountId), true);
        app.clock.advance(HOUR);
        assert.equal(await opens(using(made), home.accountId), 401);
        assert.equal((await tokens().get(made.id ?? '', inHome())).status, 'expired');
        const has = async (query: object) =>
          (await all(tokens().list({ ...inHome(), ...query }))).some((token) => token.id === made.id);
        assert.equal(await has({}), false);
        assert.equal(await has({ include_expired: true }), true);
      });
    });

    describe('a person’s tokens', () => {
      let person: Cloudflare;
      let personId: string;

      before(async () => {
        person = app.keySdk();
        const [member] = (await home.sdk.accounts.members.list(inHome())).result;
        personId = member?.user?.id ?? '';
      });

      const own = (...may: PermissionGroupName[]) => ({
        effect: 'allow' as const,
        permission_groups: idsOf(may).map((id) => ({ id })),
        resources: { [`com.cloudflare.api.user.${personId}`]: '*' },
      });

      it('are nothing to an account token', async () => {
        await assert.rejects(home.sdk.user.tokens.list(), PermissionDeniedError);
        const policies = [allowing('Account Settings Read')];
        await assert.rejects(home.sdk.user.tokens.create({ name: 'x', policies }), PermissionDeniedError);
      });

      it('reach no account that the person has not joined, and nobody else', async () => {
        const tries = {
          [`${ACCOUNT}.${other.accountId}`]: 'Account Settings Read',
          [`${ACCOUNT}.zone.${other.zoneId}`]: 'Zone Read',
          [`${ACCOUNT}.zone.${UNKNOWN}`]: 'Zone Read',
          [`com.cloudflare.api.user.${other.owner.administratorId}`]: 'API Tokens Write',
        } as const;
        for (const [resource, permission] of Object.entries(tries)) {
          const policy = { ...own(permission as PermissionGroupName), resources: { [resource]: '*' } };
          const { status, pointer } = await refused(
            person.user.tokens.create({ name: 'x', policies: [policy] }),
          );
          assert.deepEqual([status, pointer], [400, `/policies/0/resources/${resource}`]);
        }
      });

      it('may name every account, and never exceed what the person may', async () => {
        const everywhere = await person.user.tokens.create({
          name: 'everywhere',
          policies: [{ ...allowing('Account Settings Read'), resources: { [`${ACCOUNT}.*`]: '*' } }],
        });
        assert.match(everywhere.value ?? '', /^cfut_/);
        assert.equal(everywhere.creator_email_at_creation, undefined);
        assert.equal(await opens(using(everywhere), home.accountId), true);
        assert.equal(await opens(using(everywhere), other.accountId), 403);
        assert.deepEqual((await using(everywhere).user.tokens.verify()).id, everywhere.id);
        assert.equal((await refused(using(everywhere).accounts.tokens.verify(inHome()))).code, 1000);
      });

      it('make no stronger ones, nor wider', async () => {
        const narrow = await person.user.tokens.create({
          name: 'narrow',
          policies: [own('API Tokens Write'), allowing('Account Settings Read')],
        });
        const byToken = using(narrow).user.tokens;
        const excess = [
          [allowing('Account Settings Write')],
          [{ ...allowing('Account Settings Read'), resources: { [`${ACCOUNT}.*`]: '*' } }],
          [own('API Tokens Read')],
        ];
        for (const policies of excess) {
          assert.equal((await refused(byToken.create({ name: 'x', policies }))).code, 1006);
          assert.equal((await refused(byToken.update(narrow.id ?? '', { name: 'x', policies }))).code, 1006);
        }
        const equal = await byToken.create({ name: 'equal', policies: [allowing('Account Settings Read')] });
        assert.equal(await opens(using(equal), home.accountId), true);
        await byToken.delete(narrow.id ?? '');
        assert.equal(await opens(using(narrow), home.accountId), 401);
      });

      it('are rolled, changed and deleted by their owner alone', async () => {
        const made = await person.user.tokens.create({
          name: 'mine',
          policies: [allowing('Account Settings Read')],
        });
        const id = made.id ?? '';
        const stranger = other.owner.sdk.user.tokens;
        await assert.rejects(stranger.get(id), NotFoundError);
        await assert.rejects(stranger.delete(id), NotFoundError);
        await assert.rejects(stranger.value.update(id), NotFoundError);
        assert.equal(await opens(using(made), home.accountId), true);
        const value = await person.user.tokens.value.update(id);
        assert.equal(await opens(using(made), home.accountId), 401);
        assert.equal(await opens(using({ value }), home.accountId), true);
        const off = {
          name: 'mine',
          policies: [allowing('Account Settings Read')],
          status: 'disabled' as const,
        };
        assert.equal((await person.user.tokens.update(id, off)).status, 'disabled');
        assert.equal(await opens(using({ value }), home.accountId), 401);
        assert.ok((await all(person.user.tokens.list())).some((token) => token.id === id));
        assert.deepEqual(await person.user.tokens.delete(id), { id });
        await assert.rejects(person.user.tokens.get(id), NotFoundError);
      });

      it('are told in the audit log of every account that the person has joined, and can be left out', async () => {
        const { owner } = other;
        await join(home, owner, { may: [] });
        const made = await owner.sdk.user.tokens.create({
          name: 'told',
          policies: [tokenPolicy(other.accountId, ['Account Settings Read'])],
        });
        for (const tenant of [home, other]) {
          const inTenant = { account_id: tenant.accountId };
          const logged = async (query: object) =>
            (await all(tenant.sdk.auditLogs.list({ ...inTenant, ...query }))).some(
              (entry) => entry.action?.type === 'user_token.create' && entry.resource?.id === made.id,
            );
          assert.equal(await logged({}), true);
          assert.equal(await logged({ hide_user_logs: true }), false);
        }
      });
    });
  });
}
