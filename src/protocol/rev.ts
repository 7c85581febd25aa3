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
 * Whether whatever happened at this place belongs to the history of this head: it is of the present epoch and not
 * beyond the head, or of a former one and not beyond its known end. Written so that a missing or odd value refuses.
 */
export function isPartOf(rev: Rev, head: Head): boolean {
  if (!isRev(rev) || !isRev(head)) return false;
  if (rev.epoch === head.epoch) return rev.position <= head.position;
  const ended = endOf(rev.epoch, head);
  return ended !== null && rev.position <= ended && rev.position <= head.position;
}

/**
 * Whether a reading can be judged at this head at all (design §4.3, §4.9): part of its history, and not below the
 * floor. Written so that a missing or odd value refuses.
 */
export function isCurrent(rev: Rev, head: Head): boolean {
  return isPosition(head.floor) && isPartOf(rev, head) && rev.position >= head.floor;
}

/**
 * Whether a reading tells of more than this head knows: whoever judges is behind, or else a commit is lost. Of an
 * epoch in which nothing counts any more, no.
 */
export function isBeyond(rev: Rev, head: Head): boolean {
  if (!isRev(rev) || !isRev(head)) return false;
  if (rev.epoch >= head.epoch) return rev.epoch > head.epoch || rev.position > head.position;
  const ended = endOf(rev.epoch, head);
  return ended !== null && rev.position > ended;
}

/** The last position of a former epoch; null if nothing in it counts, or nothing is known of it. */
function endOf(epoch: number, { epoch: present, formers }: Head): number | null {
  if (!(epoch < present) || !Array.isArray(formers)) return null;
  const ends = (formers as readonly FormerEpoch[]).filter((former) => former?.epoch === epoch);
  const [first] = ends;
  return first && ends.length === 1 && isPosition(first.ended) ? first.ended : null;
}

/**
 * Whether a lineage that began at `rev` outlives a revocation at `revokedAt` (null: never revoked). Positions go on
 * growing through epochs, so for a reading that `isCurrent` accepts they alone are the order.
 */
export function survives(rev: Rev, revokedAt: Rev | null | undefined): boolean {
  if (!revokedAt) return true;
  return isRev(rev) && isRev(revokedAt) && rev.position >= revokedAt.position;
}

/** Whether a place in the feed is at or beyond another: a later epoch is beyond every earlier one. */
export function reaches(one: Rev, other: Rev): boolean {
  if (!isRev(one) || !isRev(other)) return false;
  return one.epoch === other.epoch ? one.position >= other.position : one.epoch > other.epoch;
}
