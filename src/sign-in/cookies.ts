import type { FastifyReply } from 'fastify';

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

/** Sets a cookie for this host alone, out of reach of scripts; sent along when a link leads here. */
export function setCookie(
  reply: FastifyReply,
  name: string,
  value: string,
  { maxAge, secure }: { maxAge: number; secure: boolean },
): void {
  const flags = ['Path=/', `Max-Age=${maxAge}`, 'HttpOnly', 'SameSite=Lax', ...(secure ? ['Secure'] : [])];
  reply.header('set-cookie', `${name}=${value}; ${flags.join('; ')}`);
}
