import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JWTPayload } from 'jose';
import { createAccount } from '../../src/accounts/accounts/accounts.ts';
import { MINUTE, timestamp } from '../../src/kernel/clock.ts';
import { type Gated, gatedOnBothDatabases } from '../support/gated.ts';
import type { Misbehaviour } from '../support/openid-provider.ts';
import {
  assertPage,
  assertRefused,
  callbackFor,
  later,
  signInWith,
  withoutAccess,
} from '../support/sign-in-steps.ts';

const elsewhere = 'http://127.0.0.1:9';

gatedOnBothDatabases('a sign-in is refused', (world) => {
  for (const [name, query] of [
    ['without a state', 'code=x'],
    ['with an empty state', 'code=x&state='],
    ['with two states', 'code=x&state=a&state=b'],
    ['with a state that nobody made', `code=x&state=${'a'.repeat(43)}`],
    ['with a state that is no text', 'code=x&state[]=a'],
  ] as const) {
    test(name, async () => {
      const page = await withoutAccess(world(), () => back(world(), query));
      assertRefused(world(), page, 'state_unknown');
    });
  }

  test('when it took longer than ten minutes', async () => {
    const browser = world().browser();
    const callback = await callbackFor(world(), { browser, person: world().person() });
    const page = await withoutAccess(world(), () => later(world(), 10 * MINUTE, () => browser.get(callback)));
    assertRefused(world(), page, 'state_expired');
  });

  test('when its answer is sent a second time, and the session of the first stays', async () => {
    const browser = world().browser();
    const callback = await callbackFor(world(), { browser, person: world().person() });
    assert.equal((await browser.get(callback)).status, 302);
    const again = await withoutAccess(world(), () => browser.get(callback));
    assertRefused(world(), again, 'state_unknown');
    assert.match((await browser.follow(`${world().team}/cdn-cgi/access/login`)).text, /You are signed in/);
  });

  test('in a browser that did not begin it, which must not become somebody else', async () => {
    const mallory = world().browser();
    const callback = await callbackFor(world(), { browser: mallory, person: world().person() });
    const victim = world().browser();
    assertRefused(
      world(),
      await withoutAccess(world(), () => victim.get(callback)),
      'state_of_another_browser',
    );
    // The victim has a sign-in of its own under way, too.
    await victim.get(`${world().team}/cdn-cgi/access/login`);
    assertRefused(
      world(),
      await withoutAccess(world(), () => victim.get(callback)),
      'state_of_another_browser',
    );
    const twice = victim.jar.header(callback)?.replace(/CF_Session=[^;]+/, '$&; CF_Session=second') ?? '';
    assertRefused(world(), await victim.get(callback, { cookie: twice }), 'state_of_another_browser');
    assert.equal((await mallory.get(callback)).status, 302, 'its own browser may still finish it');
  });

  test('on the team domain of another account', async () => {
    const browser = world().browser();
    const callback = await callbackFor(world(), { browser, person: world().person() });
    const other = await addTeam(world(), 'other');
    const cookie = browser.jar.header(callback);
    const page = await withoutAccess(world(), () =>
      world().browser().get(`${other}${callback.pathname}${callback.search}`, { cookie }),
    );
    assertRefused(world(), page, 'state_unknown');
    assert.equal((await browser.get(callback)).status, 302);
  });

  test('when the provider answers with an error, and its state is used up', async () => {
    const browser = world().browser();
    const callback = await callbackFor(world(), { browser, person: world().person() });
    const error = new URL(callback);
    error.searchParams.delete('code');
    error.searchParams.set('error', 'access_denied');
    error.searchParams.set('error_description', '<script>alert(1)</script>');
    assertRefused(world(), await withoutAccess(world(), () => browser.get(error)), 'provider_refused');
    assertRefused(world(), await withoutAccess(world(), () => browser.get(callback)), 'state_unknown');
  });

  test('when a code that was used comes with a new state', async () => {
    const [browser, person] = [world().browser(), world().person()];
    const first = await callbackFor(world(), { browser, person });
    assert.equal((await browser.get(first)).status, 302);
    const thief = world().browser();
    const second = await callbackFor(world(), { browser: thief, person: world().person() });
    second.searchParams.set('code', first.searchParams.get('code') ?? '');
    assertRefused(world(), await withoutAccess(world(), () => thief.get(second)), 'provider_refused');
  });

  test('when a code of another sign-in is put in its place, since it answers another challenge', async () => {
    const [victim, thief] = [world().browser(), world().browser()];
    const stolen = await callbackFor(world(), { browser: victim, person: world().person() });
    const own = await callbackFor(world(), { browser: thief, person: world().person() });
    own.searchParams.set('code', stolen.searchParams.get('code') ?? '');
    assertRefused(world(), await withoutAccess(world(), () => thief.get(own)), 'provider_refused');
  });

  for (const [name, lie] of [
    ['by an answer in the name of another issuer', { callback: with_('iss', elsewhere) }],
    ['by an answer without the issuer that the provider promises', { callback: without('iss') }],
    ['by an answer with two codes', { callback: twice('code') }],
    ['by an ID token with another nonce', altered({ nonce: 'another' })],
    ['by an ID token without a nonce', altered({ nonce: undefined })],
    ['by an ID token for another client', altered({ aud: 'another' })],
    ['by an ID token for several clients, made for another', altered({ aud: ['portcullis', 'x'], azp: 'x' })],
    ['by an ID token of another issuer', altered({ iss: elsewhere })],
    [
      'by an ID token that has expired',
      { idToken: (claims) => ({ ...claims, exp: (claims.iat ?? 0) - 120 }) },
    ],
    ['by an ID token without an end', altered({ exp: undefined })],
    ['by an ID token without a subject', altered({ sub: undefined })],
    ['by an ID token with an empty subject', altered({ sub: '' })],
    ['by an ID token whose subject no database can keep', altered({ sub: 'a\u0000b' })],
    ['by an ID token whose subject is too long', altered({ sub: 'a'.repeat(256) })],
    ['by an ID token that is signed with a key nobody published', { signsWithUnpublishedKey: true }],
  ] as const satisfies readonly (readonly [string, Misbehaviour])[]) {
    test(name, async () => {
      const [browser, person] = [world().browser(), world().person()];
      const page = await withoutAccess(world(), () => signInWith(world(), lie, { browser, person }));
      assertRefused(world(), page, 'provider_answer_invalid', 502);
      assert.equal(
        browser.jar.all().some(({ name }) => name === 'CF_Authorization'),
        false,
      );
    });
  }

  test('when the name in the token cannot be kept as it is, only the name is mended', async () => {
    const person = world().person();
    const lie = altered({ name: ' a\u0000\u202eb\ud800 ' });
    const page = await signInWith(world(), lie, { browser: world().browser(), person });
    assert.equal(page.status, 200);
    const { id } = await world().user(person);
    const { name } = await world().sdk.zeroTrust.access.users.get(id, { account_id: world().account_id });
    assert.equal(name, 'a \u202eb\ufffd');
  });
});

