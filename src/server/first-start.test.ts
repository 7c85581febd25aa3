import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { databases, type TestDatabase } from '../../test/support/postgres.ts';
import { readRows } from '../../test/support/rows.ts';
import { openMigrated } from '../../test/support/storage.ts';
import { readConfig } from '../config.ts';
import type { Database } from '../database/database.ts';
import { systemClock } from '../kernel/clock.ts';
import { firstStart } from './first-start.ts';
import { StartError } from './start-error.ts';

function configOf({ url, folder }: TestDatabase, flags: readonly string[] = []) {
  const reading = readConfig([`--data=${folder}`, `--database-url=${url}`, ...flags], {});
  return reading.ok ? reading.config : assert.fail(reading.problems.join());
}

/** Two nodes that have both found the database empty before either has written; then the first of them writes first. */
async function race(database: Database, other: Database, configs: readonly ReturnType<typeof configOf>[]) {
  const [first, second] = configs;
  assert.ok(first && second);
  const isDone = Promise.withResolvers<void>();
  const held: Database = {
    ...other,
    write: async (work) => {
      await isDone.promise;
      return await other.write(work);
    },
  };
  const later = firstStart(second, { database: held, clock: systemClock });
  later.catch(() => {});
  const made = await firstStart(first, { database, clock: systemClock });
  isDone.resolve();
  return { made, later };
}

describe('the first start of two nodes that both find the database empty (postgres)', () => {
  const create = databases.find(({ name }) => name === 'postgres')?.create ?? assert.fail();

  test('one makes the account; the other, with another master key, is refused and has told nobody of credentials', async () => {
    await using place = await create();
    await using elsewhere = await create();
    await using database = await openMigrated(place);
    await using other = await openMigrated(place);
    const there = { ...place, folder: elsewhere.folder };
    const { made, later } = await race(database, other, [configOf(place), configOf(there)]);
    assert.equal(made.isFirstStart, true);
    await assert.rejects(later, (error) => {
      assert.ok(error instanceof StartError);
      assert.match(
        error.message,
        /is not the one that the database was sealed with; every node needs the same$/,
      );
      return true;
    });
    const rows = await readRows(place);
    assert.deepEqual(
      [rows.accounts?.length, rows.administrators?.length, rows.signing_keys?.length],
      [1, 1, 2],
    );
    assert.equal(existsSync(path.join(elsewhere.folder, 'credentials.json')), false);
  });

  test('with one master key the other goes on with that account, or is refused for its team domain', async () => {
    await using place = await create();
    await using elsewhere = await create();
    await using database = await openMigrated(place);
    await using other = await openMigrated(place);
    const key = `--master-key-file=${path.join(place.folder, 'master.key')}`;
    const there = { ...place, folder: elsewhere.folder };
    const { later } = await race(database, other, [configOf(place), configOf(there, [key])]);
    const { isFirstStart, teamDomain } = await later;
    assert.deepEqual([isFirstStart, teamDomain], [false, configOf(place).teamDomain]);
    assert.equal((await readRows(place)).accounts?.length, 1);

    await using second = await create();
    await using third = await openMigrated(second);
    await using fourth = await openMigrated(second);
    const team = '--team-domain=another.localhost:8787';
    const raced = await race(third, fourth, [configOf(second), configOf(second, [team])]);
    await assert.rejects(raced.later, /the database says/);
    assert.equal((await readRows(second)).accounts?.length, 1);
  });
});
