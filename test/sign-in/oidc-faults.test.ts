import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import type { RefusedReason } from '../../src/sign-in/refused.ts';
import { gatedOnBothDatabases, startGated } from '../support/gated.ts';
import { databases } from '../support/postgres.ts';
import {
  newKeys,
  SCRIPTED_CLIENT,
  type ScriptedAnswer,
  type ScriptedKeys,
  type ScriptedProvider,
  signed,
} from '../support/scripted-provider.ts';
import { scriptedIn } from '../support/scripted-steps.ts';
import { assertRefused, withoutAccess } from '../support/sign-in-steps.ts';

const BROKEN = 'provider_answer_invalid';
const DOWN = 'provider_unavailable';

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** By a secret that is none. */
function hmac(secret: string) {
  return (claims: Record<string, unknown>, { kid }: ScriptedKeys) => {
    const text = `${part({ alg: 'HS256', kid })}.${part(claims)}`;
    return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
  };
}

const ago = (seconds: number) => Math.floor(Date.now() / 1000) - seconds;

type Script = Partial<Pick<ScriptedProvider, 'claims' | 'idToken' | 'callback'>> & {
  answers?: ScriptedProvider['answers'];
};

gatedOnBothDatabases('a sign-in by OpenID Connect is refused', (world) => {
  const lies: [string, () => Script][] = [
    [
      'is not signed',
      () => ({ idToken: (claims, { kid }) => `${part({ alg: 'none', kid })}.${part(claims)}.` }),
    ],
    ['is signed with the secret that both know', () => ({ idToken: hmac(SCRIPTED_CLIENT.client_secret) })],
    [
      'is signed with the public key as if it were a secret',
      () => ({ idToken: (claims, keys) => hmac(JSON.stringify(keys.jwk))(claims, keys) }),
    ],
    [
      'names a key that is not published',
      () => ({
        idToken: (claims, { privateKey, jwk }) => signed(claims, { kid: 'unknown', privateKey, jwk }),
      }),
    ],
    [
      'is signed with a key that nobody published, under the name of one that was',
      () => ({
        idToken: async (claims, { kid, jwk }) => {
          const { privateKey } = await newKeys();
          return signed(claims, { kid, privateKey, jwk });
        },
      }),
    ],
    ['is no token', () => ({ idToken: () => 'a.b.c' })],
    ['is of another issuer', () => ({ claims: { iss: 'https://elsewhere.example' } })],
    [
      'is of an issuer that differs by a slash',
      () => ({ idToken: (claims, keys) => signed({ ...claims, iss: `${claims.iss}/` }, keys) }),
    ],
    ['is of no issuer', () => ({ claims: { iss: undefined } })],
    ['is for another client', () => ({ claims: { aud: 'other' } })],
    ['was made for another client, for this one to take', () => ({ claims: { azp: 'other' } })],
    ['is for several clients and says not which', () => ({ claims: { aud: ['portcullis', 'other'] } })],
    ['expired longer ago than clocks differ', () => ({ claims: { exp: ago(75) } })],
    ['is not good for longer than clocks differ', () => ({ claims: { nbf: ago(-75) } })],
    ['is made in the future', () => ({ claims: { iat: ago(-75) } })],
    ['says no time', () => ({ claims: { iat: undefined } })],
  ];
  for (const [name, script] of lies) {
    test(`by an ID token that ${name}`, async () => {
      await using scripted = await scriptedIn(world());
      const { claims = {}, ...rest } = script();
      Object.assign(scripted.provider, rest);
      const page = await withoutAccess(world(), () => scripted.signIn(claims));
      assertRefused(world(), page, BROKEN, 502);
    });
  }

  test('by an answer in the name of another issuer, even where the provider never promised to say it', async () => {
    await using scripted = await scriptedIn(world());
    scripted.provider.callback = (url) => url.searchParams.set('iss', `${scripted.provider.issuer}/`);
    assertRefused(world(), await withoutAccess(world(), () => scripted.signIn()), BROKEN, 502);
    scripted.provider.callback = (url) => url.searchParams.set('iss', scripted.provider.issuer);
    assert.equal((await scripted.signIn()).status, 200);
  });

  const answers: [string, 'token' | 'keys' | 'me', ScriptedAnswer, RefusedReason, number][] = [
    ['has a fault at its token endpoint', 'token', { status: 500 }, DOWN, 502],
    ['is away at its token endpoint', 'token', { status: 503, type: 'text/html' }, DOWN, 502],
    [
      'refuses the code',
      'token',
      { status: 400, body: '{"error":"invalid_grant"}' },
      'provider_refused',
      403,
    ],
    [
      'does not know this client',
      'token',
      { status: 401, body: '{"error":"invalid_client"}' },
      'provider_refused',
      403,
    ],
    ['answers tokens with a page', 'token', { type: 'text/html', body: '<html>' }, BROKEN, 502],
    ['answers tokens with nothing', 'token', { body: '' }, BROKEN, 502],
    [
      'answers tokens without an ID token',
      'token',
      { body: '{"access_token":"a","token_type":"Bearer"}' },
      BROKEN,
      502,
    ],
    [
      'answers tokens with too much',
      'token',
      { body: JSON.stringify({ a: 'x'.repeat(1_100_000) }) },
      DOWN,
      502,
    ],
    [
      'sends us elsewhere for tokens',
      'token',
      { status: 307, location: 'http://127.0.0.1:9/token' },
      BROKEN,
      502,
    ],
    ['has a fault at its keys', 'keys', { status: 500 }, DOWN, 502],
    ['has no keys', 'keys', { body: '{"keys":[]}' }, BROKEN, 502],
    ['answers keys with a page', 'keys', { type: 'text/html', body: '<html>' }, BROKEN, 502],
    ['has a fault where it tells claims', 'me', { status: 500 }, DOWN, 502],
    ['tells claims of somebody else', 'me', { body: '{"sub":"other","groups":["eng"]}' }, BROKEN, 502],
  ];
  for (const [name, endpoint, answer, reason, status] of answers) {
    test(`when the provider ${name}`, async () => {
      await using scripted = await scriptedIn(world(), { config: { claims: ['groups'] } });
      scripted.provider.answers[endpoint] = answer;
      const page = await withoutAccess(world(), () => scripted.signIn());
      assertRefused(world(), page, reason, status);
      delete scripted.provider.answers[endpoint];
      scripted.provider.userInfo = { sub: 'nobody' };
      assert.equal((await scripted.signIn({ groups: [] })).status, 200, 'and works when it is right again');
    });
  }

  test('when the provider is gone', async () => {
    await using scripted = await scriptedIn(world());
    const browser = world().browser();
    const until = (next: URL) => next.pathname === '/cdn-cgi/access/callback';
    const start = `${world().team}/cdn-cgi/access/login?idp=${scripted.providerId}`;
    const callback = (await browser.follow(start, { until })).location ?? assert.fail();
    await scripted.provider.close();
    assertRefused(world(), await withoutAccess(world(), () => browser.get(callback)), DOWN, 502);
  });
});

