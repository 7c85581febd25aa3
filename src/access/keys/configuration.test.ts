import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asking, newestEntry } from '../../../test/support/access.ts';
import { createTestKeyTimer, keyRows, publishedKids } from '../../../test/support/key-timer.ts';
import { refuses } from '../../../test/support/refusals.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases } from '../../../test/support/stage.ts';
import { addPerson, addTenant, firstTenant, keySdk, refused } from '../../../test/support/tenants.ts';
import { DAY } from '../../kernel/clock.ts';
import { MOST_FORMER, PUBLISHED_FOR } from './schedule.ts';

const READ = 'Access: Organizations, Identity Providers, and Groups Read';
const WRITE = 'Access: Organizations, Identity Providers, and Groups Write';

const interval = (value: unknown) => ({ key_rotation_interval_days: value });
const pointer = '/key_rotation_interval_days';

refuses(
  'the configuration of keys is not changed by a body',
  async ({ app }) => ({ app, path: `/accounts/${app.credentials.account_id}/access/keys` }),
  [
    { name: 'of nothing', body: {} },
    { name: 'with less than three weeks', body: interval(20) },
    { name: 'with more than a year', body: interval(366) },
    { name: 'with a part of a day', body: interval(30.5) },
    { name: 'with a text', body: interval('30') },
    { name: 'with null', body: interval(null) },
    { name: 'with a number beyond all days', body: interval(1e300) },
  ].map(({ name, body }) => ({
    name,
    sends: ({ app, path }) => asking(app, 'PUT', path, body),
    refusal: { status: 400, code: 12130, pointer },
  })),
);

onBothDatabases('the configuration of keys', (stage) => {
  const account_id = () => stage.app.credentials.account_id;
  const keys = () => stage.app.sdk().zeroTrust.access.keys;

  test('is six weeks from the first start on', async () => {
    const { current } = await keyRows(stage.app);
    assert.deepEqual(await keys().get({ account_id: account_id() }), {
      days_until_next_rotation: 42,
      key_rotation_interval_days: 42,
      last_key_rotation_at: current[0]?.created_at,
    });
  });

  test('is changed by an update, which leaves the keys and says so in the audit log', async () => {
    const before = await publishedKids(stage.app);
    const known = await keys().get({ account_id: account_id() });
    const updated = await keys().update({ account_id: account_id(), key_rotation_interval_days: 30 });
    assert.deepEqual(updated, { ...known, days_until_next_rotation: 30, key_rotation_interval_days: 30 });
    assert.deepEqual(await keys().get({ account_id: account_id() }), updated);
    assert.deepEqual(await publishedKids(stage.app), before);
    const { action, metadata, resource } = await newestEntry(stage.app);
    assert.equal(action?.type, 'keys.update');
    assert.deepEqual(resource, { id: account_id(), type: 'keys' });
    assert.equal(metadata.key_rotation_interval_days, 30);
    for (const days of [21, 365, 42]) {
      const { key_rotation_interval_days: answered } = await keys().update({
        account_id: account_id(),
        key_rotation_interval_days: days,
      });
      assert.equal(answered, days);
    }
  });

  test('counts the days down by the clock, to none', async () => {
    for (const [days, left] of [
      [1, 41],
      [40, 2],
      [60, 0],
    ] as const) {
      stage.app.clock.advance(days * DAY);
      const { days_until_next_rotation } = await keys().get({ account_id: account_id() });
      stage.app.clock.advance(-days * DAY);
      assert.equal(days_until_next_rotation, left);
    }
  });

  test('needs the permission of organizations: to read, either; to change or rotate, that to write', async () => {
    const tenant = await firstTenant(stage.app);
    const reader = await addPerson(stage.app, tenant, { email: 'reader@example.com', may: [READ] });
    const writer = await addPerson(stage.app, tenant, { email: 'writer@example.com', may: [WRITE] });
    const other = await addPerson(stage.app, tenant, {
      email: 'other@example.com',
      may: ['Access: Apps and Policies Write'],
    });
    const of = ({ sdk }: { sdk: typeof tenant.sdk }) => sdk.zeroTrust.access.keys;
    const body = { account_id: account_id(), key_rotation_interval_days: 42 };
    const rows = await readRows(stage.database);
    for (const call of [
      () => of(reader).update(body),
      () => of(reader).rotate({ account_id: account_id() }),
      () => of(other).get({ account_id: account_id() }),
      () => of(other).update(body),
      () => of(other).rotate({ account_id: account_id() }),
    ]) {
      const { status, code } = await refused(call());
      assert.deepEqual([status, code], [403, 10000]);
    }
    assert.deepEqual(await readRows(stage.database), rows);
    assert.equal((await of(reader).get({ account_id: account_id() })).key_rotation_interval_days, 42);
    assert.equal((await of(writer).update(body)).key_rotation_interval_days, 42);
  });

  test('is of one account: another has its own, or none', async () => {
    const { accountId, owner } = await addTenant(stage.app, 'neighbour');
    const theirs = keySdk(stage.app, owner.email, owner.key).zeroTrust.access.keys;
    const foreign = await refused(theirs.rotate({ account_id: account_id() }));
    assert.equal(foreign.status, 403);
    const before = await publishedKids(stage.app);
    for (const call of [
      () => theirs.get({ account_id: accountId }),
      () => theirs.update({ account_id: accountId, key_rotation_interval_days: 30 }),
    ]) {
      const { status, code } = await refused(call());
      assert.deepEqual([status, code], [404, 12135]);
    }
    // An account without keys gets its first, which sign at once: nobody has an older key set.
    const made = await theirs.rotate({ account_id: accountId });
    assert.equal(made.days_until_next_rotation, 42);
    const rows = await stage.app.app.control.database.reader.query
      .selectFrom('signing_keys')
      .select('stage')
      .where('account_id', '=', accountId)
      .execute();
    assert.deepEqual(
      rows.map((row) => row.stage),
      ['current', 'current'],
    );
    assert.deepEqual(await publishedKids(stage.app), before);
  });
});

