import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { comesFromElsewhere, readCookies } from '../protocol/cookies.ts';
import { type Answer, html } from './answers.ts';
import type { Team } from './directory.ts';
import { login } from './login.ts';
import { refusedPage } from './pages.ts';
import { SignInRefused } from './refused.ts';
import { type AccessRequest, PREFIX } from './request.ts';
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
}

type Show = (asked: AccessRequest, request: FastifyRequest) => Promise<Answer>;

const OPEN = { open: 'people who are not signed in yet come here' };
const A_YEAR = 'max-age=31536000';

/** The endpoints of the team domain under /cdn-cgi/access (reference §5). Any other host: 404. */
export function addSignInPages(app: FastifyInstance, options: SignInPagesOptions): void {
  const { signIn, onRefused } = options;
  acceptForms(app);
  const page = (method: 'GET' | 'POST', path: string, show: Show) =>
    app.route({
      method,
      url: PREFIX + path,
      schema: { hide: true },
      config: OPEN,
      exposeHeadRoute: false,
      onRequest: options.limit,
      handler: (request, reply) => visit(options, show, request, reply),
    });
  page('GET', '/login', (asked) => login(signIn, asked, null));
  page('GET', '/login/:host', (asked, { params }) => login(signIn, asked, (params as { host: string }).host));
  page('GET', '/callback', (asked) =>
    callback(signIn, asked, (refused) => onRefused(refused, asked.requestId)),
  );
  page('GET', '/logout', (asked) => logout(signIn, asked));
  page('POST', '/logout', (asked) => logout(signIn, asked));
  page('GET', '/get-identity', (asked) => getIdentity(signIn, asked));
}

/** Our forms have buttons and no fields: what a body holds is not read. */
function acceptForms(app: FastifyInstance): void {
  const type = 'application/x-www-form-urlencoded';
  app.addContentTypeParser(type, { bodyLimit: 1024 }, (_request, payload, done) => {
    payload.resume().on('end', () => done(null, null));
  });
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
    ip: options.addressOf(request),
    requestId: request.id,
  };
  try {
    return await show(asked, request);
  } catch (error) {
    if (!(error instanceof SignInRefused)) throw error;
    options.onRefused(error, request.id);
    return html(statusOf(error), refusedPage(error.reason, request.id));
  }
}

/** The provider's fault, or the person's. */
function statusOf({ reason }: SignInRefused): number {
  return reason === 'provider_unavailable' || reason === 'provider_answer_invalid' ? 502 : 403;
}
