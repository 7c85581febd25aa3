import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Standbys, startStandbys } from '../../test/support/standbys.ts';
import { insertAccount, NOW, namesOf } from '../../test/support/storage.ts';
import { UnknownCommitError } from './commits.ts';
import { failureOf } from './failures.ts';
import { migrate } from './migrate.ts';
import { createPool, createPostgres } from './postgres.ts';

/* A COMMIT that waits for a synchronous standby that is gone (design §4.9), on a PostgreSQL of its own. */

function isUnknown(error: unknown): boolean {
  return error instanceof UnknownCommitError && failureOf(error) === 'unavailable';
}

describe('a commit that waits for a standby', () => {
  const set: { standbys?: Standbys } = {};
  before(async () => {
    set.standbys = await startStandbys();
  });
  after(() => set.standbys?.[Symbol.asyncDispose]());

  const open = async ({ connections = 4, commitWithin = 30_000 } = {}) => {
    const standbys = set.standbys ?? assert.fail();
    const { url } = await standbys.createDatabase();
    const database = createPostgres(createPool(url ?? '', { connections }), { commitWithin });
    await migrate(database, { now: NOW });
    await standbys.demand();
    return { standbys, database, [Symbol.asyncDispose]: () => standbys.release() };
  };

  test('is no commit once its wait is cancelled: the server warns, and no effect takes place', async () => {
    await using it = await open();
    const effects: string[] = [];
    const written = it.database.write(async (tx) => {
      await insertAccount(tx, 'a');
      tx.afterCommit(() => effects.push('told'));
    });
    const outcome = assert.rejects(written, isUnknown);
    await it.standbys.untilWaiting(1);
    assert.deepEqual(await namesOf(it.database.reader), [], 'nobody sees it while it waits');
    await it.standbys.cancel();
    await outcome;
    assert.deepEqual(effects, []);
    assert.deepEqual(
      await namesOf(it.database.reader),
      ['a'],
      'it is there, and may be gone after a failover',
    );
    await it.standbys.release();
    await it.database.write((tx) => insertAccount(tx, 'b'));
    assert.deepEqual(
      await namesOf(it.database.reader),
      ['a', 'b'],
      'the next is one, by the same connection',
    );
    await it.database.close();
  });

  test('is given up in time and not cancelled; half of the connections are left for reading', async () => {
    await using it = await open({ commitWithin: 50 });
    const effects: string[] = [];
    const write = (id: string) =>
      it.database.write(async (tx) => {
        await insertAccount(tx, id);
        tx.afterCommit(() => effects.push(id));
      });
    for (const id of ['a', 'b']) await assert.rejects(write(id), isUnknown);
    await assert.rejects(write('c'), isUnknown);
    assert.equal(await it.standbys.waiting(), 2, 'the third did not begin');
    for (let round = 0; round < 8; round++) {
      assert.deepEqual(await it.database.snapshot((snapshot) => namesOf(snapshot)), []);
    }
    await it.standbys.release();
    assert.deepEqual(await namesOf(it.database.reader), ['a', 'b'], 'what was begun is there in the end');
    for (const id of ['d', 'e', 'f', 'g', 'h']) await write(id);
    assert.deepEqual(effects, ['d', 'e', 'f', 'g', 'h']);
    await it.database.close();
  });

  test('does not keep the process from ending', async () => {
    await using it = await open({ commitWithin: 50 });
    await assert.rejects(
      it.database.write((tx) => insertAccount(tx, 'a')),
      isUnknown,
    );
    await it.database.close();
    assert.equal(await it.standbys.waiting(), 1, 'the server goes on waiting');
  });
});
