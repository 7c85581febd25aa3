import { generateKeyPair as generateKeyPairCallback, type KeyObject, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { decodeJwt, decodeProtectedHeader, type JWTHeaderParameters, type JWTPayload, SignJWT } from 'jose';
import { type AdapterPayload, type Configuration, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Browser, FollowOptions, Page } from './browser.ts';
import { fetchLoopback } from './fetch-loopback.ts';
import { loginPage } from './openid-login-page.ts';
import { createOpenIdStore } from './openid-store.ts';

const generateKeyPair = promisify(generateKeyPairCallback);

/** A person whom the provider can sign in. */
export interface Person {
  sub: string;
  email: string;
  email_verified?: boolean;
  name?: string;
  /** Further claims of the ID token; their names must be known at the start (`claimNames`, or anybody's claims). */
  claims?: Readonly<Record<string, unknown>>;
}

/** An application registered at the provider; other client metadata of OpenID registration may be added. */
export interface OpenIdClient {
  client_id: string;
  client_secret: string;
  redirect_uris: string[];
  require_auth_time?: boolean;
  /** Told of the end of a session, with its name (`sid`), which ID tokens have as well. */
  backchannel_logout_uri?: string;
  backchannel_logout_session_required?: boolean;
  post_logout_redirect_uris?: string[];
}

/** Ways in which a test makes the provider lie. Each may be set and removed while it runs. */
export interface Misbehaviour {
  /** Alters the discovery document. */
  discovery?: (document: Record<string, unknown>) => Record<string, unknown>;
  /** Alters the address that the browser is sent back to with the code. */
  callback?: (url: URL) => URL;
  /** Alters the claims of an ID token before it is signed; a test may also hold the exchange here. */
  idToken?: (claims: JWTPayload) => JWTPayload | Promise<JWTPayload>;
  /** Signs ID tokens with a key that the provider never published, under the name of one that it did. */
  signsWithUnpublishedKey?: boolean;
  /** Alters what the UserInfo endpoint tells. */
  userInfo?: (claims: Record<string, unknown>) => Record<string, unknown>;
}

export interface OpenIdProviderOptions {
  people: Person[];
  clients?: OpenIdClient[];
  claimNames?: readonly string[];
}

/** A real OpenID provider on a loopback port. `people`, `clients` and `misbehaviour` are read at each request. */
export interface OpenIdProvider extends AsyncDisposable {
  issuer: string;
  authUrl: string;
  tokenUrl: string;
  jwksUri: string;
  people: Person[];
  clients: OpenIdClient[];
  misbehaviour: Misbehaviour;
  /** How each back-channel logout ended: null, or the error. */
  logouts: (string | null)[];
  /** A token signed with the published key, by the usual header or another. */
  sign(claims: JWTPayload, header?: Partial<JWTHeaderParameters>): Promise<string>;
  close(): Promise<void>;
}

interface Keys {
  published: KeyObject;
  unpublished: KeyObject;
}

/**
 * Starts an OpenID provider: code flow with PKCE required, RS256, `prompt=login`, `max_age`, RFC 9207 `iss`,
 * e-mail claims in the ID token, consent given by itself. Nothing is kept when it closes.
 */
export async function startOpenIdProvider(options: OpenIdProviderOptions): Promise<OpenIdProvider> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = originOf(server);
  const state = { people: options.people, clients: options.clients ?? [], misbehaviour: {} as Misbehaviour };
  const keys = { published: await newKey(), unpublished: await newKey() };
  const provider = new Provider(issuer, configuration(options, state, keys));
  provider.use(async (ctx, next) => {
    await next();
    await misbehave(ctx as KoaContextWithOIDC, state.misbehaviour, keys);
  });
  serve(server, provider, state);
  const logouts: (string | null)[] = [];
  provider.on('backchannel.success', () => void logouts.push(null));
  provider.on('backchannel.error', (_ctx, error: Error) => void logouts.push(error.message));
  const sign: OpenIdProvider['sign'] = (claims, header = {}) =>
    new SignJWT(claims).setProtectedHeader({ alg: 'RS256', ...header }).sign(keys.published);
  const close = () => closeServer(server);
  const endpoints = {
    issuer,
    authUrl: `${issuer}/auth`,
    tokenUrl: `${issuer}/token`,
    jwksUri: `${issuer}/jwks`,
  };
  return Object.assign(state, endpoints, { logouts, sign, close, [Symbol.asyncDispose]: close });
}

/**
 * Signs a person in as a browser would: opens the address, follows to the provider's form, submits it with
 * the person's subject or e-mail, and follows on. Where the provider asks nothing, there is only following.
 */
export async function signIn(
  browser: Browser,
  start: string | URL,
  { login, ...options }: FollowOptions & { login: string },
): Promise<Page> {
  const page = await browser.follow(start, options);
  if (page.status !== 200 || !page.url.pathname.startsWith('/interaction/')) return page;
  return browser.followFrom(await browser.post(page.url, { login }), options);
}