gatedOnBothDatabases('a person signs in', (world) => {
  test('by the code flow with PKCE, a state and a nonce, each new every time', async () => {
    const asked = await Promise.all(
      [1, 2].map(async () => (await world().browser().get(`${world().team}/cdn-cgi/access/login`)).location),
    );
    const [one, other] = asked.map((url) => url?.searchParams ?? assert.fail());
    assert.ok(one && other);
    assert.equal(asked[0]?.origin + (asked[0]?.pathname ?? ''), world().provider.authUrl);
    assert.equal(one.get('response_type'), 'code');
    assert.equal(one.get('code_challenge_method'), 'S256');
    assert.equal(one.get('redirect_uri'), `${world().team}/cdn-cgi/access/callback`);
    assert.equal(one.get('scope'), 'openid email profile');
    assert.equal(one.get('prompt'), null);
    for (const name of ['state', 'nonce', 'code_challenge']) {
      assert.match(one.get(name) ?? '', /^[\w-]{43}$/);
      assert.notEqual(one.get(name), other.get(name));
    }
  });

  test('at the team domain, and gets a cookie for that host alone that scripts cannot read', async () => {
    const [browser, person] = [world().browser(), world().person()];
    const page = await browser.get(await callbackFor(world(), { browser, person }));
    assert.deepEqual(page.location?.href, `${world().team}/cdn-cgi/access/login`);
    const [cookie, ...more] = page.headers['set-cookie'] ?? [];
    assert.deepEqual(more, []);
    const [pair = '', ...flags] = (cookie ?? '').split('; ');
    assert.match(pair, /^CF_Authorization=[\w-]+\.[\w-]+\.[\w-]+$/);
    const age = Number(flags.find((flag) => flag.startsWith('Max-Age='))?.slice(8));
    assert.ok(age > 86_400 - 60 && age <= 86_400, `${age}`);
    assert.deepEqual(
      flags.filter((flag) => !flag.startsWith('Max-Age=')),
      ['Path=/', 'SameSite=Lax', 'HttpOnly'],
    );
    const landed = await browser.followFrom(page);
    assertPage(landed);
    assert.match(landed.text, new RegExp(`as ${person.email}\\.<`));
  });

  test('and nothing of the provider reaches the browser besides the code', async () => {
    const seen: string[] = [];
    const kept: string[] = [];
    const lie: Misbehaviour = {
      idToken: (claims) => {
        kept.push(String(claims.at_hash ?? claims.nonce));
        return claims;
      },
    };
    const browser = world().browser();
    const page = await signInWith(world(), lie, { browser, person: world().person() });
    seen.push(page.text, JSON.stringify(page.headers), ...browser.jar.all().map(({ value }) => value));
    assert.ok(kept.length > 0);
    for (const secret of kept) assert.ok(seen.every((text) => !text.includes(secret)));
  });

  test('even where the state cookie holds something odd, which is replaced', async () => {
    const begun = await world()
      .browser()
      .get(`${world().team}/cdn-cgi/access/login`, { cookie: 'CF_Session=chosen by somebody' });
    assert.match(begun.headers['set-cookie']?.[0] ?? '', /^CF_Session=[\w-]{43}; /);
  });
});

function back(world: Gated, query: string) {
  return world.browser().get(`${world.team}/cdn-cgi/access/callback?${query}`);
}

function with_(name: string, value: string) {
  return (url: URL) => {
    url.searchParams.set(name, value);
    return url;
  };
}

function without(name: string) {
  return (url: URL) => {
    url.searchParams.delete(name);
    return url;
  };
}

function twice(name: string) {
  return (url: URL) => {
    url.searchParams.append(name, url.searchParams.get(name) ?? '');
    return url;
  };
}

function altered(change: Readonly<Record<string, unknown>>): Misbehaviour {
  return { idToken: (claims) => ({ ...claims, ...change }) as JWTPayload };
}

/** A second account with a team domain of its own, which no call of the API makes yet. */
async function addTeam({ app }: Gated, name: string): Promise<string> {
  const authDomain = `${name}.localhost:${app.port}`;
  const { database, feed } = app.app.control;
  const now = timestamp(app.clock.now());
  const account = { name, zoneName: `${name}.example`, authDomain, now };
  const { accountId } = await database.write((tx) => createAccount(tx, account));
  await feed.catchUp(accountId);
  return `http://${authDomain}`;
}
