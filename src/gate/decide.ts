import { equalInConstantTime } from '../kernel/crypto.ts';
import type { Answers } from '../policy/evaluate.ts';
import type { ExternalQuestion, Identity } from '../policy/rules.ts';
import type { SessionToken } from '../protocol/claims.ts';
import { isBeyond, type Rev } from '../protocol/rev.ts';
import type { ApplicationState } from '../protocol/state.ts';
import type { Whence } from './client-certificate.ts';
import { type DeviceClaim, ownDevice } from './device.ts';
import { findVisitor } from './find-visitor.ts';
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
  | 'proof_invalid'
  | 'proof_replayed'
  | 'device_unknown'
  | 'device_session_ended'
  | 'device_of_another'
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
    }
  /** A device whose key was proven, by its registration's id; its device session is what admits. */
  | { readonly kind: 'device'; readonly registrationId: string };

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

/** What a verdict rests on beside the credential. */
export interface Asking {
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly surroundings: Whence;
  /** The registration that the request was proven to come from, whosever it is; null: it brought no proof. */
  readonly device: DeviceClaim | null;
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
  const { answers } = asking;
  const surroundings = whenceOf(asking, visitor);
  const identity = identityOf(account.rules, visitor);
  const judged = account.rules.evaluate({ application, identity, surroundings, answers });
  const { questions } = judged;
  if (questions.length > 0) return { verdict: 'undecided', questions, visitor };
  if (judged.verdict !== 'allow') {
    if (credential === null) return { verdict: 'sign_in', reason: 'no_credential' };
    return { verdict: 'deny', reason: whyDenied(judged.reason as Reason, asking, visitor), visitor };
  }
  const end = endOfWhence(account, { application, identity }, { surroundings, answers });
  const endsAt = Math.min(endOf(credential, visitor), endOfDevice(credential, asking), end);
  return { verdict: 'allow', reason: 'policy_allow', visitor, endsAt };
}

/** Where a request comes from, with the device where it is the visitor's own. */
function whenceOf({ surroundings, device }: Asking, visitor: Visitor): Whence {
  const own = visitor.kind === 'user' ? ownDevice(device, visitor.session.user_id) : null;
  return own ? { ...surroundings, device: own } : surroundings;
}

/** Where a proof came that does not count, that is what the log has to say of somebody whom nothing lets in. */
function whyDenied(reason: Reason, { device }: Asking, visitor: Visitor): Reason {
  if (device === null || reason !== 'no_policy_matched') return reason;
  if ('reason' in device) return device.reason;
  return visitor.kind === 'user' && visitor.registrationId !== undefined ? reason : 'device_of_another';
}

/**
 * What rests on a client certificate, or on a device session, ends with it; who would be let in without it as well is not
 * bound to it. Where one of the two is enough it is the later of them, in milliseconds since the epoch.
 */
export function endOfWhence(
  { rules }: Pick<AccountState, 'rules'>,
  { application, identity }: { application: ApplicationState; identity: Identity },
  { surroundings, answers }: Pick<Asking, 'surroundings' | 'answers'>,
): number {
  const { certificate, device } = surroundings;
  if (!certificate && !device) return Number.POSITIVE_INFINITY;
  const allows = (without: Partial<Whence>) => {
    const judged = rules.evaluate({
      application,
      identity,
      answers,
      surroundings: { ...surroundings, ...without },
    });
    return judged.verdict === 'allow' && judged.questions.length === 0;
  };
  const ends = [certificate?.endsAt, device?.session_ends_at].filter((end) => end !== undefined);
  const first = Math.min(...ends);
  if (certificate && device) {
    if (!allows(certificate.endsAt === first ? { certificate: null } : { device: null })) return first;
  }
  return allows({ certificate: null, device: null }) ? Number.POSITIVE_INFINITY : Math.max(...ends);
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
  if (credential.kind === 'device' && visitor.kind === 'user') return visitor.session.expires_at;
  if (credential.kind !== 'service_token' || visitor.kind !== 'service') return 0;
  const { serviceToken: token } = visitor;
  const isCurrentOne = equalInConstantTime(token.secret_hash, credential.secretHash);
  const ends = [token.expires_at, isCurrentOne ? null : (token.previous?.expires_at ?? 0)];
  return Math.min(...ends.map((end) => end ?? Number.POSITIVE_INFINITY));
}

/** What a device session admitted is over with that, beside the session that came with it. */
function endOfDevice(credential: Credential | null, { device }: Asking): number {
  if (credential?.kind !== 'device') return Number.POSITIVE_INFINITY;
  return device && 'registration' in device ? device.registration.session_ends_at : 0;
}

/**
 * The reading by which a credential tells of more than this gate has applied, or null: the gate must catch up before
 * it judges. If that does not help, a commit is lost (design §4.9).
 */
export function aheadOf({ revocations: { head } }: AccountState, token: SessionToken): Rev | null {
  const revs = token.applicationRev ? [token.rev, token.applicationRev] : [token.rev];
  return revs.find((rev) => isBeyond(rev, head)) ?? null;
}
