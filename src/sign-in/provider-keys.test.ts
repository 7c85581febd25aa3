import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { test } from 'node:test';
import { errors, jwtVerify, SignJWT } from 'jose';
import { MINUTE, SECOND } from '../kernel/clock.ts';
import { createProviderKeys, KeysUnavailable } from './provider-keys.ts';

const URL_OF_KEYS = 'https://provider.example/jwks';

/** A provider whose keys and health the test holds, and how often it was asked. */
function stage() {
  const now = { at: 1_000_000 };
  const provider = { keys: [] as object[], asked: 0, isDown: false };
  const fetch = async () => {
    provider.asked += 1;
    if (provider.isDown) throw new TypeError('down');
    return Response.json({ keys: provider.keys });
  };
  const keys = createProviderKeys({ clock: { now: () => now.at }, fetch });
  return { now, provider, verify: (token: string) => keys.with(URL_OF_KEYS, (set) => jwtVerify(token, set)) };
}

function newKey(kid: string): { jwk: object; privateKey: KeyObject; kid: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg: 'ES256' }, privateKey, kid };
}

function sign({ privateKey, kid }: ReturnType<typeof newKey>): Promise<string> {
  return new SignJWT({}).setProtectedHeader({ alg: 'ES256', kid }).sign(privateKey);
}

test('garbage makes us ask the provider once, not each time', async () => {
  const { provider, verify } = stage();
  provider.keys = [newKey('a').jwk];
  const garbage = await sign(newKey('b'));
  for (let at = 0; at < 20; at += 1) await assert.rejects(verify(garbage), errors.JWKSNoMatchingKey);
  const forged = await sign(newKey('a'));
  for (let at = 0; at < 20; at += 1) {
    await assert.rejects(verify(forged), errors.JWSSignatureVerificationFailed);
  }
  assert.equal(provider.asked, 1);
});

test('many at once share one question', async () => {
  const { provider, verify } = stage();
  const key = newKey('a');
  provider.keys = [key.jwk];
  const token = await sign(key);
  await Promise.all(Array.from({ length: 20 }, () => verify(token)));
  assert.equal(provider.asked, 1);
});

test('a new key is found half a minute after the last question', async () => {
  const { now, provider, verify } = stage();
  const [old, next] = [newKey('a'), newKey('b')];
  provider.keys = [old.jwk];
  await verify(await sign(old));
  provider.keys = [old.jwk, next.jwk];
  const token = await sign(next);
  await assert.rejects(verify(token), errors.JWKSNoMatchingKey);
  now.at += 31 * SECOND;
  await verify(token);
  assert.equal(provider.asked, 2);
});

test('a key that was taken back counts for five minutes at most', async () => {
  const { now, provider, verify } = stage();
  const [old, next] = [newKey('a'), newKey('b')];
  provider.keys = [old.jwk];
  const token = await sign(old);
  await verify(token);
  provider.keys = [next.jwk];
  now.at += 5 * MINUTE;
  await assert.rejects(verify(token), errors.JWKSNoMatchingKey);
});

test('a provider that is down is not asked again and again, and its keys of before do not go on for ever', async () => {
  const { now, provider, verify } = stage();
  const key = newKey('a');
  const token = await sign(key);
  provider.isDown = true;
  for (let at = 0; at < 5; at += 1) await assert.rejects(verify(token), KeysUnavailable);
  assert.equal(provider.asked, 1);
  provider.isDown = false;
  provider.keys = [key.jwk];
  now.at += 31 * SECOND;
  await verify(token);
  provider.isDown = true;
  now.at += 4 * MINUTE;
  await verify(token);
  assert.equal(provider.asked, 2);
  now.at += 2 * MINUTE;
  await assert.rejects(verify(token), KeysUnavailable);
  assert.equal(provider.asked, 3);
});

test('a clock that was set back does not keep old keys', async () => {
  const { now, provider, verify } = stage();
  const [old, next] = [newKey('a'), newKey('b')];
  provider.keys = [old.jwk];
  await verify(await sign(old));
  provider.keys = [next.jwk];
  now.at -= 60 * MINUTE;
  await verify(await sign(next));
});
