/** The session token: on the team domain the global one, on an application's host that application's. */
export const SESSION_COOKIE = 'CF_Authorization';
/** The secret that ties a sign-in to the browser that began it. */
export const STATE_COOKIE = 'CF_Session';

/** The first value of each cookie; one that comes twice is left out, since which was meant is not known. */
export function readCookies(header: string | undefined): Map<string, string> {
  const cookies = new Map<string, string>();
  const repeated = new Set<string>();
  for (const part of (header ?? '').split(';')) {
    const [name = '', ...rest] = part.trim().split('=');
    if (cookies.has(name)) repeated.add(name);
    cookies.set(name, rest.join('='));
  }
  for (const name of repeated) cookies.delete(name);
  return cookies;
}

/** `Set-Cookie` for this host alone, out of reach of scripts; sent along when a link leads here. */
export function cookieHeader(
  name: string,
  value: string,
  { maxAge, secure }: { maxAge: number; secure: boolean },
): string {
  const flags = ['Path=/', `Max-Age=${maxAge}`, 'HttpOnly', 'SameSite=Lax', ...(secure ? ['Secure'] : [])];
  return `${name}=${value}; ${flags.join('; ')}`;
}
