import { deviceSessionDuration } from '../access/organizations/organizations.ts';
import { holdsDevice, lockEnrollingUser } from '../access/users/enrolling.ts';
import type { SeenIdentity } from '../access/users/sessions.ts';
import type { Tx } from '../database/database.ts';
import type { DeviceEnrolmentRow, SessionRow } from '../database/tables.ts';
import { enrolDevice } from '../devices/registrations/registrations.ts';
import { timestamp } from '../kernel/clock.ts';
import { newSessionNonce } from '../kernel/ids.ts';
import { isBlocked } from '../portcullis/blocked-users/blocked-users.ts';
import type { DeviceJwk } from '../protocol/device-proof.ts';
import type { Subject } from '../protocol/feed.ts';
import type { Head } from '../protocol/rev.ts';
import type { DeviceFacts } from '../protocol/state.ts';
import type { Change } from '../removal/act.ts';
import { beginMint, parentStands, wereRevoked } from '../removal/mint.ts';
import { ENROLMENT_FOR } from './device-enrolments.ts';
import { ApprovalRefused } from './device-refused.ts';
import { answerEnrolment, lockWaiting } from './device-store.ts';
import { revOf, sessionItem, subjectsOf } from './lineage.ts';
import { refuseRestored } from './restored.ts';
import { findLineage, insertSession, lockLineage, type SessionLineage } from './store.ts';

/** A person who says yes or no to a device, in a session of theirs. */
export interface Approval {
  readonly accountId: string;
  readonly userCode: string;
  /** Of the browser's session. */
  readonly nonce: string;
  readonly now: number;
}

/** The device that a person has enrolled. */
export interface Approved {
  readonly name: string;
  readonly registrationId: string;
  /** Whether it was not enrolled before. */
  readonly isNew: boolean;
}

/**
 * Enrols a device for the person of a session, or signs them in on it again, in one act: registration, device
 * session, seat and counts come together or not at all. The session on the device is minted from the browser's
 * (removal-protocol, Recipes: Mint): it inherits `rev`, and whatever has ended the browser's session ends this. The
 * person's row is locked before anything that hangs on it, in the order of a removal.
 */
export async function approveEnrolment(tx: Tx, approval: Approval): Promise<Change<Approved>> {
  const { accountId, now } = approval;
  const head = await beginMint(tx, accountId);
  await refuseRestored(tx);
  const user = await lockPerson(tx, approval);
  const enrolment = await lockWaiting(tx, { ...approval, now: timestamp(now) });
  if (!enrolment) throw new ApprovalRefused('code_unknown');
  const parent = await standingParent(tx, approval, head);
  await refuseUnfit(tx, { user, parent });
  const duration = await deviceSessionDuration(tx, accountId);
  const session = deviceSession(parent, { enrolment, now, endsAt: timestamp(now + duration) });
  const { email_key: _, issuer: __, subject: ___, claims: ____, ...row } = session;
  await insertSession(tx, row);
  const enrolled = await enrolDevice(tx, {
    accountId,
    userId: user.id,
    hardwareId: enrolment.hardware_id,
    name: enrolment.name,
    facts: JSON.parse(enrolment.facts) as DeviceFacts,
    jwk: JSON.parse(enrolment.public_jwk) as DeviceJwk,
    thumbprint: enrolment.thumbprint,
    ip: enrolment.ip,
    now: timestamp(now),
    session: { nonce: session.nonce, rev: revOf(session), endsAt: session.expires_at },
  });
  const registration: Subject = { type: 'registration', id: enrolled.registration.id };
  const devices: Subject = { type: 'devices', id: user.id };
  const judged = enrolled.isNew ? [registration, devices] : [registration];
  if (enrolled.isNew) await refuseUnproven(tx, { parent, devices });
  const expires_at = timestamp(now + ENROLMENT_FOR);
  await answerEnrolment(tx, enrolment.id, {
    status: 'approved',
    registration_id: registration.id,
    expires_at,
  });
  await holdsDevice(tx, user, timestamp(now));
  return {
    result: { name: enrolment.name, registrationId: registration.id, isNew: enrolled.isNew },
    items: [sessionItem(session), ...enrolled.items],
    audit: {
      action: 'device.enrol',
      resource: { type: 'registration', id: registration.id },
      metadata: {
        device_id: enrolled.registration.device_id,
        name: enrolment.name,
        ip: enrolment.ip,
        new: enrolled.isNew,
        session: session.nonce,
        browser_session: parent.nonce,
      },
    },
    guard: async (later) => {
      const present = await beginMint(later, accountId);
      await refuseUnfit(later, { user, parent });
      await refuseFallen(later, { parent, head: present });
      await refuseOlder(later, { parent, head: present, subjects: judged });
      if (enrolled.isNew) await refuseUnproven(later, { parent, devices });
    },
  };
}

