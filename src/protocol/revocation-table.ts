import { sha256Latin1 } from '../kernel/crypto.ts';
import { type Subject, subjectKey } from './feed.ts';

/**
 * Subjects as they are looked up: 96 bits of the SHA-256 of each, three words a subject. Made once for what is
 * asked about again and again. Should two subjects ever share one, both are refused, and neither is admitted.
 */
export type Fingerprints = Uint32Array;

const WORDS = 3;

export function fingerprintsOf(subjects: readonly Subject[]): Fingerprints {
  const prints = new Uint32Array(subjects.length * WORDS);
  for (const [at, subject] of subjects.entries()) {
    const digest = sha256Latin1(subjectKey(subject));
    for (let word = 0; word < WORDS; word++) prints[at * WORDS + word] = wordOf(digest, word);
    // The first word says whether a place is taken.
    if (prints[at * WORDS] === 0) prints[at * WORDS] = 1;
  }
  return prints;
}

function wordOf(digest: string, word: number): number {
  const at = word * 4;
  const [one, two] = [digest.charCodeAt(at), digest.charCodeAt(at + 1)];
  const [three, four] = [digest.charCodeAt(at + 2), digest.charCodeAt(at + 3)];
  return (one | (two << 8) | (three << 16) | (four << 24)) >>> 0;
}

/** A position for each subject, in typed arrays: a million take some thirty-five megabytes, and no look-up allocates. */
export interface RevocationTable {
  readonly size: number;
  /** Keeps the newer of what is known and what comes. */
  put(prints: Fingerprints, position: number): void;
  /** Whether none of the subjects has anything but a position that `survives` accepts. */
  every(prints: Fingerprints, survives: (position: number) => boolean): boolean;
}

const FIRST_CAPACITY = 256;
const FULLEST = 0.7;
const LARGE = 2 ** 18;

interface Places {
  readonly capacity: number;
  readonly words: Uint32Array;
  readonly positions: Float64Array;
}

export function createRevocationTable(): RevocationTable {
  let places = emptyPlaces(FIRST_CAPACITY);
  let size = 0;

  const insert = (into: Places, prints: Fingerprints, from: number, position: number) => {
    const place = placeOf(into, prints, from);
    const isNew = into.words[place * WORDS] === 0;
    if (!isNew && !(position > (into.positions[place] ?? 0))) return false;
    for (let word = 0; word < WORDS; word++) into.words[place * WORDS + word] = prints[from + word] ?? 0;
    into.positions[place] = position;
    return isNew;
  };

  const grow = () => {
    const larger = emptyPlaces(nextCapacity(places.capacity));
    for (let place = 0; place < places.capacity; place++) {
      if (places.words[place * WORDS] === 0) continue;
      insert(larger, places.words, place * WORDS, places.positions[place] ?? 0);
    }
    places = larger;
  };

  return {
    get size() {
      return size;
    },
    put: (prints, position) => {
      for (let from = 0; from < prints.length; from += WORDS) {
        if (size + 1 > places.capacity * FULLEST) grow();
        if (insert(places, prints, from, position)) size += 1;
      }
    },
    every: (prints, survives) => {
      for (let from = 0; from < prints.length; from += WORDS) {
        const place = placeOf(places, prints, from);
        if (places.words[place * WORDS] === 0) continue;
        if (!survives(places.positions[place] ?? 0)) return false;
      }
      return true;
    },
  };
}

/** Large tables grow by a quarter: what lies empty is memory as well. */
function nextCapacity(capacity: number): number {
  return capacity < LARGE ? capacity * 2 : Math.ceil(capacity * 1.25);
}

function emptyPlaces(capacity: number): Places {
  return {
    capacity,
    words: new Uint32Array(capacity * WORDS),
    positions: new Float64Array(capacity),
  };
}

/** Where the subject is, or the free place where it would be: linear probing, never full. */
function placeOf({ capacity, words }: Places, prints: Fingerprints, from: number): number {
  const [one = 0, two = 0, three = 0] = [prints[from], prints[from + 1], prints[from + 2]];
  for (let place = Math.floor((two / 2 ** 32) * capacity); ; place = place + 1 === capacity ? 0 : place + 1) {
    const found = words[place * WORDS];
    if (found === 0) return place;
    if (found === one && words[place * WORDS + 1] === two && words[place * WORDS + 2] === three) return place;
  }
}
