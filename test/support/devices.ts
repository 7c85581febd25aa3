import assert from 'node:assert/strict';
import { createUser } from '../../src/access/users/users.ts';
import { type Enrolment, enrolDevice } from '../../src/devices/registrations/registrations.ts';
import { operator } from '../../src/kernel/actor.ts';
import { HOUR, timestamp } from '../../src/kernel/clock.ts';
import { generateP256KeyPair, randomSecret } from '../../src/kernel/crypto.ts';
import { newSessionNonce, newUuid } from '../../src/kernel/ids.ts';
import {
  type DeviceJwk,
  type DevicePrivateJwk,
  makeDeviceProof,
  PROOF_HEADER,
  thumbprintOf,
} from '../../src/protocol/device-proof.ts';
import type { Rev } from '../../src/protocol/rev.ts';
import type { DeviceFacts } from '../../src/protocol/state.ts';
import { commitAct } from '../../src/removal/act.ts';
import { readHead } from '../../src/removal/store.ts';
import { sessionItem } from '../../src/sign-in/lineage.ts';
import { findLineage, insertSession } from '../../src/sign-in/store.ts';
import type { TestApp } from './app.ts';

/** A laptop that says all there is to say. */
export const LAPTOP: DeviceFacts = {
  type: 'linux',
  os_version: '6.12.48',
  os_version_extra: null,
  os_distro_name: 'debian',
  os_distro_revision: '13',
  serial_number: 'SN-0001',
  model: 'X1',
  manufacturer: 'Example',
  mac_address: '02:00:00:00:00:01',
  client_version: '1.0.0',
};

/** The key of a device, and the proofs it makes. */
export interface DeviceKey {
  readonly publicJwk: DeviceJwk;
  readonly privateJwk: DevicePrivateJwk;
  readonly thumbprint: string;
}

/** A device with a registration and a device session. */
export interface TestDevice extends DeviceKey {
  readonly registrationId: string;
  readonly deviceId: string;
  readonly userId: string;
  /** The session that came with the device session, and its `rev`. */
  readonly sessionNonce: string;
  readonly rev: Rev;
  /** A new proof of one request, as the header has it. */
  prove(request: { method?: string; url: string; now?: number; jti?: string }): string;
  /** The same as a header. */
  proof(request: { method?: string; url: string; now?: number }): [name: string, value: string];
}

export interface TestDeviceOptions {
  readonly accountId?: string;
  /** Whose it is: a user who is made unless they are there, with an identity at some provider. */
  readonly email: string;
  readonly facts?: Partial<DeviceFacts>;
  readonly hardwareId?: string | null;
  readonly name?: string;
  /** The key of an earlier one: the registration gets a new device session. */
  readonly key?: DeviceKey;
  /** Milliseconds from now; a day unless said. */
  readonly lasts?: number;
  /** Read at this moment unless said. */
  readonly rev?: Rev;
}

/** A key as a device makes it. */
export function newDeviceKey(): DeviceKey {
  const pair = generateP256KeyPair();
  return { ...pair, thumbprint: thumbprintOf(pair.publicJwk) };
}

/**
 * Enrols a device as the pages do, without any: a session of the user's identity, the registration, and both told to
 * gates. What enrolment refuses is thrown.
 */
