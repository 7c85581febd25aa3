import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { importJWK, SignJWT } from 'jose';
import { type Clock, MINUTE, SECOND } from '../kernel/clock.ts';
import {
  equalInConstantTime,
  generateRsaKeyPair,
  randomHex,
  randomSecret,
  sha256,
} from '../kernel/crypto.ts';
import { type Listening, listen } from '../server/listen.ts';
import { ProbeFailed } from './failed.ts';

/** A person who exists for one run. */
export interface ProbePerson {
  readonly subject: string;
  readonly email: string;
}

/** The client that the control plane is at this provider. */
export interface Client {
  readonly id: string;
  readonly secret: string;
}

/** The probe as an identity provider. */
export interface Provider {
  readonly issuer: string;
  readonly authUrl: string;
  readonly tokenUrl: string;
  readonly certsUrl: string;
  /**
   * Signs this person in, as if they had come to the authorization endpoint with this address, and answers where
   * their browser goes next. Only this process can ask; over the network the endpoint refuses everybody. Throws
   * ProbeFailed if the address asks for anything but a code with PKCE (S256), state and nonce for this client.
   */
  approve(address: URL, person: ProbePerson, redirectUri: string): URL;
  close(): Promise<void>;
}

interface Grant {
  readonly person: ProbePerson;
  readonly redirectUri: string;
  readonly challenge: string;
  readonly nonce: string;
  readonly expires: number;
}

interface Place {
  readonly issuer: string;
  readonly client: Client;
  readonly clock: Clock;
}

interface Keys {
  readonly published: object;
  sign(claims: Record<string, unknown>): Promise<string>;
}

const CODE_FOR = MINUTE;
const MOST_BODY = 16 * 1024;

/**
 * Serves OpenID Connect to one client: discovery, keys, and codes that work once, for a minute, with their
 * verifier. The signing key is made here and ends with the process. Throws a StartError if the port is taken.
 */
export async function startProvider(
  at: { host: string; port: number },
  { issuer, client, clock }: Place,
): Promise<Provider> {
  const keys = await createKeys();
  const grants = new Map<string, Grant>();
  const place = { issuer, client, clock };
  const server = createServer((request, response) => {
    serve({ ...place, keys, grants }, request, response).catch(() => response.destroy());
  });
  const listening = await listen(server, at);
  return {
    ...endpointsOf(issuer),
    approve: (address, person, redirectUri) =>
      approve({ ...place, grants }, { address, person, redirectUri }),
    close: () => closeServer(server, listening),
  };
}

/** Where the endpoints of an issuer are. */
export function endpointsOf(issuer: string) {
  return { issuer, authUrl: `${issuer}/authorize`, tokenUrl: `${issuer}/token`, certsUrl: `${issuer}/keys` };
}

/** Stops listening and cuts what is open. */
export async function closeServer(
  server: ReturnType<typeof createServer>,
  listening: Listening,
): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  listening.cut();
  await closed;
}

async function createKeys(): Promise<Keys> {
  const { publicJwk, privateJwk } = await generateRsaKeyPair();
  const kid = randomHex(8);
  const key = await importJWK({ ...privateJwk, alg: 'RS256' });
  return {
    published: { keys: [{ ...publicJwk, kid, alg: 'RS256', use: 'sig' }] },
    sign: (claims) => new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid, typ: 'JWT' }).sign(key),
  };
}

function approve(
  { issuer, client, clock, grants }: Place & { grants: Map<string, Grant> },
  { address, person, redirectUri }: { address: URL; person: ProbePerson; redirectUri: string },
): URL {
  const asked = (name: string) => onlyOne(address.searchParams, name);
  const expected = {
    response_type: 'code',
    client_id: client.id,
    redirect_uri: redirectUri,
    code_challenge_method: 'S256',
  };
  for (const [name, value] of Object.entries(expected)) {
    if (asked(name) !== value)
      throw new ProbeFailed(`the sign-in asks the provider for ${name} ${asked(name)}, not ${value}`);
  }
  const [state, nonce, challenge] = [asked('state'), asked('nonce'), asked('code_challenge')];
  const isOpenId = asked('scope')?.split(' ').includes('openid');
  if (!state || !nonce || !/^[\w-]{43}$/.test(challenge ?? '') || !isOpenId)
    throw new ProbeFailed('the sign-in asks the provider without state, nonce, PKCE or the scope openid');
  const code = randomSecret();
  grants.set(sha256(code), {
    person,
    redirectUri,
    challenge: challenge ?? '',
    nonce,
    expires: clock.now() + CODE_FOR,
  });
  const next = new URL(redirectUri);
  next.search = new URLSearchParams({ code, state, iss: issuer }).toString();
  return next;
}

