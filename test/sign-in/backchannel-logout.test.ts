import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JWTHeaderParameters, JWTPayload } from 'jose';
import type { Browser, Page } from '../support/browser.ts';
import { clientOf, type Gated, gatedOnBothDatabases } from '../support/gated.ts';
import {
  EVENTS,
  isSignedIn,
  logoutToken,
  registerLogout,
  sendLogout,
  sidIn,
} from '../support/logout-steps.ts';
import { type Person, startOpenIdProvider } from '../support/openid-provider.ts';
import { readRows } from '../support/rows.ts';
import { callbackFor, signInWith, withoutAccess } from '../support/sign-in-steps.ts';

/** Somebody signed in in two browsers, in each by a session of the provider's own. */
async function twice(world: Gated): Promise<{ person: Person; one: Browser; other: Browser }> {
  registerLogout(world);
  const person = world.person();
  return { person, one: await world.signedIn(person), other: await world.signedIn(person) };
}

async function sidOf(world: Gated, person: Person): Promise<string> {
  const user = await world.user(person);
  const sid = sidIn((await readRows(world.database)).sessions ?? [], user.id);
  assert.ok(sid, 'the provider gave the session no name');
  return sid;
}

/** Ends the session of the provider's own in this browser, as a person does there. */
async function leaveProvider(browser: Browser, start: string | URL): Promise<Page> {
  const asked = await browser.get(start);
  const action = /action="([^"]+)"/.exec(asked.text)?.[1];
  const xsrf = /name="xsrf" value="([^"]+)"/.exec(asked.text)?.[1];
  assert.ok(action && xsrf, asked.text);
  return await browser.followFrom(await browser.post(action, { xsrf, logout: 'yes' }));
}

