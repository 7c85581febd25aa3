import type { Reader, Snapshot, Tx } from '../../database/database.ts';
import type { SigningKeyRow } from '../../database/tables.ts';
import { generateRsaKeyPair, type RsaJwk, sha256, type Vault } from '../../kernel/crypto.ts';
import type { JsonObject } from '../../kernel/json.ts';
import { ALGORITHM } from '../../protocol/claims.ts';
import type { FeedItem } from '../../protocol/feed.ts';
import type { KeyState } from '../../protocol/state.ts';
import { USUAL_DAYS } from './contract.ts';
import { anyPrivateHalf, hasCurrentKey, insertKey, listKeys, saveRotation } from './store.ts';

export type Purpose = KeyState['purpose'];
export type Stage = KeyState['stage'];

/** A key pair that is not stored yet. Making one takes a tenth of a second: do it before the transaction. */
export interface NewKey {
  readonly kid: string;
  readonly purpose: Purpose;
  readonly publicJwk: RsaJwk;
  readonly privateJwk: RsaJwk;
}

/** RS256, 2048 bits; `kid` is 64 hex characters, a digest of the modulus (reference §5). */
export async function generateKey(purpose: Purpose): Promise<NewKey> {
  const { publicJwk, privateJwk } = await generateRsaKeyPair();
  return { kid: sha256(publicJwk.n), purpose, publicJwk, privateJwk };
}

/**
 * Stores a key, its private half sealed; the feed item tells the gates of its public half. The first of its
 * purpose signs at once, since nobody can have an older key set. Any other is the next: it is published, and
 * the current one signs until it takes over.
 */
export async function storeKey(
  tx: Tx,
  { key, accountId, vault, now }: { key: NewKey; accountId: string; vault: Vault; now: string },
): Promise<FeedItem> {
  const stage: Stage = (await hasCurrentKey(tx, accountId, key.purpose)) ? 'next' : 'current';
  const row: SigningKeyRow = {
    id: key.kid,
    account_id: accountId,
    purpose: key.purpose,
    public_jwk: JSON.stringify(key.publicJwk),
    private_jwk: vault.seal(placeOf(key.kid), JSON.stringify(key.privateJwk)),
    stage,
    stage_since: now,
    created_at: now,
  };
  await insertKey(tx, row);
  await saveRotation(tx, {
    account_id: accountId,
    rotation_interval_days: USUAL_DAYS,
    last_rotated_at: now,
  });
  return keyItem(row);
}

/** Throws if this vault cannot open what the database holds; silent on an empty database. */
export async function testVault(reader: Reader, vault: Vault): Promise<void> {
  const key = await anyPrivateHalf(reader);
  if (key) vault.open(placeOf(key.id), key.private_jwk);
}

/** Where the private half of a key is sealed for. */
export function placeOf(kid: string): string {
  return `signing_keys/${kid}`;
}

/** The public keys of an account, for gates. */
export async function keyStates(snapshot: Snapshot, accountId: string): Promise<FeedItem[]> {
  return (await listKeys(snapshot, accountId)).map(keyItem);
}

/** The key as gates know it. */
export function keyItem(row: SigningKeyRow): FeedItem & { readonly id: string } {
  const { kty, n, e } = JSON.parse(row.public_jwk) as KeyState['jwk'];
  const state: KeyState = {
    kid: row.id,
    purpose: row.purpose as Purpose,
    stage: row.stage as Stage,
    jwk: { kty, n, e },
  };
  return { kind: 'key', id: row.id, state: state as unknown as JsonObject };
}

const ORDER: readonly Stage[] = ['current', 'next', 'former'];

/**
 * The JWK Set that applications verify with: both purposes, those that sign first, then those that will, then those
 * whose signatures may still be about (reference §5).
 */
export function toKeySet(keys: Iterable<KeyState>) {
  const sorted = [...keys].sort(
    (one, other) => ORDER.indexOf(one.stage) - ORDER.indexOf(other.stage) || (one.kid < other.kid ? -1 : 1),
  );
  return { keys: sorted.map(({ kid, jwk }) => ({ ...jwk, kid, alg: ALGORITHM, use: 'sig' })) };
}

/** Whether the account signs with this key itself, will, or has: no gate may publish one under its name. */
export async function isKeyOfAccount(reader: Reader, accountId: string, kid: string): Promise<boolean> {
  return (await listKeys(reader, accountId)).some(({ id }) => id === kid);
}

/** Signs what an account issues, always with its current key of the purpose; rejects if that is not at hand. */
export interface Signer {
  /** A session or application token. */
  signToken(accountId: string, claims: JsonObject): Promise<string>;
  /** What an application is told of its visitor. */
  signAssertion(accountId: string, claims: Record<string, unknown>): Promise<string>;
  /** What a service of somebody else's is asked of a visitor. */
  signQuestion(accountId: string, claims: Record<string, unknown>): Promise<string>;
}
