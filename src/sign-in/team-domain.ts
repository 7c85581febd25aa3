import { cookieHeader, onlyCookie, SESSION_COOKIE, stateCookie } from '../protocol/cookies.ts';
import { type Answer, html, json, redirect } from './answers.ts';
import type { Team } from './directory.ts';
import { begin, currentSession } from './login.ts';
import { type ProviderLogoutLink, signedOutPage, signOutPage } from './pages.ts';
import { SIGNED_OUT } from './provider-logout.ts';
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
  const came = { query: queryOf(request), fields: {}, state, browser };
  return await finish(signIn, request, { came, onRefused, goOn: redirect });
}

/** What a browser came back with. */
type CameBack = Pick<Parameters<SignIn['finish']>[1], 'query' | 'fields' | 'state' | 'browser'>;

/** Ends a sign-in: on by `goOn`, or, where that is all that it takes, once more from its beginning. */
export async function finish(
  signIn: SignIn,
  request: AccessRequest,
  {
    came,
    onRefused,
    goOn,
  }: {
    came: CameBack;
    onRefused: (refused: SignInRefused) => void;
    goOn: (returnTo: string, cookies: readonly string[]) => Answer;
  },
): Promise<Answer> {
  try {
    const { team, ip, requestId } = request;
    const { token, seconds, returnTo } = await signIn.finish(team, { ...came, ip, requestId });
    return goOn(returnTo, [sessionCookie(signIn, token, seconds)]);
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
  const session = await currentSession(signIn, request);
  // A browser that its provider sent back from there was asked there. It is told so, and nothing is done.
  const isBack = !cookies.has(SESSION_COOKIE) && parameter(request, 'state') === SIGNED_OUT;
  if (isBack) return html(200, signedOutPage(team.organization));
  if (crossSite && (session || !cookies.has(SESSION_COOKIE)))
    return html(200, signOutPage(team.organization));
  if (session) await signIn.end(team, session, ip);
  const elsewhere = session ? await providerLogout(signIn, team, session.provider_id) : null;
  return html(200, signedOutPage(team.organization, elsewhere), [clearedSessionCookie(signIn)]);
}

async function providerLogout(signIn: SignIn, team: Team, id: string): Promise<ProviderLogoutLink | null> {
  const url = await signIn.providerLogouts.urlOf(team, id, signIn.issuerOf(team));
  const name = signIn.directory.providers(team.accountId).find((provider) => provider.id === id)?.name;
  return url === null || name === undefined ? null : { url, name };
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

/** Takes the session's cookie away. */
export function clearedSessionCookie(signIn: SignIn): string {
  return sessionCookie(signIn, '', 0);
}