gatedOnBothDatabases('when the provider ends a session', (world) => {
  test('by itself, its sessions here end before it says so, and no others', async () => {
    const { one, other } = await twice(world());
    const { provider } = world();
    provider.logouts.length = 0;
    await leaveProvider(one, `${provider.issuer}/session/end`);
    assert.deepEqual(provider.logouts, [null]);
    assert.equal(await isSignedIn(world(), one), false);
    assert.equal((await world().open(one)).status, 302);
    assert.equal((await world().open(other)).status, 200);
  });

  test('by name, that session ends and the audit log says by whom', async () => {
    const { person, one, other } = await twice(world());
    const sid = await sidOf(world(), person);
    const page = await sendLogout(world(), await logoutToken(world().provider, { sid }));
    assert.deepEqual([page.status, page.text, page.headers['cache-control']], [200, '', 'no-store']);
    const alive = [await isSignedIn(world(), one), await isSignedIn(world(), other)];
    assert.deepEqual(alive.sort(), [false, true]);
    const { audit_entries: entries = [] } = await readRows(world().database);
    const { id } = await world().user(person);
    const entry = entries.find((row) => row.includes('user.backchannel_logout') && row.includes(id));
    assert.ok(entry?.includes(world().providerId), entry);
  });

  test('by person, all of theirs through this provider end', async () => {
    const { person, one, other } = await twice(world());
    const bystander = await world().signedIn(world().person());
    const { status } = await sendLogout(world(), await logoutToken(world().provider, { sub: person.sub }));
    assert.equal(status, 200);
    for (const browser of [one, other]) {
      assert.equal(await isSignedIn(world(), browser), false);
      assert.equal((await world().open(browser)).status, 302);
    }
    assert.equal(await isSignedIn(world(), bystander), true);
    const { sessions = [] } = await readRows(world().database);
    const { id } = await world().user(person);
    assert.ok(sessions.every((row) => !row.includes(id)));
  });

  test('by both, only what both name', async () => {
    const { person, one } = await twice(world());
    const sid = await sidOf(world(), person);
    const stranger = world().person();
    const wrong = await logoutToken(world().provider, { sid, sub: stranger.sub });
    assert.equal((await withoutEnding(world(), () => sendLogout(world(), wrong))).status, 200);
    assert.equal(await isSignedIn(world(), one), true);
    const right = await logoutToken(world().provider, { sid: await sidOf(world(), person), sub: person.sub });
    const before = (await readRows(world().database)).sessions?.length ?? 0;
    assert.equal((await sendLogout(world(), right)).status, 200);
    assert.equal((await readRows(world().database)).sessions?.length, before - 1);
  });

  test('that is not known here, it is told that nothing is left of it', async () => {
    for (const claims of [
      { sid: 'nobody-knows' },
      { sub: 'nobody-knows' },
      { sub: 'nobody', sid: 'knows' },
    ]) {
      const token = await logoutToken(world().provider, claims);
      assert.equal((await withoutEnding(world(), () => sendLogout(world(), token))).status, 200);
    }
  });

  test('a sign-in of that person that is under way ends with it, by either name', async () => {
    registerLogout(world());
    for (const by of ['sub', 'sid'] as const) {
      const [browser, person] = [world().browser(), world().person()];
      const told: { sid?: string } = {};
      const idToken = (claims: JWTPayload) => {
        told.sid = String(claims.sid);
        return claims;
      };
      const callback = await callbackFor(world(), { browser, person });
      // The name is known once the code was exchanged: the provider logs the person out at that moment.
      const late = async (claims: JWTPayload) => {
        const order = by === 'sub' ? { sub: person.sub } : { sid: String(idToken(claims).sid) };
        assert.equal((await sendLogout(world(), await logoutToken(world().provider, order))).status, 200);
        return claims;
      };
      world().provider.misbehaviour.idToken = late;
      try {
        const page = await browser.get(callback);
        assert.equal(
          page.location?.origin,
          world().provider.issuer,
          `${by}: it starts again at the provider`,
        );
        assert.equal(await isSignedIn(world(), browser), false);
      } finally {
        delete world().provider.misbehaviour.idToken;
      }
      assert.ok(by === 'sub' || told.sid);
    }
  });

  test('the next sign-in needs no fresh login there', async () => {
    const { person } = await twice(world());
    await sendLogout(world(), await logoutToken(world().provider, { sub: person.sub }));
    const idToken = (claims: JWTPayload) => ({ ...claims, auth_time: (claims.iat ?? 0) - 3600 });
    const browser = world().browser();
    const page = await signInWith(world(), { idToken }, { browser, person });
    assert.equal(page.status, 200, page.text);
    assert.equal(await isSignedIn(world(), browser), true);
  });

  test('the same token a second time ends nothing that has begun since', async () => {
    const { person, one } = await twice(world());
    const token = await logoutToken(world().provider, { sub: person.sub });
    assert.equal((await sendLogout(world(), token)).status, 200);
    assert.equal(await isSignedIn(world(), one), false);
    const again = await world().signedIn(person);
    assert.equal((await withoutAccess(world(), () => sendLogout(world(), token))).status, 200);
    assert.equal(await isSignedIn(world(), again), true);
  });

  test('and several answers are lost, the repeats are answered alike', async () => {
    const { person, one } = await twice(world());
    const token = await logoutToken(world().provider, { sub: person.sub });
    const pages = await Promise.all(Array.from({ length: 5 }, () => sendLogout(world(), token)));
    assert.deepEqual(
      pages.map(({ status }) => status),
      [200, 200, 200, 200, 200],
    );
    assert.equal(await isSignedIn(world(), one), false);
    const { audit_entries: entries = [] } = await readRows(world().database);
    const { id } = await world().user(person);
    assert.equal(entries.filter((row) => row.includes('backchannel_logout') && row.includes(id)).length, 1);
  });
});

