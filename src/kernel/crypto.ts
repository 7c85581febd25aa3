import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  generateKeyPairSync,
  hash,
  randomBytes,
  randomInt,
  randomUUID,
  sign,
  timingSafeEqual,
  verify,
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

/** So many of these characters, uniformly chosen: what a person compares. */
export function randomOf(alphabet: string, length: number): string {
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('');
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

/** A public key on the curve P-256 (RFC 7518 §6.2.1): two coordinates of 32 bytes, in base64url. */
export interface P256Jwk {
  readonly kty: 'EC';
  readonly crv: 'P-256';
  readonly x: string;
  readonly y: string;
}

/** The same with its private half. */
export interface P256PrivateJwk extends P256Jwk {
  readonly d: string;
}

/** A key pair on the curve P-256, for ES256. */
export function generateP256KeyPair(): { publicJwk: P256Jwk; privateJwk: P256PrivateJwk } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { x, y, d } = privateKey.export({ format: 'jwk' }) as P256PrivateJwk;
  const publicJwk = { kty: 'EC', crv: 'P-256', x, y } as const;
  return { publicJwk, privateJwk: { ...publicJwk, d } };
}

/** Signs in this turn of the loop: ES256 (RFC 7518 §3.4), in base64url. Throws for a key that is none. */
export function signEs256({ kty, crv, x, y, d }: P256PrivateJwk, text: string): string {
  const key = createPrivateKey({ key: { kty, crv, x, y, d }, format: 'jwk' });
  return sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
}

/** Whether it is signed so, in this turn of the loop; false for a key that is no point of the curve. */
export function verifiesEs256({ kty, crv, x, y }: P256Jwk, text: string, signature: string): boolean {
  try {
    const key = createPublicKey({ key: { kty, crv, x, y }, format: 'jwk' });
    const bytes = Buffer.from(signature, 'base64url');
    return verify('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }, bytes);
  } catch {
    return false;
  }
}

/** SHA-256 in base64url: thumbprints of keys. */
export function sha256Base64url(text: string): string {
  return hash('sha256', text, 'base64url');
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
