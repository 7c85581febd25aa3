import assert from 'node:assert/strict';
import { createHash, createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  createVault,
  equalInConstantTime,
  generateRsaKeyPair,
  randomAlphanumeric,
  randomHex,
  randomSecret,
  sha256,
} from './crypto.ts';

test('SHA-256 is the one of FIPS 180-4, of the text in UTF-8', () => {
  assert.equal(sha256('abc'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  assert.equal(sha256(''), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  assert.equal(
    sha256('ü'),
    createHash('sha256')
      .update(Buffer.from([0xc3, 0xbc]))
      .digest('hex'),
  );
});

test('texts are equal if they are the same, whatever their length', () => {
  const text = fc.string({ unit: 'binary' });
  fc.assert(
    fc.property(text, text, (one, other) => {
      assert.equal(equalInConstantTime(one, one), true);
      // Halves of surrogate pairs all look alike in UTF-8.
      if (one.isWellFormed() && other.isWellFormed())
        assert.equal(equalInConstantTime(one, other), one === other);
    }),
  );
});

test('what is random has its length and alphabet, and is never the same', () => {
  assert.match(randomHex(20), /^[0-9a-f]{40}$/);
  assert.match(randomAlphanumeric(40), /^[0-9A-Za-z]{40}$/);
  assert.match(randomSecret(), /^[\w-]{43}$/);
  assert.equal(new Set(Array.from({ length: 1000 }, randomSecret)).size, 1000);
});

test('a key pair is of RS256, and the public half tells nothing of the private one', async () => {
  const { publicJwk, privateJwk } = await generateRsaKeyPair();
  assert.deepEqual(Object.keys(publicJwk).sort(), ['e', 'kty', 'n']);
  assert.equal(Buffer.from(publicJwk.n, 'base64url').length, 256);
  const text = Buffer.from('text');
  const signature = sign('sha256', text, createPrivateKey({ key: { ...privateJwk }, format: 'jwk' }));
  const key = createPublicKey({ key: { ...publicJwk }, format: 'jwk' });
  assert.equal(verify('sha256', text, key, signature), true);
  assert.equal(verify('sha256', Buffer.from('other'), key, signature), false);
});

describe('a vault', () => {
  const key = Buffer.from(randomHex(32), 'hex');
  const vault = createVault(key);

  test('gives back what was put in, and shows nothing of it', () => {
    const text = fc.string({ unit: 'grapheme' });
    fc.assert(
      fc.property(text, text, (place, plaintext) => {
        const sealed = vault.seal(place, plaintext);
        assert.equal(vault.open(place, sealed), plaintext);
        assert.match(sealed, /^[\w-]+$/);
        if (plaintext.length > 4) assert.equal(Buffer.from(sealed, 'base64url').includes(plaintext), false);
      }),
    );
  });

  test('seals the same text differently each time', () => {
    assert.equal(new Set(Array.from({ length: 100 }, () => vault.seal('place', 'text'))).size, 100);
  });

  test('opens for no other key', () => {
    const other = createVault(Buffer.from(randomHex(32), 'hex'));
    assert.throws(() => other.open('place', vault.seal('place', 'text')));
  });

  test('opens for no other place', () => {
    assert.throws(() => vault.open('place 2', vault.seal('place 1', 'text')));
    assert.throws(() => vault.open('', vault.seal('place 1', 'text')));
  });

  test('opens nothing that was altered, shortened or made up', () => {
    const sealed = Buffer.from(vault.seal('place', 'text'), 'base64url');
    for (let at = 0; at < sealed.length; at++) {
      const altered = Buffer.from(sealed);
      altered.writeUInt8((altered.readUInt8(at) + 1) % 256, at);
      assert.throws(() => vault.open('place', altered.toString('base64url')), `byte ${at}`);
      assert.throws(() => vault.open('place', sealed.subarray(0, at).toString('base64url')), `${at} bytes`);
    }
    for (const odd of ['', 'text', '!!!!', sealed.toString('hex')])
      assert.throws(() => vault.open('place', odd));
  });

  test('has a key of 32 bytes, neither more nor less', () => {
    for (const length of [0, 16, 31, 33, 64])
      assert.throws(() => createVault(Buffer.alloc(length)), TypeError);
  });
});
