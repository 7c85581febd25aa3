import { type SelectQueryBuilder, sql } from 'kysely';
import { forUpdate, likeLiteral, type Reader, type Tx } from '../../database/database.ts';
import { countRows, type Start, startAt } from '../../database/paging.ts';
import type { ServiceTokenRow, Tables } from '../../database/tables.ts';

/** What a list is narrowed to; both folded by the caller. */
export interface ServiceTokenFilter {
  readonly nameKey?: string;
  readonly search?: string;
}

type Select = SelectQueryBuilder<Tables, 'service_tokens', ServiceTokenRow>;

function selectTokens(reader: Reader, accountId: string): Select {
  return reader.query.selectFrom('service_tokens').selectAll().where('account_id', '=', accountId);
}

export async function findServiceToken(
  reader: Reader,
  accountId: string,
  id: string,
): Promise<ServiceTokenRow | null> {
  return (await selectTokens(reader, accountId).where('id', '=', id).executeTakeFirst()) ?? null;
}

/** The service token of that id, locked until the end of the transaction. */
export async function lockServiceToken(
  tx: Tx,
  accountId: string,
  id: string,
): Promise<ServiceTokenRow | null> {
  return (await forUpdate(tx, selectTokens(tx, accountId).where('id', '=', id)).executeTakeFirst()) ?? null;
}

export async function listServiceTokens(
  reader: Reader,
  accountId: string,
  { filter, start }: { filter: ServiceTokenFilter; start: Start },
): Promise<ServiceTokenRow[]> {
  const select = narrow(selectTokens(reader, accountId), filter);
  return await startAt(select, ['created_at', 'id'], start).execute();
}

export async function countServiceTokens(
  reader: Reader,
  accountId: string,
  filter: ServiceTokenFilter = {},
): Promise<number> {
  return await countRows(narrow(selectTokens(reader, accountId), filter));
}

function narrow(select: Select, { nameKey, search }: ServiceTokenFilter): Select {
  let query = select;
  if (nameKey !== undefined) query = query.where('name_key', '=', nameKey);
  if (search === undefined) return query;
  return query.where((row) => row.or([isPart('name_key', search), isPart('client_id', search)]));
}

/** SQLite has no escape character unless it is told one. */
function isPart(column: string, term: string) {
  return sql<boolean>`${sql.ref(column)} like ${likeLiteral(term)} escape '\\'`;
}

/** Those that gates are to know. */
export async function listEnabledServiceTokens(
  reader: Reader,
  accountId: string,
): Promise<ServiceTokenRow[]> {
  return await selectTokens(reader, accountId).where('enabled', '=', 1).execute();
}

export async function listServiceTokenIds(reader: Reader, accountId: string): Promise<string[]> {
  const rows = await selectTokens(reader, accountId).clearSelect().select('id').execute();
  return rows.map(({ id }) => id);
}

export async function insertServiceToken(tx: Tx, token: ServiceTokenRow): Promise<void> {
  await tx.query.insertInto('service_tokens').values(token).execute();
}

export async function updateServiceTokenRow(
  tx: Tx,
  { account_id, id }: Pick<ServiceTokenRow, 'account_id' | 'id'>,
  change: Partial<ServiceTokenRow>,
): Promise<void> {
  await tx.query
    .updateTable('service_tokens')
    .set(change)
    .where('account_id', '=', account_id)
    .where('id', '=', id)
    .execute();
}

export async function deleteServiceTokenRow(
  tx: Tx,
  { account_id, id }: Pick<ServiceTokenRow, 'account_id' | 'id'>,
): Promise<void> {
  await tx.query
    .deleteFrom('service_tokens')
    .where('account_id', '=', account_id)
    .where('id', '=', id)
    .execute();
}