type Parts = Place & { keys: Keys; grants: Map<string, Grant> };

async function serve(parts: Parts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? '').split('?', 1)[0];
  const asked = `${request.method} ${path}`;
  if (asked === 'GET /.well-known/openid-configuration')
    return answer(response, 200, discovery(parts.issuer));
  if (asked === 'GET /keys') return answer(response, 200, parts.keys.published);
  if (asked === 'POST /token') return await token(parts, request, response);
  if (path === '/authorize') return answer(response, 403, { error: 'access_denied' });
  return answer(response, 404, { error: 'not_found' });
}

function discovery(issuer: string) {
  const { authUrl, tokenUrl, certsUrl } = endpointsOf(issuer);
  return {
    issuer,
    authorization_endpoint: authUrl,
    token_endpoint: tokenUrl,
    jwks_uri: certsUrl,
    response_types_supported: ['code'],
    grant_types_supported: ['authorization_code'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
    token_endpoint_auth_methods_supported: ['client_secret_post'],
    code_challenge_methods_supported: ['S256'],
    scopes_supported: ['openid', 'email', 'profile'],
    authorization_response_iss_parameter_supported: true,
  };
}

async function token(parts: Parts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const form = await readForm(request);
  if (form === null || onlyOne(form, 'grant_type') !== 'authorization_code')
    return answer(response, 400, { error: 'invalid_request' });
  if (!isClient(parts.client, form)) return answer(response, 401, { error: 'invalid_client' });
  const grant = redeem(parts, form);
  if (!grant) return answer(response, 400, { error: 'invalid_grant' });
  const id_token = await parts.keys.sign(idClaims(parts, grant));
  return answer(response, 200, {
    access_token: randomSecret(),
    token_type: 'Bearer',
    expires_in: 60,
    id_token,
  });
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams | null> {
  const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST_BODY) return null;
    chunks.push(chunk);
  }
  return type === 'application/x-www-form-urlencoded'
    ? new URLSearchParams(Buffer.concat(chunks).toString())
    : null;
}

function isClient({ id, secret }: Client, form: URLSearchParams): boolean {
  const isId = equalInConstantTime(onlyOne(form, 'client_id') ?? '', id);
  return equalInConstantTime(onlyOne(form, 'client_secret') ?? '', secret) && isId;
}

/** A code is used up by whoever comes with it, whatever else is wrong. */
function redeem({ grants, clock }: Parts, form: URLSearchParams): Grant | null {
  const now = clock.now();
  for (const [id, { expires }] of grants) if (expires <= now) grants.delete(id);
  const id = sha256(onlyOne(form, 'code') ?? '');
  const grant = grants.get(id);
  grants.delete(id);
  if (!grant || onlyOne(form, 'redirect_uri') !== grant.redirectUri) return null;
  const verifier = onlyOne(form, 'code_verifier') ?? '';
  const challenge = Buffer.from(sha256(verifier), 'hex').toString('base64url');
  return equalInConstantTime(challenge, grant.challenge) ? grant : null;
}

function idClaims({ issuer, client, clock }: Parts, { person, nonce }: Grant): Record<string, unknown> {
  const now = Math.floor(clock.now() / SECOND);
  return {
    iss: issuer,
    sub: person.subject,
    aud: client.id,
    iat: now,
    exp: now + 60,
    auth_time: now,
    nonce,
    email: person.email,
    email_verified: true,
    name: 'Portcullis probe',
  };
}

function onlyOne(parameters: URLSearchParams, name: string): string | null {
  const values = parameters.getAll(name);
  return values.length === 1 ? (values[0] ?? null) : null;
}

function answer(response: ServerResponse, status: number, body: object): void {
  const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' };
  response.writeHead(status, headers).end(JSON.stringify(body));
}
