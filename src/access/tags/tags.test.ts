import assert from 'node:assert/strict';
import { test } from 'node:test';
import type Cloudflare from 'cloudflare';
import { APIError, BadRequestError, ConflictError, NotFoundError, PermissionDeniedError } from 'cloudflare';
import { allowAll } from '../../../test/support/access.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { addTenant, all, refused } from '../../../test/support/tenants.ts';

function use({ app }: Stage) {
  const { account_id } = app.credentials;
  const { applications, tags } = app.sdk().zeroTrust.access;
  const application = (domain: string, names?: string[]) => {
    const named = names ? { tags: names } : {};
    const asked: object = { account_id, type: 'self_hosted', domain, policies: [allowAll], ...named };
    return asked as Cloudflare.ZeroTrust.Access.ApplicationCreateParams.SelfHostedApplication;
  };
  const tagsOf = async (id: string) =>
    ((await applications.get(id, { account_id })) as { tags?: string[] }).tags;
  return { app, account_id, applications, tags, application, tagsOf };
}

onBothDatabases('access tags', (stage) => {
  test('with a name that cannot be one are refused, and nothing is kept of them', async () => {
    const { app, account_id } = use(stage);
    const rows = await readRows(stage.database);
    for (const name of ['', ' a', 'a ', '.', '..', 'a\nb', '\u0085', 'x'.repeat(101), 7, null, undefined]) {
      const answer = await app.api('POST', `/accounts/${account_id}/access/tags`, { body: { name } });
      const [error] = answer.body.errors;
      assert.deepEqual(
        [answer.status, error.code, error.source?.pointer],
        [400, 12130, '/name'],
        String(name),
      );
    }
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('of another account are out of reach, and those that nobody has are not found', async () => {
    const { app, account_id, tags, applications, application } = use(stage);
    const other = await addTenant(app, 'elsewhere');
    await other.sdk.zeroTrust.access.tags.create({ account_id: other.accountId, name: 'theirs' });
    for (const name of ['theirs', 'nobody’s', 'a/b']) {
      await assert.rejects(tags.get(name, { account_id }), NotFoundError);
      await assert.rejects(tags.update(name, { account_id, name: 'mine' }), NotFoundError);
      await assert.rejects(tags.delete(name, { account_id }), NotFoundError);
    }
    await assert.rejects(tags.get('theirs', { account_id: other.accountId }), PermissionDeniedError);
    await assert.rejects(applications.create(application('theirs.localhost', ['theirs'])), BadRequestError);
    assert.deepEqual(await all(tags.list({ account_id })), []);
  });

  test('are unique by their exact name, however it is composed', async () => {
    const { account_id, tags } = use(stage);
    await tags.create({ account_id, name: 'Zoë' });
    const [error] = await Promise.all([refused(tags.create({ account_id, name: 'Zoe\u0308' }))]);
    assert.deepEqual([error.status, error.code], [409, 12132]);
    assert.equal(error.error.headers?.get('x-should-retry'), 'false');
    await tags.create({ account_id, name: 'zoë' });
    await assert.rejects(tags.update('zoë', { account_id, name: 'Zoë' }), ConflictError);
    const at_once = await Promise.allSettled(
      Array.from({ length: 4 }, () => tags.create({ account_id, name: 'at once' })),
    );
    assert.equal(at_once.filter(({ status }) => status === 'fulfilled').length, 1);
    for (const one of at_once) {
      if (one.status === 'rejected') assert.ok(one.reason instanceof APIError && one.reason.status === 409);
    }
    for (const name of ['Zoë', 'zoë', 'at once']) await tags.delete(name, { account_id });
  });

  test('are made, read, listed, renamed and deleted by names of every kind', async () => {
    const { account_id, tags } = use(stage);
    const names = ['engineers', 'a/b', 'a b?c#d%41', '日本', '🙂'.repeat(50), 'x'.repeat(100), '...'];
    for (const name of names) {
      const { data, response } = await tags.create({ account_id, name }).withResponse();
      assert.equal(response.status, 201);
      const { created_at } = data as { created_at?: string };
      assert.deepEqual(data, { name, app_count: 0, created_at, updated_at: created_at });
      assert.deepEqual(await tags.get(name, { account_id }), data);
    }
    const listed = await all(tags.list({ account_id, per_page: 3 }));
    assert.deepEqual(
      listed.map(({ name }) => name),
      names,
    );
    const renamed = await tags.update('a/b', { account_id, name: 'a/c' });
    assert.equal(renamed.name, 'a/c');
    await assert.rejects(tags.get('a/b', { account_id }), NotFoundError);
    for (const { name } of await all(tags.list({ account_id }))) {
      const { data, response } = await tags.delete(name, { account_id }).withResponse();
      assert.deepEqual([data, response.status], [{ name }, 202]);
    }
    assert.deepEqual(await all(tags.list({ account_id })), []);
  });

  test('are answered as deleted to a client that lost the answer, and in no other case of letters', async () => {
    const { app, account_id, tags } = use(stage);
    await tags.create({ account_id, name: 'Lost' });
    const again = { headers: { 'x-stainless-retry-count': '1' } };
    const at = (account: string, name: string) => `/accounts/${account}/access/tags/${name}`;
    const first = await app.api('DELETE', at(account_id, 'Lost'));
    assert.equal(first.status, 202);
    for (const account of [account_id, account_id.toUpperCase()]) {
      const repeated = await app.api('DELETE', at(account, 'Lost'), again);
      assert.deepEqual([repeated.status, repeated.body], [first.status, first.body]);
    }
    for (const name of ['LOST', 'lost']) {
      assert.equal((await app.api('DELETE', at(account_id, name), again)).status, 404, 'it never was');
    }
  });

  test('that an application names and nobody has are refused with it', async () => {
    const { account_id, tags, applications, application } = use(stage);
    await tags.create({ account_id, name: 'known' });
    const rows = await readRows(stage.database);
    const missing = await refused(applications.create(application('app.localhost', ['known', 'unknown'])));
    assert.deepEqual([missing.status, missing.code, missing.pointer], [400, 12130, '/tags/1']);
    assert.match(missing.message, /tags contain a tag that does not exist$/);
    const many = Array.from({ length: 26 }, () => 'known');
    const tooMany = await refused(applications.create(application('app.localhost', many)));
    assert.deepEqual([tooMany.status, tooMany.pointer], [400, '/tags']);
    assert.deepEqual(await readRows(stage.database), rows);
    await tags.delete('known', { account_id });
  });

  test('stand at applications in the order given, survive a rename, and are not deleted while in use', async () => {
    const { account_id, tags, applications, application, tagsOf } = use(stage);
    for (const name of ['b', 'a', 'c']) await tags.create({ account_id, name });
    const ids: string[] = [];
    for (let index = 0; index < 6; index += 1) {
      const made = await applications.create(application(`app${index}.localhost`, ['b', 'a', 'b']));
      ids.push((made as { id: string }).id);
    }
    const [first = ''] = ids;
    assert.deepEqual(await tagsOf(first), ['b', 'a']);
    assert.equal(((await tags.get('b', { account_id })) as { app_count?: number }).app_count, 6);

    await tags.update('b', { account_id, name: 'z' });
    assert.deepEqual(await tagsOf(first), ['z', 'a']);
    const inUse = await refused(tags.delete('z', { account_id }));
    assert.deepEqual([inUse.status, inUse.code], [409, 12132]);
    assert.equal(inUse.message.match(/application "app\d\.localhost"/g)?.length, 5);
    assert.deepEqual(await tagsOf(first), ['z', 'a']);

    await applications.update(first, application('app0.localhost', ['c']));
    assert.deepEqual(await tagsOf(first), ['c']);
    await applications.update(first, application('app0.localhost'));
    assert.deepEqual(await tagsOf(first), []);
    for (const id of ids) await applications.delete(id, { account_id });
    for (const name of ['z', 'a', 'c']) await tags.delete(name, { account_id });
  });

  test('that are deleted while applications take them are either kept by them or refused to them', async () => {
    const { account_id, tags, applications, application, tagsOf } = use(stage);
    for (let round = 0; round < 5; round += 1) {
      await tags.create({ account_id, name: 'fleeting' });
      const [made, deleted] = await Promise.allSettled([
        applications.create(application('race.localhost', ['fleeting'])),
        tags.delete('fleeting', { account_id }),
      ]);
      if (made.status === 'fulfilled') {
        assert.ok(deleted.status === 'rejected' && deleted.reason instanceof ConflictError);
        const { id } = made.value as { id: string };
        assert.deepEqual(await tagsOf(id), ['fleeting']);
        await applications.delete(id, { account_id });
        await tags.delete('fleeting', { account_id });
      } else {
        assert.ok(made.reason instanceof BadRequestError, String(made.reason));
        assert.equal(deleted.status, 'fulfilled');
      }
    }
  });
});

onBothDatabases('settings of an application', (stage) => {
  test('that ask for something are refused, those that ask for nothing are answered, and nothing changes', async () => {
    const { account_id, applications, application } = use(stage);
    const made = (await applications.create(application('set.localhost'))) as { id: string };
    const rows = await readRows(stage.database);
    for (const name of ['allow_iframe', 'skip_interstitial']) {
      for (const does of ['update', 'edit'] as const) {
        const refusal = await refused(applications.settings[does](made.id, { account_id, [name]: true }));
        assert.deepEqual([refusal.status, refusal.code, refusal.pointer], [400, 1002, `/${name}`]);
        const off = await applications.settings[does](made.id, { account_id, [name]: false });
        assert.deepEqual(off, { allow_iframe: false, skip_interstitial: false });
        await assert.rejects(applications.settings[does]('unknown', { account_id }), NotFoundError);
      }
    }
    assert.deepEqual(await readRows(stage.database), rows);
  });
});
