import { normalisePath } from '../kernel/path.ts';
import { type CookieReader, type Cookies, comesFromElsewhere, type Scheme } from '../protocol/cookies.ts';
import { PROOF_HEADER } from '../protocol/device-proof.ts';
import type { ClientCertificate } from './client-certificate.ts';
import type { SentServiceToken } from './credential.ts';
import type { Reason } from './decide.ts';
import type { SentProof } from './device.ts';
import type { Headers } from './question-headers.ts';

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
  /** The Cookie header without ours: what the application gets of it. */
  readonly otherCookies: string;
  readonly accessToken: string | null;
  /** The two headers of a service token, if either came. */
  readonly serviceToken: SentServiceToken | null;
  /** The proof of the device that it comes from, if one came. */
  readonly device: SentProof | null;
  /** The value of a header, by its name in lower case, if it came exactly once. */
  readonly header: (name: string) => string | null;
  /** The client's address, as the trusted proxies tell it. */
  readonly ip: string;
  /** The client certificate of the connection, if it was verified; a foreign proxy's word counts for nothing. */
  readonly certificate: ClientCertificate | null;
  /** It asks for nothing but an answer, and can be asked again: no body, no other protocol, a safe method. */
  readonly plain: boolean;
}

export type Reading = { readonly question: Question } | { readonly reason: Reason };

const LONGEST_TARGET = 8 * 1024;

/** What could be a credential: of two, which was meant is not known. */
const ONCE = ['cookie', 'cf-access-token', 'cf-access-client-id', 'cf-access-client-secret', PROOF_HEADER];

/** What a request is about, as its reader found it; `undefined` is what was missing or came twice. */
export interface Facts {
  readonly method: string | undefined;
  readonly scheme: string | undefined;
  readonly host: string | undefined;
  /** Path and query. */
  readonly target: string | undefined;
}

/** Where it came from. */
export interface From {
  readonly ip: string;
  readonly certificate?: ClientCertificate | null;
  readonly readCookies: CookieReader;
}

/**
 * The question that these facts make, together with what the client said in `headers`. Whatever reads requests
 * ends here. Nothing that is missing is taken from elsewhere, nothing repeated is resolved (standards §4.3).
 */
export function toQuestion(
  headers: Headers,
  { method, scheme, host, target }: Facts,
  { ip, certificate = null, readCookies }: From,
): Reading {
  const isComplete = isMethod(method) && isScheme(scheme) && isHost(host) && isTarget(target);
  if (!isComplete || ONCE.some((name) => headers.repeats(name))) {
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
      crossSite: comesFromElsewhere(headers.single('sec-fetch-site')),
      ...readCookies(headers.single('cookie') ?? ''),
      accessToken: headers.single('cf-access-token') ?? null,
      serviceToken: sentServiceToken(headers),
      device: sentProof(headers, { scheme, host, target }),
      header: (name) => headers.single(name) ?? null,
      ip,
      certificate,
      plain: isPlain(headers, method),
    },
  };
}

/** Written so that what is said in an odd way is not plain. */
function isPlain(headers: Headers, method: string): boolean {
  const hasBody =
    headers.has('transfer-encoding') || headers.all('content-length').some((one) => one !== '0');
  return SAFE.has(method) && !hasBody && !headers.has('upgrade');
}

/** RFC 9110 §9.2.1, but for TRACE. */
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

function sentServiceToken(headers: Headers): SentServiceToken | null {
  const clientId = headers.single('cf-access-client-id') ?? null;
  const secret = headers.single('cf-access-client-secret') ?? null;
  return clientId === null && secret === null ? null : { clientId, secret };
}

/** What a proof is of, as the client sent it and not as policies see it. */
function sentProof(
  headers: Headers,
  { scheme, host, target }: { scheme: Scheme; host: string; target: string },
): SentProof | null {
  const text = headers.single(PROOF_HEADER);
  if (text === undefined) return null;
  return { text, url: `${scheme}://${host}${target.replace(/[?#].*$/s, '')}` };
}

function isMethod(text: string | undefined): text is string {
  return text !== undefined && /^[A-Z]{1,32}$/.test(text);
}

function isScheme(text: string | undefined): text is Scheme {
  return text === 'http' || text === 'https';
}

const HOST = /^(?=[^:]{1,253}(?::|$))[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*(?::\d{1,5})?$/;
/** Of a name, and a port. */
const LONGEST_HOST = 253 + 6;

/** Labels without an empty one: `wiki.example.` would be another spelling of a name that applications are found by. */
function isHost(text: string | undefined): text is string {
  return text !== undefined && text.length <= LONGEST_HOST && HOST.test(text);
}

function isTarget(text: string | undefined): text is string {
  return text?.startsWith('/') === true && text.length <= LONGEST_TARGET;
}

/** Fetch metadata decides where there is any; older clients by what they accept (standards §4.3). */
function isNavigation(headers: Headers, method: string): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false;
  if (headers.single('x-requested-with')?.toLowerCase() === 'xmlhttprequest') return false;
  const mode = headers.single('sec-fetch-mode');
  if (mode !== undefined) return mode === 'navigate';
  return headers.single('accept')?.includes('text/html') === true;
}
