import type { Page } from '../../database/paging.ts';
import { refusal } from '../../kernel/errors.ts';
import { type PermissionGroup, permissionGroupById, permissionGroups } from '../../kernel/permissions.ts';
import { USER } from '../../kernel/resources.ts';

/** A permission group as members, user groups, tokens and lists show it. */
export function presentPermissionGroup({ id, name, scopes, category }: PermissionGroup) {
  return {
    id,
    name,
    meta: {
      label: labelOf(name),
      scopes: scopes.join(','),
      category,
      editable: 'false' as const,
      deprecated: 'false' as const,
    },
  };
}

export type PresentedPermissionGroup = ReturnType<typeof presentPermissionGroup>;

/** The group of that id, if it is one that a member or user group can be given. */
export function findAssignable(id: string): PermissionGroup | null {
  const group = permissionGroupById.get(id);
  return group && isAssignable(group) ? group : null;
}

/** The permission group of that id; a 404 for any other. */
export function getPermissionGroup(id: string): PresentedPermissionGroup {
  const group = findAssignable(id);
  if (!group) throw refusal('notFound', { detail: 'permission group not found' });
  return presentPermissionGroup(group);
}

export interface PermissionGroupFilter {
  readonly id?: readonly string[];
  readonly name?: string;
  readonly label?: string;
}

/** One page of the groups that can be given to members; the list is the same on every installation. */
export function listPermissionGroups(
  { id, name, label }: PermissionGroupFilter,
  { page, perPage }: { page: number; perPage: number },
): Page<PresentedPermissionGroup> {
  const ids = id?.map((one) => one.toLowerCase());
  const matching = permissionGroups.filter(
    (group) =>
      isAssignable(group) &&
      (ids === undefined || ids.includes(group.id)) &&
      (name === undefined || group.name === name) &&
      (label === undefined || labelOf(group.name) === label),
  );
  const items = matching.slice((page - 1) * perPage, page * perPage).map(presentPermissionGroup);
  return { items, page, perPage, total: matching.length };
}

/** What concerns a person's own profile and tokens is nobody's to give. */
function isAssignable({ scopes }: PermissionGroup): boolean {
  return !scopes.includes(USER);
}

function labelOf(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^_|_$/g, '');
}
