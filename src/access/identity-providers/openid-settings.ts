import { endpointProblem } from '../../kernel/outbound.ts';
import type { Problem } from '../../kernel/result.ts';
import { type Discovered, discoverIssuer } from './discovery.ts';
import type { OidcProvider } from './opened.ts';
import {
  type ConfigInput,
  type Examination,
  invalidConfig,
  type KnownProvider,
  nameProblems,
  type Openable,
  openCommon,
  readCommon,
  type Settings,
} from './provider-kind.ts';

/*
 * What all types that speak OpenID Connect have in common. Presets of a vendor find every endpoint from the issuer,
 * which follows from their settings or is given by `config.issuer` (ours: national clouds, tests).
 */

export interface OpenIdSettings extends Settings {
  readonly client_id: string;
  readonly auth_url: string;
  readonly token_url: string;
  readonly certs_url: string;
  readonly end_session_url: string | null;
  readonly userinfo_url: string | null;
  readonly scopes: readonly string[];
  readonly claims: readonly string[];
  readonly email_claim_name: string;
  readonly answers_with_issuer: boolean;
}

export const STANDARD_SCOPES = ['openid', 'email', 'profile'] as const;

/** What rows of before there were presets do not say. */
export const MISSING_OPENID = {
  accept_stale_login: false,
  claims: [],
  end_session_url: null,
  userinfo_url: null,
} as const satisfies Partial<OpenIdSettings>;

/** Where a provider is: the part of its settings that is found, and not given. */
export type Place = Pick<
  OpenIdSettings,
  | 'auth_url'
  | 'token_url'
  | 'certs_url'
  | 'end_session_url'
  | 'userinfo_url'
  | 'answers_with_issuer'
  | 'scopes'
>;

export function placeOf(found: Discovered, scopes: readonly string[]): Place {
  return {
    auth_url: found.authUrl,
    token_url: found.tokenUrl,
    certs_url: found.certsUrl,
    end_session_url: found.endSessionUrl,
    userinfo_url: found.userInfoUrl,
    answers_with_issuer: found.answersWithIssuer,
    scopes,
  };
}

/** The settings that are read alike for all of them. */
export function readClaimSettings(config: ConfigInput) {
  return {
    ...readCommon(config),
    claims: config.claims ?? [],
    email_claim_name: config.email_claim_name ?? 'email',
  };
}

/** Problems of what is read alike for all of them. */
export function openIdProblems(config: ConfigInput): Problem[] {
  return [...urlProblems(config, ['issuer']), ...nameProblems(config, 'claims')];
}

type UrlName =
  | 'auth_url'
  | 'token_url'
  | 'certs_url'
  | 'issuer'
  | 'okta_account'
  | 'base_url'
  | 'sso_target_url';

/** Of URLs that we call or send a browser to; one that others are built from has no query. */
export function urlProblems(config: ConfigInput, names: readonly UrlName[]): Problem[] {
  return names.flatMap((name) => {
    const url = config[name];
    const message = url === undefined ? null : (endpointProblem(url) ?? queryProblem(name, url));
    return message === null ? [] : [{ pointer: `/config/${name}`, message }];
  });
}

const WITHOUT_QUERY: ReadonlySet<UrlName> = new Set(['issuer', 'okta_account', 'base_url']);

/** OpenID Connect Discovery §3: an issuer has no query. */
function queryProblem(name: UrlName, url: string): string | null {
  return WITHOUT_QUERY.has(name) && url.includes('?') ? 'must not have a query' : null;
}

/**
 * Finds the endpoints of a preset. What is pointed where it was needs no finding, and can be renamed while the
 * provider is down; with the secret sent again its endpoints are looked for, too. Throws a 400.
 */
export async function findPreset(
  { config, known }: Examination<OpenIdSettings>,
  { issuer, pointer, scopes }: { issuer: string; pointer: string; scopes: readonly string[] },
): Promise<Place> {
  const before = known?.issuer === issuer ? known.settings : null;
  if (before && config.client_secret === undefined) return pickPlace(before);
  const found = await discoverIssuer(issuer);
  if (found) return placeOf(found, offered(found, scopes));
  if (before) return pickPlace(before);
  const message = `no OpenID discovery document was found below ${issuer} that names exactly this issuer`;
  throw invalidConfig([{ pointer, message }]);
}

/** A provider that says which scopes it has is not asked for others. */
function offered({ scopes }: Discovered, wanted: readonly string[]): string[] {
  return wanted.filter((scope) => scope === 'openid' || scopes === null || scopes.includes(scope));
}

export function pickPlace(settings: OpenIdSettings): Place {
  const { auth_url, token_url, certs_url, end_session_url, userinfo_url, answers_with_issuer, scopes } =
    settings;
  return { auth_url, token_url, certs_url, end_session_url, userinfo_url, answers_with_issuer, scopes };
}

/** What is answered of all of them; `usual` is the issuer that follows from the settings, which is not repeated. */
export function presentOpenId({ issuer, settings }: KnownProvider<OpenIdSettings>, usual: string | null) {
  return {
    client_id: settings.client_id,
    claims: [...settings.claims],
    email_claim_name: settings.email_claim_name,
    ...(issuer === usual ? {} : { issuer }),
    link_by_email: settings.link_by_email,
    accept_stale_login: settings.accept_stale_login,
  };
}

/** What a sign-in through it needs, where nothing is special. */
export function openOpenId(provider: Openable<OpenIdSettings>): OidcProvider {
  const { issuer, settings, secret } = provider;
  return {
    kind: 'oidc',
    ...openCommon(provider),
    issuer,
    clientId: settings.client_id,
    clientSecret: secret,
    authUrl: settings.auth_url,
    tokenUrl: settings.token_url,
    certsUrl: settings.certs_url,
    endSessionUrl: settings.end_session_url,
    userInfoUrl: settings.userinfo_url,
    // Without it there would be no ID token; what was written is answered as it was.
    scopes: [...new Set(['openid', ...settings.scopes])],
    emailClaims: [settings.email_claim_name],
    claims: settings.claims,
    prompt: null,
    freshPrompt: 'login',
    hostedDomain: null,
    answersWithIssuer: settings.answers_with_issuer,
  };
}
