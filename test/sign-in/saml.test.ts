import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { test } from 'node:test';
import { inflateRawSync } from 'node:zlib';
import { SECOND } from '../../src/kernel/clock.ts';
import { CALLBACK, IDENTITY } from '../support/gated.ts';
import { readRows } from '../support/rows.ts';
import { signResponse } from '../support/saml-forge.ts';
import { createSamlPair, postResponse } from '../support/saml-provider.ts';
import {
  bring,
  createSamlProvider,
  formFor,
  hasSession,
  samlOnBothDatabases,
  walkSaml,
} from '../support/saml-steps.ts';
import { assertRefused, later, withoutAccess } from '../support/sign-in-steps.ts';

samlOnBothDatabases('somebody signs in with SAML', (set) => {
  test('and comes to the application, known by the e-mail of the attribute', async () => {
    const { world, application, person } = set();
    const [browser, one] = [world.browser(), person()];
    const page = await walkSaml(set(), { browser, person: one, start: application.site });
    assert.equal(page.status, 302, page.text);
    const arrived = await browser.followFrom(page);
    assert.equal(arrived.text, `hello ${one.email}`);
    const identity = JSON.parse((await browser.get(world.team + IDENTITY)).text);
    assert.equal(identity.email, one.email);
    assert.deepEqual(identity.idp, { id: set().samlId, type: 'saml' });
  });

  test('and again, as the same user and identity', async () => {
    const { world, person } = set();
    const [browser, one] = [world.browser(), person()];
    await walkSaml(set(), { browser, person: one });
    const first = await world.user({ sub: one.nameId, email: one.email });
    await walkSaml(set(), { browser: world.browser(), person: one });
    const again = await world.user({ sub: one.nameId, email: one.email });
    assert.equal(again.id, first.id);
    const { identities = [] } = await readRows(world.database);
    assert.equal(identities.filter((row) => row.includes(first.id)).length, 1);
  });

  test('by a request that is unsigned, ours, and answerable once', async () => {
    const { world, saml, person, start } = set();
    const browser = world.browser();
    const begun = await browser.get(start);
    assert.equal(begun.location?.origin + (begun.location?.pathname ?? ''), saml.ssoUrl.split('?')[0]);
    const sent = begun.location?.searchParams ?? new URLSearchParams();
    assert.equal(sent.get('tenant'), 'one');
    assert.match(sent.get('RelayState') ?? '', /^[\w-]{43}$/);
    assert.deepEqual([...sent.keys()].sort(), ['RelayState', 'SAMLRequest', 'tenant']);
    const xml = inflateRawSync(Buffer.from(sent.get('SAMLRequest') ?? '', 'base64')).toString();
    assert.match(xml, /^<\?xml version="1.0"\?><samlp:AuthnRequest [^>]*ID="_[\w-]{43}"/);
    assert.doesNotMatch(xml, /ForceAuthn|RequestedAuthnContext|Signature/);
    await walkSaml(set(), { browser, person: person() });
    const { issuer, assertionConsumerServiceURL } = saml.requests.at(-1) ?? {};
    assert.equal(issuer, world.team + CALLBACK);
    assert.equal(assertionConsumerServiceURL, world.team + CALLBACK);
  });

  test('with the claims that the settings name and no others, as rules ask for them', async () => {
    const { world, saml, person } = set();
    const other = await createSamlProvider(world, saml, { attributes: ['groups', '__proto__'] });
    const host = `claims.localhost:${new URL(world.site).port}`;
    const rule = { attribute_name: 'groups', attribute_value: 'builders', identity_provider_id: other };
    const application = await world.createApplication(host, {
      allowed_idps: [other],
      policies: [{ name: 'Builders', decision: 'allow', include: [{ saml: rule }] }],
    });
    const builder = person({ attributes: { groups: ['crew', 'builders'], secret: 'x' } });
    const painter = person({ attributes: { groups: 'painters', builders: 'builders' } });
    const [inside, outside] = [world.browser(), world.browser()];
    const came = await walkSaml(set(), { browser: inside, person: builder, start: application.site });
    assert.equal((await inside.followFrom(came)).text, `hello ${builder.email}`);
    const refused = await walkSaml(set(), { browser: outside, person: painter, start: application.site });
    assert.match((await outside.followFrom(refused)).text, /Access denied/);
    const rows = (await readRows(world.database)).identities ?? [];
    const kept = rows.find((row) => row.includes(builder.nameId)) ?? '';
    assert.ok(kept.includes('builders'), kept);
    assert.doesNotMatch(kept, /secret|displayName/);
  });

  test('at a provider that signs the response as well', async () => {
    const { world, saml, person } = set();
    const browser = world.browser();
    const afterSigning = (xml: string) => signResponse(xml, saml.pair);
    const page = await walkSaml(set(), { browser, person: person() }, { afterSigning });
    assert.equal(page.status, 302, page.text);
    assert.ok(hasSession(browser));
  });

  test('by the NameID where it is an address and no attribute is', async () => {
    const { world, person } = set();
    const one = person({ nameId: 'by.name@example.com', email: 'by.name@example.com' });
    const browser = world.browser();
    const beforeSigning = (xml: string) =>
      xml.replace(/<saml:AttributeStatement[\s\S]*<\/saml:AttributeStatement>/, '');
    await walkSaml(set(), { browser, person: one }, { beforeSigning });
    assert.ok(hasSession(browser));
  });

  test('for no longer than the provider says', async () => {
    const { world, person } = set();
    const browser = world.browser();
    const end = new Date(Date.now() + 600_000).toISOString();
    const beforeSigning = (xml: string) =>
      xml.replace('<saml:AuthnStatement ', `$&SessionNotOnOrAfter="${end}" `);
    await walkSaml(set(), { browser, person: person() }, { beforeSigning });
    assert.equal((await browser.get(world.team + IDENTITY)).status, 200);
    world.app.clock.advance(601_000);
    try {
      assert.equal((await browser.get(world.team + IDENTITY)).status, 400, 'the browser dropped its cookie');
      const { sessions = [] } = await readRows(world.database);
      assert.ok(
        sessions.some((row) => row.includes(end)),
        sessions.join('\n'),
      );
    } finally {
      world.app.clock.advance(-601_000);
    }
  });

  test('with a second key while the provider changes its own', async () => {
    const { world, saml, person } = set();
    const next = await createSamlPair();
    const both = await createSamlProvider(world, saml, { idp_public_certs: [saml.pair.cert, next.cert] });
    const start = `${world.team}/cdn-cgi/access/login?idp=${both}`;
    const browser = world.browser();
    const lie = { options: (same: object) => ({ ...same, ...next }) as never };
    assert.equal((await walkSaml(set(), { browser, person: person(), start }, lie)).status, 302);
  });

  test('afresh after a revocation, which the provider has to ask for and to tell', async () => {
    const { world, saml, person } = set();
    const [browser, one] = [world.browser(), person()];
    await walkSaml(set(), { browser, person: one });
    const { account_id, sdk } = world;
    await sdk.zeroTrust.organizations.revokeUsers({ account_id, email: one.email });
    // The login of before is ten seconds old by now.
    const lie = { ignoresForceAuthn: true };
    const stale = await later(world, 10 * SECOND, () => walkSaml(set(), { browser, person: one }, lie));
    assert.equal(saml.requests.at(-1)?.forceAuthn, 'true');
    assertRefused(world, stale, 'not_reauthenticated');
    assert.equal((await walkSaml(set(), { browser, person: one })).status, 302);
  });

  test('after which nothing is left of the response', async () => {
    const { world, person } = set();
    const browser = world.browser();
    const form = await formFor(set(), { browser, person: person() });
    await postResponse(browser, form);
    const kept = (await readRows(world.database)).sign_in_states ?? [];
    assert.ok(
      !kept.some((row) => row.includes(form.fields.SAMLResponse ?? '')),
      'it lies there in the clear',
    );
    await bring(browser, form);
    const left = (await readRows(world.database)).sign_in_states ?? [];
    assert.ok(left.every((row) => !row.includes(form.fields.RelayState ?? '')));
  });
});

