import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { BrowserContext, Page } from 'playwright-core';
import { startChromium } from '../support/chromium.ts';
import { type Gated, type GatedApplication, startGated } from '../support/gated.ts';
import type { Person } from '../support/openid-provider.ts';
import { databases } from '../support/postgres.ts';

/*
 * A person before a real browser, from the application's address to its page and out again.
 */

const chromium = await startChromium();

describe('in a real browser', { skip: typeof chromium === 'string' && chromium }, () => {
  let world: Gated;
  let wiki: GatedApplication;
  before(async () => {
    const [kind] = databases;
    assert.ok(kind);
    world = await startGated(await kind.create());
    const { sdk, account_id, providerId } = world;
    await sdk.zeroTrust.organizations.update({ account_id, name: 'Example Company' });
    const [first] = [await world.createProvider(world.provider, {}, 'Company login')];
    const second = await world.createProvider(world.provider, {}, 'Partner login');
    wiki = await world.createApplication(`wiki.localhost:${new URL(world.site).port}`, {
      name: 'Team wiki',
      allowed_idps: [first, second],
    });
    await sdk.zeroTrust.identityProviders.delete(providerId, { account_id });
  });
  after(async () => {
    if (typeof chromium !== 'string') await chromium.close();
    await world?.[Symbol.asyncDispose]();
  });

  test('a person signs in, uses the application, is deleted, and the very next navigation ends at sign-in', async () => {
    await using visit = await newVisit();
    const { page, context } = visit;
    const person = newPerson('Ana Pérez');
    await page.goto(`${wiki.site}/start?day=1`);
    await signInAs(page, person);
    assert.equal(page.url(), `${wiki.site}/start?day=1`);
    assert.equal(await page.innerText('body'), `hello ${person.email}`);
    await assertCookies(context);
    assert.equal(await page.evaluate('document.cookie'), '', 'no script can read them');
    assert.equal(await fetchStatus(page), 200);

    await page.goto(`${world.team}/cdn-cgi/access/login`);
    assert.equal(page.url(), `${world.team}/`, 'the launcher');
    await page.getByRole('link', { name: 'Team wiki' }).click();
    assert.equal(page.url(), `${wiki.site}/`);
    await deleteUser(person);
    assert.equal(await fetchStatus(page), 401, 'what the page sends by itself');
    await page.reload();
    assert.equal(new URL(page.url()).origin, world.team);
    assert.match(await page.innerText('h1'), /^Sign in to Example Company$/);
    await page.goBack().catch(() => null);
    assert.doesNotMatch(await page.innerText('body'), /hello/, 'nothing of it is kept');
    await page.goto(wiki.site);
    await page.getByRole('link', { name: 'Company login' }).click();
    assert.match(await page.innerText('h1'), /Who are you/, 'the provider asks again');
    assert.deepEqual(visit.complaints, []);
  });

  test('a person whom the policy no longer allows is told so, and can sign out', async () => {
    await using visit = await newVisit();
    const { page, context } = visit;
    const person = newPerson('Ben Abara');
    await page.goto(wiki.site);
    await signInAs(page, person);
    const undo = await denyInPolicy(person);
    assert.equal((await page.reload())?.status(), 403);
    assert.equal(await page.innerText('h1'), 'Access denied');
    await page.getByRole('link', { name: 'Sign in as somebody else' }).click();
    assert.match(await page.innerText('h1'), /^You are signed out of Example Company$/);
    assert.equal(
      (await context.cookies()).some(({ name }) => name === 'CF_Authorization'),
      false,
    );
    await undo();
    await page.goto(wiki.site);
    assert.match(await page.innerText('h1'), /^Sign in/);
    assert.deepEqual(visit.complaints, []);
  });

  test('every page does its work without a script', async () => {
    await using visit = await newVisit({ javaScriptEnabled: false });
    const { page } = visit;
    const person = newPerson('Cleo');
    await page.goto(wiki.site);
    await signInAs(page, person);
    assert.equal(await page.innerText('body'), `hello ${person.email}`);
    await page.goto(`${world.team}/cdn-cgi/access/login`);
    await page.getByRole('button', { name: 'Sign out' }).click();
    assert.match(await page.innerText('h1'), /signed out/);
    await page.goto(wiki.site);
    assert.match(await page.innerText('h1'), /^Sign in/);
    await page.getByRole('link', { name: 'Sign in with Company login' }).click();
    assert.equal(await page.innerText('body'), `hello ${person.email}`);
    await page.goto(world.team);
    await page.getByRole('button', { name: /^End the session of/ }).click();
    assert.match(await page.innerText('h1'), /signed out/);
    await page.goto(wiki.site);
    assert.match(await page.innerText('h1'), /^Sign in/);
    assert.deepEqual(visit.complaints, []);
  });

  test('an application whose cookie is for its own site alone can be signed in to', async () => {
    await using visit = await newVisit();
    const { page } = visit;
    const person = newPerson('Emil');
    const domain = `strict.localhost:${new URL(world.site).port}`;
    const strict = await world.createApplication(domain, { same_site_cookie_attribute: 'strict' });
    await page.goto(`${strict.site}/deep?link=1`);
    await signInAs(page, person);
    await page.waitForURL(`${strict.site}/deep?link=1`);
    assert.equal(await page.innerText('body'), `hello ${person.email}`);
    assert.deepEqual(visit.complaints, []);
  });

  test('a link on a page of another site signs nobody out unasked', async () => {
    await using visit = await newVisit();
    const { page } = visit;
    const person = newPerson('Dora');
    await page.goto(wiki.site);
    await signInAs(page, person);
    for (const origin of [world.team, wiki.site]) {
      const target = `${origin}/cdn-cgi/access/logout`;
      await page.goto('http://evil.localhost:1/').catch(() => null);
      await page.route('http://evil.localhost:1/', (route) =>
        route.fulfill({
          contentType: 'text/html',
          body: `<img src="${target}"><a href="${target}">a prize</a><form method="post" action="${target}"><button>more</button></form>`,
        }),
      );
      for (const bait of ['link', 'button'] as const) {
        await page.goto('http://evil.localhost:1/');
        await page.getByRole(bait).click();
        if (bait === 'link')
          assert.match(await page.innerText('h1'), /^Sign out of Example Company\?$/, target);
        await page.goto(wiki.site);
        assert.equal(await page.innerText('body'), `hello ${person.email}`, `${bait} to ${target}`);
      }
    }
  });

  const browser = () => (typeof chromium === 'string' ? assert.fail(chromium) : chromium);

  /** A browser with nothing in it, and what its console complains of. */
  async function newVisit(options: { javaScriptEnabled?: boolean } = {}) {
    const context = await browser().newContext({ viewport: { width: 640, height: 400 }, ...options });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('console', (message) => {
      const expected = /the server responded with a status of (?:401|403|404)/.test(message.text());
      if (['error', 'warning'].includes(message.type()) && !expected) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    return { page, context, complaints, [Symbol.asyncDispose]: () => context.close() };
  }

  function newPerson(name: string): Person {
    const sub = name.split(' ')[0]?.toLowerCase() ?? name;
    return world.person({ sub, name, email: `${sub}@example.com` });
  }

  async function signInAs(page: Page, { name = '' }: Person): Promise<void> {
    await page.getByRole('link', { name: 'Sign in with Company login' }).click();
    assert.equal(new URL(page.url()).origin, world.provider.issuer);
    await page.getByRole('button', { name }).click();
  }

  async function assertCookies(context: BrowserContext): Promise<void> {
    const kept = (await context.cookies()).filter(({ name }) => name.startsWith('CF_'));
    const shown = kept.map(({ name, domain, path, httpOnly, secure, sameSite }) => ({
      cookie: `${name} of ${domain}${path}`,
      flags: { httpOnly, secure, sameSite },
    }));
    const flags = { httpOnly: true, secure: false, sameSite: 'Lax' };
    assert.deepEqual(
      shown.sort((one, other) => (one.cookie < other.cookie ? -1 : 1)),
      [
        { cookie: 'CF_AppSession of wiki.localhost/', flags },
        { cookie: 'CF_Authorization of team.localhost/', flags },
        { cookie: 'CF_Authorization of wiki.localhost/', flags },
        { cookie: 'CF_Session of team.localhost/', flags },
      ],
    );
    for (const { name, expires } of kept) assert.ok(expires > world.app.clock.now() / 1000, name);
  }

  /** What a script of the application gets for its own address. */
  async function fetchStatus(page: Page): Promise<number> {
    return await page.evaluate<number>(`fetch('/data', { redirect: 'manual' }).then(({ status }) => status)`);
  }

  async function deleteUser(person: Person): Promise<void> {
    const { id } = await world.user(person);
    await world.sdk.zeroTrust.access.users.delete(id, { account_id: world.account_id });
  }

  async function denyInPolicy({ email }: Person): Promise<() => Promise<unknown>> {
    const { account_id } = world;
    const policies = world.sdk.zeroTrust.access.applications.policies;
    const deny = { account_id, name: 'Not them', decision: 'deny', include: [{ email: { email } }] };
    const { id = '' } = await policies.create(wiki.id, deny as Parameters<typeof policies.create>[1]);
    return () => policies.delete(id, { account_id, app_id: wiki.id });
  }
});
