import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { applicationState } from '../../test/support/gate-parts.ts';
import { DAY } from '../kernel/clock.ts';
import { parseDuration } from '../kernel/duration.ts';
import { questionKey } from '../policy/evaluate.ts';
import type { Policy, Rule } from '../policy/rules.ts';
import type { SessionState } from '../protocol/state.ts';
import { createRuleMemory } from './rule-memory.ts';

const IP = '192.0.2.7';
const certificate: Rule = { certificate: {} };
const robotName: Rule = { common_name: { common_name: 'laptop' } };
const ana: Rule = { email: { email: 'ana@example.com' } };
const bob: Rule = { email: { email: 'bob@example.com' } };
const here: Rule = { ip: { ip: '192.0.2.0/24' } };
const elsewhere: Rule = { ip: { ip: '203.0.113.0/24' } };
const question = { evaluate_url: 'https://a.example/', keys_url: 'https://a.example/keys' };
const external: Rule = { external_evaluation: question };
const withCertificate: Rule = { group: { id: 'with-certificate' } };
const missing: Rule = { group: { id: 'gone' } };

const session = {
  ...{ nonce: 'n', user_id: 'u', email: 'ana@example.com', provider_id: 'p', issuer: 'i', subject: 's' },
  ...{ expires_at: 1, rev: [1, 1], claims: {}, amr: [] },
} as SessionState;

let made = 0;
function policy(parts: Partial<Policy>): Policy {
  made += 1;
  const lists = { include: [], exclude: [], require: [] };
  return {
    id: `p${made}`,
    name: 'any',
    decision: 'allow',
    precedence: 1,
    ...lists,
    session_duration: null,
    ...parts,
  };
}

function memory() {
  const rules = createRuleMemory();
  const lists = { include: [certificate], exclude: [], require: [] };
  rules.putGroup('with-certificate', { id: 'with-certificate', name: 'any', ...lists });
  return rules;
}

function judge(policies: readonly Policy[]) {
  return memory().judge(session, { application: applicationState({ policies }), ip: IP });
}

for (const [what, policies] of [
  ['without policies', []],
  ['for somebody else', [policy({ include: [bob] })]],
  ['for somebody else with a certificate', [policy({ include: [bob], require: [certificate] })]],
  ['for a certificate, from elsewhere', [policy({ include: [certificate], require: [elsewhere] })]],
  ['that exclude them, whatever their certificate', [policy({ include: [certificate], exclude: [ana] })]],
  ['for services', [policy({ include: [certificate], decision: 'non_identity' })]],
  [
    'that deny them',
    [policy({ include: [ana] }), policy({ include: [ana], decision: 'deny', precedence: 9 })],
  ],
] as const) {
  test(`a person on the way is refused by policies ${what}`, () => {
    assert.equal(judge(policies).verdict, 'deny');
  });
}

for (const [what, policies] of [
  ['need a certificate', [policy({ include: [ana], require: [certificate] })]],
  ['need the certificate of one name', [policy({ include: [robotName] })]],
  ['need a group that asks for a certificate', [policy({ include: [withCertificate] })]],
  ['exclude one certificate', [policy({ include: [ana], exclude: [robotName] })]],
  ['ask an external service', [policy({ include: [ana], require: [external] })]],
  [
    'deny whom an external service names',
    [policy({ include: [ana] }), policy({ include: [external], decision: 'deny' })],
  ],
] as const) {
  test(`a person on the way goes on where policies ${what}`, () => {
    assert.equal(judge(policies).verdict, 'allow');
  });
}

test('of policies of which one will admit, the one with the shortest session is named', () => {
  const short = policy({ include: [ana], precedence: 2, session_duration: '15m' });
  const long = policy({ include: [certificate], precedence: 1, session_duration: '48h' });
  const never = policy({ include: [ana], precedence: 3, session_duration: '1m' });
  assert.equal(judge([long, never, short]).sessionDuration, '15m');
  assert.equal(judge([{ ...short, precedence: 0 }, long]).sessionDuration, '15m');
  assert.equal(
    judge([{ ...short, session_duration: null }, long]).sessionDuration,
    null,
    'a day, and not two',
  );
});

const rule = fc.constantFrom(
  ...[
    certificate,
    robotName,
    ana,
    bob,
    here,
    elsewhere,
    external,
    withCertificate,
    missing,
    { everyone: {} } as Rule,
  ],
);
const policies: fc.Arbitrary<Policy[]> = fc.uniqueArray(
  fc.record({
    id: fc.string({ minLength: 1, maxLength: 2 }),
    name: fc.constant('any'),
    decision: fc.constantFrom('allow', 'allow', 'allow', 'non_identity', 'bypass', 'deny'),
    precedence: fc.integer({ min: 0, max: 3 }),
    include: fc.array(rule, { minLength: 1, maxLength: 3 }),
    exclude: fc.array(rule, { maxLength: 1 }),
    require: fc.array(rule, { maxLength: 2 }),
    session_duration: fc.constantFrom(null, '1h', '48h'),
  }),
  { selector: ({ id }) => id, maxLength: 5 },
);
const known = fc.record({
  commonName: fc.constantFrom(undefined, null, 'laptop', 'other'),
  answer: fc.constantFrom(true, false, null),
});

test('property: whom the gate lets in with whatever is known then was not refused on the way, nor for longer', () => {
  const seen = { refused: 0, admitted: 0 };
  fc.assert(
    fc.property(policies, known, (list, { commonName, answer }) => {
      const rules = memory();
      const application = applicationState({ policies: list });
      const held = commonName === undefined ? null : { commonName };
      const atGate = rules.evaluate({
        application,
        identity: rules.personOf(session),
        surroundings: { ip: IP, certificate: held, device: null },
        answers: new Map([[questionKey(question), answer]]),
      });
      const onTheWay = rules.judge(session, { application, ip: IP });
      if (onTheWay.verdict === 'deny') seen.refused += 1;
      if (atGate.verdict !== 'allow') return;
      seen.admitted += 1;
      assert.equal(onTheWay.verdict, 'allow');
      assert.ok(lengthOf(onTheWay.sessionDuration) <= lengthOf(atGate.sessionDuration));
    }),
    { numRuns: 5000 },
  );
  assert.ok(seen.refused > 200 && seen.admitted > 200, JSON.stringify(seen));
});

function lengthOf(duration: string | null): number {
  return (duration === null ? null : parseDuration(duration)) ?? DAY;
}
