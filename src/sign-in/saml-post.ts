import type { OpenedProvider } from '../access/identity-providers/opened.ts';
import { timestamp } from '../kernel/clock.ts';
import { sha256, type Vault } from '../kernel/crypto.ts';
import type { Control } from '../removal/act.ts';
import { invalidAnswer, SignInRefused } from './refused.ts';
import { refuseMarkup } from './saml-document.ts';
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
  const sealed = vault.seal(responsePlace(id), readPosted(response));
  await database.write((tx) => keepResponse(tx, { id, accountId, response: sealed }));
}

/** The largest response, in bytes. */
const LARGEST = 64 * 1024;

/** Of XML, as far as its first tag names an element `Response`, in whatever namespace. */
const BEGINS_RESPONSE = /^(?:<\?xml [^<>]{1,200}>)?\s{0,100}<(?:[^\s<>:/="'&]{1,100}:)?Response[\s/>]/;

/**
 * The response in plain base64, without what a decoder skips; refused if it is too large, or cannot be one by its
 * beginning. Nothing is parsed: anybody can begin a sign-in and post what they like, which is to be kept for it.
 */
function readPosted(encoded: string): string {
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.length > LARGEST) throw invalidAnswer('too large');
  const text = bytes.toString('utf8');
  refuseMarkup(text);
  if (!BEGINS_RESPONSE.test(text)) throw invalidAnswer('no response');
  return bytes.toString('base64');
}

export function responsePlace(stateId: string): string {
  return `sign_in_states/${stateId}/response`;
}
