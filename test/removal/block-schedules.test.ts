import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { endAccessOfEmail } from '../../src/access/users/user-removals.ts';
import { operator } from '../../src/kernel/actor.ts';
import { timestamp } from '../../src/kernel/clock.ts';
import { newUuid } from '../../src/kernel/ids.ts';
import { blockUser, unblockUser } from '../../src/portcullis/blocked-users/blocked-users.ts';
import { commitAct } from '../../src/removal/act.ts';
import { SignInRefused } from '../../src/sign-in/refused.ts';
import { databases } from '../support/postgres.ts';
import { type Mint, mints, pasts, present, WHOLE } from './mint-race.ts';
import { interleave, type Outcome, openStage } from './stepper.ts';
import { NO_RIGHTS_ASKED, type Person, person, type Steps } from './steps.ts';
import { createWorld, type World } from './world.ts';

/*
 * Blocking against every step of a sign-in: it is a removal, and unlike others it also covers what begins after it.
 * So whatever the order, nothing of that person is admitted once it has returned.
 */

type Credential = Awaited<ReturnType<Mint['mint']>>;

const block = ({ control }: Steps, { accountId }: World, { email }: Person) =>
  blockUser(control, { accountId, actor: operator, authorize: NO_RIGHTS_ASKED }, { accountId, email });

/** As far as a person gets from there, by the ordinary steps; null where one of them refuses. */
async function carryOn({ steps }: World, got: Credential) {
  try {
    if (got.token) return got.token;
    const session = got.session ?? (await steps.finish(present(got.started)));
    return await steps.redeem(got.code ?? (await steps.handOff(session)));
  } catch (error) {
    if (!(error instanceof SignInRefused)) throw error;
    return null;
  }
}

async function rowsOf({ database }: World, { email }: Person) {
  const { query } = database.reader;
  const users = await query.selectFrom('users').selectAll().where('email_key', '=', email).execute();
  const sessions = await query.selectFrom('sessions').selectAll().execute();
  return { users, sessions: sessions.filter(({ user_id }) => users.some(({ id }) => id === user_id)) };
}

/** What is wrong once somebody is blocked; null if nothing is. */
async function judge(
  world: World,
  who: Person,
  { mint, got, minted }: { mint: Mint; got: Credential; minted: Outcome<Credential> },
): Promise<string | null> {
  if ('error' in minted) {
    if (!(minted.error instanceof SignInRefused)) throw minted.error;
    const allowed = [...mint.refusedAs, 'user_blocked'];
    if (!allowed.includes(minted.error.reason)) return `the mint was refused as ${minted.error.reason}`;
  }
  const token = await carryOn(world, got);
  if (token && world.ask(token).verdict === 'allow') return 'a token was admitted';
  if (got.session && world.stands(got.session)) return 'a session stands';
  if (got.session && world.ask(world.forge(got.session)).verdict === 'allow')
    return 'a forged token was admitted';
  const { users, sessions } = await rowsOf(world, who);
  if (sessions.length > 0) return 'a session is in the database';
  if (users.some(({ reauthenticate }) => reauthenticate !== 1)) return 'the user need not log in afresh';
  return null;
}

async function refusedAs(work: Promise<unknown>): Promise<string | null> {
  return await work.then(
    () => null,
    (error: unknown) => {
      if (error instanceof SignInRefused) return error.reason;
      throw error;
    },
  );
}

for (const { name, create } of databases) {
  describe(`somebody who is blocked (${name})`, () => {
    for (const mint of Object.values(mints)) {
      test(`before ${mint.name}, after it, or at the same time, is not admitted`, async () => {
        await using database = await create();
        await using world = await createWorld(database);
        const { steps } = world;
        for (const [order, past] of ['before', 'after', 'at once'].flatMap((one) =>
          (Object.keys(pasts) as (keyof typeof pasts)[]).map((two) => [one, two] as const),
        )) {
          const who = person(`person ${order} ${past}`.replaceAll(' ', '-'));
          await pasts[past](world, who);
          const before = await mint.before(steps, who);
          if (order === 'before') await block(steps, world, who);
          const minting = mint.mint(steps, before, who).then(
            (value) => ({ value }),
            (error: unknown) => ({ error }),
          );
          if (order === 'after') await minting;
          if (order !== 'before') await block(steps, world, who);
          const minted: Outcome<Credential> = await minting;
          const got = { ...before, ...('value' in minted ? minted.value : {}) };
          assert.equal(await judge(world, who, { mint, got, minted }), null, `${order}, ${past}`);
        }
      });
    }

    test('is refused at the end of every sign-in that begins afterwards, and nothing of it is kept', async () => {
      await using database = await create();
      await using world = await createWorld(database);
      const who = person('ada');
      await block(world.steps, world, who);
      assert.equal(await refusedAs(world.signIn(who)), 'user_blocked');
      assert.deepEqual(await rowsOf(world, who), { users: [], sessions: [] });
    });

    test('gets in again once unblocked, by a login that is fresh and no other', async () => {
      await using database = await create();
      await using world = await createWorld(database);
      const { steps, accountId, clock } = world;
      const known = person('known');
      await world.signIn(known);
      for (const who of [known, person('new')]) {
        const underWay = await steps.start(who);
        const { id } = await block(steps, world, who);
        const act = { accountId, actor: operator, authorize: NO_RIGHTS_ASKED };
        await commitAct(steps.control, act, (tx) => unblockUser(tx, { accountId, id }));
        assert.equal(await refusedAs(steps.finish(underWay)), 'superseded');
        const silent = await steps.start(who, { fresh: false });
        assert.equal(await refusedAs(steps.finish(silent)), 'reauthenticate');
        const stale = await steps.start(who);
        const authTime = clock.now() / 1000 - 60;
        assert.equal(await refusedAs(steps.finish(stale, { authTime })), 'not_reauthenticated');
        const { token } = await world.signIn(who);
        assert.equal(world.ask(token).verdict, 'allow');
      }
    });
  });
}

