import assert from 'node:assert/strict';
import { inactiveTimeOf, listSeatExpirations } from '../../src/access/organizations/seat-expiration.ts';
import { createSeatTimer } from '../../src/access/seats/expiry.ts';
import { takeSeat } from '../../src/access/users/seats.ts';
import { enrolDevice } from '../../src/devices/registrations/registrations.ts';
import { timestamp } from '../../src/kernel/clock.ts';
import { newTag } from '../../src/kernel/ids.ts';
import type { DeviceFacts } from '../../src/protocol/state.ts';
import type { Control } from '../../src/removal/act.ts';
import type { TestApp } from './app.ts';

/** Sets how many users of the first account may hold a seat. */
export async function setSeatLimit(app: TestApp, limit: number | null): Promise<void> {
  const path = `/accounts/${app.credentials.account_id}/portcullis/seats`;
  const { status, body } = await app.api('PUT', path, { body: { limit } });
  assert.equal(status, 200, JSON.stringify(body));
}

/** How many seats of the first account are in use, which is how many of its users hold one. */
export async function seatsInUse(app: TestApp): Promise<number> {
  const { account_id } = app.credentials;
  const { body } = await app.api('GET', `/accounts/${account_id}/portcullis/seats`);
  const holders = await app.app.control.database.reader.query
    .selectFrom('users')
    .select('id')
    .where('account_id', '=', account_id)
    .where('seat_uid', 'is not', null)
    .execute();
  assert.equal(body.result.used, holders.length, 'the count is not the number of holders');
  return holders.length;
}

/** The row of a user of the first account. */
export async function userRow(app: TestApp, email: string) {
  return await app.app.control.database.reader.query
    .selectFrom('users')
    .selectAll()
    .where('account_id', '=', app.credentials.account_id)
    .where('email_key', '=', email)
    .executeTakeFirst();
}

/** Takes a seat for a user as signing in or enrolling would, past the sign-in; answers the seat. */
export async function giveSeat(app: TestApp, email: string, kind: 'access' | 'gateway'): Promise<string> {
  const user = (await userRow(app, email)) ?? assert.fail(`no user ${email}`);
  const change = await app.app.control.database.write(async (tx) => {
    const taken = await takeSeat(tx, user, kind, timestamp(app.clock.now()));
    await tx.query.updateTable('users').set(taken).where('id', '=', user.id).execute();
    return taken;
  });
  return change.seat_uid ?? assert.fail();
}

/** A user of the first account with these kinds of seat, who never signed in; answers the seat. */
export async function addHolder(
  app: TestApp,
  email: string,
  kinds: readonly ('access' | 'gateway')[] = ['access'],
): Promise<string> {
  const { account_id } = app.credentials;
  await app.sdk().zeroTrust.access.users.create({ account_id, email });
  const seats = [];
  for (const kind of kinds) seats.push(await giveSeat(app, email, kind));
  return seats.at(-1) ?? assert.fail();
}

const FACTS: DeviceFacts = {
  type: 'linux',
  ...{ os_version: null, os_version_extra: null, os_distro_name: null, os_distro_revision: null },
  ...{ serial_number: null, model: null, manufacturer: null, mac_address: null, client_version: null },
};

/** A registration of a user on a device of its own, with a device session that no session stands behind; answers its id. */
export async function addRegistration(app: TestApp, email: string, seenAt?: string): Promise<string> {
  const { id: userId } = (await userRow(app, email)) ?? assert.fail(`no user ${email}`);
  const { account_id: accountId } = app.credentials;
  const { database, clock } = app.app.control;
  const now = seenAt ?? timestamp(clock.now());
  return await database.write(async (tx) => {
    const { registration } = await enrolDevice(tx, {
      ...{ accountId, userId, now, name: 'laptop', hardwareId: null, ip: '192.0.2.1' },
      facts: FACTS,
      jwk: { kty: 'EC', crv: 'P-256', x: newTag(), y: newTag() },
      thumbprint: newTag(),
      session: { nonce: newTag(), rev: { epoch: 1, position: 0 }, endsAt: now },
    });
    return registration.id;
  });
}

/** The timer of unused seats as another node beside the server would run it, with a stopwatch that the test holds. */
export function createTestSeatTimer(
  app: TestApp,
  control: Control = app.app.control,
  find: typeof inactiveTimeOf = inactiveTimeOf,
) {
  const watch = { elapsed: 0 };
  const parts = { control, list: listSeatExpirations, find };
  const timer = createSeatTimer(parts, { elapsed: () => watch.elapsed });
  return {
    /** One turn, so much later by the stopwatch; the wall clock does not move. */
    turn: async (after = 0) => {
      watch.elapsed += after;
      await timer.turn();
    },
  };
}
