import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { BrowserContext, Page } from 'playwright-core';
import { startChromium } from '../support/chromium.ts';
import { notThe, type PinWorld, startPins } from '../support/pin-world.ts';
import { databases } from '../support/postgres.ts';
import { codeIn } from '../support/smtp.ts';

/* A person before a real browser who signs in with a code from a mail. */

const chromium = await startChromium();

describe('a code by mail in a real browser', { skip: typeof chromium === 'string' && chromium }, () => {
  let pins: PinWorld;
  before(async () => {
    pins = await startPins(await (databases[0] ?? assert.fail()).create());
    const { sdk, account_id } = pins.world;
    await sdk.zeroTrust.organizations.update({ account_id, name: 'Example Company' });
  });
  after(async () => {
    if (typeof chromium !== 'string') await chromium.close();
    await pins?.[Symbol.asyncDispose]();
  });

  for (const [how, options] of [
    ['on a wide screen', { viewport: { width: 1280, height: 800 } }],
    ['on a phone, without scripts', { viewport: { width: 320, height: 640 }, javaScriptEnabled: false }],
  ] as const) {
    test(`is asked for, mistyped, asked for again and entered ${how}`, async () => {
      await using visit = await newVisit(options);
      const { page } = visit;
      const email = `${how.replaceAll(/\W+/g, '.')}@example.com`;
      await page.goto(`${pins.application.site}/start?day=1`);
      await choosePin(page);
      assert.equal(await page.innerText('h1'), 'Sign in to Example Company');
      await assertFits(page);
      await page.getByLabel('Your e-mail address').fill(email);
      await page.getByRole('button', { name: 'Send me a code' }).click();
      assert.equal(await page.innerText('h1'), 'Enter your code');
      await assertFits(page);
      const first = codeIn(await pins.sink.mail(0, email));
      await page.getByLabel('Code from the mail').fill(notThe(first));
      await page.getByRole('button', { name: 'Sign in', exact: true }).click();
      assert.match(await page.getByRole('alert').innerText(), /You have 4 tries left/);
      const code = page.getByLabel('Code from the mail');
      assert.equal(
        await code.getAttribute('aria-describedby'),
        await page.getByRole('alert').getAttribute('id'),
      );
      await assertFits(page);
      await page.getByRole('button', { name: 'Send a new code' }).click();
      const second = codeIn(await pins.sink.mail(1, email));
      await page.getByLabel('Code from the mail').fill(second);
      await page.keyboard.press('Enter');
      await page.waitForURL(`${pins.application.site}/start?day=1`);
      assert.equal(await page.innerText('body'), `hello ${email}`);
      assert.deepEqual(visit.complaints, []);
    });
  }

  test('goes to another address, if the first was the wrong one', async () => {
    await using visit = await newVisit({});
    const { page } = visit;
    await page.goto(pins.application.site);
    await choosePin(page);
    await page.getByLabel('Your e-mail address').fill('mistyped@example.com');
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'Use another address' }).click();
    await page.getByLabel('Your e-mail address').fill('right@example.com');
    await page.keyboard.press('Enter');
    await page.getByLabel('Code from the mail').fill(codeIn(await pins.sink.mail(0, 'right@example.com')));
    await page.keyboard.press('Enter');
    await page.waitForURL(`${pins.application.site}/`);
    assert.equal(await page.innerText('body'), 'hello right@example.com');
    assert.deepEqual(visit.complaints, []);
  });

  /** With one provider the choice may be passed over. */
  async function choosePin(page: Page): Promise<void> {
    const choice = page.getByRole('link', { name: 'Sign in with A code by mail' });
    if ((await choice.count()) > 0) await choice.click();
  }

  /** Nothing of the page lies beside the screen. */
  async function assertFits(page: Page): Promise<void> {
    const boxes = await page.locator('main, input:not([type=hidden]), button, a').all();
    const width = page.viewportSize()?.width ?? 0;
    for (const one of boxes) {
      const box = await one.boundingBox();
      assert.ok(box && box.x >= 0 && box.x + box.width <= width, JSON.stringify(box));
    }
  }

  async function newVisit(options: Parameters<Exclude<typeof chromium, string>['newContext']>[0]) {
    assert.ok(typeof chromium !== 'string');
    const context: BrowserContext = await chromium.newContext(options);
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('console', (message) => {
      const expected = /the server responded with a status of (?:401|403|404)/.test(message.text());
      if (['error', 'warning'].includes(message.type()) && !expected) complaints.push(message.text());
    });
    return { page, complaints, [Symbol.asyncDispose]: () => context.close() };
  }
});
