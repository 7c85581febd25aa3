import { sql } from 'kysely';
import { forKeyShare, forUpdate, likeLiteral, type Reader, type Tx } from '../../database/database.ts';
import { countRows } from '../../database/paging.ts';
import { seenEmail } from '../../database/persons.ts';
import type { ResourceGroupRow } from '../../database/tables.ts';

export interface StoredResourceGroup extends ResourceGroupRow {
  /** 1: it stands for the account or a zone, and comes and goes with it. */
  readonly built_in: number;
}

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

/** Those of these ids that are resource groups of the account; none of them changes until the transaction ends. */
export async function holdResourceGroups(
  tx: Tx,
  accountId: string,
  ids: readonly string[],
): Promise<StoredResourceGroup[]> {
  if (ids.length === 0) return [];
  const select = selectResourceGroups(tx, accountId)
    .where('id', 'in', [...ids])
    .orderBy('id');
  return await forKeyShare(tx, select, 'resource_groups').execute();
}

export async function lockResourceGroup(
  tx: Tx,
  accountId: string,
  id: string,
): Promise<StoredResourceGroup | null> {
  const select = selectResourceGroups(tx, accountId).where('id', '=', id);
  return (await forUpdate(tx, select).executeTakeFirst()) ?? null;
}

/** The groups of the account in which that resource is named, locked. */
export async function lockResourceGroupsWith(
  tx: Tx,
  accountId: string,
  key: string,
): Promise<StoredResourceGroup[]> {
  const select = selectResourceGroups(tx, accountId)
    .where(sql<boolean>`scope like ${likeLiteral(`"${key}"`)}`)
    .orderBy('id');
  return await forUpdate(tx, select).execute();
}

export async function countResourceGroups(tx: Tx, accountId: string): Promise<number> {
  return await countRows(selectResourceGroups(tx, accountId));
}

export async function updateResourceGroupRow(
  tx: Tx,
  id: string,
  change: Pick<ResourceGroupRow, 'name' | 'scope'>,
): Promise<void> {
  await tx.query.updateTable('resource_groups').set(change).where('id', '=', id).execute();
}

export async function deleteResourceGroupRow(tx: Tx, id: string): Promise<void> {
  await tx.query.deleteFrom('resource_groups').where('id', '=', id).execute();
}

/** A member or user group, and its policies as stored. */
export interface PolicyHolder {
  readonly name: string;
  readonly policies: string;
}

/** The members of the account with policies that name the resource group. */
export async function listMembersNaming(reader: Reader, accountId: string, id: string) {
  return await reader.query
    .selectFrom('members')
    .innerJoin('administrators', 'administrators.id', 'members.administrator_id')
    .select([seenEmail.as('name'), 'members.policies'])
    .where('members.account_id', '=', accountId)
    .where(sql<boolean>`members.policies like ${likeLiteral(`"${id}"`)}`)
    .orderBy('administrators.email_key')
    .execute();
}

/** The user groups of the account with policies that name the resource group. */
export async function listUserGroupsNaming(reader: Reader, accountId: string, id: string) {
  return await reader.query
    .selectFrom('user_groups')
    .select(['name', 'policies'])
    .where('account_id', '=', accountId)
    .where(sql<boolean>`policies like ${likeLiteral(`"${id}"`)}`)
    .orderBy('name')
    .execute();
}

/** Which of these ids are zones of the account. */
export async function listZonesAmong(
  reader: Reader,
  accountId: string,
  ids: readonly string[],
): Promise<string[]> {
  if (ids.length === 0) return [];
  const rows = await reader.query
    .selectFrom('zones')
    .select('id')
    .where('account_id', '=', accountId)
    .where('id', 'in', [...ids])
    .execute();
  return rows.map((row) => row.id);
}
