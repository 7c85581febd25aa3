import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import samlp, { type ParsedRequest, type ResponseOptions } from 'samlp';
import type { Browser, Page } from './browser.ts';
import { createPair, type TestPair } from './certificates.ts';
import { loginPage } from './openid-login-page.ts';
import { signAssertion } from './saml-forge.ts';

/** Somebody whom the provider can sign in. */
export interface SamlPerson {
  nameId: string;
  email: string;
  name?: string;
  attributes?: Readonly<Record<string, string | string[]>>;
  format?: string;
}

/** Ways in which a test makes the provider lie; each may be set and removed while it runs. */
export interface SamlMisbehaviour {
  /** Alters what the response is made of. */
  options?: (options: ResponseOptions) => ResponseOptions;
  /** Alters the response, whose assertion is signed only then. */
  beforeSigning?: (xml: string) => string;
  /** Alters the response after it was signed. */
  afterSigning?: (xml: string) => string | Promise<string>;
  /** Does not ask the person again when it is told to. */
  ignoresForceAuthn?: boolean;
}

/** A real SAML 2.0 identity provider on a loopback port: redirect binding in, signed assertion by POST out. */
export interface SamlProvider extends AsyncDisposable {
  readonly issuer: string;
  readonly ssoUrl: string;
  readonly pair: TestPair;
  readonly people: SamlPerson[];
  readonly misbehaviour: SamlMisbehaviour;
  /** The requests that it understood, newest last. */
  readonly requests: ParsedRequest[];
}

type World = Omit<SamlProvider, typeof Symbol.asyncDispose> & { sessions: Map<string, Session> };

interface Session {
  readonly person: SamlPerson;
  readonly since: string;
}

const UNSPECIFIED = 'urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified';

/** An RSA key with its certificate, as SAML providers have them. */
export function createSamlPair(): Promise<TestPair> {
  return createPair({ keyType: 'rsa', keySize: 2048 });
}

export async function startSamlProvider(people: SamlPerson[] = []): Promise<SamlProvider> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const origin = `http://127.0.0.1:${address.port}`;
  const world: World = {
    issuer: `${origin}/metadata`,
    ssoUrl: `${origin}/sso?tenant=one`,
    pair: await createSamlPair(),
    people,
    misbehaviour: {},
    requests: [],
    sessions: new Map(),
  };
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    answer(world, request, response).catch((error: Error) => {
      response.writeHead(400, { 'content-type': 'text/plain' }).end(error.message);
    });
  });
  const close = async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
  return Object.assign(world, { [Symbol.asyncDispose]: close });
}

/**
 * Signs somebody in as a browser would: to the provider's form, which is submitted with their name. The answer is the
 * page that posts the response, for `postResponse`.
 */
export async function askProvider(browser: Browser, start: string | URL, login: string): Promise<Page> {
  const page = await browser.follow(start);
  if (page.text.includes('name="SAMLResponse"')) return page;
  assert.match(page.text, /Who are you/, page.text);
  return await browser.post(page.url, { login });
}

/** The form by which the provider sends the browser back: where to, and what. */
export function formOf({ text }: Page): { action: string; fields: Record<string, string> } {
  const action = /action="([^"]+)"/.exec(text)?.[1];
  assert.ok(action, text);
  const fields = [...text.matchAll(/name="(\w+)" value="([^"]*)"/g)].map(([, name, value]) => [name, value]);
  return { action: readHtml(action), fields: Object.fromEntries(fields) };
}

/** What a browser sends with a form of another site: no cookie that is Lax. */
export function postResponse(browser: Browser, { action, fields }: ReturnType<typeof formOf>): Promise<Page> {
  const headers = { origin: 'null', 'sec-fetch-site': 'cross-site', cookie: null };
  return browser.post(action, fields, headers);
}

function readHtml(html: string): string {
  return html.replaceAll('&amp;', '&');
}

