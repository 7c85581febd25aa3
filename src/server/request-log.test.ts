import assert from 'node:assert/strict';
import { describe, mock, test } from 'node:test';
import { pino } from 'pino';
import { databases } from '../../test/support/postgres.ts';
import { eventually } from '../../test/support/request-lines.ts';
import { insertAccount, openMigrated, run } from '../../test/support/storage.ts';
import type { Database } from '../database/database.ts';
import type { Decision } from '../gate/decision.ts';
import { createRequestLog } from '../gate/request-log.ts';
import { createGateState } from '../gate/state.ts';
import { DAY, MINUTE } from '../kernel/clock.ts';
import { startRequestLogWriter } from './request-log.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const AWAY = Object.assign(new Error('disk is full'), { errcode: 13 });
const BROKEN = new Error('no such column');

const allowed: Decision = {
  requestId: 'request',
  at: NOW,
  via: 'proxy',
  verdict: 'allow',
  reason: 'policy_allow',
  method: 'GET',
  host: 'app.example.com',
  ip: '192.0.2.1',
  accountId: 'account',
  applicationId: 'application',
  userId: 'user',
  email: 'person@example.com',
  providerId: 'provider',
  serviceTokenId: null,
  registrationId: null,
};

type Storage = Database & AsyncDisposable;

/** A log and its writer on a database whose writes can be made to fail. */
async function start(storage: Storage, { days = 30, lines = 1_000_000 } = {}) {
  mock.timers.enable({ apis: ['setInterval'] });
  await storage.write((tx) => insertAccount(tx, 'account'));
  const log = createRequestLog(createGateState());
  const clock = createStoppedClock();
  const seen = { dropped: 0, transactions: 0, warnings: [] as string[] };
  const database = { failure: null as Error | null };
  const write: Database['write'] = async (work) => {
    seen.transactions += 1;
    if (database.failure) throw database.failure;
    return await storage.write(work);
  };
  const writer = startRequestLogWriter({
    log,
    database: { ...storage, write },
    clock,
    logger: pino({ base: null }, { write: (line) => void seen.warnings.push(line) }),
    onDropped: (lines) => {
      seen.dropped += lines;
    },
    days,
    lines,
  });
  /** One turn of the writer, and what it has to wait for. */
  const turn = async () => {
    const before = seen.transactions;
    mock.timers.tick(1000);
    await eventually(async () => (seen.transactions > before ? true : undefined));
  };
  const find = () => storage.reader.query.selectFrom('access_requests').selectAll().orderBy('id').execute();
  /** The lines, once there are so many, that stand for so many events. */
  const rows = (lines: number, events = lines) =>
    eventually(async () => {
      const found = await find();
      const sum = found.reduce((total, { count }) => total + count, 0);
      return found.length === lines && sum === events ? found : undefined;
    });
  /** The lines, once housekeeping has left so many. */
  const kept = (lines: number) =>
    eventually(async () => {
      clock.advance(MINUTE);
      mock.timers.tick(1000);
      const found = await find();
      return found.length === lines ? found : undefined;
    });
  const stop = async () => {
    await writer.close();
    mock.timers.reset();
  };
  return { log, clock, seen, database, turn, rows, kept, [Symbol.asyncDispose]: stop };
}

/** Begins with a minute, and goes on when it is told to. */
function createStoppedClock() {
  let now = NOW;
  return {
    now: () => now,
    advance: (by: number) => {
      now += by;
    },
  };
}

const visitor = (at: number): Decision => ({ ...allowed, userId: `user ${at}`, email: `${at}@example.com` });

