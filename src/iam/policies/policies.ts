import type { Reader, Tx } from '../../database/database.ts';
import type { Statement } from '../../kernel/authority.ts';
import { invalidInput } from '../../kernel/errors.ts';
import { newTag } from '../../kernel/ids.ts';
import { permissionGroupById } from '../../kernel/permissions.ts';
import { below, collect, misread, type Parsed, parsed } from '../../kernel/result.ts';
import { findAssignable, presentPermissionGroup } from '../permission-groups/permission-groups.ts';
import {
  holdResourceGroupsById,
  type PresentedResourceGroup,
  placesOf,
  type ResourceScope,
  resourceGroupsById,
} from '../resource-groups/resource-groups.ts';

/** A policy of a member or a user group as it is stored. A deny cannot be: to remove it would be to grant. */
export interface MemberPolicy {
  readonly id: string;
  readonly access: 'allow';
  readonly permission_groups: readonly { readonly id: string }[];
  readonly resource_groups: readonly { readonly id: string }[];
}

/** The same as callers write it. */
export interface PolicyInput extends Omit<MemberPolicy, 'id' | 'access'> {
  readonly id?: string;
  readonly access: 'allow' | 'deny';
}

const POINTER = '/policies';

/**
 * Reads the policies of a member or user group of the account; a 400 names every fault at once. A policy that
 * is sent with the id of a `current` one keeps it, every other gets a new id.
 */
export async function readMemberPolicies(
  tx: Tx,
  { accountId, policies, current = [] }: ToRead,
): Promise<MemberPolicy[]> {
  const known = await holdResourceGroupsById(tx, accountId, idsOf(policies));
  const read = collect(policies.map((policy, index) => readPolicy(policy, below(POINTER, index), known)));
  if (!read.ok) throw invalidInput(read.problems);
  const free = new Set(current.map(({ id }) => id));
  return read.value.map(({ id, ...policy }) => ({
    id: id !== undefined && free.delete(id) ? id : newTag(),
    ...policy,
  }));
}

interface ToRead {
  readonly accountId: string;
  readonly policies: readonly PolicyInput[];
  readonly current?: readonly MemberPolicy[];
}

type ReadPolicy = Omit<MemberPolicy, 'id'> & { id: string | undefined };

function readPolicy(
  policy: PolicyInput,
  pointer: string,
  known: ReadonlyMap<string, unknown>,
): Parsed<ReadPolicy> {
  if (policy.access === 'deny') {
    return misread(below(pointer, 'access'), 'deny is not supported: to remove it would be to grant');
  }
  const groups = readIds(policy, {
    pointer,
    list: 'permission_groups',
    exists: (id) => !!findAssignable(id),
  });
  const resources = readIds(policy, { pointer, list: 'resource_groups', exists: (id) => known.has(id) });
  if (groups.ok && resources.ok) {
    const { id } = policy;
    return parsed({ id, access: 'allow', permission_groups: groups.value, resource_groups: resources.value });
  }
  return { ok: false, problems: [groups, resources].flatMap((part) => (part.ok ? [] : part.problems)) };
}

function readIds(
  policy: PolicyInput,
  at: {
    pointer: string;
    list: 'permission_groups' | 'resource_groups';
    exists: (id: string) => boolean;
  },
): Parsed<{ id: string }[]> {
  return collect(
    policy[at.list].map(({ id: given }, index) => {
      const id = given.toLowerCase();
      if (at.exists(id)) return parsed({ id });
      const pointer = below(below(below(at.pointer, at.list), index), 'id');
      return misread(pointer, at.list === 'permission_groups' ? UNKNOWN_GROUP : UNKNOWN_RESOURCES);
    }),
  );
}

const UNKNOWN_GROUP = 'is no permission group that a member can be given';
const UNKNOWN_RESOURCES = 'is no resource group of this account';

function idsOf(policies: readonly Pick<PolicyInput, 'resource_groups'>[]): string[] {
  return policies.flatMap((policy) => policy.resource_groups.map(({ id }) => id.toLowerCase()));
}

/** A statement for each permission group of each policy, with its place in the body. */
export interface Grant {
  readonly pointer: string;
  readonly statement: Statement;
}

/** What these policies grant beyond what `before` already granted: nobody need hold what stays as it was. */
export async function newGrants(
  reader: Reader,
  { accountId, policies, before = [] }: ToGrant,
): Promise<Grant[]> {
  const scopes = await scopesOf(reader, accountId, policies);
  const had = new Set(before.flatMap(pairsOf));
  return policies.flatMap((policy, index) =>
    policy.permission_groups.flatMap((group, position) => {
      const fresh = policy.resource_groups.filter(({ id }) => !had.has(pair(group.id, id)));
      const narrowed = { ...policy, permission_groups: [group], resource_groups: fresh };
      const pointer = `${POINTER}/${index}/permission_groups/${position}`;
      return toStatements([narrowed], scopes).map((statement) => ({ pointer, statement }));
    }),
  );
}

interface ToGrant {
  readonly accountId: string;
  readonly policies: readonly MemberPolicy[];
  readonly before?: readonly MemberPolicy[];
}

function pairsOf(policy: MemberPolicy): string[] {
  return policy.permission_groups.flatMap((group) =>
    policy.resource_groups.map((resources) => pair(group.id, resources.id)),
  );
}

function pair(groupId: string, resourcesId: string): string {
  return `${groupId} ${resourcesId}`;
}

/** The policies as statements about resources, read from the account's resource groups. */
export async function statementsOf(
  reader: Reader,
  accountId: string,
  policies: readonly MemberPolicy[],
): Promise<Statement[]> {
  return toStatements(policies, await scopesOf(reader, accountId, policies));
}

async function scopesOf(reader: Reader, accountId: string, policies: readonly MemberPolicy[]) {
  const groups = await resourceGroupsById(reader, accountId, idsOf(policies));
  return new Map([...groups].map(([id, { scope }]) => [id, scope]));
}

function toStatements(
  policies: readonly MemberPolicy[],
  scopes: ReadonlyMap<string, ResourceScope>,
): Statement[] {
  return policies.flatMap(({ permission_groups, resource_groups }) =>
    resource_groups.flatMap(({ id }) => {
      const scope = scopes.get(id);
      const places = scope ? resourcesOf(scope) : [];
      return places.map((resources) => ({ effect: 'allow' as const, permission_groups, resources }));
    }),
  );
}

/** A zone is named within its account, and so bound to it. */
function resourcesOf({ key, objects }: ResourceScope): Statement['resources'][] {
  return objects.flatMap((object) => placesOf(key, object.key));
}

/** Policies as the API answers them: every group with its name, every resource group with its scope. */
export function presentMemberPolicies(
  policies: readonly MemberPolicy[],
  resources: ReadonlyMap<string, PresentedResourceGroup>,
) {
  return policies.map(({ id, access, permission_groups, resource_groups }) => ({
    id,
    access,
    permission_groups: permission_groups.flatMap((group) => {
      const known = permissionGroupById.get(group.id);
      return known ? [presentPermissionGroup(known)] : [];
    }),
    resource_groups: resource_groups.flatMap((group) => resources.get(group.id) ?? []),
  }));
}

/** The resource groups that these policies name, for presenting them. */
export async function resourceGroupsOf(
  reader: Reader,
  accountId: string,
  policies: readonly MemberPolicy[],
): Promise<Map<string, PresentedResourceGroup>> {
  return await resourceGroupsById(reader, accountId, idsOf(policies));
}

/** The stored form, read back. */
export function parseMemberPolicies(stored: string): MemberPolicy[] {
  return JSON.parse(stored) as MemberPolicy[];
}
