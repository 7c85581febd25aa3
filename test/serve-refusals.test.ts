import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { describe, test } from 'node:test';
import { sql } from 'kysely';
import { Client } from 'pg';
import { freePort } from './support/free-port.ts';
import { databases, type TestDatabase } from './support/postgres.ts';
import { place, runProgram, runToEnd, serve } from './support/program.ts';
import { readRows } from './support/rows.ts';
import { openStorage } from './support/storage.ts';

/* What `portcullis serve` refuses to start with: exit code 2, a clear word, and nothing touched. */

/** Starts it on the database, which must be refused with these words on stderr and nothing else there. */
async function assertRefused(
  database: Pick<TestDatabase, 'url' | 'folder'>,
  words: RegExp,
  flags: readonly string[] = [],
): Promise<void> {
  const listen = `--listen=127.0.0.1:${await freePort()}`;
  const { code, stdout, stderr } = await runToEnd([
    'serve',
    listen,
    ...place(database),
    '--metrics-listen=off',
    ...flags,
  ]);
  assert.equal(code, 2, stderr);
  assert.equal(stdout, '');
  assert.match(stderr, words);
  assert.equal(stderr.includes('    at '), false, `a stack is no clear word: ${stderr}`);
}

const escaped = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&');

for (const { name, create } of databases) {
  describe(`serve refuses (${name})`, () => {
    test('a database that another server has to itself, and names that server', async () => {
      await using database = await create();
      await using holder = await holdAlone(database);
      await assertRefused(database, holder.words);
      assert.equal(await holder.isUndisturbed(), true);
    });

    test('a master key that is missing, another, open to others, or none', async () => {
      await using database = await create();
      assert.equal(await (await serve(database)).stop(), 0);
      const rows = await readRows(database);
      const file = path.join(database.folder, 'master.key');
      const key = await readFile(file, 'utf8');
      await rm(file);
      await assertRefused(database, /master key .*master\.key is missing/);
      assert.equal(existsSync(file), false, 'a new one would make what is sealed unreadable for good');
      await writeFile(file, `${'0'.repeat(64)}\n`, { mode: 0o600 });
      await assertRefused(database, /master key .*master\.key is not the one/);
      if (name === 'sqlite') {
        await writeFile(file, 'none');
        await assertRefused(database, /master key .*master\.key must be 64 hex characters/);
        await writeFile(file, key);
        await chmod(file, 0o640);
        await assertRefused(database, /master key .*master\.key can be read by others: chmod 600 it/);
      }
      assert.deepEqual(await readRows(database), rows);
      const moved = path.join(database.folder, 'elsewhere.key');
      await writeFile(moved, key, { mode: 0o600 });
      await rm(file);
      const again = await serve(database, { flags: [`--master-key-file=${moved}`] });
      assert.equal(await again.stop(), 0);
    });

    test('another team domain than the database’s, a database of a newer program, and another history', async () => {
      await using database = await create();
      const team = '--team-domain=first.localhost:8787';
      assert.equal(await (await serve(database, { flags: [team] })).stop(), 0);
      const rows = await readRows(database);
      const words = /^--team-domain second\.localhost:8787: the database says first\.localhost:8787/;
      await assertRefused(database, words, ['--team-domain=second.localhost:8787']);
      assert.deepEqual(await readRows(database), rows);
      const future = `insert into schema_migrations values (99, 'future', 'x', '2030-01-01T00:00:00.000Z', 99)`;
      await change(database, future);
      await assertRefused(
        database,
        /^the database has migration 99 \(future\), which is newer than this program\n$/,
      );
      await change(database, 'delete from schema_migrations where id = 99');
      assert.deepEqual(await readRows(database), rows);
      await using same = await serve(database, { flags: [team] });
      assert.match(same.stdout(), /http:\/\/first\.localhost:8787/);
      assert.equal(await same.stop(), 0);
      await change(database, `update schema_migrations set checksum = 'altered' where id = 1`);
      await assertRefused(
        database,
        /^migration 1 \(first\) of the database is not the one this program has\n$/,
      );
    });
  });
}

