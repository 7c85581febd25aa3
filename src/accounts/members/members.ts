import type { Principal } from '../../database/act.ts';
import type { Reader, Tx } from '../../database/database.ts';
import type { KeyedList } from '../../database/paging.ts';
import {
  type Grant,
  type MemberPolicy,
  newGrants,
  type PolicyInput,
  parseMemberPolicies,
  presentMemberPolicies,
  readMemberPolicies,
  resourceGroupsOf,
} from '../../iam/policies/policies.ts';
import type { PresentedResourceGroup } from '../../iam/resource-groups/resource-groups.ts';
import { statementsOfRole } from '../../kernel/authority.ts';
import { normaliseEmail } from '../../kernel/email.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { newTag } from '../../kernel/ids.ts';
import { type Role, rolesOf } from '../../kernel/permissions.ts';
import type { Change } from '../../removal/act.ts';
import { refuseExcess } from '../holdings/holdings.ts';
import { presentRole } from '../roles/roles.ts';
import {
  countMembers,
  findMember,
  findMembers,
  findOrInsertAdministrator,
  insertMember,
  isMemberElsewhere,
  keyOfMember,
  listMembers,
  lockMembers,
  type MemberOrder,
  type StoredMember,
} from './store.ts';

/** A member as the API answers it, their policies in full. */
function present(member: StoredMember, resources: ReadonlyMap<string, PresentedResourceGroup>) {
  return {
    id: member.id,
    email: member.email,
    status: statusOf(member),
    user: {
      id: member.administrator_id,
      email: member.email,
      first_name: member.first_name,
      last_name: member.last_name,
      two_factor_authentication_enabled: false,
    },
    roles: rolesOfMember(member).map(presentRole),
    policies: presentMemberPolicies(parseMemberPolicies(member.policies), resources),
  };
}

export type PresentedMember = ReturnType<typeof present>;

/** Only these two are ever stored. */
export function statusOf({ status }: { status: string }): 'accepted' | 'pending' {
  return status === 'accepted' ? 'accepted' : 'pending';
}

export function rolesOfMember(member: Pick<StoredMember, 'roles'>): Role[] {
  return rolesOf(JSON.parse(member.roles) as string[]);
}

/** These members as the API answers them. */
export async function presentMembers(
  reader: Reader,
  accountId: string,
  members: readonly StoredMember[],
): Promise<PresentedMember[]> {
  const policies = members.flatMap((member) => parseMemberPolicies(member.policies));
  const resources = await resourceGroupsOf(reader, accountId, policies);
  return members.map((member) => present(member, resources));
}

/** This member as the API answers it. */
export async function presentMember(reader: Reader, member: StoredMember): Promise<PresentedMember> {
  const policies = parseMemberPolicies(member.policies);
  return present(member, await resourceGroupsOf(reader, member.account_id, policies));
}

/** The member of that id in that account; a 404 for any other. */
export async function getMember(reader: Reader, accountId: string, id: string): Promise<PresentedMember> {
  const member = await findMember(reader, accountId, id);
  if (!member) throw unknownMember();
  return await presentMember(reader, member);
}

export function unknownMember() {
  return refusal('notFound', { detail: 'member not found' });
}

/** The members of an account as a list to be paged, by e-mail unless told otherwise. */
export function memberList(
  reader: Reader,
  accountId: string,
  query: { order?: MemberOrder; status?: string; direction?: 'asc' | 'desc' },
): KeyedList<StoredMember> {
  const { order = 'user.email', status, direction = 'asc' } = query;
  const filter = status === undefined ? {} : { status };
  return {
    fetch: (start) => listMembers(reader, accountId, { filter, order, direction, start }),
    keyOf: (member) => keyOfMember(member, order),
    total: () => countMembers(reader, accountId, filter),
  };
}

export interface NewMember {
  readonly accountId: string;
  readonly principal: Principal;
  readonly email: string;
  readonly roles?: readonly GivenRole[];
  readonly policies?: readonly PolicyInput[];
  readonly status?: 'accepted' | 'pending';
  readonly now: string;
}

/** A role by its id, or as an object that has it. */
export type GivenRole = string | { readonly id: string };

/**
 * A new member, pending unless told otherwise; only accepted ones have rights. The person is found by e-mail or
 * made. The database refuses a second membership of the same person, and nobody gives what they do not hold. Who has
 * joined another account can only be invited: they alone make themselves a member.
 */
