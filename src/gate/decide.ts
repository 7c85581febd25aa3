import { equalInConstantTime } from '../kernel/crypto.ts';
import type { Answers } from '../policy/evaluate.ts';
import type { ExternalQuestion, Identity } from '../policy/rules.ts';
import type { SessionToken } from '../protocol/claims.ts';
import { isBeyond, parseRev, type Rev } from '../protocol/rev.ts';
import type { ApplicationState, ServiceTokenState, SessionState } from '../protocol/state.ts';
import type { Whence } from './client-certificate.ts';
import type { AccountState, Destination } from './state.ts';
import { identityOf, type Visitor } from './visitor.ts';

/** Why a request was admitted or not. A closed list: the log has it, the client never (design §5). */
export type Reason =
  | 'policy_allow'
  | 'policy_bypass'
  | 'unmatched_allowed'
  | 'no_credential'
  | 'several_credentials'
  | 'credential_invalid'
  | 'credential_expired'
  | 'credential_of_another_application'
  | 'binding_mismatch'
  | 'session_unknown'
  | 'service_token_unknown'
  | 'service_token_expired'
  | 'revoked'
  | 'provider_not_allowed'
  | 'policy_deny'
  | 'no_policy_matched'
  | 'application_unknown'
  | 'no_lease'
  | 'path_ambiguous'
  | 'question_malformed'
  | 'scheme_mismatch';

/** What a request proves itself with: a token whose signature is verified, or a service token's two parts. */
export type Credential =
  | {
      readonly kind: 'session';
      readonly token: SessionToken;
      /** SHA-256 of the binding cookie that came along, if one did. */
      readonly binding: string | null;
    }
  | {
      readonly kind: 'service_token';
      readonly clientId: string;
      /** SHA-256 of the secret, in hex. */
      readonly secretHash: string;
    };

export interface Refusal {
  readonly verdict: 'sign_in' | 'deny';
  readonly reason: Reason;
  /** Who was refused, where the credential stood and the policy did not let them in. */
  readonly visitor?: Visitor;
}

export interface Allowed {
  readonly verdict: 'allow';
  readonly reason: 'policy_allow';
  readonly visitor: Visitor;
  /** When it has to be over by itself, in milliseconds since the epoch. */
  readonly endsAt: number;
}

export type Verdict = Allowed | Refusal;

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
  const stands = account.revocations.stands(token.rev, account.lineages.ofSession(session));
  return sameLineage && stands ? { session } : { reason: 'revoked' };
}

/** What a verdict rests on beside the credential. */
export interface Asking {
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly surroundings: Whence;
  /** What external services said for this request (policy/evaluate.ts). */
  readonly answers: Answers;
}

/** Policies rest on what external services have to say, which is not known yet. */
export interface Undecided {
  readonly verdict: 'undecided';
  readonly questions: readonly ExternalQuestion[];
  readonly visitor: Visitor;
}

/**
 * The verdict on a request with a credential, from memory alone, in one turn: who is behind it and whether that
 * stands now, then the current policy (design §4.3, §4.4, §4.11, §5). Without a credential it is a client certificate
 * that speaks for itself; who has none of either, or one that is not enough, has to sign in.
 */
export function decide(
  destination: Destination,
  credential: Credential | null,
  asking: Asking,
): Verdict | Undecided {
  const found = findVisitor(destination, credential, asking);
  if ('reason' in found) return { verdict: 'sign_in', reason: found.reason };
  const { account, application } = destination;
  const { visitor } = found;
  const { surroundings, answers } = asking;
  const identity = identityOf(account.rules, visitor);
  const judged = account.rules.evaluate({ application, identity, surroundings, answers });
  const { questions } = judged;
  if (questions.length > 0) return { verdict: 'undecided', questions, visitor };
  if (judged.verdict !== 'allow') {
    if (credential === null) return { verdict: 'sign_in', reason: 'no_credential' };
    return { verdict: 'deny', reason: judged.reason as Reason, visitor };
  }
  const end = endOfCertificate(account, { application, identity }, asking);
  const endsAt = Math.min(endOf(credential, visitor), end);
  return { verdict: 'allow', reason: 'policy_allow', visitor, endsAt };
}

/** What rests on a client certificate ends with it; who would be let in without it as well is not bound to it. */
export function endOfCertificate(
  { rules }: Pick<AccountState, 'rules'>,
  { application, identity }: { application: ApplicationState; identity: Identity },
  { surroundings: { ip, certificate }, answers }: Pick<Asking, 'surroundings' | 'answers'>,
): number {
  if (!certificate) return Number.POSITIVE_INFINITY;
  const surroundings = { ip, certificate: null };
  const without = rules.evaluate({ application, identity, surroundings, answers });
  const isBound = without.verdict !== 'allow' || without.questions.length > 0;
  return isBound ? certificate.endsAt : Number.POSITIVE_INFINITY;
}

