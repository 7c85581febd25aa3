import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY, MINUTE } from '../../src/kernel/clock.ts';
import type { Browser, Page } from '../support/browser.ts';
import { AUTHORIZED, type Gated, gatedOnBothDatabases } from '../support/gated.ts';
import { type Person, signIn } from '../support/openid-provider.ts';
import { assertRefused, cookieNames, later, withoutAccess } from '../support/sign-in-steps.ts';

/** Ways to say "there" that a browser, a parser or a filter might take for somewhere else. */
const ADDRESSES = [
  '//evil.example',
  '///evil.example',
  '/\\evil.example',
  '\\\\evil.example',
  '/\t/evil.example',
  '/\n/evil.example',
  '/..//evil.example',
  '/.//evil.example',
  '/%2f%2fevil.example',
  '/%5cevil.example',
  '/%0d%0aset-cookie:%20CF_Authorization=x',
  '/\r\nset-cookie: CF_Authorization=x',
  'https://evil.example',
  'https:evil.example',
  'http:evil.example',
  'http:\\\\evil.example',
  'HTTP://evil.example/',
  'javascript:alert(1)',
  'data:text/html,x',
  '@evil.example',
  '.evil.example',
  ':80@evil.example',
  ' //evil.example',
  '\u0000//evil.example',
  '//evil。example',
  'evil.example',
  '?next=//evil.example',
  '#//evil.example',
  '',
] as const;

gatedOnBothDatabases('the way to an application', (world) => {
  test('never leads to another place than the one it was asked from', async () => {
    const browser = await signedInToTeam(world(), world().person());
    const login = await loginFor(world(), browser);
    const addresses = [...ADDRESSES, `${world().site}@evil.example`, `${world().site}.evil.example/`];
    for (const address of addresses) {
      login.searchParams.set('redirect_url', address);
      const page = await browser.get(login);
      if (page.status === 302) {
        assert.equal(page.location?.origin, world().site, address);
        const back = await browser.get(page.location ?? '');
        assert.equal(back.status, 302, address);
        assert.ok(String(back.headers.location).startsWith(`${world().site}/`), address);
        assert.deepEqual(back.headers['set-cookie']?.length, 1, address);
      } else {
        assertRefused(world(), page, 'destination_unknown');
      }
    }
  });

  test('leads to no host that is not the application’s', async () => {
    const browser = await signedInToTeam(world(), world().person());
    const { host, port } = new URL(world().site);
    const hosts = [
      'evil.example',
      `${host}.evil.example`,
      `evil.example%2f${host}`,
      `${host}%2f..%2fevil`,
      `${host}@evil.example`,
      `evil.example%23${host}`,
      `app.localhost:${Number(port) + 1}`,
      'app.localhost:99999',
      'app.localhost',
      host.toUpperCase(),
      `${host}.`,
      new URL(world().team).host,
      '%00',
    ];
    for (const name of hosts) {
      const login = await loginFor(world(), browser);
      login.pathname = `/cdn-cgi/access/login/${name}`;
      const page = await withoutAccess(world(), () => browser.get(login));
      assertRefused(world(), page, 'destination_unknown');
    }
  });

  for (const [name, change] of [
    ['of an unknown application', { kid: 'f'.repeat(64) }],
    ['of no application', { kid: '' }],
    ['of two applications', { kid: undefined }],
    ['without the mark of the browser', { nonce: '' }],
    ['with a mark of another form', { nonce: 'x'.repeat(64) }],
    ['with two ways back', { redirect_url: undefined }],
  ] as const) {
    test(`is refused ${name}`, async () => {
      const browser = await signedInToTeam(world(), world().person());
      const login = await loginFor(world(), browser, change);
      assertRefused(world(), await withoutAccess(world(), () => browser.get(login)), 'destination_unknown');
    });
  }

  test('is refused for another application than the host’s', async () => {
    const browser = await signedInToTeam(world(), world().person());
    const other = await world().createApplication(`other.localhost:${new URL(world().site).port}`);
    const login = await loginFor(world(), browser, { kid: other.aud });
    assertRefused(world(), await withoutAccess(world(), () => browser.get(login)), 'destination_unknown');
  });

  test('is refused by its policy, which is noted for the person', async () => {
    const person = world().person();
    const deny = { name: 'Nobody', decision: 'deny', include: [{ everyone: {} }] };
    const closed = await world().createApplication(`closed.localhost:${new URL(world().site).port}`, {
      policies: [deny],
    });
    const browser = await signedInToTeam(world(), person);
    const page = await withoutAccess(world(), () => browser.follow(closed.site));
    assertRefused(world(), page, 'policy_deny');
    assert.match(page.text, /Access denied/);
    const { id } = await world().user(person);
    const { account_id, providerId, sdk } = world();
    const failed = await sdk.zeroTrust.access.users.failedLogins.list(id, { account_id });
    const [{ metadata } = assert.fail()] = failed.result;
    const { reason, provider_id, application_id } = metadata as Record<string, unknown>;
    assert.deepEqual(
      { reason, provider_id, application_id },
      { reason: 'policy_deny', provider_id: providerId, application_id: closed.id },
    );
  });
});

