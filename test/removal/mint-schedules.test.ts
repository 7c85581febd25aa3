import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SignInRefused } from '../../src/sign-in/refused.ts';
import { databases } from '../support/postgres.ts';
import {
  type Mint,
  mints,
  type pasts,
  playAll,
  present,
  type Removal,
  removals,
  WHOLE,
} from './mint-race.ts';
import { asksOnce, readsLast, withoutAck, withoutIndex, withoutInheritance } from './mutants.ts';
import { interleave, openStage } from './stepper.ts';
import { type Mutant, person } from './steps.ts';
import { createWorld } from './world.ts';

const repoint: Removal = (steps) => steps.repoint();
const signOut: Removal = (steps, _who, { session }) => steps.signOut(present(session).nonce);

/** What is played statement by statement: schedules 1, 2 and 18, each in all its forms. */
const lines: readonly [schedule: string, title: string, Mint, Removal, (keyof typeof pasts)?][] = [
  ['1', 'DELETE of the user', mints.state, removals.delete],
  ['1', 'revoke_user', mints.state, removals.revoke],
  ['1 and 2', 'DELETE of the user', mints.session, removals.delete],
  ['1 and 2', 'DELETE of the user', mints.session, removals.delete, 'was entered by an administrator'],
  ['2 and 18', 'revoke_user', mints.session, removals.revoke, 'was entered by an administrator'],
  ['2', 'revoke_user', mints.session, removals.revoke, 'is not known yet'],
  [
    '2 and 3',
    'pointing elsewhere of the provider',
    mints.session,
    repoint,
    'was entered by an administrator',
  ],
  ['1 and 18', 'DELETE of the user', mints.handOff, removals.delete],
  ['1 and 18', 'revoke_user', mints.handOff, removals.revoke],
  ['1', 'DELETE of the user', mints.token, removals.delete],
  ['1', 'revoke_user', mints.again, removals.revoke],
  ['1', 'sign-out', mints.handOff, signOut],
  ['1', 'sign-out', mints.again, signOut],
];

for (const { create } of databases.filter(({ name }) => name === 'postgres')) {
  describe('a mint against a removal, statement by statement (postgres)', () => {
    for (const [schedule, title, mint, removal, past = 'has signed in before'] of lines) {
      test(`schedule ${schedule}: ${mint.name} minted during ${title}, by one who ${past} works nowhere once that returned`, async () => {
        const { violations, schedules } = await playAll(create, { mint, removal }, { past });
        assert.deepEqual(violations, []);
        assert.ok(schedules > 10, 'there were statements to come between');
      });
    }

    const once: readonly [string, Mint][] = [
      ['state', mints.session],
      ['hand-off code', mints.token],
    ];
    for (const [what, mint] of once) {
      test(`a ${what} that comes twice at the same time works once`, async () => {
        await using database = await create();
        await using world = await createWorld(database);
        await using stage = await openStage(present(database.url ?? undefined));
        const players = [stage.player('one'), stage.player('other')] as const;
        for (let lead = 0, total = 1; lead <= total; lead += 1) {
          const who = person(`person-${lead}`);
          const before = await mint.before(world.steps, who);
          const plays = players.map((player) =>
            player.play(() => mint.mint(world.over(player.database), before, who)),
          );
          await interleave(players, { lead, reply: WHOLE });
          total = players[0].statements;
          const outcomes = await Promise.all(plays);
          const refused = outcomes.flatMap((outcome) => ('error' in outcome ? [outcome.error] : []));
          assert.equal(outcomes.length - refused.length, 1, `ahead by ${lead}: ${refused}`);
          assert.ok(refused.every((error) => error instanceof SignInRefused));
        }
      });
    }

    test('schedule 2 and 18: a session and revoke_user, each stopped wherever it can be, and both gone on', async () => {
      const replies = [3, 5, 7, 9, 11];
      const { violations } = await playAll(
        create,
        { mint: mints.session, removal: removals.revoke },
        { replies },
      );
      assert.deepEqual(violations, []);
    });

    const caught: [Mutant, Mint, Removal, RegExp][] = [
      [withoutInheritance, mints.session, removals.delete, /a token of the old lineage was admitted/],
      [readsLast, mints.session, removals.revoke, /a token of the old lineage was admitted/],
      [asksOnce, mints.session, repoint, /is in the database/],
      [withoutIndex, mints.again, removals.revoke, /admitted/],
      [withoutAck, mints.again, removals.revoke, /admitted/],
    ];
    for (const [mutant, mint, removal, violation] of caught) {
      test(`these schedules would notice: ${mutant.name}`, async () => {
        const past = 'was entered by an administrator';
        const { violations } = await playAll(create, { mint, removal }, { mutant, past });
        assert.match(violations.join('\n'), violation);
      });
    }
  });
}
