import { forUpdate, type Reader, type Tx } from '../database/database.ts';
import type { DeviceEnrolmentRow } from '../database/tables.ts';

/**
 * Puts a device that asks to be enrolled in the place of what its key asked for before and nobody answered; false if
 * its user code is taken. What expired before `stale` goes.
 */
export async function putEnrolment(tx: Tx, row: DeviceEnrolmentRow, stale: string): Promise<boolean> {
  await tx.query.deleteFrom('device_enrolments').where('expires_at', '<', stale).execute();
  await tx.query
    .deleteFrom('device_enrolments')
    .where('account_id', '=', row.account_id)
    .where('thumbprint', '=', row.thumbprint)
    .where('status', '=', 'pending')
    .execute();
  const { numInsertedOrUpdatedRows: put } = await tx.query
    .insertInto('device_enrolments')
    .values(row)
    .onConflict((conflict) => conflict.columns(['account_id', 'user_code']).doNothing())
    .executeTakeFirstOrThrow();
  return put === 1n;
}

/** By the hash of the code that the device has. */
export async function findEnrolment(
  tx: Tx,
  { accountId, id }: { accountId: string; id: string },
): Promise<DeviceEnrolmentRow | null> {
  const row = await tx.query
    .selectFrom('device_enrolments')
    .selectAll()
    .where('account_id', '=', accountId)
    .where('id', '=', id)
    .executeTakeFirst();
  return row ?? null;
}

interface ByUserCode {
  readonly accountId: string;
  readonly userCode: string;
  readonly now: string;
}

/** The device that waits under this code for somebody to say yes or no. */
export async function findWaiting(reader: Reader, of: ByUserCode): Promise<DeviceEnrolmentRow | null> {
  return (await selectWaiting(reader, of).executeTakeFirst()) ?? null;
}

/** The same, locked: nobody else answers it until the transaction ends. */
export async function lockWaiting(tx: Tx, of: ByUserCode): Promise<DeviceEnrolmentRow | null> {
  return (await forUpdate(tx, selectWaiting(tx, of)).executeTakeFirst()) ?? null;
}

function selectWaiting(reader: Reader, { accountId, userCode, now }: ByUserCode) {
  return reader.query
    .selectFrom('device_enrolments')
    .selectAll()
    .where('account_id', '=', accountId)
    .where('user_code', '=', userCode)
    .where('status', '=', 'pending')
    .where('expires_at', '>', now);
}

/** Answers it; from now on until `expiresAt` the device can ask what the answer was. */
export async function answerEnrolment(
  tx: Tx,
  id: string,
  answer: Pick<DeviceEnrolmentRow, 'status' | 'registration_id' | 'expires_at'>,
): Promise<void> {
  await tx.query.updateTable('device_enrolments').set(answer).where('id', '=', id).execute();
}

/** Notes that the device asked now; false if it asked once more meanwhile. */
export async function notePoll(
  tx: Tx,
  { id, now, polledAt }: { id: string; now: string; polledAt: string | null },
): Promise<boolean> {
  const noted = await tx.query
    .updateTable('device_enrolments')
    .set({ polled_at: now })
    .where('id', '=', id)
    .where('polled_at', polledAt === null ? 'is' : '=', polledAt)
    .executeTakeFirst();
  return noted.numUpdatedRows > 0n;
}

/** A registration with whose it is, and with what came of its last sign-in. */
export interface EnrolledDevice {
  readonly id: string;
  readonly user_id: string;
  readonly device_id: string;
  readonly device_name: string;
  readonly email: string;
  readonly email_key: string;
  readonly revoked_at: string | null;
  readonly session_nonce: string | null;
  readonly session_epoch: number | null;
  readonly session_position: number | null;
  readonly session_ends_at: string | null;
}

/** The registration of a key, or of an id. */
export async function findEnrolled(
  reader: Reader,
  accountId: string,
  by: { readonly thumbprint: string } | { readonly id: string },
): Promise<EnrolledDevice | null> {
  const select = reader.query
    .selectFrom('registrations')
    .innerJoin('users', 'users.id', 'registrations.user_id')
    .innerJoin('physical_devices', 'physical_devices.id', 'registrations.device_id')
    .select([
      'registrations.id',
      'registrations.user_id',
      'registrations.device_id',
      'physical_devices.name as device_name',
      'users.email',
      'users.email_key',
      'registrations.revoked_at',
      'registrations.session_nonce',
      'registrations.session_epoch',
      'registrations.session_position',
      'registrations.session_ends_at',
    ])
    .where('registrations.account_id', '=', accountId);
  const one =
    'id' in by
      ? select.where('registrations.id', '=', by.id)
      : select.where('registrations.thumbprint', '=', by.thumbprint);
  return (await one.executeTakeFirst()) ?? null;
}
