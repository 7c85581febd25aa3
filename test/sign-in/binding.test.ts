import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import type { Reason } from '../../src/gate/decide.ts';
import { HOUR } from '../../src/kernel/clock.ts';
import { sha256 } from '../../src/kernel/crypto.ts';
import type { Browser } from '../support/browser.ts';
import { openForge, tokenIn } from '../support/forge.ts';
import { about, ask, type HeaderLine, PROGRAM } from '../support/gate-questions.ts';
import {
  AUTHORIZED,
  type Gated,
  type GatedApplication,
  gatedOnBothDatabases,
  LOGOUT,
} from '../support/gated.ts';
import { signIn } from '../support/openid-provider.ts';

/* CF_Binding: a token that was taken from a browser without its other cookie is worth nothing (reference §5). */

let made = 0;

async function boundApplication(world: Gated, more: object = {}): Promise<GatedApplication> {
  made += 1;
  const domain = `bound-${made}.localhost:${new URL(world.site).port}`;
  return await world.createApplication(domain, { enable_binding_cookie: true, ...more });
}

function cookieIn(browser: Browser, { site }: GatedApplication, name: string): string {
  const cookie = browser.jar.cookiesFor(new URL(site)).find((one) => one.name === name);
  return cookie?.value ?? assert.fail(`no ${name}`);
}

async function begin(world: Gated) {
  const application = await boundApplication(world);
  const browser = await world.signedIn(world.person(), { site: application.site });
  const token = tokenIn(browser, application.site);
  const binding = cookieIn(browser, application, 'CF_Binding');
  const asks = async (...cookies: string[]) => {
    const lines: HeaderLine[] = cookies.length > 0 ? [['cookie', cookies.join('; ')]] : [];
    return await ask(world, [...about(world, '/', new URL(application.site).host), ...PROGRAM, ...lines]);
  };
  return { application, browser, token, binding, asks };
}

