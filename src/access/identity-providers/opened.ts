/*
 * Providers ready to sign people in with, secrets opened: what a row of `identity_providers` is to a sign-in. Several
 * of Cloudflare's types are of one kind: all that speak OpenID Connect are `oidc`.
 */

interface Opened {
  readonly id: string;
  /** Cloudflare's name of it, as `google`. */
  readonly type: string;
  readonly linkByEmail: boolean;
  /**
   * Whether the first sign-in after a revocation is taken from a provider that does not tell when it last asked the
   * person; otherwise that is refused (schedule 22).
   */
  readonly acceptsStaleLogin: boolean;
}

/** An OpenID provider. */
export interface OidcProvider extends Opened {
  readonly kind: 'oidc';
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly authUrl: string;
  readonly tokenUrl: string;
  readonly certsUrl: string;
  /** RP-initiated logout; null where the provider has none. */
  readonly endSessionUrl: string | null;
  /** Where it tells what its ID token leaves out; null where it has no such place. */
  readonly userInfoUrl: string | null;
  readonly scopes: readonly string[];
  /** Names of the claims that hold the e-mail: the first that is there counts. */
  readonly emailClaims: readonly string[];
  /** Names of further claims that policies may ask about. */
  readonly claims: readonly string[];
  /** What it is asked to show the person (`prompt`), where nothing else is needed; null: nothing. */
  readonly prompt: string | null;
  /** By which it is asked to authenticate the person again; Google knows no `login`. */
  readonly freshPrompt: 'login' | 'select_account';
  /** Google: the Workspace domain that the person must belong to (`hd`). */
  readonly hostedDomain: string | null;
  readonly answersWithIssuer: boolean;
}

/** GitHub, which speaks OAuth alone. */
export interface GithubProvider extends Opened {
  readonly kind: 'github';
  /** `https://github.com`, or an Enterprise server's own; the identity's issuer. */
  readonly issuer: string;
  readonly apiUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
}

/** A SAML 2.0 identity provider. */
export interface SamlProvider extends Opened {
  readonly kind: 'saml';
  /** Its entity id. */
  readonly issuer: string;
  /** Where requests are sent (HTTP redirect binding). */
  readonly ssoUrl: string;
  /** PEM, any of which may have signed. */
  readonly certificates: readonly string[];
  /** Names of attributes that policies may ask about. */
  readonly attributes: readonly string[];
  readonly emailAttribute: string | null;
  /** Whether the person is asked again at every sign-in, whatever session the provider has of its own. */
  readonly forceAuthn: boolean;
}

/** A one-time PIN by mail, from us. */
export interface PinProvider extends Opened {
  readonly kind: 'pin';
}

export type OpenedProvider = OidcProvider | GithubProvider | SamlProvider | PinProvider;
