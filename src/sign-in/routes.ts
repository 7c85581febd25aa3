import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { randomSecret } from '../kernel/crypto.ts';
import type { ApplicationState, SessionState } from '../protocol/state.ts';
import { cookieHeader, readCookies, SESSION_COOKIE, STATE_COOKIE } from './cookies.ts';
import {
  CONTENT_POLICY,
  choicePage,
  refusedPage,
  signedInPage,
  signedOutPage,
  signOutPage,
} from './pages.ts';
import { type RefusedReason, SignInRefused, startsAgain } from './refused.ts';
import type { SignIn, Team } from './service.ts';

const STATE_SECONDS = 4 * 60 * 60;
const PREFIX = '/cdn-cgi/access';

export interface SignInPagesOptions {
  readonly signIn: SignIn;
  readonly teamOf: (host: string) => Team | null;
  readonly addressOf: (request: FastifyRequest) => string;
  /** Told of every refused sign-in, with the reason that the page withholds. */
  readonly onRefused: (refused: SignInRefused, requestId: string) => void;
}

interface Visit {
  readonly team: Team;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly cookies: ReadonlyMap<string, string>;
}

type Page = (visit: Visit) => Promise<unknown>;

const OPEN = { open: 'people who are not signed in yet come here' };

/** The endpoints of the team domain under /cdn-cgi/access (reference §5). Any other host: 404. */
export function addSignInPages(app: FastifyInstance, options: SignInPagesOptions): void {
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { bodyLimit: 1024 },
    (_request, payload, done) => {
      payload.resume().on('end', () => done(null, null));
    },
  );
  const page = (method: 'GET' | 'POST', path: string, show: Page) =>
    app.route({
      method,
      url: PREFIX + path,
      schema: { hide: true },
      config: OPEN,
      exposeHeadRoute: false,
      handler: (request, reply) => visit(options, show, request, reply),
    });
  page('GET', '/login', (at) => login(options, at, null));
  page('GET', '/login/:host', (at) => login(options, at, requestedApplication(options, at)));
  page('GET', '/callback', (at) => callback(options, at));
  page('GET', '/logout', (at) => askOrLogout(options, at));
  page('POST', '/logout', (at) => logout(options, at));
  page('GET', '/get-identity', (at) => getIdentity(options, at));
}

async function visit(options: SignInPagesOptions, show: Page, request: FastifyRequest, reply: FastifyReply) {
  const team = options.teamOf(request.headers.host?.toLowerCase() ?? '');
  if (!team) return reply.callNotFound();
  try {
    return await show({ team, request, reply, cookies: readCookies(request.headers.cookie) });
  } catch (error) {
    if (!(error instanceof SignInRefused)) throw error;
    options.onRefused(error, request.id);
    return html(
      reply,
      error.reason.startsWith('provider_') ? 502 : 403,
      refusedPage(error.reason, request.id),
    );
  }
}

/** An application a person wants to reach, and the way back to it. */
interface Goal {
  readonly application: ApplicationState;
  readonly host: string;
  /** Path and query on that host, starting with a slash. */
  readonly target: string;
  /** SHA-256 of the secret this browser holds on the application's host. */
  readonly browserHash: string;
}

/** Reads where the person wants to go; only an application's own host can ever be gone back to. */
function requestedApplication({ signIn }: SignInPagesOptions, { team, request }: Visit): Goal {
  const { host } = request.params as { host: string };
  const { kid, redirect_url: redirect = '/', nonce } = request.query as Record<string, string | undefined>;
  const application = typeof kid === 'string' ? signIn.directory.application(team.accountId, kid) : null;
  const origin = `${signIn.scheme}://${host.toLowerCase()}`;
  const url = URL.canParse(String(redirect), origin) ? new URL(String(redirect), origin) : null;
  const isKnownHost = application?.destinations.some(
    (one) => one.host === host || one.host === host.replace(/:\d+$/, ''),
  );
  if (
    !application ||
    !isKnownHost ||
    !url ||
    url.origin !== origin ||
    !/^[0-9a-f]{64}$/.test(String(nonce))
  ) {
    throw new SignInRefused('state_unknown');
  }
  return { application, host, target: url.pathname + url.search, browserHash: String(nonce) };
}

async function login(options: SignInPagesOptions, at: Visit, goal: Goal | null): Promise<unknown> {
  const { signIn } = options;
  const token = at.cookies.get(SESSION_COOKIE);
  const session = token
    ? await signIn.directory.session(token, { accountId: at.team.accountId, type: 'org' })
    : null;
  if (session && !goal) return html(at.reply, 200, signedInPage(nameOf(at.team), session.email));
  if (session && goal && mayUseProvider(goal.application, session.provider_id)) {
    return await goOn(options, at, { session, goal });
  }
  return await chooseProvider(options, at, goal, token !== undefined);
}

/** Signed in and on the way to an application: the current policy decides, then the one-time code is made. */
async function goOn(
  { signIn, ...options }: SignInPagesOptions,
  at: Visit,
  { session, goal }: { session: SessionState; goal: Goal },
) {
  const judged = signIn.judge(session, goal.application);
  if (judged.verdict !== 'allow') {
    const reason = judged.reason as RefusedReason;
    const ip = options.addressOf(at.request);
    const context = {
      team: at.team,
      providerId: session.provider_id,
      applicationId: goal.application.id,
      ip,
    };
    await signIn.noteFailure(context, session.email, reason);
    throw new SignInRefused(reason);
  }
  const { application, browserHash, target: returnTo } = goal;
  const code = await signIn.handOff(at.team, { session, application, browserHash, returnTo });
  const query = new URLSearchParams({ code });
  return at.reply.redirect(`${signIn.scheme}://${goal.host}${PREFIX}/authorized?${query}`, 302);
}

