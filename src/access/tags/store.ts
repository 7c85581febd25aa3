import { type SelectQueryBuilder, sql } from 'kysely';
import { forKeyShare, forUpdate, type Reader, type Tx } from '../../database/database.ts';
import { countRows, type Start, startAt } from '../../database/paging.ts';
import type { AccessTagRow, Tables } from '../../database/tables.ts';

/** A tag, and how many applications have it. */
export type CountedTag = AccessTagRow & { readonly app_count: number };

function selectTags(
  reader: Reader,
  accountId: string,
): SelectQueryBuilder<Tables, 'access_tags', AccessTagRow> {
  return reader.query.selectFrom('access_tags').selectAll().where('account_id', '=', accountId);
}

export async function findTag(reader: Reader, accountId: string, name: string): Promise<AccessTagRow | null> {
  return (await selectTags(reader, accountId).where('name', '=', name).executeTakeFirst()) ?? null;
}

/** The tag of that name, locked until the end of the transaction. */
export async function lockTag(tx: Tx, accountId: string, name: string): Promise<AccessTagRow | null> {
  return (await forUpdate(tx, selectTags(tx, accountId).where('name', '=', name)).executeTakeFirst()) ?? null;
}

/** Those of these names that the account has; they cannot be deleted or renamed until the transaction ends. */
export async function holdTags(tx: Tx, accountId: string, names: readonly string[]): Promise<AccessTagRow[]> {
  if (names.length === 0) return [];
  const select = selectTags(tx, accountId)
    .where('name', 'in', [...names])
    .orderBy('id');
  return await forKeyShare(tx, select, 'access_tags').execute();
}

export async function listTags(reader: Reader, accountId: string, start: Start): Promise<CountedTag[]> {
  const rows = await startAt(selectTags(reader, accountId), ['created_at', 'id'], start).execute();
  const counts = await countApplications(
    reader,
    rows.map(({ id }) => id),
  );
  return rows.map((row) => ({ ...row, app_count: counts.get(row.id) ?? 0 }));
}

export async function countTags(reader: Reader, accountId: string): Promise<number> {
  return await countRows(selectTags(reader, accountId));
}

/** How many applications have each of these tags; what none has is absent. */
export async function countApplications(
  reader: Reader,
  ids: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  if (ids.length === 0) return new Map();
  const rows = await reader.query
    .selectFrom('application_tags')
    .select(['tag_id', sql<number>`count(*)`.as('applications')])
    .where('tag_id', 'in', [...ids])
    .groupBy('tag_id')
    .execute();
  return new Map(rows.map(({ tag_id: id, applications }) => [id, Number(applications)]));
}

/** The names of the first five applications that have the tag. */
export async function applicationsWithTag(
  reader: Reader,
  { account_id: accountId, id }: Pick<AccessTagRow, 'account_id' | 'id'>,
): Promise<string[]> {
  const rows = await reader.query
    .selectFrom('application_tags')
    .innerJoin('applications', 'applications.id', 'application_tags.application_id')
    .select('applications.name')
    .where('application_tags.account_id', '=', accountId)
    .where('application_tags.tag_id', '=', id)
    .orderBy('applications.created_at')
    .orderBy('applications.id')
    .limit(5)
    .execute();
  return rows.map(({ name }) => name);
}

export async function insertTag(tx: Tx, tag: AccessTagRow): Promise<void> {
  await tx.query.insertInto('access_tags').values(tag).execute();
}

export async function updateTagRow(
  tx: Tx,
  { account_id: accountId, id }: Pick<AccessTagRow, 'account_id' | 'id'>,
  change: Partial<AccessTagRow>,
): Promise<void> {
  await tx.query
    .updateTable('access_tags')
    .set(change)
    .where('account_id', '=', accountId)
    .where('id', '=', id)
    .execute();
}

export async function deleteTagRow(
  tx: Tx,
  { account_id: accountId, id }: Pick<AccessTagRow, 'account_id' | 'id'>,
): Promise<void> {
  await tx.query.deleteFrom('access_tags').where('account_id', '=', accountId).where('id', '=', id).execute();
}

/** The tags of one application, or of all of the account, in the order in which each was given them. */
export async function listApplicationTags(
  reader: Reader,
  accountId: string,
  applicationId?: string,
): Promise<{ application_id: string; name: string }[]> {
  let query = reader.query
    .selectFrom('application_tags')
    .innerJoin('access_tags', 'access_tags.id', 'application_tags.tag_id')
    .select(['application_tags.application_id', 'access_tags.name'])
    .where('application_tags.account_id', '=', accountId);
  if (applicationId !== undefined) {
    query = query.where('application_tags.application_id', '=', applicationId);
  }
  return await query.orderBy('application_tags.application_id').orderBy('application_tags.ordinal').execute();
}

/** Replaces the tags of an application. */
export async function putApplicationTags(
  tx: Tx,
  { account_id, id: application_id }: { account_id: string; id: string },
  tagIds: readonly string[],
): Promise<void> {
  await tx.query.deleteFrom('application_tags').where('application_id', '=', application_id).execute();
  if (tagIds.length === 0) return;
  const rows = tagIds.map((tag_id, ordinal) => ({ application_id, tag_id, account_id, ordinal }));
  await tx.query.insertInto('application_tags').values(rows).execute();
}
