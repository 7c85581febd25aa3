import type { Reader, Tx } from '../../database/database.ts';
import type { Tables } from '../../database/tables.ts';

export type StoredResourceGroup = Tables['resource_groups'];

function selectResourceGroups(reader: Reader, accountId: string) {
  return reader.query.selectFrom('resource_groups').selectAll().where('account_id', '=', accountId);
}

export async function findResourceGroup(
  reader: Reader,
  accountId: string,
  id: string,
): Promise<StoredResourceGroup | null> {
  return (await selectResourceGroups(reader, accountId).where('id', '=', id).executeTakeFirst()) ?? null;
}

/** Those of these ids that are resource groups of the account. */
export async function findResourceGroups(
  reader: Reader,
  accountId: string,
  ids: readonly string[],
): Promise<StoredResourceGroup[]> {
  if (ids.length === 0) return [];
  return await selectResourceGroups(reader, accountId)
    .where('id', 'in', [...ids])
    .execute();
}

export async function listResourceGroups(
  reader: Reader,
  accountId: string,
  { id, name }: { id?: string; name?: string },
): Promise<StoredResourceGroup[]> {
  let select = selectResourceGroups(reader, accountId);
  if (id !== undefined) select = select.where('id', '=', id);
  if (name !== undefined) select = select.where('name', '=', name);
  return await select.orderBy('name').limit(10_000).execute();
}

export async function insertResourceGroup(tx: Tx, group: StoredResourceGroup): Promise<void> {
  await tx.query.insertInto('resource_groups').values(group).execute();
}
