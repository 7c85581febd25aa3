import { isDeepStrictEqual } from 'node:util';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { isOff, refuseAsked } from '../../kernel/off.ts';
import { below } from '../../kernel/result.ts';
import { azureAdKind } from './kind-azure-ad.ts';
import { githubKind } from './kind-github.ts';
import { googleAppsKind, googleKind } from './kind-google.ts';
import { oidcKind } from './kind-oidc.ts';
import { oktaKind } from './kind-okta.ts';
import { oneTimePinKind } from './kind-one-time-pin.ts';
import { samlKind } from './kind-saml.ts';
import {
  type Found,
  invalidConfig,
  type KnownProvider,
  type ProviderInput,
  type ProviderKind,
  type Settings,
} from './provider-kind.ts';

/** A body that was checked, and whose issuer answers. */
export interface ExaminedProvider extends KnownProvider {
  readonly name: string;
  /** null leaves the one that is stored. */
  readonly secret: string | null;
}

const KINDS: ReadonlyMap<string, ProviderKind> = new Map<string, ProviderKind>([
  ['oidc', oidcKind],
  ['google', googleKind],
  ['google-apps', googleAppsKind],
  ['azureAD', azureAdKind],
  ['okta', oktaKind],
  ['github', githubKind],
  ['saml', samlKind],
  ['onetimepin', oneTimePinKind],
]);

/** Those of Cloudflare's types that are not here (reference §3.5). */
const LATER_TYPES = new Set([
  'centrify',
  'facebook',
  'linkedin',
  'onelogin',
  'pingone',
  'yandex',
  'cloudflare',
]);

/** Where nothing can be hidden in one: the secrets of types that have none are refused as well. */
const SECRET = 'client_secret';

/**
 * Checks a body and finds its issuer. Talks to the provider, so never inside a transaction; what is pointed
 * where `known` is needs no finding, and can be renamed while the provider is down. Throws a 400 with pointers.
 */
export async function examineProvider(
  input: ProviderInput,
  { known, now }: { known: KnownProvider | null; now: number },
): Promise<ExaminedProvider> {
  const { type, name, config } = input;
  refuseType(type, known);
  const kind = kindOf(type);
  refuseUnsupported(input, kind);
  if (kind.hasSecret && !known && config.client_secret === undefined) throw secretRequired('is required');
  const { issuer, settings }: Found = await kind.examine({ type, config, known, now });
  const secret = kind.hasSecret ? (config.client_secret ?? null) : '';
  return { type, name, issuer, settings, secret };
}

/** How providers of this type are configured. The type is that of a row, or was checked. */
export function kindOf(type: string): ProviderKind {
  const kind = KINDS.get(type);
  if (!kind) throw new TypeError(`no identity provider is of the type ${type}`);
  return kind;
}

function refuseType(type: string, known: KnownProvider | null): void {
  if (known && known.type !== type) {
    const message = `is ${known.type} for good; add another identity provider instead`;
    throw invalidConfig([{ pointer: '/type', message }]);
  }
  if (KINDS.has(type)) return;
  if (LATER_TYPES.has(type)) {
    throw refusal('notSupported', { detail: `identity providers of type ${type} yet`, pointer: '/type' });
  }
  throw invalidConfig([{ pointer: '/type', message: `must be one of ${[...KINDS.keys()].join(', ')}` }]);
}

function refuseUnsupported(input: ProviderInput, kind: ProviderKind): void {
  const { type, config } = input;
  refuseAsked(input, ['scim_config', 'saml_certificate_set_id', 'read_only']);
  refuseAsked(config, kind.refused, '/config');
  const names = new Set([...kind.names, ...kind.refused, ...(kind.hasSecret ? [SECRET] : [])]);
  const problems = Object.entries(config)
    .filter(([name, value]) => !names.has(name) && !isOff(value))
    .map(([name]) => ({ pointer: below('/config', name), message: `a setting that ${type} does not have` }));
  if (config.pkce_enabled === false)
    problems.push({ pointer: '/config/pkce_enabled', message: 'sign-in without PKCE' });
  if (problems.length > 0) throw invalidInput(problems.slice(0, 20), 'notSupported');
}

/** Whether what was proven through the provider was proven by somebody, or for somebody, else than now. */
export function isRepointed(before: KnownProvider, now: KnownProvider): boolean {
  const { proofOf } = kindOf(now.type);
  return before.issuer !== now.issuer || !isDeepStrictEqual(proofOf(before.settings), proofOf(now.settings));
}

/** Names of the claims that policies could ask about, and that are told no more, or only now. */
export function changedClaims(before: KnownProvider, now: KnownProvider) {
  const { claimsOf } = kindOf(now.type);
  const [had, has] = [claimsOf(before.settings), claimsOf(now.settings)];
  return {
    dropped: had.filter((name) => !has.includes(name)),
    added: has.filter((name) => !had.includes(name)),
  };
}

/** The stored secret is sent to nobody but those it was given for: it is asked for anew if they change. */
export function refuseLeak(before: KnownProvider, { issuer, settings }: KnownProvider): void {
  if (before.issuer === issuer && tokenUrlOf(before.settings) === tokenUrlOf(settings)) return;
  throw secretRequired('must be sent again when the issuer or token_url change');
}

function tokenUrlOf(settings: Settings & { readonly token_url?: unknown }): unknown {
  return settings.token_url;
}

export function secretRequired(message: string) {
  return invalidConfig([{ pointer: `/config/${SECRET}`, message }]);
}
