import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PermissionDeniedError } from 'cloudflare';
import { asking } from '../../../test/support/access.ts';
import { type Refusal, refuses, type Scenario } from '../../../test/support/refusals.ts';
import { readRows } from '../../../test/support/rows.ts';
import { addHolder, addRegistration, giveSeat, seatsInUse, userRow } from '../../../test/support/seats.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { addTenant, all, refused, tokenPolicy } from '../../../test/support/tenants.ts';
import { newUuid } from '../../kernel/ids.ts';

const invalid = (pointer: string, code = 12130, says = /\w/): Refusal => ({
  status: 400,
  code,
  pointer,
  says,
});
const unknown: Refusal = { status: 404, code: 12135, says: /seat .* not found/ };

interface World {
  readonly stage: Stage;
  /** A seat with access alone, one with both, and one with gateway alone. */
  readonly access: string;
  readonly both: string;
  readonly gateway: string;
}

async function prepare(stage: Stage): Promise<World> {
  const { app } = stage;
  return {
    stage,
    access: await addHolder(app, 'access@example.com'),
    both: await addHolder(app, 'both@example.com', ['access', 'gateway']),
    gateway: await addHolder(app, 'gateway@example.com', ['gateway']),
  };
}

const change = (seat_uid: unknown, access_seat: unknown = false, gateway_seat: unknown = false) => ({
  seat_uid,
  access_seat,
  gateway_seat,
});

function changing(name: string, body: (world: World) => unknown, refusal: Refusal): Scenario<World> {
  const path = ({ stage }: World) => `/accounts/${stage.app.credentials.account_id}/access/seats`;
  return { name, sends: (world) => asking(world.stage.app, 'PATCH', path(world), body(world)), refusal };
}

refuses('changes of seats that are refused', prepare, [
  changing('an object, as an older SDK sent it', ({ both }) => change(both), invalid('')),
  changing('of no seat', () => [], invalid('')),
  changing('of more than two hundred', () => Array.from({ length: 201 }, () => change('x')), invalid('')),
  changing('without the seat', () => [{ access_seat: false, gateway_seat: false }], invalid('/0/seat_uid')),
  changing(
    'without one of the kinds',
    ({ both }) => [{ seat_uid: both, gateway_seat: false }],
    invalid('/0/access_seat'),
  ),
  changing('with null for a kind', ({ both }) => [change(both, false, null)], invalid('/0/gateway_seat')),
  changing('with a word for a kind', ({ both }) => [change(both, 'false')], invalid('/0/access_seat')),
  changing('of a seat that is no text', () => [change(7)], invalid('/0/seat_uid')),
  changing('of a seat too long for one', () => [change('x'.repeat(37))], invalid('/0/seat_uid')),
  changing(
    'of one seat twice, however it is written',
    ({ both, access }) => [change(both), change(access), change(both.toUpperCase())],
    invalid('/2/seat_uid', 12130, /named twice/),
  ),
  ...['x', '', newUuid(), '__proto__'].map((uid) =>
    changing(
      `of a seat that nobody holds: ${uid.slice(0, 9)}`,
      ({ both }) => [change(both), change(uid)],
      uid === '' ? invalid('/1/seat_uid') : unknown,
    ),
  ),
  changing(
    'that give access to who enrolled a device alone',
    ({ both, gateway }) => [change(both), change(gateway, true)],
    invalid('/1/access_seat', 12130, /taken by signing in/),
  ),
  changing(
    'that give gateway to who never enrolled a device',
    ({ access, both }) => [change(access, true, true), change(both)],
    invalid('/0/gateway_seat', 12130, /taken by enrolling a device/),
  ),
]);

const limits: readonly (readonly [name: string, body: unknown, pointer: string, says?: RegExp])[] = [
  ['none said', {}, '/limit'],
  ['less than nothing', { limit: -1 }, '/limit', /must be >= 0, or must be null/],
  ['a fraction', { limit: 1.5 }, '/limit'],
  ['a word', { limit: '10' }, '/limit'],
  ['more than ten million', { limit: 10_000_001 }, '/limit'],
  ['a bare number', 10, ''],
];
refuses(
  'seat limits that are refused',
  prepare,
  limits.map(([name, body, pointer, says = /\w/]) => ({
    name,
    sends: ({ stage: { app } }) =>
      asking(app, 'PUT', `/accounts/${app.credentials.account_id}/portcullis/seats`, body),
    refusal: { ...invalid(pointer, 1001), says },
  })),
);

