import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import type { Browser } from '../support/browser.ts';
import { gatedOnBothDatabases, IDENTITY, LOGOUT, startGated } from '../support/gated.ts';
import { END } from '../support/launcher.ts';
import { signIn } from '../support/openid-provider.ts';
import { databases } from '../support/postgres.ts';
import { exchange, toBytes } from '../support/raw-http.ts';
import { assertPage, withoutAccess } from '../support/sign-in-steps.ts';

const LOGIN = '/cdn-cgi/access/login';

gatedOnBothDatabases('the team domain', (world) => {
  test('is not there on a host that no account has', async () => {
    const { origin, port } = world().app;
    const paths = [
      '/',
      LOGIN,
      `${LOGIN}/app.localhost`,
      '/cdn-cgi/access/callback?state=x',
      LOGOUT,
      IDENTITY,
    ];
    for (const path of paths) {
      for (const host of [`unknown.localhost:${port}`, 'team.localhost', `TEAM.localhost.:${port}`, '']) {
        const page = await world().browser().get(`${origin}${path}`, { host });
        assert.equal(page.status, 404, `${host}${path}`);
        assert.equal(page.headers['set-cookie'], undefined);
      }
    }
  });

  test('cannot be led to another host by a target in absolute form', async () => {
    const { app } = world();
    const host = new URL(world().team).host;
    for (const target of [`http://evil.example${LOGIN}`, `//evil.example${LOGIN}`]) {
      const answer = await exchange(app.port, toBytes({ target }, host));
      assert.equal(answer.status, 404, target);
    }
  });

  test('answers only the methods that its pages need', async () => {
    for (const [method, path] of [
      ['POST', LOGIN],
      ['POST', '/'],
      ['GET', END],
      ['DELETE', LOGOUT],
      ['POST', IDENTITY],
    ] as const) {
      const page = await world()
        .browser()
        .request(world().team + path, { method });
      assert.equal(page.status, 404, `${method} ${path}`);
    }
  });

  test('says nothing more than where it is to whoever is not signed in', async () => {
    const identity = await world()
      .browser()
      .get(world().team + IDENTITY);
    assert.equal(identity.status, 400);
    assert.equal(identity.text, '{"err":"no app token set"}');
    assert.match(String(identity.headers['content-type']), /^application\/json/);
    for (const cookie of ['CF_Authorization=', 'CF_Authorization=x; CF_Authorization=y']) {
      const page = await world()
        .browser()
        .get(world().team + IDENTITY, { cookie });
      assert.equal(page.status, 400, cookie);
    }
    for (const cookie of [
      'CF_Authorization=x',
      `CF_Authorization=${'x'.repeat(9000)}`,
      'CF_Authorization=a.b.c',
    ]) {
      const page = await world()
        .browser()
        .get(world().team + IDENTITY, { cookie });
      assert.equal(page.status, 401);
      assert.equal(page.text, '{"err":"the session has ended"}');
    }
  });

  test('takes no token of an application for its own, and no application its', async () => {
    const browser = await world().signedIn(world().person());
    const [ours, theirs] = [tokenOn(browser, world().team), tokenOn(browser, world().site)];
    assert.equal(decodeJwt(ours).type, 'org');
    assert.equal(decodeJwt(theirs).type, 'app');
    const stranger = world().browser();
    const at = (url: string, token: string) => stranger.get(url, { cookie: `CF_Authorization=${token}` });
    assert.equal((await at(world().team + IDENTITY, theirs)).status, 401);
    assert.equal((await at(world().team + IDENTITY, ours)).status, 200);
    assert.equal((await at(world().site, ours)).status, 302);
    assert.equal((await at(world().site + IDENTITY, ours)).status, 401);
    assert.equal((await at(world().site, theirs)).status, 200);
    const login = await at(world().team + LOGIN, theirs);
    assert.equal(login.location?.origin, world().provider.issuer);
  });

  test('tells a person who they are, on its own host and by way of the application’s', async () => {
    const person = world().person();
    const browser = await world().signedIn(person);
    const { id } = await world().user(person);
    const direct = JSON.parse((await browser.get(world().team + IDENTITY)).text);
    assert.equal(direct.email, person.email);
    assert.equal(direct.user_uuid, id);
    assert.equal(direct.account_id, world().account_id);
    assert.deepEqual(direct.idp, { id: world().providerId, type: 'oidc' });
    const there = await browser.get(world().site + IDENTITY);
    assert.equal(there.location?.href, world().team + IDENTITY);
    assert.deepEqual(JSON.parse((await browser.followFrom(there)).text), direct);
    const none = await world()
      .browser()
      .get(world().site + IDENTITY);
    assert.deepEqual([none.status, none.text], [400, '{"err":"no app token set"}']);
    const ended = await world()
      .browser()
      .get(world().site + IDENTITY, { cookie: 'CF_Authorization=x' });
    assert.deepEqual([ended.status, ended.text], [401, '{"err":"the session has ended"}']);
    assert.equal(world().arrived.filter(({ url }) => url?.startsWith('/cdn-cgi')).length, 0);
  });

  test('shows whatever name it is given as text', async () => {
    const { sdk, account_id } = world();
    const evil = `</title></h1><script>alert("1")</script>'"&<img src=x onerror=alert(1)>`;
    const shown = '&#60;script&#62;alert(&#34;1&#34;)&#60;/script&#62;&#39;&#34;&#38;&#60;img';
    await sdk.zeroTrust.organizations.update({ account_id, name: evil });
    const { client_id, client_secret } = world().provider.clients[0] ?? assert.fail();
    const { authUrl: auth_url, tokenUrl: token_url, jwksUri: certs_url } = world().provider;
    const config = { client_id, client_secret, auth_url, token_url, certs_url };
    const second = await sdk.zeroTrust.identityProviders.create({
      account_id,
      name: evil,
      type: 'oidc',
      config,
    });
    const named = await world().createApplication(`named.localhost:${new URL(world().site).port}`, {
      name: evil,
    });
    const person = world().person();
    const choice = await world().browser().follow(named.site);
    const browser = world().browser();
    const signedInPage = await signIn(browser, `${world().team}${LOGIN}?idp=${world().providerId}`, {
      login: person.sub,
    });
    const question = await browser.get(world().team + LOGOUT, { 'sec-fetch-site': 'cross-site' });
    const out = await browser.get(world().team + LOGOUT);
    for (const page of [choice, signedInPage, question, out]) {
      assert.equal(page.status, 200);
      assertPage(page);
      assert.ok(page.text.split(shown).length > 2, 'in the title and in the heading');
    }
    assert.equal(
      choice.text.split(shown).length,
      6,
      'organization three times, application, second provider',
    );
    assert.deepEqual(
      linksIn(choice.text).map((link) => new URL(link, world().team).searchParams.get('idp')),
      [world().providerId, second.id],
    );
    await sdk.zeroTrust.identityProviders.delete(second.id ?? '', { account_id });
    await sdk.zeroTrust.organizations.update({ account_id, name: 'Example' });
  });

  test('lets a person choose among the providers that the application takes', async () => {
    const { sdk, account_id, providerId } = world();
    const second = await world().createProvider(world().provider);
    const third = await world().createProvider(world().provider);
    const choosy = await world().createApplication(`choosy.localhost:${new URL(world().site).port}`, {
      allowed_idps: [providerId, second],
    });
    const browser = world().browser();
    const choice = await browser.follow(choosy.site);
    const links = linksIn(choice.text).map((link) => new URL(link, choice.url));
    assert.deepEqual(
      links.map(({ searchParams }) => searchParams.get('idp')),
      [providerId, second],
    );
    for (const idp of [third, 'unknown', '']) {
      const other = new URL(links[0] ?? '');
      other.searchParams.set('idp', idp);
      const page = await browser.get(other);
      assert.equal(page.status, 200, 'asks again');
      assert.equal(linksIn(page.text).length, 2);
    }
    const person = world().person();
    const page = await signIn(browser, links[1] ?? '', { login: person.sub });
    assert.equal(page.text, `hello ${person.email}`);
    for (const id of [second, third]) await sdk.zeroTrust.identityProviders.delete(id, { account_id });
  });
});

