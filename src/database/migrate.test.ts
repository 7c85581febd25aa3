import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import { Client } from 'pg';
import { databases, type TestDatabase } from '../../test/support/postgres.ts';
import { readRows } from '../../test/support/rows.ts';
import { NOW, openMigrated, openStorage, run } from '../../test/support/storage.ts';
import { migrate, migrations, SchemaError } from './migrate.ts';
import type { Migration } from './migration.ts';

const LATER = '2027-01-01T00:00:00.000Z';

/** The newest migration of this program. */
const NEWEST = migrations.length;

const next: Migration = {
  id: NEWEST + 1,
  name: 'next',
  runsWith: NEWEST + 1,
  statements: [
    'create table things (id text primary key, size integer not null)',
    'alter table accounts add column motto text',
  ],
};
const broken: Migration = {
  id: NEWEST + 2,
  name: 'broken',
  runsWith: NEWEST + 2,
  statements: ['create table half (id text primary key)', 'create table half (id text primary key)'],
};

/** What tables, columns and indexes there are. */
async function describeSchema(place: TestDatabase): Promise<unknown[]> {
  if (place.url === null) {
    const connection = new DatabaseSync(place.file, { readOnly: true });
    const columns = `select m.type, m.name as place, c.name, c.type as kind, c."notnull" as needed
      from sqlite_master m left join pragma_table_xinfo(m.name) c order by 1, 2, 3`;
    const rows = connection.prepare(columns).all();
    connection.close();
    return rows.map((row) => ({ ...row }));
  }
  return await query(
    place.url,
    `select table_name as place, column_name as name, data_type as kind, is_nullable, collation_name
       from information_schema.columns where table_schema = 'public'
     union all select tablename, indexname, indexdef, '', '' from pg_indexes where schemaname = 'public'
     order by 1, 2`,
  );
}

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new Client(url);
  await client.connect();
  const { rows } = await client.query(text);
  await client.end();
  return rows;
}

