import type { ApplicationState } from '../protocol/state.ts';
import { SESSION_COOKIE } from './cookies.ts';
import { CONTENT_POLICY, refusedPage } from './pages.ts';
import { SignInRefused } from './refused.ts';
import type { SignIn, Team } from './service.ts';

/** A request below /cdn-cgi/access on an application's host, whoever brought it here. */
export interface EdgeRequest {
  readonly team: Team;
  readonly application: ApplicationState;
  readonly host: string;
  readonly path: string;
  /** Path and query as the client sent them. */
  readonly target: string;
  readonly cookies: ReadonlyMap<string, readonly string[]>;
  readonly ip: string;
  readonly requestId: string;
}

export interface EdgeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: string;
}

/** The secret that ties the way back to the browser that asked; set by the gate's redirect to sign-in. */
const BROWSER_COOKIE = 'CF_AppSession';
const PREFIX = '/cdn-cgi/access';

/**
 * The endpoints of an application's host (reference §5): `authorized` redeems the one-time code, `logout` ends
 * the session everywhere, `get-identity` tells who is signed in.
 */
export function createEdge(signIn: SignIn, onRefused: (refused: SignInRefused, requestId: string) => void) {
  return async function edge(request: EdgeRequest): Promise<EdgeAnswer> {
    try {
      switch (request.path) {
        case `${PREFIX}/authorized`:
          return await authorized(signIn, request);
        case `${PREFIX}/logout`:
          return await logout(signIn, request);
        case `${PREFIX}/get-identity`:
          return await identity(signIn, request);
        default:
          return { status: 404, headers: { 'content-type': 'text/plain' }, body: 'Not found\n' };
      }
    } catch (error) {
      if (!(error instanceof SignInRefused)) throw error;
      onRefused(error, request.requestId);
      return html(403, refusedPage(error.reason, request.requestId));
    }
  };
}

async function authorized(signIn: SignIn, request: EdgeRequest): Promise<EdgeAnswer> {
  const code = new URL(request.target, 'http://host').searchParams.get('code');
  const browser = only(request, BROWSER_COOKIE);
  if (!code || !browser) throw new SignInRefused('hand_off_invalid');
  const { team, application } = request;
  const { token, returnTo, seconds } = await signIn.redeem(team, { code, browser, application });
  // An absolute address: a path that begins with two slashes would lead to another host.
  const location = `${signIn.scheme}://${request.host}${returnTo}`;
  const cookie = sessionCookie(token, seconds, { secure: signIn.scheme === 'https', application });
  return { status: 302, headers: { location, 'set-cookie': [cookie] }, body: '' };
}

async function logout(signIn: SignIn, request: EdgeRequest): Promise<EdgeAnswer> {
  const session = await sessionOf(signIn, request);
  if (session) await signIn.end(request.team, session, request.ip);
  const { application } = request;
  const cookie = sessionCookie('', 0, { secure: signIn.scheme === 'https', application });
  const location = `${signIn.issuerOf(request.team)}${PREFIX}/logout`;
  return { status: 302, headers: { location, 'set-cookie': [cookie] }, body: '' };
}

async function identity(signIn: SignIn, request: EdgeRequest): Promise<EdgeAnswer> {
  if (!only(request, SESSION_COOKIE)) return json(400, { err: 'no app token set' });
  const session = await sessionOf(signIn, request);
  const known = session ? await signIn.identity(request.team, session) : null;
  return known ? json(200, known) : json(401, { err: 'the session has ended' });
}

async function sessionOf(signIn: SignIn, request: EdgeRequest) {
  const token = only(request, SESSION_COOKIE);
  if (!token) return null;
  const of = { accountId: request.team.accountId, type: 'app', audience: request.application.aud } as const;
  return await signIn.directory.session(token, of);
}

/** The value of a cookie that came exactly once. */
function only({ cookies }: EdgeRequest, name: string): string | null {
  const values = cookies.get(name);
  return values?.length === 1 ? (values[0] ?? null) : null;
}

function sessionCookie(
  token: string,
  seconds: number,
  { secure, application }: { secure: boolean; application: ApplicationState },
): string {
  const sameSite = application.same_site_cookie ?? 'lax';
  const flags = [
    'Path=/',
    `Max-Age=${seconds}`,
    `SameSite=${sameSite[0]?.toUpperCase()}${sameSite.slice(1)}`,
  ];
  if (application.http_only_cookie) flags.push('HttpOnly');
  if (secure) flags.push('Secure');
  return `${SESSION_COOKIE}=${token}; ${flags.join('; ')}`;
}

function html(status: number, body: string): EdgeAnswer {
  return {
    status,
    headers: { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': CONTENT_POLICY },
    body,
  };
}

function json(status: number, value: object): EdgeAnswer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}
