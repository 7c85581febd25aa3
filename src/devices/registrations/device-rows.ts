import type { RegistrationRow } from '../../database/tables.ts';
import { newUuid } from '../../kernel/ids.ts';
import { foldCase } from '../../kernel/text.ts';
import type { DeviceFacts } from '../../protocol/state.ts';
import type { StoredDevice } from './device-store.ts';
import type { Enrolment } from './registrations.ts';
import type { Owner } from './store.ts';

export interface Telling {
  readonly owner: Owner;
  readonly name?: string | undefined;
  readonly facts: DeviceFacts;
  readonly ip: string;
  readonly now: string;
  readonly registrationId: string;
}

/** A device that nobody has enrolled before. */
export function newDevice(
  from: Telling & { accountId: string; hardwareId: string | null; name: string },
): StoredDevice {
  const base = { id: newUuid(), hardware_id: from.hardwareId, name: from.name };
  return {
    ...base,
    account_id: from.accountId,
    active_registrations: 0,
    created_at: from.now,
    ...told({ ...from, device: base }),
  };
}

/** What changes of a device when one of its registrations has told of it. */
export function told(from: Telling & { device: Pick<StoredDevice, 'id' | 'hardware_id' | 'name'> }) {
  const { facts, owner, now, device } = from;
  const name = (from.name ?? device.name).normalize('NFC');
  const { serial_number, model, manufacturer, mac_address } = facts;
  const texts = [name, device.id, device.hardware_id, serial_number, model, manufacturer, mac_address];
  const lines = texts.flatMap((text) => (text ? [foldCase(text)] : []));
  return {
    name,
    name_key: foldCase(name),
    search_text: [...new Set(lines)].join('\n'),
    facts: JSON.stringify(facts),
    client_version: facts.client_version ?? '',
    updated_at: now,
    ...seenBy({ id: from.registrationId, user_id: owner.id, user_email_key: owner.email_key }, now),
    public_ip: from.ip,
  };
}

/** When a device was seen last, and with whom. */
export function seenBy(row: Pick<RegistrationRow, 'id' | 'user_id' | 'user_email_key'>, now: string) {
  return {
    last_seen_at: now,
    last_seen_user_id: row.user_id,
    last_seen_email: row.user_email_key,
    last_seen_registration_id: row.id,
  };
}

/** A registration that has its first device session. */
export function newRegistration(from: {
  id: string;
  input: Enrolment;
  owner: Owner;
  deviceId: string;
}): RegistrationRow {
  const { input, owner } = from;
  return {
    id: from.id,
    account_id: input.accountId,
    user_id: owner.id,
    device_id: from.deviceId,
    user_email_key: owner.email_key,
    user_name_key: owner.name_key,
    thumbprint: input.thumbprint,
    public_jwk: JSON.stringify(input.jwk),
    facts: JSON.stringify(input.facts),
    created_at: input.now,
    updated_at: input.now,
    last_seen_at: input.now,
    revoked_at: null,
    ...sessionOf(input),
  };
}

/** Its device session, as a registration keeps it. */
export function sessionOf({ session }: Enrolment) {
  return {
    session_nonce: session.nonce,
    session_epoch: session.rev.epoch,
    session_position: session.rev.position,
    session_ends_at: session.endsAt,
  };
}
