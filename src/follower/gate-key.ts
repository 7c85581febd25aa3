import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { type CryptoKey, importJWK, type JWK, SignJWT } from 'jose';
import { generateRsaKeyPair, type RsaJwk, sha256 } from '../kernel/crypto.ts';
import { isObject } from '../kernel/result.ts';
import { ALGORITHM, ASSERTION_TYPE, QUESTION_TYPE } from '../protocol/claims.ts';
import type { GateKey } from '../protocol/gate-messages.ts';
import { writePrivately } from '../server/private-file.ts';
import { StartError } from '../server/start-error.ts';

/** The key with which this gate signs what it tells others of visitors. It never leaves the gate. */
export interface SigningKey {
  readonly publicHalf: GateKey;
  /** What an application is told of its visitor. */
  signAssertion(claims: Record<string, unknown>): Promise<string>;
  /** What a service of somebody else's is asked of a visitor. */
  signQuestion(claims: Record<string, unknown>): Promise<string>;
}

const FILE = 'gate-key.json';

/**
 * The gate's own key (design §5; decisions, Gate): read from the data folder, or made at the first start, for its
 * owner alone. Throws a StartError for a folder or file that cannot be used.
 */
export async function openGateKey(folder: string): Promise<SigningKey> {
  const file = path.join(folder, FILE);
  try {
    if (!existsSync(file)) await makeKey(folder, file);
    return await readKey(file);
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(`the key of the gate ${file} cannot be used: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

async function makeKey(folder: string, file: string): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { privateJwk } = await generateRsaKeyPair();
  writePrivately(file, `${JSON.stringify(privateJwk)}\n`);
}

async function readKey(file: string): Promise<SigningKey> {
  if ((statSync(file).mode & 0o077) !== 0)
    throw new StartError(`the key of the gate ${file} can be read by others: chmod 600 it`);
  const jwk: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (!isPrivateKey(jwk)) throw new Error('it is no private RSA key');
  const { kty, n, e } = jwk;
  const kid = sha256(n);
  const key = (await importJWK(jwk as JWK, ALGORITHM)) as CryptoKey;
  const sign = (typ: string, claims: Record<string, unknown>) =>
    new SignJWT(claims).setProtectedHeader({ alg: ALGORITHM, kid, typ }).sign(key);
  return {
    publicHalf: { kid, kty, n, e },
    signAssertion: (claims) => sign(ASSERTION_TYPE, claims),
    signQuestion: (claims) => sign(QUESTION_TYPE, claims),
  };
}

function isPrivateKey(value: unknown): value is RsaJwk & { d: string } {
  if (!isObject(value)) return false;
  return value.kty === 'RSA' && [value.n, value.e, value.d].every((part) => typeof part === 'string');
}
