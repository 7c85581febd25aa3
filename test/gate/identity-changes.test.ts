import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser } from '../support/browser.ts';
import type { GatedApplication } from '../support/gated.ts';
import { type GateSockets, openExchange, watchGateSockets } from '../support/open-exchanges.ts';
import { type Proxied, proxiedOnBothDatabases } from '../support/proxied.ts';
import { type Scripted, scriptedIn } from '../support/scripted-steps.ts';

/*
 * Policies are evaluated on what the provider said last (design §4.11): what it says at a sign-in in one browser is in
 * force for every session of the person at that moment, and ends exactly the access that depended on it.
 */

interface Person {
  readonly sub: string;
  readonly email: string;
}

/** A provider that tells of groups, an application for one of them, and one for everybody of a domain. */
interface Estate extends AsyncDisposable {
  readonly scripted: Scripted;
  readonly engineers: GatedApplication;
  readonly everyone: GatedApplication;
  person(name: string): Person;
  /** A browser that has opened an application as somebody whose provider says this of them. */
  signedIn(person: Person, groups: readonly string[], at: readonly GatedApplication[]): Promise<Browser>;
  /** Signs in to the team domain, in a browser of its own. */
  elsewhere(person: Person, groups: readonly string[] | undefined): Promise<void>;
}

const counted = { estates: 0 };

async function createEstate(proxied: Proxied): Promise<Estate> {
  const { world } = proxied;
  counted.estates += 1;
  const number = counted.estates;
  const scripted = await scriptedIn(world, { config: { claims: ['groups'] } });
  const { provider, providerId: identity_provider_id } = scripted;
  const create = (name: string, include: object) =>
    proxied.createApplication(`${name}-${number}`, {
      allowed_idps: [identity_provider_id],
      policies: [{ name, decision: 'allow', include: [include] }],
    });
  const rule = { claim_name: 'groups', claim_value: 'eng', identity_provider_id };
  const engineers = await create('engineers', { oidc: rule });
  const everyone = await create('everyone', { email_domain: { domain: 'example.com' } });
  return {
    scripted,
    engineers,
    everyone,
    person: (sub) => ({ sub, email: `${sub}-${number}@example.com` }),
    signedIn: async (person, groups, at) => {
      provider.claims = { ...person, groups };
      const browser = world.browser();
      for (const { site } of at) {
        const page = await browser.follow(`${site}/`);
        assert.equal(page.status, 200, page.text);
      }
      return browser;
    },
    elsewhere: async (person, groups) => {
      provider.claims = { ...person, groups };
      provider.userInfo = { sub: person.sub };
      const page = await world
        .browser()
        .follow(`${world.team}/cdn-cgi/access/login?idp=${identity_provider_id}`);
      assert.equal(page.status, 200, page.text);
    },
    [Symbol.asyncDispose]: () => scripted[Symbol.asyncDispose](),
  };
}

function cookieOf(browser: Browser, { site }: GatedApplication): string {
  const found = browser.jar.cookiesFor(new URL(site)).find(({ name }) => name === 'CF_Authorization');
  return `${found?.name}=${found?.value}`;
}

proxiedOnBothDatabases('what a provider says of somebody', (proxied) => {
  const set: { sockets?: GateSockets } = {};
  before(() => {
    set.sockets = watchGateSockets();
  });
  after(() => set.sockets?.[Symbol.dispose]());

  const openSocket = (browser: Browser, application: GatedApplication) =>
    openExchange({ proxied: proxied(), sockets: set.sockets ?? assert.fail() }, 'websocket', {
      headers: { cookie: cookieOf(browser, application) },
      host: new URL(application.site).host,
    });

  for (const [name, left] of [
    ['without one group', ['all']],
    ['with no groups', []],
    ['without the claim', undefined],
  ] as const) {
    test(`at a sign-in in another browser, ${name}, ends what depended on it in the first, and nothing else`, async () => {
      await using estate = await createEstate(proxied());
      const { engineers, everyone } = estate;
      const person = estate.person('leaver');
      const colleague = estate.person('stayer');
      const browser = await estate.signedIn(person, ['eng', 'all'], [engineers, everyone]);
      const other = await estate.signedIn(colleague, ['eng'], [engineers]);
      const lost = await openSocket(browser, engineers);
      const kept = await openSocket(browser, everyone);
      const ofColleague = await openSocket(other, engineers);

      await estate.elsewhere(person, left);
      assert.equal(lost.gate.client.destroyed, true);
      assert.equal(lost.gate.upstream.destroyed, true);
      assert.equal(await lost.ended(), 0);
      const answer = await browser.get(`${engineers.site}/`);
      assert.notEqual(answer.status, 200);
      assert.equal((await browser.get(`${everyone.site}/`)).status, 200);
      assert.equal((await other.get(`${engineers.site}/`)).status, 200);
      await kept.finish();
      await ofColleague.finish();

      // What is given back needs no sign-in in the browser that lost it.
      await estate.elsewhere(person, ['eng']);
      assert.equal((await browser.get(`${engineers.site}/`)).status, 200);
    });
  }

  test('is asked anew when it is to tell more: every session ends, and what it rested on', async () => {
    await using estate = await createEstate(proxied());
    const { engineers, everyone, scripted } = estate;
    const person = estate.person('asked-anew');
    const browser = await estate.signedIn(person, ['eng'], [engineers, everyone]);
    const open = await Promise.all([openSocket(browser, engineers), openSocket(browser, everyone)]);
    await scripted.configure({ claims: ['groups', 'suspended'] });
    for (const one of open) {
      assert.equal(one.gate.client.destroyed, true);
      assert.equal(await one.ended(), 0);
    }
    for (const { site } of [engineers, everyone])
      assert.notEqual((await browser.get(`${site}/`)).status, 200);
    scripted.provider.userInfo = { sub: person.sub };
    assert.equal((await browser.follow(`${engineers.site}/`)).status, 200, 'after signing in again');
  });

  test('is not forgotten while a rule asks about it, and then ends every session that had it told', async () => {
    await using estate = await createEstate(proxied());
    const { engineers, everyone, scripted } = estate;
    const person = estate.person('forgotten');
    const browser = await estate.signedIn(person, ['eng'], [engineers, everyone]);
    const kept = await openSocket(browser, engineers);
    await assert.rejects(scripted.configure({ claims: [] }), /409/);
    await kept.finish();
    assert.equal((await browser.get(`${engineers.site}/`)).status, 200);

    const { account_id, sdk } = proxied().world;
    await sdk.zeroTrust.access.applications.delete(engineers.id, { account_id });
    const lost = await openSocket(browser, everyone);
    await scripted.configure({ claims: [] });
    assert.equal(lost.gate.client.destroyed, true);
    assert.equal(await lost.ended(), 0);
    assert.notEqual((await browser.get(`${everyone.site}/`)).status, 200);
    assert.equal((await browser.follow(`${everyone.site}/`)).status, 200);
  });
});