samlOnBothDatabases('posting a response', (set) => {
  test('signs nobody in by itself', async () => {
    const { world, person } = set();
    const browser = world.browser();
    const form = await formFor(set(), { browser, person: person() });
    const posted = await withoutAccess(world, () => postResponse(browser, form));
    assert.equal(posted.status, 303);
    assert.equal(hasSession(browser), false);
  });

  test('is refused without a sign-in of this account at a SAML provider', async () => {
    const { world, providerId } = { ...set(), providerId: set().world.providerId };
    const browser = world.browser();
    const openId = await browser.get(`${world.team}/cdn-cgi/access/login?idp=${providerId}`);
    const state = openId.location?.searchParams.get('state') ?? '';
    assert.match(state, /^[\w-]{43}$/);
    const action = world.team + CALLBACK;
    for (const fields of [
      {},
      { SAMLResponse: 'eA==' },
      { RelayState: 'a'.repeat(43) },
      { SAMLResponse: 'eA==', RelayState: 'a'.repeat(43) },
      { SAMLResponse: 'eA==', RelayState: `${'a'.repeat(42)}'` },
      { SAMLResponse: 'eA==', RelayState: state },
    ]) {
      const page = await withoutAccess(world, () =>
        postResponse(browser, { action, fields: fields as never }),
      );
      assertRefused(world, page, 'state_unknown');
    }
    const rows = (await readRows(world.database)).sign_in_states ?? [];
    assert.ok(rows.length > 0 && rows.every((row) => !row.includes('eA==')));
  });

  test('is refused with a field that comes twice', async () => {
    const { world, person } = set();
    const browser = world.browser();
    const { action, fields } = await formFor(set(), { browser, person: person() });
    for (const more of Object.entries(fields)) {
      const body = new URLSearchParams([...Object.entries(fields), more]).toString();
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      const page = await browser.request(action, { method: 'POST', body, headers });
      assertRefused(world, page, 'state_unknown');
    }
  });

  test('a second time changes nothing', async () => {
    const { world, person } = set();
    const browser = world.browser();
    const form = await formFor(set(), { browser, person: person() });
    assert.equal((await postResponse(browser, form)).status, 303);
    const SAMLResponse = Buffer.from('<Response/>').toString('base64');
    const forged = { ...form, fields: { ...form.fields, SAMLResponse } };
    assert.equal((await bring(browser, forged)).status, 302);
    assert.ok(hasSession(browser));
  });

  test('of what cannot be a response keeps nothing, and the sign-in goes on', async () => {
    const { world, person } = set();
    const browser = world.browser();
    const form = await formFor(set(), { browser, person: person() });
    const rows = (await readRows(world.database)).sign_in_states;
    const genuine = Buffer.from(form.fields.SAMLResponse ?? '', 'base64').toString();
    for (const text of [
      'x',
      '\0',
      '<',
      '{"Response":1}',
      '<a:Assertion/>',
      '<Responses/>',
      '<a Response=""/>',
      '<a:b:Response/>',
      ' &lt;Response/>',
      '<!DOCTYPE r><Response/>',
      `x${genuine}`,
      `${genuine}${' '.repeat(64 * 1024)}`,
    ]) {
      const fields = { ...form.fields, SAMLResponse: Buffer.from(text).toString('base64') };
      const page = await withoutAccess(world, () => postResponse(browser, { ...form, fields }));
      assertRefused(world, page, 'provider_answer_invalid', 502);
    }
    assert.deepEqual((await readRows(world.database)).sign_in_states, rows);
    assert.equal((await bring(browser, form)).status, 302);
  });

  test('in lines, with what no base64 is, keeps the response alone', async () => {
    const { world, person } = set();
    const sizeOf = async (more: (encoded: string) => string) => {
      const browser = world.browser();
      const form = await formFor(set(), { browser, person: person() });
      const SAMLResponse = more(form.fields.SAMLResponse ?? '');
      assert.equal(
        (await postResponse(browser, { ...form, fields: { ...form.fields, SAMLResponse } })).status,
        303,
      );
      return Math.max(...((await readRows(world.database)).sign_in_states ?? []).map((row) => row.length));
    };
    const plain = await sizeOf((encoded) => encoded);
    const padded = await sizeOf((encoded) => '!'.repeat(50_000) + encoded.replaceAll(/.{76}/g, '$&\r\n'));
    assert.ok(padded < plain + 1000, `${padded} after ${plain}`);
  });

  test('of ten megabytes is refused before it is read', async () => {
    const { world, person } = set();
    const browser = world.browser();
    const form = await formFor(set(), { browser, person: person() });
    const { port, host, pathname: path } = new URL(form.action);
    const headers = {
      host,
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': 10 * 1024 * 1024,
    };
    const asked = request({ host: '127.0.0.1', port, path, method: 'POST', headers, agent: false });
    asked.on('error', () => {}).write(`RelayState=${form.fields.RelayState}&SAMLResponse=AAAA`);
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    assert.equal(answer.statusCode, 413);
    asked.destroy();
    assert.equal((await bring(browser, form)).status, 302, 'the sign-in goes on');
  });

  test('leads nobody in without a response at the callback', async () => {
    const { world, start } = set();
    const browser = world.browser();
    const begun = await browser.get(start);
    const state = begun.location?.searchParams.get('RelayState') ?? '';
    const callback = `${world.team}${CALLBACK}?${new URLSearchParams({ state })}`;
    assertRefused(
      world,
      await withoutAccess(world, () => browser.get(callback)),
      'provider_answer_invalid',
      502,
    );
  });
});

samlOnBothDatabases('the metadata of the team domain', (set) => {
  test('names the callback as entity and as consumer of signed assertions', async () => {
    const { world } = set();
    const page = await world.browser().get(`${world.team}/cdn-cgi/access/saml-metadata`);
    assert.equal(page.status, 200);
    assert.equal(page.headers['content-type'], 'application/samlmetadata+xml');
    assert.ok(page.text.includes(`entityID="${world.team}${CALLBACK}"`));
    assert.match(page.text, /WantAssertionsSigned="true"[\s\S]*HTTP-POST" Location="[^"]+\/callback"/);
  });
});
