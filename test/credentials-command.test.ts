import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import Cloudflare from 'cloudflare';
import { permissionGroups, superAdministrator } from '../src/kernel/permissions.ts';
import type { Credentials } from './support/app.ts';
import { databases, type TestDatabase } from './support/postgres.ts';
import { place, readCredentials, runToEnd, type Server, serve } from './support/program.ts';
import { readRows } from './support/rows.ts';

/* `portcullis credentials`, beside a running server. */

function sdk({ origin }: Server, credentials: { api_token: string } | { email: string; api_key: string }) {
  const none = { apiToken: null, apiEmail: null, apiKey: null, maxRetries: 0 };
  const baseURL = `${origin}/client/v4`;
  return 'api_token' in credentials
    ? new Cloudflare({ ...none, baseURL, apiToken: credentials.api_token })
    : new Cloudflare({ ...none, baseURL, apiEmail: credentials.email, apiKey: credentials.api_key });
}

const byKey = ({ email, api_key }: Credentials) => ({ email, api_key });
const byToken = ({ api_token }: Credentials) => ({ api_token });

function command(database: TestDatabase, ...args: string[]) {
  return runToEnd(['credentials', ...args, ...place(database)]);
}

async function assertWorks(server: Server, credentials: Parameters<typeof sdk>[1]): Promise<void> {
  assert.equal((await sdk(server, credentials).accounts.list()).result.length, 1);
}

async function assertDead(server: Server, credentials: Parameters<typeof sdk>[1]): Promise<void> {
  await assert.rejects(sdk(server, credentials).accounts.list(), Cloudflare.AuthenticationError);
}

for (const { name, create } of databases) {
  describe(`credentials (${name})`, () => {
    const stage: { database?: TestDatabase; server?: Server } = {};
    const use = () => {
      assert.ok(stage.database && stage.server);
      return { database: stage.database, server: stage.server };
    };
    before(async () => {
      stage.database = await create();
      stage.server = await serve(stage.database);
    });
    after(async () => {
      await stage.server?.stop();
      await stage.database?.drop();
    });

    test('reset ends the old ones with its end, and the new ones work', async () => {
      const { database, server } = use();
      const old = await readCredentials(database.folder);
      const other = await createToken(server, old);
      for (const credentials of [byKey(old), byToken(old)]) await assertWorks(server, credentials);
      const { code, stdout, stderr } = await command(database, 'reset');
      assert.deepEqual([code, stderr], [0, '']);
      const file = path.join(database.folder, 'credentials.json');
      assert.equal(stdout, `The credentials are in ${file}\n`);
      for (const credentials of [byKey(old), byToken(old)]) await assertDead(server, credentials);
      const fresh = await readCredentials(database.folder);
      const { api_key, api_token } = fresh;
      assert.deepEqual(fresh, { ...old, api_key, api_token });
      assert.notEqual(api_key, old.api_key);
      assert.notEqual(api_token, old.api_token);
      assert.equal((await stat(file)).mode & 0o777, 0o600);
      for (const credentials of [byKey(fresh), byToken(fresh)]) await assertWorks(server, credentials);
      await assertWorks(server, { api_token: other });
      const audit = (await readRows(database)).audit_entries ?? [];
      assert.equal(audit.filter((entry) => entry.includes('credentials.reset')).length, 1);
    });

    test('reset mends a credentials file that is broken', async () => {
      const { database, server } = use();
      await writeFile(path.join(database.folder, 'credentials.json'), '{"base_url":');
      const { code, stderr } = await command(database, 'reset', `--public-url=${server.origin}`);
      assert.deepEqual([code, stderr], [0, '']);
      const credentials = await readCredentials(database.folder);
      assert.equal(credentials.base_url, `${server.origin}/client/v4`);
      await assertWorks(server, byKey(credentials));
    });

    test('issue gives a member a key, in a file of their own; another one ends the first', async () => {
      const { database, server } = use();
      const first = await readCredentials(database.folder);
      const { account_id } = first;
      const { members } = sdk(server, byToken(first)).accounts;
      const email = 'Second@Example.com';
      const invited = await members.create({ account_id, email, roles: [superAdministrator.id] });
      assert.equal(invited.status, 'pending');
      const file = path.join(database.folder, 'credentials-second@example.com.json');
      const { code, stdout, stderr } = await command(database, 'issue', '--email', 'second@example.com');
      assert.deepEqual([code, stderr, stdout], [0, '', `The credentials are in ${file}\n`]);
      assert.equal((await stat(file)).mode & 0o777, 0o600);
      const issued = await readCredentials(database.folder, path.basename(file));
      assert.deepEqual(Object.keys(issued), ['base_url', 'account_id', 'zone_id', 'email', 'api_key']);
      assert.deepEqual([issued.base_url, issued.account_id], [first.base_url, account_id]);
      await assertWorks(server, byKey(issued));
      assert.equal((await members.get(invited.id ?? '', { account_id })).status, 'accepted');
      assert.equal((await command(database, 'issue', '--email=SECOND@example.com')).code, 0);
      await assertDead(server, byKey(issued));
      for (const credentials of [byKey(first), byToken(first)]) await assertWorks(server, credentials);
    });

    test('issue gives nothing to whoever is no member', async () => {
      const { database } = use();
      const rows = await readRows(database);
      const files = await readdir(database.folder);
      for (const email of ['nobody@example.com', '../../etc/passwd']) {
        const { code, stdout, stderr } = await command(database, 'issue', '--email', email);
        assert.deepEqual([code, stdout], [2, '']);
        assert.match(stderr, /is not a member of the account\n$/);
        assert.ok(stderr.includes(email));
      }
      assert.deepEqual(await readRows(database), rows);
      assert.deepEqual(await readdir(database.folder), files);
    });
  });
}

/** A token of the account, made by hand. */
async function createToken(server: Server, credentials: Credentials): Promise<string> {
  const { account_id } = credentials;
  const id = permissionGroups.find(({ name }) => name === 'Account Settings Read')?.id ?? '';
  const resources = { [`com.cloudflare.api.account.${account_id}`]: '*' };
  const { value } = await sdk(server, byToken(credentials)).accounts.tokens.create({
    account_id,
    name: 'of somebody else',
    policies: [{ effect: 'allow', permission_groups: [{ id }], resources }],
  });
  return value ?? '';
}

describe('credentials commands', () => {
  test('for a folder where no server ever started are refused, and nothing is made there', async () => {
    const database = await databases.find(({ name }) => name === 'sqlite')?.create();
    assert.ok(database);
    await using _database = database;
    const folder = path.join(database.folder, 'never');
    const { code, stdout, stderr } = await command({ ...database, folder }, 'reset');
    assert.deepEqual([code, stdout], [2, '']);
    assert.equal(stderr, 'the database holds no account yet: start the server once\n');
    assert.equal(existsSync(folder), false);
  });

  test('take the same settings as the server, and say what is wrong with them', async () => {
    const odd = await runToEnd(['credentials', 'issue', '--email', 'a@example.com', '--colour=blue']);
    assert.deepEqual([odd.code, odd.stderr], [2, '--colour: unknown setting\n']);
    const nobody = await runToEnd(['credentials', 'issue']);
    assert.equal(nobody.code, 2);
    assert.match(nobody.stderr, /--email/);
  });
});
