import { randomSecret } from '../kernel/crypto.ts';
import { cookieHeader, heldSecret, onlyCookie, SESSION_COOKIE, stateCookie } from '../protocol/cookies.ts';
import type { ApplicationState, OrganizationState, SessionState } from '../protocol/state.ts';
import { type Answer, html, redirect } from './answers.ts';
import { choicePage } from './pages.ts';
import { type RefusedReason, SignInRefused } from './refused.ts';
import { type AccessRequest, PREFIX, parameter, queryOf } from './request.ts';
import type { SignIn } from './service.ts';

/** An application a person wants to reach, and the way back to it. */
interface Goal {
  readonly application: ApplicationState;
  readonly host: string;
  /** Path and query on that host, starting with a slash. */
  readonly target: string;
  /** SHA-256 of the secret this browser holds on the application's host. */
  readonly browserHash: string;
}

/** The cookie of a sign-in under way outlives the person's patience, not the day. */
const STATE_SECONDS = 4 * 60 * 60;

/**
 * Signs in to the team domain, or, with a host, on to the application there: straight on for whoever is signed
 * in, else to a provider. A browser that carries a session which has ended proves itself again there.
 */
export async function login(signIn: SignIn, request: AccessRequest, host: string | null): Promise<Answer> {
  const goal = host === null ? null : requestedGoal(signIn, request, host);
  const session = await currentSession(signIn, request);
  if (session && !goal) return redirect('/');
  if (session && goal && mayUseProvider(goal.application, session.provider_id)) {
    return await goOn(signIn, request, { session, goal });
  }
  const hadSession = !session && request.cookies.has(SESSION_COOKIE);
  return await chooseProvider(signIn, request, { goal, fresh: hadSession });
}

/** The session of the team domain's own cookie, if it stands. */
export async function currentSession(
  { directory }: SignIn,
  { team: { accountId }, cookies }: AccessRequest,
): Promise<SessionState | null> {
  const token = onlyCookie(cookies, SESSION_COOKIE);
  return token === null ? null : await directory.session(token, { accountId, type: 'org' });
}

/** Reads where the person wants to go; only an application's own host can ever be gone back to. */
function requestedGoal({ directory, scheme }: SignIn, request: AccessRequest, host: string): Goal {
  const [kid, nonce, address] = ['kid', 'nonce', 'redirect_url'].map(
    (name) => parameter(request, name) ?? '',
  );
  const application = kid ? directory.application(request.team.accountId, kid) : null;
  const url = address ? onOrigin(`${scheme}://${host}`, address) : null;
  if (!application || !hasHost(application, host) || !url || !nonce || !SHA_256.test(nonce)) {
    throw new SignInRefused('destination_unknown');
  }
  return { application, host, target: url.pathname + url.search, browserHash: nonce };
}

const SHA_256 = /^[0-9a-f]{64}$/;

/** The address, read as a browser reads it, if it does not lead away from the origin. */
function onOrigin(origin: string, address: string): URL | null {
  const url = URL.canParse(address, origin) ? new URL(address, origin) : null;
  return url?.origin === origin ? url : null;
}

/** A destination without a port covers every port of its host. */
function hasHost({ destinations }: ApplicationState, host: string): boolean {
  const name = host.replace(/:\d{1,5}$/, '');
  return destinations.some((one) => one.host === host || one.host === name);
}

/** Signed in and on the way to an application: the current policy decides, then the one-time code is made. */
async function goOn(
  signIn: SignIn,
  { team, ip, requestId }: AccessRequest,
  { session, goal }: { session: SessionState; goal: Goal },
): Promise<Answer> {
  const { application, browserHash, target: returnTo } = goal;
  const judged = signIn.judge(team, session, { application, ip });
  if (judged.verdict !== 'allow') {
    const reason = judged.reason as RefusedReason;
    const { email, provider_id: providerId } = session;
    const place = { accountId: team.accountId, providerId, applicationId: application.id, ip, requestId };
    await signIn.noteFailure({ ...place, email, reason });
    throw new SignInRefused(reason, { denied: application });
  }
  const code = await signIn.handOff(team, { session, application, browserHash, returnTo });
  return redirect(`${signIn.scheme}://${goal.host}${PREFIX}/authorized?${new URLSearchParams({ code })}`);
}

/** Whether an application takes whoever comes from this provider. */
export function mayUseProvider({ allowed_idps: allowed }: ApplicationState, providerId: string): boolean {
  return allowed.length === 0 || allowed.includes(providerId);
}

/** Has the person sign in to the team domain, by any method, and come back to this path of it. */
export async function signInFirst(
  signIn: SignIn,
  request: AccessRequest,
  { returnTo, fresh }: { returnTo: string; fresh: boolean },
): Promise<Answer> {
  return await chooseProvider(signIn, request, { goal: null, fresh, returnTo });
}

/** One provider: straight to it, unless the organization wants to be seen first. Several: the person chooses. */
async function chooseProvider(
  signIn: SignIn,
  request: AccessRequest,
  { goal, fresh, returnTo = request.target }: { goal: Goal | null; fresh: boolean; returnTo?: string },
): Promise<Answer> {
  const { team } = request;
  const providers = signIn.directory
    .providers(team.accountId)
    .filter((provider) => goal === null || mayUseProvider(goal.application, provider.id));
  const idp = parameter(request, 'idp');
  const isStraight = providers.length === 1 && goesStraight(team.organization, goal?.application ?? null);
  const chosen = isStraight ? providers[0] : providers.find((provider) => provider.id === idp);
  if (!chosen) {
    const choices = providers.map(({ id, name, type }) => ({
      name,
      type,
      href: withProvider(request, id),
    }));
    const application = goal?.application.name ?? null;
    return html(200, choicePage(team.organization, { application, choices }));
  }
  const applicationId = goal?.application.id ?? null;
  return await begin(signIn, request, { providerId: chosen.id, applicationId, returnTo, fresh });
}

/** An application with one provider of its own decides for itself (reference §3.3, §3.5). */
function goesStraight(
  { auto_redirect_to_identity: ofOrganization }: OrganizationState,
  application: ApplicationState | null,
): boolean {
  const ofApplication = application?.auto_redirect_to_identity && application.allowed_idps.length === 1;
  return ofOrganization || ofApplication === true;
}

function withProvider(request: AccessRequest, id: string): string {
  const parameters = new URLSearchParams(queryOf(request));
  parameters.set('idp', id);
  return `${request.target.split('?', 1)[0]}?${parameters}`;
}

/** Sends the browser to a provider, with the secret by which it is known again. */
export async function begin(
  signIn: SignIn,
  { team, cookies }: AccessRequest,
  beginning: { providerId: string; applicationId: string | null; returnTo: string; fresh: boolean },
): Promise<Answer> {
  const { scheme } = signIn;
  const name = stateCookie(scheme);
  const browser = heldSecret(cookies, name) ?? randomSecret();
  const location = await signIn.begin(team, { ...beginning, browser });
  const flags = { maxAge: STATE_SECONDS, secure: scheme === 'https' };
  return redirect(location, [cookieHeader(name, browser, flags)]);
}