onBothDatabases('a rotation by call', (stage) => {
  const account_id = () => stage.app.credentials.account_id;
  const rotate = () => stage.app.sdk().zeroTrust.access.keys.rotate({ account_id: account_id() });

  test('publishes a key for each purpose at once, and the former go on signing', async () => {
    const before = await keyRows(stage.app);
    stage.app.clock.advance(DAY);
    const answered = await rotate();
    assert.equal(answered.days_until_next_rotation, 42);
    assert.equal(Date.parse(answered.last_key_rotation_at ?? '') > Date.now() + DAY / 2, true);
    const after = await keyRows(stage.app);
    assert.deepEqual(after.current, before.current);
    assert.deepEqual(
      after.next.map(({ purpose }) => purpose),
      ['gate', 'session'],
    );
    const all = after.rows.map(({ id }) => id).sort();
    assert.equal(all.length, 4);
    assert.deepEqual(await publishedKids(stage.app), all);
    const { action, metadata } = await newestEntry(stage.app);
    assert.equal(action?.type, 'keys.rotate');
    assert.deepEqual([...(metadata.published as string[])].sort(), after.next.map(({ id }) => id).sort());
  });

  test('while one is under way, is that one: no key more, however often and however many at once', async () => {
    const before = await keyRows(stage.app);
    const known = await stage.app.sdk().zeroTrust.access.keys.get({ account_id: account_id() });
    for (const answered of await Promise.all([rotate(), rotate(), rotate(), rotate()])) {
      assert.deepEqual(answered, known);
    }
    assert.deepEqual((await keyRows(stage.app)).rows, before.rows);
    const { action, metadata } = await newestEntry(stage.app);
    assert.equal(action?.type, 'keys.rotate');
    assert.deepEqual(metadata.published, []);
  });

  test('that comes many times at once, with none under way, makes one pair', async () => {
    await settle();
    const before = await keyRows(stage.app);
    assert.equal(before.next.length, 0);
    const answers = await Promise.all([rotate(), rotate(), rotate(), rotate()]);
    assert.equal(new Set(answers.map((answer) => answer.last_key_rotation_at)).size, 1);
    assert.equal((await keyRows(stage.app)).rows.length, before.rows.length + 2);
  });

  test('is refused while ten former keys are needed, changes nothing then, and is taken again later', async () => {
    await settle();
    for (let nth = 0; nth < MOST_FORMER; nth++) {
      if ((await sessionKeys('former')).length === MOST_FORMER) break;
      await rotate();
      await settle();
    }
    assert.equal((await sessionKeys('former')).length, MOST_FORMER);
    const rows = await readRows(stage.database);
    const { status, code, error } = await refused(rotate());
    assert.deepEqual([status, code], [409, 12132]);
    assert.equal(error.headers?.get('x-should-retry'), 'false');
    assert.deepEqual(await readRows(stage.database), rows);
    await assertTimerWaits();
    stage.app.clock.advance(40 * DAY);
    await createTestKeyTimer(stage.app).turn();
    assert.equal((await sessionKeys('former')).length, 0);
    await rotate();
    assert.equal((await sessionKeys('next')).length, 1);
  });

  /** Not even the interval makes an eleventh former key. */
  async function assertTimerWaits(): Promise<void> {
    const rows = await readRows(stage.database);
    const before = await keyRows(stage.app);
    await stage.app.app.control.database.write((tx) =>
      tx.query.updateTable('key_settings').set({ last_rotated_at: '2020-01-01T00:00:00.000Z' }).execute(),
    );
    await createTestKeyTimer(stage.app).turn();
    assert.deepEqual((await keyRows(stage.app)).rows, before.rows);
    assert.deepEqual((await readRows(stage.database)).audit_entries, rows.audit_entries);
  }

  async function settle(): Promise<void> {
    const timer = createTestKeyTimer(stage.app);
    await timer.turn();
    await timer.turn(PUBLISHED_FOR);
  }

  async function sessionKeys(of: 'next' | 'former') {
    return (await keyRows(stage.app))[of].filter(({ purpose }) => purpose === 'session');
  }
});
