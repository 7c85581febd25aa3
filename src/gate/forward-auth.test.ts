import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import {
  admissionsOver,
  applicationState,
  organizationState,
  type SlowParts,
} from '../../test/support/gate-parts.ts';
import { parseCidr } from '../kernel/address.ts';
import type { JsonObject } from '../kernel/json.ts';
import type { SessionToken } from '../protocol/claims.ts';
import { createCookieReader } from '../protocol/cookies.ts';
import type { FeedItem, Subject } from '../protocol/feed.ts';
import type { Rev } from '../protocol/rev.ts';
import { createRevocationIndex } from '../protocol/revocation-index.ts';
import type { ApplicationState } from '../protocol/state.ts';
import type { Decision } from './decision.ts';
import { createForwardAuth, type ForwardAuthOptions } from './forward-auth.ts';
import { FORWARD_AUTH_PATH } from './forward-auth-families.ts';
import { createGateState } from './state.ts';

/*
 * The gate with every part that it is handed replaced in turn by one that fails, or that takes its time while
 * something is removed. What such a part is in the real server does not matter here.
 */

const fault = new Error('broken on purpose');
const fails = (): never => {
  throw fault;
};

type Parts = Partial<ForwardAuthOptions & SlowParts>;

for (const [name, broken] of Object.entries<Parts>({
  'the address of the client cannot be told': { addressOf: fails },
  'the memory cannot be read': { state: { ...createGateState(), route: fails } },
  'a signature cannot be checked': { verify: () => Promise.reject(fault) },
  'a signature cannot be checked, and that at once': { verify: fails },
  'the clock stands still in an error': { clock: { now: fails } },
  'no assertion can be signed': { sign: () => Promise.reject(fault) },
  'the assertion is nothing that a header can hold': { sign: async () => 'a\nb' },
  'the decision cannot be written down': { onDecision: fails },
})) {
  test(`when ${name}, nobody is admitted and the fault is told`, async () => {
    const { faults, ...answer } = await ask(broken);
    assertUnavailable(answer);
    assert.equal(faults.length, 1);
  });
}

test('when the database is gone, whoever reads ahead of this gate is not admitted', async () => {
  const ahead = { ...token, rev: { epoch: 1, position: 99 } };
  const broken = { verify: async () => ahead, catchUp: () => Promise.reject(fault) };
  const { faults, ...answer } = await ask(broken);
  assertUnavailable(answer);
  assert.deepEqual(faults, [fault]);
});

for (const [name, edge] of Object.entries<ForwardAuthOptions['edge']>({
  fails: () => Promise.reject(fault),
  'fails at once': fails,
  'answers as if to admit': async () => ({ status: 200, headers: {}, body: '{}' }),
  'answers 204': async () => ({ status: 204, headers: {}, body: '' }),
  'answers what no header can hold': async () => ({
    status: 302,
    headers: { 'cf-access-jwt-assertion': 'x', location: 'a\nb' },
    body: '',
  }),
})) {
  test(`when the endpoint on the application's host ${name}, nobody is admitted`, async () => {
    const { faults, ...answer } = await ask({ edge }, '/cdn-cgi/access/authorized');
    assertUnavailable(answer);
    assert.equal(faults.length, 1);
  });
}

test('a log that cannot be written costs the answer, and not the gate', async () => {
  const options = { onDecision: fails, onFault: fails };
  const { faults, ...answer } = await ask(options);
  assertUnavailable(answer);
  assert.deepEqual(faults, []);
  assert.equal((await ask({})).status, 200);
});

for (const [name, change] of Object.entries<FeedItem[]>({
  'the user is removed': [revoked({ type: 'user', id: 'ana' })],
  'the session ends': [revoked({ type: 'session', id: 'n1' })],
  'the e-mail is revoked': [revoked({ type: 'email', id: 'ana@example.com' })],
  'the provider is deleted': [
    revoked({ type: 'provider', id: 'p1' }),
    { kind: 'provider', id: 'p1', state: null },
  ],
  'the application is deleted': [
    revoked({ type: 'application', id: 'wiki' }),
    { kind: 'application', id: 'wiki', state: null },
  ],
  'the policy changes': [{ kind: 'application', id: 'wiki', state: stateOf({ policies: [] }) }],
  'the path is given to another application': [
    {
      kind: 'application',
      id: 'blog',
      state: stateOf({
        id: 'blog',
        aud: 'blog',
        destinations: [{ host: 'wiki.example', path: '/page', upstream: null }],
      }),
    },
  ],
})) {
  test(`when ${name} while the assertion is being signed, the request is refused`, async () => {
    const state = loadedState();
    const sign = async () => {
      state.apply({ accountId: 'acme', at: { epoch: 1, position: 9 }, items: change });
      return 'assertion';
    };
    const { decisions, ...answer } = await ask({ state, sign }, '/page');
    assert.ok([401, 403].includes(answer.status), `${answer.status}`);
    assertNoIdentity(answer.headers);
    assert.deepEqual(
      decisions.map(({ verdict }) => verdict === 'allow'),
      [false],
    );
  });
}

