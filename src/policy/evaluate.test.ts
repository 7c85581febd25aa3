import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Evaluation, evaluate } from './evaluate.ts';
import type { Policy, Rule } from './rules.ts';

const everyone: Rule = { everyone: {} };
const email = (address: string): Rule => ({ email: { email: address } });
const domain = (name: string): Rule => ({ email_domain: { domain: name } });

let made = 0;
function policy(parts: Partial<Policy>): Policy {
  const id = `p${made++}`;
  const rest = {
    decision: 'allow',
    precedence: 1,
    include: [],
    exclude: [],
    require: [],
    session_duration: null,
  };
  return { id, name: id, ...rest, ...parts } as Policy;
}

const ann = { email: 'ann@example.com' };
const nobody: Evaluation = {
  verdict: 'deny',
  reason: 'no_policy_matched',
  policy: null,
  sessionDuration: null,
};

const unmatched: [string, Partial<Policy>][] = [
  ['without rules', {}],
  ['with only a require', { require: [everyone] }],
  ['for somebody else', { include: [email('bob@example.com')] }],
  ['for another spelling of the case', { include: [email('Ann@example.com')] }],
  ['for a parent domain', { include: [domain('com')] }],
  ['for a subdomain', { include: [domain('mail.example.com')] }],
  ['for a domain that merely ends alike', { include: [domain('ample.com')] }],
  [
    'that excludes the person',
    { include: [everyone], exclude: [email('bob@example.com'), email('ann@example.com')] },
  ],
  ['that excludes the domain', { include: [email('ann@example.com')], exclude: [domain('example.com')] }],
  ['that requires something else as well', { include: [everyone], require: [everyone, domain('other.com')] }],
];

for (const [what, parts] of unmatched) {
  test(`a policy ${what} admits nobody, and denies nobody`, () => {
    assert.deepEqual(evaluate([policy(parts)], ann), nobody);
    const admits = policy({ include: [everyone], precedence: 9 });
    const decided = evaluate([policy({ ...parts, decision: 'deny' }), admits], ann);
    assert.equal(decided.policy, admits.id);
  });
}

test('without policies everyone is denied', () => assert.deepEqual(evaluate([], ann), nobody));

test('a person of a subdomain is not of the domain', () => {
  const policies = [policy({ include: [domain('example.com')] })];
  assert.equal(evaluate(policies, { email: 'ann@mail.example.com' }).verdict, 'deny');
  assert.equal(evaluate(policies, { email: 'ann@notexample.com' }).verdict, 'deny');
});

test('a deny outweighs an allow that stands before it', () => {
  const first = policy({ include: [everyone], precedence: 1 });
  const deny = policy({ include: [domain('example.com')], decision: 'deny', precedence: 99 });
  assert.deepEqual(evaluate([first, deny], ann), {
    verdict: 'deny',
    reason: 'policy_deny',
    policy: deny.id,
    sessionDuration: null,
  });
});

test('a deny that excludes a person leaves the allow to decide', () => {
  const deny = policy({ include: [everyone], exclude: [email('ann@example.com')], decision: 'deny' });
  const allow = policy({ include: [everyone] });
  assert.equal(evaluate([deny, allow], ann).verdict, 'allow');
  assert.equal(evaluate([deny, allow], { email: 'bob@example.com' }).verdict, 'deny');
});

test('one include, no exclude and every require make an allow, with its session duration', () => {
  const allow = policy({
    include: [email('bob@example.com'), domain('example.com')],
    exclude: [email('bob@example.com')],
    require: [everyone, email('ann@example.com')],
    session_duration: '2h45m',
  });
  assert.deepEqual(evaluate([allow], ann), {
    verdict: 'allow',
    reason: 'policy_allow',
    policy: allow.id,
    sessionDuration: '2h45m',
  });
});

test('of several allows the lowest precedence decides, then the lowest id, in whatever order they come', () => {
  const late = policy({ id: 'a', include: [everyone], precedence: 3 });
  const second = policy({ id: 'c', include: [everyone], precedence: 2, session_duration: '1h' });
  const first = policy({ id: 'b', include: [everyone], precedence: 2, session_duration: null });
  for (const policies of [
    [late, second, first],
    [first, second, late],
    [second, first, late],
  ]) {
    const decided = evaluate(policies, ann);
    assert.equal(decided.policy, 'b');
    assert.equal(decided.sessionDuration, null);
  }
});

