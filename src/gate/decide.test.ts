import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { applicationState, asking } from '../../test/support/gate-parts.ts';
import type { Policy } from '../policy/rules.ts';
import type { SessionToken } from '../protocol/claims.ts';
import type { FeedItem, Subject } from '../protocol/feed.ts';
import type { Head, Rev } from '../protocol/rev.ts';
import { createRevocationIndex } from '../protocol/revocation-index.ts';
import type { ApplicationState, SessionState } from '../protocol/state.ts';
import { aheadOf, type Credential, decide } from './decide.ts';
import { createGateState, type Destination } from './state.ts';

/*
 * Whatever a token claims, what the gate says is compared with an oracle that shares no line with it: all that
 * ever happened, looked through from the beginning.
 */

interface Scene {
  readonly now: number;
  readonly head: Head;
  readonly token: SessionToken;
  /** SHA-256 of the binding cookie that came along. */
  readonly binding: string | null;
  /** What was revoked, in no order. */
  readonly revocations: readonly { at: Rev; subject: Subject }[];
  readonly session: SessionState | null;
  readonly providers: readonly string[];
  readonly application: ApplicationState;
}

const NOW = 1_000_000;

/** Mostly what is right, so that a scene with one fault is as usual as one with none or many. */
function mostly<T>(right: T, ...wrong: readonly T[]) {
  return fc.oneof(
    { weight: 12, arbitrary: fc.constant(right) },
    { weight: 1, arbitrary: fc.constantFrom(...wrong) },
  );
}

const rev = fc.record({ epoch: mostly(1, 0, 2), position: mostly(5, 4, 6, 0, 9) });
const oddRev = { epoch: 1, position: Number.NaN };

const token: fc.Arbitrary<SessionToken> = fc.record({
  type: mostly<'app' | 'org'>('app', 'org'),
  audience: mostly('aud', 'another', ''),
  userId: mostly('ana', 'ben'),
  email: mostly('ana@example.com', 'root@example.com'),
  sessionNonce: mostly('n1', 'n2', '__proto__', 'constructor'),
  expiresAt: mostly(NOW + 1, NOW, NOW - 1, Number.NaN, Number.POSITIVE_INFINITY),
  rev: fc.oneof({ weight: 20, arbitrary: rev }, { weight: 1, arbitrary: fc.constant(oddRev) }),
  applicationRev: fc.oneof(
    { weight: 20, arbitrary: rev },
    { weight: 1, arbitrary: fc.constantFrom(null, oddRev) },
  ),
  binding: mostly<string | null>('bound', null, '', 'otherwise'),
});

const session: fc.Arbitrary<SessionState> = fc.record({
  nonce: fc.constant('n1'),
  user_id: mostly('ana', 'ben'),
  email: mostly('ana@example.com', 'ana@elsewhere.example'),
  provider_id: mostly('p1', 'p2'),
  issuer: fc.constant('https://login.example'),
  subject: fc.constant('subject'),
  expires_at: mostly(NOW + 2, NOW, NOW - 1),
  claims: fc.constant({}),
  amr: fc.constant([]),
  rev: mostly<SessionState['rev']>([1, 5], [1, 4], [2, 5], ['1', 5] as never, [1] as never, null as never),
});

const ownSubject = fc.constantFrom<Subject>(
  { type: 'account', id: 'acme' },
  { type: 'user', id: 'ana' },
  { type: 'email', id: 'ana@example.com' },
  { type: 'identity', id: '["p1","https://login.example","subject"]' },
  { type: 'session', id: 'n1' },
  { type: 'provider', id: 'p1' },
  { type: 'application', id: 'wiki' },
);
const foreignSubject = fc.constantFrom<Subject>(
  { type: 'user', id: 'ben' },
  { type: 'application', id: 'another' },
  { type: 'session', id: 'ana' },
  { type: 'registration', id: 'ana' },
);
const subject = fc.oneof(ownSubject, foreignSubject);

const policy: fc.Arbitrary<Policy> = fc.record({
  id: fc.constantFrom('a', 'b', 'c'),
  name: fc.constant('policy'),
  decision: mostly<Policy['decision']>('allow', 'deny', 'non_identity'),
  precedence: fc.integer({ min: 1, max: 3 }),
  include: fc.constantFrom<Policy['include']>(
    [{ everyone: {} }],
    [{ email: { email: 'ana@example.com' } }],
    [{ email_domain: { domain: 'elsewhere.example' } }],
  ),
  exclude: fc.constantFrom<Policy['exclude']>([], [], [{ email: { email: 'ana@example.com' } }]),
  require: fc.constantFrom<Policy['require']>([], [], [{ email_domain: { domain: 'example.com' } }]),
  session_duration: fc.constant(null),
});

