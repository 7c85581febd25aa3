import type { SelectQueryBuilder } from 'kysely';
import { forUpdate, type Reader, type Tx } from '../../database/database.ts';
import { countRows, type Start, startAt } from '../../database/paging.ts';
import { inParts } from '../../database/parts.ts';
import type { ApiTokenRow, Tables } from '../../database/tables.ts';

/** Whose a token is: an account's, or one person's. */
export type TokenOwner =
  | { readonly kind: 'account'; readonly id: string }
  | { readonly kind: 'user'; readonly id: string };

function selectTokens(reader: Reader, { kind, id }: TokenOwner) {
  const column = kind === 'account' ? 'account_id' : 'administrator_id';
  return reader.query.selectFrom('api_tokens').selectAll().where(column, '=', id);
}

export async function findToken(reader: Reader, owner: TokenOwner, id: string): Promise<ApiTokenRow | null> {
  return (await selectTokens(reader, owner).where('id', '=', id).executeTakeFirst()) ?? null;
}

/** The token of that id, locked until the end of the transaction. */
export async function lockToken(tx: Tx, owner: TokenOwner, id: string): Promise<ApiTokenRow | null> {
  return (await forUpdate(tx, selectTokens(tx, owner).where('id', '=', id)).executeTakeFirst()) ?? null;
}

export interface TokenFilter {
  readonly owner: TokenOwner;
  /** Leaves out those that had expired at this time. */
  readonly livingAt?: string;
}

export async function listTokens(
  reader: Reader,
  { filter, direction, start }: { filter: TokenFilter; direction: 'asc' | 'desc'; start: Start },
): Promise<ApiTokenRow[]> {
  return await startAt(narrow(reader, filter), ['issued_on', 'id'], start, direction).execute();
}

export async function countTokens(reader: Reader, filter: TokenFilter): Promise<number> {
  return await countRows(narrow(reader, filter));
}

function narrow(
  reader: Reader,
  { owner, livingAt }: TokenFilter,
): SelectQueryBuilder<Tables, 'api_tokens', ApiTokenRow> {
  const select = selectTokens(reader, owner);
  if (livingAt === undefined) return select;
  return select.where((row) => row.or([row('expires_on', 'is', null), row('expires_on', '>', livingAt)]));
}

/** The account's tokens that one administrator created. */
export async function listTokenIdsCreatedBy(
  reader: Reader,
  accountId: string,
  administratorId: string,
): Promise<string[]> {
  const rows = await reader.query
    .selectFrom('api_tokens')
    .select('id')
    .where('account_id', '=', accountId)
    .where('creator_id', '=', administratorId)
    .orderBy('id')
    .execute();
  return rows.map((row) => row.id);
}

export async function listTokenIdsOf(reader: Reader, owner: TokenOwner): Promise<string[]> {
  const rows = await selectTokens(reader, owner).clearSelect().select('id').orderBy('id').execute();
  return rows.map((row) => row.id);
}

/** The tokens of a person, with their policies as stored. */
export async function listTokenPolicies(reader: Reader, administratorId: string) {
  return await reader.query
    .selectFrom('api_tokens')
    .select(['id', 'policies'])
    .where('administrator_id', '=', administratorId)
    .orderBy('id')
    .execute();
}

export async function insertToken(tx: Tx, token: ApiTokenRow): Promise<void> {
  await tx.query.insertInto('api_tokens').values(token).execute();
}

export async function updateTokenRow(tx: Tx, id: string, change: Partial<ApiTokenRow>): Promise<void> {
  await tx.query.updateTable('api_tokens').set(change).where('id', '=', id).execute();
}

export async function deleteTokenRow(tx: Tx, id: string): Promise<void> {
  await tx.query.deleteFrom('api_tokens').where('id', '=', id).execute();
}

export async function deleteTokenRows(tx: Tx, ids: readonly string[]): Promise<void> {
  await inParts(ids, (some) =>
    tx.query
      .deleteFrom('api_tokens')
      .where('id', 'in', [...some])
      .execute(),
  );
}
