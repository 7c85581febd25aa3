import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';

/** Somebody with an account at GitHub. */
export interface GithubPerson {
  id: number;
  login: string;
  name: string | null;
  emails: { email: string; primary: boolean; verified: boolean }[];
  organizations: string[];
  /** Organization and slug. */
  teams: [string, string][];
}

/** An answer that a test puts in the place of the right one. */
export interface OddAnswer {
  readonly status?: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A GitHub Enterprise server on a loopback port, as strict as the real one about codes, challenges and tokens. */
export interface TestGithub extends AsyncDisposable {
  readonly origin: string;
  readonly client: { client_id: string; client_secret: string; redirect_uri: string };
  /** Whoever the browser is signed in as; everything is approved. */
  person: GithubPerson;
  /** What is granted, whatever is asked for; null: what is asked for. */
  granted: string | null;
  /** By path below the API, or `/login/oauth/access_token`. */
  readonly odd: Record<string, OddAnswer>;
  /** Parameters of the last question for authorization. */
  asked: URLSearchParams;
  /** Paths below the API that were asked for, with their queries. */
  readonly requests: string[];
}

interface Code {
  readonly person: GithubPerson;
  readonly challenge: string;
  readonly redirectUri: string;
  readonly scope: string;
}

const API = '/api/v3';

export async function startGithub(redirectUri: string, person: GithubPerson): Promise<TestGithub> {
  const codes = new Map<string, Code>();
  const tokens = new Map<string, GithubPerson>();
  const server = createServer((request, response) => {
    respond(request, response).catch((error: Error) => response.writeHead(500).end(error.message));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  const origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  const github: TestGithub = {
    origin,
    client: { client_id: 'Iv1.portcullis', client_secret: 'a secret for GitHub', redirect_uri: redirectUri },
    person,
    granted: null,
    odd: {},
    asked: new URLSearchParams(),
    requests: [],
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
    },
  };

  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', origin);
    if (url.pathname === '/login/oauth/authorize') authorize(url.searchParams, response);
    else if (url.pathname === '/login/oauth/access_token') sendJson(response, await exchange(request));
    else sendJson(response, answerOf(url, request));
  };

  const authorize = (asked: URLSearchParams, response: ServerResponse): void => {
    github.asked = asked;
    const callback = new URL(asked.get('redirect_uri') ?? '');
    const isRight =
      asked.get('client_id') === github.client.client_id &&
      callback.href === github.client.redirect_uri &&
      asked.get('code_challenge_method') === 'S256' &&
      /^[\w-]{43}$/.test(asked.get('code_challenge') ?? '');
    if (!isRight) {
      response.writeHead(400).end('not as registered');
      return;
    }
    const code = randomBytes(10).toString('hex');
    const challenge = asked.get('code_challenge') ?? '';
    const scope = github.granted ?? (asked.get('scope') ?? '').split(' ').sort().join(',');
    codes.set(code, { person: github.person, challenge, redirectUri: callback.href, scope });
    callback.searchParams.set('code', code);
    callback.searchParams.set('state', asked.get('state') ?? '');
    response.writeHead(302, { location: callback.href }).end();
  };

  const exchange = async (request: IncomingMessage): Promise<OddAnswer> => {
    const form = new URLSearchParams(await text(request));
    const odd = github.odd['/login/oauth/access_token'];
    if (odd) return odd;
    const refuse = (error: string) => ({ body: { error, error_description: 'No.' } });
    if (request.method !== 'POST' || !request.headers.accept?.includes('application/json'))
      return { status: 406 };
    const { client_id, client_secret } = github.client;
    if (form.get('client_id') !== client_id || form.get('client_secret') !== client_secret)
      return refuse('incorrect_client_credentials');
    const code = codes.get(form.get('code') ?? '');
    codes.delete(form.get('code') ?? '');
    const verifier = createHash('sha256').update(form.get('code_verifier') ?? '');
    if (!code || verifier.digest('base64url') !== code.challenge) return refuse('bad_verification_code');
    if (form.get('redirect_uri') !== code.redirectUri) return refuse('redirect_uri_mismatch');
    const token = `gho_${randomBytes(18).toString('hex')}`;
    tokens.set(token, code.person);
    return { body: { access_token: token, scope: code.scope, token_type: 'bearer' } };
  };

  const answerOf = (url: URL, request: IncomingMessage): OddAnswer => {
    const path = url.pathname.startsWith(API) ? url.pathname.slice(API.length) : '';
    github.requests.push(path + url.search);
    const person = tokens.get((request.headers.authorization ?? '').replace(/^Bearer /, ''));
    if (!request.headers['user-agent']) return { status: 403 };
    if (!person) return { status: 401, body: { message: 'Bad credentials' } };
    const odd = github.odd[path];
    if (odd) return odd;
    if (path === '/user') return { body: { ...publicOf(person), email: null } };
    const list = listOf(person, path);
    return list ? pageOf(url, list) : { status: 404, body: { message: 'Not Found' } };
  };
  return github;
}

function publicOf({ id, login, name }: GithubPerson) {
  return { id, login, name };
}

function listOf(person: GithubPerson, path: string): unknown[] | null {
  if (path === '/user/emails')
    return person.emails.map((one) => ({ ...one, visibility: one.primary ? 'private' : null }));
  if (path === '/user/orgs') return person.organizations.map((login, id) => ({ id, login }));
  if (path === '/user/teams')
    return person.teams.map(([login, slug]) => ({ slug, name: `The ${slug}`, organization: { login } }));
  return null;
}

function pageOf(url: URL, list: readonly unknown[]): OddAnswer {
  const size = Math.min(Number(url.searchParams.get('per_page') ?? 30), 100);
  const page = Number(url.searchParams.get('page') ?? 1);
  const next = new URL(url);
  next.searchParams.set('page', String(page + 1));
  const body = list.slice((page - 1) * size, page * size);
  return page * size < list.length ? { body, headers: { link: `<${next}>; rel="next"` } } : { body };
}

function sendJson(response: ServerResponse, { status = 200, body = {}, headers = {} }: OddAnswer): void {
  response
    .writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers })
    .end(JSON.stringify(body));
}
