import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { deleteProvider } from '../../src/access/identity-providers/identity-providers.ts';
import { operator } from '../../src/kernel/actor.ts';
import { ApiError } from '../../src/kernel/errors.ts';
import { newUuid } from '../../src/kernel/ids.ts';
import { commitAct } from '../../src/removal/act.ts';
import { databases } from '../support/postgres.ts';
import { interleave, openStage, type Player } from './stepper.ts';
import { NO_RIGHTS_ASKED, person, type Steps } from './steps.ts';
import { createWorld, insertProviderRow, type World } from './world.ts';

type Ending = (
  steps: Steps,
  of: { world: World; userId: string; email: string; nonce: string },
) => Promise<unknown>;

const endings = {
  DELETE: (steps, { userId }) => steps.remove(userId),
  revoke_user: (steps, { email }) => steps.revoke(email),
  'sign-out': (steps, { nonce }) => steps.signOut(nonce),
} satisfies Record<string, Ending>;

const pairs: readonly [keyof typeof endings, keyof typeof endings][] = [
  ['DELETE', 'DELETE'],
  ['DELETE', 'revoke_user'],
  ['revoke_user', 'DELETE'],
  ['revoke_user', 'revoke_user'],
  ['DELETE', 'sign-out'],
];

for (const { create } of databases.filter(({ name }) => name === 'postgres')) {
  describe('two removals of one person, statement by statement (postgres)', () => {
    for (const [first, second] of pairs) {
      test(`${first} and ${second}: from the first answer on the person is refused, whichever it is`, async () => {
        await using database = await create();
        await using world = await createWorld(database);
        await using stage = await openStage(database.url ?? '');
        const players = [stage.player('first'), stage.player('second')] as const;
        for (let lead = 0, total = 1; lead <= total; lead += 1) {
          await compete(world, players, { endings: [endings[first], endings[second]], lead });
          total = players[0].statements;
        }
      });
    }

    test('a provider and one of its people removed at the same time are both gone, after a deadlock too', async () => {
      await using database = await create();
      await using world = await createWorld(database);
      await using stage = await openStage(database.url ?? '');
      const [first, second] = [stage.player('provider'), stage.player('user')];
      for (const lead of [2, 3, 4, 5]) {
        const providerId = newUuid();
        await world.database.write((tx) =>
          insertProviderRow(tx, { accountId: world.accountId, id: providerId }),
        );
        const steps = world.through(providerId);
        const who = person(`person-${lead}`);
        const session = await steps.finish(await steps.start(who));
        const { accountId, control } = world;
        const gone = first.play(() =>
          commitAct(
            { ...control, database: first.database },
            { accountId, actor: operator, authorize: NO_RIGHTS_ASKED },
            (tx) => deleteProvider(tx, { accountId, id: providerId }),
          ),
        );
        const removed = second.play(() => world.over(second.database).remove(session.user_id));
        await interleave([first, second], { lead, reply: 1000 });
        for (const outcome of [await gone, await removed])
          assert.ok('value' in outcome, JSON.stringify(outcome));
        assert.equal(await world.steps.idOf(who.email), null);
        assert.equal(world.stands(session), false);
      }
    });
  });
}

async function compete(
  world: World,
  players: readonly [Player, Player],
  { endings: both, lead }: { endings: readonly [Ending, Ending]; lead: number },
): Promise<void> {
  const who = person(`person-${lead}`);
  const { session, token } = await world.signIn(who);
  const of = { world, userId: session.user_id, email: who.email, nonce: session.nonce };
  const admittedAt: boolean[] = [];
  const plays = players.map((player, index) =>
    player.play(async () => {
      const steps = world.over(player.database);
      try {
        await both[index]?.(steps, of);
      } finally {
        // In the turn in which the answer came, whatever it said.
        admittedAt.push(world.ask(token).verdict === 'allow' || world.stands(session));
      }
    }),
  );
  await interleave(players, { lead, reply: 1000 });
  for (const outcome of await Promise.all(plays)) {
    if ('error' in outcome && !(outcome.error instanceof ApiError)) throw outcome.error;
  }
  assert.deepEqual(admittedAt, [false, false], `ahead by ${lead}`);
}
