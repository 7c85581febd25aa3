import { type Subject, subjectKey } from './feed.ts';
import { type Head, isCurrent, isRev, type Rev, survives } from './rev.ts';

/**
 * The newest revocation of each subject of one account, in memory: what every decision is checked against.
 * Applying is a maximum, so the order in which positions arrive does not matter and a position never goes
 * back.
 */
export interface RevocationIndex {
  readonly head: Head;
  apply(at: Rev, subjects: Iterable<Subject>): void;
  /** Moves the head forward for a transaction that revoked nothing. */
  advance(at: Rev): void;
  /** Whether a lineage that began at `rev` still stands for all of these subjects. Refuses when unsure. */
  stands(rev: Rev, subjects: readonly Subject[]): boolean;
  readonly size: number;
}

export function createRevocationIndex(start: Head): RevocationIndex {
  const newest = new Map<string, Rev>();
  let head = start;

  const advance = (at: Rev) => {
    refuseOdd(at);
    if (at.epoch === head.epoch && at.position > head.position) head = { ...head, position: at.position };
  };

  return {
    get head() {
      return head;
    },
    get size() {
      return newest.size;
    },
    apply(at, subjects) {
      refuseOdd(at);
      for (const subject of subjects) {
        const key = subjectKey(subject);
        const known = newest.get(key);
        if (!known || known.epoch < at.epoch || (known.epoch === at.epoch && known.position < at.position)) {
          newest.set(key, at);
        }
      }
      advance(at);
    },
    advance,
    stands: (rev, subjects) =>
      isCurrent(rev, head) && subjects.every((subject) => survives(rev, newest.get(subjectKey(subject)))),
  };
}

/** Compared with anything, an odd position is never the newer one: the revocation would be lost in silence. */
function refuseOdd(at: Rev): void {
  if (!isRev(at)) throw new TypeError('a feed entry without a position');
}
