import { once } from 'node:events';
import { cp, readFile } from 'node:fs/promises';
import { createServer, type Server as HttpServer } from 'node:http';
import path from 'node:path';
import { createEdge } from '../../demo/edge.ts';
import { Browser } from '../../test/support/browser.ts';
import { tokenIn } from '../../test/support/forge.ts';
import { type OpenIdProvider, signIn, startOpenIdProvider } from '../../test/support/openid-provider.ts';
import { SOURCE_PROGRAM, startServe } from './program.ts';
import type { Server } from './servers.ts';

/** The person whose rows stand for everybody's: each of these words is replaced in a copy. */
export const TEMPLATE = {
  sub: 'template-subject',
  email: 'template@example.com',
  name: 'templatename',
} as const;

/** The applications of an estate, by the host that a browser asks for. */
export const APPLICATION_HOST = 'app.localhost';
export const PROXIED_HOST = 'proxied.localhost';

/**
 * A data folder as the product made it: one provider, two applications, and one person who signed in through a
 * real OpenID provider. Nothing runs on it.
 */
export interface Estate {
  readonly data: string;
  readonly accountId: string;
  readonly apiToken: string;
  /** The template person's application token. */
  readonly token: string;
  /** The AUD tag of the application that the built-in proxy stands before. */
  readonly proxiedAud: string;
}

/** Makes an estate in a new folder; `upstream` is the port behind the proxied application. */
export async function buildEstate(data: string, { upstream }: { upstream: number }): Promise<Estate> {
  await using stack = new AsyncDisposableStack();
  const serve = stack.use(await startServe(SOURCE_PROGRAM, { data, core: null }));
  const { account_id, api_token } = JSON.parse(await readFile(path.join(data, 'credentials.json'), 'utf8'));
  const provider = stack.use(await startProvider(`team.localhost:${serve.port}`));
  const api = apiOf(serve, { accountId: account_id, apiToken: api_token });
  await createProvider(api, provider);
  await createApplication(api, { uri: APPLICATION_HOST });
  const aud = await createApplication(api, {
    uri: PROXIED_HOST,
    upstream: `http://127.0.0.1:${upstream}`,
  });
  const token = await signInOnce(stack, serve);
  return { data, accountId: account_id, apiToken: api_token, token, proxiedAud: aud };
}

/** The same estate in another folder, to be filled differently. */
export async function copyEstate(estate: Estate, data: string): Promise<Estate> {
  await cp(estate.data, data, { recursive: true });
  return { ...estate, data };
}

const CLIENT = { client_id: 'portcullis', client_secret: 'a secret for a bench' };

function startProvider(teamDomain: string): Promise<OpenIdProvider> {
  const redirect_uris = [`http://${teamDomain}/cdn-cgi/access/callback`];
  return startOpenIdProvider({ people: [{ ...TEMPLATE }], clients: [{ ...CLIENT, redirect_uris }] });
}

/** A call of the API below `access`, a POST unless told otherwise; answers the result, or throws. */
export type Api = (
  resource: string,
  body: object | null,
  method?: string,
) => Promise<Record<string, unknown>>;

export function apiOf(
  { port }: Server,
  { accountId, apiToken }: Pick<Estate, 'accountId' | 'apiToken'>,
): Api {
  return async (resource, body, method = 'POST') => {
    const response = await fetch(
      `http://127.0.0.1:${port}/client/v4/accounts/${accountId}/access/${resource}`,
      {
        method,
        headers: { authorization: `Bearer ${apiToken}`, 'content-type': 'application/json' },
        ...(body === null ? {} : { body: JSON.stringify(body) }),
      },
    );
    const text = await response.text();
    if (!response.ok) throw new Error(`${resource}: ${response.status} ${text}`);
    return (JSON.parse(text) as { result: Record<string, unknown> }).result;
  };
}

async function createProvider(api: Api, { authUrl, tokenUrl, jwksUri }: OpenIdProvider): Promise<void> {
  const endpoints = { auth_url: authUrl, token_url: tokenUrl, certs_url: jwksUri };
  await api('identity_providers', { name: 'Bench', type: 'oidc', config: { ...CLIENT, ...endpoints } });
}

/** Answers its AUD tag. */
async function createApplication(api: Api, destination: { uri: string; upstream?: string }): Promise<string> {
  const policy = { name: 'All', decision: 'allow', include: [{ email_domain: { domain: 'example.com' } }] };
  const created = await api('apps', {
    name: destination.uri,
    type: 'self_hosted',
    destinations: [{ type: 'public', ...destination }],
    policies: [policy],
  });
  return String(created.aud);
}

/** Through a proxy with forward-auth, as a browser does; answers the application token. */
async function signInOnce(stack: AsyncDisposableStack, { port }: Server): Promise<string> {
  const application = createServer((_request, response) => void response.end('hello'));
  const edge = createEdge({
    gate: new URL(`http://127.0.0.1:${port}/portcullis/forward-auth`),
    application: new URL(await listen(stack, application, '127.0.0.1')),
  });
  const site = await listen(stack, edge, APPLICATION_HOST);
  const browser = new Browser();
  const page = await signIn(browser, site, { login: TEMPLATE.sub });
  if (page.status !== 200) throw new Error(`the sign-in ended with ${page.status}: ${page.text}`);
  return tokenIn(browser, site);
}

async function listen(stack: AsyncDisposableStack, server: HttpServer, host: string): Promise<string> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  stack.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return `http://${host}:${address.port}`;
}
