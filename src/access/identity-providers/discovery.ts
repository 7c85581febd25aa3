import { lookup } from 'node:dns';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { contains, parseAddress, parseCidr } from '../../kernel/address.ts';

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
const LARGEST = 1024 * 1024;
const MOST_CANDIDATES = 6;

const blocks = (...texts: string[]) => texts.map(parseCidr).filter((block) => block !== null);
const LINK_LOCAL = blocks('169.254.0.0/16', 'fe80::/10');
const LOOPBACK = blocks('127.0.0.0/8', '::1/128');

/** Why an endpoint may not be used, or null: https, or http on loopback; never link-local, where clouds keep secrets. */
export function endpointProblem(text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || url.username || url.password || url.hash)
    return 'must be a URL without credentials or fragment';
  const address = parseAddress(url.hostname.replace(/^\[|\]$/g, ''));
  if (address && contains(LINK_LOCAL, address)) return 'must not be a link-local address';
  const isLoopback = address ? contains(LOOPBACK, address) : /(^|\.)localhost$/.test(url.hostname);
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback)) return null;
  return 'must be https (http is for loopback alone)';
}

/**
 * Finds the issuer of these endpoints (OpenID Connect Discovery §4): the document below the given issuer, or
 * else below the origin and each path prefix of the authorization URL, must name itself and exactly these
 * endpoints. Null if none does.
 */
export async function discover(endpoints: Endpoints, issuer: string | null): Promise<Discovered | null> {
  const candidates = issuer === null ? candidatesFor(endpoints.authUrl) : [issuer];
  for (const candidate of candidates) {
    const document = await fetchDocument(`${candidate.replace(/\/$/, '')}/.well-known/openid-configuration`);
    const found = document ? readDocument(document, { candidate, endpoints }) : null;
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

function readDocument(
  document: Record<string, unknown>,
  { candidate, endpoints }: { candidate: string; endpoints: Endpoints },
): Discovered | null {
  const { issuer } = document;
  if (typeof issuer !== 'string' || issuer.replace(/\/$/, '') !== candidate.replace(/\/$/, '')) return null;
  const agrees =
    document.authorization_endpoint === endpoints.authUrl &&
    document.token_endpoint === endpoints.tokenUrl &&
    document.jwks_uri === endpoints.certsUrl;
  if (!agrees) return null;
  return { issuer, answersWithIssuer: document.authorization_response_iss_parameter_supported === true };
}

/** The JSON object at that address, or null for anything else: no redirect, five seconds, one megabyte. */
async function fetchDocument(url: string): Promise<Record<string, unknown> | null> {
  if (endpointProblem(url)) return null;
  try {
    const parsed: unknown = JSON.parse(await fetchText(new URL(url)));
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function fetchText(url: URL): Promise<string> {
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const options = {
      lookup: checkedLookup,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: { accept: 'application/json' },
    };
    const request = send(url, options, (response) => {
      if (response.statusCode !== 200) {
        response.resume();
        reject(new Error(`status ${response.statusCode}`));
        return;
      }
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > LARGEST) request.destroy(new Error('the answer is too large'));
        else chunks.push(chunk);
      });
      response.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end();
  });
}

/** A name that resolves to a link-local address is refused where it is dialled, so it cannot change in between. */
const checkedLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, '');
    const known = addresses.map(({ address }) => parseAddress(address));
    if (known.some((address) => address === null || contains(LINK_LOCAL, address))) {
      return callback(new Error('resolves to a link-local address'), '');
    }
    if (options.all) return callback(null, addresses);
    const [first] = addresses;
    return first ? callback(null, first.address, first.family) : callback(new Error('no address'), '');
  });
};
