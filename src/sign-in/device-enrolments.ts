import type { Snapshot, Tx } from '../database/database.ts';
import type { DeviceEnrolmentRow } from '../database/tables.ts';
import { networkOf } from '../kernel/address.ts';
import { MINUTE, SECOND, timestamp } from '../kernel/clock.ts';
import { equalInConstantTime, randomSecret, sha256 } from '../kernel/crypto.ts';
import type { DeviceProof } from '../protocol/device-proof.ts';
import { beginMint, parentStands } from '../removal/mint.ts';
import { isWithin } from './counts.ts';
import type { AskedEnrolment } from './device-input.ts';
import { DeviceProblem, type DeviceReason } from './device-problem.ts';
import { refuseUsed } from './device-proofs.ts';
import { type EnrolledDevice, findEnrolled, findEnrolment, notePoll, putEnrolment } from './device-store.ts';
import { newUserCode } from './user-code.ts';

/** How long a person may take, and how long a device may ask what they said. */
export const ENROLMENT_FOR = 10 * MINUTE;

/** How often a device asks, and how much sooner an answer may still be given: networks hold some up. */
export const POLL_EVERY = 2 * SECOND;
const POLL_TOLERANCE = SECOND;

/**
 * Devices that ask from one address, behind which a whole office may be, or from one IPv6 site; and in an account, in
 * which those that are enrolled do not count: who floods it must not keep people from signing in on what they have.
 */
const ADDRESS_LIMIT = { name: 'enrol', most: 50, within: 15 * MINUTE } as const;
const ACCOUNT_LIMIT = { name: 'enrol-all', most: 1000, within: 10 * MINUTE } as const;

/** Codes are 34 bits: that two are alike among a thousand happens once in millions of years. */
const MOST_DRAWS = 5;

export interface Begun {
  /** The secret of the device; stored as its hash. */
  readonly deviceCode: string;
  /** Without its hyphen. */
  readonly userCode: string;
}

/**
 * A device asks to be enrolled, or its person to sign in on it again (RFC 8628 §3.1). Nothing comes of it until a
 * person says yes. What the same key asked for before and nobody answered is over.
 */
export async function beginEnrolment(
  tx: Tx,
  input: { accountId: string; proof: DeviceProof; asked: AskedEnrolment; ip: string; now: number },
): Promise<Begun> {
  const { accountId, proof, ip, now } = input;
  const known = await findEnrolled(tx, accountId, { thumbprint: proof.thumbprint });
  const ofAddress = [networkOf(ip, 48), ADDRESS_LIMIT] as const;
  const isEnrolled = known !== null && known.revoked_at === null;
  const limits = isEnrolled ? [ofAddress] : [ofAddress, [accountId, ACCOUNT_LIMIT] as const];
  if (!(await isWithin(tx, { accountId }, { now, limits }))) throw new DeviceProblem('too_many');
  await refuseUsed(tx, { accountId, proof, now });
  if (known && known.revoked_at !== null) throw new DeviceProblem('device_refused');
  const deviceCode = randomSecret();
  for (let left = MOST_DRAWS; left > 0; left--) {
    const userCode = newUserCode();
    const row = rowOf(input, { deviceCode, userCode });
    if (await putEnrolment(tx, row, timestamp(now - ENROLMENT_FOR))) return { deviceCode, userCode };
  }
  throw new Error('no user code is free');
}

function rowOf(
  { accountId, proof, asked, ip, now }: Parameters<typeof beginEnrolment>[1],
  { deviceCode, userCode }: Begun,
): DeviceEnrolmentRow {
  return {
    id: sha256(deviceCode),
    account_id: accountId,
    user_code: userCode,
    thumbprint: proof.thumbprint,
    public_jwk: JSON.stringify(proof.jwk),
    hardware_id: asked.hardwareId,
    name: asked.name,
    facts: JSON.stringify(asked.facts),
    status: 'pending',
    registration_id: null,
    polled_at: null,
    ip,
    created_at: timestamp(now),
    expires_at: timestamp(now + ENROLMENT_FOR),
  };
}

/**
 * What a device is told that asks whether somebody said yes (RFC 8628 §3.5); the same again if it asks again, for an
 * answer may get lost. A removal that came between wins.
 */
export async function pollEnrolment(
  tx: Tx,
  input: { accountId: string; proof: DeviceProof; deviceCode: string; now: number },
): Promise<EnrolledDevice | DeviceReason> {
  const { accountId, proof, deviceCode, now } = input;
  const row = await findEnrolment(tx, { accountId, id: sha256(deviceCode) });
  if (!row || !equalInConstantTime(row.thumbprint, proof.thumbprint)) return 'code_unknown';
  if (row.expires_at <= timestamp(now)) return 'code_expired';
  if (row.status === 'pending') return await waiting(tx, row, now);
  if (row.status !== 'approved' || row.registration_id === null) return 'refused';
  const device = await findEnrolled(tx, accountId, { id: row.registration_id });
  return device && (await sessionProblem(tx, { accountId, device, now })) === null ? device : 'taken_back';
}

async function waiting(tx: Tx, row: DeviceEnrolmentRow, now: number): Promise<DeviceReason> {
  const { id, polled_at: polledAt } = row;
  const isFirst = await notePoll(tx, { id, now: timestamp(now), polledAt });
  const soonest = polledAt === null ? 0 : Date.parse(polledAt) + POLL_EVERY - POLL_TOLERANCE;
  return isFirst && now >= soonest ? 'pending' : 'too_fast';
}

/**
 * Why a device has no device session, or null if it has one: it is there and has not run out, and neither account nor
 * registration was revoked since it began (removal-protocol, mint step 3).
 */
export async function sessionProblem(
  snapshot: Snapshot,
  { accountId, device, now }: { accountId: string; device: EnrolledDevice; now: number },
): Promise<'device_revoked' | 'session_ended' | null> {
  if (device.revoked_at !== null) return 'device_revoked';
  const { session_epoch: epoch, session_position: position, session_ends_at: endsAt } = device;
  if (epoch === null || position === null || endsAt === null) return 'session_ended';
  if (!(endsAt > timestamp(now))) return 'session_ended';
  const head = await beginMint(snapshot, accountId);
  const subjects = [{ type: 'registration' as const, id: device.id }];
  const stands = await parentStands(snapshot, { accountId, rev: { epoch, position }, head, subjects });
  return stands ? null : 'session_ended';
}
