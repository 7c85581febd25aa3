import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { readRows } from '../../../test/support/rows.ts';
import {
  addHolder,
  addRegistration,
  createTestSeatTimer,
  giveSeat,
  seatsInUse,
  setSeatLimit,
  userRow,
} from '../../../test/support/seats.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { openStorage } from '../../../test/support/storage.ts';
import { addTenant } from '../../../test/support/tenants.ts';
import { DAY, HOUR, timestamp } from '../../kernel/clock.ts';
import { aloneControl } from '../../removal/act.ts';

const MONTH = 730 * HOUR;

/** After how long seats expire in the first account. */
async function setInactiveTime({ app }: Stage, time: string | null): Promise<void> {
  const path = `/accounts/${app.credentials.account_id}/access/organizations`;
  const body = { user_seat_expiration_inactive_time: time };
  const answer = await app.api('PUT', path, { body });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
}

/** So long ago, by the server's clock. */
const ago = ({ app }: Stage, milliseconds: number) => timestamp(app.clock.now() - milliseconds);

/** Lets the last sign-in of that user be so long ago; null: they never signed in, and were made then. */
async function signedIn(stage: Stage, email: string, milliseconds: number, how: 'ever' | 'never' = 'ever') {
  const at = ago(stage, milliseconds);
  const change = how === 'ever' ? { last_successful_login: at } : { created_at: at, updated_at: at };
  const { database } = stage.app.app.control;
  await database.write((tx) =>
    tx.query.updateTable('users').set(change).where('email_key', '=', email).execute(),
  );
}

const holds = async ({ app }: Stage, email: string) => (await userRow(app, email))?.seat_uid !== null;

async function expiries({ database }: Stage) {
  const entries = ((await readRows(database)).audit_entries ?? []).map((row) => JSON.parse(row));
  return entries
    .filter(({ action }) => action === 'seats.expire')
    .sort((one, other) => one.position - other.position);
}

