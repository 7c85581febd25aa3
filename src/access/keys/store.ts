import type { Reader, Tx } from '../../database/database.ts';
import type { SigningKeyRow } from '../../database/tables.ts';

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

/** Any one sealed key, to test a master key on. */
export async function anyKey(reader: Reader): Promise<SigningKeyRow | null> {
  return (await reader.query.selectFrom('signing_keys').selectAll().limit(1).executeTakeFirst()) ?? null;
}