/** A server on SQLite, or what one of version 0.1 did on PostgreSQL. */
async function holdAlone(database: TestDatabase) {
  if (database.url === null) {
    const server = await serve(database);
    const { port, child } = server;
    return {
      words: new RegExp(`in use by portcullis on 127\\.0\\.0\\.1:${port}, pid ${child.pid}\n$`),
      isUndisturbed: async () => (await fetch(`${server.origin}/readyz`)).ok,
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  }
  const name = 'portcullis 0.1, pid 1';
  const client = new Client({ connectionString: database.url, application_name: name });
  await client.connect();
  await client.query('select pg_advisory_lock(7012612)');
  return {
    words: /in use by portcullis 0\.1, pid 1\n$/,
    isUndisturbed: async () => Object.keys(await readRows(database)).length === 0,
    [Symbol.asyncDispose]: () => client.end(),
  };
}

const postgres = databases.find(({ name }) => name === 'postgres')?.create ?? assert.fail();

describe('two nodes on one PostgreSQL database', () => {
  test('that start at once on an empty one make one account, and the other cannot use its own master key', async () => {
    await using database = await postgres();
    await using elsewhere = await postgres();
    await using here = await startUntilSettled(database);
    await using there = await startUntilSettled({ ...database, folder: elsewhere.folder });
    const [winner, loser] = (await here.code) === null ? [here, there] : [there, here];
    assert.deepEqual([await winner.code, await loser.code], [null, 2]);
    // Whether it came to make a key of its own depends on who was how fast.
    assert.match(loser.program.stderr(), /^the master key .*master\.key is (missing|not the one)[^\n]*\n$/);
    assert.equal((await readRows(database)).accounts?.length, 1);
    assert.equal(existsSync(path.join(loser.folder, 'credentials.json')), false);
  });

  test('whichever comes second: without the master key it is told so, with it both run', async () => {
    await using database = await postgres();
    await using elsewhere = await postgres();
    await using first = await serve(database);
    const other = { ...database, folder: elsewhere.folder };
    await assertRefused(other, /master key .*master\.key is missing/);
    await copyFile(path.join(database.folder, 'master.key'), path.join(other.folder, 'master.key'));
    await using second = await serve(other);
    for (const { origin } of [first, second]) assert.equal((await fetch(`${origin}/readyz`)).status, 200);
  });

  test('that share a folder and start at once have one master key, and one account', async () => {
    await using database = await postgres();
    await using one = await startUntilSettled(database);
    await using other = await startUntilSettled(database);
    assert.deepEqual([await one.code, await other.code], [null, null], other.program.stderr());
    assert.equal((await readRows(database)).accounts?.length, 1);
  });
});

/** Starts it; `code` is null once it is ready, or its exit code. */
async function startUntilSettled(database: Pick<TestDatabase, 'url' | 'folder'>) {
  const listen = `--listen=127.0.0.1:${await freePort()}`;
  const program = runProgram(['serve', listen, ...place(database), '--metrics-listen=off']);
  const code = program.says('is ready.').then(
    () => null,
    () => program.ended,
  );
  return { program, code, folder: database.folder, [Symbol.asyncDispose]: program[Symbol.asyncDispose] };
}

/** Changes the database behind the program's back. */
async function change(database: TestDatabase, statement: string): Promise<void> {
  await using storage = openStorage(database);
  await storage.write((tx) => sql.raw(statement).execute(tx.query));
}

async function newFolder(): Promise<TestDatabase> {
  const database = await databases.find(({ name }) => name === 'sqlite')?.create();
  assert.ok(database);
  return database;
}

describe('serve refuses', () => {
  test('settings that are wrong or unknown, all of them at once, before anything is made', async () => {
    await using database = await newFolder();
    const folder = path.join(database.folder, 'never');
    const config = path.join(database.folder, 'config.json');
    await writeFile(config, '{"colour":"blue","rate-limit":"none"}');
    const { code, stdout, stderr } = await runToEnd(
      ['serve', `--data=${folder}`, '--listen=everywhere', '--verbose', '--config', config],
      { env: { PORTCULLIS_LOG_LEVEL: 'loud', PORTCULLIS_SIZE: 'L' } },
    );
    assert.deepEqual([code, stdout], [2, '']);
    assert.deepEqual(stderr.trimEnd().split('\n').toSorted(), [
      '--listen: must be host:port',
      '--verbose: unknown setting',
      'PORTCULLIS_LOG_LEVEL: must be one of fatal, error, warn, info, debug, trace, silent',
      'PORTCULLIS_SIZE: unknown setting',
      `colour in ${config}: unknown setting`,
      `rate-limit in ${config}: must be a whole number from 1 up, or off`,
    ]);
    assert.equal(existsSync(folder), false);
  });

  test('to be reached from everywhere without TLS, unless told who ends it or that it is meant so', async () => {
    await using database = await newFolder();
    const listen = `0.0.0.0:${await freePort()}`;
    const folder = path.join(database.folder, 'never');
    const words = new RegExp(`^--listen ${escaped(listen)}: beyond loopback without TLS`);
    await assertRefused({ url: null, folder }, words, [`--listen=${listen}`]);
    assert.equal(existsSync(folder), false);
    for (const flag of ['--trusted-proxy=192.0.2.1', '--insecure-http']) {
      await using server = await serve(database, { flags: [flag, `--listen=${listen}`] });
      assert.equal(await server.stop(), 0);
    }
  });

  test('a port that is taken, its own or that of the metrics, and gives everything back', async () => {
    await using database = await newFolder();
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    const at = `127.0.0.1:${port}`;
    const words = new RegExp(`^cannot listen on ${escaped(at)}: the port is taken\n$`);
    await assertRefused(database, words, [`--listen=${at}`]);
    await assertRefused(database, words, [`--metrics-listen=${at}`]);
    taken.close();
    await using server = await serve(database);
    assert.equal((await fetch(`${server.origin}/readyz`)).status, 200);
  });

  test('a data folder that is a file, or whose database is none', async () => {
    await using database = await newFolder();
    const file = path.join(database.folder, 'file');
    await writeFile(file, '');
    await assertRefused(
      { url: null, folder: file },
      new RegExp(`^the data folder ${escaped(file)} cannot be used: `),
    );
    await writeFile(database.file, 'no database, but longer than the header of one is'.repeat(20));
    await assertRefused(database, /^the data folder .* cannot be used: file is not a database\n$/);
  });

  test('a PostgreSQL that is not there, without telling the password', async () => {
    await using database = await newFolder();
    const url = 'postgres://portcullis:hunter2@127.0.0.1:1/portcullis';
    const words = /^PostgreSQL at 127\.0\.0\.1:1 cannot be used: (?!.*hunter2).*ECONNREFUSED/;
    await assertRefused({ ...database, url }, words);
  });

  test('commands and words that it does not know', async () => {
    for (const args of [
      ['surve'],
      [],
      ['credentials'],
      ['credentials', 'forget'],
      ['serve', 'now'],
      ['--loud'],
    ]) {
      const { code, stdout, stderr } = await runToEnd(args);
      assert.equal(code, 2, args.join(' '));
      assert.equal(stdout, '');
      assert.notEqual(stderr, '');
    }
  });
});

test('help and version are no refusal', async () => {
  const help = await runToEnd(['serve', '--help']);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /--team-domain <host\[:port\]>/);
  const version = await runToEnd(['--version']);
  assert.deepEqual([version.code, version.stderr], [0, '']);
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
});
