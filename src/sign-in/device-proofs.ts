import type { Tx } from '../database/database.ts';
import { MINUTE } from '../kernel/clock.ts';
import { type DeviceProof, PROOF_AHEAD, PROOF_LIFETIME, readDeviceProof } from '../protocol/device-proof.ts';
import { isWithin } from './counts.ts';
import { DeviceProblem } from './device-problem.ts';

/** A request that a device proves. */
export interface ProvingRequest {
  /** What came in the header of the proof. */
  readonly header: string | readonly string[] | undefined;
  readonly method: string;
  /** Absolute: of the team domain, as it is known, and not as the request says. */
  readonly url: string;
}

/** The proof of this request; throws the DeviceProblem that says what is wrong with it. */
export function proofOf({ header, method, url }: ProvingRequest, now: number): DeviceProof {
  if (typeof header !== 'string' || header === '') throw new DeviceProblem('proof_missing');
  const proof = readDeviceProof(header, { method, url, now });
  if ('reason' in proof) throw new DeviceProblem(`proof_${proof.reason}`);
  return proof;
}

/** A proof says nothing of the body: whoever has seen one must not send another body with it. */
const ONCE = { name: 'proof', most: 1, within: PROOF_LIFETIME + PROOF_AHEAD + MINUTE } as const;

/** Refuses a proof that was used before, on whichever node. */
export async function refuseUsed(
  tx: Tx,
  { accountId, proof, now }: { accountId: string; proof: DeviceProof; now: number },
): Promise<void> {
  const used = `${proof.thumbprint} ${proof.jti}`;
  if (!(await isWithin(tx, { accountId }, { now, limits: [[used, ONCE]] })))
    throw new DeviceProblem('proof_used');
}
