import { browserCookie, onlyCookie, SESSION_COOKIE } from '../protocol/cookies.ts';
import type { ApplicationState, SessionState } from '../protocol/state.ts';
import { type Answer, html, json, notFound, redirect } from './answers.ts';
import { goOnPage, refusedPage } from './pages.ts';
import { SignInRefused } from './refused.ts';
import { type AccessRequest, PREFIX, parameter } from './request.ts';
import type { SignIn } from './service.ts';
import { clearedTokenCookies, tokenCookies } from './token-cookies.ts';

/** A request below /cdn-cgi/access on the host of applications. */
export interface EdgeRequest extends AccessRequest {
  readonly host: string;
  readonly path: string;
  /** Every application that has a destination on this host: they share its cookies. */
  readonly applications: readonly ApplicationState[];
  /** The client itself asks, and not a proxy that takes a 2xx for an admission. */
  readonly direct: boolean;
}

/**
 * The endpoints of an application's host (reference §5): `authorized` redeems the one-time code, `logout` ends
 * the session everywhere, `get-identity` tells who is signed in. A 2xx only for whoever asks directly: behind
 * forward-auth that would let the request through to the application.
 */
export function createEdge(signIn: SignIn, onRefused: (refused: SignInRefused, requestId: string) => void) {
  return async function edge(request: EdgeRequest): Promise<Answer> {
    try {
      switch (request.path) {
        case `${PREFIX}/authorized`:
          return await authorized(signIn, request);
        case `${PREFIX}/logout`:
          return await logout(signIn, request);
        case `${PREFIX}/get-identity`:
          return await getIdentity(signIn, request);
        default:
          return notFound();
      }
    } catch (error) {
      if (!(error instanceof SignInRefused)) throw error;
      onRefused(error, request.requestId);
      return html(
        403,
        refusedPage(error.reason, { organization: request.team.organization, requestId: request.requestId }),
      );
    }
  };
}

async function authorized(signIn: SignIn, request: EdgeRequest): Promise<Answer> {
  const { team, applications, host, cookies: held } = request;
  const { scheme } = signIn;
  const code = parameter(request, 'code');
  const browser = onlyCookie(held, browserCookie(scheme));
  if (!code || !browser) throw new SignInRefused('hand_off_invalid');
  const redeemed = await signIn.redeem(team, { code, browser, ip: request.ip, applications });
  const { same_site_cookie: sameSite } = redeemed.application;
  const cookies = tokenCookies(redeemed, scheme);
  // An absolute address: a path that begins with two slashes would lead to another host.
  const location = `${scheme}://${host}${redeemed.returnTo}`;
  return sameSite === 'strict'
    ? html(GO_ON, goOnPage(request.team.organization, location), cookies)
    : redirect(location, cookies);
}

/**
 * A strict cookie does not come along on a redirect that began on another site, as a sign-in does: the browser
 * would go round in circles. A page of this host sends it on instead, with a status that is no admission.
 */
const GO_ON = 300;

/** The team domain has the last word: it asks, if a page of another site wants the person signed out. */
async function logout(signIn: SignIn, request: EdgeRequest): Promise<Answer> {
  const location = `${signIn.issuerOf(request.team)}${PREFIX}/logout`;
  if (request.crossSite) return redirect(location);
  const session = await sessionOf(signIn, request);
  if (session) await signIn.end(request.team, session, request.ip);
  return redirect(location, clearedTokenCookies(signIn.scheme));
}

async function getIdentity(signIn: SignIn, request: EdgeRequest): Promise<Answer> {
  if (!onlyCookie(request.cookies, SESSION_COOKIE)) return json(400, { err: 'no app token set' });
  const session = await sessionOf(signIn, request);
  if (!session) return json(401, { err: 'the session has ended' });
  if (!request.direct) return redirect(`${signIn.issuerOf(request.team)}${PREFIX}/get-identity`);
  const identity = await signIn.identity(request.team, session);
  return identity ? json(200, identity) : json(401, { err: 'the session has ended' });
}

async function sessionOf(
  { directory }: SignIn,
  { team, applications, cookies }: EdgeRequest,
): Promise<SessionState | null> {
  const token = onlyCookie(cookies, SESSION_COOKIE);
  if (token === null) return null;
  const audiences = applications.map(({ aud }) => aud);
  return await directory.session(token, { accountId: team.accountId, type: 'app', audiences });
}
