import { checkDeviceProof, openDeviceProof } from '../protocol/device-proof.ts';
import { createProofReplays } from '../protocol/proof-replays.ts';
import { parseRev } from '../protocol/rev.ts';
import type { RegistrationState } from '../protocol/state.ts';
import type { Reason } from './decide.ts';
import type { Question } from './question.ts';
import type { AccountState, Destination } from './state.ts';

/** A proof as it came, not yet looked at, and what it has to be of. */
export interface SentProof {
  readonly text: string;
  /** Scheme, host and path, as the client sent them. */
  readonly url: string;
}

/** The registration that a request was proven to come from, or why it counts as none. */
export type DeviceClaim = { readonly registration: RegistrationState } | { readonly reason: Reason };

/**
 * What the proof of one question shows now; null if none came. Its proof is read once, however often this is asked: it
 * is good for one use, and the second reading would be a replay. Whether its registration stands is asked each time.
 */
export type ClaimReader = (account: AccountState, now: number) => DeviceClaim | null;

/** Readers for questions, which all remember the same proofs. */
export function createDeviceProofs(): (question: Question) => ClaimReader {
  const replays = createProofReplays();

  // What is of no device that the account knows costs no signature and no memory.
  const read = (
    account: AccountState,
    { text, url, method, now }: SentProof & { method: string; now: number },
  ) => {
    const opened = openDeviceProof(text);
    if ('reason' in opened) return PROOF_INVALID;
    const claim = standingRegistration(account, account.registrations.find(opened.thumbprint), now);
    if ('reason' in claim) return claim;
    const proof = checkDeviceProof(opened, { method, url, now });
    if ('reason' in proof) return PROOF_INVALID;
    return replays.take(proof, now) ? claim : PROOF_REPLAYED;
  };

  return ({ device, method }) => {
    if (device === null) return NOTHING_PROVEN;
    let known: DeviceClaim | null = null;
    return (account, now) => {
      if (known === null) {
        known = read(account, { ...device, method, now });
        return known;
      }
      if ('reason' in known) return known;
      return standingRegistration(account, account.registrations.get(known.registration.id), now);
    };
  };
}

const NOTHING_PROVEN: ClaimReader = () => null;
const PROOF_INVALID: DeviceClaim = { reason: 'proof_invalid' };
const PROOF_REPLAYED: DeviceClaim = { reason: 'proof_replayed' };

/** Whether a registration counts now: known, within its device session, and not revoked since that was begun. */
export function standingRegistration(
  { revocations, lineages }: Pick<AccountState, 'revocations' | 'lineages'>,
  registration: RegistrationState | null,
  now: number,
): DeviceClaim {
  const rev = registration ? parseRev(registration.rev) : null;
  if (!registration || !rev) return { reason: 'device_unknown' };
  if (!(now < registration.session_ends_at)) return { reason: 'device_session_ended' };
  const stands = revocations.stands(rev, lineages.ofRegistration(registration));
  return stands ? { registration } : { reason: 'revoked' };
}

/** The device of this person, if it is theirs: of anybody else's it says nothing. */
export function ownDevice(claim: DeviceClaim | null, userId: string): RegistrationState | null {
  if (claim === null || 'reason' in claim) return null;
  return claim.registration.user_id === userId ? claim.registration : null;
}

/** Whether a device session is a credential there. */
export function acceptsDevices({ account: { organization }, application }: Destination): boolean {
  return (
    organization?.allow_authenticate_via_warp === true && application.allow_authenticate_via_warp === true
  );
}
