import type { Tx } from '../../database/database.ts';
import type { RegistrationRow } from '../../database/tables.ts';
import { MINUTE, timestamp } from '../../kernel/clock.ts';
import { newUuid } from '../../kernel/ids.ts';
import type { FeedItem, Subject } from '../../protocol/feed.ts';
import { type Rev, survives } from '../../protocol/rev.ts';
import type { DeviceFacts, RegistrationState } from '../../protocol/state.ts';
import { readRevocations } from '../../removal/store.ts';
import { newDevice, newRegistration, seenBy, sessionOf, told } from './device-rows.ts';
import { admitDevice, devicesThatSaw, forgetWhoWasSeen, lockDevices, updateDevice } from './device-store.ts';
import { count, type Ending, endRegistrations, sessionEndingItems } from './ended-registrations.ts';
import { registrationItem } from './registration-states.ts';
import {
  countOnDevice,
  deleteSessions,
  findRegistrations,
  insertRegistration,
  lockOwners,
  lockRegistrations,
  lockUnseen,
  type Owner,
  renameOwner,
  updateRegistrations,
} from './store.ts';

/**
 * Why a device is not enrolled: its key is registered to somebody else; its registration is revoked, or gone; the
 * sign-in is older than the end of the registration's last device session, or, for a key that is new, than the end of
 * any of the person's registrations, so they have to sign in afresh; or the person, or the device, has as many
 * registrations as one can have.
 */
export type DeviceRefusal = 'device_of_another' | 'device_revoked' | 'sign_in_again' | 'too_many_devices';

export class DeviceRefused extends Error {
  readonly reason: DeviceRefusal;

  constructor(reason: DeviceRefusal) {
    super(reason);
    this.name = 'DeviceRefused';
    this.reason = reason;
  }
}

/** Registrations of one user, revoked ones too. */
const MOST_REGISTRATIONS = 100;

/** Registrations on one device: what ends with it travels to gates in one batch. */
const MOST_ON_DEVICE = 1000;

export interface Enrolment {
  readonly accountId: string;
  readonly userId: string;
  /** By which the device is known again, as it says itself; null: it does not say, and is always a new one. */
  readonly hardwareId: string | null;
  readonly name: string;
  readonly facts: DeviceFacts;
  /** The public key, and its RFC 7638 thumbprint. */
  readonly jwk: RegistrationState['jwk'];
  readonly thumbprint: string;
  readonly ip: string;
  readonly now: string;
  /** The device session: the session that comes with it (its row is the caller's), its `rev`, and its end. */
  readonly session: { readonly nonce: string; readonly rev: Rev; readonly endsAt: string };
}

/**
 * Registers a device to its user, or, if the key is registered to them already, begins a new device session; what
 * was left of the former one ends. Throws DeviceRefused. The counts of user and device are kept here and in
 * `endDevicesOf` alone.
 */
export async function enrolDevice(
  tx: Tx,
  input: Enrolment,
): Promise<{ registration: RegistrationRow; items: FeedItem[]; isNew: boolean }> {
  const { accountId, thumbprint } = input;
  const [owner] = await lockOwners(tx, accountId, [input.userId]);
  if (!owner) throw new DeviceRefused('device_revoked');
  const [known] = await lockRegistrations(tx, accountId, { thumbprint });
  if (known) return await renewed(tx, { input, owner, known });
  await refuseOlder(tx, { accountId, rev: input.session.rev, subject: { type: 'devices', id: owner.id } });
  const owned = await findRegistrations(tx, accountId, { userId: owner.id });
  if (owned.length >= MOST_REGISTRATIONS) throw new DeviceRefused('too_many_devices');
  const id = newUuid();
  const device = await admitDevice(tx, newDevice({ ...input, owner, registrationId: id }));
  if ((await countOnDevice(tx, device.id)) >= MOST_ON_DEVICE) throw new DeviceRefused('too_many_devices');
  const registration = newRegistration({ id, input, owner, deviceId: device.id });
  // Somebody else was quicker with the same key.
  if (!(await insertRegistration(tx, registration))) throw new DeviceRefused('device_of_another');
  await count(tx, [registration], 1);
  await updateDevice(tx, device, told({ ...input, owner, device, registrationId: id }));
  return { registration, items: [registrationItem(registration)], isNew: true };
}

async function renewed(
  tx: Tx,
  { input, owner, known }: { input: Enrolment; owner: Owner; known: RegistrationRow },
) {
  const { accountId, now, session } = input;
  if (known.user_id !== owner.id) throw new DeviceRefused('device_of_another');
  if (known.revoked_at !== null) throw new DeviceRefused('device_revoked');
  await refuseOlder(tx, { accountId, rev: session.rev, subject: { type: 'registration', id: known.id } });
  const former = known.session_nonce === session.nonce ? null : known.session_nonce;
  const change = {
    ...sessionOf(input),
    facts: JSON.stringify(input.facts),
    updated_at: now,
    last_seen_at: now,
  };
  await updateRegistrations(tx, { accountId, ids: [known.id] }, change);
  if (former !== null) await deleteSessions(tx, accountId, [former]);
  const [device] = await lockDevices(tx, accountId, [known.device_id]);
  if (device) await updateDevice(tx, device, told({ ...input, owner, device, registrationId: known.id }));
  const registration = { ...known, ...change };
  const ended = former === null ? [] : sessionEndingItems(former);
  return { registration, items: [...ended, registrationItem(registration)], isNew: false };
}

