import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { deleteProvider } from '../../src/access/identity-providers/identity-providers.ts';
import type { Tx } from '../../src/database/database.ts';
import { operator } from '../../src/kernel/actor.ts';
import { type Change, commitAct } from '../../src/removal/act.ts';
import { SignInRefused } from '../../src/sign-in/refused.ts';
import { databases } from '../support/postgres.ts';
import { startNode } from './node.ts';
import { NO_RIGHTS_ASKED, type Person, person, type Started } from './steps.ts';
import { createWorld, openAgain, type World } from './world.ts';

const ada = person('ada');

function refusedAs(reason: string) {
  return (error: unknown) => error instanceof SignInRefused && error.reason === reason;
}

function present<T>(value: T | null | undefined): T {
  assert.ok(value != null);
  return value;
}

const change = <T>({ control, accountId }: World, work: (tx: Tx) => Promise<Change<T>>) =>
  commitAct(control, { accountId, actor: operator, authorize: NO_RIGHTS_ASKED }, work);

const removeByEmail = async (world: World, { email }: Person) =>
  world.steps.remove(present(await world.steps.idOf(email)));

async function rowsOf(world: World, email: string) {
  const { query } = world.database.reader;
  const users = await query.selectFrom('users').select('id').where('email_key', '=', email).execute();
  const sessions = await query.selectFrom('sessions').select('nonce').execute();
  const identities = await query.selectFrom('identities').select('id').execute();
  return { users: users.length, sessions: sessions.length, identities: identities.length };
}

/** What may happen to a person or their provider between the state and the callback. */
const removals: readonly [title: string, (world: World) => Promise<unknown>][] = [
  ['the user is deleted', (world) => removeByEmail(world, ada)],
  ['the user is revoked', (world) => world.steps.revoke(ada.email)],
  ['the user is revoked under another spelling', (world) => world.steps.revoke('ADA@Example.COM')],
  ['the provider is pointed elsewhere', (world) => world.steps.repoint()],
];

/** As whom the person comes back from the provider. */
const returns: readonly [title: string, Parameters<World['steps']['finish']>[1]][] = [
  ['as themselves', {}],
  ['with their e-mail spelled otherwise', { email: 'Ada@EXAMPLE.com' }],
  ['under another e-mail', { email: 'countess@example.com' }],
  ['under another subject', { subject: 'somebody else' }],
];

