import type { Tx } from '../../database/database.ts';
import type { Change } from '../../removal/act.ts';
import { endRegistrations } from '../registrations/ended-registrations.ts';
import { holdMeant, revokeMeant } from '../registrations/registration-changes.ts';
import { deleteDeviceRow } from './store.ts';

interface One {
  readonly accountId: string;
  readonly id: string;
  readonly now: string;
}

/** Deletes a device for good, with all its registrations. One that enrols again is another device. */
export async function deletePhysicalDevice(tx: Tx, { accountId, id, now }: One): Promise<Change<null>> {
  const { rows, devices } = await holdMeant(tx, { accountId, deviceIds: [id] });
  const { items, count } = await endRegistrations(tx, { accountId, rows, how: 'delete', now });
  await deleteDeviceRow(tx, { account_id: accountId, id });
  return {
    result: null,
    items,
    audit: factsOf(id, 'delete', { name: devices[0]?.name ?? '', registrations: count }),
  };
}

/** Revokes all registrations of a device; they stay, and so does the device. */
export async function revokePhysicalDevice(tx: Tx, { accountId, id, now }: One): Promise<Change<null>> {
  const revoked = await revokeMeant(tx, { accountId, deviceIds: [id], now });
  return { ...revoked, audit: factsOf(id, 'revoke', revoked.audit.metadata ?? {}) };
}

function factsOf(id: string, verb: string, metadata: NonNullable<Change<null>['audit']['metadata']>) {
  return { action: `physical_device.${verb}`, resource: { type: 'physical_device', id }, metadata };
}
