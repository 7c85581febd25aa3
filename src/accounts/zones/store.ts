import { type SelectQueryBuilder, sql } from 'kysely';
import { forUpdate, type Reader, type Tx } from '../../database/database.ts';
import { hasName, isOnOrBelow, teamDomains } from '../../database/host-names.ts';
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
  /** One of them suffices; else all must be met. */
  readonly any?: boolean;
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
  const asked = [
    ['zones.name', filter.name],
    ['zones.account_id', filter.accountId],
    ['accounts.name', filter.accountName],
  ] as const;
  const query = select.where('zones.id', 'in', [...filter.ids]);
  const given = asked.filter(([, value]) => value !== undefined);
  if (given.length === 0) return query;
  return query.where((row) => {
    const met = given.map(([column, value]) => row(column, '=', value ?? ''));
    return filter.any ? row.or(met) : row.and(met);
  });
}

export async function insertZone(tx: Tx, zone: ZoneRow): Promise<void> {
  await tx.query.insertInto('zones').values(zone).execute();
}

export async function lockZone(tx: Tx, accountId: string, id: string): Promise<ZoneRow | null> {
  const select = tx.query
    .selectFrom('zones')
    .selectAll()
    .where('account_id', '=', accountId)
    .where('id', '=', id);
  return (await forUpdate(tx, select).executeTakeFirst()) ?? null;
}

export async function deleteZoneRow(tx: Tx, id: string): Promise<void> {
  await tx.query.deleteFrom('zones').where('id', '=', id).execute();
}

export async function countZonesOf(reader: Reader, accountId: string): Promise<number> {
  return await countRows(reader.query.selectFrom('zones').selectAll().where('account_id', '=', accountId));
}

/** Whether another account has a zone that is one of these names, or lies below `name`. */
export async function hasZoneElsewhere(
  reader: Reader,
  { accountId, name, over }: { accountId: string; name: string; over: readonly string[] },
): Promise<boolean> {
  const row = await reader.query
    .selectFrom('zones')
    .select('id')
    .where('account_id', '<>', accountId)
    .where((zone) =>
      zone.or([zone('name', 'in', [...over]), sql<boolean>`${zone.ref('name')} like ${`%.${name}`}`]),
    )
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Whether another account has an application on a host of that name or below it, whatever the port. */
export async function hasHostElsewhere(reader: Reader, accountId: string, name: string): Promise<boolean> {
  const row = await reader.query
    .selectFrom('application_destinations')
    .select('account_id')
    .where('account_id', '<>', accountId)
    .where((destination) => isOnOrBelow(destination.ref('host'), name))
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Whether one of these names is the team domain of another account, or was that of a deleted one, whatever the port. */
export async function hasTeamDomainElsewhere(
  reader: Reader,
  accountId: string,
  names: readonly string[],
): Promise<boolean> {
  const row = await reader.query
    .selectFrom(teamDomains(reader))
    .select('account_id')
    .where('account_id', '<>', accountId)
    .where((one) => one.or(names.map((name) => hasName(one.ref('host'), name))))
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Whether a team domain of another account, or one that a deleted account had, lies below the name. */
export async function hasTeamDomainBelow(reader: Reader, accountId: string, name: string): Promise<boolean> {
  const row = await reader.query
    .selectFrom(teamDomains(reader))
    .select('account_id')
    .where('account_id', '<>', accountId)
    .where((one) => isOnOrBelow(one.ref('host'), name))
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Whether it is the account that the first start made, by which the server is operated. */
export async function isFirstAccount(reader: Reader, accountId: string): Promise<boolean> {
  const first = await reader.query
    .selectFrom('accounts')
    .select('id')
    .where('deleted_at', 'is', null)
    .orderBy('created_on')
    .orderBy('id')
    .limit(1)
    .executeTakeFirst();
  return first?.id === accountId;
}
