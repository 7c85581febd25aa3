import { createBoundedMap } from '../kernel/bounded-map.ts';

/** The session token: on the team domain the global one, on an application's host that application's. */
export const SESSION_COOKIE = 'CF_Authorization';

/** On the host of an application that asks for it: without this cookie its token is worth nothing (reference §5). */
export const BINDING_COOKIE = 'CF_Binding';

export type Scheme = 'http' | 'https';

/** On an application's host: the secret that ties the way back from sign-in to the browser that asked. */
export function browserCookie(scheme: Scheme): string {
  return hostOnly('CF_AppSession', scheme);
}

/** On the team domain: the secret that ties a sign-in to the browser that began it. */
export function stateCookie(scheme: Scheme): string {
  return hostOnly('CF_Session', scheme);
}

/**
 * With the prefix of RFC 6265bis §4.1.3.2 a host of the same site cannot plant the cookie, and so cannot
 * make a browser finish what another one began. Over plain http not every browser keeps such a cookie.
 */
function hostOnly(name: string, scheme: Scheme): string {
  return scheme === 'https' ? `__Host-${name}` : name;
}

export type Cookies = ReadonlyMap<string, readonly string[]>;

/** Every value of every cookie name: a name that comes twice must be seen twice. */
export function readCookies(header: string): Map<string, string[]> {
  const cookies = new Map<string, string[]>();
  for (const part of header.split(';')) {
    const equals = part.indexOf('=');
    if (equals < 1) continue;
    const name = part.slice(0, equals).trim();
    const value = part.slice(equals + 1).trim();
    const known = cookies.get(name);
    if (known) known.push(value);
    else cookies.set(name, [value]);
  }
  return cookies;
}

/** The value of a cookie that came exactly once and is not empty: of two, which was meant is not known. */
export function onlyCookie(cookies: Cookies, name: string): string | null {
  const values = cookies.get(name);
  return (values?.length === 1 && values[0]) || null;
}

/**
 * Whether a page of another origin sent the browser here, by Sec-Fetch-Site. A sibling host counts: it may
 * belong to another application. A browser that does not say is taken at its word.
 */
export function comesFromElsewhere(fetchSite: string | undefined): boolean {
  return fetchSite !== undefined && fetchSite !== 'same-origin' && fetchSite !== 'none';
}

export interface CookieFlags {
  /** Seconds. */
  readonly maxAge: number;
  readonly secure: boolean;
  readonly httpOnly?: boolean;
  readonly sameSite?: 'none' | 'lax' | 'strict' | null;
}

/** `Set-Cookie` for this host alone; out of reach of scripts, and sent along when a link leads here, unless said otherwise. */
export function cookieHeader(
  name: string,
  value: string,
  { maxAge, secure, httpOnly = true, sameSite }: CookieFlags,
): string {
  const site = { none: 'None', lax: 'Lax', strict: 'Strict' }[sameSite ?? 'lax'];
  const flags = ['Path=/', `Max-Age=${maxAge}`, `SameSite=${site}`];
  if (httpOnly) flags.push('HttpOnly');
  if (secure) flags.push('Secure');
  return `${name}=${value}; ${flags.join('; ')}`;
}

/** The secret that a browser already holds, if it is of the form in which they are made. */
export function heldSecret(cookies: Cookies, name: string): string | null {
  const held = onlyCookie(cookies, name);
  return held !== null && /^[\w-]{43}$/.test(held) ? held : null;
}

const GATE_COOKIES: ReadonlySet<string> = new Set([
  SESSION_COOKIE,
  BINDING_COOKIE,
  'CF_AppSession',
  'CF_Session',
]);

/** Whether a cookie is one of ours, in whatever prefixed form (RFC 6265bis §4.1.3): applications see and set none. */
export function isGateCookie(name: string): boolean {
  return GATE_COOKIES.has(name.replace(/^__(?:secure|host|http|host-http)-/i, ''));
}

/** A Cookie header without ours; the others as they came. Empty if there is nothing else in it. */
function withoutGateCookies(header: string): string {
  const parts = header.split(';');
  const kept = parts.filter((part) => !isGateCookie(nameOf(part)));
  return kept.length === parts.length ? header : kept.join(';').trim();
}

/** Whether a Set-Cookie would make a browser send one of ours, also by a value alone: `=CF_Authorization=x`. */
export function setsGateCookie(header: string): boolean {
  return isGateCookie(nameOf((header.split(';', 1)[0] ?? '').replace(/^[\s=]+/, '')));
}

/** A Cookie header, read. */
export interface HeldCookies {
  readonly cookies: Cookies;
  /** The header without ours. */
  readonly otherCookies: string;
}

export type CookieReader = (header: string) => HeldCookies;

const MOST_REMEMBERED = 10_000;
const LONGEST_REMEMBERED = 2 * 1024;

/** Reads Cookie headers; a browser sends the same one again and again, so what was read is remembered. */
export function createCookieReader(): CookieReader {
  const known = createBoundedMap<string, HeldCookies>(MOST_REMEMBERED);
  return (header) => {
    const before = known.get(header);
    if (before) return before;
    const held = { cookies: readCookies(header), otherCookies: withoutGateCookies(header) };
    if (header.length <= LONGEST_REMEMBERED) known.set(header, held);
    return held;
  };
}

function nameOf(part: string): string {
  return (part.split('=', 1)[0] ?? '').trim();
}
