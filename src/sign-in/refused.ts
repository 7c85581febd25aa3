/**
 * Why a sign-in did not end in a session. A closed list: the log and `failed_logins` have it; the page says
 * only what the person can act on.
 */
export type RefusedReason =
  | 'restored_database'
  | 'destination_unknown'
  | 'state_unknown'
  | 'state_expired'
  | 'state_of_another_browser'
  | 'superseded'
  | 'reauthenticate'
  | 'not_reauthenticated'
  | 'provider_refused'
  | 'provider_unavailable'
  | 'provider_answer_invalid'
  | 'email_missing'
  | 'email_unverified'
  | 'email_changed'
  | 'subject_mismatch'
  | 'link_refused'
  | 'policy_deny'
  | 'no_policy_matched'
  | 'session_ended'
  | 'hand_off_invalid';

/** A sign-in refused for an expected reason; whatever it had begun is undone. */
export class SignInRefused extends Error {
  readonly reason: RefusedReason;
  /** How the sign-in could be begun again, where that is known. */
  readonly resume: Resumption | null;

  constructor(reason: RefusedReason, { cause, resume }: { cause?: unknown; resume?: Resumption } = {}) {
    super(reason, cause === undefined ? {} : { cause });
    this.name = 'SignInRefused';
    this.reason = reason;
    this.resume = resume ?? null;
  }
}

/** What a sign-in was begun with. */
export interface Resumption {
  readonly providerId: string;
  readonly applicationId: string | null;
  readonly returnTo: string;
}

/** Refusals after which the person is simply sent to sign in again, with a fresh reading of the feed. */
export function startsAgain(reason: RefusedReason): boolean {
  return reason === 'superseded' || reason === 'reauthenticate';
}
