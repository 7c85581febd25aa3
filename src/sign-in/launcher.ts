import { words } from '../kernel/words.ts';
import { lookOf } from '../protocol/denial.ts';
import type { ApplicationState, SessionState } from '../protocol/state.ts';
import { type Answer, html, htmlWithForms, redirect } from './answers.ts';
import { type Launchable, launcherPage } from './launcher-page.ts';
import type { OwnSession } from './launcher-sessions.ts';
import { currentSession, mayUseProvider } from './login.ts';
import { saidPage, signedOutPage } from './pages.ts';
import { type AccessRequest, field, PREFIX } from './request.ts';
import type { SignIn } from './service.ts';
import { clearedSessionCookie } from './team-domain.ts';

/** The launcher at the root of the team domain; whoever is not signed in signs in first and comes back. */
export async function launcher(signIn: SignIn, request: AccessRequest): Promise<Answer> {
  const { team } = request;
  const session = await currentSession(signIn, request);
  if (!session) return redirect(`${PREFIX}/login`);
  const page = launcherPage(team.organization, {
    email: session.email,
    applications: launchable(signIn, request, session),
    sessions: hereFirst(await signIn.sessions.list(team, session), session),
    here: session.nonce,
    formToken: signIn.sessions.formToken(team, session),
  });
  return htmlWithForms(200, page);
}

function hereFirst(sessions: readonly OwnSession[], { nonce }: SessionState): OwnSession[] {
  const [here, others] = [true, false].map((isHere) =>
    sessions.filter((one) => (one.nonce === nonce) === isHere),
  );
  return [...(here ?? []), ...(others ?? [])];
}

/** What current policies let the person use, if it wants to be shown. */
function launchable(
  { directory, scheme }: SignIn,
  { team: { accountId }, ip }: AccessRequest,
  session: SessionState,
): Launchable[] {
  const mayUse = (application: ApplicationState) =>
    mayUseProvider(application, session.provider_id) &&
    directory.judge(accountId, session, { application, ip }).verdict === 'allow';
  return directory
    .applications(accountId)
    .filter((application) => application.app_launcher_visible && mayUse(application))
    .flatMap(({ name, logo_url: logo, destinations: [first] }) =>
      first ? [{ name, logo, href: `${scheme}://${first.host}${first.path}` }] : [],
    );
}

/**
 * Ends the session that the form names, or all. The form must come from a page of this host, with what only the page
 * of this very session carries: a host of the same site could send the cookie along.
 */
export async function endSession(signIn: SignIn, request: AccessRequest): Promise<Answer> {
  const { team, ip } = request;
  const session = await currentSession(signIn, request);
  if (!session) return seeOther('/');
  const token = field(request, 'token');
  if (!request.sameOrigin || token === null || !signIn.sessions.isFormToken(team, session, token)) {
    return refused(request, 403, words.launcher.forged);
  }
  const nonce = request.form?.has('session') ? field(request, 'session') : null;
  if (request.form?.has('session') && !nonce) return refused(request, 404, words.launcher.gone);
  const isEnded = await signIn.sessions.end(team, session, { nonce, ip });
  if (!isEnded) return refused(request, 404, words.launcher.gone);
  if (nonce !== null && nonce !== session.nonce) return seeOther('/');
  return html(200, signedOutPage(team.organization), [clearedSessionCookie(signIn)]);
}

function refused({ team, requestId }: AccessRequest, status: number, text: string): Answer {
  const look = lookOf(team.organization);
  return html(status, saidPage(look, { title: words.launcher.notEnded, text, requestId, back: '/' }));
}

function seeOther(location: string): Answer {
  return { ...redirect(location), status: 303 };
}