const anyScene: fc.Arbitrary<Scene> = fc.record({
  now: fc.constant(NOW),
  head: fc.record({
    epoch: mostly(1, 2),
    position: mostly(8, 5, 4),
    floor: mostly(0, 5, 6),
    formers: fc.constantFrom(
      [{ epoch: 1, ended: 6 }],
      [{ epoch: 1, ended: 4 }],
      [{ epoch: 1, ended: -1 }],
      [],
    ),
  }),
  token,
  revocations: fc.array(
    fc.record({
      at: fc.record({ epoch: mostly(1, 0, 2), position: fc.integer({ min: 1, max: 8 }) }),
      subject,
    }),
    { maxLength: 3 },
  ),
  session: fc.option(session, { freq: 20 }),
  providers: mostly<string[]>(['p1', 'p2'], ['p2'], []),
  binding: mostly<string | null>('bound', null, '', 'elsewhere'),
  application: fc
    .record({
      policies: fc.array(policy, { minLength: 1, maxLength: 3 }),
      allowed_idps: mostly<string[]>([], ['p1'], ['p2']),
      binding_cookie: fc.boolean(),
    })
    .map(applicationState),
});

/** Nobody is told of an epoch before it is loaded. */
const scene = anyScene.map((one) => ({
  ...one,
  revocations: one.revocations.filter(({ at }) => at.epoch <= one.head.epoch),
}));

test('whatever a token claims, it is admitted exactly if everything that it hangs on stands', () => {
  const seen = { allow: 0, sign_in: 0, deny: 0 };
  const property = fc.property(scene, (one) => {
    const said = decide(destinationOf(one), credentialOf(one), asking(one.now));
    assert.notEqual(said.verdict, 'undecided');
    if (said.verdict === 'undecided') return;
    seen[said.verdict] += 1;
    assert.equal(said.verdict === 'allow', isAllowed(one), `${said.verdict}: ${said.reason}`);
    if (said.verdict === 'allow') assert.deepEqual(said.visitor, { kind: 'user', session: one.session });
  });
  fc.assert(property, { numRuns: 20_000 });
  for (const [verdict, times] of Object.entries(seen)) assert.ok(times > 200, `${verdict}: ${times}`);
});

test('a revocation after a token’s reading refuses it, whichever of its subjects it names and whatever came before', () => {
  const standing = fc.record({
    token: fc.constant(right),
    subject: ownSubject,
    earlier: fc.array(subject, { maxLength: 5 }),
  });
  fc.assert(
    fc.property(standing, ({ token: of, subject: revoked, earlier }) => {
      const before = earlier.map((one) => ({ at: { epoch: 1, position: 5 }, subject: one }));
      const stands = destinationOf({ ...rightScene, revocations: before });
      assert.equal(decide(stands, credentialOf({ ...rightScene, token: of }), asking(NOW)).verdict, 'allow');
      const after = [...before, { at: { epoch: 1, position: 6 }, subject: revoked }, ...before];
      const ended = destinationOf({ ...rightScene, revocations: after });
      assert.notEqual(
        decide(ended, credentialOf({ ...rightScene, token: of }), asking(NOW)).verdict,
        'allow',
      );
    }),
  );
});

test('only a reading beyond the head is worth catching up for', () => {
  const { account } = destinationOf(rightScene);
  assert.equal(aheadOf(account, right), null);
  for (const rev of [
    { epoch: 1, position: 9 },
    { epoch: 2, position: 1 },
  ]) {
    assert.deepEqual(aheadOf(account, { ...right, rev }), rev);
    assert.deepEqual(aheadOf(account, { ...right, applicationRev: rev }), rev);
  }
  for (const rev of [{ epoch: 0, position: 9 }, { epoch: 1, position: 8 }, oddRev]) {
    assert.equal(aheadOf(account, { ...right, rev }), null);
  }
});

const right: SessionToken = {
  type: 'app',
  audience: 'aud',
  userId: 'ana',
  email: 'ana@example.com',
  sessionNonce: 'n1',
  expiresAt: NOW + 1,
  rev: { epoch: 1, position: 5 },
  applicationRev: { epoch: 1, position: 5 },
  binding: 'bound',
};