test('a sign-in is refused when the provider does not answer in ten seconds', async () => {
  const [database] = databases;
  assert.ok(database);
  await using world = await startGated(await database.create());
  await using atTokens = await scriptedIn(world);
  await using atKeys = await scriptedIn(world);
  atTokens.provider.answers.token = { hangs: true };
  atKeys.provider.answers.keys = { hangs: true };
  const pages = await withoutAccess(world, () => Promise.all([atTokens.signIn(), atKeys.signIn()]));
  for (const page of pages) assertRefused(world, page, DOWN, 502);
});

gatedOnBothDatabases('a person signs in by OpenID Connect', (world) => {
  const fine: [string, () => Record<string, unknown>][] = [
    ['expired, but not longer ago than clocks differ', () => ({ exp: ago(45) })],
    ['was made a little in the future', () => ({ iat: ago(-45), nbf: ago(-45) })],
    ['names this client as the one it was made for', () => ({ azp: 'portcullis' })],
    [
      'is for several clients, and made for this one',
      () => ({ aud: ['other', 'portcullis'], azp: 'portcullis' }),
    ],
  ];
  for (const [name, claims] of fine) {
    test(`with an ID token that ${name}`, async () => {
      await using scripted = await scriptedIn(world());
      assert.equal((await scripted.signIn(claims())).status, 200);
    });
  }

  test('when the provider has changed its key since the last one; what the old one signed counts no more', async () => {
    await using scripted = await scriptedIn(world());
    assert.equal((await scripted.signIn()).status, 200);
    const old = await scripted.provider.rotate();
    assert.equal((await scripted.signIn()).status, 200);
    scripted.provider.idToken = (claims) => signed(claims, old);
    assertRefused(world(), await withoutAccess(world(), () => scripted.signIn()), BROKEN, 502);
  });

  test('where it was known to be, whatever its discovery document says today', async () => {
    await using scripted = await scriptedIn(world());
    const elsewhere = 'http://127.0.0.1:9';
    Object.assign(scripted.provider.discovery, { issuer: elsewhere, token_endpoint: `${elsewhere}/token` });
    scripted.provider.requests.length = 0;
    assert.equal((await scripted.signIn()).status, 200);
    assert.deepEqual([...new Set(scripted.provider.requests)].sort(), ['/auth', '/keys', '/token']);
  });
});
