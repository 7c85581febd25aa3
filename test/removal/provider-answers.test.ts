import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { databases } from '../support/postgres.ts';
import { present } from './mint-race.ts';
import { person } from './steps.ts';
import { createWorld } from './world.ts';

/* What a provider says of a person counts for all of their sessions: an older word of it must not undo a newer one. */

const staff = { claims: { groups: ['eng', 'staff'] } };
const noEngineer = { claims: { groups: ['staff'] } };

for (const { name, create } of databases) {
  describe(`what a provider says of a person (${name})`, () => {
    test('is not undone by what it was asked before', async () => {
      await using database = await create();
      await using world = await createWorld(database);
      const who = person('ada');
      await world.steps.finish(await world.steps.start(who), staff);
      const kept = await world.steps.start(who);
      await world.steps.finish(await world.steps.start(who), noEngineer);
      await assert.rejects(world.steps.finish(present(kept), staff), { reason: 'superseded' });
      const again = await world.steps.finish(await world.steps.start(who), staff);
      assert.ok(again, 'what it is asked after that counts');
    });

    test('is no obstacle to a sign-in that was begun before and says the same', async () => {
      await using database = await create();
      await using world = await createWorld(database);
      const who = person('ada');
      const kept = await world.steps.start(who);
      await world.steps.finish(await world.steps.start(who), staff);
      assert.ok(await world.steps.finish(present(kept), staff));
    });
  });
}
