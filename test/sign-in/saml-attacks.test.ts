import assert from 'node:assert/strict';
import { test } from 'node:test';
import { databases } from '../support/postgres.ts';
import { readRows } from '../support/rows.ts';
import { HEAVY, MARKUP, VICTIM, WRAPPINGS } from '../support/saml-attacks.ts';
import { assertionOf, signatureOf, signResponse } from '../support/saml-forge.ts';
import { createSamlPair, type SamlMisbehaviour } from '../support/saml-provider.ts';
import { assertForged, type SamlWorld, samlOnBothDatabases, walkSaml } from '../support/saml-steps.ts';
import { assertRefused, withoutAccess } from '../support/sign-in-steps.ts';

/*
 * Responses that no provider meant. Whatever is forged: nobody is signed in, the log has the reason, and the sign-in
 * is used up.
 */

/** The same, tried on the response after it was signed. */
const forged = (set: SamlWorld, afterSigning: (xml: string) => string | Promise<string>) =>
  assertForged(set, { afterSigning });

const [sqlite] = databases;
assert.ok(sqlite);

samlOnBothDatabases(
  'a forged response is refused',
  (set) => {
    test('without a signature', async () => {
      const cause = await forged(set(), (xml) => xml.replace(signatureOf(xml), ''));
      assert.equal(cause, 'Invalid signature');
      await assertForged(set(), { options: (same) => ({ ...same, signAssertion: false }) });
    });

    test('with the signature of another key, whose certificate it brings along', async () => {
      const other = await createSamlPair();
      assert.equal(
        await assertForged(set(), { options: (same) => ({ ...same, ...other }) }),
        'Invalid signature',
      );
    });

    test('with a signed response around an assertion that is not', async () => {
      const { saml } = set();
      const options: SamlMisbehaviour['options'] = (same) => ({ ...same, signAssertion: false });
      const cause = await assertForged(set(), {
        options,
        afterSigning: (xml) => signResponse(xml, saml.pair),
      });
      assert.equal(cause, 'Invalid signature');
    });

    test('with a good assertion in a response that another key signed, or whose signature is broken', async () => {
      const other = await createSamlPair();
      assert.equal(await forged(set(), (xml) => signResponse(xml, other)), 'Invalid document signature');
      const { saml } = set();
      const broken = (xml: string) => signResponse(xml, saml.pair).replace(/ID="_\w+"/, 'ID="_another"');
      await forged(set(), broken);
    });

    test('when a value, the name or a time was changed after it was signed', async () => {
      await forged(set(), (xml) => xml.replaceAll(/[\w-]+@example\.com/g, VICTIM));
      await forged(set(), (xml) => xml.replace(/(<saml:NameID[^>]*>)[^<]+/, `$1${VICTIM}`));
      await forged(set(), (xml) =>
        xml.replaceAll(/NotOnOrAfter="[^"]+"/g, 'NotOnOrAfter="2099-01-01T00:00:00Z"'),
      );
    });

    test('when the signature is of another response', async () => {
      const { world, saml, person } = set();
      const own = person();
      const stolen: string[] = [];
      const keep = (xml: string) => {
        stolen.push(signatureOf(assertionOf(xml)));
        return xml;
      };
      await walkSaml(set(), { browser: world.browser(), person: own }, { afterSigning: keep });
      assert.ok(stolen[0] && saml.people.includes(own));
      await forged(set(), (xml) => xml.replace(signatureOf(xml), stolen[0] ?? ''));
    });

    for (const [name, wrap] of Object.entries(WRAPPINGS)) {
      test(`by signature wrapping: ${name}`, async () => {
        const cause = await forged(set(), wrap);
        assert.doesNotMatch(cause, /undefined|not a function/);
      });
    }

    for (const [name, inject] of Object.entries(MARKUP)) {
      test(`with ${name}`, async () => {
        assert.equal(await forged(set(), inject), 'a DTD, comment or instruction');
      });
    }

    test('with a comment in the NameID, which the signature does not cover', async () => {
      const person = { nameId: `${VICTIM}.evil.example`, email: 'mallory@example.com' };
      set().saml.people.push(person);
      const cut = (xml: string) => xml.replace(person.nameId, `${VICTIM}<!---->.evil.example`);
      const { world } = set();
      const walk = { browser: world.browser(), person };
      const page = await withoutAccess(world, () => walkSaml(set(), walk, { afterSigning: cut }));
      assertRefused(world, page, 'provider_answer_invalid', 502);
      const { identities = [] } = await readRows(world.database);
      assert.ok(identities.every((row) => !row.includes(VICTIM)));
    });

    test('that is signed with SHA-1, in the signature or the digest', async () => {
      const sha1 = 'http://www.w3.org/2000/09/xmldsig#';
      const by = (more: object) => assertForged(set(), { options: (same) => ({ ...same, ...more }) });
      assert.equal(await by({ signatureAlgorithm: 'rsa-sha1' }), `SignatureMethod ${sha1}rsa-sha1`);
      assert.equal(await by({ digestAlgorithm: 'sha1' }), `DigestMethod ${sha1}sha1`);
    });

    test('that names HMAC, keyed with the public certificate', async () => {
      const hmac = 'http://www.w3.org/2000/09/xmldsig#hmac-sha1';
      const cause = await forged(set(), (xml) =>
        xml.replace('http://www.w3.org/2001/04/xmldsig-more#rsa-sha256', hmac),
      );
      assert.equal(cause, `SignatureMethod ${hmac}`);
    });

    test('that transforms what it signs', async () => {
      const xslt = 'http://www.w3.org/TR/1999/REC-xslt-19991116';
      const cause = await forged(set(), (xml) =>
        xml.replace('<Transforms>', `<Transforms><Transform Algorithm="${xslt}"/>`),
      );
      assert.equal(cause, `Transform ${xslt}`);
    });

    test('that is no response, no XML, or encrypted', async () => {
      for (const xml of ['x', '<a/>', '<Response/>', '<a><b></a>', '\0', '<', '{"a":1}']) {
        await assertForged(set(), { afterSigning: () => xml });
      }
      const cause = await forged(set(), (xml) =>
        xml.replace('</samlp:Response>', '<saml:EncryptedAssertion xmlns:saml="x"/></samlp:Response>'),
      );
      assert.equal(cause, 'encrypted assertions are not supported');
    });

    for (const [name, alter] of Object.entries(HEAVY)) {
      test(`that would keep the server busy: ${name}`, async () => {
        assert.equal(await forged(set(), alter), 'too large');
      });
    }
  },
  [sqlite],
);