export async function createMember(tx: Tx, input: NewMember): Promise<Change<PresentedMember>> {
  const { accountId, principal, now } = input;
  const emailKey = emailKeyOf(input.email);
  const given = await readGiven(tx, input);
  await refuseExcess(tx, principal, given.grants);
  const email = input.email.normalize('NFC');
  const person = await findOrInsertAdministrator(tx, newAdministrator({ email, emailKey, now }));
  const member = {
    id: newTag(),
    account_id: accountId,
    administrator_id: person.id,
    status: input.status ?? 'pending',
    roles: JSON.stringify(given.roles.map((role) => role.id)),
    policies: JSON.stringify(given.policies),
    created_on: now,
    invited_email: email,
  };
  if (member.status === 'accepted') await refuseForeign(tx, member);
  await insertMember(tx, member);
  return {
    result: await getMember(tx, accountId, member.id),
    audit: {
      action: 'member.create',
      resource: { type: 'member', id: member.id },
      metadata: { email, status: member.status, roles: given.roles.map((role) => role.name) },
    },
    guard: (later) => refuseExcess(later, principal, given.grants),
  };
}

/** Throws if the person has joined another account: whoever else makes them a member acts over their head. */
export async function refuseForeign(
  tx: Tx,
  member: Pick<StoredMember, 'administrator_id' | 'account_id'>,
): Promise<void> {
  if (!(await isMemberElsewhere(tx, member))) return;
  const message =
    'the person is a member of another account: invite them as pending, and they accept by PUT /memberships/{id}';
  throw invalidInput([{ pointer: '/status', message }]);
}

function newAdministrator({ email, emailKey, now }: { email: string; emailKey: string; now: string }) {
  const nameless = { first_name: null, last_name: null, key_hash: null };
  return { id: newTag(), email, email_key: emailKey, ...nameless, created_on: now };
}

function emailKeyOf(email: string): string {
  const key = normaliseEmail(email);
  if (key === null) throw invalidInput([{ pointer: '/email', message: 'is not an e-mail address' }]);
  return key;
}

/** What a member is given: either roles or policies, and what of it must be held by whoever gives it. */
export interface Given {
  readonly roles: readonly Role[];
  readonly policies: readonly MemberPolicy[];
  readonly grants: readonly Grant[];
}

async function readGiven(tx: Tx, { accountId, roles: ids, policies: asked }: NewMember): Promise<Given> {
  if ((ids === undefined) === (asked === undefined)) throw notExactlyOne();
  if (ids !== undefined) return readRoles(accountId, ids);
  const policies = await readMemberPolicies(tx, { accountId, policies: asked ?? [] });
  return { roles: [], policies, grants: await newGrants(tx, { accountId, policies }) };
}

export function notExactlyOne() {
  return invalidInput([{ pointer: '/roles', message: 'exactly one of roles and policies is required' }]);
}

/** The roles that were named; a 400 names each that there is not. Those of `before` need not be held again. */
export function readRoles(
  accountId: string,
  given: readonly GivenRole[],
  before: readonly Role[] = [],
): Given {
  const ids = given.map((one) => (typeof one === 'string' ? one : one.id).toLowerCase());
  const problems = ids.flatMap((id, index) =>
    rolesOf([id]).length > 0 ? [] : [{ pointer: `/roles/${index}`, message: 'is no role of this account' }],
  );
  if (problems.length > 0) throw invalidInput(problems);
  const added = rolesOf(ids).filter((role) => !before.includes(role));
  const statements = added.flatMap((role) => statementsOfRole(role, accountId));
  return {
    roles: rolesOf(ids),
    policies: [],
    grants: statements.map((statement) => ({ pointer: '/roles', statement })),
  };
}

/** Whether that is the id of a member of the account. */
export async function isMemberOf(reader: Reader, accountId: string, id: string): Promise<boolean> {
  return (await findMember(reader, accountId, id)) !== null;
}

/** Those of these ids that are members of the account, who cannot be removed until the transaction ends. */
export async function lockMembersOf(tx: Tx, accountId: string, ids: readonly string[]): Promise<string[]> {
  return await lockMembers(tx, accountId, ids);
}

/** Those of these ids that are members of the account, by e-mail. */
export async function membersById(
  reader: Reader,
  accountId: string,
  ids: readonly string[],
): Promise<Pick<StoredMember, 'id' | 'email' | 'status'>[]> {
  return await findMembers(reader, accountId, ids);
}
