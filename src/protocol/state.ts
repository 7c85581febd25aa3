import type { DeviceFacts, OsVersionInput, PostureRule } from '../policy/posture.ts';
import type { Claims, NamedListType, Policy, RuleLists } from '../policy/rules.ts';
import type { RevClaim } from './rev.ts';

export type { DeviceFacts, OsVersionInput };

/**
 * What a gate knows of an object, as it travels in the feed and in snapshots. Each is the whole newest state;
 * null in its place means that the object is gone. Durations are in milliseconds.
 */
export interface OrganizationState {
  readonly name: string;
  /** Host, with port where it is not the scheme's own, of the team domain. */
  readonly auth_domain: string;
  readonly session_duration: number;
  /** Whether a person is sent straight to the provider where there is but one. */
  readonly auto_redirect_to_identity: boolean;
  /** As `strict_service_tokens` of every application. */
  readonly strict_service_tokens: boolean;
  /** Whether a device session may be a credential at all; each application says it for itself as well. */
  readonly allow_authenticate_via_warp: boolean;
  /** Whether what leads to no application is denied; if not, it is let through below the account's zones. */
  readonly deny_unmatched_requests: boolean;
  /** Names of zones below which it is let through all the same. */
  readonly unmatched_exempted_zones: readonly string[];
  /** Names of the account's zones. */
  readonly zones: readonly string[];
  readonly design: DesignState;
  /** Custom pages of the organization, by id; null for ours. */
  readonly custom_pages: { readonly forbidden: string | null; readonly identity_denied: string | null };
}

/** What an organization's pages look like; null leaves it to us. */
export interface DesignState {
  readonly header_text: string | null;
  readonly footer_text: string | null;
  /** An https URL. */
  readonly logo: string | null;
  /** `#rrggbb`. */
  readonly text_color: string | null;
  readonly background_color: string | null;
}

/** A reusable policy; its precedence is each application's. */
export type PolicyState = Omit<Policy, 'precedence'>;

/** An application's use of a reusable policy. */
export interface PolicyLink {
  readonly reusable: string;
  readonly precedence: number;
}

/** An Access group. */
export interface GroupState extends RuleLists {
  readonly id: string;
  readonly name: string;
}

/** A list that rules name: e-mails (normalised), address blocks (CIDR), serial numbers (folded), or ids of devices. */
export interface ListState {
  readonly id: string;
  readonly type: NamedListType;
  readonly items: readonly string[];
}

/** An authority whose client certificates count, on some hosts. */
export interface CertificateState {
  readonly id: string;
  readonly name: string;
  /** PEM. */
  readonly certificate: string;
  /** SHA-256 of its DER form, in lower-case hex. */
  readonly fingerprint: string;
  /** Milliseconds since the epoch. */
  readonly expires_at: number;
  /** Host names, in lower case. */
  readonly hostnames: readonly string[];
}

export interface CustomPageState {
  readonly id: string;
  readonly type: string;
  readonly html: string;
}

export interface ApplicationState {
  readonly id: string;
  readonly aud: string;
  readonly name: string;
  readonly type: string;
  readonly session_duration: number | null;
  readonly destinations: readonly DestinationState[];
  readonly policies: readonly (Policy | PolicyLink)[];
  /** Providers that may sign people in; empty for all. */
  readonly allowed_idps: readonly string[];
  readonly auto_redirect_to_identity: boolean;
  readonly http_only_cookie: boolean;
  readonly same_site_cookie: 'none' | 'lax' | 'strict' | null;
  /** Whether a token counts only together with the cookie `CF_Binding` that came with it. */
  readonly binding_cookie: boolean;
  /** A header, in lower case, in which a service token may come as one JSON object; null: in none. */
  readonly service_token_header: string | null;
  /** Nobody is ever sent to sign in: 401 for whoever is not known, 403 for whoever may not. */
  readonly strict_service_tokens: boolean;
  /** A service token that may not is told 401 and not 403. */
  readonly service_auth_401: boolean;
  /** Whether a device session is a credential here, where the organization says so too. */
  readonly allow_authenticate_via_warp: boolean;
  readonly app_launcher_visible: boolean;
  readonly logo_url: string | null;
  /** What a denied person is told instead of our words. */
  readonly deny_message: string | null;
  /** Where a denied person is sent instead. */
  readonly deny_url: string | null;
  /** Where anybody else who is denied is sent. */
  readonly non_identity_deny_url: string | null;
  /** Custom pages of the application, by id; in their place, the organization's. */
  readonly custom_pages: readonly string[];
}

/** A part of a host that belongs to an application, and the server behind it. */
export interface DestinationState {
  /** In lower case, with the port if given. */
  readonly host: string;
  /** Without a slash at its end; '' for the whole host. */
  readonly path: string;
  /** Origin, as `http://127.0.0.1:3000`; null where only a foreign proxy leads on, by forward-auth. */
  readonly upstream: string | null;
}

/** A service token that lives: enabled and not deleted. Times are milliseconds since the epoch. */
export interface ServiceTokenState {
  readonly id: string;
  readonly client_id: string;
  readonly name: string;
  /** SHA-256 of the secret, in hex. */
  readonly secret_hash: string;
  /** The secret before the last rotation, for as long as it is still accepted. */
  readonly previous: { readonly secret_hash: string; readonly expires_at: number } | null;
  /** null: it has no end. */
  readonly expires_at: number | null;
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
  /** Of the identity, as its provider told last: policies are evaluated on what is, not on what was. */
  readonly claims: Claims;
  /** How the person proved themselves at this sign-in (RFC 8176). */
  readonly amr: readonly string[];
}

/**
 * An enrolled device that has a device session: its registration lives, and its person has signed in on it, by a time
 * that has not run out and that nothing has ended since. One that has none is not told of. Times are milliseconds since
 * the epoch.
 */
export interface RegistrationState {
  readonly id: string;
  /** Whose it is; it says nothing of anybody else. */
  readonly user_id: string;
  /** The physical device. */
  readonly device_id: string;
  /** JWK thumbprint of its key (RFC 7638, SHA-256, base64url). */
  readonly thumbprint: string;
  /** The key with which it proves itself at each request (RFC 9449). */
  readonly jwk: { readonly kty: 'EC'; readonly crv: 'P-256'; readonly x: string; readonly y: string };
  /** When its device session was begun: after it nothing of the registration was revoked. */
  readonly rev: RevClaim;
  /** When the device session runs out. */
  readonly session_ends_at: number;
  /** The session that came with it, which counts as a credential where an application says so. */
  readonly session_nonce: string;
  /** What the device says of itself. */
  readonly facts: DeviceFacts;
}

/** A device posture rule, as it is evaluated. */
export type PostureRuleState = PostureRule;

/** A public key of the account: `session` keys sign what people carry, `gate` keys what applications get. */
export interface KeyState {
  readonly kid: string;
  readonly purpose: 'session' | 'gate';
  /**
   * `next` is published and does not sign yet, `current` signs, `former` signs no more; what is signed by any of
   * them is verified with it.
   */
  readonly stage: 'next' | 'current' | 'former';
  readonly jwk: { readonly kty: string; readonly n: string; readonly e: string };
}
