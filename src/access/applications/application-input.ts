import type { Static } from 'typebox';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { isOff, refuseAsked } from '../../kernel/off.ts';
import { collect, type Parsed, type Problem, parsed } from '../../kernel/result.ts';
import { SHORTEST_SESSION, sessionDurationProblems } from '../../policy/session-duration.ts';
import type { ApplicationInput as Contract } from './contract.ts';
import { type DenialSettings, readDenial } from './denial-settings.ts';
import { type Destination, parseDestination } from './destinations.ts';
import { type EmbeddedPolicy, readEmbedded } from './embedded-policies.ts';
import { parseUpstream, serviceHeaderProblems } from './gate-settings.ts';

export type ApplicationInput = Static<typeof Contract>;

/** A destination, and where in the body it was asked for. */
export type AskedDestination = Destination & {
  readonly pointer: string;
  /** Origin of the server behind it; null for none, undefined for the one that it has. */
  readonly upstream?: string | null;
};

export interface Settings extends DenialSettings {
  readonly allowed_idps: readonly string[];
  readonly auto_redirect_to_identity: boolean;
  readonly app_launcher_visible: boolean;
  readonly http_only_cookie_attribute: boolean;
  readonly same_site_cookie_attribute: 'none' | 'lax' | 'strict' | null;
  readonly logo_url: string | null;
  readonly enable_binding_cookie: boolean;
  readonly read_service_tokens_from_header: string | null;
  readonly service_auth_401_redirect: boolean;
  readonly strict_service_token_auth: boolean;
  /** null or absent where nobody has said: no. */
  readonly allow_authenticate_via_warp?: boolean | null;
}

/** What a body asks for, checked by itself. */
export interface ReadApplication {
  readonly name: string;
  readonly sessionDuration: string | null;
  readonly destinations: readonly AskedDestination[];
  /** null leaves the policies as they are. */
  readonly policies: readonly EmbeddedPolicy[] | null;
  /** By name, each once. */
  readonly tags: readonly string[];
  readonly settings: Settings;
}

const MOST_DESTINATIONS = 5;
const MOST_TAGS = 25;

/** Settings of an application that come later, accepted only where they ask for nothing. */
const NOT_YET = [
  'allow_iframe',
  'cors_headers',
  'eager_redirect_cookie_setting',
  'mfa_config',
  'oauth_configuration',
  'options_preflight_bypass',
  'path_cookie_attribute',
  'scim_config',
  'skip_interstitial',
  'use_clientless_isolation_app_launcher_url',
] as const;

const LATER_TYPES = new Set([
  'saas',
  'ssh',
  'vnc',
  'app_launcher',
  'warp',
  'biso',
  'bookmark',
  'dash_sso',
  'infrastructure',
  'rdp',
  'mcp',
  'mcp_portal',
  'proxy_endpoint',
]);

/** Reads a body; refuses it with a pointer to whatever is wrong, or is not supported yet. */
export function readApplication(input: ApplicationInput): ReadApplication {
  refuseType(input.type);
  refuseAsked(input, NOT_YET);
  const problems = [...settingProblems(input)];
  if (problems.length > 0) throw invalid(problems);
  const destinations = readDestinations(input);
  return {
    name: input.name ?? destinations[0]?.uri ?? '',
    sessionDuration: input.session_duration ?? null,
    destinations,
    policies: input.policies ? readEmbedded(input.policies, '/policies') : null,
    tags: [...new Set(input.tags?.map((name) => name.normalize('NFC')))],
    settings: {
      allowed_idps: [...new Set(input.allowed_idps?.map((id) => id.toLowerCase()))],
      auto_redirect_to_identity: input.auto_redirect_to_identity ?? false,
      app_launcher_visible: input.app_launcher_visible ?? true,
      http_only_cookie_attribute: input.http_only_cookie_attribute ?? true,
      same_site_cookie_attribute: readSameSite(input.same_site_cookie_attribute),
      logo_url: input.logo_url || null,
      enable_binding_cookie: input.enable_binding_cookie ?? false,
      read_service_tokens_from_header: input.read_service_tokens_from_header || null,
      service_auth_401_redirect: input.service_auth_401_redirect ?? false,
      strict_service_token_auth: input.strict_service_token_auth ?? false,
      allow_authenticate_via_warp: input.allow_authenticate_via_warp ?? null,
      ...readDenial(input, destinations),
    },
  };
}

function refuseType(type: string): void {
  if (type === 'self_hosted') return;
  if (LATER_TYPES.has(type)) {
    throw refusal('notSupported', { detail: `applications of type ${type} yet`, pointer: '/type' });
  }
  throw invalid([{ pointer: '/type', message: 'app type is missing or invalid' }]);
}