for (const { name, create } of databases) {
  describe(`the schema (${name})`, () => {
    test('is brought to this version once; again, nothing happens', async () => {
      await using place = await create();
      await using database = await openMigrated(place);
      const rows = await readRows(place);
      assert.equal(rows.schema_migrations?.length, migrations.length);
      await migrate(database, { now: LATER });
      assert.deepEqual(await readRows(place), rows);
    });

    test('is the same whether made at once or step by step', async () => {
      await using fresh = await create();
      await using upgraded = await create();
      const history = [...migrations, next];
      {
        await using database = openStorage(fresh);
        await migrate(database, { now: NOW, history });
      }
      {
        await using database = await openMigrated(upgraded);
        await migrate(database, { now: LATER, history });
      }
      assert.deepEqual(await describeSchema(upgraded), await describeSchema(fresh));
      assert.equal((await readRows(upgraded)).schema_migrations?.length, migrations.length + 1);
    });

    // Two connections of one process to SQLite would wait for each other: the driver is synchronous.
    const onPostgres = name === 'postgres' ? test : () => {};
    onPostgres('is made once by connections that start at the same moment', async () => {
      await using place = await create();
      const opened = Array.from({ length: 4 }, () => openStorage(place));
      await Promise.all(opened.map((database) => migrate(database, { now: NOW })));
      for (const database of opened) await database.close();
      assert.equal((await readRows(place)).schema_migrations?.length, migrations.length);
    });

    test('is made once by processes that start at the same moment', async () => {
      await using place = await create();
      const codes = await Promise.all(Array.from({ length: 3 }, () => migrateInProcess(place)));
      assert.deepEqual(codes, ['0 ', '0 ', '0 ']);
      assert.equal((await readRows(place)).schema_migrations?.length, migrations.length);
    });

    test('of a newer program is refused, and left as it is', async () => {
      await using place = await create();
      await using database = openStorage(place);
      await migrate(database, { now: NOW, history: [...migrations, next] });
      const rows = await readRows(place);
      await assert.rejects(migrate(database, { now: LATER }), (error) => {
        assert.ok(error instanceof SchemaError);
        assert.match(error.message, /migration \d \(next\), which is newer than this program/);
        return true;
      });
      assert.deepEqual(await readRows(place), rows);
    });

    test('of a newer program is used as it is, if that program said that this one still runs on it', async () => {
      await using place = await create();
      await using database = openStorage(place);
      const rolling = { ...next, runsWith: NEWEST };
      const later = {
        ...broken,
        statements: ['create table whole (id text primary key)'],
        runsWith: NEWEST + 1,
      };
      await migrate(database, { now: NOW, history: [...migrations, rolling] });
      const rows = await readRows(place);
      await migrate(database, { now: LATER });
      assert.deepEqual(await readRows(place), rows, 'nothing is done to it');
      // One that knows less than all that came since allow is refused, whatever the last of them says.
      await migrate(database, { now: LATER, history: [...migrations, rolling, later] });
      await assert.rejects(migrate(database, { now: LATER }), /migration \d \(broken\), which is newer/);
      await migrate(database, { now: LATER, history: [...migrations, rolling] });
    });

    test('made by version 0.1, whose history says nothing of older programs, is brought to this version', async () => {
      await using place = await create();
      await using database = openStorage(place);
      const [first] = migrations;
      assert.ok(first);
      await migrate(database, { now: NOW, history: [first] });
      await database.write((tx) => run(tx.query, 'alter table schema_migrations drop column runs_with'));
      await migrate(database, { now: LATER });
      await using fresh = await create();
      await using other = await openMigrated(fresh);
      assert.deepEqual(await describeSchema(place), await describeSchema(fresh));
      const { rows } = await run(
        other.reader.query,
        'select id, runs_with from schema_migrations order by id',
      );
      assert.deepEqual(
        rows.map((row) => ({ ...(row as object) })),
        [
          { id: 1, runs_with: 1 },
          { id: 2, runs_with: 2 },
          { id: 3, runs_with: 3 },
          { id: 4, runs_with: 4 },
        ],
      );
      // The program of version 0.1 knows the first migration alone, and no leases.
      await assert.rejects(
        migrate(database, { now: LATER, history: [first] }),
        /migration \d \((?:cluster|policies|devices)\)/,
      );
    });

    test('of a newer program whose word is none is refused', async () => {
      await using place = await create();
      await using database = await openMigrated(place);
      await database.write((tx) =>
        run(tx.query, 'update schema_migrations set runs_with = null where id = 2'),
      );
      const history = migrations.slice(0, 1);
      await assert.rejects(migrate(database, { now: LATER, history }), SchemaError);
    });

    test('of another history is refused, and left as it is', async () => {
      await using place = await create();
      await using database = await openMigrated(place);
      const rows = await readRows(place);
      const [first] = migrations;
      assert.ok(first);
      const altered = { ...first, statements: [...first.statements, 'create table more (id text)'] };
      for (const history of [
        [altered],
        [{ ...first, id: 7 }],
        [{ ...first, name: 'other' }],
        [altered, next],
      ]) {
        await assert.rejects(migrate(database, { now: LATER, history }), (error) => {
          assert.ok(error instanceof SchemaError);
          assert.match(
            error.message,
            /migration 1 \(first\) of the database is not the one this program has/,
          );
          return true;
        });
      }
      assert.deepEqual(await readRows(place), rows);
    });

    test('stays whole when a step of it fails', async () => {
      await using place = await create();
      await using database = await openMigrated(place);
      const rows = await readRows(place);
      const history = [...migrations, next, broken];
      await assert.rejects(migrate(database, { now: LATER, history }), /half/);
      assert.deepEqual(await readRows(place), rows);
      assert.equal(JSON.stringify(await describeSchema(place)).includes('motto'), false);
    });
  });
}

/** Migrates in a process of its own; its exit code and what it complained of. */
async function migrateInProcess({ url, file }: TestDatabase): Promise<string> {
  const at = (path: string) => JSON.stringify(new URL(path, import.meta.url));
  const script = `
    const { migrate } = await import(${at('./migrate.ts')});
    const { openSqlite } = await import(${at('./sqlite.ts')});
    const { openPostgres } = await import(${at('./postgres.ts')});
    const database = ${url === null ? `openSqlite(${JSON.stringify(file)})` : `openPostgres(${JSON.stringify(url)})`};
    await migrate(database, { now: '${NOW}' });
    await database.close();`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const said: string[] = [];
  child.stderr.on('data', (chunk) => said.push(String(chunk)));
  const [code] = await once(child, 'close');
  return `${code} ${said.join('')}`;
}
