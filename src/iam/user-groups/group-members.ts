import { refuseExcess } from '../../accounts/holdings/holdings.ts';
import { isMemberOf, lockMembersOf, membersById, statusOf } from '../../accounts/members/members.ts';
import type { Principal } from '../../database/act.ts';
import type { Reader, Tx } from '../../database/database.ts';
import type { KeyedList } from '../../database/paging.ts';
import type { UserGroupRow } from '../../database/tables.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import type { Change } from '../../removal/act.ts';
import { type Grant, newGrants, parseMemberPolicies } from '../policies/policies.ts';
import {
  countMembersOf,
  deleteGroupMembers,
  findGroupMember,
  insertGroupMembers,
  listAllMembers,
  listMembersOf,
  MOST_MEMBERS,
  type StoredGroupMember,
} from './store.ts';
import { getGroup, ownGroup } from './user-groups.ts';

/** A member of a group as lists and changes answer it. */
export function presentGroupMember({
  id,
  email,
  status,
}: Pick<StoredGroupMember, 'id' | 'email' | 'status'>) {
  return { id, email, status: statusOf({ status }) };
}

export type PresentedGroupMember = ReturnType<typeof presentGroupMember>;

/** The members of the group as a list to be paged, by e-mail; a 404 for an unknown group. */
export async function groupMemberList(
  reader: Reader,
  of: { accountId: string; groupId: string },
  query: { fuzzyEmail?: string; direction?: 'asc' | 'desc' },
): Promise<KeyedList<StoredGroupMember>> {
  const group = await getGroup(reader, of.accountId, of.groupId);
  const fuzzyEmail = query.fuzzyEmail
    ?.normalize('NFC')
    .replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
  const narrowed = fuzzyEmail === undefined ? {} : { fuzzyEmail };
  const direction = query.direction ?? 'asc';
  return {
    fetch: (start) => listMembersOf(reader, group.id, { ...narrowed, direction, start }),
    keyOf: (member) => [member.email_key],
    total: () => countMembersOf(reader, group.id, fuzzyEmail),
  };
}

interface OfGroup {
  readonly accountId: string;
  readonly groupId: string;
  readonly memberId: string;
}

/** One member of the group, in detail. */
export async function getGroupMember(reader: Reader, { accountId, groupId, memberId }: OfGroup) {
  const group = await getGroup(reader, accountId, groupId);
  const member = await memberOfGroup(reader, group, memberId);
  const { administrator_id: id, email, first_name, last_name } = member;
  return {
    ...presentGroupMember(member),
    created_at: member.created_on,
    user: {
      id,
      email,
      ...(first_name === null ? {} : { first_name }),
      ...(last_name === null ? {} : { last_name }),
    },
  };
}

/** In the order that decisions.md gives: not a member of this account 400, not in the group 404. */
async function memberOfGroup(
  reader: Reader,
  group: UserGroupRow,
  memberId: string,
): Promise<StoredGroupMember> {
  if (!(await isMemberOf(reader, group.account_id, memberId))) {
    throw invalidInput([{ pointer: '/path/member_id', message: INVALID_MEMBER }]);
  }
  const member = await findGroupMember(reader, group.id, memberId);
  if (!member) throw refusal('notFound', { detail: 'the member is not in the user group' });
  return member;
}

const INVALID_MEMBER = 'invalid member: no member of this account has this id';

export interface MembersRequest {
  readonly accountId: string;
  readonly principal: Principal;
  readonly groupId: string;
  readonly members: readonly { readonly id: string }[];
  readonly now: string;
}

/** The members that a body names, whichever of its forms it has; a 400 where it names none. */
export function readAdded(
  body: readonly { id: string }[] | { id?: string; members?: readonly { id: string }[] },
): readonly { id: string }[] {
  if ('length' in body) return body;
  const { id, members } = body;
  if ((id === undefined) === (members === undefined)) {
    throw invalidInput([{ pointer: '', message: 'must be an array of members' }]);
  }
  return members ?? (id === undefined ? [] : [{ id }]);
}

