import { createServer } from 'node:http';
import type Cloudflare from 'cloudflare';
import { createEdge } from '../../demo/edge.ts';
import type { TestApp } from './app.ts';
import { freePort } from './free-port.ts';
import { type OpenIdProvider, type Person, startOpenIdProvider } from './openid-provider.ts';
import type { RawRequest } from './raw-http.ts';

export const CLIENT = { client_id: 'portcullis', client_secret: 'the-secret-that-nobody-is-ever-told' };

/** A request of the API with the account token, its body as JSON. */
export function asking(app: TestApp, method: string, target: string, body?: unknown): RawRequest {
  return {
    method,
    target: `/client/v4${target}`,
    headers: [
      ['authorization', `Bearer ${app.credentials.api_token}`],
      ['content-type', 'application/json'],
    ],
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  };
}

/** A real OpenID provider that knows the team domain of the app. */
export function startProvider(app: TestApp, people: Person[] = []): Promise<OpenIdProvider> {
  const redirect_uris = [`http://${app.teamDomain}/cdn-cgi/access/callback`];
  return startOpenIdProvider({ people, clients: [{ ...CLIENT, redirect_uris }] });
}

/** Body of an identity provider for that OpenID provider; further settings may be given. */
export function oidc(provider: Endpoints, config: Record<string, unknown> = {}) {
  return {
    name: 'Somewhere',
    type: 'oidc' as const,
    config: {
      ...CLIENT,
      auth_url: provider.authUrl,
      token_url: provider.tokenUrl,
      certs_url: provider.jwksUri,
      ...config,
    },
  };
}

type Endpoints = Pick<OpenIdProvider, 'authUrl' | 'tokenUrl' | 'jwksUri'>;

/** An application behind the gate. */
export interface Site extends AsyncDisposable {
  readonly host: string;
  readonly url: string;
}

/** A small application at `http://<name>.localhost:<port>/`, behind a proxy that asks the gate. */
export async function startSite(app: TestApp, name = 'app'): Promise<Site> {
  const [upstream, edge] = [await freePort(), await freePort()];
  const behind = createServer((_request, response) => response.end('inside')).listen(upstream, '127.0.0.1');
  const proxy = createEdge({
    gate: new URL(`${app.origin}/portcullis/forward-auth`),
    application: new URL(`http://127.0.0.1:${upstream}`),
  }).listen(edge, '127.0.0.1');
  const host = `${name}.localhost:${edge}`;
  return {
    host,
    url: `http://${host}/`,
    async [Symbol.asyncDispose]() {
      for (const server of [proxy, behind]) {
        server.closeAllConnections();
        await new Promise((done) => server.close(done));
      }
    },
  };
}

type NewApplication = Cloudflare.ZeroTrust.Access.ApplicationCreateParams.SelfHostedApplication;

/** A self-hosted application by the SDK, whose types leave out the rules of policies within an application. */
export async function createApplication(
  app: TestApp,
  body: Omit<NewApplication, 'type' | 'domain' | 'policies'> & Body,
) {
  const account_id = app.credentials.account_id;
  const place = body.zone_id === undefined ? { account_id } : {};
  const params = { type: 'self_hosted', ...place, ...body } as NewApplication;
  const { id = '', ...made } = await app.sdk().zeroTrust.access.applications.create(params);
  return { ...made, id };
}

interface Body {
  readonly domain?: string;
  readonly policies?: readonly object[];
}

/** A policy that lets everyone in. */
export const allowAll = { name: 'Everyone', decision: 'allow' as const, include: [{ everyone: {} }] };

/** The newest entry of the audit log. */
export async function newestEntry(app: TestApp) {
  const { account_id } = app.credentials;
  const [entry] = (await app.sdk().auditLogs.list({ account_id, per_page: 1 })).result;
  return { ...entry, metadata: (entry?.metadata ?? {}) as Record<string, unknown> };
}
