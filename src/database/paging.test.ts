import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createTestClock } from '../../test/support/app.ts';
import { databases } from '../../test/support/postgres.ts';
import { NOW, openMigrated } from '../../test/support/storage.ts';
import type { Database } from './database.ts';
import { addToTotal, type KeyedList, listOfAll, readPage, readTotal, startAt } from './paging.ts';

type Row = { id: string; name: string };
type Direction = 'asc' | 'desc';

/** The accounts as a list, by name and then by id: names repeat, the two together do not. */
function listOf({ reader }: Database, direction: Direction): KeyedList<Row> {
  const select = reader.query.selectFrom('accounts').select(['id', 'name']);
  return {
    fetch: (start) => startAt(select, ['name', 'id'], start, direction).execute(),
    keyOf: ({ name, id }) => [name, id],
    total: async () => null,
  };
}

const insert = (database: Database, rows: readonly Row[]) =>
  database.write(async (tx) => {
    for (const row of rows) {
      await tx.query
        .insertInto('accounts')
        .values({ ...row, type: 'standard', created_on: NOW })
        .execute();
    }
  });

const remove = (database: Database, ids: readonly string[]) =>
  database.write(async (tx) => {
    if (ids.length > 0)
      await tx.query
        .deleteFrom('accounts')
        .where('id', 'in', [...ids])
        .execute();
  });

const empty = (database: Database) =>
  database.write(async (tx) => {
    for (const table of ['accounts', 'list_anchors'] as const) await tx.query.deleteFrom(table).execute();
  });

const direction = fc.constantFrom<Direction>('asc', 'desc');
const rows = fc.uniqueArray(
  fc.record({ id: fc.stringMatching(/^[a-c]{1,3}$/), name: fc.constantFrom('a', 'B', 'é', '\u{1f600}', '') }),
  { selector: ({ id }) => id, maxLength: 25 },
);
const changes = fc.array(
  fc.record({ added: fc.nat(3), name: fc.constantFrom('a', 'B', 'zz'), removed: fc.nat(3) }),
  {
    minLength: 1,
    maxLength: 6,
  },
);
const perPage = fc.integer({ min: 1, max: 7 });

