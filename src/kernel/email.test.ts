import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { emailDomain, normaliseDomain, normaliseEmail } from './email.ts';

const refused: Record<string, string> = {
  'an empty text': '',
  'no at sign': 'ann.example.com',
  'no local part': '@example.com',
  'no domain': 'ann@',
  'two at signs': 'ann@evil.example@example.com',
  'a quoted at sign': '"ann@evil"@example.com',
  'a quoted local part': '"ann"@example.com',
  'a display name': 'Ann <ann@example.com>',
  'a comment': 'ann(admin)@example.com',
  'a list': 'ann@example.com,bob@example.com',
  'a space': 'an n@example.com',
  'a leading space': ' ann@example.com',
  'a trailing line feed': 'ann@example.com\n',
  'a header injection': 'ann@example.com\r\nBcc: bob@example.com',
  'a tab in the domain': 'ann@exam\tple.com',
  'a NUL': 'ann\0@example.com',
  'a delete character': 'ann\x7f@example.com',
  'a C1 control': 'ann\x85@example.com',
  'a no-break space': 'ann\u00a0b@example.com',
  'a zero-width space': 'ann\u200b@example.com',
  'a right-to-left override': 'ann\u202e@example.com',
  'a soft hyphen that the domain would lose': 'ann@exam\u00adple.com',
  'a lone surrogate': 'ann\ud800@example.com',
  'an unassigned character': 'ann\u0378@example.com',
  'a full-width at sign': 'ann\uff20evil.example@example.com',
  'a full-width at sign in the domain': 'ann@evil\uff20example.com',
  'two dots in the local part': 'an..n@example.com',
  'a leading dot': '.ann@example.com',
  'a trailing dot': 'ann.@example.com',
  'two dots in the domain': 'ann@example..com',
  'a domain that ends in a dot': 'ann@example.com.',
  'a domain that begins with a dot': 'ann@.example.com',
  'a domain that begins with a hyphen': 'ann@-example.com',
  'a label that ends in a hyphen': 'ann@example-.com',
  'an underscore in the domain': 'ann@exa_mple.com',
  'a slash that would cut the domain': 'ann@example.com/evil',
  'a backslash that would cut the domain': 'ann@example.com\\evil',
  'a question mark that would cut the domain': 'ann@example.com?evil',
  'a full-width slash in the domain': 'ann@example.com\uff0fevil',
  'a Greek question mark, whose NFC is a semicolon': 'ann\u037eb@example.com',
  'a port': 'ann@example.com:25',
  'a per cent sign that would be decoded': 'ann@ex%41mple.com',
  'a full-width per cent sign in the domain': 'ann@ex\uff0541mple.com',
  'an IPv4 literal': 'ann@[1.2.3.4]',
  'an IPv6 literal': 'ann@[IPv6:::1]',
  'a bare IPv4 address': 'ann@1.2.3.4',
  'an IPv4 address in hexadecimal': 'ann@0x7f000001',
  'a domain that ends in a number': 'ann@example.1',
  'an A-label that decodes to nothing': 'ann@xn--a.com',
  'an A-label inside an A-label': 'ann@xn--xn---epa.com',
  'a label of 64 characters': `ann@${'a'.repeat(64)}.com`,
  'a domain of 254 characters': `a@${'abcdefg.'.repeat(31)}abcdef`,
  'an address of 321 characters': `${'a'.repeat(309)}@example.com`,
  'ten million characters': 'a'.repeat(10_000_000),
};

for (const [what, text] of Object.entries(refused)) {
  test(`an address with ${what} is refused`, () => assert.equal(normaliseEmail(text), null));
}

const accepted: [string, string][] = [
  ['ann@example.com', 'ann@example.com'],
  ['Ann.Lee+News@EXAMPLE.Com', 'ann.lee+news@example.com'],
  ["o'hara!#$%&*/=?^_`{|}~-@example.com", "o'hara!#$%&*/=?^_`{|}~-@example.com"],
  ['admin@localhost', 'admin@localhost'],
  ['ann@1.example', 'ann@1.example'],
  ['ann@bücher.de', 'ann@xn--bcher-kva.de'],
  ['ann@XN--BCHER-KVA.de', 'ann@xn--bcher-kva.de'],
  ['ann@bu\u0308cher.de', 'ann@xn--bcher-kva.de'],
  ['ann@faß.de', 'ann@xn--fa-hia.de'],
  ['ann@例え。jp', 'ann@xn--r8jz45g.jp'],
  ['用户@例子.广告', '用户@xn--fsqu00a.xn--4rr70v'],
  ['Jose\u0301@example.com', 'josé@example.com'],
  ['ÉVA@example.com', 'Éva@example.com'],
  ['H\u0331@example.com', '\u1e96@example.com'],
  [`${'a'.repeat(308)}@example.com`, `${'a'.repeat(308)}@example.com`],
];

for (const [text, key] of accepted) {
  test(`${text.slice(0, 40)} has one key`, () => assert.equal(normaliseEmail(text), key));
}

test('the local part is folded in ASCII alone, so É and é stay two people', () => {
  assert.notEqual(normaliseEmail('É@example.com'), normaliseEmail('é@example.com'));
});

test('the domain of a key is what follows its at sign', () => {
  assert.equal(emailDomain('ann@example.com'), 'example.com');
});

test('a domain is refused with an at sign before it, and folded otherwise', () => {
  for (const text of [
    '@example.com',
    '*.example.com',
    'example.com ',
    '',
    '10.0.0.1',
    'http://example.com',
  ]) {
    assert.equal(normaliseDomain(text), null, text);
  }
  assert.equal(normaliseDomain('BÜCHER.de'), 'xn--bcher-kva.de');
});

const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), fc.string());
const likelyAddress = fc
  .tuple(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 }),
    fc.string({ unit: 'grapheme', maxLength: 6 }),
  )
  .map(([local, label]) => `${local}@a${label}.example`);

test('property: a key is its own key, in NFC, with one at sign and an ASCII domain', () => {
  let keys = 0;
  fc.assert(
    fc.property(fc.oneof(likelyAddress, anyText, fc.emailAddress()), (text) => {
      const key = normaliseEmail(text);
      if (key === null) return;
      keys++;
      assert.equal(normaliseEmail(key), key);
      assert.equal(key.normalize('NFC'), key);
      assert.equal(key.split('@').length, 2);
      assert.match(emailDomain(key), /^[a-z0-9.-]+$/);
      assert.ok(key.length <= 320);
    }),
    { numRuns: 2000 },
  );
  assert.ok(keys > 100, 'the property saw too few addresses to mean anything');
});

test('property: spellings that differ in ASCII case or canonical form share a key', () => {
  fc.assert(
    fc.property(likelyAddress, (text) => {
      const shouted = text.replace(/[a-z]/g, (letter) => letter.toUpperCase());
      assert.equal(normaliseEmail(text.normalize('NFD')), normaliseEmail(text));
      if (text.normalize('NFC') === text)
        assert.equal(normaliseEmail(shouted), normaliseEmail(text.normalize('NFD')));
    }),
    { numRuns: 2000 },
  );
});

test('property: no text makes it throw', () => {
  fc.assert(fc.property(anyText, (text) => normaliseEmail(text) === null || text.includes('@')));
});
