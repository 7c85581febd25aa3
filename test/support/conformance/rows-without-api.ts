import { sql } from 'kysely';
import { addToTotal } from '../../../src/database/paging.ts';
import { timestamp } from '../../../src/kernel/clock.ts';
import { newSessionNonce, newTag, newUuid } from '../../../src/kernel/ids.ts';
import type { DeviceFacts } from '../../../src/protocol/state.ts';
import type { TestApp } from '../app.ts';
import { seed } from '../authority-rows.ts';
import type { Inhabited } from './tenants.ts';

type Place = Pick<Inhabited, 'accountId' | 'mark' | 'objects'>;

const HOUR = 3_600_000;

/** What comes by sign-ins, devices and requests, and by no call of the API. */
export async function insertRows(app: TestApp, of: Place): Promise<Record<string, string>> {
  const now = timestamp(app.clock.now());
  const later = timestamp(app.clock.now() + HOUR);
  const nonce = newSessionNonce();
  await insertSession(app, { ...of, nonce, now, later });
  await insertKeySettings(app, of.accountId, now);
  await insertLogs(app, { ...of, now, later });
  const seat = await giveSeat(app, of);
  const entry = await oldestEntry(app, of.accountId);
  const insert = () => insertDevice(app, { ...of, nonce, now, later });
  const [one, two, three] = [await insert(), await insert(), await insert()];
  const devices = {
    'devices/physical-devices/*': one.deviceId,
    'devices/registrations/*': two.registrationId,
    'devices/*': two.registrationId,
    'another registration': three.registrationId,
  };
  return { 'access/users/*/active_sessions/*': nonce, 'access/seats/*': seat, ...entry, ...devices };
}

/** Of an account that was made without signing keys. */
async function insertKeySettings(app: TestApp, accountId: string, now: string): Promise<void> {
  const settings = { account_id: accountId, rotation_interval_days: 30, last_rotated_at: now };
  await seed(app).write((tx) =>
    tx.query
      .insertInto('key_settings')
      .values(settings)
      .onConflict((conflict) => conflict.doNothing())
      .execute(),
  );
}

async function oldestEntry(app: TestApp, accountId: string): Promise<Record<string, string>> {
  const { reader } = app.app.control.database;
  const entries = reader.query.selectFrom('audit_entries').select(['id', 'at']);
  const { id, at } = await entries
    .where('account_id', '=', accountId)
    .orderBy('position')
    .executeTakeFirstOrThrow();
  return { 'logs/audit/*': id, 'the time of the audit entry': at };
}

/** The user's seat, as the first sign-in takes it; answers its id. */
async function giveSeat(app: TestApp, { accountId, objects }: Place): Promise<string> {
  const seat_uid = newUuid();
  const userId = objects['access/users/*'] ?? '';
  await seed(app).write(async (tx) => {
    await tx.query.updateTable('users').set({ seat_uid, access_seat: 1 }).where('id', '=', userId).execute();
    await addToTotal(tx, accountId, 'seats', 1);
  });
  return seat_uid;
}

interface Times {
  readonly now: string;
  readonly later: string;
}

/** A session of the user, as a sign-in leaves it. */
async function insertSession(app: TestApp, at: Place & Times & { nonce: string }): Promise<void> {
  const { accountId, mark, objects, nonce, now, later } = at;
  const identityId = newUuid();
  const userId = objects['access/users/*'] ?? '';
  const providerId = objects['access/identity_providers/*'] ?? '';
  const identity = { id: identityId, account_id: accountId, user_id: userId, provider_id: providerId };
  const seen = {
    user_uuid: userId,
    email: `user@${mark}.test`,
    idp: { id: providerId, type: 'github' },
    iat: 0,
  };
  const told = JSON.stringify({ ...SEEN, ...seen, account_id: accountId });
  await seed(app).write(async (tx) => {
    await tx.query
      .insertInto('identities')
      .values({
        ...{
          ...identity,
          issuer: `https://${mark}.test`,
          subject: mark,
          profile: told,
          claims: '{}',
          told_at: 0,
        },
        ...{ created_at: now, updated_at: now },
      })
      .execute();
    await tx.query
      .insertInto('sessions')
      .values({
        ...{
          nonce,
          account_id: accountId,
          user_id: userId,
          identity_id: identityId,
          provider_id: providerId,
        },
        ...{ epoch: 1, position: 1, identity: told },
        ...{ issued_at: now, expires_at: later, amr: '[]', provider_sid: null },
      })
      .execute();
  });
}

