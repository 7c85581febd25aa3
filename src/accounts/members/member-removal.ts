import type { Tx } from '../../database/database.ts';
import { refusal } from '../../kernel/errors.ts';
import type { Change } from '../../removal/act.ts';
import { endTokensOf, tokensCreatedBy, tokensOf } from '../tokens/tokens.ts';
import { unknownMember } from './members.ts';
import {
  deleteAdministrator,
  deleteKey,
  deleteMemberRow,
  listOtherAccounts,
  lockMember,
  type StoredMember,
} from './store.ts';
import { isLastSuperAdministrator, lastSuperAdministratorOf } from './super-administrators.ts';

/**
 * Ends a membership and everything that carries the person's authority: their key, their tokens, and through
 * the membership the groups. All of it ends in every account that they have joined, so each is told.
 *
 * The account's own tokens stay, and the audit entry lists those that the person created. A key that alone can
 * still act as Super Administrator of another account stays as well: here it opens nothing any more.
 */
export async function deleteMember(
  tx: Tx,
  { accountId, id }: { accountId: string; id: string },
): Promise<Change<{ id: string }>> {
  const member = await lockMember(tx, accountId, id);
  if (!member) throw unknownMember();
  await refuseLast(tx, member);
  const others = await listOtherAccounts(tx, member.administrator_id, accountId);
  const keptFor = await lastSuperAdministratorOf(tx, others, member.administrator_id);
  return {
    result: { id },
    audit: {
      action: 'member.delete',
      resource: { type: 'member', id },
      metadata: await factsOf(tx, member, keptFor),
    },
    alsoAccountIds: others,
    auditElsewhere: {
      action: 'administrator.credentials_end',
      resource: { type: 'administrator', id: member.administrator_id },
      metadata: { email: member.email, key_ended: keptFor.length === 0 },
    },
    guard: async (later) => {
      await refuseLast(later, member);
      const keptNow = await lastSuperAdministratorOf(later, others, member.administrator_id);
      // Somebody else's removal came in between; a repetition decides anew.
      if (keptNow.length !== keptFor.length)
        throw refusal('unavailable', { headers: { 'retry-after': '1' } });
    },
    finish: (later) =>
      remove(later, member, { isElsewhere: others.length > 0, keepsKey: keptFor.length > 0 }),
  };
}

async function refuseLast(tx: Tx, { account_id, administrator_id }: StoredMember): Promise<void> {
  if (await isLastSuperAdministrator(tx, account_id, administrator_id)) {
    throw refusal('lastSuperAdministrator');
  }
}

async function factsOf(tx: Tx, member: StoredMember, keptFor: readonly string[]) {
  const { account_id: accountId, administrator_id: person } = member;
  return {
    email: member.email,
    administrator_id: person,
    ended_tokens: await tokensOf(tx, person),
    remaining_account_tokens: await tokensCreatedBy(tx, accountId, person),
    ...(keptFor.length > 0 ? { key_kept_for: [...keptFor] } : {}),
  };
}

async function remove(
  tx: Tx,
  member: StoredMember,
  { isElsewhere, keepsKey }: { isElsewhere: boolean; keepsKey: boolean },
): Promise<void> {
  await deleteMemberRow(tx, member.account_id, member.id);
  if (!isElsewhere) return await deleteAdministrator(tx, member.administrator_id);
  await endTokensOf(tx, member.administrator_id);
  if (!keepsKey) await deleteKey(tx, member.administrator_id);
}
