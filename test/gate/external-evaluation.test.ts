import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import type Cloudflare from 'cloudflare';
import { createRemoteJWKSet, customFetch, jwtVerify } from 'jose';
import { type ExternalService, NO_ANSWERS, startExternalService } from '../support/external-service.ts';
import { about, ask as askAuth, PROGRAM } from '../support/gate-questions.ts';
import type { GatedApplication } from '../support/gated.ts';
import { signIn } from '../support/openid-provider.ts';
import { databases } from '../support/postgres.ts';
import { ask, openWebSocket, type Proxied, type SignedIn, startProxied } from '../support/proxied.ts';
import { createRobot, twoHeaders } from '../support/service-tokens.ts';

const MINUTE = 60_000;
const everyone = { everyone: {} };

/** The key set of the team domain, as a service reads it; Node does not resolve the name. */
function keysOf({ world }: Proxied) {
  const { port, teamDomain } = world.app;
  return createRemoteJWKSet(new URL(`http://127.0.0.1:${port}/cdn-cgi/access/certs`), {
    [customFetch]: async (url, options) =>
      await fetch(url, { ...options, headers: { ...options.headers, host: teamDomain } }),
  });
}

function byForwardAuth({ world }: Proxied, { site }: GatedApplication, { cookie }: Pick<SignedIn, 'cookie'>) {
  return askAuth(world, [...about(world, '/', new URL(site).host), ...PROGRAM, ['cookie', cookie]]);
}

function byProxy(proxied: Proxied, { site }: GatedApplication, { cookie }: Pick<SignedIn, 'cookie'>) {
  return ask(proxied, '/', { headers: { host: new URL(site).host, cookie } });
}

