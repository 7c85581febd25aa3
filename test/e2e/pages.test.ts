import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { startChromium } from '../support/chromium.ts';
import { DEVICE, deviceInHand } from '../support/device-in-hand.ts';
import type { GatedApplication } from '../support/gated.ts';
import type { Person } from '../support/openid-provider.ts';
import { type PinWorld, startPins } from '../support/pin-world.ts';
import { databases } from '../support/postgres.ts';
import { codeIn } from '../support/smtp.ts';

/*
 * Every page that a person meets, in a real browser: in the light and in the dark, on a desk, on a telephone, and on
 * the narrowest one. With UPDATE_IMAGES=1 the pictures of docs/images are taken on the way.
 */

const chromium = await startChromium();
const UPDATES_IMAGES = process.env.UPDATE_IMAGES === '1';
const MOST_BYTES = 120_000;

const LOGO = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" rx="14" fill="#0f766e"/>
<path d="M14 46V26a18 18 0 0 1 36 0v20M26 46V12M38 46V12M14 30h36" fill="none" stroke="#fff" stroke-width="5" stroke-linecap="round"/></svg>`;

const SIZES = { desk: [1280, 800], phone: [390, 844], narrow: [320, 640] } as const;

describe('every page', { skip: typeof chromium === 'string' && chromium }, () => {
  let pins: PinWorld;
  let logos: Server;
  let wiki: GatedApplication;
  before(async () => {
    const [kind] = databases;
    assert.ok(kind);
    pins = await startPins(await kind.create());
    logos = createServer((_request, response) =>
      response.setHeader('content-type', 'image/svg+xml').end(LOGO),
    );
    await once(logos.listen(0, '127.0.0.1'), 'listening');
    wiki = await furnish();
  });
  after(async () => {
    if (typeof chromium !== 'string') await chromium.close();
    logos?.close();
    await pins?.[Symbol.asyncDispose]();
  });

  const host = (name: string) => `${name}.localhost:${new URL(pins.world.site).port}`;

  async function furnish(): Promise<GatedApplication> {
    const { world, providerId, application } = pins;
    const { sdk, account_id } = world;
    const address = logos.address();
    assert.ok(address !== null && typeof address === 'object');
    const logo = `http://127.0.0.1:${address.port}/logo.svg`;
    await sdk.zeroTrust.organizations.update({
      account_id,
      name: 'Riverside Cooperative',
      login_design: {
        logo_path: logo,
        header_text: 'Members and staff',
        footer_text: 'Trouble signing in? Ask the help desk in room 12.',
        background_color: '',
        text_color: '#0f766e',
      },
    });
    const company = await world.createProvider(world.provider, {}, 'Riverside staff');
    await sdk.zeroTrust.identityProviders.delete(world.providerId, { account_id });
    for (const { id } of [world.application, application])
      await sdk.zeroTrust.access.applications.delete(id, { account_id });
    const allowed_idps = [company, providerId];
    const names = ['Team wiki', 'Member register', 'Room bookings', 'Accounts', 'Harvest planner'];
    const made = [];
    for (const [at, name] of names.entries()) {
      const more = { name, allowed_idps, ...(at === 1 ? { logo_url: logo } : {}) };
      made.push(await world.createApplication(host(`site${at}`), more));
    }
    return made[0] ?? assert.fail();
  }

  /** A visit whose browser must have nothing to complain of: no policy that is broken, no error, no warning. */
  async function newVisit() {
    assert.ok(typeof chromium !== 'string');
    const context = await chromium.newContext();
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('console', (message) => {
      const expected = /the server responded with a status of (?:401|403|404|502)/.test(message.text());
      if (['error', 'warning'].includes(message.type()) && !expected) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    return {
      page,
      [Symbol.asyncDispose]: async () => {
        await context.close();
        assert.deepEqual(complaints, []);
      },
    };
  }

  async function signInAs(page: Page, { name = '' }: Person): Promise<void> {
    await page.getByRole('link', { name: 'Sign in with Riverside staff' }).click();
    await page.getByRole('button', { name }).click();
  }

  function newPerson(sub: string, name: string): Person {
    return pins.world.person({ sub, name, email: `${sub}@riverside.example` });
  }

  /** Looks at the page in every size and scheme; `name` is that of its pictures. */
  async function examine(page: Page, name: string): Promise<void> {
    assert.equal(await page.getAttribute('html', 'lang'), 'en');
    for (const [tag, times] of [
      ['h1', 1],
      ['main', 1],
      ['script', 0],
      ['iframe', 0],
    ] as const) {
      assert.equal(await page.locator(tag).count(), times, `${name}: ${tag}`);
    }
    for (const [size, [width, height]] of Object.entries(SIZES)) {
      await page.setViewportSize({ width, height });
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        const wide = await page.evaluate<number>('document.documentElement.scrollWidth');
        assert.ok(wide <= width, `${name} is ${wide} wide on ${width}`);
        const picture = await page.screenshot({ type: 'png', animations: 'disabled', fullPage: true });
        assert.ok(picture.length > 1000 && picture.length < MOST_BYTES, `${name}: ${picture.length} bytes`);
        const file = `${name}${size === 'desk' ? '' : `-${size}`}-${colorScheme}.png`;
        const path = fileURLToPath(new URL(`../../docs/images/${file}`, import.meta.url));
        if (UPDATES_IMAGES && size !== 'narrow') await writeFile(path, picture);
      }
    }
    await assertFocusIsSeen(page, name);
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.emulateMedia({ colorScheme: 'light' });
  }

  /** Whoever goes by the keyboard sees where they are. */
  async function assertFocusIsSeen(page: Page, name: string): Promise<void> {
    await page.keyboard.press('Tab');
    const focused = `(() => { const at = document.activeElement; return at === document.body ? null : getComputedStyle(at).outlineStyle })()`;
    const outline = await page.evaluate<string | null>(focused);
    assert.notEqual(outline, 'none', name);
  }

  test('of signing in by a provider, and of the launcher', async () => {
    await using visit = await newVisit();
    const { page } = visit;
    const person = newPerson('ana', 'Ana Pérez');
    await page.goto(`${wiki.site}/start`);
    assert.equal(await page.innerText('h1'), 'Sign in to Riverside Cooperative');
    await examine(page, 'choice');
    await signInAs(page, person);
    assert.equal(page.url(), `${wiki.site}/start`);
    await using other = await newVisit();
    await other.page.goto(pins.world.team);
    await signInAs(other.page, person);
    assert.equal(other.page.url(), `${pins.world.team}/`);
    await page.goto(pins.world.team);
    assert.equal(await page.getByRole('button', { name: /^End the session of/ }).count(), 2);
    assert.equal(await page.locator('.tile').count(), 5);
    await examine(page, 'launcher');
    const item = page.locator('.sessions li', { hasNotText: 'This browser' });
    await item.getByRole('button').click();
    assert.equal(page.url(), `${pins.world.team}/`);
    assert.equal(await page.getByRole('button', { name: /^End the session of/ }).count(), 1);
    await other.page.goto(pins.world.team);
    assert.match(await other.page.innerText('h1'), /^Sign in to/);
    await page.getByRole('button', { name: 'End all sessions' }).click();
    assert.match(await page.innerText('h1'), /^You are signed out/);
    await examine(page, 'signed-out');
    await page.getByRole('link', { name: 'Sign in again' }).click();
    assert.match(await page.innerText('h1'), /^Sign in to/);
  });

  test('of signing in by a code', async () => {
    await using visit = await newVisit();
    const { page } = visit;
    const email = 'ben@riverside.example';
    await page.goto(wiki.site);
    await page.getByRole('link', { name: 'Get a code by mail' }).click();
    assert.equal(await page.evaluate('document.activeElement.name'), 'email');
    await examine(page, 'pin-email');
    await page.getByRole('textbox').fill(email);
    await page.getByRole('button').first().click();
    const mail = await pins.sink.mail(0, email);
    assert.equal(await page.evaluate('document.activeElement.name'), 'code');
    await examine(page, 'pin-code');
    await page.getByRole('textbox').fill(codeIn(mail));
    await page.getByRole('button').first().click();
    await page.waitForURL(`${wiki.site}/`);
    assert.equal(await page.innerText('body'), `hello ${email}`);
  });

  test('of being denied, by an application and by the team domain, which look alike', async () => {
    await using visit = await newVisit();
    const { page } = visit;
    const person = newPerson('cleo', 'Cleo Marsh');
    const { world } = pins;
    const policies = [
      { name: 'Board', decision: 'allow', include: [{ email: { email: 'board@riverside.example' } }] },
    ];
    const board = await world.createApplication(host('board'), { name: 'Board papers', policies });
    await page.goto(board.site);
    await signInAs(page, person);
    assert.equal(new URL(page.url()).origin, world.team);
    assert.equal(await page.innerText('h1'), 'Access denied');
    const said = withoutNumber(await page.innerText('body'));
    await examine(page, 'denied');
    await page.goto(wiki.site);
    const { account_id, sdk } = world;
    const deny = { account_id, name: 'No', decision: 'deny', include: [{ email: { email: person.email } }] };
    const of = sdk.zeroTrust.access.applications.policies;
    await of.create(wiki.id, deny as Parameters<typeof of.create>[1]);
    await page.reload();
    assert.equal(new URL(page.url()).origin, wiki.site);
    assert.equal(withoutNumber(await page.innerText('body')), said);
    await page.getByRole('link', { name: 'Sign in as somebody else' }).click();
    assert.match(await page.innerText('h1'), /^You are signed out/);
  });

  test('of enrolling a device', async () => {
    await using visit = await newVisit();
    const { page } = visit;
    const device = deviceInHand(pins.world, 'Ana’s laptop');
    const { user_code, device_code } = await device.begin();
    await page.goto(`${pins.world.team}${DEVICE}`);
    await signInAs(page, newPerson('dana', 'Dana Lindqvist'));
    assert.equal(page.url(), `${pins.world.team}${DEVICE}`);
    assert.equal(await page.evaluate('document.activeElement.name'), 'code');
    await examine(page, 'device-code');
    await page.getByRole('textbox').fill(user_code.toLowerCase());
    await page.getByRole('button', { name: 'Go on' }).click();
    assert.equal(await page.innerText('h1'), 'Enrol Ana’s laptop?');
    assert.ok((await page.innerText('main')).includes(user_code));
    await examine(page, 'device');
    await page.getByRole('button', { name: 'Enrol this device' }).click();
    assert.equal(await page.innerText('h1'), 'The device is enrolled');
    assert.equal((await device.poll(device_code)).status, 200);
    assert.equal((await device.session()).body.email, 'dana@riverside.example');
  });

  test('of a sign-in that went wrong', async () => {
    await using visit = await newVisit();
    const { page } = visit;
    await page.goto(`${pins.world.team}/cdn-cgi/access/callback?state=unknown`);
    assert.equal(await page.innerText('h1'), 'You are not signed in');
    await examine(page, 'error');
  });

  test('of an organization whose colours go badly together can be read', async () => {
    await using visit = await newVisit();
    const { sdk, account_id } = pins.world;
    const login_design = { background_color: '#ffe45c', text_color: '#ffffff' };
    await sdk.zeroTrust.organizations.update({ account_id, login_design });
    await visit.page.goto(`${pins.world.team}/cdn-cgi/access/callback?state=unknown`);
    const of = (property: string) => `getComputedStyle(document.querySelector('header')).${property}`;
    const ground = `getComputedStyle(document.body).backgroundColor`;
    assert.equal(await visit.page.evaluate(ground), 'rgb(255, 228, 92)');
    assert.notEqual(await visit.page.evaluate(of('color')), 'rgb(255, 255, 255)');
  });
});

function withoutNumber(text: string): string {
  return text.replace(/[0-9a-f]{16}/, '');
}
