import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openAgain } from '../../../test/removal/world.ts';
import { newestEntry } from '../../../test/support/access.ts';
import { createTestKeyTimer, keyRows, publishedKids } from '../../../test/support/key-timer.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases } from '../../../test/support/stage.ts';
import { DAY, MINUTE } from '../../kernel/clock.ts';
import { aloneControl } from '../../removal/act.ts';
import { ASSERTIONS_END_WITHIN, PUBLISHED_FOR } from './schedule.ts';

/*
 * The timer, turn by turn. The wall clock is the server's, which the test moves; how long a key has been
 * published is the timer's own stopwatch, which the test moves as well.
 */

onBothDatabases('the key timer', (stage) => {
  const idsOf = (rows: readonly { id: string }[]) => rows.map(({ id }) => id).sort();
  const rotate = () =>
    stage.app.sdk().zeroTrust.access.keys.rotate({ account_id: stage.app.credentials.account_id });

  /** The state between two tests: keys that sign, perhaps former ones, none that wait. */
  const settle = async () => {
    const timer = createTestKeyTimer(stage.app);
    await timer.turn();
    await timer.turn(PUBLISHED_FOR);
    const keys = await keyRows(stage.app);
    assert.deepEqual([keys.next.length, keys.current.length], [0, 2]);
    return keys;
  };

  /** Plays it with the server's clock so far off, and puts the clock right again. */
  const whileOff = async <T>(by: number, work: () => Promise<T>) => {
    stage.app.clock.advance(by);
    try {
      return await work();
    } finally {
      stage.app.clock.advance(-by);
    }
  };

  test('writes nothing where nothing is due', async () => {
    const rows = await readRows(stage.database);
    const timer = createTestKeyTimer(stage.app);
    for (let nth = 0; nth < 3; nth++) await timer.turn(DAY);
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('lets a key sign when it was published for a quarter of an hour, and not a moment before', async () => {
    const before = await settle();
    await rotate();
    const { next } = await keyRows(stage.app);
    const timer = createTestKeyTimer(stage.app);
    await timer.turn();
    await timer.turn(PUBLISHED_FOR - 1);
    assert.deepEqual(idsOf((await keyRows(stage.app)).current), idsOf(before.current));
    await timer.turn(1);
    const after = await keyRows(stage.app);
    assert.deepEqual(idsOf(after.current), idsOf(next));
    assert.deepEqual(idsOf(after.former), idsOf(before.current));
    const { action, actor, metadata } = await newestEntry(stage.app);
    assert.equal(action?.type, 'keys.promote');
    assert.equal(metadata.actor_type, 'system');
    assert.equal(actor?.email, undefined);
    assert.deepEqual([...(metadata.keys as string[])].sort(), idsOf([...next, ...before.current]));
  });

  test('erases the private half of a key that signs no more, and publishes the public half on', async () => {
    await settle();
    const { former, current } = await keyRows(stage.app);
    assert.ok(former.length > 0);
    assert.ok(former.every(({ private_jwk }) => private_jwk === null));
    assert.ok(current.every(({ private_jwk }) => private_jwk !== null));
    assert.deepEqual(await publishedKids(stage.app), idsOf([...former, ...current]));
  });

  test('is not hurried by a clock that jumps a day ahead, nor kept by one that falls a day back', async () => {
    const before = await settle();
    await rotate();
    const hurried = createTestKeyTimer(stage.app);
    await hurried.turn();
    await whileOff(DAY, () => hurried.turn(MINUTE));
    assert.deepEqual(idsOf((await keyRows(stage.app)).current), idsOf(before.current));
    await whileOff(-DAY, () => hurried.turn(PUBLISHED_FOR));
    const after = await keyRows(stage.app);
    assert.equal(after.next.length, 0);
    assert.notDeepEqual(idsOf(after.current), idsOf(before.current));
  });

  test('of a new process waits anew for a key that it finds', async () => {
    const before = await settle();
    await rotate();
    const dying = createTestKeyTimer(stage.app);
    await dying.turn();
    await dying.turn(PUBLISHED_FOR - 1);
    const reborn = createTestKeyTimer(stage.app);
    await reborn.turn(PUBLISHED_FOR);
    await reborn.turn(PUBLISHED_FOR - 1);
    assert.deepEqual(idsOf((await keyRows(stage.app)).current), idsOf(before.current));
    await reborn.turn(1);
    assert.equal((await keyRows(stage.app)).next.length, 0);
  });

  test('rotates when the interval is over, once, and not again when the clock goes back or on', async () => {
    const before = await settle();
    const timer = createTestKeyTimer(stage.app);
    await whileOff(43 * DAY, () => timer.turn());
    const { next } = await keyRows(stage.app);
    assert.equal(next.length, 2);
    const { action, metadata } = await newestEntry(stage.app);
    assert.equal(action?.type, 'keys.rotate');
    assert.equal(metadata.actor_type, 'system');
    for (const off of [42, 44, 43, 42, 44]) await whileOff(off * DAY, () => timer.turn(MINUTE));
    assert.deepEqual(idsOf((await keyRows(stage.app)).next), idsOf(next));
    await whileOff(43 * DAY, () => timer.turn(PUBLISHED_FOR));
    const after = await keyRows(stage.app);
    assert.deepEqual(idsOf(after.current), idsOf(next));
    for (const off of [42, 44, 43, 42, 44]) await whileOff(off * DAY, () => timer.turn(DAY));
    const last = await keyRows(stage.app);
    assert.deepEqual([last.next.length, idsOf(last.current)], [0, idsOf(after.current)]);
    assert.ok(before.current.every(({ id }) => idsOf(after.former).includes(id)));
  });

  test('on two nodes at once does everything once', async () => {
    // The tests before have moved the last rotation 43 days ahead.
    stage.app.clock.advance(90 * DAY);
    const { app } = stage.app;
    await using other =
      stage.database.url === null
        ? { database: app.control.database, [Symbol.asyncDispose]: async () => {} }
        : second(openAgain(stage.database));
    const elsewhere = aloneControl({ database: other.database, clock: app.control.clock });
    const timers = [
      createTestKeyTimer(stage.app),
      createTestKeyTimer(stage.app, elsewhere),
      createTestKeyTimer(stage.app, elsewhere),
    ];
    const settled = async (after = 0) => {
      await Promise.all(timers.map((timer) => timer.turn(after)));
      await app.control.feed.poll();
      return await keyRows(stage.app);
    };
    const entries = async () => (await readRows(stage.database)).audit_entries?.length ?? 0;
    await settled();
    const { next, former } = await settled(ASSERTIONS_END_WITHIN);
    assert.deepEqual([next.length, former.length], [2, 0]);
    const before = await entries();
    const { current } = await settled(PUBLISHED_FOR);
    assert.deepEqual(idsOf(current), idsOf(next));
    assert.equal(await entries(), before + 1);
    await settled();
    assert.equal(await entries(), before + 1);
    const after = await settled(ASSERTIONS_END_WITHIN);
    assert.equal(await entries(), before + 2);
    assert.deepEqual([after.next.length, after.current.length, after.former.length], [0, 2, 1]);
    assert.deepEqual(await publishedKids(stage.app), idsOf(after.rows));
  });

  test('drops a key from the key set and the database when nothing that it signed can live', async () => {
    await settle();
    await rotate();
    const { former, current } = await settle();
    const gate = former.filter(({ purpose }) => purpose === 'gate');
    const session = former.filter(({ purpose }) => purpose === 'session');
    assert.ok(gate.length === 1 && session.length > 0);
    const timer = createTestKeyTimer(stage.app);
    await timer.turn();
    await whileOff(DAY, () => timer.turn(ASSERTIONS_END_WITHIN - 1));
    assert.deepEqual(await publishedKids(stage.app), idsOf([...former, ...current]));
    await whileOff(-DAY, () => timer.turn(1));
    assert.deepEqual(await publishedKids(stage.app), idsOf([...current, ...session]));
    const entries = (await readRows(stage.database)).audit_entries?.map((row) => JSON.parse(row)) ?? [];
    const drops = entries.filter(({ action }) => action === 'keys.drop');
    const told = JSON.stringify({ keys: idsOf(gate) });
    assert.equal(drops.filter(({ metadata }) => metadata === told).length, 1);
    await whileOff(33 * DAY, () => timer.turn(33 * DAY));
    assert.deepEqual(await publishedKids(stage.app), idsOf([...current, ...session]));
    await whileOff(35 * DAY, () => timer.turn());
    assert.deepEqual(await publishedKids(stage.app), idsOf(current));
    assert.deepEqual(idsOf((await keyRows(stage.app)).rows), idsOf(current));
  });

  test('that fails on one account does the others, and says so', async () => {
    const { database } = stage.app.app.control;
    stage.app.clock.advance(50 * DAY);
    await settle().catch(() => {});
    await database.write((tx) =>
      tx.query.updateTable('key_settings').set({ last_rotated_at: '2020-01-01T00:00:00.000Z' }).execute(),
    );
    const broken = 'a'.repeat(32);
    await database.write(async (tx) => {
      const row = { id: broken, name: 'broken', type: 'standard', created_on: '2020-01-01T00:00:00.000Z' };
      await tx.query.insertInto('accounts').values(row).execute();
      const settings = { rotation_interval_days: 21, last_rotated_at: row.created_on };
      await tx.query
        .insertInto('key_settings')
        .values({ account_id: broken, ...settings })
        .execute();
    });
    // It has no feed, so no act in it can commit.
    await assert.rejects(createTestKeyTimer(stage.app).turn(), /keys of an account/);
    assert.equal((await keyRows(stage.app)).next.length, 2);
  });
});

function second(database: ReturnType<typeof openAgain>) {
  return { database, [Symbol.asyncDispose]: () => database.close() };
}
