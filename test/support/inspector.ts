import assert from 'node:assert/strict';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { type Arrived, valuesOf } from './application.ts';
import type { BehindProxy } from './behind-proxy.ts';

/** Who the application was told is asking, and for which application the gate said so. */
export interface Told {
  readonly email: string;
  readonly aud: string;
}

/** Looks at a request as an application does that trusts nobody; rejects with what is wrong with it. */
export type Inspector = (arrived: Arrived) => Promise<Told>;

const ASSERTION = 'cf-access-jwt-assertion';
const EMAIL = 'cf-access-authenticated-user-email';

/** Names under which some application finds an identity, a credential, or another path than the one asked for. */
const FORGEABLE =
  /^(?:cf-access-(?:jwt-assertion|authenticated-user-email|token|client-id|client-secret)|cf-authorization|portcullis-device-proof|forwarded|x-(?:original|rewrite)-.*|x-forwarded-(?:prefix|uri|method))$/;

/** An inspector of what arrives in this world, which knows the gate's public keys. */
export async function createInspector({ app, team, aud }: BehindProxy): Promise<Inspector> {
  const answer = await fetch(`${app.origin}/cdn-cgi/access/certs`);
  const keys = createLocalJWKSet((await answer.json()) as JSONWebKeySet);
  const verified = new Map<string, Promise<Told>>();
  const verify = async (assertion: string): Promise<Told> => {
    const { payload } = await jwtVerify(assertion, keys, { issuer: team, audience: [aud.root, aud.admin] });
    return { email: String(payload.email), aud: String([payload.aud].flat()) };
  };
  return async (arrived) => {
    const assertion = onlyValue(arrived, ASSERTION);
    const known = verified.get(assertion) ?? verify(assertion);
    verified.set(assertion, known);
    const told = await known;
    assert.equal(onlyValue(arrived, EMAIL), told.email);
    assertNothingForged(arrived);
    assertOwner(arrived, told.aud === aud.admin ? 'admin' : 'root');
    return told;
  };
}

function onlyValue(arrived: Arrived, name: string): string {
  const values = valuesOf(arrived, name);
  assert.equal(values.length, 1, `${name} came ${values.length} times`);
  return values[0] ?? '';
}

function assertNothingForged({ headers }: Arrived): void {
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    if (lower !== ASSERTION && lower !== EMAIL) {
      assert.doesNotMatch(lower.replaceAll(/[^a-z0-9]/g, '-'), FORGEABLE, `${name} arrived`);
    }
    if (lower === 'cookie') assert.doesNotMatch(value, /CF_(?:Authorization|AppSession|Binding)/, name);
    if (lower.startsWith('x-forwarded-')) assert.doesNotMatch(value, /forged|192\.0\.2\./, name);
  }
}

export type Owner = 'root' | 'admin';

/** However the application reads the target, it must be the one that the gate judged. */
function assertOwner({ target }: Arrived, judged: Owner): void {
  for (const path of readingsOf(target)) {
    assert.equal(ownerOf(path), judged, `${target} can be read as ${path}, and was judged as of ${judged}`);
  }
}

/**
 * The paths that applications are known to make of a target: as it is (an escaped letter is that letter, RFC 3986
 * §6.2.2.2), decoded, slashes and parameters folded.
 */
export function readingsOf(target: string): string[] {
  const raw = target.replace(/^[a-z]+:\/\/[^/?#]*/i, '').replace(/[?#].*$/s, '');
  const readings = new Set([raw.replaceAll(/%(?:[46][1-9a-f]|[57][0-9a])/gi, decoded)]);
  for (const change of READINGS) for (const path of [...readings]) readings.add(change(path));
  return [...readings].map(withoutDots);
}

const READINGS: readonly ((path: string) => string)[] = [
  decoded,
  decoded,
  (path) => path.replaceAll('\\', '/'),
  (path) => path.replaceAll(/;[^/]*/g, ''),
  (path) => path.replaceAll(/\/+/g, '/'),
];

function decoded(path: string): string {
  return path.replaceAll(/%[0-9a-f]{2}/gi, (triplet) =>
    String.fromCharCode(Number.parseInt(triplet.slice(1), 16)),
  );
}

function withoutDots(path: string): string {
  const kept: string[] = [];
  for (const segment of path.split('/').slice(1)) {
    if (segment === '..') kept.pop();
    else if (segment !== '.') kept.push(segment);
  }
  return `/${kept.join('/')}`;
}

export function ownerOf(path: string): Owner {
  return path.split('/')[1] === 'admin' ? 'admin' : 'root';
}