test('a decision that this version does not know denies', () => {
  const odd = { ...policy({ include: [everyone] }), decision: 'bypass' } as unknown as Policy;
  assert.equal(evaluate([policy({ include: [everyone] }), odd], ann).verdict, 'deny');
});

test('a rule that this version does not know matches nobody', () => {
  const odd = { geo: { country_code: 'CH' } } as unknown as Rule;
  assert.deepEqual(evaluate([policy({ include: [odd] })], ann), nobody);
});

/** The same meaning said the long way round: match all, sort all, then take the first. */
function naive(policies: readonly Policy[], person: { email: string }): Evaluation {
  const [, personDomain] = person.email.split('@');
  const holds = (rule: Rule): boolean => {
    const [type] = Object.keys(rule);
    const content = JSON.stringify(rule);
    if (type === 'everyone') return true;
    return (
      content === `{"email":{"email":"${person.email}"}}` ||
      content === `{"email_domain":{"domain":"${personDomain}"}}`
    );
  };
  const applicable = policies
    .filter(({ include }) => include.filter(holds).length > 0)
    .filter(({ exclude }) => exclude.filter(holds).length === 0)
    .filter(({ require }) => require.filter(holds).length === require.length)
    .sort((one, other) => (one.id < other.id ? -1 : 1))
    .sort((one, other) => one.precedence - other.precedence);
  const deny = applicable.find(({ decision }) => decision === 'deny');
  if (deny) return { verdict: 'deny', reason: 'policy_deny', policy: deny.id, sessionDuration: null };
  const allow = applicable.find(({ decision }) => decision === 'allow');
  if (!allow) return nobody;
  return {
    verdict: 'allow',
    reason: 'policy_allow',
    policy: allow.id,
    sessionDuration: allow.session_duration,
  };
}

const emails = ['ann@a.example', 'bob@a.example', 'ann@b.example', 'eve@c.example'];
const rule: fc.Arbitrary<Rule> = fc.oneof(
  fc.constant(everyone),
  fc.constantFrom(...emails).map(email),
  fc.constantFrom('a.example', 'b.example', 'example').map(domain),
);
const policies: fc.Arbitrary<Policy[]> = fc.uniqueArray(
  fc.record({
    id: fc.string({ minLength: 1, maxLength: 2 }),
    name: fc.constant('any'),
    decision: fc.constantFrom('allow', 'allow', 'deny'),
    precedence: fc.integer({ min: 0, max: 3 }),
    include: fc.array(rule, { maxLength: 3 }),
    exclude: fc.array(rule, { maxLength: 1 }),
    require: fc.array(rule, { maxLength: 1 }),
    session_duration: fc.constantFrom(null, '1h', '24h'),
  }),
  { selector: ({ id }) => id, maxLength: 6 },
);

test('property: it agrees with an evaluator written independently', () => {
  const verdicts = new Map<string, number>();
  fc.assert(
    fc.property(policies, fc.constantFrom(...emails), (list, address) => {
      const decided = evaluate(list, { email: address });
      verdicts.set(decided.reason, (verdicts.get(decided.reason) ?? 0) + 1);
      assert.deepEqual(decided, naive(list, { email: address }));
    }),
    { numRuns: 3000 },
  );
  for (const reason of ['policy_allow', 'policy_deny', 'no_policy_matched']) {
    assert.ok((verdicts.get(reason) ?? 0) > 100, `the property hardly ever saw ${reason}`);
  }
});

test('property: a further deny never admits anybody, and a further allow never undoes a deny', () => {
  fc.assert(
    fc.property(policies, policies, fc.constantFrom(...emails), (list, further, address) => {
      const before = evaluate(list, { email: address });
      const denies = further.filter(({ decision }) => decision === 'deny');
      const allows = further.filter(({ decision }) => decision === 'allow');
      if (before.verdict === 'deny')
        assert.equal(evaluate([...list, ...denies], { email: address }).verdict, 'deny');
      if (before.reason === 'policy_deny')
        assert.deepEqual(evaluate([...allows, ...list], { email: address }), before);
    }),
  );
});
