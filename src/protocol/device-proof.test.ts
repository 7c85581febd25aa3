import assert from 'node:assert/strict';
import { createHash, createPrivateKey, sign } from 'node:crypto';
import { describe, test } from 'node:test';
import { generateP256KeyPair, randomSecret } from '../kernel/crypto.ts';
import { makeDeviceProof, PROOF_TYPE, readDeviceProof, readJwk, thumbprintOf } from './device-proof.ts';

const NOW = Date.UTC(2026, 10, 21, 12, 0, 0);
const URL_ = 'https://wiki.example/pages/1';
const REQUEST = { method: 'GET', url: URL_, now: NOW };
const pair = generateP256KeyPair();
const other = generateP256KeyPair();
const jti = () => randomSecret();

interface Parts {
  readonly header?: object | string;
  readonly claims?: object | string;
  readonly key?: typeof pair;
}

const HEADER = { typ: PROOF_TYPE, alg: 'ES256', jwk: pair.publicJwk };
const claims = (more: object = {}) => ({ htm: 'GET', htu: URL_, iat: NOW / 1000, jti: jti(), ...more });

/** A proof put together by hand: well signed, whatever it says. */
function forge({ header = HEADER, claims: said = claims(), key = pair }: Parts): string {
  const text = (part: object | string) => (typeof part === 'string' ? part : JSON.stringify(part));
  const signed = [header, said].map((part) => Buffer.from(text(part)).toString('base64url')).join('.');
  const privateKey = createPrivateKey({ key: { ...key.privateJwk }, format: 'jwk' });
  const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

const made = () => makeDeviceProof({ ...REQUEST, privateJwk: pair.privateJwk, jti: jti() });
const parts = (text: string) => text.split('.') as [string, string, string];
const jwk = (more: object) => ({ ...HEADER, jwk: { ...pair.publicJwk, ...more } });
const json = JSON.stringify;

/** Shorter than the key of the curve by a byte. */
const short = Buffer.alloc(31, 1).toString('base64url');
/** No point of the curve. */
const off = Buffer.alloc(32, 1).toString('base64url');

const REFUSED: readonly (readonly [what: string, text: () => string, reason: string])[] = [
  ['nothing', () => '', 'malformed'],
  ['two parts', () => parts(made()).slice(0, 2).join('.'), 'malformed'],
  ['four parts', () => `${made()}.x`, 'malformed'],
  ['a blank before it', () => ` ${made()}`, 'malformed'],
  ['a signature with padding', () => `${made()}==`, 'malformed'],
  ['a signature in DER, which is longer', () => `${made()}AAAA`, 'malformed'],
  ['no signature', () => `${parts(made()).slice(0, 2).join('.')}.`, 'malformed'],
  ['more than two kilobytes', () => forge({ claims: claims({ x: 'x'.repeat(2000) }) }), 'malformed'],
  ['a header that is no JSON', () => forge({ header: '{' }), 'malformed'],
  ['a header that is an array', () => forge({ header: '[]' }), 'malformed'],
  ['claims that are null', () => forge({ claims: 'null' }), 'malformed'],
  ['another typ', () => forge({ header: { ...HEADER, typ: 'dpop+jwt' } }), 'malformed'],
  ['no typ', () => forge({ header: { alg: 'ES256', jwk: pair.publicJwk } }), 'malformed'],
  ['no algorithm', () => forge({ header: { ...HEADER, alg: 'none' } }), 'malformed'],
  ['a symmetric algorithm', () => forge({ header: { ...HEADER, alg: 'HS256' } }), 'malformed'],
  ['another curve in the algorithm', () => forge({ header: { ...HEADER, alg: 'ES384' } }), 'malformed'],
  ['crit', () => forge({ header: { ...HEADER, crit: ['b64'], b64: false } }), 'malformed'],
  ['b64', () => forge({ header: { ...HEADER, b64: true } }), 'malformed'],
  ['kid beside the key', () => forge({ header: { ...HEADER, kid: '1' } }), 'malformed'],
  [
    'a key that is said twice',
    () => forge({ header: `{"typ":"${PROOF_TYPE}","alg":"ES256","jwk":{},"jwk":${json(pair.publicJwk)}}` }),
    'malformed',
  ],
  [
    'a member of the key that is said twice',
    () => forge({ header: json(HEADER).replace('"kty":"EC"', '"kty":"RSA","kty":"EC"') }),
    'malformed',
  ],
  [
    'a claim that is said twice, once in escapes',
    () => forge({ claims: json(claims()).replace('{', '{"ht\\u006d":"POST",') }),
    'malformed',
  ],
  ['a private key', () => forge({ header: { ...HEADER, jwk: pair.privateJwk } }), 'key'],
  ['no key', () => forge({ header: { ...HEADER, jwk: null } }), 'key'],
  ['a key with something more', () => forge({ header: jwk({ use: 'sig' }) }), 'key'],
  ['another type of key', () => forge({ header: jwk({ kty: 'OKP' }) }), 'key'],
  ['another curve', () => forge({ header: jwk({ crv: 'P-384' }) }), 'key'],
  ['a short coordinate', () => forge({ header: jwk({ x: short }) }), 'key'],
  ['a coordinate with padding', () => forge({ header: jwk({ x: `${pair.publicJwk.x}=` }) }), 'key'],
  ['a coordinate that is a number', () => forge({ header: jwk({ y: 7 }) }), 'key'],
  ['no point of the curve', () => forge({ header: jwk({ x: off, y: off }) }), 'signature'],
  ['signed with another key', () => forge({ key: other }), 'signature'],
  ["another's signature", () => [...parts(made()).slice(0, 2), parts(forge({}))[2]].join('.'), 'signature'],
  ['signature of zeros', () => [...parts(made()).slice(0, 2), 'A'.repeat(86)].join('.'), 'signature'],
  ['no htm', () => forge({ claims: claims({ htm: undefined }) }), 'malformed'],
  ['another method', () => forge({ claims: claims({ htm: 'POST' }) }), 'method'],
  ['the method in lower case', () => forge({ claims: claims({ htm: 'get' }) }), 'method'],
  ['no htu', () => forge({ claims: claims({ htu: undefined }) }), 'malformed'],
  ['a path alone', () => forge({ claims: claims({ htu: '/pages/1' }) }), 'malformed'],
  ['another path', () => forge({ claims: claims({ htu: 'https://wiki.example/pages/2' }) }), 'url'],
  ['a path below', () => forge({ claims: claims({ htu: `${URL_}/edit` }) }), 'url'],
  ['another host', () => forge({ claims: claims({ htu: 'https://wiki.example.org/pages/1' }) }), 'url'],
  ['another port', () => forge({ claims: claims({ htu: 'https://wiki.example:8443/pages/1' }) }), 'url'],
  ['another scheme', () => forge({ claims: claims({ htu: 'http://wiki.example/pages/1' }) }), 'url'],
  [
    'a user before the host',
    () => forge({ claims: claims({ htu: 'https://x@wiki.example/pages/1' }) }),
    'malformed',
  ],
  ['no web address', () => forge({ claims: claims({ htu: 'file:///pages/1' }) }), 'malformed'],
  ['no iat', () => forge({ claims: claims({ iat: undefined }) }), 'malformed'],
  ['iat as a text', () => forge({ claims: claims({ iat: String(NOW / 1000) }) }), 'malformed'],
  ['iat with a fraction', () => forge({ claims: claims({ iat: NOW / 1000 + 0.5 }) }), 'malformed'],
  ['iat in milliseconds', () => forge({ claims: claims({ iat: NOW }) }), 'from_the_future'],
  ['a minute and a second old', () => forge({ claims: claims({ iat: NOW / 1000 - 61 }) }), 'too_old'],
  ['six seconds ahead', () => forge({ claims: claims({ iat: NOW / 1000 + 6 }) }), 'from_the_future'],
  ['no jti', () => forge({ claims: claims({ jti: undefined }) }), 'malformed'],
  ['a jti that can be guessed', () => forge({ claims: claims({ jti: 'short' }) }), 'malformed'],
  ['a jti of many characters', () => forge({ claims: claims({ jti: 'x'.repeat(129) }) }), 'malformed'],
];

describe('what is no proof of the request', () => {
  for (const [what, text, reason] of REFUSED) {
    test(what, () => assert.deepEqual(readDeviceProof(text(), REQUEST), { reason }));
  }

  test('any of its characters changed', () => {
    const proof = made();
    for (let at = 0; at < proof.length; at += 3) {
      const changed = `${proof.slice(0, at)}${proof[at] === 'A' ? 'B' : 'A'}${proof.slice(at + 1)}`;
      assert.ok('reason' in readDeviceProof(changed, REQUEST), String(at));
    }
  });

  test('any other request', () => {
    const proof = made();
    for (const more of [
      { method: 'POST' },
      { method: 'get' },
      { url: 'https://wiki.example/pages/10' },
      { url: 'https://wiki.example/pages/1/' },
      { url: 'http://wiki.example/pages/1' },
      { url: 'https://wiki.example:444/pages/1' },
      { url: 'no address' },
      { now: NOW + 61_000 },
      { now: NOW - 6_000 },
      { now: Number.NaN },
    ])
      assert.ok('reason' in readDeviceProof(proof, { ...REQUEST, ...more }), json(more));
  });

  test('none is made of what no gate accepts', () => {
    const of = { ...REQUEST, privateJwk: pair.privateJwk, jti: jti() };
    assert.throws(() => makeDeviceProof({ ...of, jti: 'short' }), TypeError);
    assert.throws(() => makeDeviceProof({ ...of, url: '/path' }), TypeError);
    assert.throws(() => makeDeviceProof({ ...of, privateJwk: { ...pair.privateJwk, x: short } }), TypeError);
  });
});

describe('a proof', () => {
  test('tells whose key signed it, and which one of its proofs it is', () => {
    const id = jti();
    const text = makeDeviceProof({ ...REQUEST, privateJwk: pair.privateJwk, jti: id });
    const { thumbprint } = readDeviceProof(text, REQUEST) as { thumbprint: string };
    assert.deepEqual(readDeviceProof(text, REQUEST), {
      thumbprint: thumbprintOf(pair.publicJwk),
      jwk: pair.publicJwk,
      jti: id,
      iat: NOW / 1000,
    });
    const { crv, kty, x, y } = pair.publicJwk;
    const canonical = `{"crv":"${crv}","kty":"${kty}","x":"${x}","y":"${y}"}`;
    assert.equal(thumbprint, createHash('sha256').update(canonical).digest('base64url'));
    assert.ok(!Buffer.from(parts(text)[0], 'base64url').toString().includes(pair.privateJwk.d));
  });

  test('is as old as a minute, and as far ahead as five seconds', () => {
    for (const iat of [NOW / 1000 - 60, NOW / 1000 + 5])
      assert.ok('thumbprint' in readDeviceProof(forge({ claims: claims({ iat }) }), REQUEST), String(iat));
  });

  test('is of the address without query and fragment, in any spelling that means the same', () => {
    const spellings = [
      `${URL_}?a=1#b`,
      'HTTPS://Wiki.Example:443/pages/1',
      'https://wiki.example/x/../pages/1',
    ];
    for (const htu of spellings)
      assert.ok('thumbprint' in readDeviceProof(forge({ claims: claims({ htu }) }), REQUEST), htu);
    for (const url of spellings) assert.ok('thumbprint' in readDeviceProof(made(), { ...REQUEST, url }), url);
  });

  test('may say more in its claims, in any layout, and quote what looks like a name', () => {
    const more = claims({ ath: 'x', list: [{ a: '","b":"' }, 'c:'], '': '\\":' });
    assert.ok('thumbprint' in readDeviceProof(forge({ claims: json(more, null, 2) }), REQUEST));
  });

  test('is of a key that is read in one shape alone', () => {
    assert.deepEqual(readJwk({ ...pair.publicJwk }), pair.publicJwk);
    assert.deepEqual([readJwk(pair.privateJwk), readJwk([]), readJwk('x')], [null, null, null]);
  });
});
