import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { ProbeFailed } from '../../src/probe/failed.ts';
import { type Provider, startProvider } from '../../src/probe/provider.ts';
import { createTestClock } from '../support/app.ts';
import { freePort } from '../support/free-port.ts';

const client = { id: 'portcullis-probe-1', secret: 'a secret for this test' };
const person = { subject: 'somebody', email: 'probe+0123456789abcdef@probe.invalid' };
const REDIRECT = 'https://team.example.com/cdn-cgi/access/callback';
const VERIFIER = 'v'.repeat(43);
const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url');

const clock = createTestClock();
const set: { provider?: Provider } = {};
const provider = () => set.provider ?? assert.fail();

before(async () => {
  const port = await freePort();
  set.provider = await startProvider(
    { host: '127.0.0.1', port },
    { issuer: `http://127.0.0.1:${port}`, client, clock },
  );
});
after(async () => await set.provider?.close());

/** The address that a sign-in comes with; null leaves a parameter out. */
function address(changes: Readonly<Record<string, string | null>> = {}): URL {
  const asked = {
    response_type: 'code',
    client_id: client.id,
    redirect_uri: REDIRECT,
    scope: 'openid email profile',
    state: 'a state',
    nonce: 'a nonce',
    code_challenge: CHALLENGE,
    code_challenge_method: 'S256',
    ...changes,
  };
  const url = new URL(provider().authUrl);
  for (const [name, value] of Object.entries(asked)) if (value !== null) url.searchParams.set(name, value);
  return url;
}

function newCode(): string {
  return provider().approve(address(), person, REDIRECT).searchParams.get('code') ?? '';
}

async function redeem(changes: Readonly<Record<string, string>> = {}, headers: Record<string, string> = {}) {
  const form = {
    grant_type: 'authorization_code',
    client_id: client.id,
    client_secret: client.secret,
    redirect_uri: REDIRECT,
    code_verifier: VERIFIER,
    ...changes,
  };
  const body = new URLSearchParams(form).toString();
  const type = { 'content-type': 'application/x-www-form-urlencoded', ...headers };
  const answer = await fetch(provider().tokenUrl, { method: 'POST', headers: type, body });
  return { status: answer.status, body: (await answer.json()) as Record<string, string> };
}

describe('over the network nobody is signed in', () => {
  for (const method of ['GET', 'POST', 'HEAD']) {
    test(`${method} to the authorization endpoint is refused, however well it asks`, async () => {
      const answer = await fetch(address(), { method, redirect: 'manual' });
      assert.equal(answer.status, 403);
      assert.equal(answer.headers.get('location'), null);
    });
  }
});

describe('a sign-in is not approved', () => {
  const odd: Readonly<Record<string, Readonly<Record<string, string | null>>>> = {
    'for another client': { client_id: 'somebody-else' },
    'for another way back': { redirect_uri: 'https://elsewhere.example/cdn-cgi/access/callback' },
    'for tokens at once': { response_type: 'id_token' },
    'without PKCE': { code_challenge: null, code_challenge_method: null },
    'with plain PKCE': { code_challenge: VERIFIER, code_challenge_method: 'plain' },
    'with a challenge that is none': { code_challenge: 'short' },
    'without state': { state: null },
    'without nonce': { nonce: '' },
    'without the scope openid': { scope: 'email' },
  };
  for (const [title, changes] of Object.entries(odd)) {
    test(title, () =>
      assert.throws(() => provider().approve(address(changes), person, REDIRECT), ProbeFailed),
    );
  }

  test('with a parameter that comes twice', () => {
    const twice = address();
    twice.searchParams.append('state', 'another');
    assert.throws(() => provider().approve(twice, person, REDIRECT), ProbeFailed);
  });
});

describe('a code is worth nothing', () => {
  let code = '';
  beforeEach(() => {
    code = newCode();
  });

  test('without the secret of the client, or with its id alone', async () => {
    for (const secret of ['', 'another secret', `${client.secret} `])
      assert.deepEqual((await redeem({ code, client_secret: secret })).body, { error: 'invalid_client' });
    assert.equal((await redeem({ code, client_id: 'another' })).status, 401);
  });

  test('twice, also when the first try failed', async () => {
    assert.equal((await redeem({ code })).status, 200);
    assert.deepEqual(await redeem({ code }), { status: 400, body: { error: 'invalid_grant' } });
    const other = newCode();
    assert.equal((await redeem({ code: other, code_verifier: 'w'.repeat(43) })).status, 400);
    assert.equal((await redeem({ code: other })).status, 400);
  });

  test('with another way back, or when it was never given', async () => {
    assert.equal((await redeem({ code, redirect_uri: `${REDIRECT}/` })).status, 400);
    assert.equal((await redeem({ code: 'never given' })).status, 400);
    assert.equal((await redeem({})).status, 400);
  });

  test('after a minute', async () => {
    clock.advance(60_001);
    assert.equal((await redeem({ code })).status, 400);
  });

  test('in anything but a form of that grant', async () => {
    assert.equal((await redeem({ code, grant_type: 'refresh_token' })).status, 400);
    assert.equal((await redeem({ code }, { 'content-type': 'application/json' })).status, 400);
    assert.equal((await redeem({ code })).status, 200);
  });
});

test('a code in the right hands is a signed word about that person alone', async () => {
  const next = provider().approve(address(), person, REDIRECT);
  assert.equal(next.origin + next.pathname, REDIRECT);
  assert.deepEqual([...next.searchParams.keys()].sort(), ['code', 'iss', 'state']);
  assert.equal(next.searchParams.get('iss'), provider().issuer);
  const { body } = await redeem({ code: next.searchParams.get('code') ?? '' });
  const { payload } = await jwtVerify(body.id_token ?? '', createRemoteJWKSet(new URL(provider().certsUrl)), {
    issuer: provider().issuer,
    audience: client.id,
    algorithms: ['RS256'],
    currentDate: new Date(clock.now()),
  });
  const { sub, email, email_verified, nonce, iat = 0, exp = 0, auth_time } = payload;
  assert.deepEqual([sub, email, email_verified, nonce], [person.subject, person.email, true, 'a nonce']);
  assert.deepEqual([exp - iat, auth_time], [60, iat]);
});

test('the keys that are published are public, and unknown paths are unknown', async () => {
  const { keys } = (await (await fetch(provider().certsUrl)).json()) as { keys: Record<string, unknown>[] };
  assert.deepEqual(Object.keys(keys[0] ?? {}).sort(), ['alg', 'e', 'kid', 'kty', 'n', 'use']);
  assert.equal((await fetch(`${provider().issuer}/elsewhere`)).status, 404);
});