function configuration(
  { people, claimNames = [] }: OpenIdProviderOptions,
  state: { people: Person[]; clients: OpenIdClient[] },
  keys: Keys,
): Configuration {
  const extra = [...claimNames, ...people.flatMap(({ claims = {} }) => Object.keys(claims))];
  return {
    adapter: createOpenIdStore((id) => findClient(state.clients, id)),
    claims: { openid: ['sub', ...extra], email: ['email', 'email_verified'], profile: ['name'] },
    clientBasedCORS: () => false,
    conformIdTokenClaims: false,
    cookies: { keys: [randomBytes(32).toString('hex')] },
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: { enabled: true, logoutSource: askLogout, postLogoutSuccessSource: sayLoggedOut },
    },
    fetch: (url, options) => fetchLoopback(String(url), options as RequestInit),
    findAccount: (_ctx, sub) => findAccount(state.people, sub),
    interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
    jwks: { keys: [{ ...keys.published.export({ format: 'jwk' }), alg: 'RS256', use: 'sig' }] },
    loadExistingGrant: grantWhatIsAsked,
    pkce: { required: () => true },
    ttl: {
      AccessToken: 300,
      AuthorizationCode: 60,
      Grant: 3600,
      IdToken: 300,
      Interaction: 3600,
      Session: 3600,
    },
  };
}

/** The provider's own question before it ends its session; the form is its own, without a button. */
function askLogout(ctx: KoaContextWithOIDC, form: string): void {
  ctx.body = `<!doctype html><html lang="en"><title>Sign out</title><h1>Sign out here as well?</h1>${form}
<button form="op.logoutForm" name="logout" value="yes">Yes, sign me out</button></html>`;
}

function sayLoggedOut(ctx: KoaContextWithOIDC): void {
  ctx.body = '<!doctype html><html lang="en"><title>Signed out</title><h1>You are signed out</h1></html>';
}

function findClient(clients: readonly OpenIdClient[], id: string): AdapterPayload | undefined {
  const client = clients.find(({ client_id }) => client_id === id);
  return client && { ...client };
}

function findAccount(people: readonly Person[], sub: string) {
  const person = people.find((one) => one.sub === sub);
  if (person === undefined) return undefined;
  const { claims, ...standard } = person;
  return { accountId: sub, claims: () => ({ email_verified: true, ...standard, ...claims }) };
}

async function grantWhatIsAsked({ oidc }: KoaContextWithOIDC) {
  const grant = new oidc.provider.Grant({
    clientId: oidc.client?.clientId ?? '',
    accountId: oidc.session?.accountId ?? '',
  });
  grant.addOIDCScope([...oidc.requestParamScopes].join(' '));
  await grant.save();
  return grant;
}

function serve(server: Server, provider: Provider, state: { people: Person[] }): void {
  const standard = provider.callback();
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (!request.url?.startsWith('/interaction/')) return standard(request, response);
    return interact(provider, state.people, request, response).catch((error: Error) => {
      response.writeHead(400, { 'content-type': 'text/plain' }).end(error.message);
    });
  });
}

async function interact(
  provider: Provider,
  people: Person[],
  request: IncomingMessage,
  response: ServerResponse,
) {
  const { prompt } = await provider.interactionDetails(request, response);
  if (prompt.name === 'consent') return provider.interactionFinished(request, response, { consent: {} });
  if (request.method !== 'POST')
    return response.setHeader('content-type', 'text/html').end(loginPage(people));
  const login = new URLSearchParams(await text(request)).get('login');
  const person = people.find(({ sub }) => sub === login) ?? people.find(({ email }) => email === login);
  if (person !== undefined) {
    return provider.interactionFinished(request, response, { login: { accountId: person.sub } });
  }
  return response
    .writeHead(400, { 'content-type': 'text/html' })
    .end(loginPage(people, 'Nobody here is called that.'));
}

async function misbehave(ctx: KoaContextWithOIDC, how: Misbehaviour, keys: Keys): Promise<void> {
  const body = ctx.body as Record<string, unknown> | undefined;
  const location = String(ctx.response.headers.location ?? '');
  if (how.discovery && body && ctx.path === '/.well-known/openid-configuration')
    ctx.body = how.discovery(body);
  if (how.userInfo && body && ctx.path === '/me') ctx.body = how.userInfo(body);
  if (how.callback && location.includes('code=')) ctx.set('location', how.callback(new URL(location)).href);
  const tampers = how.idToken !== undefined || how.signsWithUnpublishedKey === true;
  if (tampers && typeof body?.id_token === 'string')
    ctx.body = { ...body, id_token: await tamper(body.id_token, how, keys) };
}

async function tamper(idToken: string, how: Misbehaviour, keys: Keys): Promise<string> {
  const claims = decodeJwt(idToken);
  const header = decodeProtectedHeader(idToken);
  const altered = how.idToken ? await how.idToken(claims) : claims;
  const key = how.signsWithUnpublishedKey ? keys.unpublished : keys.published;
  return new SignJWT(altered).setProtectedHeader({ ...header, alg: 'RS256' }).sign(key);
}

async function newKey(): Promise<KeyObject> {
  return (await generateKeyPair('rsa', { modulusLength: 2048 })).privateKey;
}

function originOf(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the provider does not listen');
  return `http://127.0.0.1:${address.port}`;
}

async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return;
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
}
