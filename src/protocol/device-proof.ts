import { sha256Base64url, signEs256, verifiesEs256 } from '../kernel/crypto.ts';

/** The header in which a device proves, with each request, that it holds the key of its registration. */
export const PROOF_HEADER = 'portcullis-device-proof';

/** Header `typ` of a proof: it is no DPoP proof of anybody else's, and no token of ours. */
export const PROOF_TYPE = 'portcullis-device+jwt';

/** How old a proof may be, and how far ahead of our clock, in milliseconds. */
export const PROOF_LIFETIME = 60_000;
export const PROOF_AHEAD = 5_000;

/** A proof that is longer, in characters, is none. */
export const LONGEST_PROOF = 2048;

/** The public key of a device, on the curve P-256 (RFC 7518 §6.2.1). Programs see this; it names nothing else of ours. */
export interface DeviceJwk {
  readonly kty: 'EC';
  readonly crv: 'P-256';
  /** Coordinates of 32 bytes, in base64url. */
  readonly x: string;
  readonly y: string;
}

/** The same with its private half, which never leaves the device. */
export interface DevicePrivateJwk extends DeviceJwk {
  readonly d: string;
}

/** Why something is no proof of this request. */
export type ProofProblem =
  /** Not one JWS in compact form with exactly our header and our claims. */
  | 'malformed'
  /** The key is none, or has more than its public half. */
  | 'key'
  | 'signature'
  | 'method'
  | 'url'
  | 'too_old'
  | 'from_the_future';

