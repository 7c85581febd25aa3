import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import { Browser, type Page } from './browser.ts';
import { type Misbehaviour, type OpenIdProvider, signIn, startOpenIdProvider } from './openid-provider.ts';

const CALLBACK = 'http://team.localhost:1/cdn-cgi/access/callback';
const ELSEWHERE = 'http://127.0.0.1:9';
const ann = { sub: 'ann-1', email: 'ann@example.com', name: 'Ann <A>', claims: { groups: ['ops'] } };
const client = { client_id: 'portcullis', client_secret: 'secret', redirect_uris: [CALLBACK] };

test('a person signs in and the relying party gets a verified identity', async () => {
  await using provider = await start();
  const { claims, callback } = await complete(provider);
  assert.equal(callback.searchParams.get('iss'), provider.issuer);
  assert.equal(claims.sub, 'ann-1');
  assert.equal(claims.email, 'ann@example.com');
  assert.equal(claims.email_verified, true);
  assert.deepEqual(claims.groups, ['ops']);
  await jwtVerify(claims.idToken, createRemoteJWKSet(new URL(provider.jwksUri)), { algorithms: ['RS256'] });
});

test('discovery names the endpoints that the provider says it has', async () => {
  await using provider = await start();
  const { issuer, authorization_endpoint, token_endpoint, jwks_uri } = (
    await discover(provider)
  ).serverMetadata();
  assert.deepEqual(
    [issuer, authorization_endpoint, token_endpoint, jwks_uri],
    [provider.issuer, provider.authUrl, provider.tokenUrl, provider.jwksUri],
  );
});

test('a second sign-in asks nothing, unless prompt=login or an unknown person', async () => {
  await using provider = await start();
  const browser = new Browser();
  await complete(provider, { browser });
  const silent = await authorize(provider, browser, {});
  assert.equal(silent.page.location?.origin, new URL(CALLBACK).origin);
  const asked = await authorize(provider, browser, { parameters: { prompt: 'login' } });
  assert.equal(asked.page.status, 200);
  assert.match(asked.page.text, /Ann &#60;A&#62; \(ann@example\.com\)/);
  const refused = await browser.post(asked.page.url, { login: 'mallory' });
  assert.equal(refused.status, 400);
  assert.equal(refused.location, null);
});

test('max_age puts auth_time into the ID token', async () => {
  await using provider = await start();
  assert.equal((await complete(provider)).claims.auth_time, undefined);
  assert.equal(
    typeof (await complete(provider, { parameters: { max_age: '60' } })).claims.auth_time,
    'number',
  );
});

test('an authorization request without PKCE is refused', async () => {
  await using provider = await start();
  const url = new URL(provider.authUrl);
  url.search = String(
    new URLSearchParams({ client_id: 'portcullis', response_type: 'code', scope: 'openid' }),
  );
  const page = await new Browser().follow(url, { until: () => true });
  assert.equal(page.location?.searchParams.get('error'), 'invalid_request');
});

test('people, clients and misbehaviour can change while it runs', async () => {
  await using provider = await startOpenIdProvider({ people: [], clients: [] });
  provider.clients.push(client);
  provider.people.push({ sub: 'other', email: 'ann@example.com', email_verified: false });
  const { claims } = await complete(provider, { login: 'ann@example.com' });
  assert.equal(claims.sub, 'other');
  assert.equal(claims.email_verified, false);
});

const lies: readonly { lie: string; how: Misbehaviour; noticed: RegExp }[] = [
  { lie: 'another issuer in the ID token', how: { idToken: elsewhere }, noticed: /unexpected JWT "iss"/ },
  {
    lie: 'an unpublished key',
    how: { signsWithUnpublishedKey: true },
    noticed: /signature verification failed/,
  },
  { lie: 'another issuer in the callback', how: { callback: answerElsewhere }, noticed: /unexpected "iss" / },
  {
    lie: 'another issuer in the discovery document',
    how: { discovery: discoverElsewhere },
    noticed: /issuer does not match/,
  },
];

for (const { lie, how, noticed } of lies) {
  test(`a relying party that looks notices ${lie}`, async () => {
    await using provider = await start();
    Object.assign(provider.misbehaviour, how);
    await assert.rejects(complete(provider), (error) => {
      assert.match(inspect(error), noticed);
      return true;
    });
  });
}

function elsewhere(claims: JWTPayload): JWTPayload {
  return { ...claims, iss: ELSEWHERE };
}

function answerElsewhere(url: URL): URL {
  url.searchParams.set('iss', ELSEWHERE);
  return url;
}

function discoverElsewhere(document: Record<string, unknown>): Record<string, unknown> {
  return { ...document, issuer: ELSEWHERE };
}

function start(): Promise<OpenIdProvider> {
  return startOpenIdProvider({ people: [{ ...ann }], clients: [client] });
}

function discover(provider: OpenIdProvider): Promise<oidc.Configuration> {
  const options = { execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks] };
  return oidc.discovery(new URL(provider.issuer), 'portcullis', 'secret', undefined, options);
}

interface Attempt {
  browser?: Browser;
  login?: string;
  parameters?: Record<string, string>;
}

async function authorize(provider: OpenIdProvider, browser: Browser, { login, parameters }: Attempt) {
  const config = await discover(provider);
  const verifier = oidc.randomPKCECodeVerifier();
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK,
    scope: 'openid email profile',
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state: 'state',
    nonce: 'nonce',
    ...parameters,
  });
  const until = ({ href }: URL) => href.startsWith(CALLBACK);
  const page: Page = login
    ? await signIn(browser, url, { login, until })
    : await browser.follow(url, { until });
  return { config, verifier, page };
}

async function complete(
  provider: OpenIdProvider,
  { browser = new Browser(), login = 'ann-1', parameters = {} }: Attempt = {},
) {
  const { config, verifier, page } = await authorize(provider, browser, { login, parameters });
  const callback = page.location;
  assert.ok(callback, page.text);
  const tokens = await oidc.authorizationCodeGrant(config, callback, {
    pkceCodeVerifier: verifier,
    expectedState: 'state',
    expectedNonce: 'nonce',
    ...(parameters.max_age ? { maxAge: Number(parameters.max_age) } : {}),
  });
  const claims: JWTPayload & { idToken: string } = { ...tokens.claims(), idToken: tokens.id_token ?? '' };
  return { claims, callback };
}
