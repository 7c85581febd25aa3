import { endpointProblem, fetchOutbound } from '../../kernel/outbound.ts';
import { isObject } from '../../kernel/result.ts';

/** The endpoints of an OpenID provider that a sign-in cannot do without. */
export interface Endpoints {
  readonly authUrl: string;
  readonly tokenUrl: string;
  readonly certsUrl: string;
}

/** What a provider says of itself. */
export interface Discovered extends Endpoints {
  readonly issuer: string;
  /** null where it has none. */
  readonly endSessionUrl: string | null;
  readonly userInfoUrl: string | null;
  /** null where it does not say. */
  readonly scopes: readonly string[] | null;
  /** Whether it promises `iss` in its answers (RFC 9207), so that one without is refused. */
  readonly answersWithIssuer: boolean;
}

const TIMEOUT_MS = 5000;
const MOST_CANDIDATES = 6;

/**
 * Finds the issuer of these endpoints (OpenID Connect Discovery §4): the document below the given issuer, or
 * else below the origin and each path prefix of the authorization URL, the longest first, must name itself and
 * exactly these endpoints. Null if none does within five seconds.
 */
export async function discover(endpoints: Endpoints, issuer: string | null): Promise<Discovered | null> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  for (const candidate of issuer === null ? candidatesFor(endpoints.authUrl) : [issuer]) {
    const found = readDocument(await fetchDocument(wellKnown(candidate), signal), candidate);
    if (found && agrees(found, endpoints) && (issuer === null || found.issuer === issuer)) return found;
  }
  return null;
}

/**
 * What the provider with this issuer says of itself; null unless it names itself exactly so within five seconds,
 * and endpoints that may be called.
 */
export async function discoverIssuer(issuer: string): Promise<Discovered | null> {
  const document = await fetchDocument(wellKnown(issuer), AbortSignal.timeout(TIMEOUT_MS));
  const found = readDocument(document, issuer);
  return found?.issuer === issuer ? found : null;
}

function candidatesFor(authUrl: string): string[] {
  const { origin, pathname } = new URL(authUrl);
  const segments = pathname.split('/').filter((segment) => segment !== '');
  const prefixes = segments.map((_, length) => [origin, ...segments.slice(0, length)].join('/'));
  return prefixes.length > 0 ? prefixes.reverse().slice(-MOST_CANDIDATES) : [origin];
}

function wellKnown(issuer: string): string {
  return `${withoutSlash(issuer)}/.well-known/openid-configuration`;
}

/** An issuer that is looked for may end in a slash, as some do. */
function readDocument(document: Record<string, unknown> | null, candidate: string): Discovered | null {
  const issuer = document?.issuer;
  if (!document || typeof issuer !== 'string' || withoutSlash(issuer) !== withoutSlash(candidate))
    return null;
  const read = (name: string) => readEndpoint(document[name], issuer);
  const authUrl = read('authorization_endpoint');
  const tokenUrl = read('token_endpoint');
  const certsUrl = read('jwks_uri');
  if (authUrl === null || tokenUrl === null || certsUrl === null) return null;
  return {
    ...{ issuer, authUrl, tokenUrl, certsUrl },
    endSessionUrl: read('end_session_endpoint'),
    userInfoUrl: read('userinfo_endpoint'),
    scopes: readTexts(document.scopes_supported),
    answersWithIssuer: document.authorization_response_iss_parameter_supported === true,
  };
}

/** A provider that is reached by https does not send us elsewhere by http, not even to loopback. */
function readEndpoint(value: unknown, issuer: string): string | null {
  if (typeof value !== 'string' || endpointProblem(value) !== null) return null;
  return new URL(value).protocol === 'https:' || issuer.startsWith('http:') ? value : null;
}

function readTexts(value: unknown): string[] | null {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : null;
}

function agrees(found: Endpoints, { authUrl, tokenUrl, certsUrl }: Endpoints): boolean {
  return found.authUrl === authUrl && found.tokenUrl === tokenUrl && found.certsUrl === certsUrl;
}

function withoutSlash(url: string): string {
  return url.replace(/\/$/, '');
}

/** The JSON object at that address, or null for anything else: who asks is not told what lies elsewhere. */
async function fetchDocument(url: string, signal: AbortSignal): Promise<Record<string, unknown> | null> {
  try {
    const answer = await fetchOutbound(url, { headers: { accept: 'application/json' }, signal });
    const document: unknown = answer.status === 200 ? await answer.json() : null;
    return isObject(document) ? document : null;
  } catch {
    return null;
  }
}
