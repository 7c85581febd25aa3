import { type CryptoKey, importJWK, type JWK, SignJWT } from 'jose';
import type { Database } from '../../database/database.ts';
import type { Vault } from '../../kernel/crypto.ts';
import { ALGORITHM, ASSERTION_TYPE, QUESTION_TYPE, TOKEN_TYPE } from '../../protocol/claims.ts';
import type { FeedChange, FeedItem } from '../../protocol/feed.ts';
import type { KeyState } from '../../protocol/state.ts';
import type { AccountSnapshot, Follower } from '../../removal/feed.ts';
import { type Purpose, placeOf, type Signer } from './keys.ts';
import { findPrivateHalf } from './store.ts';

/** A signer that follows the feed: it knows from there which key signs, and opens keys before they are needed. */
export interface FollowingSigner extends Signer, Follower {
  load(snapshot: Pick<AccountSnapshot, 'accountId' | 'states'>): void;
  apply(batch: Pick<FeedChange, 'accountId' | 'items'>): void;
  /** Tries again what could not be opened; resolves when every key that signs or will sign was tried. */
  openMissing(): Promise<void>;
}

interface SignerOptions {
  readonly database: Database;
  readonly vault: Vault;
  /** Told when a key cannot be opened. */
  readonly onFault: (error: unknown) => void;
}

/**
 * Signs from memory. A private half is read from the database once, when the feed first tells of its key, which
 * is long before it signs; it is forgotten when the key signs no more. A key that is not at hand is no reason
 * to take another: then nothing is signed.
 */
export function createSigner(options: SignerOptions): FollowingSigner {
  const accounts = new Map<string, Map<string, KeyState>>();
  const opened = new Map<string, CryptoKey>();
  const opening = new Map<string, Promise<void>>();

  const mayStillSign = (accountId: string, kid: string) => {
    const key = accounts.get(accountId)?.get(kid);
    return key !== undefined && key.stage !== 'former';
  };

  const open = async (accountId: string, kid: string) => {
    try {
      const key = await openKey(options, accountId, kid);
      // What was told meanwhile decides whether it is still wanted.
      if (key && mayStillSign(accountId, kid)) opened.set(kid, key);
    } catch (error) {
      options.onFault(error);
    } finally {
      opening.delete(kid);
    }
  };

  const openMissing = async () => {
    for (const [accountId, keys] of accounts) {
      for (const kid of keys.keys()) {
        const isMissing = mayStillSign(accountId, kid) && !opened.has(kid) && !opening.has(kid);
        if (isMissing) opening.set(kid, open(accountId, kid));
      }
    }
    await Promise.all(opening.values());
  };

  const take = (accountId: string, keys: Map<string, KeyState>) => {
    const before = accounts.get(accountId)?.keys() ?? [];
    const known = [...before, ...keys.keys()];
    accounts.set(accountId, keys);
    for (const kid of known) if (!mayStillSign(accountId, kid)) opened.delete(kid);
    void openMissing();
  };

  const sign = async (
    accountId: string,
    { purpose, typ }: { purpose: Purpose; typ: string },
    claims: Record<string, unknown>,
  ) => {
    const kid = currentKey(accounts.get(accountId), purpose);
    if (kid === null) throw new Error(`the account has no ${purpose} key`);
    await opening.get(kid);
    const key = opened.get(kid);
    if (!key) throw new Error(`the ${purpose} key of the account is not at hand`);
    return await new SignJWT(claims).setProtectedHeader({ alg: ALGORITHM, kid, typ }).sign(key);
  };

  return {
    openMissing,
    load: ({ accountId, states }) => take(accountId, changedBy(new Map(), states)),
    apply: ({ accountId, items }) => {
      if (!items.some(({ kind }) => kind === 'key')) return;
      take(accountId, changedBy(accounts.get(accountId) ?? new Map(), items));
    },
    signToken: (accountId, claims) => sign(accountId, { purpose: 'session', typ: TOKEN_TYPE }, claims),
    signAssertion: (accountId, claims) => sign(accountId, { purpose: 'gate', typ: ASSERTION_TYPE }, claims),
    signQuestion: (accountId, claims) => sign(accountId, { purpose: 'gate', typ: QUESTION_TYPE }, claims),
  };
}

/** Null if the private half was erased since. */
async function openKey(
  { database, vault }: SignerOptions,
  accountId: string,
  kid: string,
): Promise<CryptoKey | null> {
  const sealed = await findPrivateHalf(database.reader, accountId, kid);
  if (sealed === null) return null;
  const jwk = JSON.parse(vault.open(placeOf(kid), sealed)) as JWK;
  return (await importJWK(jwk, ALGORITHM)) as CryptoKey;
}

function changedBy(known: ReadonlyMap<string, KeyState>, items: readonly FeedItem[]): Map<string, KeyState> {
  const keys = new Map(known);
  for (const item of items) {
    if (item.kind !== 'key') continue;
    if (item.state === null) keys.delete(item.id);
    else keys.set(item.id, item.state as unknown as KeyState);
  }
  return keys;
}

function currentKey(keys: ReadonlyMap<string, KeyState> | undefined, purpose: Purpose): string | null {
  for (const key of keys?.values() ?? []) {
    if (key.purpose === purpose && key.stage === 'current') return key.kid;
  }
  return null;
}
