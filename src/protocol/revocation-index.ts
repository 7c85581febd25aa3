import type { Subject } from './feed.ts';
import { type Head, isCurrent, isRev, type Rev } from './rev.ts';
import { createRevocationTable, type Fingerprints, fingerprintsOf } from './revocation-table.ts';

/**
 * The newest revocation of each subject of one account, in memory: what every decision is checked against.
 * Applying is a maximum, so the order in which positions arrive does not matter and a position never goes
 * back. Positions go on growing through epochs; a newer epoch than the head's comes only with a new index.
 */
export interface RevocationIndex {
  readonly head: Head;
  /** Keeps the revocations of one transaction, and moves the head forward to it. Throws for an odd place or a newer epoch. */
  apply(at: Rev, subjects: readonly Subject[]): void;
  /** Whether a lineage that began at `rev` still stands for all of these subjects. Refuses when unsure. */
  stands(rev: Rev, subjects: Fingerprints): boolean;
  /** How many subjects were revoked. */
  readonly size: number;
}

export function createRevocationIndex(start: Head): RevocationIndex {
  const newest = createRevocationTable();
  let head = start;

  return {
    get head() {
      return head;
    },
    get size() {
      return newest.size;
    },
    apply: (at, subjects) => {
      refuseOdd(at, head);
      newest.put(fingerprintsOf(subjects), at.position);
      if (at.epoch === head.epoch && at.position > head.position) head = { ...head, position: at.position };
    },
    stands: (rev, subjects) =>
      isCurrent(rev, head) && newest.every(subjects, (position) => rev.position >= position),
  };
}

/** Compared with anything, an odd position is never the newer one: the revocation would be lost in silence. */
function refuseOdd(at: Rev, head: Head): void {
  if (!isRev(at)) throw new TypeError('a feed entry without a position');
  if (!(at.epoch <= head.epoch)) throw new TypeError('a feed entry of an epoch that was not loaded');
}
