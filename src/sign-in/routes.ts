import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { comesFromElsewhere, readCookies } from '../protocol/cookies.ts';
import { deniedAnswer } from '../protocol/denial.ts';
import { type Answer, html } from './answers.ts';
import { backchannelLogout, LOGOUT_LIMIT } from './backchannel-pages.ts';
import { devicePage, devicePosted } from './device-domain.ts';
import type { Team } from './directory.ts';
import { endSession, launcher } from './launcher.ts';
import { login } from './login.ts';
import { refusedPage } from './pages.ts';
import { pinPage, pinPosted } from './pin-domain.ts';
import { SignInRefused } from './refused.ts';
import { type AccessRequest, PREFIX } from './request.ts';
import { POSTED_LIMIT, showSamlMetadata, takePosted } from './saml-pages.ts';
import type { SignIn } from './service.ts';
import { callback, getIdentity, logout } from './team-domain.ts';

export interface SignInPagesOptions {
  readonly signIn: SignIn;
  readonly teamOf: (host: string) => Team | null;
  readonly addressOf: (request: FastifyRequest) => string;
  /** Counts a request of an address; throws beyond its limit. Starting a sign-in writes, and needs no credential. */
  readonly limit: (request: FastifyRequest, reply: FastifyReply) => Promise<void>;
  /** Told of every refused sign-in, with the reason that the page withholds. */
  readonly onRefused: (refused: SignInRefused, requestId: string) => void;
  /** Told why a device that a person was to answer was refused; the page does not have it. */
  readonly onDeviceRefused: (reason: string, requestId: string) => void;
  /** Told of every logout token of a provider that was not taken. */
  readonly onLogoutRefused: (reason: string, requestId: string) => void;
}

type Show = (asked: AccessRequest, request: FastifyRequest) => Promise<Answer>;

const OPEN = { open: 'people who are not signed in yet come here' };
const A_YEAR = 'max-age=31536000';

/** The team domain: the launcher, and the endpoints under /cdn-cgi/access (reference §5). Any other host: 404. */
export function addSignInPages(app: FastifyInstance, options: SignInPagesOptions): void {
  const { signIn, onRefused } = options;
  acceptForms(app);
  const page = (
    method: 'GET' | 'HEAD' | 'POST',
    path: string,
    show: Show,
    more: { bodyLimit?: number } = {},
  ) =>
    app.route({
      ...more,
      method,
      url: path === '/' ? path : PREFIX + path,
      schema: { hide: true },
      config: OPEN,
      exposeHeadRoute: false,
      onRequest: options.limit,
      handler: (request, reply) => visit(options, show, request, reply),
    });
  page('GET', '/', (asked) => launcher(signIn, asked));
  page('HEAD', '/', (asked) => launcher(signIn, asked));
  page('POST', '/sessions/end', (asked) => endSession(signIn, asked));
  page('GET', '/login', (asked) => login(signIn, asked, null));
  page('GET', '/login/:host', (asked, { params }) => login(signIn, asked, (params as { host: string }).host));
  page('GET', '/callback', (asked) =>
    callback(signIn, asked, (refused) => onRefused(refused, asked.requestId)),
  );
  page('POST', '/callback', (asked) => takePosted(signIn, asked), { bodyLimit: POSTED_LIMIT });
  page('GET', '/saml-metadata', (asked) => showSamlMetadata(signIn, asked));
  page('GET', '/pin', (asked) => pinPage(signIn, asked));
  page(
    'POST',
    '/pin',
    (asked) => pinPosted(signIn, asked, (refused) => onRefused(refused, asked.requestId)),
    {
      bodyLimit: 1024,
    },
  );
  page('GET', '/device', (asked) => devicePage({ signIn, onRefused: options.onDeviceRefused }, asked));
  page('POST', '/device', (asked) => devicePosted({ signIn, onRefused: options.onDeviceRefused }, asked), {
    bodyLimit: 1024,
  });
  page('GET', '/logout', (asked) => logout(signIn, asked));
  page('POST', '/logout', (asked) => logout(signIn, asked));
  page(
    'POST',
    '/backchannel-logout/:provider_id',
    (asked, { params }) => {
      const { provider_id: providerId } = params as { provider_id: string };
      const onRefused = (reason: string) => options.onLogoutRefused(reason, asked.requestId);
      return backchannelLogout(signIn, asked, { providerId, onRefused });
    },
    { bodyLimit: LOGOUT_LIMIT },
  );
  page('GET', '/get-identity', (asked) => getIdentity(signIn, asked));
}

/** Our own forms are short. */
const FORM_LIMIT = 4 * 1024;

function acceptForms(app: FastifyInstance): void {
  const type = 'application/x-www-form-urlencoded';
  const options = { parseAs: 'string', bodyLimit: FORM_LIMIT } as const;
  app.addContentTypeParser(type, options, (_request, body, done) =>
    done(null, new URLSearchParams(String(body))),
  );
}

async function visit(options: SignInPagesOptions, show: Show, request: FastifyRequest, reply: FastifyReply) {
  const team = options.teamOf(request.headers.host?.toLowerCase() ?? '');
  // A target in absolute form names a host of its own, which nothing here may be led by.
  if (!team || !request.url.startsWith('/')) return reply.callNotFound();
  const { status, headers, body } = await answer(options, show, { team, request });
  if (options.signIn.scheme === 'https') reply.header('strict-transport-security', A_YEAR);
  for (const [name, value] of Object.entries(headers)) reply.header(name, value);
  return reply.code(status).send(body);
}

async function answer(
  options: SignInPagesOptions,
  show: Show,
  { team, request }: { team: Team; request: FastifyRequest },
): Promise<Answer> {
  const asked: AccessRequest = {
    team,
    target: request.url,
    cookies: readCookies(request.headers.cookie ?? ''),
    crossSite: comesFromElsewhere(request.headers['sec-fetch-site']),
    sameOrigin: isSameOrigin(request, options.signIn.issuerOf(team)),
    ip: options.addressOf(request),
    requestId: request.id,
    form: request.body instanceof URLSearchParams ? request.body : new URLSearchParams(),
  };
  try {
    return await show(asked, request);
  } catch (error) {
    if (!(error instanceof SignInRefused)) throw error;
    options.onRefused(error, request.id);
    return refusedAnswer(options, error, asked);
  }
}

/** Whom policies deny is told what an application's host would tell them. */
function refusedAnswer({ signIn }: SignInPagesOptions, error: SignInRefused, asked: AccessRequest): Answer {
  const { team, requestId } = asked;
  if (error.denied) {
    const denied = { application: error.denied, isPerson: true, requestId };
    return deniedAnswer(signIn.directory.denying(team.accountId), denied);
  }
  return html(statusOf(error), refusedPage(error.reason, { organization: team.organization, requestId }));
}

/** As far as the browser says; what does not say so did not come from our page. */
function isSameOrigin({ headers }: FastifyRequest, issuer: string): boolean {
  const site = headers['sec-fetch-site'];
  return site === undefined ? headers.origin === issuer : site === 'same-origin';
}

/** The provider's fault, or the person's. */
function statusOf({ reason }: SignInRefused): number {
  if (reason === 'form_invalid') return 400;
  return reason === 'provider_unavailable' || reason === 'provider_answer_invalid' ? 502 : 403;
}
