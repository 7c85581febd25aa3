import type { SignInStateRow } from '../database/tables.ts';
import { SECOND } from '../kernel/clock.ts';
import type { ProvenIdentity } from './proven-identity.ts';
import { SignInRefused } from './refused.ts';

/** What the provider told, and whether one that never says when it asked is believed. */
interface Told {
  readonly proven: Pick<ProvenIdentity, 'authTime'>;
  readonly acceptsStaleLogin: boolean;
}

type Begun = Pick<SignInStateRow, 'fresh_login' | 'created_at'>;

/** Providers tell times in whole seconds, cut off. */
const ROUNDING = SECOND;

/**
 * After a revocation the provider's own session must not sign the browser in again by itself: the first
 * sign-in asks for a fresh login and is held to it by `auth_time` (schedule 22).
 */
export function refuseStale(told: Told, state: Begun): void {
  if (state.fresh_login !== 1) throw new SignInRefused('reauthenticate');
  if (!isFresh(told, state)) throw new SignInRefused('not_reauthenticated');
}

/** Whether the provider was to ask the person anew, and did, as far as it says such things. */
export function isFresh({ proven, acceptsStaleLogin }: Told, state: Begun): boolean {
  if (state.fresh_login !== 1) return false;
  if (proven.authTime === null) return acceptsStaleLogin;
  return proven.authTime * 1000 >= Date.parse(state.created_at) - ROUNDING;
}
