import type { Principal } from '../../database/act.ts';
import type { Tx } from '../../database/database.ts';
import type { Statement } from '../../kernel/authority.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { newTag } from '../../kernel/ids.ts';
import { ACCOUNT, ZONE } from '../../kernel/resources.ts';
import { type Problem, quote } from '../../kernel/result.ts';
import type { Change } from '../../removal/act.ts';
import {
  type PresentedResourceGroup,
  placesOf,
  presentResourceGroup,
  type ResourceScope,
} from './resource-groups.ts';
import {
  countResourceGroups,
  deleteResourceGroupRow,
  insertResourceGroup,
  listMembersNaming,
  listUserGroupsNaming,
  listZonesAmong,
  lockResourceGroup,
  lockResourceGroupsWith,
  type PolicyHolder,
  type StoredResourceGroup,
  updateResourceGroupRow,
} from './store.ts';

/** What callers send; an update leaves what is absent as it is. */
export interface ResourceGroupInput {
  readonly name?: string;
  readonly scope?: ResourceScope;
}

interface Asked {
  readonly accountId: string;
  readonly input: ResourceGroupInput;
}

/** Refuses what the principal does not hold itself (accounts/holdings). */
export type RefuseExcess = (
  tx: Tx,
  principal: Principal,
  grants: readonly { pointer: string; statement: Statement }[],
) => Promise<void>;

const MOST = 1000;

/** A new group of resources of the account. It gives nobody anything until a policy names it. */
export async function createResourceGroup(
  tx: Tx,
  { accountId, input, now }: Asked & { now: string },
): Promise<Change<PresentedResourceGroup>> {
  const { name = '', scope = { key: '', objects: [] } } = input;
  if ((await countResourceGroups(tx, accountId)) >= MOST) {
    throw refusal('conflict', { detail: `an account has at most ${MOST} resource groups` });
  }
  const row: StoredResourceGroup = {
    id: newTag(),
    account_id: accountId,
    name,
    scope: JSON.stringify(await readScope(tx, accountId, scope)),
    built_in: 0,
    created_on: now,
  };
  await insertResourceGroup(tx, row);
  return { result: presentResourceGroup(row), audit: audit('create', row) };
}

/**
 * Changes what is given. What the group comes to have beyond what it had, all policies that name it come to grant,
 * so the caller must hold that themselves. What it has no more has ended with the call.
 */
export async function updateResourceGroup(
  tx: Tx,
  asked: Asked & { id: string; principal: Principal; refuseExcess: RefuseExcess },
): Promise<Change<PresentedResourceGroup>> {
  const { accountId, id, input, principal, refuseExcess } = asked;
  const row = await lockEditable(tx, accountId, id);
  const before = JSON.parse(row.scope) as ResourceScope;
  const scope = input.scope ? await readScope(tx, accountId, input.scope) : before;
  const after = { ...row, name: input.name ?? row.name, scope: JSON.stringify(scope) };
  const grants = await grantsOf(tx, { row, before, scope });
  await refuseExcess(tx, principal, grants);
  return {
    result: presentResourceGroup(after),
    audit: audit('update', after),
    guard: (later) => refuseExcess(later, principal, grants),
    finish: (later) => updateResourceGroupRow(later, id, { name: after.name, scope: after.scope }),
  };
}

/** Deletes a group that no policy names: a policy without resources would look as if it granted something. */
export async function deleteResourceGroup(
  tx: Tx,
  { accountId, id }: { accountId: string; id: string },
): Promise<Change<{ id: string }>> {
  const row = await lockEditable(tx, accountId, id);
  await refuseIfNamed(tx, row);
  await deleteResourceGroupRow(tx, id);
  return { result: { id }, audit: audit('delete', row) };
}

/**
 * Takes a zone out of the account's resource groups, and away those that have nothing else. Refused, with who they
 * are, while a policy names such a group: what the policy grants would change behind its back.
 */
export async function dropZoneFromGroups(tx: Tx, accountId: string, zoneId: string): Promise<void> {
  const key = `${ZONE}.${zoneId}`;
  const rows = await lockResourceGroupsWith(tx, accountId, key);
  for (const row of rows) await refuseIfNamed(tx, row);
  for (const row of rows) {
    const scope = JSON.parse(row.scope) as ResourceScope;
    const objects = scope.objects.filter((object) => object.key !== key);
    if (objects.length === 0) await deleteResourceGroupRow(tx, row.id);
    else
      await updateResourceGroupRow(tx, row.id, {
        name: row.name,
        scope: JSON.stringify({ ...scope, objects }),
      });
  }
}

