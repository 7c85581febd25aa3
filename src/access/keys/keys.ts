import { type CryptoKey, importJWK, type JWK, SignJWT } from 'jose';
import type { Database, Reader, Snapshot, Tx } from '../../database/database.ts';
import type { SigningKeyRow } from '../../database/tables.ts';
import { generateRsaKeyPair, type RsaJwk, sha256, type Vault } from '../../kernel/crypto.ts';
import type { JsonObject } from '../../kernel/json.ts';
import { ALGORITHM, ASSERTION_TYPE, TOKEN_TYPE } from '../../protocol/claims.ts';
import type { FeedItem } from '../../protocol/feed.ts';
import type { KeyState } from '../../protocol/state.ts';
import { anyKey, insertKey, listKeys } from './store.ts';

export type Purpose = 'session' | 'gate';

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

/** Stores a key, its private half sealed; the feed item tells the gates of its public half. */
export async function storeKey(
  tx: Tx,
  { key, accountId, vault, now }: { key: NewKey; accountId: string; vault: Vault; now: string },
): Promise<FeedItem> {
  const row: SigningKeyRow = {
    id: key.kid,
    account_id: accountId,
    purpose: key.purpose,
    public_jwk: JSON.stringify(key.publicJwk),
    private_jwk: vault.seal(placeOf(key.kid), JSON.stringify(key.privateJwk)),
    created_at: now,
  };
  await insertKey(tx, row);
  return toItem(row);
}

/** Throws if this vault cannot open what the database holds; silent on an empty database. */
export async function testVault(reader: Reader, vault: Vault): Promise<void> {
  const key = await anyKey(reader);
  if (key) vault.open(placeOf(key.id), key.private_jwk);
}

/** The public keys of an account, for gates. */
export async function keyStates(snapshot: Snapshot, accountId: string): Promise<FeedItem[]> {
  return (await listKeys(snapshot, accountId)).map(toItem);
}

/** The JWK Set that applications verify with: both purposes, newest first (reference §5). */
export async function publicKeys(reader: Reader, accountId: string) {
  const keys = await listKeys(reader, accountId);
  return { keys: keys.map((key) => ({ ...publicPart(key), kid: key.id, alg: ALGORITHM, use: 'sig' })) };
}

/** Signs what an account issues, always with its newest key of the purpose. */
export interface Signer {
  /** A session or application token. */
  signToken(accountId: string, claims: JsonObject): Promise<string>;
  /** What an application is told of a person. */
  signAssertion(accountId: string, claims: Record<string, unknown>): Promise<string>;
}

export function createSigner({ database, vault }: { database: Database; vault: Vault }): Signer {
  const opened = new Map<string, Promise<CryptoKey>>();

  const open = (row: SigningKeyRow) => {
    const known = opened.get(row.id);
    if (known) return known;
    const jwk = JSON.parse(vault.open(placeOf(row.id), row.private_jwk)) as JWK;
    const fresh = importJWK(jwk, ALGORITHM) as Promise<CryptoKey>;
    opened.set(row.id, fresh);
    return fresh;
  };

  const sign = async (accountId: string, purpose: Purpose, typ: string, claims: Record<string, unknown>) => {
    const keys = await listKeys(database.reader, accountId);
    const newest = keys.find((key) => key.purpose === purpose);
    if (!newest) throw new Error(`the account has no ${purpose} key`);
    return await new SignJWT(claims)
      .setProtectedHeader({ alg: ALGORITHM, kid: newest.id, typ })
      .sign(await open(newest));
  };

  return {
    signToken: (accountId, claims) => sign(accountId, 'session', TOKEN_TYPE, claims),
    signAssertion: (accountId, claims) => sign(accountId, 'gate', ASSERTION_TYPE, claims),
  };
}

function placeOf(kid: string): string {
  return `signing_keys/${kid}`;
}

function toItem(row: SigningKeyRow): FeedItem {
  const state: KeyState = { kid: row.id, purpose: row.purpose as Purpose, jwk: publicPart(row) };
  return { kind: 'key', id: row.id, state: state as unknown as JsonObject };
}

function publicPart(row: SigningKeyRow): KeyState['jwk'] {
  const { kty, n, e } = JSON.parse(row.public_jwk) as KeyState['jwk'];
  return { kty, n, e };
}
