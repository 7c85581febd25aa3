import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Subject } from '../../src/protocol/feed.ts';
import {
  type FormerEpoch,
  type Head,
  isBeyond,
  isCurrent,
  isPartOf,
  parseRev,
  type Rev,
  survives,
  toClaim,
} from '../../src/protocol/rev.ts';
import { createRevocationIndex } from '../../src/protocol/revocation-index.ts';
import { fingerprintsOf } from '../../src/protocol/revocation-table.ts';

const position = fc.oneof(
  fc.nat(20),
  fc.constantFrom(0, 1, Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER),
);
const rev = fc.record({ epoch: fc.integer({ min: 1, max: 3 }), position }, { noNullPrototype: true });

/** What a position is never, though the language would compare it. */
const odd = fc.oneof(
  fc.constantFrom<unknown>(
    undefined,
    null,
    '',
    '7',
    '10',
    Number.NaN,
    Number.POSITIVE_INFINITY,
    2 ** 53,
    1e300,
  ),
  fc.constantFrom<unknown>(true, false, [], [7], {}, { valueOf: () => 7 }, 7n, new Date(7), Symbol.iterator),
  fc.integer({ min: -(2 ** 53), max: -1 }),
  fc.double({ min: 0.1, max: 0.9, noNaN: true }).map((part) => 7 + part),
);

const settings = { numRuns: 1000 };
const subject: Subject = { type: 'user', id: 'ada' };
const prints = fingerprintsOf([subject]);

/** A Rev or a Head with one of its numbers replaced. */
function broken<T extends Rev>(whole: T, name: keyof T & string, value: unknown): T {
  return { ...whole, [name]: value };
}

test('a claim is a reading only as a pair of whole numbers from 0 up, and means the same when it comes back', () => {
  fc.assert(
    fc.property(rev, (one) => {
      assert.deepEqual(parseRev(JSON.parse(JSON.stringify(toClaim(one)))), one);
    }),
    settings,
  );
  fc.assert(
    fc.property(position, odd, fc.boolean(), (good, bad, first) => {
      assert.equal(parseRev(first ? [bad, good] : [good, bad]), null);
    }),
    settings,
  );
  for (const claim of [[], [1], [1, 2, 3], { 0: 1, 1: 2, length: 2 }, '1,2', null, undefined, 12]) {
    assert.equal(parseRev(claim), null);
  }
});

/**
 * What happened to an account: in each epoch so many positions, and how it ended. `kept`: nothing was lost; else the
 * last so many positions of it were, and with them all trust in what was before.
 */
const history = fc.record({
  epochs: fc.array(fc.record({ length: fc.nat(6), isKept: fc.boolean() }), { minLength: 1, maxLength: 4 }),
  floor: fc.nat(4),
});

/** The head that such a history leaves, and which readings ever taken still count, found by walking through it. */
function play({ epochs, floor }: { epochs: readonly { length: number; isKept: boolean }[]; floor: number }) {
  let [position, formers] = [0, [] as FormerEpoch[]];
  let counting: Rev[] = [];
  for (const [index, { length, isKept }] of epochs.entries()) {
    const epoch = index + 1;
    const first = position;
    position += length;
    for (let at = first; at <= position; at++) counting.push({ epoch, position: at });
    if (epoch === epochs.length) break;
    formers = isKept ? [...formers, { epoch, ended: position }] : [{ epoch, ended: -1 }];
    if (!isKept) counting = [];
    position += 1;
  }
  const head: Head = { epoch: epochs.length, position, floor, formers };
  return { head, counting: counting.filter((one) => one.position >= floor) };
}

test('through epochs a reading counts if it was taken since the last loss, up to the end of its epoch, and no other', () => {
  fc.assert(
    fc.property(history, fc.nat(5), fc.nat(40), (past, epoch, at) => {
      const { head, counting } = play(past);
      const one = { epoch, position: at };
      const ofEpoch = counting.filter((other) => other.epoch === epoch).map(({ position }) => position);
      // Below the first position of its epoch nobody ever read anything.
      if (ofEpoch.length > 0 && at < Math.min(...ofEpoch)) return;
      assert.equal(isCurrent(one, head), ofEpoch.includes(at), JSON.stringify({ one, head }));
    }),
    settings,
  );
});

