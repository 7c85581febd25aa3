import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { failureOf } from '../../src/database/failures.ts';
import { startTestApp } from '../support/app.ts';
import { type Standbys, startStandbys } from '../support/standbys.ts';
import { person } from './steps.ts';
import { createWorld } from './world.ts';

/* A removal whose commit waits for a synchronous standby that is gone, on a PostgreSQL of its own. */

describe('a removal whose commit waits for a standby', () => {
  const set: { standbys?: Standbys } = {};
  before(async () => {
    set.standbys = await startStandbys();
  });
  after(() => set.standbys?.[Symbol.asyncDispose]());

  test('is not told as done when the wait is cancelled, and what it ended is ended here', async () => {
    const standbys = set.standbys ?? assert.fail();
    await using world = await createWorld(await standbys.createDatabase());
    const { session, token } = await world.signIn(person('ada'));
    const bob = await world.signIn(person('bob'));
    await standbys.demand();
    let isAnswered = false;
    const removed = world.steps.remove(session.user_id);
    const outcome = assert.rejects(removed, (error) => failureOf(error) === 'unavailable');
    removed
      .catch(() => {})
      .finally(() => {
        isAnswered = true;
      });
    await standbys.untilWaiting(1);
    assert.equal(isAnswered, false);
    assert.equal(world.ask(token).verdict, 'allow', 'nobody may act on what may not last');
    await standbys.cancel();
    await outcome;
    assert.equal(world.ask(token).verdict, 'sign_in', 'it did happen on this server');
    assert.equal(world.ask(bob.token).verdict, 'allow');
    await standbys.release();
  });

  test('is a 503 to the caller', async () => {
    const standbys = set.standbys ?? assert.fail();
    const place = await standbys.createDatabase();
    await using app = await startTestApp(place);
    const users = `/accounts/${app.credentials.account_id}/access/users`;
    const made = await app.api('POST', users, { body: { email: 'ada@example.com', name: 'Ada' } });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    await standbys.demand();
    const answer = app.api('DELETE', `${users}/${made.body.result.id}`);
    const settled = answer.then(() => true);
    // Whatever else waits is cancelled as well.
    for (let left = 500; left > 0; left--) {
      await standbys.cancel();
      if (await Promise.race([settled, new Promise<false>((next) => setTimeout(next, 20, false))])) break;
    }
    const { status, body } = await answer;
    assert.deepEqual([status, body.success, body.errors[0]?.code], [503, false, 10503]);
    await standbys.release();
    const again = await app.api('DELETE', `${users}/${made.body.result.id}`);
    assert.equal(again.status, 404, 'it had happened, and now it is in force');
  });
});
