import assert from 'node:assert/strict';
import { DAY, timestamp } from '../../src/kernel/clock.ts';
import type { Gated } from '../support/gated.ts';
import type { Person } from '../support/openid-provider.ts';
import { createTestSeatTimer, giveSeat, userRow } from '../support/seats.ts';

/* Ways in which a person loses the access that hangs on a seat; each ends all that the person holds. */

interface Holder {
  readonly world: Gated;
  readonly person: Person;
}

interface SeatPath {
  readonly operations: readonly string[];
  readonly does: (holder: Holder) => Promise<unknown>;
}

export const SEAT_PATHS: Readonly<Record<string, SeatPath>> = {
  'a seat is taken away': {
    operations: ['zero-trust-seats-update-a-user-seat'],
    does: (holder) => changeSeat(holder, { access_seat: false, gateway_seat: false }),
  },
  'a seat is left for devices alone': {
    operations: ['zero-trust-seats-update-a-user-seat'],
    does: async (holder) => {
      await giveSeat(holder.world.app, holder.person.email, 'gateway');
      await changeSeat(holder, { access_seat: false, gateway_seat: true });
    },
  },
  'an unused seat expires': {
    operations: [],
    does: async ({ world: { app, sdk, account_id }, person: { email } }) => {
      const old = { last_successful_login: timestamp(app.clock.now() - 60 * DAY) };
      await app.app.control.database.write((tx) =>
        tx.query.updateTable('users').set(old).where('email_key', '=', email).execute(),
      );
      const expires = (time: string) =>
        sdk.zeroTrust.organizations.update({ account_id, user_seat_expiration_inactive_time: time });
      await expires('730h');
      await createTestSeatTimer(app).turn();
      await expires('');
    },
  },
};

async function changeSeat(
  { world: { app, sdk, account_id }, person }: Holder,
  kinds: { access_seat: boolean; gateway_seat: boolean },
): Promise<void> {
  const seat_uid = (await userRow(app, person.email))?.seat_uid ?? assert.fail('no seat');
  await sdk.zeroTrust.seats.edit({ account_id, body: [{ seat_uid, ...kinds }] });
}