test('of two readings that count, one outlives what the other was taken after, whatever their epochs', () => {
  fc.assert(
    fc.property(history, fc.nat(1000), fc.nat(1000), (past, first, second) => {
      const { counting } = play(past);
      const [one, other] = [counting[first % counting.length], counting[second % counting.length]];
      if (!one || !other) return;
      const isEarlier = counting.indexOf(one) < counting.indexOf(other);
      if (isEarlier) assert.equal(survives(other, one), true);
      if (isEarlier && one.position !== other.position) assert.equal(survives(one, other), false);
    }),
    settings,
  );
});

test('a reading is beyond a head, part of its history, or of an epoch in which nothing counts: one of the three', () => {
  fc.assert(
    fc.property(history, fc.integer({ min: 1, max: 6 }), fc.nat(40), (past, epoch, at) => {
      const { head } = play(past);
      const one = { epoch, position: at };
      const ended = head.formers?.find((former) => former.epoch === epoch)?.ended ?? -1;
      const isDead = epoch < head.epoch && ended < 0;
      assert.equal([isBeyond(one, head), isPartOf(one, head), isDead].filter(Boolean).length, 1);
    }),
    settings,
  );
});

test('an odd list of former epochs, or an odd end of one, lets nothing of them count', () => {
  const head = { epoch: 3, position: 20, floor: 0 };
  const one = { epoch: 1, position: 5 };
  const formers = (value: unknown) => ({ ...head, formers: value }) as Head;
  assert.equal(isCurrent(one, formers([{ epoch: 1, ended: 5 }])), true);
  const wrong = [
    undefined,
    null,
    {},
    'x',
    [null],
    [{ epoch: 1 }],
    [{ ended: 5 }],
    [{ epoch: '1', ended: 5 }],
  ];
  for (const value of wrong) assert.equal(isCurrent(one, formers(value)), false);
  const twice = [
    { epoch: 1, ended: 5 },
    { epoch: 1, ended: 9 },
  ];
  assert.equal(isCurrent(one, formers(twice)), false);
  assert.equal(isCurrent({ epoch: 3, position: 5 }, formers([{ epoch: 3, ended: 4 }])), true);
  fc.assert(
    fc.property(odd, (ended) => {
      assert.equal(isCurrent(one, formers([{ epoch: 1, ended }])), false);
      assert.equal(isBeyond(one, formers([{ epoch: 1, ended }])), false);
    }),
    settings,
  );
});

test('a reading is current in its epoch, from the floor to the head, and nowhere else', () => {
  fc.assert(
    fc.property(rev, rev, position, (one, at, floor) => {
      const expected = one.epoch === at.epoch && one.position >= floor && one.position <= at.position;
      assert.equal(isCurrent(one, { ...at, floor }), expected);
    }),
    settings,
  );
});

test('a lineage outlives exactly the revocations that are not at a higher position', () => {
  fc.assert(
    fc.property(rev, rev, (one, revokedAt) => {
      assert.equal(survives(one, revokedAt), one.position >= revokedAt.position);
    }),
    settings,
  );
});

test('an odd value on either side is never current and outlives nothing', () => {
  const names = fc.constantFrom('epoch' as const, 'position' as const);
  fc.assert(
    fc.property(rev, names, odd, (one, name, value) => {
      const head: Head = { ...one, floor: 0 };
      assert.equal(isCurrent(broken(one, name, value), head), false);
      assert.equal(isCurrent(one, broken(head, name, value)), false);
      assert.equal(isCurrent(one, broken(head, 'floor', value)), false);
      assert.equal(isPartOf(broken(one, name, value), head), false);
      assert.equal(isBeyond(broken(one, name, value), head), false);
      assert.equal(isBeyond(one, broken(head, name, value)), false);
      assert.equal(survives(broken(one, name, value), one), false);
      assert.equal(survives(one, broken(one, name, value)), false);
    }),
    settings,
  );
  fc.assert(
    fc.property(odd, (value) => {
      const both = { epoch: value, position: value } as unknown as Rev;
      assert.equal(isCurrent(both, { ...both, floor: value as number }), false);
      assert.equal(survives(both, both), false);
    }),
    settings,
  );
});

