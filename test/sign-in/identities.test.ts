import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JWTPayload } from 'jose';
import type { Browser } from '../support/browser.ts';
import { clientOf, type Gated, gatedOnBothDatabases } from '../support/gated.ts';
import {
  type Misbehaviour,
  type OpenIdProvider,
  type Person,
  signIn,
  startOpenIdProvider,
} from '../support/openid-provider.ts';
import { assertRefused, signInWith, withoutAccess } from '../support/sign-in-steps.ts';

gatedOnBothDatabases('who a person is', (world) => {
  for (const [name, email] of [
    ['missing', undefined],
    ['empty', ''],
    ['no text', 12],
    ['several', ['a@example.com', 'b@example.com']],
    ['no address', 'ana'],
    ['two addresses', 'a@evil.example@example.com'],
    ['an address with a NUL', 'a\u0000@example.com'],
  ] as const) {
    test(`is not known by an e-mail that is ${name}`, async () => {
      const lie = {
        ...altered({ email }),
        userInfo: ({ email: _, ...claims }: Record<string, unknown>) => claims,
      };
      const page = await refusedFirst(world(), lie);
      assertRefused(world(), page, 'email_missing');
    });
  }

  for (const verified of [false, 'false', 'no', '', 0, null]) {
    test(`is not known by an e-mail that is verified ${JSON.stringify(verified)}`, async () => {
      const page = await refusedFirst(world(), altered({ email_verified: verified }));
      assertRefused(world(), page, 'email_unverified');
    });
  }

  for (const verified of [undefined, true, 'true']) {
    test(`is known by an e-mail that is verified ${JSON.stringify(verified)}`, async () => {
      const person = world().person();
      const walk = { browser: world().browser(), person };
      const page = await signInWith(world(), altered({ email_verified: verified }), walk);
      assert.equal(page.status, 200, page.text);
      await world().user(person);
    });
  }

  test('is the same however the e-mail is spelled', async () => {
    const person = world().person();
    await world().signedIn(person);
    const walk = { browser: world().browser(), person };
    const spelled = altered({ email: person.email.toUpperCase() });
    assert.equal((await signInWith(world(), spelled, walk)).status, 200);
    const { account_id } = world();
    const page = await world().sdk.zeroTrust.access.users.list({ account_id, search: person.sub });
    const same = page.result.filter(({ email }) => email?.toLowerCase() === person.email);
    assert.equal(same.length, 1);
  });

  test('does not follow a subject to another e-mail', async () => {
    const person = world().person();
    await world().signedIn(person);
    const walk = { browser: world().browser(), person };
    const moved = altered({ email: 'somebody-else@example.com' });
    const page = await withoutAccess(world(), () => signInWith(world(), moved, walk));
    assertRefused(world(), page, 'email_changed');
  });

  test('does not follow a subject to the e-mail of another user, whose failed sign-in it then is', async () => {
    const [person, victim] = [world().person(), world().person()];
    await world().signedIn(person);
    await world().signedIn(victim);
    const walk = { browser: world().browser(), person };
    const page = await withoutAccess(world(), () =>
      signInWith(world(), altered({ email: victim.email }), walk),
    );
    assertRefused(world(), page, 'email_changed');
    assert.deepEqual(await failures(world(), victim), [
      { reason: 'email_changed', provider_id: world().providerId },
    ]);
    assert.deepEqual(await failures(world(), person), []);
  });

  test('is not whoever else has the e-mail at the same provider', async () => {
    const person = world().person();
    const browser = await world().signedIn(person);
    const double = { ...world().person(), email: person.email };
    world().provider.people.push(double);
    const walk = { browser: world().browser(), person: double };
    const page = await withoutAccess(world(), () =>
      signInWith(world(), altered({ email: person.email }), walk),
    );
    assertRefused(world(), page, 'subject_mismatch');
    assert.equal((await world().open(browser)).status, 200);
    assert.equal((await failures(world(), person))[0]?.reason, 'subject_mismatch');
  });
});