gatedOnBothDatabases('signing out', (world) => {
  const out = async (how: (browser: Browser) => Promise<unknown>) => {
    const browser = await world().signedIn(world().person());
    const tokens = [tokenOn(browser, world().team), tokenOn(browser, world().site)] as const;
    await how(browser);
    return { browser, tokens };
  };

  /** Whether the tokens that the browser had still work, wherever they are kept now. */
  const stillWork = async ([org, app]: readonly [string, string]) => {
    const other = world().browser();
    const team = await other.get(world().team + IDENTITY, { cookie: `CF_Authorization=${org}` });
    const site = await other.get(world().site, { cookie: `CF_Authorization=${app}` });
    assert.equal(team.status === 200, site.status === 200);
    return site.status === 200;
  };

  test('at the team domain ends the session everywhere, by link or by form', async () => {
    for (const how of [
      (browser: Browser) => browser.get(world().team + LOGOUT),
      (browser: Browser) => browser.get(world().team + LOGOUT, { 'sec-fetch-site': 'none' }),
      (browser: Browser) => browser.post(world().team + LOGOUT, {}, { 'sec-fetch-site': 'same-origin' }),
    ]) {
      const { browser, tokens } = await out(async (one) => {
        const page = await how(one);
        assert.match(page.text, /You are signed out/);
        assertPage(page);
      });
      assert.equal(await stillWork(tokens), false);
      assert.equal(browser.jar.cookiesFor(new URL(world().team + LOGIN)).some(isSession), false);
      assert.equal((await world().open(browser)).status, 302);
    }
  });

  test('at an application ends the session everywhere', async () => {
    const { browser, tokens } = await out(async (one) => {
      const page = await one.get(world().site + LOGOUT);
      assert.equal(page.location?.href, world().team + LOGOUT);
      assert.match((await one.followFrom(page)).text, /You are signed out/);
    });
    assert.equal(await stillWork(tokens), false);
    assert.equal(browser.jar.all().some(isSession), false);
  });

  for (const [name, from, where] of [
    ['the team domain by a page of another site', 'cross-site', () => world().team],
    ['an application by a page of another site', 'cross-site', () => world().site],
    ['the team domain by another host of its site', 'same-site', () => world().team],
    ['an application by another host of its site', 'same-site', () => world().site],
  ] as const) {
    test(`at ${name} only asks`, async () => {
      const foreign = { 'sec-fetch-site': from };
      const { browser, tokens } = await out(async (one) => {
        const page = await withoutAccess(world(), () => one.follow(where() + LOGOUT, { headers: foreign }));
        assert.match(page.text, /Sign out of .*\?/);
        assertPage(page);
      });
      assert.equal(await stillWork(tokens), true);
      assert.equal((await world().open(browser)).status, 200);
      const said = await browser.post(world().team + LOGOUT, {}, { 'sec-fetch-site': 'same-origin' });
      assert.match(said.text, /You are signed out/);
      assert.equal(await stillWork(tokens), false);
    });
  }

  test('by a form of another site, with which no cookie comes, does not even take the cookie', async () => {
    const { browser, tokens } = await out(async (one) => {
      const page = await one.post(
        world().team + LOGOUT,
        {},
        { 'sec-fetch-site': 'cross-site', cookie: null },
      );
      assert.match(page.text, /Sign out of .*\?/);
      assert.equal(page.headers['set-cookie'], undefined);
    });
    assert.equal(await stillWork(tokens), true);
    assert.equal((await world().open(browser)).status, 200);
  });

  test('leaves the other sessions of the person alone', async () => {
    const person = world().person();
    const [here, there] = [await world().signedIn(person), await world().signedIn(person)];
    await here.get(world().team + LOGOUT);
    assert.equal((await world().open(here)).status, 302);
    assert.equal((await world().open(there)).status, 200);
  });

  test('is written down, and a second time there is nothing to write', async () => {
    const { browser } = await out((one) => one.get(world().team + LOGOUT));
    await withoutAccess(world(), () => browser.get(world().team + LOGOUT));
    const { body } = await world().app.api('GET', `/accounts/${world().account_id}/audit_logs`);
    assert.equal(body.result[0].action.type, 'user.sign_out');
  });
});

