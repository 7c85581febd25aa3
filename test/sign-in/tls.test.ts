import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Browser } from '../support/browser.ts';
import { askOver, openSession } from '../support/http2.ts';
import { signIn } from '../support/openid-provider.ts';
import { startTlsWorld, type TlsWorld } from '../support/tls-world.ts';

/* Sign-in where TLS is ours: addresses, cookies and their prefixes. */

describe('sign-in over TLS', () => {
  let world: TlsWorld;
  before(async () => {
    world = await startTlsWorld();
  });
  after(() => world?.[Symbol.asyncDispose]());

  test('leads through https alone, and its cookies are sent nowhere else', async () => {
    const browser = new Browser();
    const page = await signIn(browser, `${world.site}/deep?link=1`, { login: 'ana' });
    assert.deepEqual([page.status, page.text], [200, 'hello ana@example.com']);
    assert.equal(page.url.href, `${world.site}/deep?link=1`);
    const kept = browser.jar.all().filter(({ name }) => /CF_/.test(name));
    const names = kept.map(({ name, host }) => `${name} of ${host}`).sort();
    assert.deepEqual(names, [
      'CF_Authorization of app.localhost',
      'CF_Authorization of team.localhost',
      '__Host-CF_AppSession of app.localhost',
      '__Host-CF_Session of team.localhost',
    ]);
    for (const { name, secure, httpOnly } of kept) assert.deepEqual([secure, httpOnly], [true, true], name);
    const team = await browser.get(`${world.team}/cdn-cgi/access/login`);
    assert.equal(team.headers['strict-transport-security'], 'max-age=31536000');
  });

  test('answers over HTTP/2, where a browser sends its cookies in crumbs', async () => {
    const browser = await signedIn();
    const cookie = browser.jar.cookiesFor(new URL(world.team)).map(({ name, value }) => `${name}=${value}`);
    const session = openSession(world.app.origin);
    const ask = { ':authority': new URL(world.team).host, ':path': '/cdn-cgi/access/get-identity' };
    const identity = await askOver(session, { ...ask, cookie: ['theme=dark', ...cookie, 'a=b'] });
    assert.equal(identity.status, 200, identity.text);
    assert.equal(JSON.parse(identity.text).email, 'ana@example.com');
    // Of two it is not known which was meant, in crumbs as in one piece.
    const twice = cookie.flatMap((crumb) => [crumb, crumb]);
    for (const sent of [twice, [twice.join('; ')]]) {
      const refused = await askOver(session, { ...ask, cookie: sent });
      assert.notEqual(refused.status, 200);
      assert.doesNotMatch(refused.text, /ana@/);
    }
    const other = { ...ask, host: new URL(world.site).host };
    assert.equal((await askOver(session, { ...other, cookie })).status, 400);
    session.close();
  });

  test('a question of a proxy that says http is refused, whatever it comes with', async () => {
    const session = openSession(world.app.origin);
    const browser = await signedIn();
    const cookie = browser.jar.header(new URL(world.site)) ?? '';
    const asks = (proto: string) =>
      askOver(session, {
        ':authority': '127.0.0.1',
        ':path': '/portcullis/forward-auth',
        'x-forwarded-method': 'GET',
        'x-forwarded-proto': proto,
        'x-forwarded-host': new URL(world.site).host,
        'x-forwarded-uri': '/',
        cookie,
      });
    const admitted = await asks('https');
    assert.equal(admitted.status, 200);
    assert.equal(admitted.headers['cf-access-authenticated-user-email'], 'ana@example.com');
    const refused = await asks('http');
    assert.equal(refused.status, 403);
    assert.equal(refused.headers['cf-access-authenticated-user-email'], undefined);
    session.close();
  });

  test('ends with the user', async () => {
    const browser = await signedIn();
    await deleteUsers();
    const next = await browser.get(world.site);
    assert.equal(next.status, 302);
    assert.equal(next.location?.origin, world.team);
  });

  async function signedIn(): Promise<Browser> {
    const browser = new Browser();
    const page = await signIn(browser, world.site, { login: 'ana' });
    assert.deepEqual([page.status, page.text], [200, 'hello ana@example.com']);
    return browser;
  }

  async function deleteUsers(): Promise<void> {
    const { account_id } = world.app.credentials;
    const { users } = world.app.sdk().zeroTrust.access;
    const { result } = await users.list({ account_id });
    assert.equal(result.length, 1);
    for (const { id = '' } of result) await users.delete(id, { account_id });
  }
});
