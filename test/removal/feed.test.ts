import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Database } from '../../src/database/database.ts';
import { operator } from '../../src/kernel/actor.ts';
import { type FeedBatch, revocation } from '../../src/protocol/feed.ts';
import type { Rev } from '../../src/protocol/rev.ts';
import { aloneControl, commitAct } from '../../src/removal/act.ts';
import { createFeed, type Feed, type StateSource } from '../../src/removal/feed.ts';
import { databases, type TestDatabase } from '../support/postgres.ts';
import { closing, hold, holdSource, inTurns } from './held-snapshots.ts';
import { createStillClock, NO_RIGHTS_ASKED } from './steps.ts';
import { makeAccount, openAgain, openDatabase } from './world.ts';

/** A follower that writes down what it is told. */
function createRecorder() {
  const told: string[] = [];
  return {
    told,
    load: ({ head }: { head: Rev }) => void told.push(`load ${head.position}`),
    apply: ({ at, items }: FeedBatch) => {
      const names = items.flatMap((item) => (item.kind === 'revocation' ? [item.subject.id] : []));
      told.push([at.position, ...names].join(' '));
    },
  };
}

interface Scene extends AsyncDisposable {
  readonly database: Database;
  readonly accountId: string;
  readonly feed: Feed;
  readonly told: string[];
  /** What was applied here and the database does not know. */
  readonly lost: Rev[];
  /** An act of another process: this one's feed hears nothing of it. */
  elsewhere(...subjects: string[]): Promise<FeedBatch>;
  /** A feed of its own on the same database. */
  follow(database: Database, sources?: readonly StateSource[]): { feed: Feed; told: string[]; lost: Rev[] };
}

async function prepare(test: TestDatabase): Promise<Scene> {
  const database = await openDatabase(test);
  const other = openAgain(test);
  const accountId = await database.write((tx) => makeAccount(tx, 'acme', '2026-11-20T12:00:00.000Z'));
  const follow: Scene['follow'] = (over, sources = []) => {
    const recorder = createRecorder();
    const lost: Rev[] = [];
    const onLost = (_accountId: string, { epoch, position }: Rev) => void lost.push({ epoch, position });
    const feed = createFeed({ database: over, follower: recorder, sources, onLost });
    return { feed, told: recorder.told, lost };
  };
  const { feed, told, lost } = follow(database);
  await feed.start();
  let position = 0;
  return {
    database,
    accountId,
    feed,
    told,
    lost,
    follow,
    elsewhere: async (...subjects) => {
      await revokeIn({ database: other, accountId }, subjects);
      position += 1;
      return batch(accountId, position, subjects);
    },
    [Symbol.asyncDispose]: async () => {
      await other.close();
      await database.close();
    },
  };
}

async function revokeIn({ database, accountId }: Pick<Scene, 'database' | 'accountId'>, subjects: string[]) {
  const control = aloneControl({ database, clock: createStillClock() });
  await commitAct(control, { accountId, actor: operator, authorize: NO_RIGHTS_ASKED }, async () => ({
    result: null,
    items: subjects.map((id) => revocation({ type: 'user', id })),
    audit: { action: 'test.revoke', resource: { type: 'user', id: subjects.join() } },
  }));
}

function batch(accountId: string, position: number, subjects: string[]): FeedBatch {
  const items = subjects.map((id) => revocation({ type: 'user', id }));
  return { accountId, at: { epoch: 1, position }, items, chain: '' };
}

const at = (position: number, epoch = 1): Rev => ({ epoch, position });

