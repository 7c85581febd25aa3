import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { SignJWT } from 'jose';

/**
 * An OpenID provider that asks nothing: whoever brings a cookie `person` is that person. Code flow with PKCE (S256),
 * RS256. So that thousands can sign in: a code costs one request, and a token one signature.
 */
export interface FastProvider extends AsyncDisposable {
  readonly issuer: string;
  readonly endpoints: { readonly auth_url: string; readonly token_url: string; readonly certs_url: string };
}

interface Grant {
  readonly person: string;
  readonly nonce: string;
  readonly challenge: string;
  readonly client: string;
}

/** The cookie that says who somebody is at the provider. */
export function personCookie(person: string): string {
  return `person=${person}; Path=/`;
}

export function emailOf(person: string): string {
  return `${person}@example.com`;
}

export async function startFastProvider(): Promise<FastProvider> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'RS256', use: 'sig' };
  const grants = new Map<string, Grant>();
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const endpoints = {
    auth_url: `${issuer}/auth`,
    token_url: `${issuer}/token`,
    certs_url: `${issuer}/certs`,
  };
  const sign = (grant: Grant) =>
    new SignJWT({
      ...{
        nonce: grant.nonce,
        email: emailOf(grant.person),
        mail: emailOf(grant.person),
        email_verified: true,
      },
      auth_time: Math.floor(Date.now() / 1000),
    })
      .setProtectedHeader({ alg: 'RS256', kid: 'one' })
      .setIssuer(issuer)
      .setSubject(grant.person)
      .setAudience(grant.client)
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(privateKey);
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? '/', issuer);
    const answer = async () => {
      if (url.pathname === '/auth') return authorize(request, response, { url, issuer, grants });
      if (url.pathname === '/token') return await giveToken(request, response, { grants, sign });
      if (url.pathname === '/certs') return send(response, 200, { keys: [jwk] });
      if (url.pathname === '/.well-known/openid-configuration') {
        return send(response, 200, discovery(issuer, endpoints));
      }
      send(response, 404, {});
    };
    answer().catch((error: Error) => send(response, 400, { error: error.message }));
  });
  return {
    issuer,
    endpoints,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function discovery(issuer: string, endpoints: FastProvider['endpoints']) {
  return {
    issuer,
    authorization_endpoint: endpoints.auth_url,
    token_endpoint: endpoints.token_url,
    jwks_uri: endpoints.certs_url,
    response_types_supported: ['code'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
    authorization_response_iss_parameter_supported: true,
  };
}

function authorize(
  request: IncomingMessage,
  response: ServerResponse,
  { url, issuer, grants }: { url: URL; issuer: string; grants: Map<string, Grant> },
): void {
  const asked = (name: string) => url.searchParams.get(name) ?? '';
  const [, person = ''] = /(?:^|; )person=([\w.-]+)/.exec(request.headers.cookie ?? '') ?? [];
  if (person === '' || asked('code_challenge_method') !== 'S256') throw new Error('who are you?');
  const code = randomBytes(16).toString('hex');
  const [nonce, challenge, client] = [asked('nonce'), asked('code_challenge'), asked('client_id')];
  grants.set(code, { person, nonce, challenge, client });
  const back = new URL(asked('redirect_uri'));
  const parameters = { code, state: asked('state'), iss: issuer };
  for (const [name, value] of Object.entries(parameters)) back.searchParams.set(name, value);
  response.writeHead(302, { location: back.href }).end();
}

async function giveToken(
  request: IncomingMessage,
  response: ServerResponse,
  { grants, sign }: { grants: Map<string, Grant>; sign: (grant: Grant) => Promise<string> },
): Promise<void> {
  const form = new URLSearchParams(await text(request));
  const code = form.get('code') ?? '';
  const grant = grants.get(code);
  grants.delete(code);
  const proof = createHash('sha256')
    .update(form.get('code_verifier') ?? '')
    .digest('base64url');
  if (!grant || proof !== grant.challenge) return send(response, 400, { error: 'invalid_grant' });
  send(response, 200, { access_token: 'none', token_type: 'Bearer', id_token: await sign(grant) });
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