/** Adds members; those who are in the group stay. Answers all of its members. */
export async function addGroupMembers(
  tx: Tx,
  request: MembersRequest,
): Promise<Change<PresentedGroupMember[]>> {
  return await changeMembers(tx, request, { replaces: false });
}

/** Makes these the members, and nobody else; an empty list empties the group. Answers all of its members. */
export async function replaceGroupMembers(
  tx: Tx,
  request: MembersRequest,
): Promise<Change<PresentedGroupMember[]>> {
  return await changeMembers(tx, request, { replaces: true });
}

/** Whoever puts a member into a group gives what the group gives, and must hold it. */
async function changeMembers(
  tx: Tx,
  { accountId, principal, groupId, members, now }: MembersRequest,
  { replaces }: { replaces: boolean },
): Promise<Change<PresentedGroupMember[]>> {
  const group = await ownGroup(tx, accountId, groupId);
  const asked = await lockAsked(tx, accountId, members);
  const present = await listAllMembers(tx, group.id);
  const presentIds = new Set(present.map((member) => member.id));
  const askedIds = new Set(asked);
  const added = asked.filter((id) => !presentIds.has(id));
  const removed = replaces ? present.filter((member) => !askedIds.has(member.id)) : [];
  const stayed = replaces ? present.filter((member) => askedIds.has(member.id)) : present;
  if (stayed.length + added.length > MOST_MEMBERS) throw tooMany();
  const grants = added.length > 0 ? await grantsOf(tx, group) : [];
  await refuseExcess(tx, principal, grants);
  return {
    result: await presentAll(tx, accountId, [...stayed.map((member) => member.id), ...added]),
    audit: factsOf(replaces ? 'replace' : 'add', group, {
      added,
      removed: removed.map((member) => member.id),
    }),
    guard: (later) => refuseExcess(later, principal, grants),
    finish: async (later) => {
      await deleteGroupMembers(
        later,
        group.id,
        removed.map((member) => member.id),
      );
      await insertGroupMembers(later, group, { memberIds: added, now });
    },
  };
}

function tooMany() {
  return invalidInput([{ pointer: '', message: `a user group has at most ${MOST_MEMBERS} members` }]);
}

/** The ids asked for, each once; a 400 names every one that is no member of the account. */
async function lockAsked(
  tx: Tx,
  accountId: string,
  members: readonly { readonly id: string }[],
): Promise<string[]> {
  const ids = members.map(({ id }) => id.toLowerCase());
  const locked = new Set(await lockMembersOf(tx, accountId, [...new Set(ids)]));
  const problems = ids.flatMap((id, index) =>
    locked.has(id) ? [] : [{ pointer: `/${index}/id`, message: INVALID_MEMBER }],
  );
  if (problems.length > 0) throw invalidInput(problems.slice(0, 20));
  return [...locked];
}

/** All that membership gives; the body has no place that a pointer could name. */
async function grantsOf(tx: Tx, group: UserGroupRow): Promise<Grant[]> {
  const policies = parseMemberPolicies(group.policies);
  const grants = await newGrants(tx, { accountId: group.account_id, policies });
  return grants.map(({ statement }) => ({ statement, pointer: '' }));
}

async function presentAll(
  tx: Tx,
  accountId: string,
  ids: readonly string[],
): Promise<PresentedGroupMember[]> {
  const members = await membersById(tx, accountId, ids);
  return members.map(presentGroupMember);
}

/** Takes a member out of the group; what they had through it ends with the call. */
export async function deleteGroupMember(
  tx: Tx,
  { accountId, groupId, memberId }: OfGroup,
): Promise<Change<PresentedGroupMember>> {
  const group = await ownGroup(tx, accountId, groupId);
  const member = await memberOfGroup(tx, group, memberId);
  return {
    result: presentGroupMember(member),
    audit: factsOf('remove', group, { added: [], removed: [memberId] }),
    finish: (later) => deleteGroupMembers(later, group.id, [memberId]),
  };
}

function factsOf(verb: string, group: UserGroupRow, change: { added: string[]; removed: string[] }) {
  return {
    action: `user_group_member.${verb}`,
    resource: { type: 'user_group', id: group.id },
    metadata: { name: group.name, ...change },
  };
}
