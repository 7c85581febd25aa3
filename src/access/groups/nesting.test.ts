import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MOST_NESTED, nestingProblems } from './nesting.ts';
import type { GroupEdge } from './store.ts';

/** A UUID for a small number, so that tests can speak of groups by numbers. */
const group = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
const edge = ([from, to]: readonly [number, number]): GroupEdge => ({ from: group(from), to: group(to) });
const chain = (...numbers: number[]) =>
  numbers.slice(1).map((to, index) => edge([numbers[index] ?? 0, to] as const));

/** What is wrong when group `id` names these in its include. */
function problems(edges: readonly GroupEdge[], id: number | null, names: readonly number[]) {
  const include = names.map((number) => ({ group: { id: group(number) } }));
  return nestingProblems(edges, { id: id === null ? null : group(id), placed: { include, pointer: '' } });
}

test('a group within itself is refused with a pointer to the rule, over however many others', () => {
  assert.deepEqual(problems([], 1, [2, 1]), [
    { pointer: '/include/1/group/id', message: 'is the group itself' },
  ]);
  for (const length of [1, 2, 3, 7]) {
    const row = Array.from({ length }, (_, index) => index + 2);
    const found = problems(chain(...row, 1), 1, [99, row[0] ?? 0]);
    assert.deepEqual(
      found.map(({ pointer }) => pointer),
      ['/include/1/group/id'],
      `over ${length}`,
    );
  }
});

test('the rules of each list are looked at, each with its own pointer', () => {
  const rule = [{ everyone: {} }, { group: { id: group(1) } }];
  const placed = { include: rule, exclude: rule, require: rule, pointer: '/group' };
  assert.deepEqual(
    nestingProblems([], { id: group(1), placed }).map(({ pointer }) => pointer),
    ['/group/include/1/group/id', '/group/exclude/1/group/id', '/group/require/1/group/id'],
  );
});

test('what a group named before counts no more', () => {
  assert.deepEqual(problems(chain(1, 2), 2, [1]).length, 1);
  // 1 gives up 2 and takes 3, which leads nowhere.
  assert.deepEqual(problems(chain(1, 2, 3), 1, [3]), []);
});

test('two ways to one group are no circle', () => {
  const edges = [...chain(2, 4), ...chain(3, 4)];
  assert.deepEqual(problems(edges, 1, [2, 3, 4, 4]), []);
  assert.deepEqual(problems(edges, null, [2, 3, 4]), []);
});

test('ten groups may lie within each other, and eleven may not, wherever the change is', () => {
  const row = Array.from({ length: MOST_NESTED }, (_, index) => index + 1);
  const [first = 0] = row;
  // A new one around nine, and around ten.
  assert.deepEqual(problems(chain(...row.slice(1)), null, [2]), []);
  assert.equal(problems(chain(...row), null, [first]).length, 1);
  // One in the middle: three above it, itself, and six or seven below.
  const above = chain(101, 102, 103, 50);
  assert.deepEqual(problems([...above, ...chain(...row.slice(0, 6))], 50, [1]), []);
  const [found] = problems([...above, ...chain(...row.slice(0, 7))], 50, [1]);
  assert.deepEqual(found?.pointer, '/include/0/group/id');
  assert.match(found?.message ?? '', /more than 10 groups/);
});

/** By walking every way there is. */
function isBad(edges: readonly (readonly [number, number])[]): boolean {
  const walk = (at: number, way: readonly number[]): boolean => {
    if (way.includes(at) || way.length === MOST_NESTED) return true;
    return edges.some(([from, to]) => from === at && walk(to, [...way, at]));
  };
  return edges.some(([from]) => walk(from, []));
}

test('property: over any changes, circles and depth are refused exactly where a naive walk finds them', () => {
  const seen = { accepted: 0, refused: 0 };
  const change = fc.record({
    id: fc.integer({ min: 0, max: 12 }),
    names: fc.uniqueArray(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 2 }),
  });
  fc.assert(
    fc.property(fc.array(change, { minLength: 10, maxLength: 30 }), (changes) => {
      let edges: (readonly [number, number])[] = [];
      for (const { id, names } of changes) {
        const next = [
          ...edges.filter(([from]) => from !== id),
          ...names.map((to): readonly [number, number] => [id, to]),
        ];
        const found = problems(edges.map(edge), id, names);
        assert.equal(found.length > 0, isBad(next));
        if (found.length === 0) edges = next;
        seen[found.length === 0 ? 'accepted' : 'refused'] += 1;
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(seen.accepted > 300 && seen.refused > 300, JSON.stringify(seen));
});