async function answer(world: World, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', world.issuer);
  if (url.pathname !== '/sso') return void response.writeHead(404).end();
  const query = Object.fromEntries(url.searchParams);
  const parsed = await parse(request, query);
  if (request.method !== 'POST') world.requests.push(parsed);
  const session = await sessionOf(world, request, parsed);
  response.setHeader('content-type', 'text/html; charset=utf-8');
  if (!session) {
    return void response.end(
      loginPage(world.people.map(({ nameId, ...more }) => ({ sub: nameId, ...more }))),
    );
  }
  const id = randomUUID();
  world.sessions.set(id, session);
  const xml = await makeResponse(world, parsed, session);
  response.setHeader('set-cookie', `saml_session=${id}; Path=/; HttpOnly`);
  response.end(postingPage(parsed.assertionConsumerServiceURL ?? '', xml, query.RelayState ?? ''));
}

function parse(request: IncomingMessage, query: Record<string, string>): Promise<ParsedRequest> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, data?: ParsedRequest) =>
      error || !data ? reject(error ?? new Error('no request')) : resolve(data);
    samlp.parseRequest({ headers: request.headers, query }, done);
  });
}

/** The login of this moment, or the one before, unless the person has to be asked again. */
async function sessionOf(
  { sessions, people, misbehaviour }: World,
  request: IncomingMessage,
  { forceAuthn }: ParsedRequest,
): Promise<Session | undefined> {
  if (request.method === 'POST') {
    const login = new URLSearchParams(await text(request)).get('login');
    const person = people.find(({ nameId, email }) => nameId === login || email === login);
    return person && { person, since: new Date().toISOString() };
  }
  const id = /saml_session=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1] ?? '';
  return forceAuthn === 'true' && !misbehaviour.ignoresForceAuthn ? undefined : sessions.get(id);
}

const getSamlResponse = promisify(samlp.getSamlResponse);

async function makeResponse(
  { issuer, pair, misbehaviour }: World,
  { id, issuer: audience = '', assertionConsumerServiceURL: acs = '' }: ParsedRequest,
  { person, since }: Session,
): Promise<string> {
  const { options = (same) => same, beforeSigning, afterSigning = (same) => same } = misbehaviour;
  const attributes: Record<string, string | string[]> = {
    email: person.email,
    ...(person.name ? { displayName: person.name } : {}),
    ...person.attributes,
  };
  const asked = options({
    ...{ issuer, ...pair, audience, recipient: acs, destination: acs, inResponseTo: id },
    nameIdentifier: person.nameId,
    nameIdentifierFormat: person.format ?? UNSPECIFIED,
    sessionIndex: `_${randomUUID()}`,
    lifetimeInSeconds: 300,
    profileMapper: (user) => ({
      getClaims: () => user.attributes,
      getNameIdentifier: (made) => made,
    }),
  });
  // The library says that everybody was asked just now.
  const told = (xml: string) => xml.replace(/AuthnInstant="[^"]*"/, `AuthnInstant="${since}"`);
  const signsHere = beforeSigning !== undefined || Date.parse(since) < Date.now() - 1000;
  const unsigned = await getSamlResponse(
    { ...asked, ...(signsHere ? { signAssertion: false } : {}) },
    { attributes },
  );
  if (!signsHere) return await afterSigning(unsigned);
  return await afterSigning(signAssertion((beforeSigning ?? ((same) => same))(told(unsigned)), asked));
}

function postingPage(action: string, xml: string, relayState: string): string {
  const field = (name: string, value: string) => `<input type="hidden" name="${name}" value="${value}">`;
  return `<!doctype html>
<html lang="en">
<title>One moment</title>
<form method="post" action="${action.replaceAll('&', '&amp;')}">
${field('SAMLResponse', Buffer.from(xml).toString('base64'))}
${field('RelayState', relayState)}
<button>Go on</button>
</form>
<script>document.forms[0].submit()</script>
</html>`;
}
