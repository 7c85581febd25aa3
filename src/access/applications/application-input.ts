import type { Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { parseDuration } from '../../kernel/duration.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { isOff } from '../../kernel/off.ts';
import { collect, type Problem } from '../../kernel/result.ts';
import { type ApplicationInput as Contract, PolicyInput as PolicyContract } from './contract.ts';
import { type Destination, parseDestination } from './destinations.ts';
import { checkPolicy, type PolicyInput } from './policy-input.ts';

export type ApplicationInput = Static<typeof Contract>;

/** What a body asks for, checked by itself. */
export interface ReadApplication {
  readonly name: string;
  readonly sessionDuration: string | null;
  readonly destinations: readonly Destination[];
  /** null leaves the policies as they are. */
  readonly policies: readonly PolicyInput[] | null;
  readonly settings: {
    readonly allowed_idps: readonly string[];
    readonly auto_redirect_to_identity: boolean;
    readonly app_launcher_visible: boolean;
    readonly http_only_cookie_attribute: boolean;
    readonly same_site_cookie_attribute: 'none' | 'lax' | 'strict' | null;
    readonly logo_url: string | null;
  };
}

const MOST_DESTINATIONS = 5;

/** Settings of an application that come later, accepted only where they ask for nothing. */
const NOT_YET = [
  'allow_authenticate_via_warp',
  'allow_iframe',
  'cors_headers',
  'custom_deny_message',
  'custom_deny_url',
  'custom_non_identity_deny_url',
  'custom_pages',
  'eager_redirect_cookie_setting',
  'enable_binding_cookie',
  'mfa_config',
  'oauth_configuration',
  'options_preflight_bypass',
  'path_cookie_attribute',
  'read_service_tokens_from_header',
  'scim_config',
  'service_auth_401_redirect',
  'skip_interstitial',
  'tags',
  'use_clientless_isolation_app_launcher_url',
] as const;

/** Reads a body; refuses it with every fault, or with the first thing that is not supported yet. */
export function readApplication(input: ApplicationInput): ReadApplication {
  refuseUnsupported(input);
  const destinations = readDestinations(input);
  const problems = [...settingProblems(input)];
  if (problems.length > 0) throw invalidInput(problems, 'invalidAccess');
  return {
    name: input.name ?? destinations[0]?.uri ?? '',
    sessionDuration: input.session_duration ?? null,
    destinations,
    policies: input.policies ? readPolicies(input.policies) : null,
    settings: {
      allowed_idps: input.allowed_idps ?? [],
      auto_redirect_to_identity: input.auto_redirect_to_identity ?? false,
      app_launcher_visible: input.app_launcher_visible ?? true,
      http_only_cookie_attribute: input.http_only_cookie_attribute ?? true,
      same_site_cookie_attribute: readSameSite(input.same_site_cookie_attribute),
      logo_url: input.logo_url || null,
    },
  };
}

function refuseUnsupported(input: ApplicationInput): void {
  if (input.type !== 'self_hosted') {
    const detail = `applications of type ${input.type} yet; self_hosted is`;
    throw refusal('notSupported', { detail, pointer: '/type' });
  }
  const asked = NOT_YET.find((name) => !isOff(input[name]));
  if (asked) throw refusal('notSupported', { detail: `${asked} yet`, pointer: `/${asked}` });
}

/** `destinations` is the truth; `domain`, or `self_hosted_domains`, counts when it comes alone (decisions). */
function readDestinations(input: ApplicationInput): Destination[] {
  const uris = urisOf(input);
  if (uris.length === 0) throw invalid([{ pointer: '/domain', message: 'is required' }]);
  if (uris.length > MOST_DESTINATIONS) {
    throw invalid([
      { pointer: uris[0]?.pointer ?? '', message: `has more than ${MOST_DESTINATIONS} entries` },
    ]);
  }
  const reading = collect(uris.map(({ uri, pointer }) => parseDestination(uri, pointer)));
  if (!reading.ok) throw invalid(reading.problems);
  refuseRepeated(reading.value, uris);
  refuseOtherDomain(input, reading.value);
  return reading.value;
}

function urisOf({ destinations, self_hosted_domains: domains, domain }: ApplicationInput) {
  if (destinations?.length) {
    return destinations.map(({ type = 'public', uri }, index) => {
      const pointer = `/destinations/${index}`;
      if (type !== 'public')
        throw refusal('notSupported', { detail: `${type} destinations yet`, pointer: `${pointer}/type` });
      if (uri === undefined) throw invalid([{ pointer: `${pointer}/uri`, message: 'is required' }]);
      return { uri, pointer: `${pointer}/uri` };
    });
  }
  if (domains?.length)
    return domains.map((uri, index) => ({ uri, pointer: `/self_hosted_domains/${index}` }));
  return domain === undefined ? [] : [{ uri: domain, pointer: '/domain' }];
}

function refuseRepeated(destinations: readonly Destination[], uris: readonly { pointer: string }[]): void {
  const seen = new Set<string>();
  for (const [index, { uri }] of destinations.entries()) {
    if (seen.has(uri)) throw invalid([{ pointer: uris[index]?.pointer ?? '', message: 'is given twice' }]);
    seen.add(uri);
  }
}

/** A `domain` beside the list has to be one of it: otherwise the body contradicts itself. */
function refuseOtherDomain({ domain }: ApplicationInput, destinations: readonly Destination[]): void {
  if (domain === undefined) return;
  const reading = parseDestination(domain, '/domain');
  if (!reading.ok) throw invalid(reading.problems);
  if (destinations.every(({ uri }) => uri !== reading.value.uri)) {
    throw invalid([{ pointer: '/domain', message: 'is not one of the destinations' }]);
  }
}

function* settingProblems(input: ApplicationInput): Generator<Problem> {
  const { session_duration: duration, same_site_cookie_attribute: sameSite } = input;
  if (duration !== undefined && parseDuration(duration) === null) {
    yield { pointer: '/session_duration', message: 'must be a duration such as 30m or 24h' };
  }
  if (!isOff(sameSite) && readSameSite(sameSite) === null) {
    yield { pointer: '/same_site_cookie_attribute', message: 'must be none, lax or strict' };
  }
  if (input.auto_redirect_to_identity && input.allowed_idps?.length !== 1) {
    yield { pointer: '/auto_redirect_to_identity', message: 'needs exactly one entry in allowed_idps' };
  }
}

function readSameSite(text: string | undefined): 'none' | 'lax' | 'strict' | null {
  const folded = text?.toLowerCase();
  return folded === 'none' || folded === 'lax' || folded === 'strict' ? folded : null;
}

const policyShape = Compile(PolicyContract);

function readPolicies(policies: readonly unknown[]): PolicyInput[] {
  return policies.map((policy, index) => {
    const pointer = `/policies/${index}`;
    if (isLink(policy)) throw refusal('notSupported', { detail: 'reusable policies yet', pointer });
    if (!policyShape.Check(policy)) {
      throw invalid(
        policyShape
          .Errors(policy)
          .map((error) => ({ pointer: pointer + error.instancePath, message: error.message })),
      );
    }
    checkPolicy(policy, pointer);
    return policy;
  });
}

/** A policy named by its id, as a text or an object without rules of its own. */
function isLink(policy: unknown): boolean {
  return (
    typeof policy === 'string' ||
    (typeof policy === 'object' && policy !== null && 'id' in policy && !('include' in policy))
  );
}

function invalid(problems: readonly Problem[]) {
  return invalidInput(problems.slice(0, 20), 'invalidAccess');
}
