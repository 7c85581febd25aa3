import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startChromium } from '../support/chromium.ts';
import { CALLBACK, type Gated, LOGOUT, startGated } from '../support/gated.ts';
import { registerLogout } from '../support/logout-steps.ts';
import { databases } from '../support/postgres.ts';
import { startSamlProvider } from '../support/saml-provider.ts';
import { addSaml, type SamlWorld } from '../support/saml-steps.ts';

/* A person before a real browser, which keeps Lax cookies to itself when another site posts. */

const chromium = await startChromium();

describe('SAML in a real browser', { skip: typeof chromium === 'string' && chromium }, () => {
  const stack = new AsyncDisposableStack();
  const held: { world?: Gated; set?: SamlWorld } = {};
  before(async () => {
    held.world = stack.use(await startGated(await (databases[0] ?? assert.fail()).create()));
    held.set = await addSaml(held.world, stack.use(await startSamlProvider()));
  });
  after(async () => {
    if (typeof chromium !== 'string') await chromium.close();
    await stack.disposeAsync();
  });

  for (const javaScriptEnabled of [true, false]) {
    test(`signs a person in, ${javaScriptEnabled ? 'by itself' : 'by hand without scripts'}`, async () => {
      const { world, set } = held;
      assert.ok(world && set && typeof chromium !== 'string');
      const context = await chromium.newContext({ javaScriptEnabled });
      const page = await context.newPage();
      const posts: Record<string, string>[] = [];
      page.on('request', async (request) => {
        if (request.method() !== 'POST' || !request.url().endsWith(CALLBACK)) return;
        posts.push(await request.allHeaders());
      });
      const person = set.person();
      await page.goto(`${set.application.site}/start?day=1`);
      await page.getByRole('button', { name: person.name ?? '' }).click();
      if (!javaScriptEnabled) await page.getByRole('button', { name: 'Go on' }).click();
      await page.waitForURL(`${set.application.site}/start?day=1`);
      assert.equal(await page.innerText('body'), `hello ${person.email}`);
      assert.equal(posts.length, 1);
      assert.equal(posts[0]?.cookie, undefined, 'the cookie came along with the POST of another site');
      await context.close();
    });
  }

  test('and a person who signs out here ends the session of an OpenID provider as well', async () => {
    const { world } = held;
    assert.ok(world && typeof chromium !== 'string');
    registerLogout(world);
    const context = await chromium.newContext();
    const page = await context.newPage();
    const person = world.person();
    await page.goto(`${world.team}/cdn-cgi/access/login?idp=${world.providerId}`);
    await page.getByRole('button', { name: person.name ?? '' }).click();
    await page.goto(world.team + LOGOUT);
    await page.getByRole('link', { name: /^Sign out of .* as well$/ }).click();
    assert.equal(new URL(page.url()).origin, world.provider.issuer);
    await page.getByRole('button', { name: /Yes/ }).click();
    await page.waitForURL(`${world.team}${LOGOUT}?state=signed-out`);
    assert.match(await page.innerText('h1'), /^You are signed out/);
    await page.goto(`${world.team}/cdn-cgi/access/login?idp=${world.providerId}`);
    assert.match(await page.innerText('h1'), /Who are you/, 'the provider asks again');
    await context.close();
  });
});