/** The official SDK, with what a test needs of it. */
function use({ app }: Stage) {
  const { account_id } = app.credentials;
  const { seats } = app.sdk().zeroTrust;
  const edit = (body: { seat_uid: string; access_seat: boolean; gateway_seat: boolean }[]) =>
    all(seats.edit({ account_id, body }));
  return { app, account_id, edit };
}

async function newestEntry({ database }: Stage) {
  const entries = ((await readRows(database)).audit_entries ?? []).map((row) => JSON.parse(row));
  return entries.sort((one, other) => one.position - other.position).at(-1);
}

onBothDatabases('seats', (stage) => {
  test('are taken away in one act, and answered in the order asked, whatever the order of the users', async () => {
    const { app, edit } = use(stage);
    const emails = ['three@example.com', 'one@example.com', 'two@example.com'];
    const uids: string[] = [];
    for (const email of emails) uids.push(await addHolder(app, email, ['access', 'gateway']));
    await addRegistration(app, 'two@example.com');
    const used = await seatsInUse(app);
    app.clock.advance(1000);
    const before = (await readRows(stage.database)).audit_entries?.length ?? 0;
    const answer = await edit(uids.map((seat_uid) => change(seat_uid) as never));
    assert.deepEqual(
      answer.map(({ seat_uid }) => seat_uid),
      uids,
    );
    for (const [at, email] of emails.entries()) {
      const user = (await userRow(app, email)) ?? assert.fail();
      assert.deepEqual(answer[at], {
        seat_uid: uids[at],
        access_seat: false,
        gateway_seat: false,
        created_at: user.created_at,
        updated_at: user.updated_at,
      });
      assert.deepEqual([user.seat_uid, user.access_seat, user.gateway_seat], [null, 0, 0]);
      assert.deepEqual([user.reauthenticate, user.active_device_count], [1, 0]);
      assert.ok(user.updated_at > user.created_at);
    }
    const rows = await readRows(stage.database);
    assert.equal(rows.audit_entries?.length, before + 1, 'it is one act');
    assert.equal(await seatsInUse(app), used - 3);
    assert.deepEqual(rows.registrations, []);
    const { action, metadata } = await newestEntry(stage);
    assert.equal(action, 'seats.update');
    const told = JSON.parse(metadata).seats as { seat_uid: string; email: string; devices: number }[];
    assert.deepEqual(
      told.map(({ seat_uid, email, devices }) => [seat_uid, email, devices]),
      emails.map((email, at) => [uids[at], email, email.startsWith('two') ? 1 : 0]),
    );
  });

  test('that were taken away are nobody’s: again it is a 404, and a new one has another name', async () => {
    const { app, edit } = use(stage);
    const seat_uid = await addHolder(app, 'again@example.com');
    const asked = [{ seat_uid, access_seat: false, gateway_seat: false }];
    await edit(asked);
    assert.equal((await refused(edit(asked))).status, 404);
    assert.notEqual(await giveSeat(app, 'again@example.com', 'access'), seat_uid);
    assert.equal((await refused(edit(asked))).status, 404);
  });

  test('without access alone keep the registrations, without gateway alone the right to come back as they are', async () => {
    const { app, edit } = use(stage);
    const seat_uid = await addHolder(app, 'parts@example.com', ['access', 'gateway']);
    const id = await addRegistration(app, 'parts@example.com');
    const used = await seatsInUse(app);
    const [first] = await edit([{ seat_uid, access_seat: false, gateway_seat: true }]);
    assert.deepEqual([first?.access_seat, first?.gateway_seat], [false, true]);
    const held = (await readRows(stage.database)).registrations ?? [];
    assert.equal(held.filter((row) => row.includes(id)).length, 1);
    assert.equal((await userRow(app, 'parts@example.com'))?.reauthenticate, 1);
    assert.equal(
      await giveSeat(app, 'parts@example.com', 'access'),
      seat_uid,
      'it is the seat that they hold',
    );
    await app.app.control.database.write((tx) =>
      tx.query.updateTable('users').set({ reauthenticate: 0 }).where('seat_uid', '=', seat_uid).execute(),
    );
    const [second] = await edit([{ seat_uid, access_seat: true, gateway_seat: false }]);
    assert.deepEqual([second?.access_seat, second?.gateway_seat], [true, false]);
    assert.deepEqual((await readRows(stage.database)).registrations, []);
    const user = await userRow(app, 'parts@example.com');
    assert.deepEqual([user?.seat_uid, user?.reauthenticate, user?.active_device_count], [seat_uid, 0, 0]);
    assert.equal(await seatsInUse(app), used);
  });

  test('that are to be as they are stay so, and nothing ends', async () => {
    const { app, edit } = use(stage);
    const seat_uid = await addHolder(app, 'same@example.com');
    const before = await userRow(app, 'same@example.com');
    const feed = (await readRows(stage.database)).feed_entries;
    app.clock.advance(1000);
    const [answer] = await edit([{ seat_uid, access_seat: true, gateway_seat: false }]);
    assert.deepEqual([answer?.access_seat, answer?.updated_at], [true, before?.updated_at]);
    assert.deepEqual(await userRow(app, 'same@example.com'), before);
    assert.deepEqual((await readRows(stage.database)).feed_entries, feed);
  });

  test('are freed when their user is deleted, and not when a user without one is', async () => {
    const { app, account_id } = use(stage);
    const { users } = app.sdk().zeroTrust.access;
    await addHolder(app, 'deleted@example.com');
    const plain = await users.create({ account_id, email: 'plain@example.com' });
    const used = await seatsInUse(app);
    await users.delete(plain?.id ?? '', { account_id });
    assert.equal(await seatsInUse(app), used);
    await users.delete((await userRow(app, 'deleted@example.com'))?.id ?? '', { account_id });
    assert.equal(await seatsInUse(app), used - 1);
  });

  test('of another account are a 404, and its limit is its own', async () => {
    const { app, account_id, edit } = use(stage);
    const other = await addTenant(app, 'elsewhere');
    const seat_uid = await addHolder(app, 'ours@example.com');
    const rows = await readRows(stage.database);
    const body = [{ seat_uid, access_seat: false, gateway_seat: false }];
    const theirs = all(other.sdk.zeroTrust.seats.edit({ account_id: other.accountId, body }));
    assert.equal((await refused(theirs)).status, 404);
    await assert.rejects(all(other.sdk.zeroTrust.seats.edit({ account_id, body })), PermissionDeniedError);
    const path = `/accounts/${other.accountId}/portcullis/seats`;
    assert.equal((await app.api('GET', path)).status, 403);
    assert.equal((await app.api('PUT', path, { body: { limit: 0 } })).status, 403);
    assert.deepEqual(await readRows(stage.database), rows);
    await other.sdk.put(path, { body: { limit: 3 } });
    const { result } = await other.sdk.get<{ result: unknown }>(path);
    assert.deepEqual(result, { limit: 3, used: 0 });
    assert.equal((await edit(body)).length, 1);
  });

  const rights = [
    ['Access: Audit Logs Read', 200, 403, 403],
    ['Access: Users Read', 200, 403, 403],
    ['Access: Users Write', 200, 403, 403],
    ['Zero Trust: Seats Write', 200, 200, 200],
    ['Access: Service Tokens Write', 403, 403, 403],
  ] as const;
  for (const [right, ...expected] of rights) {
    test(`are for whoever has ${right} what it says, and no more`, async () => {
      const { app, account_id } = use(stage);
      const seat_uid = await addHolder(app, `${right.toLowerCase().replaceAll(/[ :]+/g, '.')}@example.com`);
      const policies = [tokenPolicy(account_id, [right])];
      const { value: token = '' } = await app
        .sdk()
        .accounts.tokens.create({ account_id, name: right, policies });
      const path = `/accounts/${account_id}/portcullis/seats`;
      const seats = `/accounts/${account_id}/access/seats`;
      const statuses = [
        (await app.api('GET', path, { token })).status,
        (await app.api('PUT', path, { token, body: { limit: null } })).status,
        (await app.api('PATCH', seats, { token, body: [change(seat_uid)] })).status,
      ];
      assert.deepEqual(statuses, expected);
    });
  }

  test('have a limit that says what was and what is, with an entry in the audit log', async () => {
    const { app, account_id } = use(stage);
    const path = `/accounts/${account_id}/portcullis/seats`;
    await app.api('PUT', path, { body: { limit: null } });
    const used = await seatsInUse(app);
    for (const [from, to] of [
      [null, 10_000_000],
      [10_000_000, 0],
      [0, null],
    ] as const) {
      const { status, body } = await app.api('PUT', path, { body: { limit: to } });
      assert.deepEqual([status, body.result], [200, { limit: to, used }]);
      assert.deepEqual((await app.api('GET', path)).body.result, { limit: to, used });
      const { action, metadata } = await newestEntry(stage);
      assert.equal(action, 'seats.limit');
      assert.deepEqual(JSON.parse(metadata), { limit: { from, to }, used });
    }
  });
});