/** The request that a proof has to be of. */
export interface ProvenRequest {
  readonly method: string;
  /** Absolute, as the client sent it; query and fragment are no part of the proof. */
  readonly url: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** A proof whose signature is good, and which is of this request and this minute. */
export interface DeviceProof {
  /** Of the key (RFC 7638, SHA-256, base64url). */
  readonly thumbprint: string;
  readonly jwk: DeviceJwk;
  /** Good for one use; whoever accepts proofs remembers it for as long as they live. */
  readonly jti: string;
  /** Seconds since the epoch. */
  readonly iat: number;
}

/** What a proof says of itself, before anything of it is verified. */
export interface OpenedProof extends DeviceProof {
  readonly method: string;
  /** Scheme, host and path. */
  readonly url: string;
  readonly signed: string;
  readonly signature: string;
}

/**
 * Makes a proof of one request, in the way of RFC 9449 §4.2: a compact JWS of the public key and of `htm`, `htu`
 * (without query and fragment), `iat` and `jti`, signed with ES256. `now` is in milliseconds; `jti` is new for each
 * proof, 16 to 128 printable characters. Throws a TypeError for anything that no gate would accept.
 */
export function makeDeviceProof({
  privateJwk,
  method,
  url,
  now,
  jti,
}: ProvenRequest & { readonly privateJwk: DevicePrivateJwk; readonly jti: string }): string {
  const jwk = readJwk({ kty: privateJwk.kty, crv: privateJwk.crv, x: privateJwk.x, y: privateJwk.y });
  const htu = toTarget(url);
  if (!jwk || !htu || !JTI.test(jti)) throw new TypeError('no proof can be made of this key, URL or id');
  const header = { typ: PROOF_TYPE, alg: 'ES256', jwk };
  const claims = { htm: method, htu, iat: Math.floor(now / 1000), jti };
  const signed = [header, claims].map((part) => encode(JSON.stringify(part))).join('.');
  return `${signed}.${signEs256(privateJwk, signed)}`;
}

/**
 * Reads a proof of this request, as RFC 9449 §4.3 has it (numbers are its checks): 2 one well-formed JWT, 3 every
 * required claim, 4 `typ`, 5 ES256 alone, 6 the signature by the key within, 7 no private key there, 8 `htm`, 9 `htu`,
 * 11 `iat` at most a minute ago and at most five seconds ahead. Check 1, that the header came once, is the caller's, as
 * is remembering `jti`; 10 and 12 (a nonce of the server's, an access token) have no part here. Whatever is larger, said
 * twice, or not known in the header refuses. In this turn of the loop.
 */
export function readDeviceProof(
  text: string,
  request: ProvenRequest,
): DeviceProof | { readonly reason: ProofProblem } {
  const opened = openDeviceProof(text);
  return 'reason' in opened ? opened : checkDeviceProof(opened, request);
}

/** The first half of `readDeviceProof`, which costs little: what it says, of which nothing is verified yet. */
export function openDeviceProof(text: string): OpenedProof | { readonly reason: ProofProblem } {
  const parts = text.length <= LONGEST_PROOF ? text.split('.') : [];
  const [first = '', second = '', signature = ''] = parts;
  if (parts.length !== 3 || decode(signature)?.length !== SIGNATURE_BYTES) return { reason: 'malformed' };
  const header = readObject(first);
  const claims = readObject(second);
  if (!header || !claims || !isHeader(header)) return { reason: 'malformed' };
  const jwk = readJwk(header.jwk);
  if (!jwk) return { reason: 'key' };
  const { htm: method, htu, iat, jti } = claims;
  const url = typeof htu === 'string' ? toTarget(htu) : null;
  if (typeof method !== 'string' || url === null || !Number.isSafeInteger(iat))
    return { reason: 'malformed' };
  if (typeof jti !== 'string' || !JTI.test(jti)) return { reason: 'malformed' };
  const signed = `${first}.${second}`;
  return { thumbprint: thumbprintOf(jwk), jwk, jti, iat: iat as number, method, url, signed, signature };
}

/** The second half of `readDeviceProof`. */
export function checkDeviceProof(
  { thumbprint, jwk, jti, iat, ...said }: OpenedProof,
  { method, url, now }: ProvenRequest,
): DeviceProof | { readonly reason: ProofProblem } {
  if (said.method !== method) return { reason: 'method' };
  if (said.url !== toTarget(url)) return { reason: 'url' };
  const at = iat * 1000;
  if (!(at >= now - PROOF_LIFETIME)) return { reason: 'too_old' };
  if (!(at <= now + PROOF_AHEAD)) return { reason: 'from_the_future' };
  if (!verifiesEs256(jwk, said.signed, said.signature)) return { reason: 'signature' };
  return { thumbprint, jwk, jti, iat };
}

/** The JWK thumbprint of a key (RFC 7638 §3): SHA-256 of its required members in their order, in base64url. */
export function thumbprintOf({ crv, kty, x, y }: DeviceJwk): string {
  return sha256Base64url(JSON.stringify({ crv, kty, x, y }));
}

/** The public key that a value is, without anything else; null for a private one, another curve, or an odd shape. */
export function readJwk(value: unknown): DeviceJwk | null {
  if (!hasExactly(value, ['crv', 'kty', 'x', 'y'])) return null;
  const { kty, crv, x, y } = value;
  if (kty !== 'EC' || crv !== 'P-256' || !isCoordinate(x) || !isCoordinate(y)) return null;
  return { kty, crv, x, y };
}

const JTI = /^[!-~]{16,128}$/;
const SIGNATURE_BYTES = 64;
const COORDINATE_BYTES = 32;

/** No `crit`, no `b64`, no `kid`: what is not known could change what is signed. */
function isHeader(header: Record<string, unknown>): boolean {
  return hasExactly(header, ['alg', 'jwk', 'typ']) && header.typ === PROOF_TYPE && header.alg === 'ES256';
}

function isCoordinate(value: unknown): value is string {
  return typeof value === 'string' && decode(value)?.length === COORDINATE_BYTES;
}

function hasExactly(value: unknown, keys: readonly string[]): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const own = Object.keys(value).sort();
  return own.length === keys.length && own.every((key, index) => key === keys[index]);
}

/** Scheme, host and path in their one spelling (RFC 9449 §4.3: without query and fragment); null if it has no such. */
function toTarget(text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.username !== '' || url.password !== '') return null;
  return url.protocol === 'https:' || url.protocol === 'http:' ? url.origin + url.pathname : null;
}

function readObject(part: string): Record<string, unknown> | null {
  const bytes = decode(part);
  if (!bytes) return null;
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    return namesIn(text) === membersOf(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** How many members a JSON text names: a text is a name where a colon follows. More than it has: one came twice. */
function namesIn(json: string): number {
  return [...json.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)].filter(([, colon]) => colon !== undefined).length;
}

function membersOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce((sum: number, inner) => sum + membersOf(inner), own);
}

/** Base64url in its only spelling (RFC 7515 §2); null for any other. */
function decode(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64url');
  return text !== '' && bytes.toString('base64url') === text ? bytes : null;
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64url');
}