const SEEN = {
  auth_status: 'NONE',
  common_name: '',
  device_id: '',
  device_sessions: {},
  devicePosture: {},
  geo: {},
  ip: '192.0.2.1',
  is_gateway: false,
  is_warp: false,
  service_token_id: '',
  service_token_status: false,
  version: 2,
};

async function insertLogs(
  app: TestApp,
  { accountId, mark, objects, now, later }: Place & Times,
): Promise<void> {
  const userId = objects['access/users/*'] ?? '';
  await seed(app).write(async (tx) => {
    await tx.query
      .insertInto('failed_logins')
      .values({
        ...{ id: newUuid(), account_id: accountId, user_id: userId, at: now, expires_at: later },
        metadata: JSON.stringify({ reason: mark, at: now }),
      })
      .execute();
    await tx.query
      .insertInto('access_requests')
      .values({
        ...{ id: newUuid(), account_id: accountId, known: 1, at: now, action: 'request', verdict: 'allow' },
        ...{ reason: 'policy', via: 'proxy', method: 'GET', host: `${mark}.test`, ip: '192.0.2.1' },
        ...{
          request_id: newTag().slice(16),
          application_id: objects['access/apps/*'] ?? null,
          user_id: userId,
        },
        ...{ email: `user@${mark}.test`, connection: 'github', service_token_id: null, count: 1 },
        provider_id: objects['access/identity_providers/*'] ?? null,
      })
      .execute();
  });
}

/** A device of the user's with a registration. */
async function insertDevice(
  app: TestApp,
  { accountId, mark, objects, nonce, now, later }: Place & Times & { nonce: string },
): Promise<{ deviceId: string; registrationId: string }> {
  const [deviceId, registrationId] = [newUuid(), newUuid()];
  const userId = objects['access/users/*'] ?? '';
  const seen = { last_seen_at: now, created_at: now, updated_at: now, account_id: accountId };
  const facts = JSON.stringify({ ...FACTS, serial_number: mark });
  await seed(app).write(async (tx) => {
    await tx.query
      .insertInto('physical_devices')
      .values({
        ...{
          ...seen,
          id: deviceId,
          hardware_id: `${mark} ${deviceId}`,
          name: mark,
          name_key: mark,
          search_text: mark,
          facts,
        },
        client_version: FACTS.client_version ?? '',
        ...{ active_registrations: 1, last_seen_user_id: userId, last_seen_email: `user@${mark}.test` },
        ...{ last_seen_registration_id: registrationId, public_ip: null },
      })
      .execute();
    await tx.query
      .insertInto('registrations')
      .values({
        ...{
          ...seen,
          id: registrationId,
          user_id: userId,
          device_id: deviceId,
          thumbprint: `${mark} ${registrationId}`,
        },
        ...{ user_email_key: `user@${mark}.test`, user_name_key: mark },
        ...{
          public_jwk: JSON.stringify(JWK),
          facts,
          revoked_at: null,
          session_nonce: nonce,
          session_epoch: 1,
        },
        ...{ session_position: 1, session_ends_at: later },
      })
      .execute();
    await tx.query
      .updateTable('users')
      .set({ active_device_count: sql`active_device_count + 1` })
      .where('id', '=', userId)
      .execute();
  });
  return { deviceId, registrationId };
}

/** Of nobody's private key. */
const JWK = { kty: 'EC', crv: 'P-256', x: 'A'.repeat(43), y: 'A'.repeat(43) };

const FACTS: DeviceFacts = {
  type: 'linux',
  os_version: '6.12.48',
  os_version_extra: null,
  os_distro_name: 'debian',
  os_distro_revision: '13',
  serial_number: null,
  model: 'model',
  manufacturer: 'maker',
  mac_address: null,
  client_version: '0.1.0',
};