type Found = { readonly visitor: Visitor } | { readonly reason: Reason };

function findVisitor(
  destination: Destination,
  credential: Credential | null,
  { now, surroundings: { certificate } }: Asking,
): Found {
  if (credential?.kind === 'session') return findPerson(destination, credential, now);
  if (credential) return findService(destination.account, credential, now);
  if (!certificate) return { reason: 'no_credential' };
  const { authorityId, commonName, endsAt: expiresAt } = certificate;
  const identity = destination.account.rules.certificateOf(certificate);
  return { visitor: { kind: 'certificate', identity, commonName, authorityId, expiresAt } };
}

/** Expiry, session, revocations of its lineage and of the application, binding, provider. */
function findPerson(
  { account, application }: Destination,
  { token, binding }: Extract<Credential, { kind: 'session' }>,
  now: number,
): Found {
  if (token.type !== 'app' || token.audience !== application.aud || !token.applicationRev) {
    return { reason: 'credential_of_another_application' };
  }
  const standing = standingSession(account, token, now);
  if ('reason' in standing) return standing;
  const ofApplication = account.lineages.ofApplication(application);
  if (!account.revocations.stands(token.applicationRev, ofApplication)) return { reason: 'revoked' };
  if (application.binding_cookie && !isBound(token, binding)) return { reason: 'binding_mismatch' };
  const { session } = standing;
  if (!allowsProvider(application, session.provider_id)) return { reason: 'provider_not_allowed' };
  return { visitor: { kind: 'user', session } };
}

function isBound({ binding: bound }: SessionToken, sent: string | null): boolean {
  return bound !== null && bound !== '' && sent !== null && equalInConstantTime(bound, sent);
}

/** Positive state (design §4.4): whoever is not in the list of those that live is refused. */
function findService(
  { serviceTokens }: AccountState,
  { clientId, secretHash }: Extract<Credential, { kind: 'service_token' }>,
  now: number,
): Found {
  const serviceToken = serviceTokens.get(clientId);
  if (!serviceToken || !hasSecret(serviceToken, secretHash, now)) return { reason: 'service_token_unknown' };
  const { expires_at: end } = serviceToken;
  if (end !== null && !(now < end)) return { reason: 'service_token_expired' };
  return { visitor: { kind: 'service', serviceToken } };
}

function hasSecret(token: ServiceTokenState, secretHash: string, now: number): boolean {
  const isCurrentOne = equalInConstantTime(token.secret_hash, secretHash);
  const { previous } = token;
  const isPrevious = previous !== null && equalInConstantTime(previous.secret_hash, secretHash);
  return isCurrentOne || (isPrevious && now < previous.expires_at);
}

/**
 * When what was admitted now has to be over by itself, in milliseconds since the epoch: expiry of the token, of
 * the session, of the service token or of its former secret, of the client certificate.
 */
export function endOf(credential: Credential | null, visitor: Visitor): number {
  if (visitor.kind === 'certificate') return visitor.expiresAt;
  if (credential === null) return 0;
  if (credential.kind === 'session' && visitor.kind === 'user') {
    return Math.min(credential.token.expiresAt, visitor.session.expires_at);
  }
  if (credential.kind !== 'service_token' || visitor.kind !== 'service') return 0;
  const { serviceToken: token } = visitor;
  const isCurrentOne = equalInConstantTime(token.secret_hash, credential.secretHash);
  const ends = [token.expires_at, isCurrentOne ? null : (token.previous?.expires_at ?? 0)];
  return Math.min(...ends.map((end) => end ?? Number.POSITIVE_INFINITY));
}

/** Which providers may sign people in is asked again at every request, like the policy. */
function allowsProvider({ allowed_idps: allowed }: ApplicationState, providerId: string): boolean {
  return allowed.length === 0 || allowed.includes(providerId);
}

/**
 * The reading by which a credential tells of more than this gate has applied, or null: the gate must catch up before
 * it judges. If that does not help, a commit is lost (design §4.9).
 */
export function aheadOf({ revocations: { head } }: AccountState, token: SessionToken): Rev | null {
  const revs = token.applicationRev ? [token.rev, token.applicationRev] : [token.rev];
  return revs.find((rev) => isBeyond(rev, head)) ?? null;
}
