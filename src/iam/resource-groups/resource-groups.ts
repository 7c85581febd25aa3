import type { Reader, Tx } from '../../database/database.ts';
import type { Statement } from '../../kernel/authority.ts';
import { refusal } from '../../kernel/errors.ts';
import { newTag } from '../../kernel/ids.ts';
import { ACCOUNT, ZONE } from '../../kernel/resources.ts';
import {
  findResourceGroup,
  findResourceGroups,
  holdResourceGroups,
  insertResourceGroup,
  listResourceGroups as listRows,
  type StoredResourceGroup,
} from './store.ts';

/** An account and, of it, everything (`*`) or single zones (reference §3.7). */
export interface ResourceScope {
  readonly key: string;
  readonly objects: readonly { readonly key: string }[];
}

/** A resource group as the API answers it. Those that stand for the account and its zones cannot be edited. */
export function presentResourceGroup({ id, name, scope, built_in }: StoredResourceGroup) {
  const { key, objects } = JSON.parse(scope) as ResourceScope;
  return {
    id,
    name,
    scope: { key, objects: objects.map((object) => ({ key: object.key })) },
    meta: { key: 'editable', value: built_in ? 'false' : 'true' },
  };
}

export type PresentedResourceGroup = ReturnType<typeof presentResourceGroup>;

/** The resource group of that id in that account; a 404 for any other. */
export async function getResourceGroup(
  reader: Reader,
  accountId: string,
  id: string,
): Promise<PresentedResourceGroup> {
  const group = await findResourceGroup(reader, accountId, id);
  if (!group) throw refusal('notFound', { detail: 'resource group not found' });
  return presentResourceGroup(group);
}

export async function listResourceGroups(
  reader: Reader,
  accountId: string,
  filter: { id?: string; name?: string },
): Promise<PresentedResourceGroup[]> {
  return (await listRows(reader, accountId, filter)).map(presentResourceGroup);
}

/** Those of these ids that exist in the account, by id. */
export async function resourceGroupsById(
  reader: Reader,
  accountId: string,
  ids: readonly string[],
): Promise<Map<string, PresentedResourceGroup>> {
  const rows = await findResourceGroups(reader, accountId, [...new Set(ids)]);
  return new Map(rows.map((row) => [row.id, presentResourceGroup(row)]));
}

/** The same, and none of them is changed or deleted until the transaction ends: for whoever writes their ids down. */
export async function holdResourceGroupsById(
  tx: Tx,
  accountId: string,
  ids: readonly string[],
): Promise<Map<string, PresentedResourceGroup>> {
  const rows = await holdResourceGroups(tx, accountId, [...new Set(ids)]);
  return new Map(rows.map((row) => [row.id, presentResourceGroup(row)]));
}

/** The group that stands for the whole account; answers its id. */
export async function createAccountResourceGroup(
  tx: Tx,
  { accountId, now }: { accountId: string; now: string },
): Promise<string> {
  const name = `${ACCOUNT}.${accountId}`;
  return await insert(tx, { accountId, name, objects: ['*'], now });
}

/** The group that stands for one zone; answers its id. */
export async function createZoneResourceGroup(
  tx: Tx,
  { accountId, zoneId, now }: { accountId: string; zoneId: string; now: string },
): Promise<string> {
  const name = `${ZONE}.${zoneId}`;
  return await insert(tx, { accountId, name, objects: [name], now });
}

async function insert(
  tx: Tx,
  group: { accountId: string; name: string; objects: readonly string[]; now: string },
): Promise<string> {
  const id = newTag();
  const scope: ResourceScope = {
    key: `${ACCOUNT}.${group.accountId}`,
    objects: group.objects.map((key) => ({ key })),
  };
  await insertResourceGroup(tx, {
    id,
    account_id: group.accountId,
    name: group.name,
    scope: JSON.stringify(scope),
    built_in: 1,
    created_on: group.now,
  });
  return id;
}

/** The resources that one object of a scope stands for: the whole account is itself and all of its zones. */
export function placesOf(key: string, object: string): Statement['resources'][] {
  if (object !== '*') return [{ [key]: { [object]: '*' } }];
  return [{ [key]: '*' }, { [key]: { [`${ZONE}.*`]: '*' } }];
}
