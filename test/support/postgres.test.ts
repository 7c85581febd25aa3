import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { Client } from 'pg';
import { databases } from './postgres.ts';

for (const { name, create } of databases) {
  test(`each ${name} database is a new one, and nothing of it stays`, async () => {
    const [one, other] = [await create(), await create()];
    assert.notEqual(one.folder, other.folder);
    assert.equal(existsSync(one.file), false);
    assert.equal(name === 'postgres', one.url !== null && one.url !== other.url);
    await Promise.all([one.drop(), other.drop()]);
    assert.equal(existsSync(one.folder), false);
    if (one.url !== null) await assert.rejects(connect(one.url), /does not exist/);
  });
}

test('on PostgreSQL the tests are no superuser and text is not sorted by code point unless asked', async () => {
  await using database = await createPostgres();
  const client = await connect(database.url ?? '');
  const { rows } = await client.query(
    `SELECT rolsuper, 'b' < 'C' AS by_language, 'b' < 'C' COLLATE "C" AS by_code_point,
            current_setting('synchronous_commit') AS synchronous_commit, current_setting('fsync') AS fsync
     FROM pg_roles WHERE rolname = current_user`,
  );
  await client.end();
  const expected = {
    rolsuper: false,
    by_language: true,
    by_code_point: false,
    synchronous_commit: 'on',
    fsync: 'on',
  };
  assert.deepEqual(rows, [expected]);
});

test('a cluster ends with the process that started it, even when that is killed', async () => {
  const script = `import { startPostgres } from '${new URL('./postgres.ts', import.meta.url)}';
    console.log((await startPostgres()).url);
    await new Promise((resolve) => setInterval(resolve, 2 ** 30));`;
  const starter = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [url] = await once(starter.stdout, 'data');
  const client = await connect(String(url).trim());
  const cut = once(client, 'error');
  client.on('error', () => undefined); // The end of the connection is told as a second error.
  starter.kill('SIGKILL');
  const [{ message }] = await cut;
  assert.match(message, /terminating connection due to administrator command/);
});

function createPostgres() {
  const postgres = databases.find(({ name }) => name === 'postgres');
  assert.ok(postgres);
  return postgres.create();
}

async function connect(url: string): Promise<Client> {
  const client = new Client(url);
  await client.connect();
  return client;
}
