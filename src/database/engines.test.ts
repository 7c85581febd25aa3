import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Client } from 'pg';
import { databases, type TestDatabase } from '../../test/support/postgres.ts';
import { insertAccount as insert, namesOf, openMigrated, run } from '../../test/support/storage.ts';
import { type Database, forUpdate, isAlive, type Tx } from './database.ts';
import { failureOf } from './failures.ts';
import { openPostgres } from './postgres.ts';

/* What only one of the two databases does. */

async function openOn(kind: 'sqlite' | 'postgres'): Promise<[TestDatabase, Database & AsyncDisposable]> {
  const place = await databases.find(({ name }) => name === kind)?.create();
  assert.ok(place);
  return [place, await openMigrated(place)];
}

describe('on PostgreSQL', () => {
  for (const code of ['40001', '40P01']) {
    test(`a transaction that the database gives up with ${code} runs again, and has its effects once`, async () => {
      const [place, database] = await openOn('postgres');
      await using _place = place;
      await using _database = database;
      const runs: string[] = [];
      const effects: string[] = [];
      await database.write(async (tx) => {
        runs.push('run');
        const which = `attempt ${runs.length}`;
        tx.afterCommit(() => effects.push(which));
        await insert(tx, which);
        if (runs.length < 4)
          await run(tx.query, `do $$ begin raise exception using errcode = '${code}'; end $$`);
      });
      assert.deepEqual([runs.length, effects], [4, ['attempt 4']]);
      assert.deepEqual(await namesOf(database.reader), ['attempt 4']);
    });
  }

  test('one that never succeeds is given up in the end, and what it was is told', async () => {
    const [place, database] = await openOn('postgres');
    await using _place = place;
    await using _database = database;
    const runs: string[] = [];
    const error = await database
      .write(async (tx) => {
        tx.afterCommit(() => assert.fail('nothing was committed'));
        runs.push('run');
        await run(tx.query, "do $$ begin raise exception using errcode = '40001'; end $$");
      })
      .catch((thrown: unknown) => thrown);
    assert.equal(failureOf(error), 'conflict');
    assert.equal(runs.length, 8);
  });

  test('two transactions that wait for each other both come to pass, each with its effects once', async () => {
    const [place, database] = await openOn('postgres');
    await using _place = place;
    await using _database = database;
    await database.write(async (tx) => {
      for (const id of ['a', 'b']) await insert(tx, id);
    });
    const effects: string[] = [];
    const met = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
    const runs = { ab: 0, ba: 0 };
    const lock = (tx: Tx, id: string) =>
      tx.query.updateTable('accounts').set({ type: 'locked' }).where('id', '=', id).execute();
    const cross = (which: 'ab' | 'ba', mine: number) =>
      database.write(async (tx) => {
        runs[which]++;
        tx.afterCommit(() => effects.push(which));
        const [first = '', second = ''] = which;
        await lock(tx, first);
        met[mine]?.resolve();
        await Promise.all(met.map(({ promise }) => promise));
        await lock(tx, second);
      });
    await Promise.all([cross('ab', 0), cross('ba', 1)]);
    assert.deepEqual(effects.toSorted(), ['ab', 'ba']);
    assert.ok(runs.ab + runs.ba > 2, 'they did meet');
  });

  test('a locked row is locked for others', async () => {
    const [place, database] = await openOn('postgres');
    await using _place = place;
    await using _database = database;
    await database.write((tx) => insert(tx, 'a'));
    const other = new Client(place.url ?? '');
    await other.connect();
    await database.write(async (tx) => {
      await forUpdate(tx, tx.query.selectFrom('accounts').select('id').where('id', '=', 'a')).execute();
      await assert.rejects(other.query("select id from accounts where id = 'a' for update nowait"), {
        code: '55P03',
      });
    });
    assert.equal((await other.query("select id from accounts where id = 'a' for update nowait")).rowCount, 1);
    await other.end();
  });

  test('a commit waits for the disk whatever the server’s default says', async () => {
    const [place, database] = await openOn('postgres');
    await using _place = place;
    const owner = new Client(place.url ?? '');
    await owner.connect();
    await owner.query('alter role current_user set synchronous_commit = off');
    await using fresh = { ...openPostgres(place.url ?? ''), [Symbol.asyncDispose]: () => fresh.close() };
    const asked = await database.write(async () => {
      const { rows } = await fresh.write((tx) => run(tx.query, 'show synchronous_commit'));
      return rows;
    });
    await owner.query('alter role current_user reset synchronous_commit');
    await owner.end();
    await database.close();
    assert.deepEqual(asked, [{ synchronous_commit: 'on' }]);
  });

  test('a server that is away, or goes away in between, is unavailable and no mistake', async () => {
    const [place, database] = await openOn('postgres');
    await using _place = place;
    await using _database = database;
    const nowhere = openPostgres('postgres://nobody@127.0.0.1:1/nothing');
    const away = await namesOf(nowhere.reader).catch((thrown: unknown) => thrown);
    assert.equal(failureOf(away), 'unavailable');
    assert.equal(await isAlive(nowhere.reader), false);
    await nowhere.close();
    const cut = await database
      .write((tx) => run(tx.query, 'select pg_terminate_backend(pg_backend_pid())'))
      .catch((thrown: unknown) => thrown);
    assert.equal(failureOf(cut), 'unavailable');
    const slow = await database
      .write((tx) => run(tx.query, 'set local statement_timeout = 1; select pg_sleep(60)'))
      .catch((thrown: unknown) => thrown);
    assert.equal(failureOf(slow), 'unavailable');
    assert.equal(await isAlive(database.reader), true);
  });

  test('a number beyond what can be told exactly is refused, not rounded', async () => {
    const [place, database] = await openOn('postgres');
    await using _place = place;
    await using _database = database;
    const big = (text: string) => database.write((tx) => run(tx.query, `select ${text}::bigint as big`));
    assert.deepEqual((await big('9007199254740991')).rows, [{ big: 9007199254740991 }]);
    await assert.rejects(big('9007199254740993'), RangeError);
  });
});

describe('on SQLite', () => {
  test('a returned commit survives a power cut, and parents are asked for', async () => {
    const [place, database] = await openOn('sqlite');
    await using _place = place;
    await using _database = database;
    const ask = async (pragma: string) => {
      const { rows } = await database.write((tx) => run(tx.query, `pragma ${pragma}`));
      return Object.values(rows[0] as object)[0];
    };
    assert.deepEqual(
      [await ask('journal_mode'), await ask('synchronous'), await ask('foreign_keys')],
      ['wal', 2, 1],
    );
  });

  test('a full disk is unavailable and no mistake, and what was there stays', async () => {
    const [place, database] = await openOn('sqlite');
    await using _place = place;
    await using _database = database;
    await database.write((tx) => insert(tx, 'a'));
    await database.write((tx) => run(tx.query, 'pragma max_page_count = 1'));
    const full = await database
      .write((tx) => insert(tx, 'b', 'b'.repeat(1_000_000)))
      .catch((thrown: unknown) => thrown);
    assert.equal(failureOf(full), 'unavailable');
    assert.deepEqual(await namesOf(database.reader), ['a']);
  });
});