/** Whose session it is, locked; read before the session itself is locked, which a removal locks after them. */
async function lockPerson(tx: Tx, { accountId, nonce }: Approval) {
  const session = await findLineage(tx, accountId, nonce);
  const user = session ? await lockEnrollingUser(tx, accountId, session.user_id) : null;
  if (!user) throw new ApprovalRefused('session_ended');
  return user;
}

/** The browser's session, if it has not run out and stands at this reading. */
async function standingParent(
  tx: Tx,
  { accountId, nonce, now }: Approval,
  head: Head,
): Promise<SessionLineage> {
  const parent = await lockLineage(tx, accountId, nonce);
  if (!parent || parent.expires_at <= timestamp(now)) throw new ApprovalRefused('session_ended');
  await refuseFallen(tx, { parent, head });
  return parent;
}

async function refuseFallen(tx: Tx, { parent, head }: { parent: SessionLineage; head: Head }): Promise<void> {
  const lineage = { accountId: parent.account_id, rev: revOf(parent), head, subjects: subjectsOf(parent) };
  if (!(await parentStands(tx, lineage))) throw new ApprovalRefused('session_ended');
}

/** Who is blocked enrols nothing; nor who was made to prove themselves again, and has not. */
async function refuseUnfit(
  tx: Tx,
  { user, parent }: { user: { reauthenticate: number }; parent: SessionLineage },
): Promise<void> {
  if (await isBlocked(tx, parent.account_id, parent.email_key)) throw new ApprovalRefused('session_ended');
  if (user.reauthenticate !== 0) throw new ApprovalRefused('session_ended');
}

/** What was taken from the devices after the browser signed in is not given back by that: the person signs in anew. */
async function refuseOlder(
  tx: Tx,
  { parent, head, subjects }: { parent: SessionLineage; head: Head; subjects: readonly Subject[] },
): Promise<void> {
  const of = { accountId: parent.account_id, rev: revOf(parent), head, subjects };
  if (!(await parentStands(tx, of))) throw new ApprovalRefused('sign_in_again');
}

/**
 * Who has had a device taken away enrols a new key in a session for which the provider asked them anew: whoever has the
 * machine may have the provider's session there as well, which would sign them in by itself.
 */
async function refuseUnproven(
  tx: Tx,
  { parent, devices }: { parent: SessionLineage; devices: Subject },
): Promise<void> {
  if (parent.fresh_login === 1) return;
  if (await wereRevoked(tx, parent.account_id, [devices])) throw new ApprovalRefused('sign_in_again');
}

/** A session of the same person, identity and lineage, with a name and an end of its own. */
function deviceSession(
  parent: SessionLineage,
  { enrolment, now, endsAt }: { enrolment: DeviceEnrolmentRow; now: number; endsAt: string },
): SessionLineage {
  const seen = JSON.parse(parent.identity) as SeenIdentity;
  const identity: SeenIdentity = {
    ...seen,
    iat: Math.floor(now / 1000),
    ip: enrolment.ip,
    is_warp: true,
  };
  const own: Pick<SessionRow, 'nonce' | 'identity' | 'issued_at' | 'expires_at' | 'parent_nonce'> = {
    nonce: newSessionNonce(),
    parent_nonce: parent.nonce,
    identity: JSON.stringify(identity),
    issued_at: timestamp(now),
    expires_at: endsAt,
  };
  return { ...parent, ...own };
}

/** A person refuses a device; it is told so, and nothing comes of it. */
export async function refuseEnrolment(tx: Tx, approval: Approval): Promise<Change<{ name: string }>> {
  const { accountId, now } = approval;
  const head = await beginMint(tx, accountId);
  const user = await lockPerson(tx, approval);
  const enrolment = await lockWaiting(tx, { ...approval, now: timestamp(now) });
  if (!enrolment) throw new ApprovalRefused('code_unknown');
  await standingParent(tx, approval, head);
  const expires_at = timestamp(now + ENROLMENT_FOR);
  await answerEnrolment(tx, enrolment.id, { status: 'denied', registration_id: null, expires_at });
  return {
    result: { name: enrolment.name },
    audit: {
      action: 'device.enrol_refuse',
      resource: { type: 'user', id: user.id },
      metadata: { name: enrolment.name, ip: enrolment.ip },
    },
  };
}
