import type { Tx } from '../../database/database.ts';
import { refusal } from '../../kernel/errors.ts';
import type { Change } from '../../removal/act.ts';
import { tokensCreatedBy, tokensOf } from '../tokens/tokens.ts';
import { unknownMember } from './members.ts';
import {
  deleteAdministrator,
  deleteMemberRow,
  isMemberElsewhere,
  lockMember,
  type StoredMember,
} from './store.ts';
import { isLastSuperAdministrator } from './super-administrators.ts';

/**
 * Ends a membership, and with it every right in this account: rights are read per account at each call. Of a
 * person who is a member of nothing else, the key and the tokens end as well. One who has joined other accounts
 * keeps them for those: an account must not be able to end what is another's by inviting and removing.
 *
 * The account's own tokens stay, and the audit entry lists those that the person created.
 */
export async function deleteMember(
  tx: Tx,
  { accountId, id }: { accountId: string; id: string },
): Promise<Change<{ id: string }>> {
  const member = await lockMember(tx, accountId, id);
  if (!member) throw unknownMember();
  await refuseLast(tx, member);
  const isElsewhere = await isMemberElsewhere(tx, member);
  return {
    result: { id },
    audit: {
      action: 'member.delete',
      resource: { type: 'member', id },
      metadata: await factsOf(tx, member, isElsewhere),
    },
    guard: (later) => refuseLast(later, member),
    finish: async (later) => {
      await deleteMemberRow(later, member.account_id, member.id);
      if (!isElsewhere) await deleteAdministrator(later, member.administrator_id);
    },
  };
}

/** Refuses to take the access of the last Super Administrator of the account. */
export async function refuseLast(tx: Tx, { account_id, administrator_id }: StoredMember): Promise<void> {
  if (await isLastSuperAdministrator(tx, account_id, administrator_id)) {
    throw refusal('lastSuperAdministrator');
  }
}

async function factsOf(tx: Tx, member: StoredMember, isElsewhere: boolean) {
  const { account_id: accountId, administrator_id: person } = member;
  return {
    email: member.email,
    administrator_id: person,
    // What a person has for other accounts is none of this one's business.
    ended_tokens: isElsewhere ? [] : await tokensOf(tx, person),
    remaining_account_tokens: await tokensCreatedBy(tx, accountId, person),
  };
}