gatedOnBothDatabases('a second provider', (world) => {
  test('does not sign in whom the first one knows, unless it may link by e-mail', async () => {
    await using other = await secondProvider(world());
    const id = await world().createProvider(other);
    const person = world().person();
    await signInThrough(world(), { id: world().providerId, person, browser: world().browser() });
    const before = await world().user(person);

    other.people.push({ ...person, sub: `${person.sub} elsewhere` });
    const there = { ...person, sub: `${person.sub} elsewhere` };
    const refused = await withoutAccess(world(), () =>
      signInThrough(world(), { id, person: there, browser: world().browser() }),
    );
    assertRefused(world(), refused, 'link_refused');

    const linking = await world().createProvider(other, { link_by_email: true });
    const linked = await signInThrough(world(), { id: linking, person: there, browser: world().browser() });
    assert.match(linked.text, /You are signed in/);
    assert.equal((await world().user(person)).id, before.id);
  });

  test('that says the same subject is another identity', async () => {
    await using other = await secondProvider(world());
    const id = await world().createProvider(other, { link_by_email: true });
    const [here, there] = [world().person(), world().person()];
    const claimed = { ...there, sub: here.sub };
    other.people.push(claimed);
    await signInThrough(world(), { id: world().providerId, person: here, browser: world().browser() });
    await signInThrough(world(), { id, person: claimed, browser: world().browser() });
    assert.notEqual((await world().user(here)).id, (await world().user(there)).id);
  });

  test('whose answer is brought to a sign-in at the first is refused', async () => {
    await using other = await secondProvider(world());
    const id = await world().createProvider(other);
    const person = world().person();
    other.people.push(person);
    const browser = world().browser();
    const until = (next: URL) => next.pathname === '/cdn-cgi/access/callback';
    const atOther = await signIn(browser, loginAt(world(), id), { login: person.sub, until });
    const begun = await browser.get(loginAt(world(), world().providerId));
    const mixed = new URL(atOther.location ?? '');
    mixed.searchParams.set('state', begun.location?.searchParams.get('state') ?? '');
    const page = await withoutAccess(world(), () => browser.get(mixed));
    assertRefused(world(), page, 'provider_answer_invalid', 502);
  });

  test('that does not answer refuses, and says so', async () => {
    const other = await secondProvider(world());
    const id = await world().createProvider(other);
    const person = world().person();
    other.people.push(person);
    const browser = world().browser();
    const until = (next: URL) => next.pathname === '/cdn-cgi/access/callback';
    const page = await signIn(browser, loginAt(world(), id), { login: person.sub, until });
    await other.close();
    const refused = await withoutAccess(world(), () => browser.get(page.location ?? ''));
    assertRefused(world(), refused, 'provider_unavailable', 502);
    assert.match(refused.text, /does not answer/);
  });

  test('that is deleted or pointed elsewhere during a sign-in ends that sign-in', async () => {
    await using other = await secondProvider(world());
    await using elsewhere = await secondProvider(world());
    const { account_id, sdk } = world();
    const until = (next: URL) => next.pathname === '/cdn-cgi/access/callback';
    for (const end of ['delete', 'repoint'] as const) {
      const id = await world().createProvider(other);
      const person = world().person();
      for (const provider of [other, elsewhere]) provider.people.push(person);
      const browser = world().browser();
      const page = await signIn(browser, loginAt(world(), id), { login: person.sub, until });
      if (end === 'delete') await sdk.zeroTrust.identityProviders.delete(id, { account_id });
      else await repoint(world(), id, elsewhere);
      const refused = await withoutAccess(world(), () => browser.get(page.location ?? ''));
      assertRefused(
        world(),
        refused,
        end === 'delete' ? 'state_unknown' : 'provider_answer_invalid',
        end === 'delete' ? 403 : 502,
      );
    }
  });
});

function altered(change: Readonly<Record<string, unknown>>): Misbehaviour {
  return { idToken: (claims) => ({ ...claims, ...change }) as JWTPayload };
}

/** A first sign-in of somebody new, of which nothing must come. */
function refusedFirst(world: Gated, lie: Misbehaviour) {
  const walk = { browser: world.browser(), person: world.person() };
  return withoutAccess(world, () => signInWith(world, lie, walk));
}

function secondProvider({ app }: Gated): Promise<OpenIdProvider> {
  return startOpenIdProvider({ people: [], clients: [clientOf(app.teamDomain)] });
}

function loginAt({ team }: Gated, providerId: string): string {
  return `${team}/cdn-cgi/access/login?idp=${providerId}`;
}

function signInThrough(
  world: Gated,
  { id, person, browser }: { id: string; person: Person; browser: Browser },
) {
  return signIn(browser, loginAt(world, id), { login: person.sub });
}

async function repoint({ sdk, account_id, app }: Gated, id: string, to: OpenIdProvider): Promise<void> {
  const { client_id, client_secret } = clientOf(app.teamDomain);
  const endpoints = { auth_url: to.authUrl, token_url: to.tokenUrl, certs_url: to.jwksUri };
  await sdk.zeroTrust.identityProviders.update(id, {
    account_id,
    name: 'Elsewhere',
    type: 'oidc',
    config: { client_id, client_secret, ...endpoints },
  });
}

/** The refused sign-ins of a user, as the API tells them, without what differs each time. */
async function failures(world: Gated, person: Person) {
  const { id } = await world.user(person);
  const page = await world.sdk.zeroTrust.access.users.failedLogins.list(id, { account_id: world.account_id });
  return page.result.map(({ metadata }) => {
    const { at, ip, ...rest } = metadata as { at: string; ip: string; reason: string };
    assert.equal(ip, '127.0.0.1');
    assert.match(at, /^\d{4}-.*Z$/);
    return rest;
  });
}