onBothDatabases('an unused seat', (stage) => {
  beforeEach(async () => {
    await setInactiveTime(stage, null);
    await stage.app.app.control.database.write((tx) =>
      tx.query
        .updateTable('users')
        .set({ last_successful_login: ago(stage, 0) })
        .execute(),
    );
  });

  test('stays for ever where the account has not said otherwise', async () => {
    await addHolder(stage.app, 'ever@example.com');
    await signedIn(stage, 'ever@example.com', 10 * 365 * DAY);
    await createTestSeatTimer(stage.app).turn();
    assert.equal(await holds(stage, 'ever@example.com'), true);
    for (const off of ['0', '', '0s', null]) {
      await setInactiveTime(stage, '730h');
      await setInactiveTime(stage, off);
      await createTestSeatTimer(stage.app).turn();
      assert.equal(await holds(stage, 'ever@example.com'), true);
    }
  });

  test('is given back only where both are long enough ago: the last sign-in, and the device', async () => {
    const people: readonly (readonly [name: string, login: number, seen: number | null, stays: boolean])[] = [
      ['both', MONTH + HOUR, MONTH + HOUR, false],
      ['no.device', MONTH + HOUR, null, false],
      ['long.ago', 10 * MONTH, 9 * MONTH, false],
      ['device.seen', MONTH + HOUR, MONTH - HOUR, true],
      ['signed.in', MONTH - HOUR, MONTH + HOUR, true],
      ['just.not', MONTH - HOUR, null, true],
    ];
    for (const [name, login, seen] of people) {
      const email = `${name}@example.com`;
      await addHolder(stage.app, email, ['access', 'gateway']);
      if (seen !== null) await addRegistration(stage.app, email, ago(stage, seen));
      await signedIn(stage, email, login);
    }
    const used = await seatsInUse(stage.app);
    await setInactiveTime(stage, '730h');
    await createTestSeatTimer(stage.app).turn();
    for (const [name, , , stays] of people)
      assert.equal(await holds(stage, `${name}@example.com`), stays, name);
    assert.equal(await seatsInUse(stage.app), used - 3);
    const [entry] = (await expiries(stage)).slice(-1);
    assert.deepEqual([entry.actor_type, entry.interface, entry.actor_id], ['system', 'system', null]);
    const told = JSON.parse(entry.metadata).seats as { email: string; devices: number }[];
    assert.deepEqual(told.map(({ email, devices }) => [email, devices]).sort(), [
      ['both@example.com', 1],
      ['long.ago@example.com', 1],
      ['no.device@example.com', 0],
    ]);
    const gone = await userRow(stage.app, 'both@example.com');
    assert.deepEqual(
      [gone?.access_seat, gone?.gateway_seat, gone?.reauthenticate, gone?.active_device_count],
      [0, 0, 1, 0],
    );
    const { registrations = [] } = await readRows(stage.database);
    assert.equal(
      registrations.some((row) => row.includes(gone?.id ?? '')),
      false,
    );
  });

  test('of somebody who never signed in counts from when they were made', async () => {
    await addHolder(stage.app, 'old@example.com', ['gateway']);
    await addHolder(stage.app, 'young@example.com', ['gateway']);
    const { database } = stage.app.app.control;
    await database.write((tx) =>
      tx.query
        .updateTable('users')
        .set({ last_successful_login: null })
        .where('email_key', 'in', ['old@example.com', 'young@example.com'])
        .execute(),
    );
    await signedIn(stage, 'old@example.com', MONTH + HOUR, 'never');
    await setInactiveTime(stage, '730h');
    await createTestSeatTimer(stage.app).turn();
    assert.deepEqual(
      [await holds(stage, 'old@example.com'), await holds(stage, 'young@example.com')],
      [false, true],
    );
  });

  test('is kept by who comes back between the look and the act', async () => {
    const { app } = stage;
    await addHolder(app, 'back@example.com');
    await addHolder(app, 'seen@example.com', ['gateway']);
    const registration = await addRegistration(app, 'seen@example.com', ago(stage, 2 * MONTH));
    for (const email of ['back@example.com', 'seen@example.com']) await signedIn(stage, email, 2 * MONTH);
    await setInactiveTime(stage, '730h');
    const before = (await expiries(stage)).length;
    const { control } = app.app;
    const late = {
      ...control,
      database: {
        ...control.database,
        write: async <T>(work: Parameters<typeof control.database.write<T>>[0]) => {
          await signedIn(stage, 'back@example.com', 0);
          await control.database.write((tx) =>
            tx.query
              .updateTable('registrations')
              .set({ last_seen_at: ago(stage, 0) })
              .where('id', '=', registration)
              .execute(),
          );
          return await control.database.write(work);
        },
      },
    };
    await createTestSeatTimer(app, late).turn();
    assert.deepEqual(
      [await holds(stage, 'back@example.com'), await holds(stage, 'seen@example.com')],
      [true, true],
    );
    assert.equal((await expiries(stage)).length, before);
  });

  test('is kept where the account turned that off between the look and the act', async () => {
    const { app } = stage;
    await addHolder(app, 'off@example.com');
    await signedIn(stage, 'off@example.com', 2 * MONTH);
    await setInactiveTime(stage, '730h');
    const { control } = app.app;
    const late = {
      ...control,
      database: {
        ...control.database,
        write: async <T>(work: Parameters<typeof control.database.write<T>>[0]) => {
          await setInactiveTime(stage, '');
          return await control.database.write(work);
        },
      },
    };
    await createTestSeatTimer(app, late).turn();
    assert.equal(await holds(stage, 'off@example.com'), true);
  });

  test('is kept where the account turned that off by an act that got its place before', async () => {
    const { app } = stage;
    await addHolder(app, 'guard@example.com');
    await signedIn(stage, 'guard@example.com', 2 * MONTH);
    await setInactiveTime(stage, '730h');
    const rows = await readRows(stage.database);
    const answers: (number | null)[] = [MONTH, null];
    await createTestSeatTimer(app, app.app.control, async () => answers.shift() ?? null).turn();
    assert.deepEqual(answers, []);
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('is looked for once a day, at once by a new process', async () => {
    const { app } = stage;
    await setInactiveTime(stage, '730h');
    const timer = createTestSeatTimer(app);
    await timer.turn();
    await addHolder(app, 'daily@example.com');
    await signedIn(stage, 'daily@example.com', 2 * MONTH);
    await timer.turn(DAY - 1);
    assert.equal(await holds(stage, 'daily@example.com'), true);
    await timer.turn(1);
    assert.equal(await holds(stage, 'daily@example.com'), false);
    await giveSeat(app, 'daily@example.com', 'access');
    await createTestSeatTimer(app).turn();
    assert.equal(await holds(stage, 'daily@example.com'), false);
  });

  test('is given back by one of two nodes, and with every other one: no seat is counted twice', async () => {
    const { app } = stage;
    const emails = Array.from({ length: 250 }, (_, at) => `many-${at}@example.com`);
    for (const email of emails) {
      await addHolder(app, email);
      await signedIn(stage, email, 2 * MONTH);
    }
    await setInactiveTime(stage, '730h');
    const used = await seatsInUse(app);
    const before = (await expiries(stage)).length;
    await using other =
      stage.database.url === null
        ? { ...app.app.control.database, [Symbol.asyncDispose]: async () => {} }
        : openStorage(stage.database);
    const elsewhere = aloneControl({ database: other, clock: app.app.control.clock });
    const timers = [createTestSeatTimer(app), createTestSeatTimer(app, elsewhere)];
    await Promise.all(timers.map((timer) => timer.turn()));
    await app.app.control.feed.poll();
    assert.equal(await seatsInUse(app), used - emails.length);
    const entries = (await expiries(stage)).slice(before);
    const told = entries.flatMap(({ metadata }) => JSON.parse(metadata).seats as { email: string }[]);
    assert.deepEqual(told.map(({ email }) => email).sort(), emails.toSorted());
    assert.ok(entries.every(({ metadata }) => JSON.parse(metadata).seats.length <= 100));
  });

  test('is of an account that says so, while another account keeps its own', async () => {
    const { app } = stage;
    const other = await addTenant(app, 'other');
    await addHolder(app, 'here@example.com');
    await other.sdk.zeroTrust.access.users.create({
      account_id: other.accountId,
      email: 'there@example.com',
    });
    await app.app.control.database.write(async (tx) => {
      const old = { seat_uid: 'theirs', access_seat: 1, last_successful_login: ago(stage, 2 * MONTH) };
      await tx.query.updateTable('users').set(old).where('account_id', '=', other.accountId).execute();
    });
    await signedIn(stage, 'here@example.com', 2 * MONTH);
    await setInactiveTime(stage, '730h');
    await createTestSeatTimer(app).turn();
    assert.equal(await holds(stage, 'here@example.com'), false);
    const { result } = await other.sdk.zeroTrust.access.users.list({ account_id: other.accountId });
    assert.equal(result[0]?.seat_uid, 'theirs');
  });

  test('that was given back leaves room for somebody else', async () => {
    const { app } = stage;
    await addHolder(app, 'first@example.com');
    await signedIn(stage, 'first@example.com', 2 * MONTH);
    await setSeatLimit(app, await seatsInUse(app));
    await assert.rejects(addHolder(app, 'second@example.com'), /no seat left/);
    await setInactiveTime(stage, '730h');
    await createTestSeatTimer(app).turn();
    await giveSeat(app, 'second@example.com', 'access');
    await assert.rejects(giveSeat(app, 'first@example.com', 'access'), /no seat left/);
    await setSeatLimit(app, null);
  });

  test('is kept longer where the time is longer', async () => {
    await addHolder(stage.app, 'year@example.com');
    await signedIn(stage, 'year@example.com', 364 * DAY);
    await setInactiveTime(stage, '8760h');
    await createTestSeatTimer(stage.app).turn();
    assert.equal(await holds(stage, 'year@example.com'), true);
    await setInactiveTime(stage, '8736h');
    await signedIn(stage, 'year@example.com', 365 * DAY);
    await createTestSeatTimer(stage.app).turn();
    assert.equal(await holds(stage, 'year@example.com'), false);
  });
});