for (const { name, create } of databases) {
  describe(`schedule 3 (${name})`, () => {
    for (const [what, removal] of removals) {
      test(`${what} while a person is at the provider: nothing is made of their coming back, as whomever`, async () => {
        await using database = await create();
        await using world = await createWorld(database);
        await world.signIn(ada);
        const started = await Promise.all(returns.map(() => world.steps.start(ada)));
        await removal(world);
        const before = await rowsOf(world, ada.email);
        for (const [index, [how, proven]] of returns.entries()) {
          await assert.rejects(
            world.steps.finish(present(started[index]), proven),
            refusedAs('superseded'),
            `they come back ${how}`,
          );
          assert.deepEqual(await rowsOf(world, ada.email), before);
          assert.equal((await rowsOf(world, 'countess@example.com')).users, 0);
        }
      });
    }

    test('the provider is deleted while a person is there: their way back leads nowhere', async () => {
      await using database = await create();
      await using world = await createWorld(database);
      const started = await world.steps.start(ada);
      await change(world, (tx) => deleteProvider(tx, { accountId: world.accountId, id: world.providerId }));
      await assert.rejects(world.steps.finish(started), refusedAs('state_unknown'));
      assert.equal((await rowsOf(world, ada.email)).users, 0);
    });

    test('who signs in again after a deletion is a new user with another id, and is admitted', async () => {
      await using database = await create();
      await using world = await createWorld(database);
      const old = await world.signIn(ada);
      const started = await world.steps.start(ada);
      await removeByEmail(world, ada);
      await assert.rejects(world.steps.finish(started), refusedAs('superseded'));
      const again = await world.signIn(ada);
      assert.notEqual(again.session.user_id, old.session.user_id);
      assert.equal(world.ask(again.token).verdict, 'allow');
      assert.equal(world.ask(old.token).verdict, 'sign_in');
    });
  });

  describe(`schedule 17 (${name})`, () => {
    test('the other node that is asked to delete the same user says 404 only when its own gate refuses', async () => {
      await using database = await create();
      await using world = await createWorld(database);
      const { token, session } = await world.signIn(ada);
      await using other = await startNode(world, openAgain(database));
      assert.equal(other.ask(token), 'allow');

      await world.steps.remove(session.user_id);
      assert.equal(other.ask(token), 'allow', 'the other node has not heard of it yet');
      await assert.rejects(other.remove(session.user_id), { status: 404 });
      assert.equal(other.ask(token), 'sign_in');
    });

    test('the repeated request too is answered as the first was, and not before', async () => {
      await using database = await create();
      await using world = await createWorld(database);
      const { token, session } = await world.signIn(ada);
      await using other = await startNode(world, openAgain(database));
      await world.steps.remove(session.user_id, { key: 'the same request', isRetry: false });
      assert.equal(other.ask(token), 'allow');
      await assert.rejects(other.remove(session.user_id, { key: 'another', isRetry: true }), { status: 404 });
      assert.deepEqual(await other.remove(session.user_id, { key: 'the same request', isRetry: true }), {});
      assert.equal(other.ask(token), 'sign_in');
      await assert.rejects(other.remove(session.user_id, { key: 'the same request', isRetry: false }), {
        status: 404,
      });
    });

    test('while a removal is not in force here, no other request is told that it is done', async () => {
      await using database = await create();
      const late: (() => void)[] = [];
      await using world = await createWorld(database, {
        name: 'a gate that is slow to take in',
        feed: (feed) => ({
          ...feed,
          committed: () => {},
          reach: async (accountId, at) => {
            if (late.length > 0) await new Promise<void>((resolve) => late.push(resolve));
            await feed.reach(accountId, at);
          },
        }),
      });
      const { token, session } = await world.signIn(ada);
      late.push(() => {});
      const answers: string[] = [];
      const first = world.steps.remove(session.user_id).then(() => answers.push('first'));
      while (late.length < 2) await new Promise(setImmediate);
      const second = assert.rejects(world.steps.remove(session.user_id), { status: 404 });
      const told = second.then(() => answers.push('second'));
      while (late.length < 3) await new Promise(setImmediate);
      assert.deepEqual(answers, []);
      assert.equal(world.ask(token).verdict, 'allow', 'it is committed, and nobody was told so');
      for (const go of late.splice(0)) go();
      await Promise.all([first, told]);
      assert.equal(world.ask(token).verdict, 'sign_in');
    });
  });

  describe(`schedule 19 (${name})`, () => {
    test('what is below the floor is refused, whatever its expiry says, and bears no children', async () => {
      await using database = await create();
      await using world = await createWorld(database);
      const { token, session } = await world.signIn(ada);
      const started = await world.steps.start(ada);
      const code = await world.steps.handOff(session);
      for (let more = 0; more < 3; more += 1) await world.steps.nothing();
      const kept = await world.steps.start(person('bob'));
      await raiseFloor(world, kept.rev.position);

      await using node = await startNode(world, openAgain(database));
      assert.ok(token.expiresAt > world.clock.now());
      assert.equal(node.ask(token), 'sign_in');
      await assert.rejects(world.steps.finish(started), refusedAs('superseded'));
      await assert.rejects(world.steps.redeem(code), refusedAs('session_ended'));
      await assert.rejects(world.steps.handOff(session), refusedAs('session_ended'));
      assert.equal(world.ask(await complete(world, kept)).verdict, 'allow', 'at the floor is not below it');
    });

    test('a session ends counted from the time that was read with its rev, however late it was finished', async () => {
      await using database = await create();
      await using world = await createWorld(database);
      const begun = world.clock.now();
      const started = await world.steps.start(ada);
      world.clock.move(9 * 60_000);
      const { expires_at } = await world.steps.finish(started);
      assert.equal(Date.parse(expires_at), begun + 24 * 3_600_000);
    });
  });

  describe(`schedule 22 (${name})`, () => {
    const endings: readonly [string, (world: World) => Promise<unknown>][] = [
      ['revoke_user', (world) => world.steps.revoke(ada.email)],
      ['DELETE of the user', (world) => removeByEmail(world, ada)],
    ];
    for (const [title, ending] of endings) {
      test(`after ${title} the provider's own session signs nobody in: a fresh login is asked for and proven`, async () => {
        await using database = await create();
        await using world = await createWorld(database);
        await world.signIn(ada);
        await ending(world);
        world.clock.move(5 * 60_000);
        const old = (world.clock.now() - 5 * 60_000) / 1000;

        const silent = await world.steps.start(ada, { fresh: false });
        await assert.rejects(world.steps.finish(silent, { authTime: old }), refusedAs('reauthenticate'));
        await assert.rejects(world.steps.finish(silent), refusedAs('reauthenticate'), 'it was not asked for');
        const asked = await world.steps.start(ada);
        for (const authTime of [old, null, Number.NaN]) {
          await assert.rejects(world.steps.finish(asked, { authTime }), refusedAs('not_reauthenticated'));
        }
        assert.equal(world.ask(await complete(world, asked)).verdict, 'allow');

        const later = await world.steps.start(ada, { fresh: false });
        assert.equal(
          world.ask(await complete(world, later, { authTime: old })).verdict,
          'allow',
          'asked once',
        );
      });
    }

    test('nobody else is asked to prove anything', async () => {
      await using database = await create();
      await using world = await createWorld(database);
      await world.signIn(ada);
      await world.steps.revoke(ada.email);
      const bob = await world.steps.start(person('bob'), { fresh: false });
      assert.equal(world.ask(await complete(world, bob, { authTime: null })).verdict, 'allow');
    });
  });
}

/** The rest of a sign-in that is at the provider. */
async function complete(
  world: World,
  started: Started,
  proven: Parameters<World['steps']['finish']>[1] = {},
) {
  const session = await world.steps.finish(started, proven);
  return await world.steps.redeem(await world.steps.handOff(session));
}

async function raiseFloor({ database, accountId }: World, floor: number): Promise<void> {
  await database.write((tx) =>
    tx.query.updateTable('feed_heads').set({ floor }).where('account_id', '=', accountId).execute(),
  );
}