/**
 * A session that began before the registration was last revoked must not begin a device session: no gate would take it.
 * Nor may one enrol a new key that is older than what was taken from the person's devices.
 */
async function refuseOlder(
  tx: Tx,
  { accountId, rev, subject }: { accountId: string; rev: Rev; subject: Subject },
): Promise<void> {
  const revocations = await readRevocations(tx, accountId, [subject]);
  if (revocations.some((at) => !survives(rev, at))) throw new DeviceRefused('sign_in_again');
}

/**
 * Ends the registrations of a user (`delete`: the rows go; `revoke`: they stay, revoked), or their device sessions
 * alone (`reauthenticate`): the person signs in on the device again. Answers what gates must know of it, for the act
 * that this is part of, and how many were ended. The user is locked here; nobody enrols meanwhile.
 */
export async function endDevicesOf(
  tx: Tx,
  { accountId, userId, how, now }: { accountId: string; userId: string; how: Ending; now: string },
): Promise<{ items: FeedItem[]; count: number }> {
  await lockOwners(tx, accountId, [userId]);
  const rows = await lockRegistrations(tx, accountId, { userId });
  const ended = await endRegistrations(tx, { accountId, rows, how, now });
  if (how === 'delete') await forgetLastSeen(tx, accountId, userId);
  return ended;
}

/** Ends those device sessions of a user that came with one of these sessions; the registrations stay. The same answer. */
export async function endDeviceSessions(
  tx: Tx,
  {
    accountId,
    userId,
    nonces,
    now,
  }: { accountId: string; userId: string; nonces: readonly string[]; now: string },
): Promise<{ items: FeedItem[]; count: number }> {
  await lockOwners(tx, accountId, [userId]);
  const rows = await lockRegistrations(tx, accountId, { userId });
  const meant = rows.filter((row) => row.session_nonce !== null && nonces.includes(row.session_nonce));
  return await endRegistrations(tx, { accountId, rows: meant, how: 'reauthenticate', now });
}

/** Devices do not go on naming a person whose registrations are gone. */
async function forgetLastSeen(tx: Tx, accountId: string, userId: string): Promise<void> {
  const ids = await devicesThatSaw(tx, accountId, userId);
  const devices = await lockDevices(tx, accountId, ids);
  await forgetWhoWasSeen(
    tx,
    devices.filter((device) => device.last_seen_user_id === userId),
  );
}

/**
 * What a device says of itself anew: kept with the registration and the device, and told to gates if it differs and
 * the registration has a device session. Throws DeviceRefused for one that is revoked or gone.
 */
export async function reportDevice(
  tx: Tx,
  input: {
    readonly accountId: string;
    readonly registrationId: string;
    readonly facts: DeviceFacts;
    readonly name?: string;
    readonly ip: string;
    readonly now: string;
  },
): Promise<FeedItem[]> {
  const { accountId, registrationId, now } = input;
  const { owner, row } = await hold(tx, accountId, registrationId);
  const facts = JSON.stringify(input.facts);
  const change = { facts, last_seen_at: now, ...(facts === row.facts ? {} : { updated_at: now }) };
  await updateRegistrations(tx, { accountId, ids: [row.id] }, change);
  const [device] = await lockDevices(tx, accountId, [row.device_id]);
  if (device) await updateDevice(tx, device, told({ ...input, owner, device }));
  const isKnown = row.session_ends_at !== null && row.session_ends_at > now;
  return isKnown && facts !== row.facts ? [registrationItem({ ...row, ...change })] : [];
}

/** A registration that is not revoked and its user, both locked. */
async function hold(tx: Tx, accountId: string, id: string): Promise<{ owner: Owner; row: RegistrationRow }> {
  const [found] = await findRegistrations(tx, accountId, { ids: [id] });
  const [owner] = found ? await lockOwners(tx, accountId, [found.user_id]) : [];
  const [row] = owner ? await lockRegistrations(tx, accountId, { ids: [id] }) : [];
  if (!owner || !row || row.revoked_at !== null) throw new DeviceRefused('device_revoked');
  return { owner, row };
}

/** How many are marked in one transaction. */
const MARKED_AT_ONCE = 500;

/**
 * Notes that these registrations, and so their devices, were seen; each at most once a minute, so that what is always
 * there does not write always. Beyond 500 the rest is left to the next call.
 */
export async function markSeen(
  tx: Tx,
  { accountId, registrationIds, now }: { accountId: string; registrationIds: readonly string[]; now: string },
): Promise<void> {
  const ids = [...new Set(registrationIds)].slice(0, MARKED_AT_ONCE);
  const before = timestamp(Date.parse(now) - MINUTE);
  const rows = await lockUnseen(tx, accountId, { ids, before });
  const seen = rows.map(({ id }) => id);
  await updateRegistrations(tx, { accountId, ids: seen }, { last_seen_at: now });
  const byDevice = new Map(rows.map((row) => [row.device_id, row]));
  for (const device of await lockDevices(tx, accountId, byDevice.keys())) {
    const row = byDevice.get(device.id);
    if (row) await updateDevice(tx, device, seenBy(row, now));
  }
}

/** The user's name has changed: lists of registrations are ordered by it. The user is locked. */
export async function renameInRegistrations(tx: Tx, user: { id: string; name_key: string }): Promise<void> {
  await renameOwner(tx, user);
}
