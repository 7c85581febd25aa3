import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { NotFoundError, PermissionDeniedError } from 'cloudflare';
import type { AuditListResponse as Entry } from 'cloudflare/resources/accounts/logs/audit';
import { startTestApp, type TestApp } from '../../../test/support/app.ts';
import { databases, type TestDatabase } from '../../../test/support/postgres.ts';
import {
  addPerson,
  addTenant,
  all,
  firstTenant,
  refused,
  type Tenant,
} from '../../../test/support/tenants.ts';
import { DAY, timestamp } from '../../kernel/clock.ts';

for (const { name, create } of databases) {
  describe(`the audit log, version 2, on ${name}`, () => {
    let database: TestDatabase;
    let app: TestApp;
    let home: Tenant;
    let other: Tenant;
    let group: { id: string };
    let since: string;
    let midnight: string;
    let before_: string;

    before(async () => {
      database = await create();
      app = await startTestApp(database);
      home = await firstTenant(app);
      other = await addTenant(app, 'other');
      since = timestamp(app.clock.now());
      group = await home.sdk.iam.userGroups.create({ ...inHome(), name: 'first' });
      await app.keySdk().iam.userGroups.update(group.id, { ...inHome(), name: 'second' });
      app.clock.advance(DAY);
      midnight = timestamp(app.clock.now()).slice(0, 10);
      await home.sdk.iam.userGroups.delete(group.id, inHome());
      const zoned = { zone_id: home.zoneId, name: 'Zoned', include: [{ everyone: {} }] };
      await home.sdk.zeroTrust.access.groups.create(zoned);
      await other.sdk.iam.userGroups.create({ account_id: other.accountId, name: 'theirs' });
      app.clock.advance(1000);
      before_ = timestamp(app.clock.now());
    });
    after(async () => {
      await app?.close();
      await database?.drop();
    });

    const inHome = () => ({ account_id: home.accountId });
    const list = (query: object = {}) =>
      home.sdk.accounts.logs.audit.list({ ...inHome(), since, before: before_, ...query });
    const seen = async (query: object = {}) =>
      (await all(list({ direction: 'asc', ...query }))).map((entry) => entry.action?.description);
    const entryOf = async (description: string): Promise<Entry> => {
      const found = (await all(list())).find((entry) => entry.action?.description === description);
      assert.ok(found, description);
      return found;
    };
    const ALL = ['user_group.create', 'user_group.update', 'user_group.delete', 'access_group.create'];
    const [MADE = '', CHANGED = '', DELETED = '', ZONED = ''] = ALL;

    it('is open to nobody without the right, and shows nobody another account', async () => {
      const nobody = await addPerson(app, home, { email: 'nobody@example.com', may: ['Access: Users Read'] });
      const asked = { ...inHome(), since, before: before_ };
      for (const sdk of [nobody.sdk, other.sdk]) {
        const { audit } = sdk.accounts.logs;
        const { id = '', action } = await entryOf(MADE);
        const of = { ...asked, action_time: action?.time ?? '' };
        await assert.rejects(audit.list(asked), PermissionDeniedError);
        await assert.rejects(audit.history(id, of), PermissionDeniedError);
        await assert.rejects(audit.productCategories(inHome()), PermissionDeniedError);
      }
      const theirs = { ...asked, account_id: other.accountId };
      assert.equal((await all(other.sdk.accounts.logs.audit.list(theirs))).length, 1);
      const { id = '', action } = await entryOf(MADE);
      const elsewhere = { ...theirs, action_time: action?.time ?? '' };
      await assert.rejects(other.sdk.accounts.logs.audit.history(id, elsewhere), NotFoundError);
    });

    it('refuses what it cannot read', async () => {
      const forged = (key: unknown[]) => Buffer.from(JSON.stringify(key)).toString('base64url');
      const tries: [string, object][] = [
        ['/query/since', { since: undefined }],
        ['/query/before', { before: undefined }],
        ['/query/since', { since: 'yesterday' }],
        ['/query/before', { before: '2026-02-30' }],
        ['/query/limit', { limit: 0 }],
        ['/query/limit', { limit: 1001 }],
        ['/query/direction', { direction: 'up' }],
        ['/query/raw_status_code.not/0', { raw_status_code: { not: ['many'] } }],
        ['/query/actor_ip_address.not', { actor_ip_address: { not: ['here'] } }],
        ['/query/product_category', { product_category: ['unheard of'] }],
        ['/query/cursor', { cursor: 'x' }],
        ['/query/cursor', { cursor: forged(['audit asc', since, 1, 'f'.repeat(32)]) }],
        ['/query/cursor', { cursor: forged(['audit desc', since, 'one', 'f'.repeat(32)]) }],
        ['/query/cursor', { cursor: forged(['audit desc', since, 1, "' or 1=1"]) }],
        ['/query/cursor', { cursor: forged(['audit desc', '\u0000', 1, 'f'.repeat(32)]) }],
        ['/query/cursor', { cursor: forged(['audit desc', since]) }],
      ];
      for (const [pointer, query] of tries) {
        const answer = await refused(list(query));
        assert.deepEqual([answer.status, answer.pointer], [400, pointer], JSON.stringify(query));
      }
    });

    it('refuses a filter in brackets, which would be ignored and the answer be wider', async () => {
      for (const name of ['actor_type[]', 'actor_type[0]', 'action_type[not]', 'id[]', 'limit[]']) {
        const query = new URLSearchParams({ since, before: before_, [name]: 'user' });
        const { status, body } = await app.api('GET', `/accounts/${home.accountId}/logs/audit?${query}`);
        assert.deepEqual([status, body.errors[0]?.source?.pointer], [400, `/query/${name}`]);
      }
      assert.deepEqual(await seen({ actor_type: ['user', 'account'] }), ALL);
    });

    it('is in the order of time, newest first unless told otherwise, in pages that lose none', async () => {
      assert.deepEqual(await seen({ limit: 1 }), ALL);
      assert.deepEqual(await seen({ limit: 1, direction: undefined }), [...ALL].reverse());
      assert.deepEqual(await seen({ since: midnight }), [DELETED, ZONED]);
      assert.deepEqual(await seen({ before: midnight, limit: 1, direction: 'desc' }), [CHANGED, MADE]);
      assert.deepEqual(await seen({ since: before_ }), []);
    });

    it('is narrowed by each filter, and by its negation', async () => {
      const { id = '', actor, raw, resource } = await entryOf(CHANGED);
      const byToken = (await entryOf(MADE)).actor;
      const { name: accountName } = await home.sdk.accounts.get(inHome());
      const three = [MADE, DELETED, ZONED];
      const cases: [string, unknown, string[]][] = [
        ['id', id, [CHANGED]],
        ['audit_log_id', [id, 'f'.repeat(32)], [CHANGED]],
        ['account_name', accountName, ALL],
        ['action_result', 'success', ALL],
        ['action_type', 'create', [MADE, ZONED]],
        ['action_type', ['update', 'delete'], [CHANGED, DELETED]],
        ['action_type', 'view', []],
        ['actor_context', 'api_key', [CHANGED]],
        ['actor_context', 'api_token', three],
        ['actor_context', 'dash', []],
        ['actor_email', app.credentials.email, [CHANGED]],
        ['actor_id', actor?.id, [CHANGED]],
        ['actor_ip_address', '::ffff:127.0.0.1', ALL],
        ['actor_token_id', byToken?.token_id, three],
        ['actor_token_name', byToken?.token_name, three],
        ['actor_type', actor?.type, byToken?.type === actor?.type ? ALL : [CHANGED]],
        ['actor_type', 'delegated_service', []],
        ['raw_cf_ray_id', raw?.cf_ray_id, [CHANGED]],
        ['raw_method', 'put', [CHANGED]],
        ['raw_status_code', '201', [ZONED]],
        ['raw_uri', raw?.uri, [CHANGED, DELETED]],
        ['resource_id', resource?.id, [MADE, CHANGED, DELETED]],
        ['resource_product', 'access', [ZONED]],
        ['resource_product', 'other', []],
        ['resource_scope', 'accounts', ALL],
        ['resource_scope', ['user', 'memberships'], []],
        ['resource_type', 'access_group', [ZONED]],
        ['zone_id', home.zoneId, [ZONED]],
        ['zone_name', 'localhost', [ZONED]],
      ];
      for (const [filter, value, expected] of cases) {
        assert.deepEqual(await seen({ [filter]: value }), expected, filter);
        const rest = ALL.filter((one) => !expected.includes(one));
        assert.deepEqual(await seen({ [filter]: { not: value } }), rest, `${filter}.not`);
      }
      assert.deepEqual(await seen({ product_category: ['Zero_Trust'] }), [ZONED]);
      assert.deepEqual(await seen({ product_category: ['zero_trust'], resource_product: 'members' }), ALL);
      assert.deepEqual(await seen({ action_type: { not: ['create'] }, raw_method: 'DELETE' }), [DELETED]);
    });

    it('tells who did what to what, by which request, and neither query nor body nor secret', async () => {
      const zoned = await entryOf(ZONED);
      const { name: accountName } = await home.sdk.accounts.get(inHome());
      const { id, actor, raw, resource, ...rest } = zoned;
      assert.deepEqual(rest, {
        account: { id: home.accountId, name: accountName },
        action: { description: ZONED, result: 'success', time: zoned.action?.time, type: 'create' },
        zone: { id: home.zoneId, name: 'localhost' },
      });
      assert.match(id ?? '', /^[0-9a-f]{32}$/);
      assert.deepEqual(resource, {
        id: resource?.id,
        product: 'access',
        scope: 'accounts',
        type: 'access_group',
      });
      assert.deepEqual(raw, {
        cf_ray_id: raw?.cf_ray_id,
        method: 'POST',
        status_code: 201,
        uri: `/client/v4/zones/${home.zoneId}/access/groups`,
        user_agent: raw?.user_agent,
      });
      assert.match(raw?.user_agent ?? '', /^Cloudflare\/JS /);
      assert.deepEqual([actor?.context, actor?.ip_address], ['api_token', '127.0.0.1']);
      await app.api('DELETE', `/accounts/${home.accountId}/access/groups/${resource?.id}?secret=hidden`, {
        headers: { 'user-agent': 'x'.repeat(2000) },
      });
      before_ = timestamp(app.clock.now() + 1000);
      const told = JSON.stringify(await all(list()));
      assert.ok(!told.includes('hidden') && !told.includes(app.credentials.api_token));
      assert.equal((await entryOf('access_group.delete')).raw?.user_agent?.length, 512);
    });

    it('gives the history of a resource, oldest or newest first', async () => {
      const { id = '', action } = await entryOf(CHANGED);
      const asked = { ...inHome(), since, before: before_, action_time: action?.time ?? '' };
      const { audit } = home.sdk.accounts.logs;
      const told = (await audit.history(id, asked)).map((entry) => entry.action?.description);
      assert.deepEqual(told, [DELETED, CHANGED, MADE]);
      const first = await audit.history(id, { ...asked, direction: 'asc', limit: 1 });
      assert.deepEqual(
        first.map((entry) => entry.action?.description),
        [MADE],
      );
      await assert.rejects(audit.history(id, { ...asked, action_time: midnight }), NotFoundError);
      await assert.rejects(audit.history('f'.repeat(32), asked), NotFoundError);
    });

    it('names the categories of products, each of which can be asked for', async () => {
      const categories = (await home.sdk.accounts.logs.audit.productCategories(inHome())).result;
      assert.deepEqual(
        categories.map((category) => category.value),
        ['account', 'zero_trust'],
      );
      for (const { value = '', products = [] } of categories) {
        assert.ok(products.length > 0);
        await list({ product_category: [value] });
      }
    });
  });
}
