import { evaluate } from '../policy/evaluate.ts';
import type { SessionToken } from '../protocol/claims.ts';
import { identitySubject, type Subject } from '../protocol/feed.ts';
import { isCurrent, parseRev } from '../protocol/rev.ts';
import type { ApplicationState, SessionState } from '../protocol/state.ts';
import type { AccountState, Destination } from './state.ts';

/** Why a request was admitted or not. A closed list: the log has it, the client never (design §5). */
export type Reason =
  | 'policy_allow'
  | 'no_credential'
  | 'several_credentials'
  | 'credential_invalid'
  | 'credential_expired'
  | 'credential_of_another_application'
  | 'session_unknown'
  | 'revoked'
  | 'provider_not_allowed'
  | 'policy_deny'
  | 'no_policy_matched'
  | 'application_unknown'
  | 'path_ambiguous'
  | 'question_malformed'
  | 'scheme_mismatch';

export type Verdict =
  | { readonly verdict: 'allow'; readonly reason: 'policy_allow'; readonly session: SessionState }
  | { readonly verdict: 'sign_in' | 'deny'; readonly reason: Reason };

/** Subjects of a session's lineage: a revocation of any of them that is newer than its `rev` ends it. */
export function lineageOf(accountId: string, session: SessionState): Subject[] {
  return [
    { type: 'account', id: accountId },
    { type: 'user', id: session.user_id },
    { type: 'email', id: session.email },
    identitySubject(session),
    { type: 'session', id: session.nonce },
    { type: 'provider', id: session.provider_id },
  ];
}

/**
 * Whether the session behind a verified token stands now: known, its provider known, of one lineage with
 * the token, and not revoked. Clocks take no part except for the expiry.
 */
export function standingSession(
  account: AccountState,
  token: SessionToken,
  now: number,
): { session: SessionState } | { reason: Reason } {
  if (!(now < token.expiresAt)) return { reason: 'credential_expired' };
  const session = account.sessions.get(token.sessionNonce);
  const rev = session ? parseRev(session.rev) : null;
  if (!session || !rev || session.user_id !== token.userId) return { reason: 'session_unknown' };
  if (!(now < session.expires_at)) return { reason: 'credential_expired' };
  if (!account.providers.has(session.provider_id)) return { reason: 'revoked' };
  const sameLineage = rev.epoch === token.rev.epoch && rev.position === token.rev.position;
  const stands = account.revocations.stands(token.rev, lineageOf(account.accountId, session));
  return sameLineage && stands ? { session } : { reason: 'revoked' };
}

/**
 * The verdict on a request with a verified token, from memory alone, in one turn: expiry, session,
 * revocations of its lineage and of the application, then the current policy (design §4.3, §4.11, §5).
 */
export function decide({ account, application }: Destination, token: SessionToken, now: number): Verdict {
  if (token.type !== 'app' || token.audience !== application.aud || !token.applicationRev) {
    return { verdict: 'sign_in', reason: 'credential_of_another_application' };
  }
  const standing = standingSession(account, token, now);
  if ('reason' in standing) return { verdict: 'sign_in', reason: standing.reason };
  const subject: Subject = { type: 'application', id: application.id };
  if (!account.revocations.stands(token.applicationRev, [subject]))
    return { verdict: 'sign_in', reason: 'revoked' };
  const { session } = standing;
  if (!allowsProvider(application, session.provider_id))
    return { verdict: 'sign_in', reason: 'provider_not_allowed' };
  const judged = evaluate(application.policies, { email: session.email });
  if (judged.verdict !== 'allow') return { verdict: 'deny', reason: judged.reason as Reason };
  return { verdict: 'allow', reason: 'policy_allow', session };
}

/** Which providers may sign people in is asked again at every request, like the policy. */
function allowsProvider({ allowed_idps: allowed }: ApplicationState, providerId: string): boolean {
  return allowed.length === 0 || allowed.includes(providerId);
}

/** Whether a credential reads ahead of what this gate has applied: it must catch up before it judges. */
export function readsAhead(account: AccountState, token: SessionToken): boolean {
  const { head } = account.revocations;
  const revs = token.applicationRev ? [token.rev, token.applicationRev] : [token.rev];
  return revs.some(
    (rev) => !isCurrent(rev, head) && rev.epoch === head.epoch && rev.position > head.position,
  );
}
