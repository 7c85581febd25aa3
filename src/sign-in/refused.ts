import type { ApplicationState } from '../protocol/state.ts';

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
  | 'user_blocked'
  | 'seat_limit'
  | 'form_invalid'
  | 'pin_wrong'
  | 'pin_used_up'
  | 'pin_expired'
  | 'policy_deny'
  | 'no_policy_matched'
  | 'session_ended'
  | 'hand_off_invalid';

/** A sign-in refused for an expected reason; whatever it had begun is undone. */
export class SignInRefused extends Error {
  readonly reason: RefusedReason;
  /** How the sign-in could be begun again, where that is known. */
  readonly resume: Resumption | null;
  /** The application that the person is denied, where policies said so; it has a say in what is shown. */
  readonly denied: ApplicationState | null;
  /** Who the person said they are, where that was not proven. */
  readonly email: string | null;

  constructor(reason: RefusedReason, { cause, resume, denied, email }: RefusedWith = {}) {
    super(reason, cause === undefined ? {} : { cause });
    this.name = 'SignInRefused';
    this.reason = reason;
    this.resume = resume ?? null;
    this.denied = denied ?? null;
    this.email = email ?? null;
  }
}

interface RefusedWith {
  cause?: unknown;
  resume?: Resumption;
  denied?: ApplicationState;
  email?: string;
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

/** A refusal of what a provider said; the reason goes to the log and to no page. */
export function invalidAnswer(why: string): SignInRefused {
  return new SignInRefused('provider_answer_invalid', { cause: new Error(why) });
}
