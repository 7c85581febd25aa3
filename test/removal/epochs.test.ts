import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sql } from 'kysely';
import { readFacts } from '../../src/removal/epoch-store.ts';
import {
  beginEpoch,
  checkHistory,
  closedSince,
  type NewEpoch,
  proofOfLostCommit,
} from '../../src/removal/epochs.ts';
import { readChainAt } from '../../src/removal/store.ts';
import { finishSignIn } from '../../src/sign-in/finish.ts';
import { databases, type TestDatabase } from '../support/postgres.ts';
import { copyDatabase, type Opened, openOn } from './histories.ts';
import { type Mutant, person, signIn as signInWith } from './steps.ts';
import { createWorld } from './world.ts';

const [ada, bob, eve] = [person('ada'), person('bob'), person('eve')];

/** A world that nobody has open any more, with people signed in, and a copy of it from before whatever comes. */
async function prepare(place: TestDatabase) {
  const world = await createWorld(place);
  const [hers, his] = [await world.signIn(ada), await world.signIn(bob)];
  const started = await world.steps.start(ada);
  const code = await world.steps.handOff(his.session);
  assert.deepEqual(await checkHistory(world.database), { ok: true, synchronous: isSqlite(place) });
  assert.equal(await closedSince(world.database.reader), null);
  await world.database.close();
  const backup = await copyDatabase(place);
  return { world, hers, his, started, code, backup, [Symbol.asyncDispose]: () => backup.drop() };
}

const isSqlite = ({ url }: TestDatabase) => url === null;

/** What whoever asks is told by a server that took over, or was said by the operator where nobody can find out. */
async function findRestore({ database }: Opened, place: TestDatabase): Promise<NewEpoch> {
  const history = await checkHistory(database);
  if (isSqlite(place)) {
    assert.deepEqual(history, { ok: true, synchronous: true }, 'one file looks like another');
    return { cause: 'operator' };
  }
  assert.deepEqual(history, { ok: false, why: 'new_history', cause: 'restore', keepFormer: false });
  return { cause: 'restore', keepFormer: false };
}

async function begin({ control, feed }: Opened, epoch: NewEpoch) {
  const begun = await beginEpoch(control, epoch);
  await feed.poll();
  return begun;
}

/** Makes the database look like another timeline of the one that was known; on SQLite nothing ever does. */
async function asAfterFailover({ database }: Opened, synchronous: 0 | 1): Promise<void> {
  const { identity } = await readFacts(database.reader);
  const row = { system_identifier: identity, timeline: '00000000', synchronous };
  await database.write((tx) => tx.query.updateTable('cluster').set(row).execute());
}

const approve = (node: Opened) => begin(node, { cause: 'approval' });

const sessionsOf = ({ database }: Opened) =>
  database.reader.query.selectFrom('sessions').select('nonce').execute();

const entriesOf = async ({ database }: Opened, action: string) =>
  (await database.reader.query.selectFrom('audit_entries').selectAll().execute()).filter(
    (entry) => entry.action === action,
  );

