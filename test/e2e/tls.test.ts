import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startChromium } from '../support/chromium.ts';
import { startTlsWorld, type TlsWorld } from '../support/tls-world.ts';

/* A person before a real browser, where TLS is ours. */

const chromium = await startChromium();

describe('in a real browser over TLS', { skip: typeof chromium === 'string' && chromium }, () => {
  let world: TlsWorld;
  before(async () => {
    world = await startTlsWorld();
  });
  after(async () => {
    if (typeof chromium !== 'string') await chromium.close();
    await world?.[Symbol.asyncDispose]();
  });

  test('a person signs in over HTTP/2 and uses the application until they are deleted', async () => {
    assert.ok(typeof chromium !== 'string');
    // Of this one alone is the certificate not asked for.
    await using context = await chromium.newContext({ ignoreHTTPSErrors: true });
    const page = await context.newPage();
    await page.goto(world.site);
    assert.equal(new URL(page.url()).origin, world.provider.issuer);
    await page.getByRole('button', { name: 'Ana' }).click();
    await page.waitForURL(`${world.site}/`);
    assert.equal(await page.innerText('body'), 'hello ana@example.com');
    const kept = (await context.cookies()).filter(({ name }) => /CF_/.test(name));
    assert.deepEqual(
      kept.map(({ name, domain, secure }) => `${name} of ${domain}${secure ? ', secure' : ''}`).sort(),
      [
        'CF_Authorization of app.localhost, secure',
        'CF_Authorization of team.localhost, secure',
        '__Host-CF_AppSession of app.localhost, secure',
        '__Host-CF_Session of team.localhost, secure',
      ],
    );
    await page.goto(`${world.team}/cdn-cgi/access/login`);
    const protocol = `performance.getEntriesByType('navigation')[0].nextHopProtocol`;
    assert.equal(await page.evaluate(protocol), 'h2');
    const { account_id } = world.app.credentials;
    const { users } = world.app.sdk().zeroTrust.access;
    for (const { id = '' } of (await users.list({ account_id })).result)
      await users.delete(id, { account_id });
    await page.goto(world.site);
    assert.notEqual(new URL(page.url()).origin, world.site, 'it ends at sign-in');
  });
});
