import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { admissionsOver, applicationState } from '../../test/support/gate-parts.ts';
import type { JsonObject } from '../kernel/json.ts';
import type { Decision, Policy, Rule } from '../policy/rules.ts';
import type { SessionToken } from '../protocol/claims.ts';
import type { FeedItem } from '../protocol/feed.ts';
import { lockedLease } from '../protocol/lease.ts';
import { createRevocationIndex } from '../protocol/revocation-index.ts';
import type { ApplicationState } from '../protocol/state.ts';
import { type Admission, type Admitted, admittedUntil } from './admission.ts';
import type { ClientCertificate } from './client-certificate.ts';
import { createExchanges } from './exchanges.ts';
import type { ExternalAnswers } from './external-answers.ts';
import type { Question } from './question.ts';
import { createGateState } from './state.ts';

const everyone: Rule = { everyone: {} };
const certificate: Rule = { certificate: {} };
const laptop: Rule = { common_name: { common_name: 'laptop' } };
const ana: Rule = { email: { email: 'ana@example.com' } };
const here: Rule = { ip: { ip: '192.0.2.7' } };
const elsewhere: Rule = { ip: { ip: '203.0.113.0/24' } };
const external: Rule = {
  external_evaluation: { evaluate_url: 'https://a.example', keys_url: 'https://a.example/k' },
};

const TOKEN: SessionToken = {
  ...{ type: 'app', audience: 'aud', userId: 'u', email: 'ana@example.com', sessionNonce: 'n1' },
  ...{
    expiresAt: 9000,
    rev: { epoch: 1, position: 5 },
    applicationRev: { epoch: 1, position: 5 },
    binding: null,
  },
};

const HELD: ClientCertificate = { authorities: ['f'.repeat(64)], commonName: 'laptop', expiresAt: 5000 };

let made = 0;
function policy(decision: Decision, include: readonly Rule[], more: Partial<Policy> = {}): Policy {
  made += 1;
  const lists = { include, exclude: [], require: [] };
  return {
    id: `p${made}`,
    name: 'any',
    decision,
    precedence: made,
    ...lists,
    session_duration: null,
    ...more,
  };
}

const QUESTION: Question = {
  ...{ host: 'wiki.example', path: '/', target: '/', method: 'GET', scheme: 'https', navigation: true },
  ...{ crossSite: false, otherCookies: '', accessToken: null, serviceToken: null, cookies: new Map() },
  ...{ header: () => null, ip: '192.0.2.7', certificate: null, device: null, plain: true },
};
const PERSON: Partial<Question> = { cookies: new Map([['CF_Authorization', ['token']]]) };

const put = (
  kind: 'application' | 'certificate' | 'session',
  id: string,
  state: object | null,
): FeedItem => ({
  kind,
  id,
  state: state as JsonObject | null,
});
const authority = (more: object = {}) =>
  put('certificate', 'ca1', {
    ...{ id: 'ca1', name: 'CA', certificate: '', fingerprint: HELD.authorities[0], expires_at: 7000 },
    ...{ hostnames: ['wiki.example'], ...more },
  });
const session = (more: object = {}) =>
  put('session', 'n1', {
    ...{ nonce: 'n1', user_id: 'u', email: 'ana@example.com', provider_id: 'p', issuer: 'i', subject: 's' },
    ...{ expires_at: 9000, rev: [1, 5], claims: {}, amr: [], ...more },
  });

interface Scene {
  readonly policies: readonly Policy[];
  readonly application?: Partial<ApplicationState>;
  readonly items?: readonly FeedItem[];
  readonly externalAnswers?: ExternalAnswers;
}

