import {
  createCipheriv,
  createDecipheriv,
  generateKeyPair,
  hash,
  randomBytes,
  randomInt,
  randomUUID,
  timingSafeEqual,
} from 'node:crypto';
import { promisify } from 'node:util';

const ALPHANUMERIC = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Lower-case hex of so many random bytes. */
export function randomHex(bytes: number): string {
  return randomBytes(bytes).toString('hex');
}

/** Letters and digits, uniformly chosen: 5.95 bits each. */
export function randomAlphanumeric(length: number): string {
  return Array.from({ length }, () => ALPHANUMERIC[randomInt(ALPHANUMERIC.length)]).join('');
}

/** Decimal digits, uniformly chosen: what a person types. */
export function randomDigits(length: number): string {
  return Array.from({ length }, () => randomInt(10)).join('');
}

/** Base64url of 32 random bytes: states, nonces, hand-off codes. */
export function randomSecret(): string {
  return randomBytes(32).toString('base64url');
}

export { randomUUID };

/** An RSA key pair of 2048 bits as JWKs, for RS256. Takes about a tenth of a second, off the main thread. */
export async function generateRsaKeyPair(): Promise<{ publicJwk: RsaJwk; privateJwk: RsaJwk }> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 });
  return {
    publicJwk: publicKey.export({ format: 'jwk' }) as RsaJwk,
    privateJwk: privateKey.export({ format: 'jwk' }) as RsaJwk,
  };
}

export interface RsaJwk {
  readonly kty: 'RSA';
  readonly n: string;
  readonly e: string;
}

/** SHA-256 in lower-case hex. What is looked up by a secret is stored under this, never under the secret. */
export function sha256(text: string): string {
  return hash('sha256', text);
}

/** SHA-256 as a text of 32 characters, a byte in each: what is looked up in memory alone. A Buffer would cost more. */
export function sha256Latin1(text: string): string {
  return hash('sha256', text, 'binary');
}

/** Equality in time that does not depend on where the texts differ. */
export function equalInConstantTime(one: string, other: string): boolean {
  return timingSafeEqual(hash('sha256', one, 'buffer'), hash('sha256', other, 'buffer'));
}

/**
 * Encrypts and decrypts what must lie in the database but not be readable there (signing keys, provider
 * secrets): AES-256-GCM, a fresh nonce each, bound to the name of its place so that a sealed value cannot
 * be moved to another row.
 */
export interface Vault {
  seal(place: string, plaintext: string): string;
  /** Throws if the value was sealed with another key, for another place, or was altered. */
  open(place: string, sealed: string): string;
}

/** A vault over a 32-byte master key. */
export function createVault(masterKey: Buffer): Vault {
  if (masterKey.length !== 32) throw new TypeError('a master key has 32 bytes');
  return {
    seal(place, plaintext) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', masterKey, nonce).setAAD(Buffer.from(place));
      const body = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url');
    },
    open(place, sealed) {
      const bytes = Buffer.from(sealed, 'base64url');
      const decipher = createDecipheriv('aes-256-gcm', masterKey, bytes.subarray(0, 12), {
        authTagLength: 16,
      })
        .setAAD(Buffer.from(place))
        .setAuthTag(bytes.subarray(12, 28));
      return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8');
    },
  };
}