for (const { name, create } of databases) {
  describe(`schedule 21 (${name})`, () => {
    test('a restored backup admits nobody by what was minted before, and signs nobody in until it is approved', async () => {
      await using place = await create();
      await using it = await prepare(place);
      await using original = await openOn(it.world, place);
      await original.steps.remove(it.hers.session.user_id);
      assert.equal(original.ask(it.hers.token).verdict, 'sign_in');
      const hersAfter = await signInWith(original.steps, eve);

      await using restored = await openOn(it.world, it.backup);
      assert.equal(restored.ask(it.hers.token).verdict, 'allow', 'it does not know of the removal');
      const before = restored.head();
      const begun = await begin(restored, await findRestore(restored, place));
      assert.equal(begun?.length, 1);

      for (const { token } of [it.hers, it.his, hersAfter]) {
        assert.equal(restored.ask(token).verdict, 'sign_in');
      }
      await assert.rejects(restored.steps.start(ada), { reason: 'restored_database' });
      await assert.rejects(restored.steps.finish(it.started), { reason: 'restored_database' });
      await assert.rejects(restored.steps.redeem(it.code), { reason: 'session_ended' });
      await assert.rejects(restored.steps.handOff(it.his.session), { reason: 'session_ended' });
      assert.equal((await entriesOf(restored, 'user.sign_in')).length, 2, 'those of the backup');
      const [entry] = await entriesOf(restored, 'epoch.begin');
      assert.equal(entry?.position, (before?.position ?? 0) + 1);
      assert.equal(entry.actor_type, isSqlite(place) ? 'operator' : 'system');

      await approve(restored);
      assert.equal(await closedSince(restored.database.reader), null);
      await assert.rejects(restored.steps.finish(it.started), { reason: 'superseded' });
      for (const { token } of [it.hers, it.his]) assert.equal(restored.ask(token).verdict, 'sign_in');
      const again = await signInWith(restored.steps, bob);
      assert.equal(restored.ask(again.token).verdict, 'allow');
      assert.equal(restored.ask(it.his.token).verdict, 'sign_in');
    });

    test('two restores of one backup are two histories: what the first minted is refused in the second', async () => {
      await using place = await create();
      await using it = await prepare(place);
      await using second = await copyDatabase(it.backup);
      const tokens = [];
      for (const where of [it.backup, second]) {
        await using restored = await openOn(it.world, where);
        await begin(restored, { cause: 'operator' });
        await approve(restored);
        tokens.push({ where, ...(await signInWith(restored.steps, eve)) });
      }
      const [first, other] = tokens;
      assert.ok(first && other);
      assert.notEqual(first.token.rev.epoch, other.token.rev.epoch);
    });
  });

  describe(`schedule 10 (${name})`, () => {
    test('a failover that lost removal 8: its history’s tokens and places are refused, and the new 8 is not skipped', async () => {
      await using place = await create();
      await using it = await prepare(place);
      await using node = await openOn(it.world, place);
      await node.steps.remove(it.hers.session.user_id);
      const lost = node.head();
      assert.ok(lost);
      const late = await signInWith(node.steps, eve);
      assert.equal(node.ask(late.token).verdict, 'allow');

      await node.swap(it.backup);
      await node.feed.poll();
      assert.equal(node.lost.length > 0, true, 'the standby that took over knows less than was applied');
      if (!isSqlite(place)) {
        await asAfterFailover(node, 0);
        const found = await checkHistory(node.database);
        assert.deepEqual(found, { ok: false, why: 'new_history', cause: 'failover', keepFormer: false });
      }
      const [proof] = node.lost;
      assert.deepEqual(proof, { epoch: lost.epoch, position: lost.position + 1 }, 'what it had applied last');
      await proofOfLostCommit(node.control, { accountId: it.world.accountId, rev: proof });
      await node.feed.poll();

      for (const { token } of [it.hers, it.his, late]) assert.equal(node.ask(token).verdict, 'sign_in');
      const chain = await node.database.snapshot((snapshot) =>
        readChainAt(snapshot, it.world.accountId, lost),
      );
      assert.equal(chain, null, 'a gate that stands there is given everything anew');
      await approve(node);
      const again = await signInWith(node.steps, bob);
      await node.steps.nothing();
      assert.ok(
        (node.head()?.position ?? 0) >= lost.position,
        'positions have come to where the lost ones were',
      );
      assert.equal(node.ask(again.token).verdict, 'allow');
      await node.steps.remove(again.session.user_id);
      assert.equal(node.ask(again.token).verdict, 'sign_in');
      for (const { token } of [it.hers, it.his, late]) assert.equal(node.ask(token).verdict, 'sign_in');
    });
  });

  describe(`an epoch (${name})`, () => {
    test('begins once, however many notice at the same moment that it must', async () => {
      await using place = await create();
      await using it = await prepare(place);
      await using node = await openOn(it.world, place);
      const head = node.head();
      assert.ok(head);
      const { accountId } = it.world;
      const rev = { epoch: head.epoch, position: head.position + 5 };
      const proofs = Array.from({ length: 4 }, () => proofOfLostCommit(node.control, { accountId, rev }));
      const begun = (await Promise.all(proofs)).filter((one) => one !== null);
      assert.equal(begun.length, 1);
      assert.equal((await entriesOf(node, 'epoch.begin')).length, 1);
      assert.equal(await proofOfLostCommit(node.control, { accountId, rev }), null, 'nor once it is done');
      assert.notEqual(await closedSince(node.database.reader), null);
    });

    test('is not begun for a reading that this history has, an odd one, or one of an account that is not there', async () => {
      await using place = await create();
      await using it = await prepare(place);
      await using node = await openOn(it.world, place);
      const { epoch = 0, position = 0 } = node.head() ?? {};
      const { accountId } = it.world;
      const no = [
        { accountId, rev: { epoch, position } },
        { accountId, rev: { epoch, position: 0 } },
        { accountId, rev: { epoch: 0, position: position + 9 } },
        { accountId, rev: { epoch, position: Number.NaN } },
        { accountId: 'no such account', rev: { epoch, position: position + 9 } },
      ];
      for (const proof of no) assert.equal(await proofOfLostCommit(node.control, proof), null);
      assert.deepEqual(await entriesOf(node, 'epoch.begin'), []);
      assert.equal(await closedSince(node.database.reader), null);
    });

    test('is beyond every epoch of the history that was lost', async () => {
      await using place = await create();
      await using it = await prepare(place);
      await using node = await openOn(it.world, place);
      const { accountId } = it.world;
      const begun = await proofOfLostCommit(node.control, {
        accountId,
        rev: { epoch: 7_000_000_000, position: 0 },
      });
      assert.ok((begun?.[0]?.at.epoch ?? 0) > 7_000_000_000);
    });

    test('is not begun before the leases that were given have passed', async () => {
      await using place = await create();
      await using it = await prepare(place);
      await using node = await openOn(it.world, place);
      const lease = { id: 'n', name: 'node', version: '1', renewals: 0, lease_ms: 500 };
      await node.database.write((tx) => tx.query.insertInto('node_leases').values(lease).execute());
      const { accountId } = it.world;
      const started = performance.now();
      const proof = proofOfLostCommit(node.control, { accountId, rev: { epoch: 9, position: 9 } });
      assert.equal(await closedSince(node.database.reader), null);
      assert.equal((await proof)?.length, 1);
      assert.ok(performance.now() - started >= 600 - 1);
    });
  });
}

