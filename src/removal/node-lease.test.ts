import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { databases } from '../../test/support/postgres.ts';
import { openMigrated } from '../../test/support/storage.ts';
import type { Lease } from '../protocol/lease.ts';
import type { Feed } from './feed.ts';
import { dropLease, type LeaseRow, readLeases } from './lease-store.ts';
import { createLeases } from './leases.ts';
import { createNodeLease } from './node-lease.ts';

const LENGTH = 1000;
const OUT = LENGTH * 1.2;

for (const { name, create } of databases) {
  describe(`the row of a node's lease (${name})`, () => {
    const start = async () => {
      const place = await create();
      const database = await openMigrated(place);
      const time = { now: 0 };
      const events: string[] = [];
      const stopwatch = { elapsed: () => time.now };
      const node = (options: { live?: boolean; poll?: () => Promise<void> } = {}) => {
        const seen = createLeases(stopwatch);
        const lease = {
          read: () => ({ monotonic: time.now, boot: time.now, wall: time.now }),
          renew: () => {
            events.push('live');
            return true;
          },
          end: () => void events.push('ended'),
        } as unknown as Lease;
        const catchUpAll = async () => {
          const rows = await readLeases(database.reader);
          events.push(`caught up with ${rows.length} row`);
          await options.poll?.();
        };
        return createNodeLease({
          ...{ database, lease, leases: seen, nodeId: 'one', name: 'one', version: '1', length: LENGTH },
          feed: { catchUpAll } as unknown as Feed,
          checkHistory: async () => options.live !== false,
          onNewRow: () => void events.push('new row'),
        });
      };
      const row = async (): Promise<LeaseRow | undefined> => (await readLeases(database.reader))[0];
      const dispose = async () => {
        await database.close();
        await place.drop();
      };
      return { database, time, events, stopwatch, node, row, [Symbol.asyncDispose]: dispose };
    };

    test('is there before the feed is read, and that before the lease is used (schedule 6)', async () => {
      await using scene = await start();
      await scene.node().renew();
      assert.deepEqual(scene.events, ['new row', 'caught up with 1 row', 'live']);
    });

    test('gives no right if the feed could not be read', async () => {
      await using scene = await start();
      const failing = scene.node({ poll: () => Promise.reject(new Error('away')) });
      await assert.rejects(failing.renew(), /away/);
      assert.ok(!scene.events.includes('live'));
    });

    test('is not written on a database whose word does not count', async () => {
      await using scene = await start();
      await scene.node({ live: false }).renew();
      assert.deepEqual([scene.events, await scene.row()], [[], undefined]);
    });

    test('never comes back as the one that was dropped, when its node has slept meanwhile', async () => {
      await using scene = await start();
      const sleeper = scene.node();
      await sleeper.renew();
      const others = createLeases(scene.stopwatch);
      others.see(await readLeases(scene.database.reader));
      scene.time.now += OUT;
      const [over] = others.runOut();
      assert.ok(over);
      await scene.database.write((tx) => dropLease(tx, over));
      await sleeper.renew();
      const [again] = others.see(await readLeases(scene.database.reader));
      assert.equal(again?.deadline, scene.time.now + OUT, 'a removal would not wait for a node that decides');
      assert.deepEqual(others.runOut(), []);
      await scene.database.write((tx) => dropLease(tx, over));
      assert.ok(await scene.row(), 'a living row was dropped for the one before it');
    });

    test('is timed anew at each renewal, and not by reading it again', async () => {
      await using scene = await start();
      const node = scene.node();
      await node.renew();
      const others = createLeases(scene.stopwatch);
      const read = async () => others.see(await readLeases(scene.database.reader))[0]?.deadline;
      assert.equal(await read(), OUT);
      scene.time.now += 500;
      assert.equal(await read(), OUT);
      await node.renew();
      assert.equal(await read(), 500 + OUT);
    });
  });
}