gatedOnBothDatabases('a one-time code', (world) => {
  test('works once', async () => {
    const { browser, link } = await codeFor(world(), world().person());
    assert.equal((await browser.get(link)).status, 302);
    browser.jar.store(new URL(world().site), ['CF_Authorization=; Max-Age=0; Path=/']);
    assertRefused(world(), await withoutAccess(world(), () => browser.get(link)), 'hand_off_invalid');
    assert.equal(cookieNames(browser).filter((name) => name === 'CF_Authorization').length, 1);
  });

  test('works for a minute', async () => {
    const { browser, link } = await codeFor(world(), world().person());
    const page = await withoutAccess(world(), () => later(world(), MINUTE, () => browser.get(link)));
    assertRefused(world(), page, 'hand_off_invalid');
  });

  test('works in the browser it was made for, and there it still does after another tried', async () => {
    const { browser, link } = await codeFor(world(), world().person());
    const mallory = world().browser();
    assertRefused(world(), await withoutAccess(world(), () => mallory.get(link)), 'hand_off_invalid');
    await world().open(mallory);
    assertRefused(world(), await withoutAccess(world(), () => mallory.get(link)), 'hand_off_invalid');
    assert.equal((await browser.get(link)).status, 302);
  });

  test('works on the host it was made for, and there it still does after another tried', async () => {
    const { browser, link } = await codeFor(world(), world().person());
    const other = await world().createApplication(`second.localhost:${new URL(world().site).port}`);
    const cookie = browser.jar.header(link);
    const elsewhere = new URL(`${other.site}${link.pathname}${link.search}`);
    const page = await withoutAccess(world(), () => browser.get(elsewhere, { cookie }));
    assertRefused(world(), page, 'hand_off_invalid');
    assert.equal((await browser.get(link)).status, 302);
  });

  for (const [name, query] of [
    ['missing', ''],
    ['empty', '?code='],
    ['unknown', `?code=${'a'.repeat(43)}`],
    ['two', '?code=a&code=b'],
  ]) {
    test(`is refused when it is ${name}`, async () => {
      const browser = world().browser();
      await world().open(browser);
      const page = await withoutAccess(world(), () => browser.get(`${world().site}${AUTHORIZED}${query}`));
      assertRefused(world(), page, 'hand_off_invalid');
    });
  }

  for (const [name, end] of Object.entries<(world: Gated, person: Person) => Promise<unknown>>({
    'the user is deleted': async ({ sdk, account_id, user }, person) =>
      sdk.zeroTrust.access.users.delete((await user(person)).id, { account_id }),
    'the user is revoked': ({ sdk, account_id }, { email }) =>
      sdk.zeroTrust.organizations.revokeUsers({ account_id, email }),
  })) {
    test(`is worth nothing after ${name}`, async () => {
      const person = world().person();
      const { browser, link } = await codeFor(world(), person);
      await end(world(), person);
      const page = await withoutAccess(world(), () => browser.get(link));
      assert.ok(page.status === 403 && page.headers['set-cookie'] === undefined);
      assert.equal((await world().open(browser)).status, 302);
    });
  }

  test('is worth nothing after the person has signed out', async () => {
    const { browser, link } = await codeFor(world(), world().person());
    assert.match((await browser.get(`${world().team}/cdn-cgi/access/logout`)).text, /signed out/);
    const page = await withoutAccess(world(), () => browser.get(link));
    assertRefused(world(), page, 'hand_off_invalid');
  });

  test('is worth nothing after its application is deleted', async () => {
    const { account_id, sdk } = world();
    const gone = await world().createApplication(`gone.localhost:${new URL(world().site).port}`);
    const { browser, link } = await codeFor(world(), world().person(), gone.site);
    await sdk.zeroTrust.access.applications.delete(gone.id, { account_id });
    const page = await withoutAccess(world(), () => browser.get(link));
    assert.equal(page.status, 403);
    assert.equal(page.headers['set-cookie'], undefined);
  });
});