describe('the history of a PostgreSQL server', () => {
  const create = databases.find(({ name }) => name === 'postgres')?.create ?? assert.fail();

  test('a failover that lost nothing ends no session, and what is removed after it is', async () => {
    await using place = await create();
    await using it = await prepare(place);
    await using node = await openOn(it.world, place);
    await asAfterFailover(node, 1);
    assert.deepEqual(await checkHistory(node.database), {
      ok: false,
      why: 'new_history',
      cause: 'failover',
      keepFormer: true,
    });
    const doubted = await checkHistory(node.database, { synchronous: false });
    assert.equal(doubted.ok === false && 'keepFormer' in doubted && doubted.keepFormer, false);
    const begun = await begin(node, { cause: 'failover', keepFormer: true });
    const [{ former, at } = assert.fail()] = begun ?? [];
    assert.deepEqual(at, { epoch: former.epoch + 1, position: former.ended + 1 });
    assert.equal(await closedSince(node.database.reader), null);
    assert.deepEqual(node.lost, []);

    for (const { token } of [it.hers, it.his]) assert.equal(node.ask(token).verdict, 'allow');
    const more = await node.steps.redeem(await node.steps.handOff(it.his.session));
    assert.equal(node.ask(more).verdict, 'allow', 'a session of before goes to another application');
    const finished = await node.steps.finish(it.started);
    assert.equal(finished.epoch, former.epoch, 'a sign-in under way keeps its reading');
    await node.steps.remove(it.his.session.user_id);
    for (const token of [it.his.token, more]) assert.equal(node.ask(token).verdict, 'sign_in');
    assert.equal(node.ask(it.hers.token).verdict, 'allow');
    const beyond = { ...it.hers.token, rev: { epoch: former.epoch, position: former.ended + 1 } };
    assert.equal(node.ask(beyond).verdict, 'sign_in');
  });

  test('who was at the point of signing in when an epoch began gets no session', async () => {
    await using place = await create();
    await using it = await prepare(place);
    await using beside = await openOn(it.world, place);
    const finish: Mutant['finish'] = async (tx, input) => {
      const change = await finishSignIn(tx, input);
      await begin(beside, { cause: 'operator' });
      return change;
    };
    await using node = await openOn(it.world, place, { name: 'held before its counter', finish });
    const before = (await sessionsOf(node)).length;
    await assert.rejects(node.steps.finish(it.started), { reason: 'superseded' });
    assert.equal((await sessionsOf(node)).length, before);
  });

  test('on a standby there is none to decide by', async () => {
    await using place = await create();
    await using it = await prepare(place);
    await using node = await openOn(it.world, place);
    await shadow(node, place, 'pg_is_in_recovery() returns boolean', 'select true');
    assert.deepEqual(await checkHistory(node.database), { ok: false, why: 'replica' });
    await assert.rejects(beginEpoch(node.control, { cause: 'operator' }), /on a standby/);
  });

  test('that a commit no longer waits for a standby, or does again, is written down', async () => {
    await using place = await create();
    await using it = await prepare(place);
    await using node = await openOn(it.world, place);
    const known = async () =>
      (await node.database.reader.query.selectFrom('cluster').select('synchronous').executeTakeFirst())
        ?.synchronous;
    assert.equal(await known(), 0);
    await shadow(node, place, 'current_setting(text) returns text', "select 'on'");
    assert.deepEqual(await checkHistory(node.database), { ok: true, synchronous: true });
    assert.equal(await known(), 1);
    await shadow(node, place, 'current_setting(text) returns text', "select 'local'");
    assert.deepEqual(await checkHistory(node.database), { ok: true, synchronous: false });
    assert.equal(await known(), 0);
  });

  test('another timeline is found by what the server says of its log', async () => {
    await using place = await create();
    await using it = await prepare(place);
    await using node = await openOn(it.world, place);
    await shadow(node, place, 'pg_walfile_name(pg_lsn) returns text', "select '0000000A0000000000000001'");
    const found = { ok: false, why: 'new_history', cause: 'failover', keepFormer: false } as const;
    assert.deepEqual(await checkHistory(node.database), found);
    await begin(node, found);
    assert.deepEqual(await checkHistory(node.database), { ok: true, synchronous: false });
    assert.equal(await beginEpoch(node.control, found), null, 'it was begun already');
  });
});

/** Makes the server say something else of itself, in this database. */
async function shadow({ database, swap }: Opened, place: TestDatabase, head: string, body: string) {
  const name = new URL(place.url ?? '').pathname.slice(1);
  await database.write(async (tx) => {
    await sql.raw(`create or replace function public.${head} language sql as $$${body}$$`).execute(tx.query);
    await sql.raw(`alter database ${name} set search_path = public, pg_catalog`).execute(tx.query);
  });
  await swap(place);
}
