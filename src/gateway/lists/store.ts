import { type SelectQueryBuilder, sql } from 'kysely';
import { forUpdate, type Reader, type Tx } from '../../database/database.ts';
import { countRows, type Start, startAt } from '../../database/paging.ts';
import { inParts } from '../../database/parts.ts';
import type { ListItemRow, ListRow, Tables } from '../../database/tables.ts';

/** A list, and how many items it has. */
export type CountedList = ListRow & { readonly count: number };

function selectLists(reader: Reader, accountId: string): SelectQueryBuilder<Tables, 'lists', ListRow> {
  return reader.query.selectFrom('lists').selectAll().where('account_id', '=', accountId);
}

function counted(select: SelectQueryBuilder<Tables, 'lists', ListRow>) {
  const items = sql<number>`(select count(*) from list_items where list_items.list_id = lists.id)`;
  return select.select(items.as('count'));
}

/** PostgreSQL counts in texts. */
function withCount<T extends { count: number }>(row: T): T {
  return { ...row, count: Number(row.count) };
}

export async function findList(reader: Reader, accountId: string, id: string): Promise<CountedList | null> {
  const row = await counted(selectLists(reader, accountId).where('id', '=', id)).executeTakeFirst();
  return row ? withCount(row) : null;
}

/** The list of that id, locked until the end of the transaction: whoever names it or changes its items waits. */
export async function lockList(tx: Tx, accountId: string, id: string): Promise<ListRow | null> {
  return (await forUpdate(tx, selectLists(tx, accountId).where('id', '=', id)).executeTakeFirst()) ?? null;
}

/** Oldest first. */
export async function listLists(reader: Reader, accountId: string): Promise<CountedList[]> {
  const select = counted(selectLists(reader, accountId)).orderBy('created_at').orderBy('id');
  return (await select.execute()).map(withCount);
}

export async function countLists(reader: Reader, accountId: string): Promise<number> {
  return await countRows(selectLists(reader, accountId));
}

/** Nobody else adds lists to the account until the end of the transaction. Its organization stands for them. */
export async function holdLists(tx: Tx, accountId: string): Promise<void> {
  const organization = tx.query
    .selectFrom('organizations')
    .select('account_id')
    .where('account_id', '=', accountId);
  await forUpdate(tx, organization).execute();
}

export async function insertList(tx: Tx, list: ListRow): Promise<void> {
  await tx.query.insertInto('lists').values(list).execute();
}

export async function updateListRow(tx: Tx, list: ListRow): Promise<void> {
  const { id, account_id: accountId, ...change } = list;
  await tx.query
    .updateTable('lists')
    .set(change)
    .where('account_id', '=', accountId)
    .where('id', '=', id)
    .execute();
}

/** Deletes the list; its items go by foreign key. */
export async function deleteListRow(tx: Tx, { account_id, id }: ListRow): Promise<void> {
  await tx.query.deleteFrom('lists').where('account_id', '=', account_id).where('id', '=', id).execute();
}

function selectItems(reader: Reader, listId: string) {
  return reader.query.selectFrom('list_items').selectAll().where('list_id', '=', listId);
}

/** By their keys. */
export async function listItems(reader: Reader, listId: string, start?: Start): Promise<ListItemRow[]> {
  const select = selectItems(reader, listId);
  return await (start ? startAt(select, ['value_key'], start) : select.orderBy('value_key')).execute();
}

export async function countItems(reader: Reader, listId: string): Promise<number> {
  return await countRows(selectItems(reader, listId));
}

/** The keys of the items of every list of an account, by list. */
export async function listKeys(reader: Reader, accountId: string): Promise<ReadonlyMap<string, string[]>> {
  const rows = await reader.query
    .selectFrom('list_items')
    .innerJoin('lists', 'lists.id', 'list_items.list_id')
    .select(['list_items.list_id as list', 'list_items.value_key as key'])
    .where('lists.account_id', '=', accountId)
    .orderBy('list_items.list_id')
    .orderBy('list_items.value_key')
    .execute();
  const keys = new Map<string, string[]>();
  for (const { list, key } of rows) {
    const known = keys.get(list);
    if (known) known.push(key);
    else keys.set(list, [key]);
  }
  return keys;
}

/** Adds items, and takes the values and descriptions of those that are there already. */
export async function putItems(tx: Tx, items: readonly ListItemRow[]): Promise<void> {
  await inParts(items, (part) =>
    tx.query
      .insertInto('list_items')
      .values([...part])
      .onConflict((conflict) =>
        conflict.columns(['list_id', 'value_key']).doUpdateSet((row) => ({
          value: row.ref('excluded.value'),
          description: row.ref('excluded.description'),
        })),
      )
      .execute(),
  );
}

export async function deleteItems(tx: Tx, listId: string, keys: readonly string[]): Promise<void> {
  await inParts(keys, (part) =>
    tx.query
      .deleteFrom('list_items')
      .where('list_id', '=', listId)
      .where('value_key', 'in', [...part])
      .execute(),
  );
}
