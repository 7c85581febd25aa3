import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Browser, Page } from '../support/browser.ts';
import { type Gated, gatedOnBothDatabases, LOGOUT } from '../support/gated.ts';
import { END, endInLauncher, formsOf, nonceOf } from '../support/launcher.ts';
import type { Person } from '../support/openid-provider.ts';
import { signIn } from '../support/openid-provider.ts';
import { assertPage, withoutAccess } from '../support/sign-in-steps.ts';

const SAME = { 'sec-fetch-site': 'same-origin' };
const EVIL = `</b><script>alert(1)</script>"'<img src=x>`;
const SHOWN = '&#60;/b&#62;&#60;script&#62;alert(1)&#60;/script&#62;&#34;&#39;&#60;img src=x&#62;';

gatedOnBothDatabases('the launcher', (world) => {
  const open = (browser: Browser): Promise<Page> => browser.get(`${world().team}/`);
  const host = (name: string) => `${name}.localhost:${new URL(world().site).port}`;

  /** Presses a button with whatever else it says. */
  const press = (browser: Browser, fields: Record<string, string>, headers: Record<string, string | null>) =>
    browser.post(world().team + END, fields, headers);

  const use = async (browser: Browser) => (await world().open(browser)).status === 200;

  test('is nowhere but at the root of a team domain', async () => {
    for (const origin of [world().app.origin, `http://unknown.localhost:${world().app.port}`]) {
      const page = await world().browser().get(`${origin}/`);
      assert.equal(page.status, 404, origin);
    }
    for (const method of ['POST', 'PUT', 'DELETE']) {
      const page = await world().browser().request(`${world().team}/`, { method });
      assert.equal(page.status, 404, method);
    }
  });

  test('sends whoever is not signed in to sign in, and brings them back', async () => {
    const browser = world().browser();
    const first = await open(browser);
    assert.equal(first.location?.href, `${world().team}/cdn-cgi/access/login`);
    assert.equal(first.headers['cache-control'], 'no-store');
    const person = world().person();
    const page = await signIn(browser, `${world().team}/`, { login: person.sub });
    assert.deepEqual([page.status, page.url.pathname], [200, '/']);
    assert.match(page.text, new RegExp(`You are signed in as ${person.email}`));
    assertPage(page);
    const head = await browser.request(`${world().team}/`, { method: 'HEAD' });
    assert.deepEqual([head.status, head.text], [200, '']);
    await browser.get(world().team + LOGOUT);
    assert.equal((await open(browser)).status, 302);
  });

  test('shows the applications that current policies let a person use, and no others', async () => {
    const person = world().person();
    const { sdk, account_id } = world();
    const browser = await world().signedIn(person);
    const only = (email: string) => ({
      policies: [{ name: 'p', decision: 'allow', include: [{ email: { email } }] }],
    });
    const mine = await world().createApplication(`${host('mine')}/deep`, {
      name: EVIL,
      logo_url: 'https://logo.example/a.png?"onerror=x',
      ...only(person.email),
    });
    await world().createApplication(host('theirs'), { name: 'Theirs', ...only('somebody@example.com') });
    await world().createApplication(host('hidden'), { name: 'Hidden', app_launcher_visible: false });
    const other = await world().createProvider(world().provider);
    await world().createApplication(host('foreign'), { name: 'Foreign', allowed_idps: [other] });
    const page = await open(browser);
    assertPage(page);
    assert.equal(page.text.split(SHOWN).length, 2);
    assert.ok(page.text.includes(`href="http://${host('mine')}/deep"`), page.text);
    assert.match(String(page.headers['content-security-policy']), /; img-src https:\/\/logo\.example;/);
    assert.doesNotMatch(page.text, /Theirs|Hidden|Foreign|theirs\.localhost/);
    await sdk.zeroTrust.access.applications.delete(mine.id, { account_id });
    const later = await open(browser);
    assert.ok(!later.text.includes(SHOWN), 'gone at once');
    await sdk.zeroTrust.identityProviders.delete(other, { account_id });
  });

  test('lists the sessions of the person alone, and marks this one', async () => {
    const [person, somebody] = [world().person(), world().person()];
    const here = await world().signedIn(person);
    const there = await world().signedIn(person);
    const stranger = await world().signedIn(somebody);
    const page = await open(here);
    const [mine, other, foreign] = await Promise.all([here, there, stranger].map(nonce));
    assert.deepEqual(new Set(formsOf(page).sessions), new Set([mine, other]));
    assert.ok(!page.text.includes(foreign ?? ''));
    const items = page.text.split('<li><div>').slice(1);
    assert.equal(items.length, 2);
    for (const item of items) {
      assert.equal(item.includes('This browser'), item.includes(`value="${mine}"`));
      assert.match(item, /from 127\.0\.0\.1 · with Provider \d+ · used for app\.localhost:\d+/);
    }
  });

  const nonce = (browser: Browser): Promise<string> => nonceOf(world(), browser);

  test('ends nothing for a form that did not come from its own page', async () => {
    const person = world().person();
    const browser = await world().signedIn(person);
    const other = await world().signedIn(person);
    const stranger = await world().signedIn(world().person());
    const session = await nonce(other);
    const { token } = formsOf(await open(browser));
    const { token: ofOther } = formsOf(await open(other));
    const { token: ofStranger } = formsOf(await open(stranger));
    const origin = { origin: world().team };
    const wrong: [string, Record<string, string>, Record<string, string | null>][] = [
      ['without its secret', { session }, SAME],
      ['with an empty one', { session, token: '' }, SAME],
      ['with one made up', { session, token: 'A'.repeat(token.length) }, SAME],
      ['with that of another session', { session, token: ofOther }, SAME],
      ['with that of somebody else', { session, token: ofStranger }, SAME],
      ['from another site', { session, token }, { ...origin, 'sec-fetch-site': 'cross-site' }],
      ['from another host of the site', { session, token }, { ...origin, 'sec-fetch-site': 'same-site' }],
      ['from nowhere', { session, token }, { ...origin, 'sec-fetch-site': 'none' }],
      ['from a foreign origin', { session, token }, { origin: 'http://evil.example' }],
      ['from a hidden origin', { session, token }, { origin: 'null' }],
      ['that does not say', { session, token }, { origin: null }],
    ];
    for (const [what, fields, headers] of wrong) {
      const page = await withoutAccess(world(), () => press(browser, fields, headers));
      assert.equal(page.status, 403, what);
      assertPage(page);
    }
    const twice = new URLSearchParams({ session, token });
    twice.append('token', token);
    const page = await browser.request(world().team + END, {
      method: 'POST',
      body: String(twice),
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...SAME },
    });
    assert.equal(page.status, 403);
    const signedOut = await press(world().browser(), { session, token }, SAME);
    assert.deepEqual([signedOut.status, signedOut.location?.pathname], [303, '/']);
    for (const one of [browser, other, stranger]) assert.equal(await use(one), true);
  });

  test('ends no session of somebody else, and none that is not there', async () => {
    const browser = await world().signedIn(world().person());
    const stranger = await world().signedIn(world().person());
    const { token } = formsOf(await open(browser));
    for (const session of [await nonce(stranger), 'A'.repeat(16), '', "x' or 1=1"]) {
      const page = await withoutAccess(world(), () => press(browser, { session, token }, SAME));
      assert.equal(page.status, 404, session);
      assertPage(page);
    }
    for (const one of [browser, stranger]) assert.equal(await use(one), true);
  });

  test('ends one session, in force when it answers, and leaves the others', async () => {
    const person = world().person();
    const [here, there] = [await world().signedIn(person), await world().signedIn(person)];
    const page = await endInLauncher(world(), here, await nonce(there));
    assert.deepEqual([page.status, page.location?.pathname], [303, '/']);
    assert.deepEqual([await use(here), await use(there)], [true, false]);
    assert.equal((await open(there)).status, 302);
    assert.deepEqual(formsOf(await open(here)).sessions, [await nonce(here)]);
    const { body } = await world().app.api('GET', `/accounts/${world().account_id}/audit_logs`);
    assert.equal(body.result[0].action.type, 'user.sign_out');
  });

  test('signs out of this browser where its own session ends', async () => {
    const browser = await world().signedIn(world().person());
    const page = await endInLauncher(world(), browser, 'this');
    assert.match(page.text, /You are signed out/);
    assertPage(page);
    assert.equal(await use(browser), false);
    assert.equal((await open(browser)).status, 302);
  });

  test('ends all sessions of the person, and nobody else’s', async () => {
    const person = world().person();
    const browsers = [await world().signedIn(person), await world().signedIn(person)];
    const stranger = await world().signedIn(world().person());
    const page = await endInLauncher(world(), browsers[0] ?? assert.fail(), 'all');
    assert.match(page.text, /You are signed out/);
    for (const browser of browsers) assert.equal(await use(browser), false);
    assert.equal(await use(stranger), true);
    const { body } = await world().app.api('GET', `/accounts/${world().account_id}/audit_logs`);
    assert.equal(body.result[0].action.type, 'user.sign_out_everywhere');
    await signsInAgain(world(), person);
  });

  test('cannot be used by a session that has ended meanwhile', async () => {
    const person = world().person();
    const [here, there] = [await world().signedIn(person), await world().signedIn(person)];
    const { token } = formsOf(await open(here));
    const session = await nonce(there);
    await endInLauncher(world(), there, await nonce(here));
    const page = await press(here, { session, token }, SAME);
    assert.deepEqual([page.status, page.location?.pathname], [303, '/']);
    assert.equal(await use(there), true);
  });

  async function signsInAgain(gated: Gated, person: Person): Promise<void> {
    assert.equal(await use(await gated.signedIn(person)), true);
  }
});