for (const { name, create } of databases) {
  const numRuns = name === 'sqlite' ? 60 : 25;

  describe(`pages (${name})`, () => {
    test('of a list that rests are its parts, asked for in order or not', async () => {
      await using place = await create();
      await using database = await openMigrated(place);
      const clock = createTestClock();
      await fc.assert(
        fc.asyncProperty(rows, perPage, direction, async (all, size, way) => {
          await empty(database);
          await insert(database, all);
          const sorted = all.toSorted((one, other) => byName(one, other) * (way === 'asc' ? 1 : -1));
          const last = Math.ceil(all.length / size) + 1;
          const numbers = Array.from({ length: last }, (_, at) => at + 1);
          for (const [key, order] of [
            ['forth', numbers],
            ['back', numbers.toReversed()],
          ] as const) {
            for (const page of order) {
              const walk = { key, page, perPage: size };
              const { items } = await readPage({ database, clock }, walk, listOf(database, way));
              const expected = sorted.slice((page - 1) * size, page * size);
              assert.deepEqual(idsOf(items), idsOf(expected), `${key} ${page}`);
            }
          }
        }),
        { numRuns },
      );
    });

    test('far into a list are found by their place, and past its end there is nothing', async () => {
      await using place = await create();
      await using database = await openMigrated(place);
      const all = Array.from({ length: 1105 }, (_, at) => ({
        id: `id-${(at * 7) % 1105}`,
        name: `n${at % 10}`,
      }));
      await insert(database, all);
      for (const way of ['asc', 'desc'] as const) {
        const sorted = idsOf(all.toSorted((one, other) => byName(one, other) * (way === 'asc' ? 1 : -1)));
        for (const offset of [999, 1000, 1001, 1103, 1104, 1105, 5000]) {
          const items = await listOf(database, way).fetch({ after: null, offset, limit: 3 });
          assert.deepEqual(idsOf(items), sorted.slice(offset, offset + 3), `${way} ${offset}`);
        }
      }
    });

    test('of a walk show everybody who stays exactly once, whoever comes and goes between them', async () => {
      await using place = await create();
      await using database = await openMigrated(place);
      const clock = createTestClock();
      await fc.assert(
        fc.asyncProperty(rows, changes, perPage, direction, async (all, script, size, way) => {
          await empty(database);
          await insert(database, all);
          // An earlier walk of the same caller through the same list, whose anchors must not mislead this one.
          await walkThrough(way);
          const gone = new Set<string>();
          const added: string[] = [];
          const whole = { count: 0, ended: false };
          const seen = await walkThrough(way, async (page, items) => {
            if (!whole.ended) whole.count += items.length;
            whole.ended ||= items.length < size;
            const change = script[page - 1];
            if (!change) return;
            const fresh = Array.from({ length: change.added }, (_, at) => ({
              id: `new ${page} ${at}`,
              name: change.name,
            }));
            const leavers = [...items.slice(0, change.removed), ...all.slice(-change.removed || all.length)];
            for (const { id } of leavers) gone.add(id);
            added.push(...idsOf(fresh));
            await insert(database, fresh);
            await remove(
              database,
              leavers.map(({ id }) => id),
            );
          });
          const stayed = idsOf(all.filter(({ id }) => !gone.has(id)));
          assert.deepEqual(
            stayed.filter((id) => !seen.includes(id)),
            [],
            'nobody who stayed is missed',
          );
          const full = seen.slice(0, whole.count);
          assert.equal(new Set(full).size, full.length, 'nobody is seen twice before the list ended');
          const known = new Set([...idsOf(all), ...added]);
          assert.ok(seen.every((id) => known.has(id)));

          async function walkThrough(
            order: Direction,
            between: (page: number, items: readonly Row[]) => Promise<void> = async () => {},
          ): Promise<string[]> {
            const ids: string[] = [];
            for (let page = 1; ; page++) {
              const walk = { key: 'walk', page, perPage: size };
              const { items } = await readPage({ database, clock }, walk, listOf(database, order));
              if (items.length === 0) return ids;
              ids.push(...idsOf(items));
              assert.ok(page < 100, 'a walk ends');
              await between(page, items);
            }
          }
        }),
        { numRuns },
      );
    });

    test('of two walks do not know of each other', async () => {
      await using place = await create();
      await using database = await openMigrated(place);
      const clock = createTestClock();
      await insert(
        database,
        ['a', 'b', 'c', 'd', 'e'].map((id) => ({ id, name: id })),
      );
      const page = async (key: string, number: number, size: number) =>
        (
          await readPage({ database, clock }, { key, page: number, perPage: size }, listOf(database, 'asc'))
        ).items.map(({ id }) => id);
      assert.deepEqual(await page('mine', 1, 2), ['a', 'b']);
      await remove(database, ['a']);
      assert.deepEqual(await page('theirs', 2, 2), ['d', 'e']);
      assert.deepEqual(await page('mine', 2, 3), ['e']);
      assert.deepEqual(await page('mine', 2, 2), ['c', 'd']);
    });
  });

  test(`a total counts what happened at once, and what failed not at all (${name})`, async () => {
    await using place = await create();
    await using database = await openMigrated(place);
    await insert(database, [{ id: 'a', name: 'a' }]);
    assert.equal(await readTotal(database.reader, 'a', 'things'), 0);
    await Promise.all(
      Array.from({ length: 20 }, () => database.write((tx) => addToTotal(tx, 'a', 'things', 1))),
    );
    await database.write((tx) => addToTotal(tx, 'a', 'things', -3));
    const failing = database.write(async (tx) => {
      await addToTotal(tx, 'a', 'things', 100);
      throw new Error('no');
    });
    await assert.rejects(failing, /no/);
    assert.equal(await readTotal(database.reader, 'a', 'things'), 17);
    assert.equal(await readTotal(database.reader, 'a', 'others'), 0);
  });
}

test('a list that was read whole goes on after the row where the walk ended, or after where that row was', async () => {
  const named = (...ids: string[]) => ids.map((id, order) => ({ id, order }));
  const from = async (all: { id: string; order: number }[], after: (string | number)[] | null) =>
    (await listOfAll(all, ({ order, id }) => [order, id]).fetch({ after, offset: 1, limit: 2 })).map(
      ({ id }) => id,
    );
  assert.deepEqual(await from(named('a', 'b', 'c', 'd'), null), ['b', 'c']);
  assert.deepEqual(await from(named('b', 'c', 'd'), [1, 'b']), ['c', 'd'], 'it stands elsewhere now');
  assert.deepEqual(await from(named('a', 'c', 'd', 'e'), [1, 'b']), ['c', 'd'], 'it is gone');
  assert.deepEqual(await from(named('a'), [1, 'b']), [], 'nothing is left');
});

function idsOf(some: readonly Row[]): string[] {
  return some.map(({ id }) => id);
}

/** By code point, as both databases do. */
function byName(one: Row, other: Row): number {
  return Buffer.compare(Buffer.from(`${one.name}\0${one.id}`), Buffer.from(`${other.name}\0${other.id}`));
}
