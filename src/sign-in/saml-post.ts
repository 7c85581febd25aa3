import type { OpenedProvider } from '../access/identity-providers/opened.ts';
import { timestamp } from '../kernel/clock.ts';
import { sha256, type Vault } from '../kernel/crypto.ts';
import type { Control } from '../removal/act.ts';
import { SignInRefused } from './refused.ts';
import { findState, keepResponse } from './store.ts';

export interface PostParts {
  readonly control: Control;
  readonly vault: Vault;
  readonly loadProvider: (accountId: string, id: string) => Promise<OpenedProvider>;
}

/** What a provider made the browser post from its own site. */
export interface PostedResponse {
  readonly accountId: string;
  /** The state, which the provider sends back as it got it (RelayState). */
  readonly state: string;
  /** As it was posted, in base64. */
  readonly response: string;
}

/**
 * Puts a posted response with its sign-in until the browser comes for it. A browser sends our cookie with no POST of
 * another site, so nothing is decided here and nobody is signed in; only the first response of a sign-in is kept.
 */
export async function keepPosted(
  { control: { database, clock }, vault, loadProvider }: PostParts,
  { accountId, state, response }: PostedResponse,
): Promise<void> {
  const id = sha256(state);
  const found = await database.snapshot((snapshot) => findState(snapshot, id));
  if (found?.account_id !== accountId) throw new SignInRefused('state_unknown');
  if (found.expires_at <= timestamp(clock.now())) throw new SignInRefused('state_expired');
  const provider = await loadProvider(accountId, found.provider_id);
  if (provider.kind !== 'saml') throw new SignInRefused('state_unknown');
  const sealed = vault.seal(responsePlace(id), response);
  await database.write((tx) => keepResponse(tx, { id, accountId, response: sealed }));
}

export function responsePlace(stateId: string): string {
  return `sign_in_states/${stateId}/response`;
}
