import type { IncomingMessage } from 'node:http';
import { normalisePath } from '../kernel/path.ts';
import { type Cookies, comesFromElsewhere, readCookies, type Scheme } from '../protocol/cookies.ts';
import type { SentServiceToken } from './credential.ts';
import type { Reason } from './decide.ts';

/** What the proxy asks about, in plain facts; made once, from one header family, and never completed by guess. */
export interface Question {
  readonly host: string;
  /** Normalised; what policies and destinations see. */
  readonly path: string;
  /** As the client sent it, query included: where to return after sign-in. */
  readonly target: string;
  readonly method: string;
  readonly scheme: Scheme;
  /** A browser navigating, which a redirect can help; anything else is told 401. */
  readonly navigation: boolean;
  /** Whether a page of another site sent the browser here, as far as the browser says. */
  readonly crossSite: boolean;
  readonly cookies: Cookies;
  readonly accessToken: string | null;
  /** The two headers of a service token, if either came. */
  readonly serviceToken: SentServiceToken | null;
  /** The value of a header, by its name in lower case, if it came exactly once. */
  readonly header: (name: string) => string | null;
  /** The client's address, as the trusted proxies tell it. */
  readonly ip: string;
}

export type Reading = { readonly question: Question } | { readonly reason: Reason };

const LONGEST_TARGET = 8 * 1024;

/** What could be a credential: of two, which was meant is not known. */
const ONCE = ['cookie', 'cf-access-token', 'cf-access-client-id', 'cf-access-client-secret'];

/**
 * Reads the question of the Caddy and Traefik family: X-Forwarded-{Method,Proto,Host,Uri}, each exactly once
 * (standards §4.1, §4.3: a missing one is never taken from elsewhere, a repeated one never resolved).
 */
export function readForwardedQuestion(request: IncomingMessage, ip: string): Reading {
  const headers = collectHeaders(request.rawHeaders);
  const method = single(headers, 'x-forwarded-method');
  const scheme = single(headers, 'x-forwarded-proto');
  const host = single(headers, 'x-forwarded-host');
  const target = single(headers, 'x-forwarded-uri');
  const isComplete = isMethod(method) && isScheme(scheme) && isHost(host) && isTarget(target);
  if (!isComplete || ONCE.some((name) => repeats(headers, name))) {
    return { reason: 'question_malformed' };
  }
  const normalised = normalisePath(target);
  if ('refused' in normalised) return { reason: 'path_ambiguous' };
  return {
    question: {
      host: host.toLowerCase(),
      path: normalised.path,
      target,
      method,
      scheme,
      navigation: isNavigation(headers, method),
      crossSite: comesFromElsewhere(single(headers, 'sec-fetch-site')),
      cookies: readCookies(single(headers, 'cookie') ?? ''),
      accessToken: single(headers, 'cf-access-token') ?? null,
      serviceToken: sentServiceToken(headers),
      header: (name) => single(headers, name) ?? null,
      ip,
    },
  };
}

type Headers = ReadonlyMap<string, readonly string[]>;

function collectHeaders(raw: readonly string[]): Headers {
  const headers = new Map<string, string[]>();
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = (raw[at] ?? '').toLowerCase();
    const values = headers.get(name);
    if (values) values.push(raw[at + 1] ?? '');
    else headers.set(name, [raw[at + 1] ?? '']);
  }
  return headers;
}

function single(headers: Headers, name: string): string | undefined {
  const values = headers.get(name);
  return values?.length === 1 ? values[0] : undefined;
}

function sentServiceToken(headers: Headers): SentServiceToken | null {
  const clientId = single(headers, 'cf-access-client-id') ?? null;
  const secret = single(headers, 'cf-access-client-secret') ?? null;
  return clientId === null && secret === null ? null : { clientId, secret };
}

function repeats(headers: Headers, name: string): boolean {
  return (headers.get(name)?.length ?? 0) > 1;
}

function isMethod(text: string | undefined): text is string {
  return text !== undefined && /^[A-Z]{1,32}$/.test(text);
}

function isScheme(text: string | undefined): text is Scheme {
  return text === 'http' || text === 'https';
}

function isHost(text: string | undefined): text is string {
  return text !== undefined && /^[A-Za-z0-9._-]{1,253}(?::\d{1,5})?$/.test(text);
}

function isTarget(text: string | undefined): text is string {
  return text?.startsWith('/') === true && text.length <= LONGEST_TARGET;
}

/** Fetch metadata decides where there is any; older clients by what they accept (standards §4.3). */
function isNavigation(headers: Headers, method: string): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false;
  if (single(headers, 'x-requested-with')?.toLowerCase() === 'xmlhttprequest') return false;
  const mode = single(headers, 'sec-fetch-mode');
  if (mode !== undefined) return mode === 'navigate';
  return single(headers, 'accept')?.includes('text/html') === true;
}
