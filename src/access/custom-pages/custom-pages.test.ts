import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConflictError, NotFoundError, PermissionDeniedError } from 'cloudflare';
import { seed, statement } from '../../../test/support/authority-rows.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { addTenant } from '../../../test/support/tenants.ts';

const HTML = '<!doctype html><title>No</title><h1>Not here — sorry</h1>';
const denied = { name: 'Denied', type: 'identity_denied', custom_html: HTML } as const;

function use({ app }: Stage) {
  const { account_id } = app.credentials;
  const sdk = app.sdk();
  return { app, account_id, sdk, pages: sdk.zeroTrust.access.customPages };
}

onBothDatabases('custom pages', (stage) => {
  test('that are wrong are refused by name, and nothing is kept of them', async () => {
    const { app, account_id } = use(stage);
    const table: [number, number, string, object][] = [
      [400, 12130, '/name', { ...denied, name: '' }],
      [400, 12130, '/name', { type: 'forbidden', custom_html: HTML }],
      [400, 12130, '/custom_html', { ...denied, custom_html: '' }],
      [400, 12130, '/custom_html', { ...denied, custom_html: 7 }],
      [400, 12130, '/custom_html', { ...denied, custom_html: 'x'.repeat(65_537) }],
      [400, 12130, '/custom_html', { ...denied, custom_html: 'é'.repeat(32_769) }],
      [400, 12130, '/type', { ...denied, type: 'other' }],
      [400, 1002, '/type', { ...denied, type: 'login' }],
      [400, 1002, '/type', { ...denied, type: 'interstitial' }],
      [400, 1002, '/contract_version', { ...denied, contract_version: 1 }],
    ];
    const rows = await readRows(stage.database);
    for (const [status, code, pointer, body] of table) {
      const answer = await app.api('POST', `/accounts/${account_id}/access/custom_pages`, { body });
      const [error] = answer.body.errors;
      assert.deepEqual([answer.status, error.code, error.source?.pointer], [status, code, pointer]);
    }
    const broken = await app.api('POST', `/accounts/${account_id}/access/custom_pages`, {
      body: { ...denied, custom_html: '<h1>\ud800</h1>' },
    });
    assert.equal(broken.status, 400);
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('of another account are out of reach, and those that nobody has are not found', async () => {
    const { account_id, pages, app } = use(stage);
    const other = await addTenant(app, 'elsewhere');
    const theirs = await other.sdk.zeroTrust.access.customPages.create({
      account_id: other.accountId,
      ...denied,
    });
    for (const id of [theirs.uid ?? '', 'unknown']) {
      await assert.rejects(pages.get(id, { account_id }), NotFoundError);
      await assert.rejects(pages.update(id, { account_id, ...denied, name: 'Mine' }), NotFoundError);
      await assert.rejects(pages.delete(id, { account_id }), NotFoundError);
    }
    await assert.rejects(pages.get(theirs.uid ?? '', { account_id: other.accountId }), PermissionDeniedError);
    await assert.rejects(
      app
        .sdk()
        .zeroTrust.organizations.update({ account_id, custom_pages: { identity_denied: theirs.uid ?? '' } }),
      /identity_denied/,
    );
  });

  test('are shown to readers, and changed by writers alone', async () => {
    const { app, account_id, pages } = use(stage);
    const resource = `com.cloudflare.api.account.${account_id}`;
    const may = statement('allow', 'Access: Apps and Policies Read', { [resource]: '*' });
    const { secret } = await seed(app).token({}, [may]);
    const reader = app.sdk({ apiToken: secret }).zeroTrust.access.customPages;
    const { uid: id = '' } = await pages.create({ account_id, ...denied });
    assert.equal((await reader.get(id, { account_id })).custom_html, HTML);
    const rows = await readRows(stage.database);
    await assert.rejects(reader.create({ account_id, ...denied }), PermissionDeniedError);
    await assert.rejects(reader.update(id, { account_id, ...denied }), PermissionDeniedError);
    await assert.rejects(reader.delete(id, { account_id }), PermissionDeniedError);
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('are created, listed and changed without their HTML, and shown with it', async () => {
    const { app, account_id, pages } = use(stage);
    const path = `/accounts/${account_id}/access/custom_pages`;
    const created = await app.api('POST', path, { body: { ...denied, contract_version: 0 } });
    assert.equal(created.status, 201);
    const { uid: id } = created.body.result;
    const { created_at, updated_at, ...rest } = created.body.result;
    assert.deepEqual(rest, { uid: id, name: 'Denied', type: 'identity_denied' });
    assert.equal(created_at, updated_at);
    assert.equal((await pages.get(id, { account_id })).custom_html, HTML);
    const listed = [];
    for await (const one of pages.list({ account_id })) listed.push(one);
    assert.ok(listed.some(({ uid }) => uid === id));
    assert.ok(listed.every((one) => !('custom_html' in one)));
    app.clock.advance(1000);
    const updated = await pages.update(id, {
      account_id,
      name: 'Other',
      type: 'forbidden',
      custom_html: '<p>2',
    });
    assert.deepEqual([updated.name, updated.type, 'custom_html' in updated], ['Other', 'forbidden', false]);
    assert.equal((await pages.get(id, { account_id })).custom_html, '<p>2');
    const deleted = await app.api('DELETE', `${path}/${id}`);
    assert.deepEqual([deleted.status, deleted.body.result], [202, { id }]);
    await assert.rejects(pages.get(id, { account_id }), NotFoundError);
    const { feed_entries: feed = [] } = await readRows(stage.database);
    const told = feed.map((row) => JSON.parse(row)).filter((one) => one.subject_id === id);
    told.sort((one, other) => one.position - other.position);
    assert.deepEqual(
      told.map(({ payload }) => JSON.parse(payload)),
      [{ id, type: 'identity_denied', html: HTML }, { id, type: 'forbidden', html: '<p>2' }, null],
    );
  });

  test('that the organization shows are not deleted, nor made another type, until it shows another', async () => {
    const { sdk, account_id, pages } = use(stage);
    const { uid: id = '' } = await pages.create({ account_id, ...denied });
    await sdk.zeroTrust.organizations.update({ account_id, custom_pages: { identity_denied: id } });
    const rows = await readRows(stage.database);
    await assert.rejects(pages.delete(id, { account_id }), (error: ConflictError) => {
      assert.ok(error instanceof ConflictError);
      assert.match(String(error.message), /in use by the organization/);
      return true;
    });
    const turned = pages.update(id, { account_id, ...denied, type: 'forbidden' });
    await assert.rejects(turned, ConflictError);
    assert.deepEqual(await readRows(stage.database), rows);
    await pages.update(id, { account_id, ...denied, custom_html: '<p>changed' });
    await sdk.zeroTrust.organizations.update({ account_id, custom_pages: { identity_denied: '' } });
    await pages.delete(id, { account_id });
  });
});
