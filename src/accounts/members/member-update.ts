import type { Principal } from '../../database/act.ts';
import type { Tx } from '../../database/database.ts';
import {
  newGrants,
  type PolicyInput,
  parseMemberPolicies,
  readMemberPolicies,
} from '../../iam/policies/policies.ts';
import { normaliseEmail } from '../../kernel/email.ts';
import { invalidInput } from '../../kernel/errors.ts';
import { superAdministrator } from '../../kernel/permissions.ts';
import type { Change } from '../../removal/act.ts';
import { refuseExcess } from '../holdings/holdings.ts';
import { refuseLast } from './member-removal.ts';
import {
  type Given,
  type GivenRole,
  notExactlyOne,
  type PresentedMember,
  presentMember,
  readRoles,
  refuseForeign,
  rolesOfMember,
  unknownMember,
} from './members.ts';
import { findPersonOf, lockMember, type StoredMember, updateMemberRow } from './store.ts';

export interface MemberUpdate {
  readonly accountId: string;
  readonly principal: Principal;
  readonly id: string;
  readonly roles?: readonly GivenRole[];
  readonly policies?: readonly PolicyInput[];
  readonly status?: 'accepted' | 'pending';
  readonly email?: string;
}

/**
 * Replaces what a member was given, in full, by roles or by policies (reference §3.8). What is taken away has ended
 * when the call is answered, in every key and token of theirs: rights are read at each use. What they had already
 * need not be held by whoever edits them, unless it begins to count now because a pending member is accepted, which
 * who has joined another account can only do by themselves.
 */
export async function updateMember(tx: Tx, update: MemberUpdate): Promise<Change<PresentedMember>> {
  const { accountId, principal, id } = update;
  const member = await lockMember(tx, accountId, id);
  if (!member) throw unknownMember();
  refuseOtherPerson(member, update.email);
  const status = nextStatus(member, update.status);
  if (status !== member.status) await refuseForeign(tx, member);
  const given = await readChange(tx, member, update, status);
  await refuseExcess(tx, principal, given.grants);
  const change = {
    roles: JSON.stringify(given.roles.map((role) => role.id)),
    policies: JSON.stringify(given.policies),
    status,
  };
  const endsLast = !given.roles.includes(superAdministrator);
  if (endsLast) await refuseLast(tx, member);
  return {
    result: await presentMember(tx, { ...member, ...change, ...(await seenOf(tx, member, status)) }),
    audit: factsOf(member, { given, status }),
    guard: async (later) => {
      await refuseExcess(later, principal, given.grants);
      if (endsLast) await refuseLast(later, member);
    },
    finish: (later) => updateMemberRow(later, member, change),
  };
}

/** Makes the membership count, by the word of the person it was given to: whoever gave it held what it gives. */
export async function acceptMember(
  tx: Tx,
  { accountId, id }: { accountId: string; id: string },
): Promise<Change<StoredMember>> {
  const member = await lockMember(tx, accountId, id);
  if (!member) throw unknownMember();
  const change = { status: 'accepted' };
  return {
    result: { ...member, ...change },
    audit: {
      action: 'membership.accept',
      resource: { type: 'membership', id },
      metadata: { email: member.email, status: { from: member.status, to: 'accepted' } },
    },
    finish: (later) => updateMemberRow(later, member, change),
  };
}

async function seenOf(tx: Tx, member: StoredMember, status: string) {
  return status === member.status ? {} : await findPersonOf(tx, member);
}

function refuseOtherPerson(member: StoredMember, email: string | undefined): void {
  if (email === undefined || normaliseEmail(email) === member.email_key) return;
  throw invalidInput([{ pointer: '/email', message: 'a membership cannot be given to another person' }]);
}

/** Whom an administrator made pending could accept again by themselves: only a removal takes access away. */
function nextStatus(member: StoredMember, asked: MemberUpdate['status']): 'accepted' | 'pending' {
  if (member.status !== 'accepted') return asked ?? 'pending';
  if (asked !== 'pending') return 'accepted';
  throw invalidInput([{ pointer: '/status', message: 'a member who has accepted cannot be pending again' }]);
}

/** All that the member has afterwards; an empty list beside one that is not asks for nothing. */
async function readChange(
  tx: Tx,
  member: StoredMember,
  { roles, policies }: MemberUpdate,
  status: string,
): Promise<Given> {
  const begins = status !== member.status;
  const hadRoles = rolesOfMember(member);
  const current = parseMemberPolicies(member.policies);
  if (roles?.length && policies?.length) throw notExactlyOne();
  const keeps = roles === undefined && policies === undefined;
  const accountId = member.account_id;
  if (roles?.length || (keeps && hadRoles.length > 0)) {
    return readRoles(accountId, roles ?? hadRoles, begins ? [] : hadRoles);
  }
  const after = keeps
    ? current
    : await readMemberPolicies(tx, { accountId, policies: policies ?? [], current });
  const before = begins ? [] : current;
  return { roles: [], policies: after, grants: await newGrants(tx, { accountId, policies: after, before }) };
}

function factsOf(member: StoredMember, { given, status }: { given: Given; status: string }) {
  const names = (roles: readonly { name: string }[]) => roles.map(({ name }) => name);
  return {
    action: 'member.update',
    resource: { type: 'member', id: member.id },
    metadata: {
      email: member.email,
      administrator_id: member.administrator_id,
      status: { from: member.status, to: status },
      roles: { from: names(rolesOfMember(member)), to: names(given.roles) },
      policies: { from: parseMemberPolicies(member.policies).length, to: given.policies.length },
    },
  };
}
