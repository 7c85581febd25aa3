import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOUR, MINUTE } from '../../src/kernel/clock.ts';
import { CALLBACK } from '../support/gated.ts';
import { databases } from '../support/postgres.ts';
import { readRows } from '../support/rows.ts';
import { signAssertion, signatureOf } from '../support/saml-forge.ts';
import { createSamlPair, postResponse, type SamlPerson } from '../support/saml-provider.ts';
import {
  addSaml,
  assertForged,
  bring,
  formFor,
  hasSession,
  samlOnBothDatabases,
  walkSaml,
} from '../support/saml-steps.ts';
import { assertRefused, later, withoutAccess } from '../support/sign-in-steps.ts';

const [sqlite] = databases;
assert.ok(sqlite);

/* Responses that a provider signed, and that are not for us, not for this request, not for now, or say too much. */

samlOnBothDatabases(
  'a response that is genuine is refused',
  (set) => {
    for (const [name, more, cause] of [
      ['for another audience', { audience: 'https://other.example/' }, /audience mismatch/],
      ['for another recipient', { recipient: 'https://other.example/' }, /^nothing confirms/],
      ['for another destination', { destination: 'https://other.example/' }, /destination/],
      ['to another request', { inResponseTo: '_another' }, /another request/],
      ['to no request', { inResponseTo: undefined }, /another request/],
      ['by another issuer', { issuer: 'https://other.example/' }, 'the response is by another'],
      [
        'by an issuer that only begins alike',
        { issuer: 'http://127.0.0.1/metadata/x' },
        'the response is by another',
      ],
      ['of somebody without a name', { nameIdentifier: ' ' }, 'the NameID is no name'],
      ['of somebody with too long a name', { nameIdentifier: 'a'.repeat(256) }, 'the NameID is no name'],
      [
        'of somebody whose name changes',
        { nameIdentifierFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient' },
        'the NameID is transient',
      ],
    ] as const) {
      test(name, async () => {
        const said = await assertForged(set(), { options: (same) => ({ ...same, ...more }) as typeof same });
        if (typeof cause === 'string') assert.equal(said, cause);
        else assert.match(said, cause);
      });
    }

    for (const [name, from, to, cause] of [
      [
        'without an audience',
        /<saml:AudienceRestriction>.*<\/saml:AudienceRestriction>/,
        '',
        /audience|AudienceRestriction/,
      ],
      [
        'with an assertion to another request',
        /InResponseTo="[^"]+"(?=\/>)/,
        'InResponseTo="_another"',
        /^nothing confirms/,
      ],
      ['with an assertion to no request', /InResponseTo="[^"]+"(?=\/>)/, '', /^nothing confirms/],
      ['with an assertion for no recipient', /Recipient="[^"]+"/, '', /^nothing confirms/],
      ['that the bearer may not show', /cm:bearer/, 'cm:holder-of-key', /^nothing confirms/],
      [
        'whose confirmation has no end',
        /(<saml:SubjectConfirmationData) NotOnOrAfter="[^"]+"/,
        '$1',
        /NotOnOrAfter|nothing confirms/,
      ],
      [
        'by another issuer inside',
        /(<saml:Assertion [^>]*><saml:Issuer>)[^<]+/,
        '$1https://other.example/',
        'the assertion is by another',
      ],
      ['of another version', /(<saml:Assertion [^>]*)Version="2.0"/, '$1Version="1.1"', 'not SAML 2.0'],
      [
        'with a condition that nobody knows',
        '</saml:Conditions>',
        '<saml:Condition/></saml:Conditions>',
        /condition that is not known/,
      ],
      ['without conditions', /<saml:Conditions.*<\/saml:Conditions>/, '', /Conditions|null/],
      ['without a login', /<saml:AuthnStatement.*<\/saml:AuthnStatement>/, '', /AuthnStatement/],
      [
        'with a login in the future',
        /AuthnInstant="[^"]+"/,
        'AuthnInstant="2099-01-01T00:00:00Z"',
        'no AuthnInstant',
      ],
      ['with times that are none', /AuthnInstant="[^"]+"/, 'AuthnInstant="now"', 'AuthnInstant is no time'],
      [
        'of a session that is over',
        '<saml:AuthnStatement ',
        '$&SessionNotOnOrAfter="2020-01-01T00:00:00Z" ',
        'the session is over',
      ],
      ['of nobody', /<saml:Subject>.*<\/saml:Subject>/, '', /Subject/],
      ['of two', /<saml:NameID.*<\/saml:NameID>/, '$&$&', /exactly one NameID/],
    ] as const) {
      test(name, async () => {
        const beforeSigning = (xml: string) => {
          const changed = xml.replace(from, to);
          assert.notEqual(changed, xml, 'the test changes nothing');
          return changed;
        };
        const said = await assertForged(set(), { beforeSigning });
        if (typeof cause === 'string') assert.equal(said, cause);
        else assert.match(said, cause);
      });
    }

    test('by a status that is not success, as the provider said no', async () => {
      const code = 'urn:oasis:names:tc:SAML:2.0:status:Requester';
      const cause = await assertForged(
        set(),
        { options: (same) => ({ ...same, samlStatusCode: code }) },
        'provider_refused',
      );
      assert.equal(cause, `status ${code}`);
    });

    test('by our clock: too late, or too early, by more than a minute', async () => {
      const { world, person } = set();
      for (const by of [7 * MINUTE, -2 * MINUTE]) {
        const browser = world.browser();
        const form = await formFor(set(), { browser, person: person() });
        const page = await withoutAccess(world, () => later(world, by, () => bring(browser, form)));
        assertRefused(world, page, 'provider_answer_invalid', 502);
      }
      const browser = world.browser();
      const form = await formFor(set(), { browser, person: person() });
      assert.equal(
        (await later(world, -MINUTE / 2, () => bring(browser, form))).status,
        302,
        'half a minute is skew',
      );
    });

    test('with more of a claim than a policy should be evaluated on', async () => {
      const { world, saml } = set();
      const strict = await addSaml(world, saml, { attributes: ['groups'] });
      for (const groups of [
        many(201),
        ['a'.repeat(1025)],
        Array.from({ length: 17 }, () => 'a'.repeat(1000)),
      ]) {
        const person = strict.person({ attributes: { groups } });
        const browser = world.browser();
        const page = await withoutAccess(world, () => walkSaml(strict, { browser, person }));
        assertRefused(world, page, 'provider_answer_invalid', 502);
      }
      const person = strict.person({ attributes: { groups: many(200) } });
      assert.equal((await walkSaml(strict, { browser: world.browser(), person })).status, 302);
    });

    test('without an e-mail, with two, or with a configured attribute that is not there', async () => {
      const { world, saml } = set();
      const two = set().person({ attributes: { email: ['a@example.com', 'b@example.com'] } });
      const none = set().person({ attributes: { email: '' } });
      const strict = await addSaml(world, saml, { email_attribute_name: 'workMail' });
      for (const [at, person] of [
        [set(), two],
        [set(), none],
        [strict, strict.person()],
      ] as const) {
        const page = await withoutAccess(world, () => walkSaml(at, { browser: world.browser(), person }));
        assertRefused(world, page, 'email_missing');
      }
    });
  },
  [sqlite],
);

