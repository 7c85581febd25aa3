import assert from 'node:assert/strict';
import { test } from 'node:test';
import Cloudflare from 'cloudflare';
import { timestamp } from '../../src/kernel/clock.ts';
import { newUuid } from '../../src/kernel/ids.ts';
import { seed } from '../support/authority-rows.ts';
import { readRows } from '../support/rows.ts';
import { onBothDatabases, type Stage } from '../support/stage.ts';

/* The operations of seeds 5 and 1, updating and deleting a user, with the unmodified official SDK. */

onBothDatabases('updating a user', (stage) => {
  test('changes the name alone, and answers all eleven fields', async () => {
    const { users, account_id, clock } = use(stage);
    const { id } = await create(stage, 'jdoe@example.com', 'J. Doe');
    const seat_uid = newUuid();
    const last_successful_login = timestamp(clock.now());
    await seed(stage.app).write((tx) =>
      tx.query
        .updateTable('users')
        .set({ seat_uid, access_seat: 1, last_successful_login })
        .where('id', '=', id)
        .execute(),
    );
    const before = await users.get(id, { account_id });
    clock.advance(60_000);
    const updated = await users.update(id, { account_id, email: 'jdoe@example.com', name: 'Jane Doe' });
    assert.deepEqual(updated, {
      id,
      uid: id,
      seat_uid,
      email: 'jdoe@example.com',
      name: 'Jane Doe',
      access_seat: true,
      gateway_seat: false,
      active_device_count: 0,
      created_at: before?.created_at,
      updated_at: updated?.updated_at,
      last_successful_login,
    });
    assert.ok(String(updated?.updated_at) > String(before?.updated_at));
    assert.deepEqual(await users.get(id, { account_id }), updated);
  });

  test('shows what does not exist yet as null, never as a missing key', async () => {
    const { users, account_id } = use(stage);
    const { id } = await create(stage, 'fresh@example.com', 'Fresh');
    const updated = await users.update(id, { account_id, email: 'fresh@example.com', name: 'F' });
    const { seat_uid, last_successful_login } = updated as Record<string, unknown>;
    assert.deepEqual({ seat_uid, last_successful_login }, { seat_uid: null, last_successful_login: null });
    assert.equal(Object.keys(updated ?? {}).length, 11);
  });

  test('takes the e-mail as a confirmation in any case, and keeps it as it was', async () => {
    const { users, account_id } = use(stage);
    const { id } = await create(stage, 'Mixed.Case@Example.com', 'M');
    const updated = await users.update(id, { account_id, email: 'mIXED.cASE@eXAMPLE.COM', name: 'N' });
    assert.deepEqual([updated?.email, updated?.name], ['Mixed.Case@Example.com', 'N']);
  });

  test('is refused, and changes nothing, when the body does not confirm who is meant', async () => {
    const { app } = stage;
    const { account_id } = use(stage);
    const { id } = await create(stage, 'kept@example.com', 'Kept');
    await create(stage, 'neighbour@example.com', 'Neighbour');
    const target = `/accounts/${account_id}/access/users/${id}`;
    const email = 'kept@example.com';
    const table: readonly (readonly [body: object, pointers: readonly string[]])[] = [
      [{ email: 'wrong@example.com', name: 'X' }, ['/email']],
      [{ email: 'neighbour@example.com', name: 'X' }, ['/email']],
      [{ email: 'kept@example.com.', name: 'X' }, ['/email']],
      [{ email: '', name: 'X' }, ['/email']],
      [{ email: null, name: 'X' }, ['/email']],
      [{ name: 'X' }, ['/email']],
      [{ email }, ['/name']],
      [{}, ['/email', '/name']],
      [{ email, name: '' }, ['/name']],
      [{ email, name: 123 }, ['/name']],
      [{ email, name: null }, ['/name']],
      [{ email, name: 'x'.repeat(321) }, ['/name']],
    ];
    const rows = await readRows(stage.database);
    for (const [body, pointers] of table) {
      const answer = await app.api('PUT', target, { body });
      assert.equal(answer.status, 400, JSON.stringify(body));
      const found = answer.body.errors.map((error: { source: { pointer: string } }) => error.source.pointer);
      assert.deepEqual(found.sort(), pointers, JSON.stringify(body));
    }
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('is a typed error of the SDK when refused', async () => {
    const { users, account_id } = use(stage);
    const { id } = await create(stage, 'typed@example.com', 'T');
    await assert.rejects(
      users.update(id, { account_id, email: 'wrong@example.com', name: 'X' }),
      Cloudflare.BadRequestError,
    );
  });

  test('reaches nobody in another account', async () => {
    const { users, account_id } = use(stage);
    const stranger = await seedStranger(stage, 'update');
    const body = { email: stranger.email, name: 'X' };
    const rows = await readRows(stage.database);
    await assert.rejects(users.update(newUuid(), { account_id, ...body }), Cloudflare.NotFoundError);
    await assert.rejects(users.update(stranger.id, { account_id, ...body }), Cloudflare.NotFoundError);
    const elsewhere = { account_id: stranger.account_id, ...body };
    await assert.rejects(users.update(stranger.id, elsewhere), Cloudflare.PermissionDeniedError);
    assert.deepEqual(await readRows(stage.database), rows);
  });
});

onBothDatabases('deleting a user', (stage) => {
  test('answers 202 and {}, and the user is gone, once', async () => {
    const { users, account_id } = use(stage);
    const { id } = await create(stage, 'leaver@example.com', 'Leaver');
    const call = users.delete(id, { account_id });
    assert.equal((await call.asResponse()).status, 202);
    await assert.rejects(users.get(id, { account_id }), Cloudflare.NotFoundError);
    await assert.rejects(users.delete(id, { account_id }), Cloudflare.NotFoundError);
    const email = 'leaver@example.com';
    await assert.rejects(users.update(id, { account_id, email, name: 'X' }), Cloudflare.NotFoundError);
    assert.deepEqual((await users.list({ account_id, email })).result, []);
    const returned = await create(stage, 'leaver@example.com', 'Leaver');
    assert.notEqual(returned.id, id);
  });

  test('answers the SDK an empty object', async () => {
    const { users, account_id } = use(stage);
    const { id } = await create(stage, 'leaver2@example.com', 'Leaver');
    assert.deepEqual(await users.delete(id, { account_id }), {});
  });

  test('reaches nobody in another account', async () => {
    const { users, account_id } = use(stage);
    const stranger = await seedStranger(stage, 'delete');
    const rows = await readRows(stage.database);
    await assert.rejects(users.delete(newUuid(), { account_id }), Cloudflare.NotFoundError);
    await assert.rejects(users.delete(stranger.id, { account_id }), Cloudflare.NotFoundError);
    const elsewhere = { account_id: stranger.account_id };
    await assert.rejects(users.delete(stranger.id, elsewhere), Cloudflare.PermissionDeniedError);
    assert.deepEqual(await readRows(stage.database), rows);
  });
});

onBothDatabases('deleting a user whose first answer was lost', (stage) => {
  const retry = { 'x-stainless-retry-count': '1' };

  test('the SDK’s second attempt is a success, and nothing happens twice', async () => {
    const { app } = stage;
    const { account_id } = use(stage);
    const { id } = await create(stage, 'lost@example.com', 'Lost');
    const lost: Response[] = [];
    const fetchLosingOne: typeof fetch = async (...request) => {
      const answer = await fetch(...request);
      if (lost.push(answer) === 1) throw new TypeError('the connection broke');
      return answer;
    };
    const { users } = app.sdk({ maxRetries: 1, fetch: fetchLosingOne }).zeroTrust.access;
    assert.deepEqual(await users.delete(id, { account_id }), {});
    assert.deepEqual(
      lost.map(({ status }) => status),
      [202, 202],
    );
    const entries = (await readRows(stage.database)).audit_entries ?? [];
    assert.equal(entries.filter((entry) => entry.includes(id) && entry.includes('user.delete')).length, 1);
  });

  test('a repeat is told the same for five minutes, and no longer', async () => {
    const { app } = stage;
    const { account_id, clock } = use(stage);
    const { id } = await create(stage, 'repeat@example.com', 'Repeat');
    const target = `/accounts/${account_id}/access/users/${id}`;
    const again = async (headers: Record<string, string>) =>
      (await app.api('DELETE', target, { headers })).status;
    const first = await app.api('DELETE', target);
    const second = await app.api('DELETE', target, { headers: retry });
    assert.deepEqual([second.status, second.body], [first.status, first.body]);
    assert.equal(await again({}), 404, 'no repeat, but a second removal');
    assert.equal(await again({ 'x-stainless-retry-count': '0' }), 404, 'the SDK’s first attempt');
    clock.advance(5 * 60_000 - 1000);
    assert.equal(await again(retry), 202);
    clock.advance(2000);
    assert.equal(await again(retry), 404);
  });

  test('nobody else is told so, and no other user is meant', async () => {
    const { app } = stage;
    const { account_id } = use(stage);
    const { id } = await create(stage, 'mine@example.com', 'Mine');
    const target = `/accounts/${account_id}/access/users/${id}`;
    assert.equal((await app.api('DELETE', target)).status, 202);
    const { email, api_key } = app.credentials;
    const headers = { ...retry, 'x-auth-email': email, 'x-auth-key': api_key };
    assert.equal((await app.api('DELETE', target, { token: null, headers })).status, 404);
    const never = `/accounts/${account_id}/access/users/${newUuid()}`;
    assert.equal((await app.api('DELETE', never, { headers: retry })).status, 404);
  });

  test('a repeat that overtakes or meets the first attempt is a success as well', async () => {
    const { app } = stage;
    const { account_id } = use(stage);
    for (let round = 0; round < 10; round++) {
      const { id } = await create(stage, `race${round}@example.com`, 'Race');
      const target = `/accounts/${account_id}/access/users/${id}`;
      const [, second] = await Promise.all([
        app.api('DELETE', target),
        app.api('DELETE', target, { headers: retry }),
      ]);
      assert.equal(second?.status, 202);
    }
  });
});

function use({ app }: Stage) {
  const { account_id } = app.credentials;
  return { users: app.sdk().zeroTrust.access.users, account_id, clock: app.clock };
}

async function create(stage: Stage, email: string, name: string): Promise<{ id: string }> {
  const { users, account_id } = use(stage);
  const user = await users.create({ account_id, email, name });
  assert.ok(user?.id);
  return { id: user.id };
}

/** A user of an account that the caller has nothing to do with. */
async function seedStranger({ app }: Stage, name: string) {
  const seeds = seed(app);
  const account = await seeds.account(name);
  const now = timestamp(app.clock.now());
  const email = `${name}@example.net`;
  const row = { id: newUuid(), account_id: account.id, email, email_key: email, name, name_key: name };
  const state = {
    seat_uid: null,
    access_seat: 0,
    gateway_seat: 0,
    active_device_count: 0,
    reauthenticate: 0,
    last_successful_login: null,
  };
  const values = { ...row, ...state, search_text: name, created_at: now, updated_at: now };
  await seeds.write((tx) => tx.query.insertInto('users').values(values).execute());
  return { id: row.id, email, account_id: account.id };
}