gatedOnBothDatabases('a token that is bound to its browser', (world) => {
  test('comes with a cookie of its own, whose hash it carries, for as long as the token', async () => {
    const application = await boundApplication(world());
    const browser = world().browser();
    const until = ({ pathname }: URL) => pathname === AUTHORIZED;
    const { location } = await signIn(browser, application.site, { login: world().person().sub, until });
    const page = await browser.get(location ?? assert.fail());
    const [token = '', binding = '', ...more] = page.headers['set-cookie'] ?? [];
    assert.deepEqual(more, []);
    const [, age] =
      /^CF_Binding=[\w-]{43}; Path=\/; Max-Age=(\d+); SameSite=Lax; HttpOnly$/.exec(binding) ?? [];
    assert.ok(token.startsWith('CF_Authorization=ey') && token.includes(`; Max-Age=${age};`), binding);
    const claims = decodeJwt(tokenIn(browser, application.site));
    assert.equal(claims.binding, sha256(cookieIn(browser, application, 'CF_Binding')));
  });

  test('is admitted with that cookie, which the application never sees', async () => {
    const { token, binding, asks } = await begin(world());
    const answer = await asks(`CF_Authorization=${token}`, 'a=1', `CF_Binding=${binding}`);
    assert.deepEqual([answer.status, answer.headers.get('cookie')], [200, 'a=1']);
    assert.doesNotMatch(answer.headers.get('cf-access-jwt-assertion') ?? '', new RegExp(binding));
  });

  test('is worth nothing without it, with another’s, with two, or with its hash', async () => {
    const { token, binding, asks } = await begin(world());
    const other = await begin(world());
    const refused: [string[], Reason][] = [
      [[], 'binding_mismatch'],
      [['CF_Binding='], 'binding_mismatch'],
      [['CF_Binding=x'], 'binding_mismatch'],
      [[`CF_Binding=${binding}x`], 'binding_mismatch'],
      [[`CF_Binding=${sha256(binding)}`], 'binding_mismatch'],
      [[`CF_Binding=${other.binding}`], 'binding_mismatch'],
      [[`CF_Binding=${binding}`, `CF_Binding=${binding}`], 'binding_mismatch'],
      [[`CF_Binding=${binding}`, 'CF_Binding=x'], 'binding_mismatch'],
      [[`cf_binding=${binding}`], 'binding_mismatch'],
    ];
    for (const [cookies, reason] of refused) {
      const answer = await asks(`CF_Authorization=${token}`, ...cookies);
      assert.deepEqual([answer.status, answer.reason], [401, reason], cookies.join('; '));
    }
    assert.equal((await asks(`CF_Binding=${binding}`)).reason, 'no_credential');
    assert.equal((await asks(`CF_Authorization=${token}`, `CF_Binding=${binding}`)).status, 200);
  });

  test('that never was bound is worth nothing once the application asks for it, and the next sign-in is bound', async () => {
    const application = await boundApplication(world(), { enable_binding_cookie: false });
    const browser = await world().signedIn(world().person(), { site: application.site });
    assert.equal(decodeJwt(tokenIn(browser, application.site)).binding, undefined);
    const { sdk, account_id } = world();
    const domain = new URL(application.site).host;
    const put = (enable_binding_cookie: boolean) =>
      sdk.zeroTrust.access.applications.update(application.id, {
        account_id,
        type: 'self_hosted',
        domain,
        enable_binding_cookie,
      });
    await put(true);
    assert.equal((await browser.get(application.site)).status, 302);
    const page = await browser.follow(application.site);
    assert.equal(page.status, 200, 'the session gives a new token');
    assert.equal(
      decodeJwt(tokenIn(browser, application.site)).binding,
      sha256(cookieIn(browser, application, 'CF_Binding')),
    );
    await put(false);
    assert.equal((await browser.get(application.site)).status, 200);
  });

  test('cannot be bound to nothing by what it says itself', async () => {
    const { token, binding, asks } = await begin(world());
    const forge = await openForge(world());
    const claims = decodeJwt(token);
    for (const odd of [undefined, null, '', 0, true, [sha256(binding)], {}, binding]) {
      const forged = forge.sign({ ...claims, binding: odd });
      const answer = await asks(`CF_Authorization=${forged}`, `CF_Binding=${binding}`);
      assert.deepEqual([answer.status, answer.reason], [401, 'binding_mismatch'], JSON.stringify(odd));
      const alone = await asks(`CF_Authorization=${forged}`, 'CF_Binding=');
      assert.deepEqual([alone.status, alone.reason], [401, 'binding_mismatch'], JSON.stringify(odd));
    }
  });

  test('is taken away with its cookie by signing out', async () => {
    const { application, browser, token, binding, asks } = await begin(world());
    const page = await browser.get(application.site + LOGOUT);
    assert.deepEqual(
      page.headers['set-cookie']?.map((cookie) => cookie.split(';')[0]),
      ['CF_Authorization=', 'CF_Binding='],
    );
    const left = browser.jar.cookiesFor(new URL(application.site)).map(({ name }) => name);
    assert.ok(!left.includes('CF_Binding') && !left.includes('CF_Authorization'));
    assert.equal((await asks(`CF_Authorization=${token}`, `CF_Binding=${binding}`)).status, 401);
  });

  test('is renewed as a pair, and of two pairs neither half fits the other', async () => {
    const first = await begin(world());
    const { browser, application, asks } = first;
    browser.jar.store(new URL(application.site), ['CF_Authorization=; Path=/; Max-Age=0']);
    assert.equal((await browser.follow(application.site)).status, 200);
    const token = tokenIn(browser, application.site);
    const binding = cookieIn(browser, application, 'CF_Binding');
    assert.notEqual(binding, first.binding);
    for (const [one, other, status] of [
      [token, binding, 200],
      [first.token, first.binding, 200],
      [token, first.binding, 401],
      [first.token, binding, 401],
    ] as const) {
      assert.equal((await asks(`CF_Authorization=${one}`, `CF_Binding=${other}`)).status, status);
    }
    world().app.clock.advance(25 * HOUR);
    try {
      assert.equal(
        (await asks(`CF_Authorization=${token}`, `CF_Binding=${binding}`)).reason,
        'credential_expired',
      );
    } finally {
      world().app.clock.advance(-25 * HOUR);
    }
  });
});
