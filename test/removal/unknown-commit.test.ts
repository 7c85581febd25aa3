import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PoolClient } from 'pg';
import { createPool, createPostgres } from '../../src/database/postgres.ts';
import { databases } from '../support/postgres.ts';
import { person } from './steps.ts';
import { createWorld } from './world.ts';

/** A pool that can lose the answer to the next COMMIT: it happens, and nobody here is told. */
function createLossyPool(url: string) {
  const loss = { next: false };
  const pool = createPool(url, { connections: 2 });
  const connect = pool.connect.bind(pool) as () => Promise<PoolClient>;
  const wrapped = new WeakSet<PoolClient>();
  const take = async () => {
    const client = await connect();
    if (wrapped.has(client)) return client;
    wrapped.add(client);
    const query = client.query.bind(client) as (text: string, values?: unknown[]) => Promise<unknown>;
    const lossy = async (text: string, values?: unknown[]) => {
      const answer = await query(text, values);
      if (!loss.next || text !== 'commit') return answer;
      loss.next = false;
      throw new Error('Connection terminated unexpectedly');
    };
    return Object.assign(client, { query: lossy });
  };
  return { pool: Object.assign(pool, { connect: take }), loss };
}

for (const { create } of databases.filter(({ name }) => name === 'postgres')) {
  describe('a commit whose answer is lost (postgres)', () => {
    test('is not called a success, and what it ended is ended at the gate', async () => {
      await using database = await create();
      await using world = await createWorld(database);
      const { session, token } = await world.signIn(person('ada'));
      const bob = await world.signIn(person('bob'));
      const { pool, loss } = createLossyPool(database.url ?? '');
      const lossy = createPostgres(pool);
      loss.next = true;
      await assert.rejects(world.over(lossy).remove(session.user_id), /Connection terminated/);
      assert.equal(await world.steps.idOf('ada@example.com'), null, 'it did happen');
      assert.equal(world.ask(token).verdict, 'sign_in');
      assert.equal(world.ask(bob.token).verdict, 'allow');
      await lossy.close();
    });

    test('is answered to the client that asks again as the first answer would have been', async () => {
      await using database = await create();
      await using world = await createWorld(database);
      const { session, token } = await world.signIn(person('ada'));
      const { pool, loss } = createLossyPool(database.url ?? '');
      const lossy = createPostgres(pool);
      loss.next = true;
      const steps = world.over(lossy);
      await assert.rejects(steps.remove(session.user_id, { key: 'this request', isRetry: false }));
      assert.deepEqual(await steps.remove(session.user_id, { key: 'this request', isRetry: true }), {});
      assert.equal(world.ask(token).verdict, 'sign_in');
      await lossy.close();
    });
  });
}
