import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt, type JWTPayload } from 'jose';
import { MINUTE, timestamp } from '../../src/kernel/clock.ts';
import type { Browser } from '../support/browser.ts';
import { CALLBACK, type Gated, gatedOnBothDatabases } from '../support/gated.ts';
import { type Misbehaviour, type Person, signIn } from '../support/openid-provider.ts';
import { assertRefused, callbackFor, later, signInWith, withoutAccess } from '../support/sign-in-steps.ts';

gatedOnBothDatabases('after a user is revoked', (world) => {
  test('the next visit asks the provider for a fresh login, whatever session the browser has there', async () => {
    const { person, browser } = await revoked(world());
    const asked = await toProvider(world(), browser);
    assert.equal(asked.searchParams.get('prompt'), 'login');
    assert.equal(asked.searchParams.get('max_age'), '0');
    const form = await browser.get(asked);
    assert.equal((await browser.followFrom(form)).status, 200);
    assert.match((await browser.followFrom(form)).url.pathname, /^\/interaction\//);
    await world().signedIn(person, { browser });
  });

  test('a browser without any trace of the session is asked for a fresh login as well', async () => {
    const { person, browser } = await revoked(world());
    const withoutOurs = forgetting(world(), browser);
    const silent = await toProvider(world(), withoutOurs);
    assert.equal(silent.searchParams.get('prompt'), null, 'nobody knows yet who this is');
    const back = await withoutOurs.follow(silent, { until: ({ pathname }) => pathname === CALLBACK });
    const again = await withoutAccess(world(), () => withoutOurs.get(back.location ?? ''));
    assert.equal(again.location?.origin, world().provider.issuer, 'the silent answer is not taken');
    assert.equal(again.location?.searchParams.get('prompt'), 'login');
    const page = await signIn(withoutOurs, again.location ?? '', { login: person.sub });
    assert.equal(page.text, `hello ${person.email}`);
    assert.deepEqual(await reasons(world(), person), [], 'being sent to sign in again is no failure');
  });

  test('a provider that ignores the question is refused, by the second', async () => {
    for (const seconds of [2, 10, 59, 61, 3600]) {
      const { person, browser } = await revoked(world());
      const page = await withoutAccess(world(), () =>
        signInWith(world(), loggedInBefore(seconds), walk(world(), browser, person)),
      );
      assertRefused(world(), page, 'not_reauthenticated');
      assert.match(page.text, /did not ask you to sign in again/);
      assert.deepEqual(await reasons(world(), person), ['not_reauthenticated']);
    }
  });

  for (const [name, lie, reason, status] of [
    ['says nothing of it', altered({ auth_time: undefined }), 'not_reauthenticated', 403],
    ['says it in words', altered({ auth_time: 'now' }), 'provider_answer_invalid', 502],
  ] as const) {
    test(`a provider that ${name} is refused`, async () => {
      const { person, browser } = await revoked(world());
      const page = await withoutAccess(world(), () =>
        signInWith(world(), lie, walk(world(), browser, person)),
      );
      assertRefused(world(), page, reason, status);
    });
  }

  for (const [name, skew] of [
    ['behind', -50],
    ['ahead of', 20],
  ] as const) {
    test(`a provider whose clock is ${name} ours is held to its own`, async () => {
      const shifted = (age: number): Misbehaviour => ({
        idToken: ({ iat = 0, exp = 0, ...claims }) => ({
          ...claims,
          iat: iat + skew,
          exp: exp + skew,
          auth_time: iat + skew - age,
        }),
      });
      const { person, browser } = await revoked(world());
      const stale = await signInWith(world(), shifted(10), walk(world(), browser, person));
      assertRefused(world(), stale, 'not_reauthenticated');
      const fresh = await signInWith(world(), shifted(0), walk(world(), browser, person));
      assert.equal(fresh.text, `hello ${person.email}`);
    });
  }

  test('a fresh login ends the matter: the one after it may be silent', async () => {
    const { person, browser } = await revoked(world());
    await world().signedIn(person, { browser });
    const silent = await forgetting(world(), browser).follow(world().site);
    assert.equal(silent.text, `hello ${person.email}`);
  });

  test('a sign-in that was at the provider starts again, and then wants a fresh login', async () => {
    const person = world().person();
    const start = world().site;
    const browser = await world().signedIn(person);
    const under = forgetting(world(), browser);
    const callback = await callbackFor(world(), { browser: under, person, start });
    await revoke(world(), person);
    const again = await withoutAccess(world(), () => under.get(callback));
    assert.equal(again.location?.searchParams.get('prompt'), 'login');
    assert.equal((await under.get(callback)).status, 403, 'its state is used up');
    const page = await signIn(under, again.location ?? '', { login: person.sub });
    assert.equal(page.text, `hello ${person.email}`);
  });

  test('the person keeps user, seat and name, and has no active session until the next sign-in', async () => {
    const { person, browser } = await revoked(world());
    const { sdk, account_id } = world();
    const { id } = await world().user(person);
    const users = sdk.zeroTrust.access.users;
    assert.deepEqual((await users.activeSessions.list(id, { account_id })).result, []);
    const before = await users.get(id, { account_id });
    assert.equal(before.access_seat, true);
    await world().signedIn(person, { browser });
    const { last_successful_login: _, updated_at: __, ...kept } = await users.get(id, { account_id });
    const { last_successful_login: ___, updated_at: ____, ...was } = before;
    assert.deepEqual(kept, was);
  });
});

gatedOnBothDatabases('after a user is deleted', (world) => {
  test('a sign-in that policy allows makes another user, with another id and subject', async () => {
    const person = world().person();
    const browser = await world().signedIn(person);
    const before = await world().user(person);
    const subBefore = subjectIn(browser);
    await remove(world(), person);
    await assert.rejects(world().user(person));
    await world().signedIn(person, { browser });
    const now = await world().user(person);
    assert.notEqual(now.id, before.id);
    assert.equal(subBefore, before.id);
    assert.equal(subjectIn(browser), now.id);
    const { sdk, account_id } = world();
    const sessions = await sdk.zeroTrust.access.users.activeSessions.list(now.id, { account_id });
    assert.equal(sessions.result.length, 1);
  });

  test('the browser is asked to sign in again, and gets no further by its old cookies', async () => {
    const person = world().person();
    const browser = await world().signedIn(person);
    const old = browser.jar.header(new URL(world().site));
    const oldTeam = browser.jar.header(new URL(world().team));
    await remove(world(), person);
    const page = await world().open(browser);
    assert.equal(page.location?.origin, world().team);
    assert.equal((await browser.get(page.location ?? '')).location?.searchParams.get('prompt'), 'login');
    await world().signedIn(person, { browser });
    const stale = world().browser();
    assert.equal((await stale.get(world().site, { cookie: old })).status, 302);
    const identity = await stale.get(`${world().team}/cdn-cgi/access/get-identity`, { cookie: oldTeam });
    assert.equal(identity.status, 401);
  });

  test('a sign-in that was at the provider comes to nothing, and begins anew', async () => {
    const person = world().person();
    await world().signedIn(person);
    const under = world().browser();
    const callback = await callbackFor(world(), { browser: under, person, start: world().site });
    await remove(world(), person);
    const again = await withoutAccess(world(), () => under.get(callback));
    assert.equal(again.location?.origin, world().provider.issuer);
    await assert.rejects(world().user(person));
  });
});

gatedOnBothDatabases('what the API tells of sign-ins', (world) => {
  test('the active sessions with the applications they were used for', async () => {
    const person = world().person();
    const browser = await world().signedIn(person);
    const second = await world().createApplication(`second.localhost:${new URL(world().site).port}`);
    await world().signedIn(person, { browser, site: second.site });
    const { sdk, account_id, application } = world();
    const { id } = await world().user(person);
    const users = sdk.zeroTrust.access.users;
    const [session, ...more] = (await users.activeSessions.list(id, { account_id })).result;
    assert.deepEqual(more, []);
    const { apps, nonce, iat = 0, expires = 0, ttl } = session?.metadata ?? {};
    const told = ({ id: uid, site }: { id: string; site: string }) => [
      uid,
      { hostname: new URL(site).host, name: new URL(site).host, type: 'self_hosted', uid },
    ];
    assert.deepEqual(apps, Object.fromEntries([told(application), told(second)]));
    assert.equal(session?.name, nonce);
    assert.equal(session?.expiration, expires);
    assert.equal(expires - iat, ttl);
    const claims = decodeJwt(tokenIn(browser, world().site));
    assert.equal(claims.identity_nonce, nonce);
    assert.equal(claims.exp, expires);

    const identity = await users.activeSessions.get(nonce ?? '', { account_id, user_id: id });
    assert.equal(identity.isActive, true);
    assert.equal(identity.email, person.email);
    await assert.rejects(users.activeSessions.get('A'.repeat(16), { account_id, user_id: id }), {
      status: 404,
    });
  });

  test('the identity of the newest sign-in, also after its session has ended', async () => {
    const { person } = await revoked(world());
    const { id } = await world().user(person);
    const { sdk, account_id, providerId } = world();
    const seen = await sdk.zeroTrust.access.users.lastSeenIdentity.get(id, { account_id });
    assert.equal(seen.email, person.email);
    assert.equal(seen.user_uuid, id);
    assert.deepEqual(seen.idp, { id: providerId, type: 'oidc' });
    assert.equal(seen.ip, '127.0.0.1');
  });

  test('failed sign-ins for thirty days, newest first', async () => {
    const { person, browser } = await revoked(world());
    await signInWith(world(), altered({ email_verified: false }), walk(world(), browser, person));
    await later(world(), MINUTE, () =>
      signInWith(world(), loggedInBefore(10), walk(world(), browser, person)),
    );
    assert.deepEqual(await reasons(world(), person), ['not_reauthenticated', 'email_unverified']);
    const gone = await later(world(), 31 * 24 * 60 * MINUTE, () => reasons(world(), person));
    assert.deepEqual(gone, []);
  });

  test('of failed sign-ins at most the newest thousand, so that nobody fills the database by being refused', async () => {
    const { person, browser } = await revoked(world());
    const { id: user_id } = await world().user(person);
    const { account_id } = world();
    const long = '2999-01-01T00:00:00.000Z';
    const old = Array.from({ length: 1200 }, (_, n) => ({
      id: n.toString(16).padStart(32, '0'),
      account_id,
      user_id,
      at: timestamp(n),
      expires_at: long,
      metadata: JSON.stringify({ reason: 'old', at: timestamp(n) }),
    }));
    const { database } = world().app.app.control;
    await database.write((tx) => tx.query.insertInto('failed_logins').values(old).execute());
    await signInWith(world(), loggedInBefore(10), walk(world(), browser, person));
    const rows = await database.reader.query
      .selectFrom('failed_logins')
      .select('at')
      .where('user_id', '=', user_id)
      .execute();
    assert.equal(rows.length, 1000);
    assert.equal(
      rows.some(({ at }) => at < timestamp(201)),
      false,
    );
    const told = await reasons(world(), person);
    assert.deepEqual([told.length, told[0], told[1]], [1000, 'not_reauthenticated', 'old']);
  });
});

/** Somebody who was signed in and then revoked, with the browser that still has every cookie. */
async function revoked(world: Gated): Promise<{ person: Person; browser: Browser }> {
  const person = world.person();
  const browser = await world.signedIn(person);
  await revoke(world, person);
  assert.equal((await world.open(browser)).status, 302);
  return { person, browser };
}

async function revoke({ sdk, account_id }: Gated, { email }: Person): Promise<void> {
  await sdk.zeroTrust.organizations.revokeUsers({ account_id, email });
}

async function remove({ sdk, account_id, user }: Gated, person: Person): Promise<void> {
  await sdk.zeroTrust.access.users.delete((await user(person)).id, { account_id });
}

/** The address at the provider that a visit to the application leads to. */
async function toProvider(world: Gated, browser: Browser): Promise<URL> {
  const until = ({ origin }: URL) => origin === world.provider.issuer;
  const { location } = await browser.follow(world.site, { until });
  assert.equal(location?.origin, world.provider.issuer);
  return location;
}

/** The same browser with our cookies cleared: the provider still knows it. */
function forgetting(world: Gated, browser: Browser): Browser {
  const other = world.browser();
  for (const { name, value, host } of browser.jar.all()) {
    if (host === '127.0.0.1') other.jar.store(new URL(world.provider.issuer), [`${name}=${value}; Path=/`]);
  }
  return other;
}

function walk(world: Gated, browser: Browser, person: Person) {
  return { browser, person, start: world.site };
}

function altered(change: Readonly<Record<string, unknown>>): Misbehaviour {
  return { idToken: (claims) => ({ ...claims, ...change }) as JWTPayload };
}

/** A provider that shows its own session instead of asking: it authenticated the person so many seconds ago. */
function loggedInBefore(seconds: number): Misbehaviour {
  return { idToken: (claims) => ({ ...claims, auth_time: (claims.iat ?? 0) - seconds }) };
}

function tokenIn(browser: Browser, site: string): string {
  const cookie = browser.jar.cookiesFor(new URL(site)).find(({ name }) => name === 'CF_Authorization');
  return cookie?.value ?? assert.fail('no application token');
}

function subjectIn(browser: Browser): unknown {
  const token = browser.jar
    .all()
    .find(({ name, host }) => name === 'CF_Authorization' && host === 'app.localhost');
  return decodeJwt(token?.value ?? assert.fail('no application token')).sub;
}

/** Why sign-ins of the person were refused, newest first. */
async function reasons({ sdk, account_id, user }: Gated, person: Person): Promise<unknown[]> {
  const { id } = await user(person);
  const page = await sdk.zeroTrust.access.users.failedLogins.list(id, { account_id });
  return page.result.map(({ metadata }) => (metadata as { reason: string }).reason);
}
