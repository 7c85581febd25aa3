import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { databases } from '../support/postgres.ts';
import { codeOf } from '../support/source-text.ts';
import { person } from './steps.ts';
import { createWorld } from './world.ts';

const DAY = 24 * 3_600_000;
const ada = person('ada');
const bob = person('bob');

for (const { name, create } of databases) {
  describe(`whether a credential is revoked does not depend on the time (${name})`, () => {
    test('what was revoked stays so while the clock goes back a day and forth again', async () => {
      await using database = await create();
      await using world = await createWorld(database);
      const [hers, his] = [await world.signIn(ada), await world.signIn(bob)];
      await world.steps.revoke(ada.email);
      for (const by of [0, -DAY, -10 * DAY, 10 * DAY, DAY - 1000]) {
        world.clock.move(by);
        assert.equal(world.ask(hers.token).verdict, 'sign_in', `moved by ${by}`);
        assert.equal(world.ask(world.forge(hers.session)).verdict, 'sign_in');
        assert.equal(world.ask(his.token).verdict, 'allow', `moved by ${by}`);
      }
      world.clock.move(DAY + 1000);
      assert.equal(world.ask(his.token).reason, 'credential_expired', 'expiry alone is a matter of time');
    });

    test('a revocation covers what began before it although the clock says that it began after', async () => {
      await using database = await create();
      await using world = await createWorld(database);
      await world.signIn(ada);
      const old = await world.signIn(ada);
      const started = await world.steps.start(ada);
      world.clock.move(-DAY / 2);
      await world.steps.revoke(ada.email);
      assert.equal(world.ask(old.token).verdict, 'sign_in');
      await assert.rejects(world.steps.finish(started), { reason: 'superseded' });
    });

    test('a revocation spares what began after it although the clock says that it began before', async () => {
      await using database = await create();
      await using world = await createWorld(database);
      const old = await world.signIn(ada);
      await world.steps.revoke(ada.email);
      world.clock.move(-DAY / 2);
      const again = await world.signIn(ada);
      assert.equal(world.ask(again.token).verdict, 'allow');
      assert.equal(world.ask(old.token).verdict, 'sign_in');
      await world.steps.remove(again.session.user_id);
      assert.equal(world.ask(again.token).verdict, 'sign_in');
      const new_ = await world.signIn(ada);
      assert.equal(world.ask(new_.token).verdict, 'allow');
    });
  });
}

const checks = [
  'src/protocol/rev.ts',
  'src/protocol/revocation-index.ts',
  'src/protocol/feed.ts',
  'src/removal/mint.ts',
  'src/removal/store.ts',
  'src/removal/feed.ts',
];

for (const path of checks) {
  test(`${path} has no word for time in its code`, () => {
    const code = codeOf(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'));
    assert.doesNotMatch(code, /clock|\bnow\b|\bDate\b|timestamp|performance|hrtime|current_time/i);
  });
}

test('a column that holds a time is compared with nothing by a mint except for its expiry', () => {
  for (const path of ['src/sign-in/finish.ts', 'src/sign-in/hand-off.ts', 'src/sign-in/start.ts']) {
    const code = codeOf(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'));
    const compared = [...code.matchAll(/(\w+_at)\s*(?:[<>]=?|===)/g)].map(([, column]) => column);
    assert.deepEqual(
      [...new Set(compared)].filter((column) => column !== 'expires_at'),
      [],
      path,
    );
  }
});
