import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Evaluation, evaluate as evaluateAsked } from './evaluate.ts';
import { createRuleIndexes } from './rule-index.ts';
import type { Policy, Rule } from './rules.ts';

const everyone: Rule = { everyone: {} };
const email = (address: string): Rule => ({ email: { email: address } });
const domain = (name: string): Rule => ({ email_domain: { domain: name } });
const token = (id: string): Rule => ({ service_token: { token_id: id } });
const anyToken: Rule = { any_valid_service_token: {} };

type Who = { readonly email: string } | { readonly serviceTokenId: string };
type Said = Omit<Evaluation, 'questions'>;

const indexes = createRuleIndexes();
const surroundings = { ip: '192.0.2.1', certificate: null, device: null };
const sets = { group: () => undefined, list: () => undefined, posture: () => undefined };

/** Of somebody who comes from nowhere in particular, with nothing but an e-mail or a service token. */
function evaluate(policies: readonly Policy[], who: Who): Said {
  const identity =
    'email' in who
      ? ({ kind: 'person', ...who, providerId: 'p', claims: {}, amr: [] } as const)
      : ({ kind: 'service', ...who } as const);
  const asked = { identity, surroundings, sets, answers: null, indexes };
  const { questions, ...said } = evaluateAsked(policies, asked);
  assert.deepEqual(questions, []);
  return said;
}

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
const robot = { serviceTokenId: 't1' };
const nobody: Said = {
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

test('a service token is admitted by policies for service tokens, and a person by those for people', () => {
  for (const include of [[everyone], [token('t1')], [anyToken], [token('t2'), token('t1')]]) {
    const service = policy({ decision: 'non_identity', include });
    assert.deepEqual(evaluate([service], robot), {
      verdict: 'allow',
      reason: 'policy_allow',
      policy: service.id,
      sessionDuration: null,
    });
    assert.deepEqual(evaluate([service], ann), nobody, JSON.stringify(include));
    assert.deepEqual(evaluate([policy({ include })], robot), nobody, JSON.stringify(include));
  }
});

const unmatchedService: [string, Partial<Policy>][] = [
  ['for another token', { include: [token('t2')] }],
  ['for people', { include: [email('ann@example.com'), domain('example.com')] }],
  ['that excludes it', { include: [anyToken], exclude: [token('t1')] }],
  ['that excludes every token', { include: [everyone], exclude: [anyToken] }],
  ['that requires an e-mail as well', { include: [anyToken], require: [domain('example.com')] }],
  ['that requires another token as well', { include: [token('t1')], require: [token('t2')] }],
];

for (const [what, parts] of unmatchedService) {
  test(`a policy ${what} admits no service token`, () => {
    assert.deepEqual(evaluate([policy({ ...parts, decision: 'non_identity' })], robot), nobody);
  });
}

test('a rule for a service token matches no person, whatever the decision', () => {
  for (const rule of [token('t1'), anyToken, token('')]) {
    assert.deepEqual(evaluate([policy({ include: [rule] })], ann), nobody);
    const deny = policy({ decision: 'deny', include: [rule] });
    assert.equal(evaluate([deny, policy({ include: [everyone] })], ann).verdict, 'allow');
  }
});

test('a rule for people matches no service token, not even with an empty e-mail', () => {
  for (const rule of [email(''), domain(''), email('null'), domain('null')]) {
    assert.deepEqual(evaluate([policy({ decision: 'non_identity', include: [rule] })], robot), nobody);
  }
});

test('a deny outweighs what admits a service token, wherever it stands', () => {
  const admits = policy({ decision: 'non_identity', include: [anyToken], precedence: 1 });
  for (const rule of [everyone, anyToken, token('t1')]) {
    const deny = policy({ decision: 'deny', include: [rule], precedence: 99 });
    assert.equal(evaluate([admits, deny], robot).policy, deny.id);
  }
  const other = policy({ decision: 'deny', include: [token('t2'), email('ann@example.com')] });
  assert.equal(evaluate([admits, other], robot).verdict, 'allow');
});

test('a decision that this version does not know denies', () => {
  const odd = { ...policy({ include: [everyone] }), decision: 'deferred' } as unknown as Policy;
  assert.equal(evaluate([policy({ include: [everyone] }), odd], ann).verdict, 'deny');
});

test('a rule that this version does not know matches nobody', () => {
  const odd = { geo: { country_code: 'CH' } } as unknown as Rule;
  assert.deepEqual(evaluate([policy({ include: [odd] })], ann), nobody);
});

/** The same meaning said the long way round: match all, sort all, then take the first. */
function naive(policies: readonly Policy[], who: Who): Said {
  const isPerson = 'email' in who;
  const truths = isPerson
    ? [
        '{"everyone":{}}',
        `{"email":{"email":"${who.email}"}}`,
        `{"email_domain":{"domain":"${who.email.split('@')[1]}"}}`,
      ]
    : [
        '{"everyone":{}}',
        '{"any_valid_service_token":{}}',
        `{"service_token":{"token_id":"${who.serviceTokenId}"}}`,
      ];
  const holds = (rule: Rule): boolean => truths.includes(JSON.stringify(rule));
  const admitting = isPerson ? 'allow' : 'non_identity';
  const applicable = policies
    .filter(({ include }) => include.filter(holds).length > 0)
    .filter(({ exclude }) => exclude.filter(holds).length === 0)
    .filter(({ require }) => require.filter(holds).length === require.length)
    .sort((one, other) => (one.id < other.id ? -1 : 1))
    .sort((one, other) => one.precedence - other.precedence);
  const deny = applicable.find(({ decision }) => decision === 'deny');
  if (deny) return { verdict: 'deny', reason: 'policy_deny', policy: deny.id, sessionDuration: null };
  const allow = applicable.find(({ decision }) => decision === admitting);
  if (!allow) return nobody;
  return {
    verdict: 'allow',
    reason: 'policy_allow',
    policy: allow.id,
    sessionDuration: allow.session_duration,
  };
}

const emails = ['ann@a.example', 'bob@a.example', 'ann@b.example', 'eve@c.example'];
const tokens = ['t1', 't2', 't3'];
const identity: fc.Arbitrary<Who> = fc.oneof(
  fc.constantFrom(...emails).map((address) => ({ email: address })),
  fc.constantFrom(...tokens).map((id) => ({ serviceTokenId: id })),
);
const rule: fc.Arbitrary<Rule> = fc.oneof(
  fc.constant(everyone),
  fc.constant(anyToken),
  fc.constantFrom(...tokens).map(token),
  fc.constantFrom(...emails).map(email),
  fc.constantFrom('a.example', 'b.example', 'example').map(domain),
);
const policies: fc.Arbitrary<Policy[]> = fc.uniqueArray(
  fc.record({
    id: fc.string({ minLength: 1, maxLength: 2 }),
    name: fc.constant('any'),
    decision: fc.constantFrom('allow', 'allow', 'non_identity', 'non_identity', 'deny'),
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
    fc.property(policies, identity, (list, who) => {
      const decided = evaluate(list, who);
      const seen = `${'email' in who ? 'a person' : 'a service'}: ${decided.reason}`;
      verdicts.set(seen, (verdicts.get(seen) ?? 0) + 1);
      assert.deepEqual(decided, naive(list, who));
    }),
    { numRuns: 6000 },
  );
  for (const who of ['a person', 'a service']) {
    for (const reason of ['policy_allow', 'policy_deny', 'no_policy_matched']) {
      const seen = `${who}: ${reason}`;
      assert.ok((verdicts.get(seen) ?? 0) > 100, `the property hardly ever saw ${seen}`);
    }
  }
});

test('property: a further deny never admits anybody, and a further allow never undoes a deny', () => {
  fc.assert(
    fc.property(policies, policies, identity, (list, further, who) => {
      const before = evaluate(list, who);
      const denies = further.filter(({ decision }) => decision === 'deny');
      const allows = further.filter(({ decision }) => decision !== 'deny');
      if (before.verdict === 'deny') assert.equal(evaluate([...list, ...denies], who).verdict, 'deny');
      if (before.reason === 'policy_deny') assert.deepEqual(evaluate([...allows, ...list], who), before);
    }),
  );
});

test('property: what is for one kind of visitor says nothing of the other', () => {
  fc.assert(
    fc.property(policies, identity, (list, who) => {
      const foreign = 'email' in who ? 'non_identity' : 'allow';
      const own = list.filter(({ decision }) => decision !== foreign);
      assert.deepEqual(evaluate(list, who), evaluate(own, who));
    }),
  );
});
