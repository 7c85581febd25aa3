import { sha256Latin1 } from '../kernel/crypto.ts';
import { type DeviceProof, PROOF_AHEAD, PROOF_LIFETIME } from './device-proof.ts';

/** What proofs were accepted already (RFC 9449 §11.1), for as long as they could be sent again. */
export interface ProofReplays {
  /**
   * Whether this proof is here for the first time, and remembers it. False as well where there is no room to remember
   * it: what is not remembered is not accepted. `now` in milliseconds since the epoch.
   */
  take(proof: Pick<DeviceProof, 'thumbprint' | 'jti'>, now: number): boolean;
  readonly size: number;
}

/** How many proofs are remembered at once, in all and of one key, so that no device can crowd out all others. */
const MOST = 200_000;
const MOST_OF_ONE = 20_000;

/** One that is accepted now may have been made that far ahead of our clock, and lives from then. */
const KEPT_FOR = PROOF_LIFETIME + PROOF_AHEAD + 1_000;

interface Taken {
  readonly thumbprint: string;
  readonly until: number;
}

export function createProofReplays(most: { all?: number; ofOne?: number } = {}): ProofReplays {
  const { all = MOST, ofOne = MOST_OF_ONE } = most;
  // In the order in which they came, which is the order in which they run out.
  const taken = new Map<string, Taken>();
  const counts = new Map<string, number>();

  const count = (thumbprint: string, change: 1 | -1) => {
    const next = (counts.get(thumbprint) ?? 0) + change;
    if (next > 0) counts.set(thumbprint, next);
    else counts.delete(thumbprint);
  };

  const forgetOld = (now: number) => {
    for (const [key, { thumbprint, until }] of taken) {
      if (now < until) return;
      taken.delete(key);
      count(thumbprint, -1);
    }
  };

  return {
    get size() {
      return taken.size;
    },
    take: ({ thumbprint, jti }, now) => {
      forgetOld(now);
      const key = sha256Latin1(`${thumbprint} ${jti}`);
      if (taken.has(key) || taken.size >= all || (counts.get(thumbprint) ?? 0) >= ofOne) return false;
      taken.set(key, { thumbprint, until: now + KEPT_FOR });
      count(thumbprint, 1);
      return true;
    },
  };
}
