import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type DatabaseKind, databases } from '../support/postgres.ts';
import { readsLast, withoutAck, withoutIndex, withoutInheritance } from './mutants.ts';
import { type Deed, Race } from './race.ts';
import { interleaveAll, openStage, type Player } from './stepper.ts';
import type { Mutant, Steps } from './steps.ts';
import { createWorld, type World } from './world.ts';

const PEOPLE = 6;
const SIGN_INS = 50;
const RUNS = 20;

/** Deeds that happen at the same time, and, where statements can be told apart, in which order theirs go. */
interface Round {
  readonly focus: number;
  readonly deeds: readonly (Deed & { readonly strays: boolean })[];
  readonly picks: readonly number[];
}

const deed = fc.record({
  kind: fc.oneof(
    { weight: 4, arbitrary: fc.constant('begin' as const) },
    { weight: 12, arbitrary: fc.constant('step' as const) },
    { weight: 2, arbitrary: fc.constant('present' as const) },
    { weight: 1, arbitrary: fc.constant('sign out' as const) },
    { weight: 2, arbitrary: fc.constantFrom('revoke' as const, 'delete' as const) },
  ),
  who: fc.nat(PEOPLE - 1),
  which: fc.nat(7),
  strays: fc.boolean(),
});

const round: fc.Arbitrary<Round> = fc.record({
  focus: fc.nat(PEOPLE - 1),
  deeds: fc.array(deed, { minLength: 1, maxLength: 3 }),
  picks: fc.array(fc.nat(5), { minLength: 1, maxLength: 40 }),
});

const schedule = fc.array(round, { minLength: 80, maxLength: 120 });

type Play = (deeds: readonly ((steps: Steps) => Promise<void>)[], picks: readonly number[]) => Promise<void>;

/** At the same time as far as the database lets them: on SQLite one transaction after the other. */
function playTogether(world: World): Play {
  return async (deeds) => void (await Promise.all(deeds.map((work) => work(world.steps))));
}

/** Each on a connection of its own, statement by statement in the order that was generated. */
function playStepped(world: World, players: readonly Player[]): Play {
  return async (deeds, picks) => {
    if (deeds.length === 1) return await playTogether(world)(deeds, picks);
    const playing = players.slice(0, deeds.length);
    const outcomes = playing.map((player, index) =>
      player.play(async () => await deeds[index]?.(world.over(player.database))),
    );
    await interleaveAll(playing, picks);
    for (const outcome of await Promise.all(outcomes)) if ('error' in outcome) throw outcome.error;
  };
}

async function run(create: DatabaseKind['create'], rounds: readonly Round[], mutant?: Mutant): Promise<Race> {
  await using database = await create();
  await using world = await createWorld(database, mutant);
  const race = new Race(world, { people: PEOPLE, signIns: SIGN_INS });
  await using stage = database.url === null ? null : await openStage(database.url);
  const players = stage ? [stage.player('one'), stage.player('two'), stage.player('three')] : [];
  const play = stage ? playStepped(world, players) : playTogether(world);
  for (const { focus, deeds, picks } of rounds) {
    const planned = deeds.flatMap(
      ({ strays, ...one }) => race.plan({ ...one, who: strays ? one.who : focus }) ?? [],
    );
    if (planned.length > 0) await play(planned, picks);
    race.judgeAll();
  }
  await race.finish();
  return race;
}

for (const { name, create } of databases) {
  describe(`sign-ins racing removals (${name})`, () => {
    test(`${RUNS * SIGN_INS} sign-ins, at each of their steps: nothing that was ended is admitted, all else is`, async (t) => {
      const seed = Number(process.env.RACE_SEED ?? Date.now() % 2 ** 31);
      t.diagnostic(`RACE_SEED=${seed} repeats this run`);
      const sums = new Map<string, number>();
      const property = fc.asyncProperty(schedule, async (rounds) => {
        const race = await run(create, rounds);
        for (const [what, count] of Object.entries(race.reached))
          sums.set(what, (sums.get(what) ?? 0) + count);
        assert.deepEqual([...new Set(race.violations)], []);
      });
      await fc.assert(property, { seed, numRuns: RUNS, endOnFailure: true });
      t.diagnostic(JSON.stringify([...sums]));
      assert.equal(sums.get('state'), RUNS * SIGN_INS);
      for (const what of ['session', 'code', 'token', 'admitted', 'superseded', 'removals']) {
        assert.ok((sums.get(what) ?? 0) > RUNS, `${what} was reached`);
      }
    });

    const caught: readonly [Mutant, RegExp][] = [
      [withoutInheritance, /after its lineage had been ended/],
      [readsLast, /after its lineage had been ended/],
      [withoutIndex, /after its lineage had been ended/],
      [withoutAck, /after its lineage had been ended/],
    ];
    for (const [mutant, violation] of caught) {
      test(`this race notices: ${mutant.name}`, async () => {
        const rounds = fc.sample(schedule, { seed: 20261120, numRuns: 3 });
        const violations: string[] = [];
        for (const one of rounds) {
          violations.push(...(await run(create, one, mutant)).violations);
          if (violations.length > 0) break;
        }
        assert.match(violations.join('\n'), violation);
      });
    }
  });
}