test('over https every cookie is Secure, and those that tie a sign-in to a browser are its host’s alone', async () => {
  const [kind] = databases;
  assert.ok(kind);
  await using world = await startGated(await kind.create(), ['--public-url=https://api.example.com']);
  const { host } = new URL(world.team);
  const asked = await world.ask([
    ['x-forwarded-method', 'GET'],
    ['x-forwarded-proto', 'https'],
    ['x-forwarded-host', new URL(world.site).host],
    ['x-forwarded-uri', '/'],
    ['accept', 'text/html'],
  ]);
  assert.equal(asked.status, 302);
  assert.equal(new URL(asked.headers.get('location') ?? '').origin, `https://${host}`);
  assert.match(
    asked.headers.get('set-cookie') ?? '',
    /^__Host-CF_AppSession=[\w-]{43}; Path=\/; Max-Age=86400; SameSite=Lax; HttpOnly; Secure$/,
  );
  const planted = await exchange(
    world.app.port,
    toBytes({ target: LOGIN, headers: [['cookie', `CF_Session=${'a'.repeat(43)}`]] }, host),
  );
  assert.equal(planted.status, 302);
  assert.match(
    planted.headers.get('set-cookie') ?? '',
    /^__Host-CF_Session=(?!a{43})[\w-]{43}; Path=\/; Max-Age=14400; SameSite=Lax; HttpOnly; Secure$/,
  );
  assert.equal(planted.headers.get('strict-transport-security'), 'max-age=31536000');
});

function tokenOn(browser: Browser, origin: string): string {
  const cookie = browser.jar.cookiesFor(new URL(origin)).find(isSession);
  return cookie?.value ?? assert.fail(`no token on ${origin}`);
}

function isSession({ name }: { name: string }): boolean {
  return name === 'CF_Authorization';
}

function linksIn(html: string): string[] {
  const links = [...html.matchAll(/<a class="act" href="([^"]+)">/g)].map(([, link = '']) => link);
  return links.map((link) => link.replaceAll('&#38;', '&'));
}