for (const { name, create } of databases) {
  describe(`external evaluation (${name})`, () => {
    let proxied: Proxied;
    let service: ExternalService;
    let application: GatedApplication;
    let visitor: SignedIn;
    before(async () => {
      service = await startExternalService();
      proxied = await startProxied(await create());
      const rule = { external_evaluation: service.rule };
      application = await proxied.createApplication('asked', {
        policies: [{ name: 'asked', decision: 'allow', include: [everyone], require: [rule] }],
      });
      visitor = await proxied.signedIn(undefined, application);
    });
    after(async () => {
      await proxied?.[Symbol.asyncDispose]();
      await service?.[Symbol.asyncDispose]();
    });

    /** Nothing is remembered any more. */
    const later = () => proxied.world.app.clock.advance(MINUTE + 1000);

    for (const behaviour of ['no', ...NO_ANSWERS] as const) {
      it(`lets nobody in by ${behaviour}`, async () => {
        later();
        service.behave(behaviour);
        const asked = service.asked.length;
        const before = proxied.upstream.arrivals.length;
        const said = await byForwardAuth(proxied, application, visitor);
        assert.deepEqual([said.status, said.reason], [403, 'no_policy_matched']);
        assert.equal((await byProxy(proxied, application, visitor)).status, 403);
        assert.equal(proxied.upstream.arrivals.length, before);
        assert.ok(service.asked.length > asked, 'it was asked');
      });
    }

    it('lets nobody in by a service that does not answer, after five seconds', async () => {
      later();
      service.behave('never answers');
      const said = await byForwardAuth(proxied, application, visitor);
      assert.deepEqual([said.status, said.reason], [403, 'no_policy_matched']);
      service.wake();
    });

    it('is not asked of anybody who has proved nothing', async () => {
      later();
      service.behave('yes');
      const asked = service.asked.length;
      const forged = { cookie: 'CF_Authorization=eyJhbGciOiJub25lIn0.e30.' };
      assert.equal((await byForwardAuth(proxied, application, { cookie: 'a=b' })).reason, 'no_credential');
      assert.equal((await byForwardAuth(proxied, application, forged)).reason, 'credential_invalid');
      assert.equal(service.asked.length, asked);
    });

    it('lets in by yes, and remembers that for a minute and this address', async () => {
      later();
      service.behave('yes');
      const asked = service.asked.length;
      const said = await byForwardAuth(proxied, application, visitor);
      assert.deepEqual([said.status, said.reason], [200, 'policy_allow']);
      assert.equal((await byProxy(proxied, application, visitor)).status, 200);
      service.behave('no');
      assert.equal((await byProxy(proxied, application, visitor)).status, 200);
      assert.equal(service.asked.length, asked + 1);
      later();
      assert.equal((await byProxy(proxied, application, visitor)).status, 403);
      assert.equal(service.asked.length, asked + 2);
    });

    it('is asked once by many at a time', async () => {
      later();
      service.behave('yes');
      const asked = service.asked.length;
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => byProxy(proxied, application, visitor)),
      );
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
      assert.equal(service.asked.length, asked + 1);
    });

    it('tells the service whom it is about, signed by a key of the account, and is no credential itself', async () => {
      later();
      service.behave('yes');
      await byProxy(proxied, application, visitor);
      const token = service.asked.at(-1) ?? '';
      const { payload } = await jwtVerify(token, keysOf(proxied), {
        algorithms: ['RS256'],
        typ: 'external-evaluation+jwt',
        audience: service.rule.evaluate_url,
        currentDate: new Date(proxied.world.app.clock.now()),
      });
      const { email } = visitor.person;
      const { id } = await proxied.world.user(visitor.person);
      const { identity } = payload as { identity: Record<string, unknown> };
      assert.deepEqual([identity.email, identity.user_uuid, identity.ip], [email, id, '127.0.0.1']);
      assert.deepEqual(identity.idp, { id: proxied.world.providerId, type: 'oidc' });
      assert.equal(identity.account_id, proxied.world.account_id);
      assert.ok(!('sub' in payload) && !('email' in payload), 'nobody can take it for an assertion');
      const refused = await byForwardAuth(proxied, application, { cookie: `CF_Authorization=${token}` });
      assert.deepEqual([refused.status, refused.reason], [401, 'credential_invalid']);
    });

    it('decides of service tokens as well', async () => {
      const robot = await createRobot(proxied.world);
      const rule = { external_evaluation: service.rule };
      const include = [{ service_token: { token_id: robot.id } }];
      const own = await proxied.createApplication('asked-of-robots', {
        policies: [{ name: 'robots', decision: 'non_identity', include, require: [rule] }],
      });
      service.decideBy(
        ({ identity }) => (identity as Record<string, unknown>).common_name === robot.clientId,
      );
      const headers = { host: new URL(own.site).host, ...Object.fromEntries(twoHeaders(robot)) };
      assert.equal((await ask(proxied, '/', { headers })).status, 200);
      later();
      service.decideBy(() => false);
      assert.equal((await ask(proxied, '/', { headers })).status, 403);
      service.decideBy(null);
    });

    it('of a connection that is open is kept, and ends with the rule that asked', async () => {
      later();
      service.behave('yes');
      const { host } = new URL(application.site);
      const place = { world: proxied.world, host };
      const open = await openWebSocket(place, { headers: { cookie: visitor.cookie }, path: '/' });
      service.behave('no');
      later();
      assert.equal((await byProxy(proxied, application, visitor)).status, 403);
      await setPolicies(application, [
        {
          name: 'asked',
          decision: 'allow',
          include: [everyone],
          require: [{ external_evaluation: service.rule }],
        },
        { name: 'another', decision: 'deny', include: [{ ip: { ip: '203.0.113.1' } }] },
      ]);
      open.send('still there');
      assert.equal(String((await once(open, 'message'))[0]), 'still there');
      const closed = once(open, 'close');
      const other = { ...service.rule, evaluate_url: `${service.rule.evaluate_url}/other` };
      await setPolicies(application, [
        { name: 'asked', decision: 'allow', include: [everyone], require: [{ external_evaluation: other }] },
      ]);
      assert.equal((await closed)[0], 4401);
    });

    it('does not refuse at the team domain: the gate decides, with what it is told there', async () => {
      service.behave('no');
      const rule = { external_evaluation: service.rule };
      const own = await proxied.createApplication('asked-later', {
        policies: [{ name: 'asked', decision: 'allow', include: [everyone], require: [rule] }],
      });
      const person = proxied.world.person();
      const browser = proxied.world.browser();
      const page = await signIn(browser, own.site, { login: person.sub });
      assert.equal(page.status, 403);
      const held = browser.jar
        .cookiesFor(new URL(own.site))
        .some(({ name: one }) => one === 'CF_Authorization');
      assert.ok(held, 'they were handed on');
      later();
      service.behave('yes');
      assert.equal((await browser.get(own.site)).status, 200);
    });

    it('nor is anybody refused there who lacks a certificate; at the gate they are', async () => {
      const own = await proxied.createApplication('certified', {
        policies: [{ name: 'held', decision: 'allow', include: [everyone], require: [{ certificate: {} }] }],
      });
      const browser = proxied.world.browser();
      const page = await signIn(browser, own.site, { login: proxied.world.person().sub });
      assert.equal(page.status, 403);
      const held = browser.jar
        .cookiesFor(new URL(own.site))
        .find(({ name: one }) => one === 'CF_Authorization');
      assert.ok(held, 'they were handed on');
      const said = await byForwardAuth(proxied, own, { cookie: `CF_Authorization=${held.value}` });
      assert.deepEqual([said.status, said.reason], [403, 'no_policy_matched']);
    });

    function setPolicies({ id, site }: GatedApplication, policies: readonly object[]) {
      const { host } = new URL(site);
      const { sdk, account_id } = proxied.world;
      return sdk.zeroTrust.access.applications.update(id, {
        ...{ account_id, type: 'self_hosted', domain: host, policies },
        destinations: [{ type: 'public', uri: host, upstream: proxied.upstream.origin }],
      } as unknown as Cloudflare.ZeroTrust.Access.ApplicationUpdateParams);
    }
  });
}
