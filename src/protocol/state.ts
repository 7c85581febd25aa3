import type { Policy } from '../policy/rules.ts';
import type { RevClaim } from './rev.ts';

/**
 * What a gate knows of an object, as it travels in the feed and in snapshots. Each is the whole newest state;
 * null in its place means that the object is gone. Durations are in milliseconds.
 */
export interface OrganizationState {
  readonly name: string;
  /** Host, with port where it is not the scheme's own, of the team domain. */
  readonly auth_domain: string;
  readonly session_duration: number;
}

export interface ApplicationState {
  readonly id: string;
  readonly aud: string;
  readonly name: string;
  readonly type: string;
  readonly session_duration: number | null;
  /** Host in lower case with port if given; path without trailing slash, '' for the whole host. */
  readonly destinations: readonly { readonly host: string; readonly path: string }[];
  readonly policies: readonly Policy[];
  /** Providers that may sign people in; empty for all. */
  readonly allowed_idps: readonly string[];
  readonly auto_redirect_to_identity: boolean;
  readonly http_only_cookie: boolean;
  readonly same_site_cookie: 'none' | 'lax' | 'strict' | null;
}

export interface ProviderState {
  readonly id: string;
  readonly type: string;
  readonly name: string;
}

export interface SessionState {
  readonly nonce: string;
  readonly user_id: string;
  /** The normalised key: what policies are evaluated on. */
  readonly email: string;
  readonly provider_id: string;
  readonly issuer: string;
  readonly subject: string;
  readonly expires_at: number;
  readonly rev: RevClaim;
}

/** A public key of the account: `session` keys sign what people carry, `gate` keys what applications get. */
export interface KeyState {
  readonly kid: string;
  readonly purpose: 'session' | 'gate';
  readonly jwk: { readonly kty: string; readonly n: string; readonly e: string };
}