gatedOnBothDatabases('an application token', (world) => {
  const flagsOf = (page: Page) => {
    const [, ...flags] = (page.headers['set-cookie']?.[0] ?? '').split('; ');
    return flags.filter((flag) => !flag.startsWith('Max-Age=')).sort();
  };

  for (const [name, settings, flags] of [
    ['out of reach of scripts, for visits from elsewhere', {}, ['HttpOnly', 'Path=/', 'SameSite=Lax']],
    [
      'as the administrator wishes',
      { http_only_cookie_attribute: false, same_site_cookie_attribute: 'strict' },
      ['Path=/', 'SameSite=Strict'],
    ],
    [
      'for every visit, if so wished',
      { same_site_cookie_attribute: 'none' },
      ['HttpOnly', 'Path=/', 'SameSite=None'],
    ],
  ] as const) {
    test(`is kept ${name}`, async () => {
      const domain = `flags-${flags.length}-${flags.at(-1)?.slice(9).toLowerCase()}.localhost`;
      const application = await world().createApplication(
        `${domain}:${new URL(world().site).port}`,
        settings,
      );
      const { browser, link } = await codeFor(world(), world().person(), application.site);
      assert.deepEqual(flagsOf(await browser.get(link)), [...flags]);
    });
  }

  test('lasts as long as the policy says, and never longer than the session', async () => {
    const allow = {
      name: 'Everyone',
      decision: 'allow',
      include: [{ everyone: {} }],
      session_duration: '30m',
    };
    const { port } = new URL(world().site);
    const short = await world().createApplication(`short.localhost:${port}`, { policies: [allow] });
    const { browser, link } = await codeFor(world(), world().person(), short.site);
    const age = Number(/Max-Age=(\d+)/.exec((await browser.get(link)).headers['set-cookie']?.[0] ?? '')?.[1]);
    assert.ok(age > 1800 - 30 && age <= 1800, `${age}`);
    assert.equal((await browser.get(short.site)).status, 200);
    await later(world(), 30 * MINUTE, async () => {
      assert.equal((await browser.get(short.site)).status, 302);
      assert.equal((await browser.follow(short.site)).status, 200, 'the session goes on and gives a new one');
    });
    const until = ({ origin }: URL) => origin === world().provider.issuer;
    const login = await later(world(), DAY, () => browser.follow(short.site, { until }));
    assert.equal(
      login.location?.searchParams.get('prompt'),
      null,
      'an end by itself asks for no fresh login',
    );
  });

  test('is for one application, also where several share a host', async () => {
    const host = `paths.localhost:${new URL(world().site).port}`;
    const deny = { name: 'Nobody', decision: 'deny', include: [{ everyone: {} }] };
    const [wiki, blog] = [
      await world().createApplication(`${host}/wiki`),
      await world().createApplication(`${host}/blog`),
    ];
    await world().createApplication(`${host}/wiki/closed`, { policies: [deny] });
    const person = world().person();
    const browser = world().browser();
    for (const { site } of [wiki, blog, wiki]) {
      const page = await signIn(browser, `${site}/page`, { login: person.sub });
      assert.equal(page.text, `hello ${person.email}`, site);
    }
    const program = { 'sec-fetch-mode': 'cors' };
    assert.equal((await browser.get(`${blog.site}/page`, program)).status, 401);
    assert.equal((await browser.get(`http://${host}/elsewhere`)).status, 403);
    assert.equal((await browser.follow(`${wiki.site}/closed`)).status, 403);
    assert.equal((await browser.get(`http://${host}/cdn-cgi/access/logout`)).status, 302);
    assert.equal((await browser.get(`${wiki.site}/page`)).status, 302);
  });

  test('through a provider that the application no longer takes is refused, and another is offered', async () => {
    const { sdk, account_id, providerId } = world();
    const domain = `picky.localhost:${new URL(world().site).port}`;
    const picky = await world().createApplication(domain, { allowed_idps: [providerId] });
    const browser = await world().signedIn(world().person(), { site: picky.site });
    const second = await world().createProvider(world().provider);
    const policies = [{ name: 'Everyone', decision: 'allow', include: [{ everyone: {} }] }];
    const asked = { account_id, type: 'self_hosted', domain, policies, allowed_idps: [second] };
    await sdk.zeroTrust.access.applications.update(
      picky.id,
      asked as Parameters<typeof sdk.zeroTrust.access.applications.update>[1],
    );
    assert.equal((await browser.get(picky.site)).location?.origin, world().team);
    const page = await browser.follow(picky.site, {
      until: ({ origin }) => origin === world().provider.issuer,
    });
    assert.ok(page.location, 'the one provider that is left is asked');
    assert.equal((await world().open(browser)).status, 302, 'other applications go on as they were');
    await sdk.zeroTrust.identityProviders.delete(second, { account_id });
  });
});

/** A browser that is signed in at the team domain, and at no application. */
async function signedInToTeam(world: Gated, person: Person): Promise<Browser> {
  const browser = world.browser();
  const page = await signIn(browser, `${world.team}/cdn-cgi/access/login`, { login: person.sub });
  assert.match(page.text, /You are signed in/);
  return browser;
}

/** Where the gate would send the browser to sign in; undefined gives a parameter twice. */
async function loginFor(
  world: Gated,
  browser: Browser,
  change: Readonly<Record<string, string | undefined>> = {},
): Promise<URL> {
  const { location } = await world.open(browser);
  assert.equal(location?.origin, world.team);
  for (const [name, value] of Object.entries(change)) {
    if (value === undefined) location.searchParams.append(name, location.searchParams.get(name) ?? '');
    else location.searchParams.set(name, value);
  }
  return location;
}

/** A browser with a code in hand, and the link with it that was not opened yet. */
async function codeFor(
  world: Gated,
  person: Person,
  site = world.site,
): Promise<{ browser: Browser; link: URL }> {
  const browser = world.browser();
  const until = (next: URL) => next.pathname === AUTHORIZED;
  const page = await signIn(browser, site, { login: person.sub, until });
  assert.equal(page.location?.pathname, AUTHORIZED, page.text);
  return { browser, link: page.location };
}
