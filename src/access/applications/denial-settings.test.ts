import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApplicationUpdateParams } from 'cloudflare/resources/zero-trust/access/applications/applications';
import { createApplication } from '../../../test/support/access.ts';
import { seed } from '../../../test/support/authority-rows.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { addTenant } from '../../../test/support/tenants.ts';
import { newUuid } from '../../kernel/ids.ts';

/* What is refused of it is in applications.test.ts. */

onBothDatabases('what whoever is denied is told', (stage) => {
  const page = async (type: string, account_id: string = stage.app.credentials.account_id) => {
    const times = { created_at: new Date(0).toISOString(), updated_at: new Date(0).toISOString() };
    const row = { id: newUuid(), account_id, name: type, type, custom_html: '<p>No</p>', ...times };
    await seed(stage.app).write((tx) => tx.query.insertInto('custom_pages').values(row).execute());
    return row.id;
  };

  test('is answered as it was written, told to the gates, and gone when it is said no more', async () => {
    const { account_id } = stage.app.credentials;
    const { applications } = stage.app.sdk().zeroTrust.access;
    const pages = [await page('identity_denied'), await page('forbidden')];
    const domain = 'denial.localhost';
    const { id } = await createApplication(stage.app, { domain });
    const denial = {
      custom_deny_message: 'Ask “the desk”.',
      custom_deny_url: 'https://desk.example/?from=here',
      custom_non_identity_deny_url: 'http://127.0.0.1:8080/no',
      custom_pages: pages,
    };
    const put = async (fields: object) => {
      const sent = {
        account_id,
        type: 'self_hosted',
        domain,
        ...fields,
      } as unknown as ApplicationUpdateParams;
      const answered = (await applications.update(id, sent)) as unknown as Record<string, unknown>;
      const said = Object.entries(answered).filter(([name]) => name in denial);
      return { said: Object.fromEntries(said), state: await newestState(stage) };
    };
    for (const given of [denial, { ...denial, custom_pages: pages.map((one) => one.toUpperCase()) }]) {
      const { said, state } = await put(given);
      assert.deepEqual(said, denial);
      const { deny_message, deny_url, non_identity_deny_url, custom_pages } = state;
      assert.deepEqual([deny_message, deny_url], [denial.custom_deny_message, denial.custom_deny_url]);
      assert.deepEqual([non_identity_deny_url, custom_pages], [denial.custom_non_identity_deny_url, pages]);
    }
    for (const given of [{}, { custom_deny_message: '', custom_deny_url: null, custom_pages: [] }]) {
      const { said, state } = await put(given);
      assert.deepEqual(said, {});
      const { deny_message, deny_url, non_identity_deny_url, custom_pages } = state;
      assert.deepEqual([deny_message, deny_url, non_identity_deny_url, custom_pages], [null, null, null, []]);
    }
  });

  test('is not a page of another account, or one of two pages of a type', async () => {
    const { app } = stage;
    const { account_id } = app.credentials;
    const other = await addTenant(app, 'pages');
    const [one, two] = [await page('forbidden'), await page('forbidden')];
    const theirs = await page('identity_denied', other.accountId);
    const rows = await readRows(stage.database);
    for (const [pointer, custom_pages] of [
      ['/custom_pages/1', [one, theirs]],
      ['/custom_pages/1', [one, two]],
      ['/custom_pages/0', ['forbidden']],
    ] as const) {
      const body = { type: 'self_hosted', domain: 'closed.localhost', custom_pages };
      const answer = await app.api('POST', `/accounts/${account_id}/access/apps`, { body });
      assert.deepEqual([answer.status, answer.body.errors[0].source.pointer], [400, pointer]);
    }
    assert.deepEqual(await readRows(stage.database), rows);
  });
});

async function newestState(stage: Stage): Promise<Record<string, unknown>> {
  const { feed_entries: rows = [] } = await readRows(stage.database);
  const feed = rows.map((row) => JSON.parse(row));
  const newest = Math.max(...feed.map(({ position }) => Number(position)));
  const [item] = feed.filter(({ position }) => Number(position) === newest);
  return JSON.parse(item.payload);
}