function scene({ policies, application = {}, items = [], externalAnswers }: Scene) {
  const time = { now: 1000 };
  const clock = { now: () => time.now };
  const state = createGateState();
  const app = (list: readonly Policy[]) =>
    put('application', 'wiki', applicationState({ policies: list, ...application }));
  state.load({
    accountId: 'acme',
    revocations: createRevocationIndex({ epoch: 1, position: 8, floor: 0 }),
    states: [
      { kind: 'provider', id: 'p', state: { id: 'p', type: 'oidc', name: 'P' } },
      ...[app(policies), authority(), session(), ...items],
    ],
  });
  const cuts: string[] = [];
  const exchanges = createExchanges({
    admittedUntil: (question, admitted) => admittedUntil({ state, clock }, question, admitted),
    clock,
    lease: lockedLease,
    onCut: (_exchange, reason) => void cuts.push(reason),
    onFault: (fault) => assert.fail(String(fault)),
  });
  const parts = { state, clock, verify: async () => TOKEN };
  const admissions = admissionsOver({ ...parts, ...(externalAnswers ? { externalAnswers } : {}) });
  let position = 8;
  const judge = async (question: Partial<Question>): Promise<Admission> => {
    const told: Admission[] = [];
    await admissions.judge({ ...QUESTION, ...question }, (one) => void told.push(one));
    return told[0] ?? assert.fail();
  };
  return {
    time,
    cuts,
    app,
    judge,
    admitted: async (question: Partial<Question>): Promise<Admitted> => {
      const said = await judge(question);
      assert.ok(said.verdict === 'allow' && said.destination, said.reason);
      return said;
    },
    /** Opens what was admitted; `isStill` says that nothing of it is queued. */
    enter: (question: Partial<Question>, admitted: Admitted) =>
      exchanges.enter({
        ...{ question: { ...QUESTION, ...question }, admitted, isUpgraded: true },
        ...{ cut: () => {}, freeze: () => false, thaw: () => {} },
      }),
    apply: (...changed: FeedItem[]) => {
      position += 1;
      const batch = { accountId: 'acme', at: { epoch: 1, position }, items: changed };
      state.apply(batch);
      exchanges.apply(batch);
    },
  };
}

async function outcome(of: Scene, question: Partial<Question> = {}): Promise<string> {
  const said = await scene(of).judge(question);
  return `${said.verdict} ${said.reason}`;
}

describe('a bypass', () => {
  for (const [what, policies] of [
    ['that is for another address', [policy('bypass', [elsewhere])]],
    ['that asks who somebody is', [policy('bypass', [ana])]],
    ['that requires to know who somebody is', [policy('bypass', [everyone], { require: [ana] })]],
    ['that excludes somebody by who they are', [policy('bypass', [everyone], { exclude: [ana] })]],
    ['that asks an external service', [policy('bypass', [external])]],
    ['that needs a certificate', [policy('bypass', [certificate])]],
    ['beside a deny for everyone', [policy('bypass', [everyone]), policy('deny', [everyone])]],
    ['beside a deny for the address', [policy('deny', [here]), policy('bypass', [everyone])]],
    ['that is no bypass but an allow', [policy('allow', [everyone])]],
  ] as const) {
    test(`lets nobody in without a credential ${what}`, async () => {
      assert.equal(await outcome({ policies }), 'sign_in no_credential');
    });
  }

  test('lets in whoever comes, and looks at no credential, however many there are', async () => {
    const policies = [policy('bypass', [here]), policy('deny', [ana])];
    const asked: Partial<Question>[] = [
      {},
      PERSON,
      { cookies: new Map([['CF_Authorization', ['one', 'two']]]), accessToken: 'three' },
      { serviceToken: { clientId: 'x', secret: null } },
    ];
    for (const question of asked) {
      const { admitted } = scene({ policies });
      const { reason, visitor, credential, assertion, endsAt } = await admitted(question);
      assert.deepEqual(
        { reason, visitor, credential, assertion },
        {
          reason: 'policy_bypass',
          visitor: { kind: 'anyone' },
          credential: null,
          assertion: null,
        },
      );
      assert.equal(endsAt, Number.POSITIVE_INFINITY);
    }
  });

  test('beside a deny that a certificate makes certain lets nobody in who has one', async () => {
    const policies = [policy('bypass', [everyone]), policy('deny', [laptop])];
    assert.equal(await outcome({ policies }), 'allow policy_bypass');
    assert.equal(await outcome({ policies }, { certificate: HELD }), 'sign_in no_credential');
  });

  test('without a lease is no bypass', async () => {
    const state = createGateState();
    const { createAdmissions } = await import('./admission.ts');
    const application = applicationState({ policies: [policy('bypass', [everyone])] });
    state.load({
      accountId: 'acme',
      revocations: createRevocationIndex({ epoch: 1, position: 8, floor: 0 }),
      states: [put('application', 'wiki', application)],
    });
    const told: Admission[] = [];
    const nothing = {
      recall: () => null,
      verify: async () => null,
      make: async () => {},
      ask: async () => {},
    };
    const admissions = createAdmissions({
      ...{ state, clock: { now: () => 0 }, lease: { isLive: () => false }, catchUp: async () => {} },
      ...{ verifier: nothing, assertions: nothing, externalAnswers: nothing },
    });
    admissions.judge(QUESTION, (one) => void told.push(one));
    assert.equal(told[0]?.reason, 'no_lease');
  });

  test('stays when people are revoked, and ends with the policy, the application or the account', async () => {
    const bypassing = policy('bypass', [everyone]);
    for (const [what, change, isOver] of [
      ['a user is revoked', { kind: 'revocation', subject: { type: 'user', id: 'u' } }, false],
      [
        "the application's tokens are revoked",
        { kind: 'revocation', subject: { type: 'application', id: 'wiki' } },
        false,
      ],
      ['another rule changes', put('certificate', 'ca1', null), false],
      ['the application is gone', put('application', 'wiki', null), true],
      ['the account is revoked', { kind: 'revocation', subject: { type: 'account', id: 'acme' } }, true],
    ] as const) {
      const it = scene({ policies: [bypassing] });
      const place = it.enter({}, await it.admitted({}));
      it.apply(change as FeedItem);
      assert.equal(place.mayFlow(), !isOver, what);
      assert.equal(it.cuts.length, isOver ? 1 : 0, what);
    }
    for (const policies of [[policy('allow', [everyone])], [bypassing, policy('deny', [here])], []]) {
      const it = scene({ policies: [bypassing] });
      const place = it.enter(PERSON, await it.admitted(PERSON));
      it.apply(it.app(policies));
      assert.equal(place.mayFlow(), false, 'even if they have a session');
      assert.deepEqual(it.cuts, ['policy']);
    }
  });
});

