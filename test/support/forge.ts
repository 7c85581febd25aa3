import assert from 'node:assert/strict';
import { constants, createHmac, createPrivateKey, type JsonWebKey, type KeyObject, sign } from 'node:crypto';
import type { Browser } from './browser.ts';
import type { Gated } from './gated.ts';
import { vaultOf } from './key-timer.ts';

/** The server's own keys, as whoever had its disk would have them: what it signs is genuine to the last bit. */
export interface Forge {
  readonly kid: string;
  readonly gateKid: string;
  /** A token with these claims and header fields beside the usual ones; undefined takes one away. */
  sign(claims: unknown, header?: Readonly<Record<string, unknown>>): string;
  /** The same, signed with the key for assertions. */
  signAsGate(claims: unknown, header?: Readonly<Record<string, unknown>>): string;
}

export async function openForge({ app }: Gated): Promise<Forge> {
  const vault = vaultOf(app);
  const rows = await app.app.control.database.reader.query.selectFrom('signing_keys').selectAll().execute();
  const open = (purpose: string) => {
    const row =
      rows.find((one) => one.purpose === purpose && one.stage === 'current') ?? assert.fail(purpose);
    const jwk = JSON.parse(vault.open(`signing_keys/${row.id}`, row.private_jwk ?? ''));
    return { kid: row.id, key: openKey(jwk) };
  };
  const [session, gate] = [open('session'), open('gate')];
  return {
    kid: session.kid,
    gateKid: gate.kid,
    sign: (claims, header = {}) => signWith(session.key, claims, { kid: session.kid, ...header }),
    signAsGate: (claims, header = {}) => signWith(gate.key, claims, { kid: gate.kid, ...header }),
  };
}

/**
 * A token by that key, of whatever payload; RS256 and JWT unless the header says otherwise. By hand, since
 * libraries refuse to sign what an attacker would.
 */
export function signWith(
  key: KeyObject | Uint8Array,
  payload: unknown,
  header: Readonly<Record<string, unknown>>,
): string {
  const whole = { alg: 'RS256', typ: 'JWT', ...header };
  const signed = `${encode(whole)}.${encode(payload)}`;
  return `${signed}.${signatureOf(Buffer.from(signed), key, whole.alg).toString('base64url')}`;
}

function signatureOf(data: Buffer, key: KeyObject | Uint8Array, alg: string): Buffer {
  const digest = `sha${alg.slice(2)}`;
  if (alg.startsWith('HS'))
    return createHmac(digest, key as Uint8Array)
      .update(data)
      .digest();
  const padding = alg.startsWith('PS') ? constants.RSA_PKCS1_PSS_PADDING : constants.RSA_PKCS1_PADDING;
  return sign(digest, data, { key: key as KeyObject, padding });
}

/** JSON in base64url, as the parts of a token are written. */
export function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** A private key that the server made, from its JWK. */
export function openKey(jwk: object): KeyObject {
  return createPrivateKey({ key: jwk as JsonWebKey, format: 'jwk' });
}

/** The session token that the browser holds on that origin. */
export function tokenIn(browser: Browser, origin: string): string {
  const cookie = browser.jar.cookiesFor(new URL(origin)).find(({ name }) => name === 'CF_Authorization');
  return cookie?.value ?? assert.fail(`no token on ${origin}`);
}
