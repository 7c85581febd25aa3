import type { Tx } from '../../database/database.ts';
import { refusal } from '../../kernel/errors.ts';
import type { Change } from '../../removal/act.ts';
import { deleteTokens, tokensCreatedBy, tokensOf, tokensWithin } from '../tokens/tokens.ts';
import { unknownMember } from './members.ts';
import {
  clearAdministrator,
  deleteAdministrator,
  deleteMemberRow,
  isKnownElsewhere,
  isMemberElsewhere,
  lockMember,
  type StoredMember,
} from './store.ts';
import { isLastSuperAdministrator } from './super-administrators.ts';

/**
 * Ends a membership, and with it every right in this account: rights are read per account at each call. Of a
 * person who is a member of nothing else, the key and the tokens end as well, however many have invited them. One who
 * has joined other accounts keeps them for those, but for tokens that reach nothing outside this account: an account
 * must not be able to end what is another's by inviting and removing.
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
  const ends = await endsOf(tx, member);
  return {
    result: { id },
    audit: {
      action: 'member.delete',
      resource: { type: 'member', id },
      metadata: await factsOf(tx, member, ends.tokens),
    },
    guard: (later) => refuseLast(later, member),
    finish: async (later) => {
      await deleteMemberRow(later, member.account_id, member.id);
      await endPerson(later, member.administrator_id, ends);
    },
  };
}

/** Refuses to take the access of the last Super Administrator of the account. */
export async function refuseLast(tx: Tx, { account_id, administrator_id }: StoredMember): Promise<void> {
  if (await isLastSuperAdministrator(tx, account_id, administrator_id)) {
    throw refusal('lastSuperAdministrator');
  }
}

/** What else ends with a membership: of the person, nothing, the key and all tokens, or all that is known of them. */
interface Ends {
  readonly person: 'stays' | 'cleared' | 'deleted';
  readonly tokens: readonly string[];
}

/** An invitation that is taken back ends nothing but itself, unless nobody else knows the person. */
async function endsOf(tx: Tx, member: StoredMember): Promise<Ends> {
  const { account_id: accountId, administrator_id: person } = member;
  const isAccepted = member.status === 'accepted';
  if (await isMemberElsewhere(tx, member)) {
    // What a person has for other accounts is none of this one's business.
    return { person: 'stays', tokens: isAccepted ? await tokensWithin(tx, person, accountId) : [] };
  }
  const isKnown = await isKnownElsewhere(tx, member);
  if (isKnown && !isAccepted) return { person: 'stays', tokens: [] };
  return { person: isKnown ? 'cleared' : 'deleted', tokens: await tokensOf(tx, person) };
}

async function endPerson(tx: Tx, id: string, { person, tokens }: Ends): Promise<void> {
  if (person === 'deleted') return await deleteAdministrator(tx, id);
  if (person === 'cleared') return await clearAdministrator(tx, id);
  await deleteTokens(tx, tokens);
}

async function factsOf(tx: Tx, member: StoredMember, tokens: readonly string[]) {
  const { account_id: accountId, administrator_id: person } = member;
  return {
    email: member.email,
    administrator_id: person,
    ended_tokens: [...tokens],
    remaining_account_tokens: await tokensCreatedBy(tx, accountId, person),
  };
}