describe('a client certificate', () => {
  const byCertificate = [policy('non_identity', [laptop])];

  for (const [what, held, items] of [
    ['no certificate', null, []],
    ['one of another authority', { ...HELD, authorities: ['a'.repeat(64)] }, []],
    ['one of another name', { ...HELD, commonName: 'phone' }, []],
    ['one without a name', { ...HELD, commonName: null }, []],
    ['one that is over', { ...HELD, expiresAt: 1000 }, []],
    ['one whose authority is for other hosts', HELD, [authority({ hostnames: ['example'] })]],
    ['one whose authority is over', HELD, [authority({ expires_at: 1000 })]],
    ['one whose authority is gone', HELD, [put('certificate', 'ca1', null)]],
  ] as const) {
    test(`lets nobody in with ${what}`, async () => {
      const said = await outcome({ policies: byCertificate, items }, { certificate: held });
      assert.equal(said, 'sign_in no_credential');
    });
  }

  for (const [what, policies] of [
    ['for people', [policy('allow', [certificate])]],
    ['for service tokens', [policy('non_identity', [{ any_valid_service_token: {} }])]],
    ['that also deny it', [policy('non_identity', [certificate]), policy('deny', [laptop])]],
    ['that ask for more', [policy('non_identity', [laptop], { require: [elsewhere] })]],
  ] as const) {
    test(`speaks for nobody by policies ${what}`, async () => {
      assert.equal(await outcome({ policies }, { certificate: HELD }), 'sign_in no_credential');
    });
  }

  test('speaks for itself, until it or its authority ends', async () => {
    const { admitted } = scene({ policies: byCertificate });
    const one = await admitted({ certificate: HELD });
    assert.equal(one.reason, 'policy_allow');
    assert.equal(one.credential, null);
    assert.ok(one.visitor.kind === 'certificate' && one.visitor.commonName === 'laptop');
    assert.equal(one.assertion, 'assertion');
    assert.equal(one.endsAt, 5000);
    const longer = await admitted({ certificate: { ...HELD, expiresAt: 8000 } });
    assert.equal(longer.endsAt, 7000);
  });

  test('beside a credential leaves the word to that', async () => {
    const policies = [...byCertificate, policy('allow', [{ email: { email: 'bob@example.com' } }])];
    assert.equal(await outcome({ policies }, { ...PERSON, certificate: HELD }), 'deny no_policy_matched');
    const robot = { serviceToken: { clientId: 'x', secret: 'y' }, certificate: HELD };
    assert.equal(await outcome({ policies }, robot), 'sign_in service_token_unknown');
  });

  test('that a person needs bounds them, and no other', async () => {
    const needed = scene({ policies: [policy('allow', [ana], { require: [certificate] })] });
    assert.equal((await needed.admitted({ ...PERSON, certificate: HELD })).endsAt, 5000);
    assert.equal((await needed.judge(PERSON)).reason, 'no_policy_matched');
    const idle = scene({ policies: [policy('allow', [ana])] });
    assert.equal((await idle.admitted({ ...PERSON, certificate: HELD })).endsAt, 9000);
    const bypassed = scene({ policies: [policy('bypass', [certificate])] });
    assert.equal((await bypassed.admitted({ certificate: HELD })).endsAt, 5000);
  });

  test('is cut when its authority is removed, and so is the person who needs it', async () => {
    const policies = [...byCertificate, policy('allow', [ana], { require: [certificate] })];
    for (const question of [{ certificate: HELD }, { ...PERSON, certificate: HELD }]) {
      const it = scene({ policies });
      const place = it.enter(question, await it.admitted(question));
      it.apply(authority({ name: 'another name' }));
      assert.ok(place.mayFlow());
      it.apply(put('certificate', 'ca1', null));
      assert.equal(place.mayFlow(), false);
      assert.deepEqual(it.cuts, ['cookies' in question ? 'policy' : 'revoked']);
    }
  });
});