export async function enrolTestDevice(
  { app, clock, credentials }: TestApp,
  options: TestDeviceOptions,
): Promise<TestDevice> {
  const accountId = options.accountId ?? credentials.account_id;
  const { database } = app.control;
  const key = options.key ?? newDeviceKey();
  const now = clock.now();
  const userId = await userOf({ app }, { accountId, email: options.email, now });
  const head = await database.snapshot((snapshot) => readHead(snapshot, accountId));
  assert.ok(head);
  const rev = options.rev ?? { epoch: head.epoch, position: head.position };
  const nonce = newSessionNonce();
  const endsAt = timestamp(now + (options.lasts ?? 24 * HOUR));
  const act = { accountId, actor: operator, authorize: async () => {} };
  const registration = await commitAct(app.control, act, async (tx) => {
    const identity = await identityOf(tx, { accountId, userId, now });
    await insertSession(tx, {
      nonce,
      account_id: accountId,
      user_id: userId,
      identity_id: identity.id,
      provider_id: identity.provider_id,
      ...rev,
      identity: identity.profile,
      issued_at: timestamp(now),
      expires_at: endsAt,
      amr: '[]',
      provider_sid: null,
      parent_nonce: null,
      fresh_login: null,
    });
    const lineage = await findLineage(tx, accountId, nonce);
    assert.ok(lineage);
    const enrolment: Enrolment = {
      accountId,
      userId,
      hardwareId: options.hardwareId === undefined ? newUuid() : options.hardwareId,
      name: options.name ?? 'laptop',
      facts: { ...LAPTOP, ...options.facts },
      jwk: key.publicJwk,
      thumbprint: key.thumbprint,
      ip: '192.0.2.1',
      now: timestamp(now),
      session: { nonce, rev, endsAt },
    };
    const { registration, items } = await enrolDevice(tx, enrolment);
    return {
      result: registration,
      items: [sessionItem(lineage), ...items],
      audit: { action: 'device.enrol', resource: { type: 'registration', id: registration.id } },
    };
  });
  const prove: TestDevice['prove'] = ({ method = 'GET', url, now: at = clock.now(), jti = randomSecret() }) =>
    makeDeviceProof({ privateJwk: key.privateJwk, method, url, now: at, jti });
  return {
    ...key,
    registrationId: registration.id,
    deviceId: registration.device_id,
    userId,
    sessionNonce: nonce,
    rev,
    prove,
    proof: (request) => [PROOF_HEADER, prove(request)],
  };
}

type Tx = Parameters<typeof insertSession>[0];

async function userOf(
  { app }: Pick<TestApp, 'app'>,
  { accountId, email, now }: { accountId: string; email: string; now: number },
): Promise<string> {
  const { database } = app.control;
  const known = await database.reader.query
    .selectFrom('users')
    .select('id')
    .where('account_id', '=', accountId)
    .where('email_key', '=', email)
    .executeTakeFirst();
  if (known) return known.id;
  const act = { accountId, actor: operator, authorize: async () => {} };
  return await commitAct(app.control, act, async (tx) => {
    const made = await createUser(tx, { accountId, email, now: timestamp(now) });
    return { ...made, result: made.result.id };
  });
}

/** The identity that the user signed in with last, or one at a provider that is made for it. */
async function identityOf(
  tx: Tx,
  { accountId, userId, now }: { accountId: string; userId: string; now: number },
) {
  const known = await tx.query
    .selectFrom('identities')
    .selectAll()
    .where('user_id', '=', userId)
    .orderBy('updated_at', 'desc')
    .executeTakeFirst();
  if (known) return known;
  const at = timestamp(now);
  const provider = {
    id: newUuid(),
    account_id: accountId,
    type: 'oidc',
    name: `Provider of ${userId}`,
    issuer: `https://${userId}.example`,
    // What a list of providers answers has to be there.
    config: JSON.stringify({
      client_id: 'nobody',
      auth_url: `https://${userId}.example/authorize`,
      token_url: `https://${userId}.example/token`,
      certs_url: `https://${userId}.example/keys`,
      scopes: ['openid'],
    }),
    client_secret: '',
    created_at: at,
    updated_at: at,
  };
  await tx.query.insertInto('identity_providers').values(provider).execute();
  const identity = {
    id: newUuid(),
    account_id: accountId,
    user_id: userId,
    provider_id: provider.id,
    issuer: provider.issuer,
    subject: userId,
    profile: '{}',
    created_at: at,
    updated_at: at,
    claims: '{}',
    told_at: 0,
  };
  await tx.query.insertInto('identities').values(identity).execute();
  return identity;
}