gatedOnBothDatabases('a logout token is refused', (world) => {
  const now = () => Math.floor(Date.now() / 1000);
  for (const [name, claims, header] of [
    ['of another issuer', { iss: 'https://other.example' }],
    ['for another client', { aud: 'another' }],
    ['without an audience', { aud: undefined }],
    ['that has ended', { exp: now() - 120 }],
    ['that was made too long ago', { iat: now() - 3600, exp: undefined }],
    ['that is made in the future', { iat: now() + 600, exp: now() + 700 }],
    ['without the time it was made', { iat: undefined }],
    ['without a name of its own', { jti: undefined }],
    ['with an empty name', { jti: '' }],
    ['without an event', { events: undefined }],
    ['of another event', { events: { 'https://other.example/event': {} } }],
    ['with an event that is no object', { events: { [Object.keys(EVENTS)[0] ?? '']: true } }],
    ['with a nonce, as an ID token has', { nonce: 'x' }],
    ['with a nonce of null', { nonce: null }],
    ['that names nobody', { sub: undefined }],
    ['whose subject is no text', { sub: 7 }],
    ['whose session is no text', { sid: ['x'] }],
    ['whose session no database can keep', { sid: 'a\u0000b' }],
    ['of another type', {}, { typ: 'at+jwt' }],
    ['of another type of event', {}, { typ: 'secevent+jwt' }],
  ] as const satisfies readonly (readonly [string, object, Partial<JWTHeaderParameters>?])[]) {
    test(name, async () => {
      const { provider } = world();
      const person = world().person();
      const browser = await world().signedIn(person);
      const token = await logoutToken(provider, { sub: person.sub, ...claims }, header);
      await assertRefusedLogout(world(), token);
      assert.equal(await isSignedIn(world(), browser), true);
    });
  }

  test('that nobody signed, or somebody else, or that names a key of its own', async () => {
    const { provider } = world();
    const person = world().person();
    const browser = await world().signedIn(person);
    await using other = await startOpenIdProvider({
      people: [],
      clients: [clientOf(world().app.teamDomain)],
    });
    const good = await logoutToken(provider, { sub: person.sub });
    const [head = '', body = '', signature = ''] = good.split('.');
    const none = Buffer.from(JSON.stringify({ alg: 'none', typ: 'logout+jwt' })).toString('base64url');
    const forged = await logoutToken({ ...other, issuer: provider.issuer }, { sub: person.sub });
    const ownKey = Buffer.from(
      JSON.stringify({ alg: 'RS256', typ: 'logout+jwt', jku: other.jwksUri }),
    ).toString('base64url');
    for (const token of [
      `${none}.${body}.`,
      `${head}.${body}.`,
      `${head}.${body}`,
      `${head}.${Buffer.from(JSON.stringify({ sub: 'x' })).toString('base64url')}.${signature}`,
      `${ownKey}.${body}.${forged.split('.')[2]}`,
      forged,
      'x',
      '..',
    ]) {
      await assertRefusedLogout(world(), token);
    }
    assert.equal(await isSignedIn(world(), browser), true);
  });

  test('that is an ID token of the person', async () => {
    const person = world().person();
    const seen: JWTPayload[] = [];
    const idToken = (claims: JWTPayload) => {
      seen.push(claims);
      return claims;
    };
    const browser = world().browser();
    await signInWith(world(), { idToken }, { browser, person });
    const [claims] = seen;
    assert.ok(claims);
    await assertRefusedLogout(world(), await world().provider.sign(claims, { typ: 'JWT' }));
    assert.equal(await isSignedIn(world(), browser), true);
  });

  test('that does not come exactly once, as a form', async () => {
    const { team, providerId, provider } = world();
    const to = `${team}/cdn-cgi/access/backchannel-logout/${providerId}`;
    const token = await logoutToken(provider, { sub: 'x' });
    await assertRefusedLogout(world(), {});
    await assertRefusedLogout(world(), { logout_token: '' });
    const browser = world().browser();
    const send = (body: string, type: string) =>
      browser.request(to, { method: 'POST', body, headers: { 'content-type': type } });
    const form = 'application/x-www-form-urlencoded';
    assert.equal((await send(`logout_token=${token}&logout_token=${token}`, form)).status, 400);
    assert.equal((await send(JSON.stringify({ logout_token: token }), 'application/json')).status, 400);
    assert.equal((await send(`logout_token=${'a'.repeat(20_000)}`, form)).status, 413);
    assert.equal((await browser.get(`${to}?logout_token=${token}`)).status, 404);
  });

  test('at an address that is no OpenID provider of this account', async () => {
    const { team, provider, app, account_id } = world();
    const token = await logoutToken(provider, { sub: 'x' });
    const pin = await app.api('POST', `/accounts/${account_id}/access/identity_providers`, {
      body: { name: 'PIN', type: 'onetimepin', config: {} },
    });
    for (const id of ['0'.repeat(36), "'", pin.body.result?.id ?? 'none']) {
      const page = await sendLogout(
        world(),
        token,
        `${team}/cdn-cgi/access/backchannel-logout/${encodeURIComponent(id)}`,
      );
      assert.equal(page.status, 400, page.text);
      assert.equal(JSON.parse(page.text).error, 'invalid_request');
    }
  });

  test('for the moment, when the keys of the provider cannot be read', async () => {
    const { team, app } = world();
    const down = await startOpenIdProvider({ people: [], clients: [clientOf(app.teamDomain)] });
    const id = await world().createProvider(down, {}, 'Down');
    const token = await logoutToken(down, { sub: 'x' });
    await down.close();
    const page = await sendLogout(world(), token, `${team}/cdn-cgi/access/backchannel-logout/${id}`);
    assert.equal(page.status, 503, page.text);
    assert.equal(JSON.parse(page.text).error, 'temporarily_unavailable');
  });
});