async function lockEditable(tx: Tx, accountId: string, id: string): Promise<StoredResourceGroup> {
  const row = await lockResourceGroup(tx, accountId, id);
  if (!row) throw refusal('notFound', { detail: 'resource group not found' });
  if (row.built_in) {
    const detail = 'the resource groups of the account and of its zones come and go with them';
    throw refusal('notSupported', { detail, pointer: '/path/resource_group_id' });
  }
  return row;
}

async function refuseIfNamed(tx: Tx, { account_id, id, name }: StoredResourceGroup): Promise<void> {
  const members = await listMembersNaming(tx, account_id, id);
  const groups = await listUserGroupsNaming(tx, account_id, id);
  const holders = [...members.map(holder('member')), ...groups.map(holder('user group'))];
  if (holders.length === 0) return;
  const some = holders.slice(0, 5).join(', ');
  const more = holders.length > 5 ? ' and others' : '';
  throw refusal('conflict', { detail: `policies name the resource group ${quote(name)}: ${some}${more}` });
}

function holder(kind: string) {
  return ({ name }: PolicyHolder) => `${kind} ${quote(name)}`;
}

const OF_ZONE = new RegExp(`^${ZONE.replaceAll('.', '\\.')}\\.([0-9a-f]{32}|\\*)$`);

/** The account's own key, and of it everything (`*`), all zones, or zones that it has; each once. */
async function readScope(tx: Tx, accountId: string, given: ResourceScope): Promise<ResourceScope> {
  const own = `${ACCOUNT}.${accountId}`;
  const keys = given.objects.map(({ key }) => key.toLowerCase());
  const ids = keys.flatMap((key) => OF_ZONE.exec(key)?.[1] ?? []);
  const zones = new Set(['*', ...(await listZonesAmong(tx, accountId, ids))]);
  const problems: Problem[] = [];
  if (given.key.toLowerCase() !== own) problems.push({ pointer: '/scope/key', message: `must be ${own}` });
  for (const [at, key] of keys.entries()) {
    const isKnown = key === '*' || zones.has(OF_ZONE.exec(key)?.[1] ?? '');
    const message = isKnown ? 'is there twice' : 'is neither "*" nor a zone of the account';
    if (!isKnown || keys.indexOf(key) < at) problems.push({ pointer: `/scope/objects/${at}/key`, message });
  }
  if (problems.length > 0) throw invalidInput(problems);
  return { key: own, objects: keys.map((key) => ({ key })) };
}

/** What the policies that name the group grant by it after the change and did not before. */
async function grantsOf(
  tx: Tx,
  { row, before, scope }: { row: StoredResourceGroup; before: ResourceScope; scope: ResourceScope },
) {
  const had = new Set(before.objects.map(({ key }) => key));
  const fresh = scope.objects.filter(({ key }) => !had.has(key) && !had.has('*'));
  if (fresh.length === 0) return [];
  const holders = [
    ...(await listMembersNaming(tx, row.account_id, row.id)),
    ...(await listUserGroupsNaming(tx, row.account_id, row.id)),
  ];
  const permissions = new Set(holders.flatMap((one) => permissionsBy(row.id, one.policies)));
  const permission_groups = [...permissions].map((id) => ({ id }));
  if (permission_groups.length === 0) return [];
  return fresh
    .flatMap(({ key }) => placesOf(scope.key, key))
    .map((resources) => ({
      pointer: '/scope/objects',
      statement: { effect: 'allow' as const, permission_groups, resources },
    }));
}

interface StoredPolicy {
  readonly permission_groups: readonly { readonly id: string }[];
  readonly resource_groups: readonly { readonly id: string }[];
}

function permissionsBy(groupId: string, policies: string): string[] {
  return (JSON.parse(policies) as StoredPolicy[])
    .filter((policy) => policy.resource_groups.some(({ id }) => id === groupId))
    .flatMap((policy) => policy.permission_groups.map(({ id }) => id));
}

function audit(what: 'create' | 'update' | 'delete', { id, name, scope }: StoredResourceGroup) {
  const { objects } = JSON.parse(scope) as ResourceScope;
  return {
    action: `resource_group.${what}`,
    resource: { type: 'resource_group', id },
    metadata: { name, objects: objects.map(({ key }) => key) },
  };
}
