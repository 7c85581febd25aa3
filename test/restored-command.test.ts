import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { serviceTokenStates } from '../src/access/service-tokens/service-tokens.ts';
import { startTestApp } from './support/app.ts';
import { databases, type TestDatabase } from './support/postgres.ts';
import { place, readCredentials, runToEnd } from './support/program.ts';
import { readRows } from './support/rows.ts';
import { openStorage } from './support/storage.ts';

/* `portcullis restored`, beside a running server or before it starts. */

const command = (database: TestDatabase, ...args: string[]) =>
  runToEnd(['restored', ...args, ...place(database)]);

for (const { name, create } of databases) {
  describe(`restored (${name})`, () => {
    test('of a folder or database that holds nothing says so, and makes nothing', async () => {
      await using database = await create();
      for (const args of [[], ['--approve']]) {
        const { code, stdout, stderr } = await command(database, ...args);
        assert.deepEqual([code, stdout], [2, '']);
        assert.equal(stderr, 'the database holds no account yet: start the server once\n');
      }
      assert.equal(existsSync(path.join(database.folder, 'portcullis.db')), false);
    });

    test('closes it to sign-in and tells where each account stands; --approve opens it, once', async () => {
      await using database = await create();
      const app = await startTestApp(database);
      const { account_id } = app.credentials;
      const listed = await app.api('GET', `/accounts/${account_id}/access/users`);
      assert.equal(listed.status, 200);
      const token = await app.api('POST', `/accounts/${account_id}/access/service_tokens`, {
        body: { name: 'nightly' },
      });
      assert.equal(token.body.success, true);
      assert.equal(await countServiceTokens(database, account_id), 1);
      await app.close();

      const early = await command(database, '--approve');
      assert.deepEqual([early.code, early.stderr], [2, 'the database is open to sign-in\n']);
      const [former] = await standings(database);
      const said = await command(database);
      assert.deepEqual([said.code, said.stderr], [0, '']);
      const [present] = await standings(database);
      assert.ok(former && present);
      assert.ok(present.epoch > former.epoch);
      assert.equal(present.position, former.position + 1);
      const line = `  ${account_id} (Portcullis): epoch ${present.epoch}, position ${present.position}, last changed `;
      assert.ok(said.stdout.includes(line), said.stdout);
      assert.match(said.stdout, /nobody can sign in/);
      assert.equal(await countServiceTokens(database, account_id), 0, 'gates know of none');
      assert.equal(said.stdout.includes((await readCredentials(database.folder)).api_key), false);

      const approved = await command(database, '--approve');
      assert.deepEqual([approved.code, approved.stderr], [0, '']);
      assert.match(approved.stdout, /^People can sign in again/);
      assert.equal(await countServiceTokens(database, account_id), 1);
      const [opened] = await standings(database);
      assert.ok(opened && opened.epoch > present.epoch, 'gates load everything anew');
      assert.equal((await command(database, '--approve')).code, 2);
      const entries = ((await readRows(database)).audit_entries ?? []).join();
      for (const action of ['epoch.begin', 'database.approve']) {
        assert.equal(entries.split(`"${action}"`).length, 2, action);
      }
    });
  });
}

/** Those that gates are told of. */
async function countServiceTokens(database: TestDatabase, accountId: string): Promise<number> {
  await using storage = openStorage(database);
  return (await storage.snapshot((snapshot) => serviceTokenStates(snapshot, accountId))).length;
}

async function standings(database: TestDatabase) {
  await using storage = openStorage(database);
  return await storage.reader.query.selectFrom('feed_heads').select(['epoch', 'position']).execute();
}
