import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { exportJWK, type GenerateKeyPairResult, generateKeyPair, SignJWT } from 'jose';

/** How one endpoint answers in place of what is right; `hangs` never does. */
export interface ScriptedAnswer {
  readonly status?: number;
  readonly type?: string;
  readonly body?: string;
  readonly location?: string;
  readonly hangs?: boolean;
}

type Endpoint = 'token' | 'keys' | 'me';

/**
 * The smallest OpenID provider, which says what a test has it say. Whoever comes is signed in at once, as what
 * `claims` says. Read at each request.
 */
export interface ScriptedProvider extends AsyncDisposable {
  readonly issuer: string;
  readonly config: { auth_url: string; token_url: string; certs_url: string };
  /** Of ID tokens, over what is right. A claim that is undefined is left out. */
  claims: Record<string, unknown>;
  /** What the UserInfo endpoint tells. */
  userInfo: Record<string, unknown>;
  /** Makes the ID token out of right claims; null: signed as it should be. */
  idToken: ((claims: Record<string, unknown>, keys: ScriptedKeys) => string | Promise<string>) | null;
  /** Alters the address that the browser is sent back to. */
  callback: ((url: URL) => void) | null;
  discovery: Record<string, unknown>;
  readonly answers: Partial<Record<Endpoint, ScriptedAnswer>>;
  /** Paths that were asked for. */
  readonly requests: string[];
  /** From now on it signs with another key, and publishes that alone. */
  rotate(): Promise<ScriptedKeys>;
  readonly keys: ScriptedKeys;
  close(): Promise<void>;
}

export interface ScriptedKeys {
  readonly kid: string;
  readonly privateKey: GenerateKeyPairResult['privateKey'];
  readonly jwk: Record<string, unknown>;
}

export const SCRIPTED_CLIENT = { client_id: 'portcullis', client_secret: 'a secret for a script' };

export async function startScriptedProvider(): Promise<ScriptedProvider> {
  const set = { keys: await newKeys() };
  const asked = new Map<string, URLSearchParams>();
  const server = createServer((request, response) => {
    respond(request, response).catch((error: Error) => response.writeHead(500).end(error.message));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  const issuer = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  const close = async () => {
    server.close();
    server.closeAllConnections();
  };
  const provider: ScriptedProvider = {
    issuer,
    config: { auth_url: `${issuer}/auth`, token_url: `${issuer}/token`, certs_url: `${issuer}/keys` },
    claims: {},
    userInfo: {},
    idToken: null,
    callback: null,
    discovery: {
      issuer,
      authorization_endpoint: `${issuer}/auth`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/keys`,
      userinfo_endpoint: `${issuer}/me`,
    },
    answers: {},
    requests: [],
    rotate: async () => {
      const { keys } = set;
      set.keys = await newKeys();
      return keys;
    },
    get keys() {
      return set.keys;
    },
    close,
    [Symbol.asyncDispose]: close,
  };

  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', issuer);
    provider.requests.push(url.pathname);
    const scripted = provider.answers[url.pathname.slice(1) as Endpoint];
    if (scripted) return answer(response, scripted);
    if (url.pathname === '/auth') return authorize(url.searchParams, response);
    if (url.pathname === '/keys') return json(response, { keys: [set.keys.jwk] });
    if (url.pathname === '/token') return json(response, await tokens(request));
    if (url.pathname === '/me') return json(response, provider.userInfo);
    json(response, provider.discovery);
  };

  const authorize = (parameters: URLSearchParams, response: ServerResponse): void => {
    const code = randomBytes(8).toString('hex');
    asked.set(code, parameters);
    const back = new URL(parameters.get('redirect_uri') ?? '');
    back.searchParams.set('code', code);
    back.searchParams.set('state', parameters.get('state') ?? '');
    provider.callback?.(back);
    response.writeHead(302, { location: back.href }).end();
  };

  const tokens = async (request: IncomingMessage): Promise<object> => {
    const form = new URLSearchParams(await text(request));
    const parameters = asked.get(form.get('code') ?? '');
    const challenge = createHash('sha256').update(form.get('code_verifier') ?? '');
    if (challenge.digest('base64url') !== parameters?.get('code_challenge')) throw new Error('PKCE');
    const now = Math.floor(Date.now() / 1000);
    const nonce = parameters.get('nonce');
    const usual = { iss: issuer, aud: 'portcullis', iat: now, exp: now + 300, nonce };
    // As JSON has it, so that what is undefined is absent and any name is a claim.
    const claims = JSON.parse(JSON.stringify({ ...usual, ...provider.claims }));
    const idToken = await (provider.idToken ?? signed)(claims, set.keys);
    return { access_token: 'access', token_type: 'Bearer', expires_in: 60, id_token: idToken };
  };
  return provider;
}

/** Signed as it should be, with these keys. */
export function signed(claims: Record<string, unknown>, { kid, privateKey }: ScriptedKeys): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid }).sign(privateKey);
}

export async function newKeys(): Promise<ScriptedKeys> {
  const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
  const kid = randomBytes(6).toString('hex');
  return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' } };
}

function answer(response: ServerResponse, scripted: ScriptedAnswer): void {
  const { status = 200, type = 'application/json', body = '{}', location, hangs = false } = scripted;
  if (hangs) return;
  response.writeHead(status, { 'content-type': type, ...(location ? { location } : {}) }).end(body);
}

function json(response: ServerResponse, body: object): void {
  answer(response, { body: JSON.stringify(body) });
}
