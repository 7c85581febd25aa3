import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { databases } from '../../test/support/postgres.ts';
import { insertAccount as insert, NOW, namesOf, openMigrated, run } from '../../test/support/storage.ts';
import { forUpdate, likeLiteral, type Reader, type Tx } from './database.ts';
import { failureOf } from './failures.ts';

for (const { name, create } of databases) {
  describe(`a transaction (${name})`, () => {
    test('is whole, and its effects come after its commit and before its end, in their order', async () => {
      await using place = await create();
      await using database = await openMigrated(place);
      const order: string[] = [];
      const result = await database.write(async (tx) => {
        tx.afterCommit(() => order.push('first'));
        await insert(tx, 'a');
        tx.afterCommit(() => order.push('second'));
        await insert(tx, 'b');
        order.push('work is done');
        assert.deepEqual(await namesOf(database.reader), [], 'nobody sees it yet');
        return 'result';
      });
      order.push('write has ended');
      assert.equal(result, 'result');
      assert.deepEqual(order, ['work is done', 'first', 'second', 'write has ended']);
      assert.deepEqual(await namesOf(database.reader), ['a', 'b']);
    });

    test('that fails leaves nothing and has no effects', async () => {
      await using place = await create();
      await using database = await openMigrated(place);
      const effects: string[] = [];
      const failing = [
        async (tx: Tx) => {
          await insert(tx, 'a');
          throw new Error('changed our mind');
        },
        async (tx: Tx) => {
          await insert(tx, 'a');
          await insert(tx, 'a');
        },
      ];
      for (const work of failing) {
        const outcome = database.write(async (tx) => {
          tx.afterCommit(() => effects.push('effect'));
          await work(tx);
        });
        await assert.rejects(outcome);
      }
      assert.deepEqual([effects, await namesOf(database.reader)], [[], []]);
      await database.write((tx) => insert(tx, 'b'));
      assert.deepEqual(await namesOf(database.reader), ['b'], 'and the next one works');
    });

    test('waits for the one before it, and many at once all come to pass', async () => {
      await using place = await create();
      await using database = await openMigrated(place);
      await database.write((tx) => insert(tx, 'counter', '0'));
      const add = (tx: Tx) =>
        forUpdate(tx, tx.query.selectFrom('accounts').select('name').where('id', '=', 'counter'))
          .executeTakeFirstOrThrow()
          .then((row) =>
            tx.query
              .updateTable('accounts')
              .set({ name: String(Number(row.name) + 1) })
              .where('id', '=', 'counter')
              .execute(),
          );
      await Promise.all(Array.from({ length: 40 }, () => database.write(add)));
      assert.deepEqual(await namesOf(database.reader), ['40']);
    });

    test('that only reads sees one moment, whatever is committed meanwhile, and cannot write', async () => {
      await using place = await create();
      await using database = await openMigrated(place);
      await database.write((tx) => insert(tx, 'a'));
      const read = async (reader: Reader) => {
        const before = await namesOf(reader);
        await database.write((tx) => insert(tx, 'b'));
        return [before, await namesOf(reader)];
      };
      assert.deepEqual(await database.snapshot(read, { repeatable: true }), [['a'], ['a']]);
      assert.deepEqual(await namesOf(database.reader), ['a', 'b']);
      const write = database.snapshot((snapshot) => run(snapshot.query, "update accounts set name = 'x'"));
      await assert.rejects(write, /read-?only/);
      assert.deepEqual(await namesOf(database.reader), ['a', 'b']);
    });

    test('sorts text by code point, with capitals before small letters', async () => {
      await using place = await create();
      await using database = await openMigrated(place);
      const names = ['a', 'B', 'é', 'z', 'Z', '_', '\u{1f600}', '\uffee'];
      await database.write(async (tx) => {
        for (const one of names) await insert(tx, one);
      });
      assert.deepEqual(await namesOf(database.reader), ['B', 'Z', '_', 'a', 'z', 'é', '\uffee', '\u{1f600}']);
    });

    test('is told apart by what went wrong', async () => {
      await using place = await create();
      await using database = await openMigrated(place);
      await database.write((tx) => insert(tx, 'a'));
      const orphan = { id: 'z', account_id: 'nobody', name: 'z', created_on: NOW, modified_on: NOW };
      const table: readonly [string, (tx: Tx) => Promise<unknown>, ReturnType<typeof failureOf>][] = [
        ['a key that is there', (tx) => insert(tx, 'a'), 'unique'],
        [
          'a parent that is not',
          (tx) => tx.query.insertInto('zones').values(orphan).execute(),
          'foreign_key',
        ],
        ['a table that is not', (tx) => run(tx.query, 'select * from nowhere'), null],
        ['a mistake of ours', async () => assert.fail('mistake'), null],
      ];
      for (const [what, work, expected] of table) {
        const error = await database.write(work).catch((thrown: unknown) => thrown);
        assert.ok(error instanceof Error, what);
        assert.equal(failureOf(error), expected, what);
      }
      for (const odd of [undefined, null, 'text', {}, { code: '23505' }]) assert.equal(failureOf(odd), null);
    });
  });
}

test('every character of a term that is looked for stands for itself', () => {
  assert.equal(likeLiteral('100%_\\'), '%100\\%\\_\\\\%');
});