type Blocking = (steps: Steps, world: World, who: Person) => Promise<unknown>;

/** What production does, short of one thing. */
const careless =
  (without: 'looking again' | 'a revocation'): Blocking =>
  ({ control }, { accountId }, { email }) =>
    commitAct(control, { accountId, actor: operator, authorize: NO_RIGHTS_ASKED }, async (tx) => {
      const { items } = await endAccessOfEmail(tx, {
        accountId,
        emailKey: email,
        now: timestamp(control.clock.now()),
      });
      const row = {
        id: newUuid(),
        account_id: accountId,
        email,
        email_key: email,
        block_key: email,
        reason: '',
      };
      await tx.query
        .insertInto('blocked_users')
        .values({ ...row, created_at: timestamp(0) })
        .execute();
      return {
        result: null,
        items: without === 'a revocation' ? [] : items,
        audit: { action: 'test.block', resource: { type: 'user', id: email } },
      };
    });

/** Every schedule in which one of the two is ahead by any number of statements. */
async function playAll(
  create: (typeof databases)[number]['create'],
  { mint, past, blocking = block }: { mint: Mint; past: keyof typeof pasts; blocking?: Blocking },
): Promise<{ violations: string[]; schedules: number }> {
  await using database = await create();
  await using world = await createWorld(database);
  await using stage = await openStage(present(database.url ?? undefined));
  const [minter, blocker] = [stage.player('mint'), stage.player('block')];
  const violations: string[] = [];
  let schedules = 0;
  for (const blockLeads of [false, true]) {
    for (let lead = 0, total = 1; lead <= total; lead += 1) {
      schedules += 1;
      const who = person(`person-${schedules}`);
      await pasts[past](world, who);
      const before = await mint.before(world.steps, who);
      const minting = minter.play(() => mint.mint(world.over(minter.database), before, who));
      const ending = blocker.play(() => blocking(world.over(blocker.database), world, who));
      await interleave(blockLeads ? [blocker, minter] : [minter, blocker], { lead, reply: WHOLE });
      total = (blockLeads ? blocker : minter).statements;
      const [minted, blocked] = await Promise.all([minting, ending]);
      if ('error' in blocked) throw blocked.error;
      const got = { ...before, ...('value' in minted ? minted.value : {}) };
      const violation = await judge(world, who, { mint, got, minted });
      if (violation) violations.push(`${blockLeads ? 'block' : 'mint'} ahead by ${lead}: ${violation}`);
    }
  }
  return { violations, schedules };
}

for (const { create } of databases.filter(({ name }) => name === 'postgres')) {
  describe('blocking against a mint, statement by statement (postgres)', () => {
    for (const mint of [mints.state, mints.session, mints.handOff, mints.token]) {
      for (const past of ['is not known yet', 'has signed in before'] as const) {
        test(`schedules 2, 3 and 18: ${mint.name} of one who ${past} works nowhere once that returned`, async () => {
          const { violations, schedules } = await playAll(create, { mint, past });
          assert.deepEqual(violations, []);
          assert.ok(schedules > 10, 'there were statements to come between');
        });
      }
    }

    test('these schedules would notice if nobody looked again for a user who appears', async () => {
      const blocking = careless('looking again');
      const { violations } = await playAll(create, {
        mint: mints.session,
        past: 'is not known yet',
        blocking,
      });
      assert.match(violations.join(), /a session is in the database/);
    });

    test('these schedules would notice if nothing were revoked', async () => {
      const blocking = careless('a revocation');
      const { violations } = await playAll(create, {
        mint: mints.session,
        past: 'has signed in before',
        blocking,
      });
      assert.match(violations.join(), /a token was admitted|a session stands/);
    });
  });
}
