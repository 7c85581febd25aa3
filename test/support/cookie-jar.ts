/** One stored cookie (RFC 6265 §5.3). `expires` is in milliseconds since the epoch, null for a session cookie. */
export interface Cookie {
  name: string;
  value: string;
  host: string;
  hostOnly: boolean;
  path: string;
  secure: boolean;
  httpOnly: boolean;
  sameSite: string | null;
  expires: number | null;
}

/**
 * The cookies of one browser (RFC 6265 §5, with the `__Host-` and `__Secure-` prefixes). As in a browser,
 * cookies are kept per host name whatever the port, and loopback counts as a secure origin over http.
 * SameSite is stored and not enforced.
 */
export class CookieJar {
  readonly #now: () => number;
  #cookies: Cookie[] = [];

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** Takes in the `Set-Cookie` headers of an answer from this address; what a browser would refuse is dropped. */
  store(url: URL, setCookieHeaders: readonly string[]): void {
    for (const header of setCookieHeaders) {
      const cookie = parseSetCookie(url, header, this.#now());
      if (cookie === null) continue;
      this.#cookies = this.#cookies.filter((other) => !sameCookie(other, cookie));
      this.#cookies.push(cookie);
    }
    this.#dropExpired();
  }

  /** Those cookies that go with a request to this address, the longest path first (RFC 6265 §5.4). */
  cookiesFor(url: URL): Cookie[] {
    this.#dropExpired();
    const sent = this.#cookies.filter(
      (cookie) =>
        hostMatches(cookie, url.hostname) &&
        pathMatches(cookie.path, url.pathname) &&
        (!cookie.secure || isSecure(url)),
    );
    return sent.sort((one, other) => other.path.length - one.path.length);
  }

  /** The `Cookie` header for a request to this address, or null if it has none. */
  header(url: URL): string | null {
    const pairs = this.cookiesFor(url).map(({ name, value }) => `${name}=${value}`);
    return pairs.length === 0 ? null : pairs.join('; ');
  }

  /** Every cookie that lives, whatever its host. */
  all(): readonly Cookie[] {
    this.#dropExpired();
    return this.#cookies;
  }

  clear(): void {
    this.#cookies = [];
  }

  #dropExpired(): void {
    const now = this.#now();
    this.#cookies = this.#cookies.filter(({ expires }) => expires === null || expires > now);
  }
}

function parseSetCookie(url: URL, header: string, now: number): Cookie | null {
  const [pair = '', ...rest] = header.split(';').map((part) => part.trim());
  const [name, value] = split(pair);
  if (name === '' || !pair.includes('=')) return null;
  const attributes = new Map(rest.map((part) => [split(part)[0].toLowerCase(), split(part)[1]]));
  const domain = (attributes.get('domain') ?? '').replace(/^\./, '').toLowerCase();
  const cookie = {
    name,
    value,
    host: domain || url.hostname,
    hostOnly: domain === '',
    path: cookiePath(attributes.get('path'), url),
    secure: attributes.has('secure'),
    httpOnly: attributes.has('httponly'),
    sameSite: attributes.get('samesite') ?? null,
    expires: expiry(attributes, now),
  };
  return isAcceptable(cookie, url, attributes) ? cookie : null;
}

function split(part: string): [string, string] {
  const at = part.indexOf('=');
  return at < 0 ? [part, ''] : [part.slice(0, at).trim(), part.slice(at + 1).trim()];
}

function cookiePath(attribute: string | undefined, url: URL): string {
  if (attribute?.startsWith('/')) return attribute;
  return url.pathname.slice(0, Math.max(url.pathname.lastIndexOf('/'), 1));
}

function expiry(attributes: ReadonlyMap<string, string>, now: number): number | null {
  const maxAge = attributes.get('max-age') ?? '';
  if (/^-?\d+$/.test(maxAge)) return Number(maxAge) <= 0 ? 0 : now + Number(maxAge) * 1000;
  const expires = Date.parse(attributes.get('expires') ?? '');
  return Number.isNaN(expires) ? null : expires;
}

function isAcceptable(cookie: Cookie, url: URL, attributes: ReadonlyMap<string, string>): boolean {
  if (!hostMatches({ ...cookie, hostOnly: false }, url.hostname)) return false;
  if (cookie.secure && !isSecure(url)) return false;
  if (cookie.name.startsWith('__Secure-')) return cookie.secure;
  if (!cookie.name.startsWith('__Host-')) return true;
  return cookie.secure && cookie.hostOnly && attributes.get('path') === '/';
}

function sameCookie(one: Cookie, other: Cookie): boolean {
  return one.name === other.name && one.host === other.host && one.path === other.path;
}

function hostMatches({ host, hostOnly }: Cookie, hostname: string): boolean {
  return hostname === host || (!hostOnly && hostname.endsWith(`.${host}`));
}

function pathMatches(cookiePath: string, requestPath: string): boolean {
  if (requestPath === cookiePath) return true;
  return requestPath.startsWith(cookiePath.endsWith('/') ? cookiePath : `${cookiePath}/`);
}

function isSecure({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || /(^|\.)localhost$/.test(hostname) || hostname === '127.0.0.1';
}
