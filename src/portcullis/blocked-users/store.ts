import type { SelectQueryBuilder } from 'kysely';
import type { Reader, Tx } from '../../database/database.ts';
import { countRows, type Start, startAt } from '../../database/paging.ts';
import type { BlockedUserRow, Tables } from '../../database/tables.ts';

type Select = SelectQueryBuilder<Tables, 'blocked_users', BlockedUserRow>;

/** All of the account, or the one of an e-mail key. */
function selectBlocked(reader: Reader, accountId: string, emailKey: string | null): Select {
  const all = reader.query.selectFrom('blocked_users').selectAll().where('account_id', '=', accountId);
  return emailKey === null ? all : all.where('email_key', '=', emailKey);
}

/** Whether any of these block keys is blocked. */
export async function hasBlocked(
  reader: Reader,
  accountId: string,
  blockKeys: readonly string[],
): Promise<boolean> {
  const select = selectBlocked(reader, accountId, null).where('block_key', 'in', blockKeys);
  return (await select.limit(1).executeTakeFirst()) !== undefined;
}

export async function listBlocked(
  reader: Reader,
  accountId: string,
  { emailKey, start }: { emailKey: string | null; start: Start },
): Promise<BlockedUserRow[]> {
  return await startAt(selectBlocked(reader, accountId, emailKey), ['created_at', 'id'], start).execute();
}

export async function countBlocked(
  reader: Reader,
  accountId: string,
  emailKey: string | null,
): Promise<number> {
  return await countRows(selectBlocked(reader, accountId, emailKey));
}

/** The database refuses a second one of that e-mail. */
export async function insertBlocked(tx: Tx, row: BlockedUserRow): Promise<void> {
  await tx.query.insertInto('blocked_users').values(row).execute();
}

/** The row as it was; null if there is none. */
export async function deleteBlocked(tx: Tx, accountId: string, id: string): Promise<BlockedUserRow | null> {
  const row = await tx.query
    .deleteFrom('blocked_users')
    .where('account_id', '=', accountId)
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst();
  return row ?? null;
}