function many(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `group ${at}`);
}

samlOnBothDatabases('a response works once, in the browser that asked for it', (set) => {
  test('not a second time, nor in another sign-in of the same browser', async () => {
    const { world, person } = set();
    const browser = world.browser();
    const form = await formFor(set(), { browser, person: person() });
    assert.equal((await bring(browser, form)).status, 302);
    const again = await withoutAccess(world, () => bring(browser, form));
    assertRefused(world, again, 'state_unknown');
    const next = await formFor(set(), { browser: world.browser(), person: person() });
    const fields = { ...next.fields, SAMLResponse: form.fields.SAMLResponse ?? '' };
    const moved = await withoutAccess(world, () => bring(browser, { ...next, fields }));
    assertRefused(world, moved, 'state_of_another_browser');
  });

  test('not for a sign-in that it does not answer', async () => {
    const { world, person } = set();
    const [browser, one] = [world.browser(), person()];
    const first = await formFor(set(), { browser, person: one });
    const second = await formFor(set(), { browser, person: one });
    const fields = { ...second.fields, SAMLResponse: first.fields.SAMLResponse ?? '' };
    const page = await withoutAccess(world, () => bring(browser, { ...second, fields }));
    assertRefused(world, page, 'provider_answer_invalid', 502);
  });

  test('not in another browser, which must not become somebody else', async () => {
    const { world, person } = set();
    const mallory = world.browser();
    const form = await formFor(set(), { browser: mallory, person: person() });
    const victim = world.browser();
    const page = await withoutAccess(world, () => bring(victim, form));
    assertRefused(world, page, 'state_of_another_browser');
    assert.equal(hasSession(victim), false);
    assert.equal((await bring(mallory, form)).status, 302, 'its own browser may still finish it');
  });

  test('not when the sign-in has taken too long', async () => {
    const { world, person } = set();
    const browser = world.browser();
    const form = await formFor(set(), { browser, person: person() });
    const page = await withoutAccess(world, () => later(world, HOUR, () => bring(browser, form)));
    assertRefused(world, page, 'state_expired');
  });

  test('not after the provider was given another key', async () => {
    const { world, saml, account } = { ...set(), account: set().world.account_id };
    const other = await addSaml(world, saml);
    const browser = world.browser();
    const form = await formFor(other, { browser, person: other.person() });
    const next = await createSamlPair();
    const path = `/accounts/${account}/access/identity_providers/${other.samlId}`;
    const { body } = await world.app.api('GET', path);
    const { name, type, config } = body.result;
    const changed = { name, type, config: { ...config, idp_public_certs: [next.cert] } };
    assert.equal((await world.app.api('PUT', path, { body: changed })).status, 200);
    const page = await withoutAccess(world, () => bring(browser, form));
    assertRefused(world, page, 'provider_answer_invalid', 502);
  });

  test('and a refusal of a known user is told to the administrator', async () => {
    const { world, person } = set();
    const [browser, one] = [world.browser(), person()];
    await walkSaml(set(), { browser, person: one });
    const moved: SamlPerson = { ...one, nameId: `${one.nameId}-moved` };
    set().saml.people.push(moved);
    const page = await walkSaml(set(), { browser: world.browser(), person: moved });
    assertRefused(world, page, 'subject_mismatch');
    const { failed_logins: failed = [] } = await readRows(world.database);
    assert.ok(failed.some((row) => row.includes('subject_mismatch') && row.includes(set().samlId)));
  });

  test('and a genuine one, signed by hand, is what these tests forge', async () => {
    const { world, saml, person } = set();
    const browser = world.browser();
    const form = await formFor(set(), { browser, person: person() });
    const xml = Buffer.from(form.fields.SAMLResponse ?? '', 'base64').toString();
    const resigned = signAssertion(xml.replace(signatureOf(xml), ''), saml.pair);
    const fields = { ...form.fields, SAMLResponse: Buffer.from(resigned).toString('base64') };
    assert.equal((await postResponse(browser, { ...form, fields })).location?.pathname, CALLBACK);
    assert.equal((await bring(browser, { ...form, fields })).status, 302);
  });
});
