import { refuseExcess } from '../../accounts/holdings/holdings.ts';
import type { Principal } from '../../database/act.ts';
import type { Reader, Tx } from '../../database/database.ts';
import type { KeyedList } from '../../database/paging.ts';
import type { UserGroupRow } from '../../database/tables.ts';
import { refusal } from '../../kernel/errors.ts';
import { newTag } from '../../kernel/ids.ts';
import type { Change } from '../../removal/act.ts';
import {
  newGrants,
  type PolicyInput,
  parseMemberPolicies,
  presentMemberPolicies,
  readMemberPolicies,
  resourceGroupsOf,
} from '../policies/policies.ts';
import type { PresentedResourceGroup } from '../resource-groups/resource-groups.ts';
import {
  countGroups,
  deleteGroupRow,
  findGroup,
  insertGroup,
  listAllMembers,
  listGroups,
  lockGroup,
  type UserGroupFilter,
  updateGroupRow,
} from './store.ts';

function present(group: UserGroupRow, resources: ReadonlyMap<string, PresentedResourceGroup>) {
  const { id, name, created_on, modified_on } = group;
  const policies = presentMemberPolicies(parseMemberPolicies(group.policies), resources);
  return { id, name, created_on, modified_on, policies };
}

export type PresentedUserGroup = ReturnType<typeof present>;

/** These groups of one account as the API answers them. */
export async function presentGroups(
  reader: Reader,
  accountId: string,
  groups: readonly UserGroupRow[],
): Promise<PresentedUserGroup[]> {
  const policies = groups.flatMap((group) => parseMemberPolicies(group.policies));
  const resources = await resourceGroupsOf(reader, accountId, policies);
  return groups.map((group) => present(group, resources));
}

async function presentGroup(reader: Reader, group: UserGroupRow): Promise<PresentedUserGroup> {
  const policies = parseMemberPolicies(group.policies);
  return present(group, await resourceGroupsOf(reader, group.account_id, policies));
}

/** The group of that id in that account, as stored; a 404 for any other. */
export async function getGroup(reader: Reader, accountId: string, id: string): Promise<UserGroupRow> {
  return (await findGroup(reader, accountId, id)) ?? unknownGroup();
}

/** The same as the API answers it. */
export async function getUserGroup(
  reader: Reader,
  accountId: string,
  id: string,
): Promise<PresentedUserGroup> {
  return await presentGroup(reader, await getGroup(reader, accountId, id));
}

/** The group, locked before anything of it is changed; a 404 for one that is not of that account. */
export async function ownGroup(tx: Tx, accountId: string, id: string): Promise<UserGroupRow> {
  return (await lockGroup(tx, accountId, id)) ?? unknownGroup();
}

function unknownGroup(): never {
  throw refusal('notFound', { detail: 'user group not found' });
}

/** The groups of an account as a list to be paged, by name. */
export function groupList(
  reader: Reader,
  accountId: string,
  query: Omit<UserGroupFilter, 'ids'> & { id?: readonly string[]; direction?: 'asc' | 'desc' },
): KeyedList<UserGroupRow> {
  const { id, name, fuzzyName, direction = 'asc' } = query;
  const filter: UserGroupFilter = {
    ...(id === undefined ? {} : { ids: id.map((one) => one.toLowerCase()) }),
    ...(name === undefined ? {} : { name: name.normalize('NFC') }),
    ...(fuzzyName === undefined ? {} : { fuzzyName: fold(fuzzyName) }),
  };
  return {
    fetch: (start) => listGroups(reader, accountId, { filter, direction, start }),
    keyOf: (group) => [group.name],
    total: () => countGroups(reader, accountId, filter),
  };
}

interface GroupRequest {
  readonly accountId: string;
  readonly principal: Principal;
  readonly name?: string;
  readonly policies?: readonly PolicyInput[];
  readonly now: string;
}

/** A new group without members. The database refuses a name that another group of the account has. */
export async function createGroup(
  tx: Tx,
  { accountId, principal, name, policies: asked = [], now }: GroupRequest & { name: string },
): Promise<Change<PresentedUserGroup>> {
  const policies = await readMemberPolicies(tx, { accountId, policies: asked });
  const grants = await newGrants(tx, { accountId, policies });
  await refuseExcess(tx, principal, grants);
  const group: UserGroupRow = {
    id: newTag(),
    account_id: accountId,
    ...named(name),
    policies: JSON.stringify(policies),
    created_on: now,
    modified_on: now,
  };
  await insertGroup(tx, group);
  return {
    result: await presentGroup(tx, group),
    audit: factsOf('create', group, { policies: policies.length }),
    guard: (later) => refuseExcess(later, principal, grants),
  };
}

/**
 * Renames the group, replaces its policies, or both; members have or lose what changed with the call. What the
 * group already granted need not be held by whoever edits it.
 */
export async function updateGroup(
  tx: Tx,
  { accountId, principal, name, policies: asked, now, id }: GroupRequest & { id: string },
): Promise<Change<PresentedUserGroup>> {
  const group = await ownGroup(tx, accountId, id);
  const current = parseMemberPolicies(group.policies);
  const policies = asked ? await readMemberPolicies(tx, { accountId, policies: asked, current }) : current;
  const grants = await newGrants(tx, { accountId, policies, before: current });
  await refuseExcess(tx, principal, grants);
  const change = { ...named(name ?? group.name), policies: JSON.stringify(policies), modified_on: now };
  return {
    result: await presentGroup(tx, { ...group, ...change }),
    audit: factsOf('update', group, {
      name: { from: group.name, to: change.name },
      policies: { from: current.length, to: policies.length },
    }),
    guard: (later) => refuseExcess(later, principal, grants),
    finish: (later) => updateGroupRow(later, group, change),
  };
}

/** Ends the group, its memberships, and with the call every permission that came through it. */
export async function deleteGroup(
  tx: Tx,
  { accountId, id }: { accountId: string; id: string },
): Promise<Change<{ id: string }>> {
  const group = await ownGroup(tx, accountId, id);
  const members = await listAllMembers(tx, group.id);
  return {
    result: { id },
    audit: factsOf('delete', group, { members: members.map((member) => member.id) }),
    finish: (later) => deleteGroupRow(later, group),
  };
}

function factsOf(verb: string, group: UserGroupRow, metadata: Record<string, Metadata>) {
  return {
    action: `user_group.${verb}`,
    resource: { type: 'user_group', id: group.id },
    metadata: { name: group.name, ...metadata },
  };
}

type Metadata = number | string[] | { from: number; to: number } | { from: string; to: string };

function named(name: string) {
  const nfc = name.normalize('NFC');
  return { name: nfc, name_key: fold(nfc) };
}

/** The form in which names are searched; in code, since the databases fold differently. */
function fold(text: string): string {
  return text.normalize('NFC').toLowerCase();
}
