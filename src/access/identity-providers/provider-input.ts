import type { Static } from 'typebox';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { refuseAsked } from '../../kernel/off.ts';
import { endpointProblem } from '../../kernel/outbound.ts';
import { below, type Problem } from '../../kernel/result.ts';
import type { IdentityProviderInput } from './contract.ts';
import { discover } from './discovery.ts';

export type ProviderInput = Static<typeof IdentityProviderInput>;

/** What is stored of a provider besides its issuer and its secret. */
export interface Settings {
  readonly client_id: string;
  readonly auth_url: string;
  readonly token_url: string;
  readonly certs_url: string;
  readonly scopes: readonly string[];
  readonly email_claim_name: string;
  readonly link_by_email: boolean;
  readonly answers_with_issuer: boolean;
}

/** A provider as it was known before: where it was found to be. */
export interface KnownProvider {
  readonly issuer: string;
  readonly settings: Settings;
}

/** A body that was checked, and whose issuer answers. */
export interface ExaminedProvider extends KnownProvider {
  readonly name: string;
  readonly type: string;
  /** null leaves the one that is stored. */
  readonly secret: string | null;
}

const ENDPOINTS = ['auth_url', 'token_url', 'certs_url'] as const;
const REQUIRED = ['client_id', ...ENDPOINTS] as const;
const KNOWN_SETTINGS = new Set<string>([
  ...REQUIRED,
  'client_secret',
  'issuer',
  'scopes',
  'claims',
  'email_claim_name',
  'pkce_enabled',
  'link_by_email',
]);

/** Reference §3.5. */
const LATER_TYPES = new Set([
  'onetimepin',
  'azureAD',
  'saml',
  'centrify',
  'facebook',
  'github',
  'google-apps',
  'google',
  'linkedin',
  'okta',
  'onelogin',
  'pingone',
  'yandex',
  'cloudflare',
]);

type RequiredSettings = Pick<Settings, (typeof REQUIRED)[number]>;

/**
 * Checks a body and finds its issuer. Talks to the provider, so never inside a transaction; what is pointed
 * where `known` is needs no finding, and can be renamed while the provider is down. Throws a 400 with pointers.
 */
export async function examineProvider(
  input: ProviderInput,
  known: KnownProvider | null = null,
): Promise<ExaminedProvider> {
  refuseType(input.type);
  refuseUnsupported(input);
  const required = readRequired(input, known);
  const { issuer, answersWithIssuer } = isSamePlace(input, known)
    ? placeOf(known)
    : await find(input, required);
  const { config } = input;
  return {
    name: input.name,
    type: input.type,
    issuer,
    secret: config.client_secret ?? null,
    settings: {
      ...required,
      scopes: config.scopes ?? ['openid', 'email', 'profile'],
      email_claim_name: config.email_claim_name ?? 'email',
      link_by_email: config.link_by_email ?? false,
      answers_with_issuer: answersWithIssuer,
    },
  };
}

function refuseType(type: string): void {
  if (type === 'oidc') return;
  if (LATER_TYPES.has(type)) {
    throw refusal('notSupported', { detail: `identity providers of type ${type} yet`, pointer: '/type' });
  }
  throw invalid([{ pointer: '/type', message: 'must be oidc' }]);
}

function refuseUnsupported(input: ProviderInput): void {
  refuseAsked(input, ['scim_config', 'saml_certificate_set_id', 'read_only']);
  refuseAsked(input.config, ['claims'], '/config');
  const unknown = Object.keys(input.config).filter((name) => !KNOWN_SETTINGS.has(name));
  const problems = unknown.map((name) => ({
    pointer: below('/config', name),
    message: 'a setting that oidc does not have',
  }));
  if (input.config.pkce_enabled === false) {
    problems.push({ pointer: '/config/pkce_enabled', message: 'sign-in without PKCE' });
  }
  if (problems.length > 0) throw invalidInput(problems.slice(0, 20), 'notSupported');
}

function readRequired({ config }: ProviderInput, known: KnownProvider | null): RequiredSettings {
  const problems: Problem[] = [];
  const read = (name: (typeof REQUIRED)[number]): string => {
    const value = config[name];
    if (value === undefined) problems.push({ pointer: `/config/${name}`, message: 'is required' });
    return value ?? '';
  };
  const [client_id, auth_url, token_url, certs_url] = [
    read('client_id'),
    read('auth_url'),
    read('token_url'),
    read('certs_url'),
  ];
  if (!known && config.client_secret === undefined) {
    problems.push({ pointer: '/config/client_secret', message: 'is required' });
  }
  problems.push(...endpointProblems(config), ...scopeProblems(config.scopes ?? []));
  if (problems.length > 0) throw invalid(problems);
  return { client_id, auth_url, token_url, certs_url };
}

function endpointProblems(config: ProviderInput['config']): Problem[] {
  return [...ENDPOINTS, 'issuer' as const].flatMap((name) => {
    const url = config[name];
    const message = url === undefined ? null : (endpointProblem(url) ?? queryProblem(name, url));
    return message === null ? [] : [{ pointer: `/config/${name}`, message }];
  });
}

/** OpenID Connect Discovery §3: an issuer has no query. */
function queryProblem(name: string, url: string): string | null {
  return name === 'issuer' && url.includes('?') ? 'must not have a query' : null;
}

/** RFC 6749 §3.3: scopes travel joined by spaces. */
function scopeProblems(scopes: readonly string[]): Problem[] {
  return scopes.flatMap((scope, index) =>
    /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope)
      ? []
      : [{ pointer: `/config/scopes/${index}`, message: 'is not a scope' }],
  );
}

function isSamePlace({ config }: ProviderInput, known: KnownProvider | null): known is KnownProvider {
  if (!known) return false;
  const sameIssuer = config.issuer === undefined || config.issuer === known.issuer;
  return sameIssuer && ENDPOINTS.every((name) => config[name] === known.settings[name]);
}

function placeOf({ issuer, settings }: KnownProvider) {
  return { issuer, answersWithIssuer: settings.answers_with_issuer };
}

async function find({ config: { issuer } }: ProviderInput, at: RequiredSettings) {
  const endpoints = { authUrl: at.auth_url, tokenUrl: at.token_url, certsUrl: at.certs_url };
  const found = await discover(endpoints, issuer ?? null);
  if (found) return found;
  const message =
    'no OpenID discovery document was found here that names exactly this auth_url, token_url and certs_url';
  const advice = issuer ? '' : '; give config.issuer if it lies elsewhere';
  throw invalid([{ pointer: issuer ? '/config/issuer' : '/config/auth_url', message: message + advice }]);
}

/** Whether what was proven through the provider was proven by somebody, or for somebody, else than now. */
export function isRepointed(before: KnownProvider, now: KnownProvider): boolean {
  const names = [...REQUIRED, 'email_claim_name'] as const;
  return before.issuer !== now.issuer || names.some((name) => before.settings[name] !== now.settings[name]);
}

/** The stored secret is sent to nobody but those it was given for: it is asked for anew if they change. */
export function refuseLeak(before: KnownProvider, { issuer, settings }: KnownProvider): void {
  if (before.issuer === issuer && before.settings.token_url === settings.token_url) return;
  throw secretRequired('must be sent again when issuer or token_url change');
}

export function secretRequired(message: string) {
  return invalid([{ pointer: '/config/client_secret', message }]);
}

function invalid(problems: readonly Problem[]) {
  return invalidInput(problems.slice(0, 20), 'invalidAccess');
}
