import { type SelectQueryBuilder, sql } from 'kysely';
import { forUpdate, likeLiteral, type Reader, type Tx } from '../../database/database.ts';
import { countRows, type Start, startAt } from '../../database/paging.ts';
import type { AccessGroupRow, Tables } from '../../database/tables.ts';

/** What a list is narrowed to; both folded by the caller. */
export interface GroupFilter {
  readonly nameKey?: string;
  readonly search?: string;
}

/** A group names another in its rules. */
export interface GroupEdge {
  readonly from: string;
  readonly to: string;
}

type Select = SelectQueryBuilder<Tables, 'access_groups', AccessGroupRow>;

function selectGroups(reader: Reader, accountId: string): Select {
  return reader.query.selectFrom('access_groups').selectAll().where('account_id', '=', accountId);
}

/**
 * Nobody else changes groups of the account until the end of the transaction, so what is asked of them afterwards
 * stays true. The organization stands for them: there is always one, also before the first group.
 */
export async function holdGroups(tx: Tx, accountId: string): Promise<void> {
  const organization = tx.query
    .selectFrom('organizations')
    .select('account_id')
    .where('account_id', '=', accountId);
  await forUpdate(tx, organization).execute();
}

export async function findGroup(
  reader: Reader,
  accountId: string,
  id: string,
): Promise<AccessGroupRow | null> {
  return (await selectGroups(reader, accountId).where('id', '=', id).executeTakeFirst()) ?? null;
}

/** The group of that id, locked until the end of the transaction: whoever names it waits. */
export async function lockGroup(tx: Tx, accountId: string, id: string): Promise<AccessGroupRow | null> {
  return (await forUpdate(tx, selectGroups(tx, accountId).where('id', '=', id)).executeTakeFirst()) ?? null;
}

export async function listGroups(
  reader: Reader,
  accountId: string,
  { filter, start }: { filter: GroupFilter; start: Start },
): Promise<AccessGroupRow[]> {
  const select = narrow(selectGroups(reader, accountId), filter);
  return await startAt(select, ['created_at', 'id'], start).execute();
}

export async function listAllGroups(reader: Reader, accountId: string): Promise<AccessGroupRow[]> {
  return await selectGroups(reader, accountId).orderBy('id').execute();
}

export async function countGroups(
  reader: Reader,
  accountId: string,
  filter: GroupFilter = {},
): Promise<number> {
  return await countRows(narrow(selectGroups(reader, accountId), filter));
}

function narrow(select: Select, { nameKey, search }: GroupFilter): Select {
  let query = select;
  if (nameKey !== undefined) query = query.where('name_key', '=', nameKey);
  if (search === undefined) return query;
  // SQLite has no escape character unless it is told one.
  return query.where(sql<boolean>`name_key like ${likeLiteral(search)} escape '\\'`);
}

/** Which groups of the account name which. */
export async function listEdges(reader: Reader, accountId: string): Promise<GroupEdge[]> {
  return await reader.query
    .selectFrom('rule_references')
    .select(['from_id as from', 'to_id as to'])
    .where('account_id', '=', accountId)
    .where('from_type', '=', 'group')
    .where('to_type', '=', 'group')
    .execute();
}

export async function insertGroup(tx: Tx, group: AccessGroupRow): Promise<void> {
  await tx.query.insertInto('access_groups').values(group).execute();
}

export async function updateGroupRow(tx: Tx, group: AccessGroupRow): Promise<void> {
  const { id, account_id: accountId, ...change } = group;
  await tx.query
    .updateTable('access_groups')
    .set(change)
    .where('account_id', '=', accountId)
    .where('id', '=', id)
    .execute();
}

export async function deleteGroupRow(
  tx: Tx,
  { account_id, id }: Pick<AccessGroupRow, 'account_id' | 'id'>,
): Promise<void> {
  await tx.query
    .deleteFrom('access_groups')
    .where('account_id', '=', account_id)
    .where('id', '=', id)
    .execute();
}
