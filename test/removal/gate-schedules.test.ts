import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { operator } from '../../src/kernel/actor.ts';
import { MINUTE } from '../../src/kernel/clock.ts';
import { ApiError } from '../../src/kernel/errors.ts';
import { deleteGate } from '../../src/portcullis/gates/gate-credentials.ts';
import { dropUnseenGateKeys, type GateCredential, publishGateKey } from '../../src/portcullis/gates/gates.ts';
import { type Control, commitAct } from '../../src/removal/act.ts';
import { insertNewGate, madeUpKey } from '../support/gate-keys.ts';
import { databases, type TestDatabase } from '../support/postgres.ts';
import { interleave, openStage, type Player } from './stepper.ts';
import { NO_RIGHTS_ASKED } from './steps.ts';
import { createWorld, type World } from './world.ts';

/*
 * Schedule 18 for the keys of gates: publishing one against whatever ends it, statement by statement. What the feed
 * told last of a key, what lies in the database and what the gates have must be one.
 */

const remove = (control: Control, { id, accountId }: GateCredential) =>
  commitAct(control, { accountId, actor: operator, authorize: NO_RIGHTS_ASKED }, (tx) =>
    deleteGate(tx, { accountId, id }),
  );

/** Whether the key is published; fails if feed, rows and memory do not agree. */
async function isPublished({ database, control, state, accountId }: World, kid: string): Promise<boolean> {
  await control.feed.catchUp(accountId);
  const { query } = database.reader;
  const rows = await query.selectFrom('gate_keys').select('kid').where('kid', '=', kid).execute();
  const told = await query
    .selectFrom('feed_entries')
    .select('payload')
    .where('kind', '=', 'key')
    .where('subject_id', '=', kid)
    .orderBy('position', 'desc')
    .orderBy('ordinal', 'desc')
    .limit(1)
    .execute();
  const isTold = told.some(({ payload }) => payload !== 'null');
  const isHeld = state.account(accountId)?.keys.has(kid) === true;
  assert.deepEqual([isTold, isHeld], [rows.length > 0, rows.length > 0], 'feed, rows and memory agree');
  return isHeld;
}

for (const { create } of databases.filter(({ name }) => name === 'postgres')) {
  describe('the key of a gate, statement by statement (postgres)', () => {
    test('schedule 18: a key brought while the gate is deleted is not there afterwards', async () => {
      const ends = { published: 0, refused: 0 };
      await playAll(create, async ({ world, players: [bringing, ending], ...order }) => {
        const gate = await insertNewGate(world.control, world.accountId);
        const key = madeUpKey();
        const brought = bringing.play(() => publishGateKey(over(world, bringing), gate, key));
        const ended = ending.play(() => remove(over(world, ending), gate));
        const total = await order.play();
        assert.ok('value' in (await ended), 'the removal returned');
        const outcome = await brought;
        if ('error' in outcome) assert.ok(outcome.error instanceof ApiError, String(outcome.error));
        ends['error' in outcome ? 'refused' : 'published'] += 1;
        assert.equal(await isPublished(world, key.kid), false);
        return total;
      });
      assert.ok(ends.published > 0 && ends.refused > 0, `both ends were seen: ${JSON.stringify(ends)}`);
    });

    test('a key that another gate brings while the first is deleted stays', async () => {
      await playAll(create, async ({ world, players: [bringing, ending], ...order }) => {
        const [first, second] = [
          await insertNewGate(world.control, world.accountId),
          await insertNewGate(world.control, world.accountId),
        ];
        const key = madeUpKey();
        await publishGateKey(world.control, first, key);
        const brought = bringing.play(() => publishGateKey(over(world, bringing), second, key));
        const ended = ending.play(() => remove(over(world, ending), first));
        const total = await order.play();
        assert.ok('value' in (await ended) && 'value' in (await brought));
        assert.equal(await isPublished(world, key.kid), true);
        await remove(world.control, second);
        assert.equal(await isPublished(world, key.kid), false);
        return total;
      });
    });

    test('a key brought back while it is dropped as unseen is there afterwards', async () => {
      await playAll(create, async ({ world, players: [bringing, dropping], ...order }) => {
        const gate = await insertNewGate(world.control, world.accountId);
        const key = madeUpKey();
        await publishGateKey(world.control, gate, key);
        world.clock.move(16 * MINUTE);
        const now = world.clock.now();
        const brought = bringing.play(() => publishGateKey(over(world, bringing), gate, key));
        const dropped = dropping.play(() => dropUnseenGateKeys(over(world, dropping), now));
        const total = await order.play();
        assert.ok('value' in (await dropped) && 'value' in (await brought));
        assert.equal(await isPublished(world, key.kid), true);
        return total;
      });
    });
  });
}

interface Game {
  readonly world: World;
  readonly players: readonly [Player, Player];
  /** Lets both go, one of them so far ahead; answers how many statements that one had. */
  play(): Promise<number>;
}

/** Plays a game with each of the two ahead by each number of statements. */
async function playAll(
  create: () => Promise<TestDatabase>,
  game: (game: Game) => Promise<number>,
): Promise<void> {
  await using database = await create();
  await using world = await createWorld(database);
  await using stage = await openStage(database.url ?? '');
  const players = [stage.player('bringing'), stage.player('ending')] as const;
  for (const [first, second] of [players, [players[1], players[0]] as const]) {
    for (let lead = 0, total = 1; lead <= total; lead += 1) {
      const play = async () => {
        await interleave([first, second], { lead, reply: 1000 });
        return first.statements;
      };
      total = await game({ world, players, play });
    }
  }
}

function over({ control }: World, { database }: Player): Control {
  return { ...control, database };
}
