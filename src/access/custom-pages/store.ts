import { forKeyShare, forUpdate, type Reader, type Tx } from '../../database/database.ts';
import { countRows, type Start, startAt } from '../../database/paging.ts';
import type { CustomPageRow } from '../../database/tables.ts';

function selectPages(reader: Reader, accountId: string) {
  return reader.query.selectFrom('custom_pages').selectAll().where('account_id', '=', accountId);
}

export async function findCustomPage(
  reader: Reader,
  accountId: string,
  id: string,
): Promise<CustomPageRow | null> {
  return (await selectPages(reader, accountId).where('id', '=', id).executeTakeFirst()) ?? null;
}

/** The page of that id, locked until the end of the transaction. */
export async function lockCustomPage(tx: Tx, accountId: string, id: string): Promise<CustomPageRow | null> {
  return (await forUpdate(tx, selectPages(tx, accountId).where('id', '=', id)).executeTakeFirst()) ?? null;
}

/** Those of these ids that the account has; they cannot be deleted until the transaction ends. */
export async function holdCustomPages(
  tx: Tx,
  accountId: string,
  ids: readonly string[],
): Promise<CustomPageRow[]> {
  if (ids.length === 0) return [];
  const select = selectPages(tx, accountId)
    .where('id', 'in', [...ids])
    .orderBy('id');
  return await forKeyShare(tx, select, 'custom_pages').execute();
}

export async function listCustomPages(
  reader: Reader,
  accountId: string,
  start: Start,
): Promise<CustomPageRow[]> {
  return await startAt(selectPages(reader, accountId), ['created_at', 'id'], start).execute();
}

export async function countCustomPages(reader: Reader, accountId: string): Promise<number> {
  return await countRows(selectPages(reader, accountId));
}

export async function listAllCustomPages(reader: Reader, accountId: string): Promise<CustomPageRow[]> {
  return await selectPages(reader, accountId).orderBy('id').execute();
}

export async function insertCustomPage(tx: Tx, page: CustomPageRow): Promise<void> {
  await tx.query.insertInto('custom_pages').values(page).execute();
}

export async function updateCustomPageRow(
  tx: Tx,
  { account_id, id }: Pick<CustomPageRow, 'account_id' | 'id'>,
  change: Partial<CustomPageRow>,
): Promise<void> {
  await tx.query
    .updateTable('custom_pages')
    .set(change)
    .where('account_id', '=', account_id)
    .where('id', '=', id)
    .execute();
}

export async function deleteCustomPageRow(
  tx: Tx,
  { account_id, id }: Pick<CustomPageRow, 'account_id' | 'id'>,
): Promise<void> {
  await tx.query
    .deleteFrom('custom_pages')
    .where('account_id', '=', account_id)
    .where('id', '=', id)
    .execute();
}

/** Who shows the page: the organization, and some of the applications. Ids are told apart from all other text. */
export async function usersOfCustomPage(
  reader: Reader,
  { account_id, id }: Pick<CustomPageRow, 'account_id' | 'id'>,
): Promise<{ organization: boolean; applications: string[] }> {
  const named = `%"${id}"%`;
  const organization = await reader.query
    .selectFrom('organizations')
    .select('account_id')
    .where('account_id', '=', account_id)
    .where('settings', 'like', named)
    .executeTakeFirst();
  const applications = await reader.query
    .selectFrom('applications')
    .select('name')
    .where('account_id', '=', account_id)
    .where('settings', 'like', named)
    .orderBy('id')
    .limit(5)
    .execute();
  return { organization: organization !== undefined, applications: applications.map(({ name }) => name) };
}
