/**
 * Where in the feed a credential's lineage began (design §4.3). A position means something only in its
 * epoch. `rev` is read by the first statement of the transaction that starts the lineage and inherited
 * unchanged by everything minted from it.
 */
export interface Rev {
  readonly epoch: number;
  readonly position: number;
}

/** A Rev as it travels in a token: `[epoch, position]`. */
export type RevClaim = readonly [epoch: number, position: number];

export function toClaim(rev: Rev): RevClaim {
  return [rev.epoch, rev.position];
}

/** The Rev of a claim, or null for anything that is not exactly a pair of whole numbers from 0 up. */
export function parseRev(claim: unknown): Rev | null {
  if (!Array.isArray(claim) || claim.length !== 2) return null;
  const [epoch, position] = claim as unknown[];
  return isPosition(epoch) && isPosition(position) ? { epoch, position } : null;
}

function isPosition(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Whether both numbers are what they should be: a driver's string, NaN or nothing at all must not be compared. */
export function isRev({ epoch, position }: Rev): boolean {
  return isPosition(epoch) && isPosition(position);
}

/** An epoch that is over: readings in it count up to `ended`; -1 where none does (design §4.9). */
export interface FormerEpoch {
  readonly epoch: number;
  readonly ended: number;
}

/** The state of an account's feed: nothing below the floor is accepted, nothing beyond the head known. */
export interface Head extends Rev {
  readonly floor: number;
  /** In any order; absent where there are none. */
  readonly formers?: readonly FormerEpoch[];
}

/**
 * Whether a reading can be judged at this head at all: same epoch, not below the floor, not beyond the
 * head. Written so that a missing or odd value refuses.
 */
export function isCurrent(rev: Rev, head: Head): boolean {
  return (
    isRev(rev) &&
    isRev(head) &&
    isPosition(head.floor) &&
    rev.epoch === head.epoch &&
    rev.position >= head.floor &&
    rev.position <= head.position
  );
}

/** Whether a lineage that began at `rev` outlives a revocation at `revokedAt` (null: never revoked). */
export function survives(rev: Rev, revokedAt: Rev | null | undefined): boolean {
  if (!revokedAt) return true;
  return (
    isRev(rev) && isRev(revokedAt) && rev.epoch === revokedAt.epoch && rev.position >= revokedAt.position
  );
}
