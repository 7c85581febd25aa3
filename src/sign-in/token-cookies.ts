import { BINDING_COOKIE, cookieHeader, type Scheme, SESSION_COOKIE } from '../protocol/cookies.ts';
import type { IssuedForApplication } from './service.ts';

/**
 * `Set-Cookie` for an application's token, with the attributes that the application asks for, and for what the
 * token is bound to where it is (reference §5): the two come and go together.
 */
export function tokenCookies(
  { token, binding, seconds, application }: Omit<IssuedForApplication, 'returnTo'>,
  scheme: Scheme,
): string[] {
  const flags = { maxAge: seconds, secure: scheme === 'https' };
  const { http_only_cookie: httpOnly, same_site_cookie: sameSite } = application;
  const cookie = cookieHeader(SESSION_COOKIE, token, { ...flags, httpOnly, sameSite });
  if (binding === null) return [cookie];
  // It goes wherever the token goes; without Secure no browser takes `None`.
  const anywhere = scheme === 'https' ? 'none' : 'lax';
  return [cookie, cookieHeader(BINDING_COOKIE, binding, { ...flags, sameSite: anywhere })];
}

/** Takes both away again. */
export function clearedTokenCookies(scheme: Scheme): string[] {
  const flags = { maxAge: 0, secure: scheme === 'https' };
  return [SESSION_COOKIE, BINDING_COOKIE].map((name) => cookieHeader(name, '', flags));
}