describe('what an external service says', () => {
  /** Answers of a service that is asked; what it is asked first is not known. */
  function service(says: boolean | null) {
    const asked: string[] = [];
    let known: boolean | null | undefined;
    const answers: ExternalAnswers = {
      recall: () => known,
      ask: async ({ visitor }, questions) => {
        for (const { evaluate_url: url } of questions) asked.push(`${visitor.kind} ${url}`);
        known = says;
      },
    };
    return { asked, answers };
  }

  const needed = [policy('allow', [ana], { require: [external] })];
  for (const [what, policies, says, expected] of [
    ['no', needed, false, 'deny no_policy_matched'],
    ['nothing', needed, null, 'deny no_policy_matched'],
    ['yes', needed, true, 'allow policy_allow'],
    ['yes to a deny', [policy('allow', [ana]), policy('deny', [external])], true, 'deny policy_deny'],
    ['nothing to a deny', [policy('allow', [ana]), policy('deny', [external])], null, 'deny policy_deny'],
    ['no to a deny', [policy('allow', [ana]), policy('deny', [external])], false, 'allow policy_allow'],
    [
      'nothing to an exclude',
      [policy('allow', [ana], { exclude: [external] })],
      null,
      'deny no_policy_matched',
    ],
    ['no to an exclude', [policy('allow', [ana], { exclude: [external] })], false, 'allow policy_allow'],
    [
      'nothing to an exclude of a deny',
      [policy('allow', [ana]), policy('deny', [ana], { exclude: [external] })],
      null,
      'deny policy_deny',
    ],
  ] as const) {
    test(`is ${what}`, async () => {
      const { asked, answers } = service(says);
      assert.equal(await outcome({ policies, externalAnswers: answers }, PERSON), expected);
      assert.deepEqual(asked, ['user https://a.example']);
    });
  }

  test('is asked of nobody who has proved nothing, and of a certificate that counts', async () => {
    const { asked, answers } = service(true);
    const policies = [
      policy('bypass', [external]),
      policy('allow', [external]),
      policy('non_identity', [certificate], { require: [external] }),
    ];
    const of = { policies, externalAnswers: answers };
    assert.equal(await outcome(of), 'sign_in no_credential');
    assert.equal(
      await outcome(of, { serviceToken: { clientId: 'x', secret: 'y' } }),
      'sign_in service_token_unknown',
    );
    assert.equal(
      await outcome(of, { certificate: { ...HELD, authorities: ['a'.repeat(64)] } }),
      'sign_in no_credential',
    );
    assert.deepEqual(asked, []);
    assert.equal(await outcome(of, { certificate: HELD }), 'allow policy_allow');
    assert.deepEqual(asked, ['certificate https://a.example']);
  });

  test('that never comes does not keep a request for ever', async () => {
    let rounds = 0;
    const ask = async () => {
      rounds += 1;
    };
    const forgetful = { recall: () => undefined, ask };
    assert.equal(
      await outcome({ policies: needed, externalAnswers: forgetful }, PERSON),
      'deny no_policy_matched',
    );
    assert.equal(rounds, 3);
  });

  test('is kept by what is open, and is worth nothing of whom the provider tells something else', async () => {
    const { answers } = service(true);
    const it = scene({ policies: needed, externalAnswers: answers });
    const place = it.enter(PERSON, await it.admitted(PERSON));
    it.apply(it.app([...needed, policy('deny', [elsewhere])]), session());
    assert.ok(place.mayFlow(), 'the same person by the same rule');
    it.apply(session({ claims: { groups: ['leavers'] } }));
    assert.equal(place.mayFlow(), false);
    assert.deepEqual(it.cuts, ['revoked']);
  });

  test('is not taken for the word of another service', async () => {
    const { answers } = service(true);
    const it = scene({ policies: needed, externalAnswers: answers });
    const place = it.enter(PERSON, await it.admitted(PERSON));
    const other: Rule = {
      external_evaluation: { evaluate_url: 'https://b.example', keys_url: 'https://a.example/k' },
    };
    it.apply(it.app([policy('allow', [ana], { require: [other] })]));
    assert.equal(place.mayFlow(), false);
  });
});
