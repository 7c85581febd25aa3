import type { Subject } from './feed.ts';
import { type Head, isCurrent, isRev, type Rev } from './rev.ts';
import { createRevocationTable, type Fingerprints, fingerprintsOf } from './revocation-table.ts';

/**
 * The newest revocation of each subject of one account, in memory: what every decision is checked against.
 * Applying is a maximum, so the order in which positions arrive does not matter and a position never goes
 * back.
 */
export interface RevocationIndex {
  readonly head: Head;
  /** Keeps the revocations of one transaction, and moves the head forward to it. */
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
      refuseOdd(at);
      newest.put(fingerprintsOf(subjects), at);
      if (at.epoch === head.epoch && at.position > head.position) head = { ...head, position: at.position };
    },
    stands: (rev, subjects) =>
      isCurrent(rev, head) &&
      newest.every(subjects, (epoch, position) => rev.epoch === epoch && rev.position >= position),
  };
}

/** Compared with anything, an odd position is never the newer one: the revocation would be lost in silence. */
function refuseOdd(at: Rev): void {
  if (!isRev(at) || at.epoch > LARGEST_EPOCH) throw new TypeError('a feed entry without a position');
}

/** Epochs are kept as 32-bit words. */
const LARGEST_EPOCH = 0xffff_ffff;
