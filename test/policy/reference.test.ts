import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import fc from 'fast-check';
import { ASKERS, type Case, cases } from './reference-cases.ts';
import { disagreement, inEarnest } from './reference-property.ts';
import { type Tally, tellOf } from './reference-tally.ts';

const RUNS = 25_000;

const RULES = [
  ...['email', 'email_domain', 'login_method', 'auth_method', 'oidc', 'saml', 'azureAD', 'okta'],
  ...['email_list', 'github-organization', 'service_token', 'any_valid_service_token'],
  ...['group', 'ip_list', 'external_evaluation', 'device_posture'],
];
const CERTAIN_RULES = ['ip', 'certificate', 'common_name'];

/** What must have come up, each at least so often in a thousand that asked. */
const DUE: readonly (readonly [perMille: number, names: readonly string[]])[] = [
  [100, ['verdict: allow', 'verdict: deny', 'questions: none']],
  [50, ['reason: policy_deny', 'reason: no_policy_matched', 'reason: policy_allow']],
  [20, ['questions: some', 'session duration: named']],
  [8, ['reason: policy_bypass']],
  [100, ['identity: person', 'identity: service', 'identity: certificate', 'identity: nobody']],
  [100, ['address: IPv4', 'address: IPv6', 'address: mapped']],
  [50, Array.from({ length: 9 }, (_, count) => `policies: ${count}`)],
  [50, ['depth: 0', 'depth: 1', 'depth: 2', 'groups: one within several']],
  [8, ['depth: 3', 'groups: one within itself']],
  [1, ['depth: 4']],
  [50, ['rule: everyone yes']],
  [0.5, [...RULES, ...CERTAIN_RULES].map((type) => `rule: ${type} yes`)],
  [10, [...RULES, ...CERTAIN_RULES].map((type) => `rule: ${type} no`)],
  [10, RULES.map((type) => `rule: ${type} unknown`)],
  [5, ['person', 'service', 'certificate', 'nobody'].map((kind) => `decided by: deny for ${kind}`)],
  [5, ['decided by: allow for person', 'decided by: bypass for nobody']],
  [5, ['decided by: non_identity for service', 'decided by: non_identity for certificate']],
  [20, ["Cloudflare's order: allow, here deny", "Cloudflare's order: allow, here allow"]],
  [100, ["Cloudflare's order: deny, here deny"]],
  [100, ['case: spelled', 'case: plain']],
];

describe(`of ${RUNS * ASKERS} requests`, () => {
  const tally: Tally = new Map();
  let failure: string | null = 'nothing was compared';

  before(() => {
    const property = fc.property(cases, (given) => compare(given, tally));
    const { failed, errorInstance, seed, counterexamplePath } = fc.check(property, { numRuns: RUNS });
    const reason = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
    failure = failed ? `${reason}\nseed ${seed}, path ${counterexamplePath}` : null;
  });

  test('each is decided as the documentation says, and none more weakly than by the order of Cloudflare', () => {
    assert.equal(failure, null);
  });

  test('there is every rule, identity, decision and way of nesting among them, and every outcome', (t) => {
    for (const name of [...tally.keys()].sort()) t.diagnostic(`${name}: ${tally.get(name)}`);
    assert.ok((tally.get('asked') ?? 0) >= RUNS * ASKERS);
    for (const [perMille, names] of DUE) {
      for (const name of names) assertOften(name, { tally, perMille });
    }
  });

  test('what is certain is never unknown', () => {
    const odd = [...CERTAIN_RULES, 'everyone'].map((type) => `rule: ${type} unknown`);
    assert.deepEqual(
      [...odd, 'rule: everyone no', "Cloudflare's order: deny, here allow"].filter((name) => tally.has(name)),
      [],
    );
  });
});

function compare(given: Case, tally: Tally): void {
  const wrong = disagreement(given, inEarnest(given));
  if (wrong !== null) throw new Error(wrong);
  tellOf(given, tally);
}

function assertOften(name: string, { tally, perMille }: { tally: Tally; perMille: number }): void {
  const times = tally.get(name) ?? 0;
  const due = (RUNS * (name.startsWith('case') ? 1 : ASKERS) * perMille) / 1000;
  assert.ok(times >= due, `${name} came up ${times} times, and should at least ${due}`);
}
