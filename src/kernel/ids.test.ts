import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  isSecret,
  newAudienceTag,
  newClientId,
  newSecret,
  newSessionNonce,
  newTag,
  newUuid,
  type SecretKind,
} from './ids.ts';

const shapes: readonly (readonly [string, () => string, RegExp])[] = [
  ['a tag', newTag, /^[0-9a-f]{32}$/],
  ['a UUID', newUuid, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/],
  ['an audience tag', newAudienceTag, /^[0-9a-f]{64}$/],
  ['the nonce of a session', newSessionNonce, /^[0-9A-Za-z]{16}$/],
  ['a Global API Key', () => newSecret('cfk'), /^cfk_[0-9a-f]{40}[0-9a-f]{8}$/],
  ['a user token', () => newSecret('cfut'), /^cfut_[0-9A-Za-z]{40}[0-9a-f]{8}$/],
  ['an account token', () => newSecret('cfat'), /^cfat_[0-9A-Za-z]{40}[0-9a-f]{8}$/],
  ['the secret of a service token', () => newSecret('cfast'), /^cfast_[0-9A-Za-z]{40}[0-9a-f]{8}$/],
  ['the secret of a gate', () => newSecret('pcg'), /^pcg_[0-9A-Za-z]{40}[0-9a-f]{8}$/],
  ['the client id of a service token', newClientId, /^[0-9a-f]{32}\.access$/],
];

for (const [name, make, shape] of shapes) {
  test(`${name} has its shape, and each is another`, () => {
    const made = Array.from({ length: 200 }, make);
    for (const one of made) assert.match(one, shape);
    assert.equal(new Set(made).size, made.length);
  });
}

test('every character of a token’s alphabet is used, at every place', () => {
  const made = Array.from({ length: 3000 }, () => newSecret('cfat').slice(5, 45));
  for (let place = 0; place < 40; place++) {
    assert.equal(new Set(made.map((text) => text[place])).size, 62, `place ${place}`);
  }
});

describe('a secret', () => {
  const kinds: readonly SecretKind[] = ['cfk', 'cfut', 'cfat', 'cfast', 'pcg'];

  test('is well formed as what it is, and as nothing else', () => {
    for (const kind of kinds) {
      const secret = newSecret(kind);
      assert.ok(isSecret(secret, [kind]) && isSecret(secret, kinds));
      assert.equal(
        isSecret(
          secret,
          kinds.filter((other) => other !== kind),
        ),
        false,
      );
      assert.equal(isSecret(secret, []), false);
    }
  });

  test('is known by its checksum: no other prefix, no changed, added or lost character', () => {
    const change = fc.record({
      kind: fc.constantFrom(...kinds),
      at: fc.nat(60),
      character: fc.string({ minLength: 0, maxLength: 2 }),
    });
    fc.assert(
      fc.property(change, ({ kind, at, character }) => {
        const secret = newSecret(kind);
        const altered = secret.slice(0, at) + character + secret.slice(at + 1);
        fc.pre(altered !== secret);
        assert.equal(isSecret(altered, kinds), false);
      }),
      { numRuns: 1000 },
    );
    const token = newSecret('cfat');
    assert.equal(isSecret(token.replace('cfat', 'cfut'), kinds), false);
  });

  test('has nothing around it', () => {
    const secret = newSecret('cfat');
    for (const text of [
      '',
      ` ${secret}`,
      `${secret} `,
      `${secret}\n`,
      `${secret}${secret}`,
      secret.toUpperCase(),
    ]) {
      assert.equal(isSecret(text, kinds), false, JSON.stringify(text));
    }
  });
});