test('the index says of every order of the same entries what a list of them says', () => {
  const entry = fc.record({ at: fc.nat(30), id: fc.constantFrom('ada', 'bob', 'eve') });
  const lineage = fc.record({ position: fc.nat(40), floor: fc.nat(10) });
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 20 }), lineage, (entries, { position: from, floor }) => {
      const index = createRevocationIndex({ epoch: 1, position: 0, floor });
      for (const { at, id } of entries) index.apply({ epoch: 1, position: at }, [{ type: 'user', id }]);
      const head = Math.max(0, ...entries.map(({ at }) => at));
      assert.equal(index.head.position, head);
      const newest = Math.max(0, ...entries.filter(({ id }) => id === 'ada').map(({ at }) => at));
      const expected = from >= floor && from <= head && from >= newest;
      assert.equal(index.stands({ epoch: 1, position: from }, prints), expected);
    }),
    settings,
  );
});

test('one of several subjects suffices to end a lineage, whatever the kinds and ids', () => {
  const kinds = fc.constantFrom('user' as const, 'session' as const, 'email' as const);
  const some = fc.record({ type: kinds, id: fc.constantFrom('a', 'b', ':a', 'a:', 'user:a') });
  fc.assert(
    fc.property(fc.array(some, { maxLength: 6 }), some, (subjects, revoked) => {
      const index = createRevocationIndex({ epoch: 1, position: 0, floor: 0 });
      index.apply({ epoch: 1, position: 5 }, [revoked]);
      const isHit = subjects.some(({ type, id }) => type === revoked.type && id === revoked.id);
      assert.equal(index.stands({ epoch: 1, position: 4 }, fingerprintsOf(subjects)), !isHit);
    }),
    settings,
  );
});

test('a position of an entry that is none is never taken in, and takes nothing back', () => {
  fc.assert(
    fc.property(fc.constantFrom('epoch' as const, 'position' as const), odd, (name, value) => {
      const index = createRevocationIndex({ epoch: 1, position: 9, floor: 0 });
      index.apply({ epoch: 1, position: 8 }, [subject]);
      const wrong = broken({ epoch: 1, position: 9 }, name, value);
      assert.throws(() => index.apply(wrong, [subject]), TypeError);
      assert.throws(() => index.apply(wrong, []), TypeError);
      assert.equal(index.head.position, 9);
      assert.equal(index.stands({ epoch: 1, position: 7 }, prints), false);
      assert.equal(index.stands({ epoch: 1, position: 8 }, prints), true);
    }),
    settings,
  );
});

test('the index says of entries of all epochs what their positions say, and refuses one of an epoch to come', () => {
  const formers = [{ epoch: 1, ended: 9 }];
  const index = createRevocationIndex({ epoch: 2, position: 12, floor: 0, formers });
  index.apply({ epoch: 1, position: 8 }, [subject]);
  assert.equal(index.stands({ epoch: 1, position: 7 }, prints), false);
  assert.equal(index.stands({ epoch: 1, position: 9 }, prints), true);
  assert.equal(index.stands({ epoch: 1, position: 10 }, prints), false, 'that epoch ended at 9');
  assert.equal(index.stands({ epoch: 2, position: 11 }, prints), true);
  assert.throws(() => index.apply({ epoch: 3, position: 13 }, [subject]), TypeError);
  assert.equal(index.stands({ epoch: 2, position: 12 }, prints), true, 'what was refused left nothing');
  index.apply({ epoch: 2, position: 13 }, [subject]);
  index.apply({ epoch: 1, position: 3 }, [subject]);
  assert.equal(index.stands({ epoch: 1, position: 9 }, prints), false);
  assert.equal(index.stands({ epoch: 2, position: 12 }, prints), false);
  assert.equal(index.stands({ epoch: 2, position: 13 }, prints), true);
});

test('the index stays right while it grows, for a hundred thousand subjects', () => {
  const index = createRevocationIndex({ epoch: 1, position: 0, floor: 0 });
  const many = Array.from({ length: 100_000 }, (_, at): Subject => ({ type: 'user', id: `user ${at}` }));
  for (const [at, one] of many.entries()) index.apply({ epoch: 1, position: at + 1 }, [one]);
  for (const [at, one] of many.entries()) index.apply({ epoch: 1, position: at }, [one]);
  assert.equal(index.size, many.length);
  for (const [at, one] of many.entries()) {
    const of = fingerprintsOf([one]);
    assert.equal(index.stands({ epoch: 1, position: at + 1 }, of), true, one.id);
    assert.equal(index.stands({ epoch: 1, position: at }, of), false, one.id);
  }
  assert.equal(
    index.stands({ epoch: 1, position: 1 }, fingerprintsOf([{ type: 'user', id: 'nobody' }])),
    true,
  );
});