function mayUseProvider({ allowed_idps: allowed }: ApplicationState, providerId: string): boolean {
  return allowed.length === 0 || allowed.includes(providerId);
}

/**
 * One provider: straight to it. Several: the person chooses. A browser that carries a session which has
 * ended is asked to prove itself again at the provider.
 */
async function chooseProvider(
  options: SignInPagesOptions,
  at: Visit,
  goal: Goal | null,
  hadSession: boolean,
) {
  const { signIn } = options;
  const providers = signIn.directory
    .providers(at.team.accountId)
    .filter((provider) => goal === null || mayUseProvider(goal.application, provider.id));
  const { idp } = at.request.query as { idp?: string };
  const chosen = providers.length === 1 ? providers[0] : providers.find((provider) => provider.id === idp);
  if (!chosen) {
    const choices = providers.map(({ id, name }) => ({ name, href: withProvider(at.request.url, id) }));
    return html(
      at.reply,
      200,
      choicePage(nameOf(at.team), { application: goal?.application.name ?? null, choices }),
    );
  }
  return await begin(options, at, {
    providerId: chosen.id,
    applicationId: goal?.application.id ?? null,
    returnTo: at.request.url,
    fresh: hadSession,
  });
}

function withProvider(url: string, id: string): string {
  const [path, query] = url.split('?', 2);
  const parameters = new URLSearchParams(query);
  parameters.set('idp', id);
  return `${path}?${parameters}`;
}

async function begin(
  { signIn }: SignInPagesOptions,
  { team, reply, cookies }: Visit,
  request: { providerId: string; applicationId: string | null; returnTo: string; fresh: boolean },
) {
  const browser = cookies.get(STATE_COOKIE) ?? randomSecret();
  const location = await signIn.begin(team, { ...request, browser });
  reply.header(
    'set-cookie',
    cookieHeader(STATE_COOKIE, browser, { maxAge: STATE_SECONDS, secure: signIn.scheme === 'https' }),
  );
  return reply.redirect(location, 302);
}

async function callback(options: SignInPagesOptions, at: Visit): Promise<unknown> {
  const { signIn } = options;
  const { state } = at.request.query as { state?: unknown };
  if (typeof state !== 'string' || state === '') throw new SignInRefused('state_unknown');
  try {
    const finished = await signIn.finish(at.team, {
      query: at.request.url.split('?', 2)[1] ?? '',
      state,
      browser: at.cookies.get(STATE_COOKIE) ?? null,
      ip: options.addressOf(at.request),
    });
    const cookie = { maxAge: finished.seconds, secure: signIn.scheme === 'https' };
    at.reply.header('set-cookie', cookieHeader(SESSION_COOKIE, finished.token, cookie));
    return at.reply.redirect(finished.returnTo, 302);
  } catch (error) {
    if (!(error instanceof SignInRefused) || !error.resume || !startsAgain(error.reason)) throw error;
    options.onRefused(error, at.request.id);
    return await begin(options, at, { ...error.resume, fresh: true });
  }
}

async function logout({ signIn, addressOf }: SignInPagesOptions, at: Visit): Promise<unknown> {
  const token = at.cookies.get(SESSION_COOKIE);
  const session = token
    ? await signIn.directory.session(token, { accountId: at.team.accountId, type: 'org' })
    : null;
  if (session) await signIn.end(at.team, session, addressOf(at.request));
  at.reply.header(
    'set-cookie',
    cookieHeader(SESSION_COOKIE, '', { maxAge: 0, secure: signIn.scheme === 'https' }),
  );
  return html(at.reply, 200, signedOutPage(nameOf(at.team)));
}

async function askOrLogout(options: SignInPagesOptions, at: Visit): Promise<unknown> {
  return crossesSites(at.request)
    ? html(at.reply, 200, signOutPage(nameOf(at.team)))
    : await logout(options, at);
}

/** A link on a foreign page must not sign people out unasked; browsers say where a request comes from. */
function crossesSites(request: FastifyRequest): boolean {
  return request.headers['sec-fetch-site'] === 'cross-site';
}

/** The identity behind the cookie (reference §5): 400 without a token, 401 for one that has ended. */
async function getIdentity({ signIn }: SignInPagesOptions, at: Visit): Promise<unknown> {
  const token = at.cookies.get(SESSION_COOKIE);
  if (!token) return at.reply.code(400).send({ err: 'no app token set' });
  const session = await signIn.directory.session(token, { accountId: at.team.accountId, type: 'org' });
  const identity = session ? await signIn.identity(at.team, session) : null;
  return identity ? at.reply.send(identity) : at.reply.code(401).send({ err: 'the session has ended' });
}

function nameOf(team: Team): string {
  return team.organization.name;
}

function html(reply: FastifyReply, status: number, body: string) {
  return reply
    .code(status)
    .header('content-security-policy', CONTENT_POLICY)
    .type('text/html; charset=utf-8')
    .send(body);
}