test('a request whose reading is ahead waits until the gate has caught up, and is judged by what it then knows', async () => {
  const state = loadedState();
  const ahead: SessionToken = { ...token, applicationRev: { epoch: 1, position: 9 } };
  const catchUp = async () =>
    state.apply({
      accountId: 'acme',
      at: { epoch: 1, position: 9 },
      items: [revoked({ type: 'user', id: 'ana' })],
    });
  const { status, decisions } = await ask({ state, verify: async () => ahead, catchUp });
  assert.deepEqual([status, decisions[0]?.reason], [401, 'session_unknown']);
});

test('a reading that stays ahead of all that is committed is told of as a lost commit, and refused', async () => {
  const told: unknown[] = [];
  const onAhead = (accountId: string, rev: Rev) => void told.push([accountId, rev]);
  const calls = { catchUp: 0 };
  const catchUp = async () => {
    calls.catchUp += 1;
    assert.deepEqual(told, [], 'not before everything was read');
  };
  for (const rev of [
    { epoch: 1, position: 9 },
    { epoch: 2, position: 1 },
  ]) {
    const ahead: SessionToken = { ...token, applicationRev: rev };
    const { status, decisions } = await ask({ verify: async () => ahead, catchUp, onAhead });
    assert.deepEqual([status, decisions[0]?.reason], [401, 'revoked']);
    assert.deepEqual(told.splice(0), [['acme', rev]]);
  }
  assert.equal(calls.catchUp, 2);
  const old: SessionToken = { ...token, applicationRev: { epoch: 0, position: 9 } };
  await ask({ verify: async () => old, catchUp, onAhead });
  assert.deepEqual([told, calls.catchUp], [[], 2], 'an epoch of which nothing counts proves nothing');
});

test('with everything in order the same request is admitted', async () => {
  const { status, headers, decisions, faults } = await ask({});
  assert.equal(status, 200);
  assert.equal(headers['cf-access-jwt-assertion'], 'assertion');
  assert.deepEqual(
    decisions.map(({ verdict, userId }) => [verdict, userId]),
    [['allow', 'ana']],
  );
  assert.deepEqual(faults, []);
});

interface Told {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

const token: SessionToken = {
  type: 'app',
  audience: 'aud',
  userId: 'ana',
  email: 'ana@example.com',
  sessionNonce: 'n1',
  expiresAt: 2000,
  rev: { epoch: 1, position: 5 },
  applicationRev: { epoch: 1, position: 5 },
  binding: null,
};

/** One question about the application, with a good credential, to a gate that has these parts for its own. */
async function ask(parts: Parts, uri = '/'): Promise<Told & { faults: unknown[]; decisions: Decision[] }> {
  const faults: unknown[] = [];
  const decisions: Decision[] = [];
  const slow = { state: loadedState(), clock: { now: () => 1000 }, verify: async () => token, ...parts };
  const forwardAuth = createForwardAuth({
    state: slow.state,
    clock: slow.clock,
    admissions: admissionsOver(slow),
    readCookies: createCookieReader(),
    scheme: 'http',
    trustedProxies: [parseCidr('127.0.0.1') ?? assert.fail()],
    secret: null,
    addressOf: () => '192.0.2.1',
    edge: async () => ({ status: 302, headers: { location: '/' }, body: '' }),
    onDecision: (decision) => void decisions.push(decision),
    onFault: (error) => void faults.push(error),
    ...parts,
  });
  const server = createServer((request, response) => assert.ok(forwardAuth(request, response)));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  try {
    const { port } = server.address() as { port: number };
    const headers = {
      'x-forwarded-method': 'GET',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'wiki.example',
      'x-forwarded-uri': uri,
      cookie: 'CF_Authorization=token; other=1',
    };
    const request = get({ host: '127.0.0.1', port, path: FORWARD_AUTH_PATH, headers, agent: false });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const body = await text(response);
    return { status: response.statusCode ?? 0, headers: response.headers, body, faults, decisions };
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

function assertUnavailable({ status, headers, body }: Told): void {
  assert.equal(status, 503);
  assert.match(body, /^Try again in a moment\. Request [0-9a-f]{16}\n$/);
  assert.equal(headers['cache-control'], 'no-store');
  assert.equal(headers.location, undefined);
  assertNoIdentity(headers);
}

function assertNoIdentity(headers: IncomingMessage['headers']): void {
  for (const name of ['cf-access-authenticated-user-email', 'cf-access-jwt-assertion', 'cookie']) {
    assert.equal(headers[name], undefined, name);
  }
}

function revoked(subject: Subject): FeedItem {
  return { kind: 'revocation', subject };
}

function stateOf(parts: Partial<ApplicationState> = {}): JsonObject {
  return applicationState(parts) as unknown as JsonObject;
}

function loadedState() {
  const state = createGateState();
  const session = {
    nonce: 'n1',
    user_id: 'ana',
    email: 'ana@example.com',
    provider_id: 'p1',
    issuer: 'https://login.example',
    subject: 'subject',
    expires_at: 2000,
    rev: [1, 5],
    claims: {},
    amr: [],
  };
  const organization = organizationState() as unknown as JsonObject;
  state.load({
    accountId: 'acme',
    revocations: createRevocationIndex({ epoch: 1, position: 8, floor: 0 }),
    states: [
      { kind: 'organization', id: 'acme', state: organization },
      { kind: 'provider', id: 'p1', state: { id: 'p1', type: 'oidc', name: 'Provider' } },
      { kind: 'application', id: 'wiki', state: stateOf() },
      { kind: 'session', id: 'n1', state: session },
    ],
  });
  return state;
}
