import type { Database, Reader, Tx } from '../../database/database.ts';
import type { KeyedList } from '../../database/paging.ts';
import { parseMemberPolicies, presentMemberPolicies, resourceGroupsOf } from '../../iam/policies/policies.ts';
import type { Statement } from '../../kernel/authority.ts';
import { refusal } from '../../kernel/errors.ts';
import type { Change } from '../../removal/act.ts';
import { presentAccount } from '../accounts/accounts.ts';
import { heldByMemberships } from '../holdings/holdings.ts';
import { deleteMember } from '../members/member-removal.ts';
import { acceptMember } from '../members/member-update.ts';
import { rolesOfMember, statusOf } from '../members/members.ts';
import { presentPermissions } from '../roles/roles.ts';
import {
  countMemberships,
  findAccounts,
  findMembership,
  keyOfMembership,
  listMemberships,
  type MembershipOrder,
  type StoredMembership,
} from './store.ts';

/** Memberships of one person as the API answers them (reference §3.8); a pending one permits nothing. */
export async function presentMemberships(
  reader: Reader,
  administratorId: string,
  memberships: readonly StoredMembership[],
) {
  const accounts = await findAccounts(reader, memberships);
  const accepted = memberships.filter((membership) => statusOf(membership) === 'accepted');
  const held = await heldByMemberships(reader, administratorId, accepted);
  return memberships.flatMap((membership) => {
    const account = accounts.get(membership.account_id);
    return account
      ? [present(membership, presentAccount(account), held.get(membership.account_id) ?? [])]
      : [];
  });
}

function present(
  membership: StoredMembership,
  account: ReturnType<typeof presentAccount>,
  held: readonly Statement[],
) {
  return {
    id: membership.id,
    account,
    api_access_enabled: null,
    permissions: presentPermissions(held, account.id),
    roles: rolesOfMember(membership).map((role) => role.name),
    status: statusOf(membership) as 'accepted' | 'pending' | 'rejected',
  };
}

async function presentDetails(reader: Reader, membership: StoredMembership) {
  const { administrator_id, account_id } = membership;
  const [known] = await presentMemberships(reader, administrator_id, [membership]);
  if (!known) throw unknownMembership();
  const policies = parseMemberPolicies(membership.policies);
  const resources = await resourceGroupsOf(reader, account_id, policies);
  return { ...known, policies: presentMemberPolicies(policies, resources) };
}

export type PresentedMembership = Awaited<ReturnType<typeof presentDetails>>;

/** Whose membership is asked for. */
export interface OfPerson {
  readonly administratorId: string;
  readonly id: string;
}

/** The membership of that id of that person, as stored; a 404 for any other. */
async function ownMembership(reader: Reader, { administratorId, id }: OfPerson) {
  const membership = await findMembership(reader, administratorId, id);
  if (!membership) throw unknownMembership();
  return membership;
}

function unknownMembership() {
  return refusal('notFound', { detail: 'membership not found' });
}

/** The account of a membership of that person; empty for one that is gone or was never theirs. */
export async function accountOfMembership(
  { reader }: Pick<Database, 'reader'>,
  { administratorId, id }: OfPerson,
): Promise<string> {
  return (await findMembership(reader, administratorId, id))?.account_id ?? '';
}

/** The same as the API answers it. */
export async function getMembership(reader: Reader, of: OfPerson): Promise<PresentedMembership> {
  return await presentDetails(reader, await ownMembership(reader, of));
}

export interface MembershipQuestion {
  readonly 'account.name'?: string;
  readonly name?: string;
  readonly order?: MembershipOrder;
  readonly status?: string;
  readonly direction?: 'asc' | 'desc';
}

/** The memberships of a person as a list to be paged, by id unless told otherwise. None is ever `rejected`. */
export function membershipList(
  reader: Reader,
  administratorId: string,
  query: MembershipQuestion,
): KeyedList<StoredMembership> {
  const { 'account.name': accountName, name, order = 'id', status, direction = 'asc' } = query;
  const names = [accountName, name].filter((one) => one !== undefined);
  const filter = { names, ...(status === undefined ? {} : { status }) };
  return {
    fetch: (start) => listMemberships(reader, administratorId, { filter, order, direction, start }),
    keyOf: (membership) => keyOfMembership(membership, order),
    total: () => countMemberships(reader, administratorId, filter),
  };
}

/** Accepts an invitation. What was accepted stays so. */
export async function acceptMembership(tx: Tx, of: OfPerson): Promise<Change<PresentedMembership>> {
  const membership = await ownMembership(tx, of);
  const change = await acceptMember(tx, { accountId: membership.account_id, id: of.id });
  return { ...change, result: await presentDetails(tx, { ...membership, ...change.result }) };
}

/**
 * Refuses an invitation, or leaves: the membership is removed exactly as an administrator removes a member, and
 * with it every right in the account. The answer says `rejected`; nothing of it is kept that could be accepted later.
 */
export async function rejectMembership(tx: Tx, of: OfPerson): Promise<Change<PresentedMembership>> {
  const membership = await ownMembership(tx, of);
  const presented = await presentDetails(tx, membership);
  const change = await deleteMember(tx, { accountId: membership.account_id, id: of.id });
  return { ...change, result: { ...presented, permissions: {}, status: 'rejected' } };
}

/** Leaves the account. */
export async function leaveAccount(tx: Tx, of: OfPerson): Promise<Change<{ id: string }>> {
  const membership = await ownMembership(tx, of);
  return await deleteMember(tx, { accountId: membership.account_id, id: of.id });
}
