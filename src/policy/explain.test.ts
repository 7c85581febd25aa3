import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Asked, admits, evaluate } from './evaluate.ts';
import { explain } from './explain.ts';
import { createRuleIndexes } from './rule-index.ts';
import type { Policy, Rule } from './rules.ts';

const ANA = { kind: 'person', email: 'ana@a.example', providerId: 'p', claims: {}, amr: [] } as const;
const lists = { exclude: [], require: [], session_duration: null };

function asked(identity: Asked['identity'] = ANA): Asked {
  return {
    identity,
    surroundings: { ip: '192.0.2.1', certificate: null, device: null },
    sets: { group: () => undefined, list: () => undefined, posture: () => undefined },
    answers: null,
    indexes: createRuleIndexes(),
  };
}

const email: Rule = { email: { email: 'ana@a.example' } };
const other: Rule = { email: { email: 'ben@a.example' } };
const everyone: Rule = { everyone: {} };
const gone: Rule = { group: { id: 'gone' } };

const stories: [string, Partial<Policy>, string, object | null][] = [
  [
    'applies by the rule that matched first',
    { include: [other, email] },
    'applies',
    { list: 'include', index: 1, rule: email },
  ],
  ['includes nobody like her', { include: [other] }, 'not_included', null],
  [
    'excludes her',
    { include: [everyone], exclude: [other, email] },
    'excluded',
    { list: 'exclude', index: 1, rule: email },
  ],
  [
    'asks for more',
    { include: [everyone], require: [email, other] },
    'requirement_missing',
    { list: 'require', index: 1, rule: other },
  ],
  [
    'rests on a group that is gone',
    { include: [gone] },
    'unknown',
    { list: 'include', index: 0, rule: gone },
  ],
  [
    'denies by a group that is gone',
    { decision: 'deny', include: [gone] },
    'applies',
    { list: 'include', index: 0, rule: gone },
  ],
  ['is for services', { decision: 'non_identity', include: [everyone] }, 'not_concerned', null],
];

for (const [what, parts, outcome, rule] of stories) {
  test(`a policy that ${what} is told as ${outcome}`, () => {
    const policy: Policy = {
      ...lists,
      id: 'one',
      name: 'One',
      decision: 'allow',
      precedence: 1,
      include: [],
      ...parts,
    };
    const [told, ...more] = explain([policy], asked()).policies;
    assert.deepEqual(more, []);
    assert.equal(told?.outcome, outcome);
    assert.deepEqual(told.rule, rule);
  });
}

const rules = fc.array(fc.constantFrom(email, other, everyone, gone), { maxLength: 3 });
const policies: fc.Arbitrary<Policy[]> = fc.uniqueArray(
  fc.record({
    id: fc.string({ minLength: 1, maxLength: 2 }),
    name: fc.constant('any'),
    decision: fc.constantFrom('allow', 'deny', 'non_identity', 'bypass'),
    precedence: fc.integer({ min: 0, max: 3 }),
    include: rules,
    exclude: rules,
    require: rules,
    session_duration: fc.constant(null),
  }),
  { selector: ({ id }) => id, maxLength: 6 },
);

test('what is told of each policy adds up to the verdict', () => {
  const identities = fc.constantFrom<Asked['identity']>(ANA, { kind: 'nobody' }, { kind: 'certificate' });
  let decided = 0;
  const property = fc.property(policies, identities, (all, identity) => {
    const { evaluation, policies: told } = explain(all, asked(identity));
    assert.deepEqual(evaluation, evaluate(all, asked(identity)));
    const applying = told.filter(({ outcome }) => outcome === 'applies');
    const isDeny = ({ id }: { id: string }) =>
      !admits(all.find((one) => one.id === id) ?? { decision: 'deny' });
    const first = applying.find(isDeny) ?? applying[0];
    assert.equal(evaluation.policy, first?.id ?? null);
    if (first) decided += 1;
  });
  fc.assert(property, { numRuns: 5000 });
  assert.ok(decided > 300, `${decided}`);
});