for (const { name, create } of databases) {
  const scene = async (test: TestDatabase) => prepare(test);
  describe(`the feed (${name})`, () => {
    test('what another process committed is read before what this one committed after it is in force', async () => {
      await using database = await create();
      await using it = await scene(database);
      await it.elsewhere('ada');
      await it.elsewhere();
      const own = await it.elsewhere('bob', 'eve');
      it.feed.committed(own);
      assert.deepEqual(it.told, ['load 0'], 'nothing is applied over a gap');
      await it.feed.reach(it.accountId, own.at);
      assert.deepEqual(it.told, ['load 0', '1 ada', '3 bob eve']);
    });

    test('what follows at once is applied in the same turn, and never twice', async () => {
      await using database = await create();
      await using it = await scene(database);
      const [one, two] = [await it.elsewhere('ada'), await it.elsewhere('bob')];
      it.feed.committed(one);
      it.feed.committed(two);
      assert.deepEqual(it.told, ['load 0', '1 ada', '2 bob']);
      it.feed.committed(one);
      it.feed.committed(two);
      await it.feed.reach(it.accountId, two.at);
      await it.feed.catchUp(it.accountId);
      assert.deepEqual(it.told, ['load 0', '1 ada', '2 bob']);
    });

    test('commits that are told out of order are applied in order', async () => {
      await using database = await create();
      await using it = await scene(database);
      const batches = [await it.elsewhere('ada'), await it.elsewhere('bob'), await it.elsewhere('eve')];
      for (const told of batches.toReversed()) it.feed.committed(told);
      assert.deepEqual(it.told, ['load 0', '1 ada'], 'only what has no gap before it');
      await it.feed.reach(it.accountId, at(3));
      assert.deepEqual(it.told, ['load 0', '1 ada', '2 bob', '3 eve']);
    });

    test('a commit that is told while the gap is being read is applied once, in its place', async () => {
      await using database = await create();
      await using it = await scene(database);
      const slow = hold(it.database);
      const { feed, told } = it.follow(slow.database);
      await feed.start();
      const [one, two] = [await it.elsewhere('ada'), await it.elsewhere('bob')];
      slow.hold();
      const reached = feed.catchUp(it.accountId);
      await slow.held;
      feed.committed(one);
      feed.committed(two);
      slow.release();
      await reached;
      assert.deepEqual(told, ['load 0', '1 ada', '2 bob']);
    });

    test('whoever asks while another is being served waits for all that was committed before they asked', async () => {
      await using database = await create();
      await using it = await scene(database);
      const slow = hold(it.database, 'after');
      const { feed, told } = it.follow(slow.database);
      await feed.start();
      await it.elsewhere('ada');
      slow.hold();
      const first = feed.catchUp(it.accountId);
      await slow.held;
      await it.elsewhere('bob');
      const second = feed.catchUp(it.accountId).then(() => [...told]);
      const third = feed.catchUp(it.accountId).then(() => [...told]);
      slow.release();
      await first;
      for (const seen of await Promise.all([second, third])) assert.ok(seen.includes('2 bob'), seen.join());
      assert.deepEqual(told, ['load 0', '1 ada', '2 bob']);
    });

    test('a reading that fails is not held against those who asked meanwhile', async () => {
      await using database = await create();
      await using it = await scene(database);
      const slow = hold(it.database);
      const { feed, told } = it.follow(slow.database);
      await feed.start();
      await it.elsewhere('ada');
      slow.hold();
      const first = feed.catchUp(it.accountId);
      await slow.held;
      const second = feed.reach(it.accountId, at(1));
      slow.fail(new Error('the connection is lost'));
      await assert.rejects(first, /the connection is lost/);
      await second;
      assert.deepEqual(told, ['load 0', '1 ada']);
    });

    test('an account that is made later is loaded when its first position is to be reached', async () => {
      await using database = await create();
      await using it = await scene(database);
      const accountId = await it.database.write((tx) => makeAccount(tx, 'later', '2026-11-20T12:00:00.000Z'));
      await revokeIn({ database: it.database, accountId }, ['ada']);
      it.feed.committed(batch(accountId, 1, ['ada']));
      assert.deepEqual(it.told, ['load 0'], 'a first entry is no state');
      await it.feed.reach(accountId, at(1));
      assert.deepEqual(it.told, ['load 0', 'load 1']);
    });

    test('a position that never comes, or is of another epoch, is never said to be in force', async () => {
      await using database = await create();
      await using it = await scene(database);
      await it.elsewhere('ada');
      await assert.rejects(it.feed.reach(it.accountId, at(2)), /did not reach/);
      await assert.rejects(it.feed.reach(it.accountId, at(1, 2)), /did not reach/);
      await assert.rejects(it.feed.reach('no such account', at(0)), /did not reach/);
      assert.deepEqual(it.told, ['load 0', '1 ada']);
    });

    test('schedule 16: an older snapshot that comes in late does not take a position back', async () => {
      await using database = await create();
      await using it = await scene(database);
      const slow = holdSource();
      await using other = closing(openAgain(database));
      const { feed, told } = it.follow(inTurns(it.database, other.database), [slow.source]);
      const starting = feed.start();
      await slow.held;
      await it.elsewhere('ada');
      await feed.reach(it.accountId, at(1));
      assert.deepEqual(told, ['load 1']);
      slow.release();
      await starting;
      assert.deepEqual(told, ['load 1'], 'the snapshot of position 0 is dropped');
    });

    test('an account whose feed was pruned beyond what is known here is loaded anew', async () => {
      await using database = await create();
      await using it = await scene(database);
      for (const id of ['ada', 'bob', 'eve']) await it.elsewhere(id);
      await it.database.write(async (tx) => {
        await tx.query.deleteFrom('feed_entries').where('position', '<=', 2).execute();
        await tx.query.updateTable('feed_heads').set({ floor: 2 }).execute();
      });
      await it.feed.catchUp(it.accountId);
      assert.deepEqual(it.told, ['load 0', 'load 3'], 'what was pruned is not skipped');
    });

    test('an account that begins a new epoch under a running process is loaded whole, and what is lost never reached', async () => {
      await using database = await create();
      await using it = await scene(database);
      await it.elsewhere('ada');
      await it.feed.poll();
      await setHead(it, { epoch: 2, position: 3, formers: '[{"epoch":1,"ended":2}]' });
      await it.feed.poll();
      assert.deepEqual(it.told, ['load 0', '1 ada', 'load 3']);
      assert.deepEqual(it.lost, [], 'what was applied here is part of what goes on');
      await it.feed.reach(it.accountId, at(2));
      await it.feed.reach(it.accountId, at(3, 2));
      await assert.rejects(it.feed.reach(it.accountId, at(3)), /did not reach/);
      await it.elsewhere('bob');
      await it.feed.poll();
      assert.deepEqual(it.told, ['load 0', '1 ada', 'load 3', '4 bob']);
    });

    test('a database that knows less than was applied here takes nothing back, and that is told', async () => {
      await using database = await create();
      await using it = await scene(database);
      await setHead(it, { epoch: 2 });
      await it.elsewhere('ada');
      await it.feed.poll();
      assert.deepEqual([it.told, it.lost], [['load 0', 'load 1'], []]);
      await setHead(it, { epoch: 2, position: 0 });
      await it.feed.poll();
      assert.deepEqual(it.lost, [at(1, 2)], 'of the same epoch');
      await setHead(it, { epoch: 1, position: 5 });
      await it.feed.poll();
      await it.feed.catchUp(it.accountId);
      assert.deepEqual(it.lost.slice(1), [at(1, 2), at(1, 2)], 'of an earlier epoch, each time it is read');
      assert.deepEqual(it.told, ['load 0', 'load 1']);
      await assert.rejects(it.feed.reach(it.accountId, at(5)), /did not reach/);
      const before = it.lost.length;
      await setHead(it, { epoch: 9, position: 6, formers: '[{"epoch":1,"ended":-1}]' });
      await it.feed.poll();
      assert.equal(it.told.at(-1), 'load 6');
      assert.equal(it.lost.length, before, 'the epoch that begins for that reason is no loss');
    });

    test('a loss is told where a failover kept less than was applied here', async () => {
      await using database = await create();
      await using it = await scene(database);
      for (const id of ['ada', 'bob']) await it.elsewhere(id);
      await it.feed.poll();
      await setHead(it, { epoch: 2, position: 2, formers: '[{"epoch":1,"ended":1}]' });
      await it.feed.poll();
      assert.deepEqual(it.lost, [at(2)]);
      assert.equal(it.told.at(-1), 'load 2');
    });
  });
}

async function setHead({ database }: Scene, head: { epoch: number; position?: number; formers?: string }) {
  await database.write((tx) => tx.query.updateTable('feed_heads').set(head).execute());
}
