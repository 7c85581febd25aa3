import { fetchOutbound } from '../../kernel/outbound.ts';
import { isObject } from '../../kernel/result.ts';

/** The endpoints of an OpenID provider, as an administrator gives them. */
export interface Endpoints {
  readonly authUrl: string;
  readonly tokenUrl: string;
  readonly certsUrl: string;
}

export interface Discovered {
  readonly issuer: string;
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
    const document = await fetchDocument(wellKnown(candidate), signal);
    const found = document && readDocument(document, { candidate, endpoints, issuer });
    if (found) return found;
  }
  return null;
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

/** An issuer that is given must be named exactly; one that is looked for may end in a slash, as some do. */
function readDocument(
  document: Record<string, unknown>,
  { candidate, endpoints, issuer }: { candidate: string; endpoints: Endpoints; issuer: string | null },
): Discovered | null {
  const named = document.issuer;
  if (typeof named !== 'string' || withoutSlash(named) !== withoutSlash(candidate)) return null;
  if (issuer !== null && named !== issuer) return null;
  const agrees =
    document.authorization_endpoint === endpoints.authUrl &&
    document.token_endpoint === endpoints.tokenUrl &&
    document.jwks_uri === endpoints.certsUrl;
  if (!agrees) return null;
  const answersWithIssuer = document.authorization_response_iss_parameter_supported === true;
  return { issuer: named, answersWithIssuer };
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
