import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { type CryptoKey, decodeJwt, exportJWK, generateKeyPair, type JWK, SignJWT, UnsecuredJWT } from 'jose';

/** How the service behaves; `yes` and `no` are all that is an answer. */
export type Behaviour =
  | 'yes'
  | 'no'
  | 'never answers'
  | 'another nonce'
  | 'no nonce'
  | 'a key that is not published'
  | 'a published key id, another key'
  | 'without a signature'
  | 'an HMAC by the public key'
  | 'an answer that is over'
  | 'an answer from tomorrow'
  | 'an answer without an end'
  | 'success as a text'
  | 'nothing of success'
  | 'a 500'
  | 'a 403 with a good answer'
  | 'a huge body'
  | 'a redirect'
  | 'no JSON'
  | 'a bare yes';

/** Everything that is not an answer. */
export const NO_ANSWERS: readonly Behaviour[] = [
  'another nonce',
  'no nonce',
  'a key that is not published',
  'a published key id, another key',
  'without a signature',
  'an HMAC by the public key',
  'an answer that is over',
  'an answer from tomorrow',
  'an answer without an end',
  'success as a text',
  'nothing of success',
  'a 500',
  'a 403 with a good answer',
  'a huge body',
  'a redirect',
  'no JSON',
  'a bare yes',
];

/** A service that is asked whether a rule matches, with keys of its own, over HTTP on loopback. */
export interface ExternalService extends AsyncDisposable {
  /** What a rule says of it. */
  readonly rule: { readonly evaluate_url: string; readonly keys_url: string };
  /** The tokens with which it was asked, oldest first. */
  readonly asked: string[];
  /** How often its keys were read. */
  readonly keysRead: () => number;
  behave(behaviour: Behaviour): void;
  /** From now on it answers by this, whatever else it was told to do. */
  decideBy(decide: ((claims: Record<string, unknown>) => boolean) | null): void;
  /** Answers what hangs, and from now on. */
  wake(): void;
  /** Signs with a new key, and publishes that alone. */
  rotate(): Promise<void>;
}

interface Keys {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
}

async function makeKeys(kid: string, alg: string): Promise<Keys> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, alg } };
}

/** `alg` is that of its key. */
export async function startExternalService(alg = 'ES256'): Promise<ExternalService> {
  let keys = await makeKeys('one', alg);
  const stranger = await makeKeys('two', alg);
  const asked: string[] = [];
  const hanging: (() => void)[] = [];
  let behaviour: Behaviour = 'yes';
  let decides: ((claims: Record<string, unknown>) => boolean) | null = null;
  let keysRead = 0;

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    if (request.url === '/keys') {
      keysRead += 1;
      response.end(JSON.stringify({ keys: [keys.publicJwk] }));
      return;
    }
    const { token } = JSON.parse(await text(request)) as { token: string };
    asked.push(token);
    if (behaviour === 'never answers') await new Promise<void>((wake) => hanging.push(wake));
    await speak(response, { behaviour, keys, stranger, decides, claims: decodeJwt(token) });
  };

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    rule: { evaluate_url: `${origin}/evaluate`, keys_url: `${origin}/keys` },
    asked,
    keysRead: () => keysRead,
    behave: (one) => {
      behaviour = one;
    },
    decideBy: (decide) => {
      decides = decide;
    },
    wake: () => {
      behaviour = 'yes';
      for (const wake of hanging.splice(0)) wake();
    },
    rotate: async () => {
      keys = await makeKeys(`${keys.kid}-next`, alg);
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

interface Speaking {
  readonly behaviour: Behaviour;
  readonly keys: Keys;
  readonly stranger: Keys;
  readonly decides: ((claims: Record<string, unknown>) => boolean) | null;
  readonly claims: Record<string, unknown>;
}

async function speak(response: ServerResponse, speaking: Speaking): Promise<void> {
  const { behaviour } = speaking;
  response.setHeader('content-type', 'application/json');
  if (behaviour === 'a 500') response.statusCode = 500;
  if (behaviour === 'a 403 with a good answer') response.statusCode = 403;
  if (behaviour === 'a redirect') response.writeHead(307, { location: '/evaluate-elsewhere' });
  if (behaviour === 'no JSON') return void response.end('yes');
  if (behaviour === 'a bare yes') return void response.end('{"success":true}');
  const padding = behaviour === 'a huge body' ? ' '.repeat(3 * 1024 * 1024) : '';
  response.end(JSON.stringify({ token: await tokenOf(speaking) }) + padding);
}

async function tokenOf({ behaviour, keys, stranger, decides, claims }: Speaking): Promise<string> {
  const payload = payloadOf(behaviour, claims);
  if (decides) payload.success = decides(claims);
  if (behaviour === 'without a signature') return new UnsecuredJWT(payload).encode();
  const { alg = '' } = keys.publicJwk;
  if (behaviour === 'an HMAC by the public key') {
    const secret = new TextEncoder().encode(JSON.stringify(keys.publicJwk));
    return await new SignJWT(payload).setProtectedHeader({ alg: 'HS256', kid: keys.kid }).sign(secret);
  }
  const isForged = behaviour.startsWith('a key that') || behaviour.startsWith('a published');
  const kid = behaviour === 'a key that is not published' ? stranger.kid : keys.kid;
  const { privateKey } = isForged ? stranger : keys;
  return await new SignJWT(payload).setProtectedHeader({ alg, kid }).sign(privateKey);
}

function payloadOf(behaviour: Behaviour, { nonce, iat: asked }: Record<string, unknown>) {
  // By the clock of whoever asks, which a test may have moved.
  const now = Number(asked);
  const payload: Record<string, unknown> = { success: behaviour !== 'no', nonce, iat: now, exp: now + 60 };
  if (behaviour === 'another nonce') payload.nonce = 'n'.repeat(43);
  if (behaviour === 'no nonce') delete payload.nonce;
  if (behaviour === 'an answer that is over') Object.assign(payload, { iat: now - 3600, exp: now - 3000 });
  if (behaviour === 'an answer from tomorrow') {
    Object.assign(payload, { iat: now + 86_400, exp: now + 86_460 });
  }
  if (behaviour === 'an answer without an end') delete payload.exp;
  if (behaviour === 'success as a text') payload.success = 'true';
  if (behaviour === 'nothing of success') delete payload.success;
  return payload;
}
