import type { OpenedProvider } from '../access/identity-providers/opened.ts';
import { failureOf } from '../database/failures.ts';
import type { SignInStateRow } from '../database/tables.ts';
import type { Actor } from '../kernel/actor.ts';
import { timestamp } from '../kernel/clock.ts';
import { equalInConstantTime, sha256 } from '../kernel/crypto.ts';
import { type Control, commitAct } from '../removal/act.ts';
import type { FailedLogin } from './failed-logins.ts';
import { type FinishedSignIn, type FinishInput, finishSignIn } from './finish.ts';
import type { CameBack } from './method.ts';
import type { ProvenIdentity } from './proven-identity.ts';
import { SignInRefused, startsAgain } from './refused.ts';
import { findState, takeState } from './store.ts';

/** A browser that came back from the provider. */
export interface Callback {
  readonly accountId: string;
  /** The address it came to, with the provider's parameters. */
  readonly url: URL;
  readonly state: string;
  /** What was posted with it; empty where nothing was. */
  readonly fields: Readonly<Record<string, string>>;
  /** `https://team.example`. */
  readonly issuer: string;
  /** The secret that this browser holds; null if it holds none. */
  readonly browser: string | null;
  readonly ip: string;
  readonly requestId: string;
  /** How long the session of the account lasts, in milliseconds. */
  readonly sessionDuration: number;
}

export interface CallbackParts {
  readonly control: Control;
  readonly loadProvider: (accountId: string, id: string) => Promise<OpenedProvider>;
  readonly prove: (cameBack: CameBack<OpenedProvider>) => Promise<ProvenIdentity>;
  readonly noteFailure: (failure: FailedLogin) => Promise<void>;
}

/**
 * Ends a sign-in: the state must be this browser's, the provider must prove who it is, and only then is the
 * session minted. A state works once, whatever comes of it, once its own browser has come with it.
 */
export async function completeSignIn(parts: CallbackParts, callback: Callback): Promise<FinishedSignIn> {
  const state = await findOwnState(parts.control, callback);
  const known: { proven?: ProvenIdentity } = {};
  try {
    const provider = await parts.loadProvider(state.account_id, state.provider_id);
    const { issuer } = callback;
    const redirectUri = `${callback.url.origin}${callback.url.pathname}`;
    known.proven = await parts.prove({ provider, state, issuer, redirectUri, callback });
    return await commitFinish(
      parts.control,
      finishInput(callback, { provider, state, proven: known.proven }),
    );
  } catch (error) {
    // Of a one-time PIN a person has several tries.
    if (!(error instanceof SignInRefused) || error.reason === 'pin_wrong') throw error;
    await giveUp(parts, { state, callback, refused: error, email: known.proven?.email ?? error.email });
    const { provider_id: providerId, application_id: applicationId, return_to: returnTo } = state;
    throw new SignInRefused(error.reason, {
      cause: error.cause,
      resume: { providerId, applicationId, returnTo },
    });
  }
}

/** The open sign-in of this state, if this browser began it. */
export async function findOwnState(
  { database, clock }: Control,
  { accountId, state, browser }: Pick<Callback, 'accountId' | 'state' | 'browser'>,
): Promise<SignInStateRow> {
  const found = await database.snapshot((snapshot) => findState(snapshot, sha256(state)));
  if (found?.account_id !== accountId) throw new SignInRefused('state_unknown');
  if (browser === null || !equalInConstantTime(found.browser_hash, sha256(browser))) {
    throw new SignInRefused('state_of_another_browser');
  }
  if (found.expires_at <= timestamp(clock.now())) throw new SignInRefused('state_expired');
  return found;
}

function finishInput(
  { accountId, ip, sessionDuration }: Callback,
  { provider, state, proven }: { provider: OpenedProvider; state: SignInStateRow; proven: ProvenIdentity },
) {
  const { type: providerType, linkByEmail, acceptsStaleLogin } = provider;
  const ofProvider = { providerType, linkByEmail, acceptsStaleLogin };
  return { accountId, stateId: state.id, proven, ...ofProvider, sessionDuration, ip };
}

async function commitFinish(control: Control, input: Omit<FinishInput, 'now'>): Promise<FinishedSignIn> {
  const { accountId, proven, ip } = input;
  const act = { accountId, actor: signingIn(proven.email, ip), authorize: async () => {} };
  for (let left = 3; ; left--) {
    try {
      const now = control.clock.now();
      return await commitAct(control, act, (tx) => finishSignIn(tx, { ...input, now }));
    } catch (error) {
      // Two first sign-ins of one person met, or the user went while this one was minting: look again.
      const failure = failureOf(error);
      if (left <= 1 || (failure !== 'unique' && failure !== 'foreign_key')) throw error;
    }
  }
}

async function giveUp(
  { control, noteFailure }: CallbackParts,
  refusal: { state: SignInStateRow; callback: Callback; refused: SignInRefused; email: string | null },
): Promise<void> {
  const { state, callback, refused, email } = refusal;
  await control.database.write((tx) => takeState(tx, state.id));
  // Whoever is merely sent to sign in again has not failed.
  if (startsAgain(refused.reason)) return;
  await noteFailure({
    requestId: callback.requestId,
    accountId: state.account_id,
    email,
    reason: refused.reason,
    providerId: state.provider_id,
    applicationId: state.application_id,
    ip: callback.ip,
  });
}

/** Somebody who signs in, and is no user yet. */
export function signingIn(email: string | null, ip: string): Actor {
  return { type: 'user', id: null, email, tokenId: null, ip, requestId: null, interface: 'sign-in' };
}