/** `destinations` is the truth; `domain`, or `self_hosted_domains`, counts when it comes alone (decisions). */
function readDestinations(input: ApplicationInput): AskedDestination[] {
  const uris = urisOf(input);
  const [first] = uris;
  if (!first) throw invalid([{ pointer: '/domain', message: 'is required' }]);
  if (uris.length > MOST_DESTINATIONS) {
    const pointer = first.pointer.split('/', 2).join('/');
    throw invalid([{ pointer, message: `has more than ${MOST_DESTINATIONS} entries` }]);
  }
  const destinations = read(uris);
  refuseRepeated(destinations);
  refuseContradiction(input, destinations);
  return destinations;
}

interface Asked {
  readonly uri: string;
  readonly pointer: string;
  readonly upstream?: { readonly text: string | null; readonly pointer: string };
}

function urisOf({ destinations, self_hosted_domains: domains, domain }: ApplicationInput): Asked[] {
  if (destinations?.length) {
    return destinations.map((destination, index) => {
      const { type = 'public', uri } = destination;
      const pointer = `/destinations/${index}`;
      if (type !== 'public')
        throw refusal('notSupported', { detail: `${type} destinations yet`, pointer: `${pointer}/type` });
      refuseAsked(destination, ['overrides'], pointer);
      if (uri === undefined) throw invalid([{ pointer: `${pointer}/uri`, message: 'is required' }]);
      return { uri, pointer: `${pointer}/uri`, ...askedUpstream(destination, pointer) };
    });
  }
  if (domains?.length) return listed(domains);
  return domain === undefined ? [] : [{ uri: domain, pointer: '/domain' }];
}

function askedUpstream({ upstream }: { upstream?: string | null }, pointer: string): Pick<Asked, 'upstream'> {
  if (upstream === undefined) return {};
  return { upstream: { text: upstream || null, pointer: `${pointer}/upstream` } };
}

function listed(domains: readonly string[]): Asked[] {
  return domains.map((uri, index) => ({ uri, pointer: `/self_hosted_domains/${index}` }));
}

function read(uris: readonly Asked[]): AskedDestination[] {
  const readings = collect(uris.map(readOne));
  if (!readings.ok) throw invalid(readings.problems);
  return readings.value;
}

function readOne({ uri, pointer, upstream }: Asked): Parsed<AskedDestination> {
  const destination = parseDestination(uri, pointer);
  if (!destination.ok) return destination;
  const placed = { ...destination.value, pointer };
  if (!upstream) return parsed(placed);
  if (upstream.text === null) return parsed({ ...placed, upstream: null });
  const origin = parseUpstream(upstream.text, upstream.pointer);
  return origin.ok ? parsed({ ...placed, upstream: origin.value }) : origin;
}

function refuseRepeated(destinations: readonly AskedDestination[]): void {
  const seen = new Set<string>();
  for (const { uri, pointer } of destinations) {
    if (seen.has(uri)) throw invalid([{ pointer, message: 'is given twice' }]);
    seen.add(uri);
  }
}

/** What stands beside the truth has to say the same. */
function refuseContradiction(input: ApplicationInput, destinations: readonly Destination[]): void {
  const { domain, self_hosted_domains: domains } = input;
  const [first] = destinations;
  if (domain !== undefined && read([{ uri: domain, pointer: '/domain' }])[0]?.uri !== first?.uri) {
    throw invalid([{ pointer: '/domain', message: 'is not the first of the destinations' }]);
  }
  if (!domains?.length) return;
  const given = new Set(read(listed(domains)).map(({ uri }) => uri));
  if (given.size === destinations.length && destinations.every(({ uri }) => given.has(uri))) return;
  throw invalid([{ pointer: '/self_hosted_domains', message: 'differs from destinations' }]);
}

function* settingProblems(input: ApplicationInput): Generator<Problem> {
  const { session_duration: duration, same_site_cookie_attribute: sameSite, logo_url: logo } = input;
  if (duration !== undefined) {
    yield* sessionDurationProblems(duration, '/session_duration', SHORTEST_SESSION);
  }
  if (!isOff(sameSite) && readSameSite(sameSite) === null) {
    yield { pointer: '/same_site_cookie_attribute', message: 'must be none, lax or strict' };
  }
  if (logo && !/^https?:\/\//i.test(logo)) {
    yield { pointer: '/logo_url', message: 'must be an http or https URL' };
  }
  if ((input.tags?.length ?? 0) > MOST_TAGS) {
    yield { pointer: '/tags', message: `has more than ${MOST_TAGS} entries` };
  }
  const { read_service_tokens_from_header: header } = input;
  if (header) yield* serviceHeaderProblems(header, '/read_service_tokens_from_header');
  if (input.auto_redirect_to_identity && input.allowed_idps?.length !== 1) {
    yield { pointer: '/auto_redirect_to_identity', message: 'needs exactly one entry in allowed_idps' };
  }
}

function readSameSite(text: string | undefined): 'none' | 'lax' | 'strict' | null {
  const folded = text?.toLowerCase();
  return folded === 'none' || folded === 'lax' || folded === 'strict' ? folded : null;
}

function invalid(problems: readonly Problem[]) {
  return invalidInput(problems.slice(0, 20), 'invalidAccess');
}
