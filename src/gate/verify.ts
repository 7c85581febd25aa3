import { type CryptoKey, compactVerify, decodeProtectedHeader, importJWK } from 'jose';
import { createBoundedMap } from '../kernel/bounded-map.ts';
import { ALGORITHM, readClaims, type SessionToken, TOKEN_TYPE } from '../protocol/claims.ts';
import type { KeyState } from '../protocol/state.ts';
import type { AccountState } from './state.ts';

const MOST_CACHED = 20_000;
const LONGEST_TOKEN = 8 * 1024;

/**
 * Checks signatures of session and application tokens: one algorithm, a known key of the account, the
 * account's issuer, our `typ`. What was once found to be well signed is remembered, with
 * its key: an answer from memory is only as good as the key that is still published. Whether the token has
 * expired or been revoked is never remembered; the caller asks that every time.
 */
export interface TokenVerifier {
  /** The token, if it was found to be well signed before and its key is still published; else null. */
  recall(token: string, account: AccountState): SessionToken | null;
  verify(token: string, account: AccountState): Promise<SessionToken | null>;
}

interface Remembered {
  readonly kid: string;
  readonly accountId: string;
  readonly token: SessionToken;
}

export function createTokenVerifier(options: { scheme: 'http' | 'https' }): TokenVerifier {
  // By the token itself: a hash of it would cost more than all that is saved.
  const cache = createBoundedMap<string, Remembered>(MOST_CACHED);
  // By the state itself: an imported key goes when the gate forgets the key.
  const imported = new WeakMap<KeyState, Promise<CryptoKey>>();

  const keyOf = (key: KeyState) => {
    const known = imported.get(key);
    if (known) return known;
    const fresh = importJWK({ ...key.jwk, alg: ALGORITHM }, ALGORITHM) as Promise<CryptoKey>;
    imported.set(key, fresh);
    return fresh;
  };

  const recall = (token: string, account: AccountState) => {
    const known = cache.get(token);
    return known?.accountId === account.accountId && account.keys.has(known.kid) ? known.token : null;
  };

  return {
    recall,
    verify: async (token, account) => {
      if (token.length > LONGEST_TOKEN) return null;
      const known = recall(token, account);
      if (known) return known;
      const kid = kidOf(token);
      const key = kid === null ? undefined : account.keys.get(kid);
      if (key?.purpose !== 'session' || !account.organization) return null;
      const issuer = `${options.scheme}://${account.organization.auth_domain}`;
      const verified = await checkSignature(token, { key: await keyOf(key), issuer });
      if (verified) cache.set(token, { kid: key.kid, accountId: account.accountId, token: verified });
      return verified;
    },
  };
}

function kidOf(token: string): string | null {
  try {
    const { alg, typ, kid } = decodeProtectedHeader(token);
    return alg === ALGORITHM && typ === TOKEN_TYPE && typeof kid === 'string' ? kid : null;
  } catch {
    return null;
  }
}

/** `exp` is left to the caller, who checks it on every use and not only on the first. */
async function checkSignature(
  token: string,
  { key, issuer }: { key: CryptoKey; issuer: string },
): Promise<SessionToken | null> {
  try {
    const { payload } = await compactVerify(token, key, { algorithms: [ALGORITHM] });
    const claims = JSON.parse(new TextDecoder().decode(payload)) as Record<string, unknown>;
    return claims.iss === issuer ? readClaims(claims) : null;
  } catch {
    return null;
  }
}