const rightScene: Scene = {
  now: NOW,
  head: { epoch: 1, position: 8, floor: 0 },
  token: right,
  binding: 'bound',
  revocations: [],
  session: {
    nonce: 'n1',
    user_id: 'ana',
    email: 'ana@example.com',
    provider_id: 'p1',
    issuer: 'https://login.example',
    subject: 'subject',
    expires_at: NOW + 2,
    claims: {},
    amr: [],
    rev: [1, 5],
  },
  providers: ['p1'],
  application: applicationState({ binding_cookie: true }),
};

function credentialOf({ token: of, binding }: Scene): Credential {
  return { kind: 'session', token: of, binding };
}

/** The gate's memory as it would be loaded at that moment. */
function destinationOf({ head, revocations, session: known, providers, application }: Scene): Destination {
  const state = createGateState();
  const provider = (id: string): FeedItem => ({
    kind: 'provider',
    id,
    state: { id, type: 'oidc', name: id },
  });
  const states: FeedItem[] = [
    {
      kind: 'organization',
      id: 'acme',
      state: { name: 'Acme', auth_domain: 'acme.example', session_duration: 1 },
    },
    ...providers.map(provider),
    { kind: 'application', id: application.id, state: application as never },
    ...(known ? [{ kind: 'session' as const, id: known.nonce, state: known as never }] : []),
  ];
  const index = createRevocationIndex(head);
  for (const { at, subject: revoked } of revocations) index.apply(at, [revoked]);
  state.load({ accountId: 'acme', revocations: index, states });
  return state.route('wiki.example', '/') ?? assert.fail();
}

/** The oracle. */
function isAllowed(scene: Scene): boolean {
  const { now, token: claims, revocations, session: known, providers, application } = scene;
  const head = reached(scene);
  if (!known || claims.type !== 'app' || claims.audience !== 'aud') return false;
  if (claims.sessionNonce !== known.nonce || claims.userId !== known.user_id) return false;
  if (!(claims.expiresAt > now) || known.expires_at <= now) return false;
  const [epoch, position] = Array.isArray(known.rev) && known.rev.length === 2 ? known.rev : [null, null];
  if (claims.rev.epoch !== epoch || claims.rev.position !== position) return false;
  if (!providers.includes(known.provider_id)) return false;
  if (application.allowed_idps.length > 0 && !application.allowed_idps.includes(known.provider_id))
    return false;
  const named = (...ids: readonly string[]) =>
    revocations.filter(({ subject: { type, id } }) => ids.includes(`${type} ${id}`));
  const lineage = named(
    'account acme',
    `user ${known.user_id}`,
    `email ${known.email}`,
    `identity ["${known.provider_id}","${known.issuer}","${known.subject}"]`,
    `session ${known.nonce}`,
    `provider ${known.provider_id}`,
  );
  const { binding } = scene;
  if (application.binding_cookie && !(binding && claims.binding === binding)) return false;
  if (!isWithin(claims.rev, head) || !outlives(claims.rev, lineage)) return false;
  const own = claims.applicationRev;
  if (!own || !isWithin(own, head) || !outlives(own, named('application wiki'))) return false;
  return policyAllows(application.policies as Policy[], known.email);
}

/** Whoever knows of a revocation has reached its position. */
function reached({ head, revocations }: Scene): Head {
  const own = revocations.filter(({ at }) => at.epoch === head.epoch).map(({ at }) => at.position);
  return { ...head, position: Math.max(head.position, ...own) };
}

function isWithin({ epoch, position }: Rev, { floor, formers = [], ...head }: Head): boolean {
  const ends = [{ epoch: head.epoch, ended: head.position }];
  ends.push(...formers.filter((former) => former.epoch < head.epoch));
  const isReached = ends.some((one) => one.epoch === epoch && position <= one.ended);
  return isReached && position <= head.position && position >= floor;
}

/** No revocation came after the reading, in whatever epoch. */
function outlives({ position }: Rev, revocations: readonly { at: Rev }[]): boolean {
  return revocations.every(({ at }) => at.position <= position);
}

function policyAllows(policies: readonly Policy[], email: string): boolean {
  const matches = (rule: object): boolean =>
    JSON.stringify(rule) === '{"everyone":{}}' ||
    JSON.stringify(rule) === JSON.stringify({ email: { email } }) ||
    JSON.stringify(rule) === JSON.stringify({ email_domain: { domain: email.split('@')[1] } });
  const applicable = policies.filter(
    ({ decision, include, exclude, require }) =>
      decision !== 'non_identity' &&
      include.some(matches) &&
      !exclude.some(matches) &&
      require.every(matches),
  );
  return applicable.length > 0 && applicable.every(({ decision }) => decision === 'allow');
}
