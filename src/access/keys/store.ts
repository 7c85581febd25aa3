import { forUpdate, type Reader, type Tx } from '../../database/database.ts';
import type { KeySettingsRow, SigningKeyRow } from '../../database/tables.ts';

export async function insertKey(tx: Tx, key: SigningKeyRow): Promise<void> {
  await tx.query.insertInto('signing_keys').values(key).execute();
}

/** Every key of the account, newest first. */
export async function listKeys(reader: Reader, accountId: string): Promise<SigningKeyRow[]> {
  return await reader.query
    .selectFrom('signing_keys')
    .selectAll()
    .where('account_id', '=', accountId)
    .orderBy('created_at', 'desc')
    .orderBy('id')
    .limit(100)
    .execute();
}

/** The sealed private half of a key; null if it is erased or the key is gone. */
export async function findPrivateHalf(reader: Reader, accountId: string, id: string): Promise<string | null> {
  const row = await reader.query
    .selectFrom('signing_keys')
    .select('private_jwk')
    .where('account_id', '=', accountId)
    .where('id', '=', id)
    .executeTakeFirst();
  return row?.private_jwk ?? null;
}

/** Any one private half, to test a master key on. */
export async function anyPrivateHalf(reader: Reader): Promise<{ id: string; private_jwk: string } | null> {
  const row = await reader.query
    .selectFrom('signing_keys')
    .select(['id', 'private_jwk'])
    .where('private_jwk', 'is not', null)
    .limit(1)
    .executeTakeFirst();
  return row?.private_jwk ? { id: row.id, private_jwk: row.private_jwk } : null;
}

export async function hasCurrentKey(tx: Tx, accountId: string, purpose: string): Promise<boolean> {
  const row = await tx.query
    .selectFrom('signing_keys')
    .select('id')
    .where('account_id', '=', accountId)
    .where('purpose', '=', purpose)
    .where('stage', '=', 'current')
    .executeTakeFirst();
  return row !== undefined;
}

export async function changeKey(
  tx: Tx,
  { account_id, id }: Pick<SigningKeyRow, 'account_id' | 'id'>,
  change: Partial<Pick<SigningKeyRow, 'stage' | 'stage_since' | 'private_jwk'>>,
): Promise<void> {
  await tx.query
    .updateTable('signing_keys')
    .set(change)
    .where('account_id', '=', account_id)
    .where('id', '=', id)
    .execute();
}

export async function deleteKey(
  tx: Tx,
  { account_id, id }: Pick<SigningKeyRow, 'account_id' | 'id'>,
): Promise<void> {
  await tx.query
    .deleteFrom('signing_keys')
    .where('account_id', '=', account_id)
    .where('id', '=', id)
    .execute();
}

function selectSettings(reader: Reader, accountId: string) {
  return reader.query.selectFrom('key_settings').selectAll().where('account_id', '=', accountId);
}

export async function findSettings(reader: Reader, accountId: string): Promise<KeySettingsRow | null> {
  return (await selectSettings(reader, accountId).executeTakeFirst()) ?? null;
}

/** The row that whoever changes keys of the account locks first. */
export async function lockSettings(tx: Tx, accountId: string): Promise<KeySettingsRow | null> {
  return (await forUpdate(tx, selectSettings(tx, accountId)).executeTakeFirst()) ?? null;
}

/** The settings of every account that has keys. */
export async function listSettings(reader: Reader): Promise<KeySettingsRow[]> {
  return await reader.query.selectFrom('key_settings').selectAll().orderBy('account_id').execute();
}

/** Writes when keys were last made; the first time, with this interval. */
export async function saveRotation(tx: Tx, settings: KeySettingsRow): Promise<void> {
  const { last_rotated_at } = settings;
  await tx.query
    .insertInto('key_settings')
    .values(settings)
    .onConflict((conflict) => conflict.column('account_id').doUpdateSet({ last_rotated_at }))
    .execute();
}

export async function changeInterval(tx: Tx, accountId: string, days: number): Promise<void> {
  await tx.query
    .updateTable('key_settings')
    .set({ rotation_interval_days: days })
    .where('account_id', '=', accountId)
    .execute();
}
