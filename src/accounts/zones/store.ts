import type { SelectQueryBuilder } from 'kysely';
import type { Reader, Tx } from '../../database/database.ts';
import { countRows, type Start, startAt } from '../../database/paging.ts';
import type { Tables } from '../../database/tables.ts';

export type ZoneRow = Tables['zones'];

export interface StoredZone extends ZoneRow {
  readonly account_name: string;
}

export interface ZoneFilter {
  /** Only these; the caller has asked which of them may be seen. */
  readonly ids: readonly string[];
  readonly name?: string;
  readonly accountId?: string;
  readonly accountName?: string;
}

export interface ZoneOrder {
  readonly columns: readonly (keyof StoredZone & string)[];
  readonly direction: 'asc' | 'desc';
}

function selectZones(reader: Reader) {
  return reader.query
    .selectFrom('zones')
    .innerJoin('accounts', 'accounts.id', 'zones.account_id')
    .select([
      'zones.id',
      'zones.account_id',
      'zones.name',
      'zones.created_on',
      'zones.modified_on',
      'accounts.name as account_name',
    ]);
}

export async function findZone(reader: Reader, accountId: string, id: string): Promise<StoredZone | null> {
  const row = await selectZones(reader)
    .where('zones.account_id', '=', accountId)
    .where('zones.id', '=', id)
    .executeTakeFirst();
  return row ?? null;
}

/** The zones of these accounts, by id and account alone. */
export async function listZoneIds(
  reader: Reader,
  accountIds: readonly string[],
): Promise<{ id: string; account_id: string }[]> {
  if (accountIds.length === 0) return [];
  return await reader.query
    .selectFrom('zones')
    .select(['id', 'account_id'])
    .where('account_id', 'in', [...accountIds])
    .orderBy('id')
    .limit(10_000)
    .execute();
}

/** The names of the account's zones. */
export async function listZoneNames(reader: Reader, accountId: string): Promise<string[]> {
  const rows = await reader.query
    .selectFrom('zones')
    .select('name')
    .where('account_id', '=', accountId)
    .orderBy('name')
    .limit(10_000)
    .execute();
  return rows.map(({ name }) => name);
}

export async function listZones(
  reader: Reader,
  { filter, order, start }: { filter: ZoneFilter; order: ZoneOrder; start: Start },
): Promise<StoredZone[]> {
  if (filter.ids.length === 0) return [];
  const columns = order.columns.map((column) => REFS[column]);
  return await startAt(narrow(selectZones(reader), filter), columns, start, order.direction).execute();
}

export async function countZones(reader: Reader, filter: ZoneFilter): Promise<number> {
  return filter.ids.length === 0 ? 0 : await countRows(narrow(selectZones(reader), filter));
}

const REFS: Record<keyof StoredZone, string> = {
  id: 'zones.id',
  account_id: 'zones.account_id',
  name: 'zones.name',
  created_on: 'zones.created_on',
  modified_on: 'zones.modified_on',
  account_name: 'accounts.name',
};

function narrow(select: SelectQueryBuilder<Tables, 'zones' | 'accounts', StoredZone>, filter: ZoneFilter) {
  let query = select.where('zones.id', 'in', [...filter.ids]);
  if (filter.name !== undefined) query = query.where('zones.name', '=', filter.name);
  if (filter.accountId !== undefined) query = query.where('zones.account_id', '=', filter.accountId);
  if (filter.accountName !== undefined) query = query.where('accounts.name', '=', filter.accountName);
  return query;
}

export async function insertZone(tx: Tx, zone: ZoneRow): Promise<void> {
  await tx.query.insertInto('zones').values(zone).execute();
}