gatedOnBothDatabases('somebody who signs out', (world) => {
  test('is offered to end the session of the provider, and comes back from there', async () => {
    registerLogout(world());
    const { team, provider } = world();
    const person = world().person();
    const browser = await world().signedIn(person);
    const page = await browser.post(`${team}/cdn-cgi/access/logout`, {});
    const href = /<a class="act out" href="(http[^"]+)">Sign out of Provider \d+ as well<\/a>/.exec(
      page.text,
    )?.[1];
    const link = new URL(href?.replaceAll(/&(?:amp|#38);/g, '&') ?? assert.fail(page.text));
    assert.equal(link.origin + link.pathname, `${provider.issuer}/session/end`);
    assert.deepEqual([...link.searchParams.keys()].sort(), [
      'client_id',
      'post_logout_redirect_uri',
      'state',
    ]);
    const back = await leaveProvider(browser, link);
    assert.equal(back.url.origin + back.url.pathname, `${team}/cdn-cgi/access/logout`);
    assert.match(back.text, /You are signed out/);
    assert.doesNotMatch(back.text, /as well/);
    const again = await browser.follow(`${team}/cdn-cgi/access/login`);
    assert.match(again.text, /Who are you/, 'the session of the provider lives');
  });

  test('is not offered it where there was no session', async () => {
    const page = await world().browser().get(`${world().team}/cdn-cgi/access/logout`);
    assert.doesNotMatch(page.text, /as well/);
  });

  test('is not signed out by another site that says the provider sent them', async () => {
    const { team } = world();
    const browser = await world().signedIn(world().person());
    const cross = { 'sec-fetch-site': 'cross-site' };
    const asked = await browser.get(`${team}/cdn-cgi/access/logout?state=signed-out`, cross);
    assert.match(asked.text, /Sign out of .*\?/);
    // A form of another site brings no cookie along; the answer must not take the cookie away.
    const posted = await browser.post(
      `${team}/cdn-cgi/access/logout?state=signed-out`,
      {},
      { ...cross, cookie: null },
    );
    assert.equal(posted.headers['set-cookie'], undefined);
    assert.equal(await isSignedIn(world(), browser), true);
  });
});

async function assertRefusedLogout(
  world: Gated,
  token: string | Readonly<Record<string, string>>,
): Promise<void> {
  const page = await withoutAccess(world, () => sendLogout(world, token));
  assert.equal(page.status, 400, page.text);
  assert.equal(page.headers['cache-control'], 'no-store');
  const { error, error_description: description } = JSON.parse(page.text);
  assert.equal(error, 'invalid_request');
  assert.ok(description.length > 0);
  const line = world.log.findLast(({ msg }) => msg === 'logout token of a provider refused');
  assert.ok(String(line?.reason).startsWith(description));
}

/** Does it, and asserts that no session has ended by it. */
async function withoutEnding<T>(world: Gated, work: () => Promise<T>): Promise<T> {
  const before = (await readRows(world.database)).sessions;
  const result = await work();
  assert.deepEqual((await readRows(world.database)).sessions, before);
  return result;
}
