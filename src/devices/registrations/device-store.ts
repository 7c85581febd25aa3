import { sql } from 'kysely';
import { forUpdate, type Tx } from '../../database/database.ts';
import { inParts } from '../../database/parts.ts';
import type { PhysicalDeviceRow } from '../../database/tables.ts';

export type StoredDevice = Omit<PhysicalDeviceRow, 'ordinal'>;

/** The columns of a device, without its row number. */
export const DEVICE_COLUMNS = [
  'physical_devices.id',
  'physical_devices.account_id',
  'physical_devices.hardware_id',
  'physical_devices.name',
  'physical_devices.name_key',
  'physical_devices.search_text',
  'physical_devices.facts',
  'physical_devices.client_version',
  'physical_devices.active_registrations',
  'physical_devices.created_at',
  'physical_devices.updated_at',
  'physical_devices.last_seen_at',
  'physical_devices.last_seen_user_id',
  'physical_devices.last_seen_email',
  'physical_devices.last_seen_registration_id',
  'physical_devices.public_ip',
] as const;

/**
 * The device with that hardware id, made on the spot if there is none, and locked either way until the end of the
 * transaction: nobody deletes it meanwhile. One that does not say what it is, is always new.
 */
export async function admitDevice(tx: Tx, device: StoredDevice): Promise<StoredDevice> {
  return await tx.query
    .insertInto('physical_devices')
    .values(device)
    .onConflict((conflict) =>
      conflict.columns(['account_id', 'hardware_id']).doUpdateSet({ updated_at: device.updated_at }),
    )
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** These devices, locked until the end of the transaction; after users and registrations. */
export async function lockDevices(tx: Tx, accountId: string, ids: Iterable<string>): Promise<StoredDevice[]> {
  return await inParts([...new Set(ids)].sort(), (some) =>
    forUpdate(
      tx,
      tx.query
        .selectFrom('physical_devices')
        .select(DEVICE_COLUMNS)
        .where('account_id', '=', accountId)
        .where('id', 'in', [...some])
        .orderBy('id'),
    ).execute(),
  );
}

export async function updateDevice(
  tx: Tx,
  { account_id, id }: Pick<StoredDevice, 'account_id' | 'id'>,
  change: Partial<Omit<StoredDevice, 'id' | 'account_id'>>,
): Promise<void> {
  await tx.query
    .updateTable('physical_devices')
    .set(change)
    .where('account_id', '=', account_id)
    .where('id', '=', id)
    .execute();
}

/** Adds to the devices' counts of registrations that are not revoked. They are locked. */
export async function addToDeviceCounts(tx: Tx, changes: ReadonlyMap<string, number>): Promise<void> {
  for (const [change, some] of Map.groupBy(changes, ([, by]) => by)) {
    const ids = some.map(([id]) => id);
    await inParts(ids, (part) =>
      tx.query
        .updateTable('physical_devices')
        .set({ active_registrations: sql`active_registrations + ${change}` })
        .where('id', 'in', [...part])
        .execute(),
    );
  }
}

/** These devices, which are locked, name nobody as seen last. */
export async function forgetWhoWasSeen(tx: Tx, devices: readonly StoredDevice[]): Promise<void> {
  await inParts(
    devices.map(({ id }) => id),
    (part) =>
      tx.query
        .updateTable('physical_devices')
        .set(SEEN_NOBODY)
        .where('id', 'in', [...part])
        .execute(),
  );
}

const SEEN_NOBODY = {
  last_seen_user_id: null,
  last_seen_email: '',
  last_seen_registration_id: null,
  public_ip: null,
};

/** The ids of the devices that saw this user last. */
export async function devicesThatSaw(tx: Tx, accountId: string, userId: string): Promise<string[]> {
  const rows = await tx.query
    .selectFrom('physical_devices')
    .select('id')
    .where('account_id', '=', accountId)
    .where('last_seen_user_id', '=', userId)
    .execute();
  return rows.map(({ id }) => id);
}
