import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applicationState } from '../../test/support/gate-parts.ts';
import { createRevocationIndex } from '../protocol/revocation-index.ts';
import type { Admission } from './admission.ts';
import { readSentAdmission, toLentAdmission, toSentAdmission } from './lent.ts';
import { createGateState } from './state.ts';
import { ANYONE, type Visitor } from './visitor.ts';

const state = createGateState();
const revocations = createRevocationIndex({ epoch: 1, position: 0, floor: 0 });
state.load({ accountId: 'acme', revocations, states: [] });
const account = state.account('acme') ?? assert.fail();
const application = { ...applicationState(), policies: [] };
const destination = { account, application, upstream: 'http://127.0.0.1:1' };
const lent = { isLive: () => true, remaining: () => 1 };

const anybody = { verdict: 'allow', reason: 'policy_bypass', visitor: ANYONE, credential: null } as const;
const byCertificate: Visitor = {
  ...{ kind: 'certificate', identity: { kind: 'certificate' }, commonName: 'laptop' },
  ...{ authorityId: 'ca1', expiresAt: 5000 },
};
const bypassed: Admission = {
  ...anybody,
  ...{ destination, assertion: null, endsAt: Number.POSITIVE_INFINITY, answers: null },
};
const certified: Admission = {
  ...{ verdict: 'allow', reason: 'policy_allow', destination, credential: null, visitor: byCertificate },
  ...{ assertion: 'a', endsAt: 5000, answers: null },
};
const unmatched: Admission = {
  ...{
    verdict: 'allow',
    reason: 'unmatched_allowed',
    destination: null,
    account,
    visitor: ANYONE,
    assertion: null,
  },
};

function overTheWire(admission: Admission): Admission {
  const read = readSentAdmission(JSON.parse(JSON.stringify(toSentAdmission(admission, 2000))));
  return toLentAdmission(read ?? assert.fail(), { account, lent });
}

for (const [what, admission] of [
  ['a bypass', bypassed],
  ['a client certificate', certified],
  ['what leads to no application', unmatched],
] as const) {
  test(`a node's allow of ${what} is the same at the gate, under its lease`, () => {
    assert.deepEqual(overTheWire(admission), { ...admission, lent });
  });
}

test('policies stay with the node, of an allow and of a refusal', () => {
  const whole = { ...destination, application: applicationState() };
  assert.notEqual(whole.application.policies.length, 0);
  assert.deepEqual(overTheWire({ ...certified, destination: whole }), { ...certified, lent });
  const refused: Admission = { verdict: 'deny', reason: 'policy_deny', destination: whole, visitor: ANYONE };
  assert.deepEqual(overTheWire(refused), { ...refused, destination: { ...destination, upstream: null } });
});

test('what external services said of an allow stays with the node', () => {
  const answered: Admission = { ...certified, answers: new Map([['a', true]]) };
  assert.deepEqual(overTheWire(answered), { ...certified, lent });
});

const sent = (admission: Admission) => JSON.parse(JSON.stringify(toSentAdmission(admission, 2000))) as object;

for (const [what, said] of [
  ['an allow without a reason', { ...sent(certified), reason: undefined }],
  ['an allow for a reason that is none', { ...sent(certified), reason: 'no_lease' }],
  ['an allow of whoever proved nothing', { ...sent(certified), visitor: ANYONE }],
  ['an allow of a person without a credential', { ...sent(certified), visitor: { kind: 'user' } }],
  ['an allow without an assertion', { ...sent(certified), assertion: null }],
  ['a bypass of somebody', { ...sent(bypassed), visitor: byCertificate }],
  ['a bypass with an assertion', { ...sent(bypassed), assertion: 'a' }],
  ['a bypass with a credential', { ...sent(bypassed), credential: { kind: 'session' } }],
  ['a bypass that leads nowhere', { ...sent(bypassed), application: null }],
  ['an allow for no time', { ...sent(unmatched), milliseconds: null }],
] as const) {
  test(`${what} is nothing that a node says`, () => assert.equal(readSentAdmission(said), null));
}
