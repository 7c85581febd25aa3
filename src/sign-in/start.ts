import type { Tx } from '../database/database.ts';
import { MINUTE, timestamp } from '../kernel/clock.ts';
import { randomSecret, sha256, type Vault } from '../kernel/crypto.ts';
import { beginMint } from '../removal/mint.ts';
import { refuseRestored } from './restored.ts';
import { insertState } from './store.ts';

/** How long a person may take at the provider. */
export const STATE_FOR = 10 * MINUTE;

export interface StartInput {
  readonly accountId: string;
  readonly providerId: string;
  readonly applicationId: string | null;
  /** Path on the team domain to go on with afterwards. */
  readonly returnTo: string;
  /** Whether the provider must ask the person again, whatever session it has of its own. */
  readonly freshLogin: boolean;
  /** SHA-256 of the secret that this browser keeps in a cookie of the team domain. */
  readonly browserHash: string;
  readonly now: number;
}

/** A sign-in that has begun: what goes to the provider. The state is a secret and stored as its hash. */
export interface StartedSignIn {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

/**
 * The root of a lineage. Its first statement reads where the feed stands; whatever this sign-in leads to
 * inherits that reading, so a removal committed after it refuses all of it (design §4.3).
 */
export async function startSignIn(tx: Tx, vault: Vault, input: StartInput): Promise<StartedSignIn> {
  const head = await beginMint(tx, input.accountId);
  await refuseRestored(tx);
  const started = { state: randomSecret(), nonce: randomSecret(), verifier: randomSecret() };
  const id = sha256(started.state);
  await insertState(tx, {
    id,
    account_id: input.accountId,
    epoch: head.epoch,
    position: head.position,
    provider_id: input.providerId,
    browser_hash: input.browserHash,
    nonce: started.nonce,
    verifier: vault.seal(verifierPlace(id), started.verifier),
    application_id: input.applicationId,
    return_to: input.returnTo,
    fresh_login: input.freshLogin ? 1 : 0,
    created_at: timestamp(input.now),
    expires_at: timestamp(input.now + STATE_FOR),
    response: null,
  });
  return started;
}

export function verifierPlace(stateId: string): string {
  return `sign_in_states/${stateId}/verifier`;
}