for (const { name, create } of databases) {
  describe(`the writer of the request log (${name})`, () => {
    test('writes in small transactions, and the final counts when the minute is over', async () => {
      await using place = await create();
      await using storage = await openMigrated(place);
      await using world = await start(storage);
      for (let at = 0; at < 120; at++) world.log.record(visitor(at));
      await world.turn();
      await world.rows(120);
      assert.equal(world.seen.transactions, 3, 'at most 50 lines in each');
      for (let at = 0; at < 120; at++) world.log.record(visitor(at % 2));
      world.clock.advance(MINUTE);
      await world.turn();
      const rows = await world.rows(120, 240);
      assert.deepEqual(
        rows
          .filter(({ count }) => count > 1)
          .map(({ email, count }) => `${email} ${count}`)
          .sort(),
        ['0@example.com 61', '1@example.com 61'],
      );
      assert.deepEqual([world.seen.dropped, world.seen.warnings], [0, []]);
    });

    test('writes what is left when it ends, and counts what it cannot write', async () => {
      await using place = await create();
      await using storage = await openMigrated(place);
      const first = await start(storage);
      for (let at = 0; at < 60; at++) first.log.record(visitor(at));
      await first[Symbol.asyncDispose]();
      await first.rows(60);
      assert.equal(first.seen.dropped, 0);

      await storage.write((tx) => tx.query.deleteFrom('accounts').execute());
      await using second = await start(storage);
      for (let at = 0; at < 60; at++) second.log.record(visitor(at));
      second.database.failure = AWAY;
      await second[Symbol.asyncDispose]();
      assert.equal(second.seen.dropped, 60);
      assert.equal(second.seen.warnings.length, 1);
    });

    test('keeps the lines while the database is away, up to a bound, and writes them when it is back', async () => {
      await using place = await create();
      await using storage = await openMigrated(place);
      await using world = await start(storage);
      world.database.failure = AWAY;
      for (let at = 0; at < 22_000; at++) {
        world.log.record({ ...visitor(at), accountId: at < 500 ? 'account' : 'gone' });
      }
      for (let turns = 0; turns < 5; turns++) await world.turn();
      assert.equal(world.seen.dropped, 2000);
      assert.equal(world.seen.warnings.length, 1, 'it warns once in a minute');
      const { dropped } = JSON.parse(world.seen.warnings[0] ?? '') as { dropped: number };
      assert.equal(dropped, 2000);
      world.clock.advance(MINUTE);
      await world.turn();
      assert.equal(world.seen.warnings.length, 2);
      world.database.failure = null;
      await world[Symbol.asyncDispose]();
      // Those of an account that does not exist are left out, and keep nobody else's from being written.
      await world.rows(500);
      assert.equal(world.seen.dropped, 2000);
    });

    test('leaves out a batch that is refused for good, says so, and goes on with the next', async () => {
      await using place = await create();
      await using storage = await openMigrated(place);
      await using world = await start(storage);
      world.database.failure = BROKEN;
      for (let at = 0; at < 50; at++) world.log.record(visitor(at));
      await world.turn();
      assert.equal(world.seen.dropped, 50);
      assert.match(world.seen.warnings[0] ?? '', /no such column/);
      world.database.failure = null;
      world.log.record(visitor(50));
      await eventually(async () => {
        mock.timers.tick(1000);
        return world.log.take(0).length === 0 ? await world.rows(1) : undefined;
      });
    });

    test('writes a line once, also where it was not told that it had', async () => {
      await using place = await create();
      await using storage = await openMigrated(place);
      const lost = { left: 0 };
      const write: Database['write'] = async (work) => {
        const result = await storage.write(work);
        if (lost.left-- === 1) throw AWAY;
        return result;
      };
      await using world = await start({ ...storage, write });
      lost.left = 1;
      world.log.record(allowed);
      await world.turn();
      await world.rows(1);
      await eventually(async () => {
        mock.timers.tick(1000);
        return world.seen.transactions >= 2 ? true : undefined;
      });
      await world.rows(1);
      const totals = await storage.reader.query.selectFrom('totals').selectAll().execute();
      assert.deepEqual(
        totals.map(({ kind, total }) => [kind, total]),
        [['access_requests_known', 1]],
      );
      assert.equal(world.seen.dropped, 0);
    });

    test('drops what is too old, and the oldest of what is too much, of either sort', async () => {
      await using place = await create();
      await using storage = await openMigrated(place);
      await using world = await start(storage, { days: 10, lines: 300 });
      const now = world.clock.now();
      for (let at = 0; at < 20; at++) world.log.record({ ...visitor(at), at: now - 11 * DAY });
      for (let at = 20; at < 750; at++) world.log.record({ ...visitor(at), at: now - 750 + at });
      const nobody = { userId: null, email: null, providerId: null };
      for (let at = 0; at < 5; at++) {
        world.log.record({ ...allowed, ...nobody, verdict: 'deny', reason: 'revoked', at: now - 9 * DAY });
      }
      await world.turn();
      await world.rows(755);
      const kept = await world.kept(305);
      assert.equal(
        kept.filter(({ known }) => known === 0).length,
        5,
        'a flood of one sort takes no line of the other',
      );
      assert.equal(kept.find(({ known }) => known === 1)?.email, '450@example.com');
      world.clock.advance(2 * DAY);
      await world.kept(300);
      world.clock.advance(9 * DAY);
      await world.kept(0);
      const totals = await storage.reader.query.selectFrom('totals').select('total').execute();
      assert.deepEqual(
        totals.map(({ total }) => total),
        [0, 0],
      );
    });
  });
}

test('a table that cannot be written takes nothing down, and is written again when it can be', async () => {
  for (const { create } of databases) {
    await using place = await create();
    await using storage = await openMigrated(place);
    await using world = await start(storage);
    const rename = (from: string, to: string) =>
      storage.write((tx) => run(tx.query, `alter table ${from} rename to ${to}`));
    await rename('access_requests', 'elsewhere');
    world.log.record(visitor(1));
    await world.turn();
    await eventually(async () => (world.seen.dropped === 1 ? true : undefined));
    await rename('elsewhere', 'access_requests');
    world.log.record(visitor(2));
    await world.turn();
    await world.rows(1);
  }
});
