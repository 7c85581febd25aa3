import { cookieHeader, onlyCookie, SESSION_COOKIE, stateCookie } from '../protocol/cookies.ts';
import { type Answer, html, json, redirect } from './answers.ts';
import { begin, currentSession } from './login.ts';
import { signedOutPage, signOutPage } from './pages.ts';
import { SignInRefused, startsAgain } from './refused.ts';
import { type AccessRequest, parameter, queryOf } from './request.ts';
import type { SignIn } from './service.ts';

/** The way back from the provider: the session cookie, and on to where the person was going. */
export async function callback(
  signIn: SignIn,
  request: AccessRequest,
  onRefused: (refused: SignInRefused) => void,
): Promise<Answer> {
  const state = parameter(request, 'state');
  if (!state) throw new SignInRefused('state_unknown');
  const browser = onlyCookie(request.cookies, stateCookie(signIn.scheme));
  try {
    const { ip, requestId } = request;
    const came = { query: queryOf(request), fields: {}, state, browser, ip, requestId };
    const { token, seconds, returnTo } = await signIn.finish(request.team, came);
    return redirect(returnTo, [sessionCookie(signIn, token, seconds)]);
  } catch (error) {
    if (!(error instanceof SignInRefused) || !error.resume || !startsAgain(error.reason)) throw error;
    onRefused(error);
    return await begin(signIn, request, { ...error.resume, fresh: true });
  }
}

/**
 * Ends the session everywhere. A page of another site must not sign people out unasked, so the person is asked;
 * also where the browser kept the cookie to itself, as it does for a form of another site.
 */
export async function logout(signIn: SignIn, request: AccessRequest): Promise<Answer> {
  const { team, cookies, crossSite, ip } = request;
  const { name } = team.organization;
  const session = await currentSession(signIn, request);
  if (crossSite && (session || !cookies.has(SESSION_COOKIE))) return html(200, signOutPage(name));
  if (session) await signIn.end(team, session, ip);
  return html(200, signedOutPage(name), [sessionCookie(signIn, '', 0)]);
}

/** The identity behind the cookie (reference §5): 400 without a token, 401 for one that has ended. */
export async function getIdentity(signIn: SignIn, request: AccessRequest): Promise<Answer> {
  if (!onlyCookie(request.cookies, SESSION_COOKIE)) return json(400, { err: 'no app token set' });
  const session = await currentSession(signIn, request);
  const identity = session ? await signIn.identity(request.team, session) : null;
  return identity ? json(200, identity) : json(401, { err: 'the session has ended' });
}

function sessionCookie({ scheme }: SignIn, token: string, maxAge: number): string {
  return cookieHeader(SESSION_COOKIE, token, { maxAge, secure: scheme === 'https' });
}
