import assert from 'node:assert/strict';
import { createPublicKey, type JsonWebKey, randomBytes } from 'node:crypto';
import { mock, test } from 'node:test';
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { generateKey } from '../../src/access/keys/keys.ts';
import { PUBLISHED_FOR } from '../../src/access/keys/schedule.ts';
import type { AccountState } from '../../src/gate/state.ts';
import { createTokenVerifier } from '../../src/gate/verify.ts';
import { DAY } from '../../src/kernel/clock.ts';
import type { KeyState } from '../../src/protocol/state.ts';
import { encode, openForge, openKey, signWith, tokenIn } from '../support/forge.ts';
import { about, ask, assertSignIn, NAVIGATION, PROGRAM, withToken } from '../support/gate-questions.ts';
import { type Gated, gatedOnBothDatabases } from '../support/gated.ts';
import { createTestKeyTimer, keyRows } from '../support/key-timer.ts';
import { later } from '../support/sign-in-steps.ts';

/*
 * What a rotation of keys is to people, to applications and to whoever would use it: nobody notices, and no key
 * is good for what it was not made for, whatever its stage.
 */

interface KeySet {
  readonly keys: (JsonWebKey & { kid: string; n: string })[];
}

gatedOnBothDatabases('a rotation of keys', (world) => {
  const certs = async (): Promise<KeySet> => {
    const answer = await fetch(`${world().app.origin}/cdn-cgi/access/certs`);
    return (await answer.json()) as KeySet;
  };
  const verifies = async (set: KeySet, jwt: string) =>
    await jwtVerify(jwt, createLocalJWKSet(set as Parameters<typeof createLocalJWKSet>[0]), {
      algorithms: ['RS256'],
      currentDate: new Date(world().app.clock.now()),
    });
  const kidOf = (jwt: string) => decodeProtectedHeader(jwt).kid ?? assert.fail('no kid');
  const rotate = () => {
    const { sdk, account_id } = world();
    return sdk.zeroTrust.access.keys.rotate({ account_id });
  };
  const publishedLongEnough = async () => {
    const timer = createTestKeyTimer(world().app);
    await timer.turn();
    await timer.turn(PUBLISHED_FOR);
  };
  /** Somebody who has just signed in: their token, and what the application is told of them. */
  const arrival = async () => {
    const person = world().person();
    const token = tokenIn(await world().signedIn(person), world().site);
    return { person, token, assertion: await assertionFor(world(), token) };
  };

  test('is noticed by no application: whatever it is sent is verified with the key set that it fetched last', async () => {
    const before = await certs();
    const one = await arrival();
    await rotate();
    // Fetched before the call, and kept for as long as it may be: the former key signs meanwhile.
    const two = await arrival();
    for (const { token, assertion } of [one, two]) {
      await verifies(before, token);
      await verifies(before, assertion);
    }
    // Fetched when the former key still signs, and kept until the new one does.
    const kept = await certs();
    await publishedLongEnough();
    const three = await arrival();
    for (const { token, assertion } of [one, two, three]) {
      await verifies(kept, token);
      await verifies(kept, assertion);
      await verifies(await certs(), token);
    }
    const known = before.keys.map(({ kid }) => kid);
    for (const jwt of [three.token, three.assertion]) assert.ok(!known.includes(kidOf(jwt)));
    assert.notEqual(kidOf(three.token), kidOf(three.assertion));
    for (const jwt of [one.token, two.token, one.assertion]) assert.ok(known.includes(kidOf(jwt)));
  });

  test('is noticed by nobody who is signed in, and a removal ends what a former key has signed', async () => {
    const { person, token } = await arrival();
    await rotate();
    await assertAdmitted(world(), token);
    await publishedLongEnough();
    await assertAdmitted(world(), token);
    const { former } = await keyRows(world().app);
    assert.ok(former.some(({ id }) => id === kidOf(token)));
    const { sdk, account_id } = world();
    await sdk.zeroTrust.organizations.revokeUsers({ account_id, email: person.email });
    await assertSignIn(world(), [withToken(token)], 'session_unknown');
  });

  test('ends with the former key unknown to the gate, also for a token that it remembers', async () => {
    const { token } = await arrival();
    await rotate();
    await publishedLongEnough();
    await assertAdmitted(world(), token);
    const timer = createTestKeyTimer(world().app);
    await later(world(), 33 * DAY, async () => {
      await timer.turn();
      await assertSignIn(world(), [withToken(token)], 'credential_expired');
    });
    await assertAdmitted(world(), token);
    await later(world(), 35 * DAY, () => timer.turn());
    await assertSignIn(world(), [withToken(token)], 'credential_invalid');
    assert.ok(!(await certs()).keys.some(({ kid }) => kid === kidOf(token)));
    await arrival();
  });

  test('leaves no key good for another purpose, at any stage', async () => {
    await rotate();
    await publishedLongEnough();
    await rotate();
    const { token, assertion } = await arrival();
    const forge = await openForge(world());
    const claims = decodeJwt(token);
    await assertAdmitted(world(), forge.sign(claims));
    const { next, current, former } = await keyRows(world().app);
    const gateKids = [...next, ...current, ...former]
      .filter(({ purpose }) => purpose === 'gate')
      .map(({ id }) => id);
    assert.ok(gateKids.length >= 3);
    for (const kid of gateKids) {
      await assertSignIn(world(), [withToken(forge.signAsGate(claims, { kid }))], 'credential_invalid', kid);
      await assertSignIn(world(), [withToken(forge.sign(claims, { kid }))], 'credential_invalid', kid);
    }
    for (const { id: kid } of [...next, ...former]) {
      await assertSignIn(world(), [withToken(forge.sign(claims, { kid }))], 'credential_invalid', kid);
    }
    await assertSignIn(world(), [withToken(assertion)], 'credential_invalid');
    const posing = forge.sign(claims, { typ: 'assertion+jwt' });
    await assertSignIn(world(), [withToken(posing)], 'credential_invalid');
    const untold = await generateKey('session');
    const foreign = signWith(openKey(untold.privateJwk), claims, { kid: untold.kid });
    await assertSignIn(world(), [withToken(foreign)], 'credential_invalid', 'a key never published');
  });

  test('opens nothing to other algorithms: none, or the public key as a secret, of any key that is published', async () => {
    const { token } = await arrival();
    const claims = decodeJwt(token);
    const [, body = '', signature = ''] = token.split('.');
    const { keys } = await certs();
    assert.ok(keys.length >= 4);
    for (const jwk of keys) {
      const pem = createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
      for (const secret of [pem, jwk.n, JSON.stringify(jwk)]) {
        const forged = signWith(Buffer.from(secret), claims, { alg: 'HS256', kid: jwk.kid });
        await assertSignIn(world(), [withToken(forged)], 'credential_invalid', jwk.kid);
      }
      for (const alg of ['none', 'NONE', '']) {
        const head = encode({ alg, typ: 'JWT', kid: jwk.kid });
        for (const sum of ['', signature]) {
          await assertSignIn(world(), [withToken(`${head}.${body}.${sum}`)], 'credential_invalid', alg);
        }
      }
    }
    await assertAdmitted(world(), token);
  });

  test('is not hastened by ten thousand tokens of unknown keys, for which nothing is read and nothing looked up', async () => {
    const { token } = await arrival();
    const [, body = '', signature = ''] = token.split('.');
    const { database, feed } = world().app.app.control;
    const spies = [
      mock.method(database.reader.query, 'selectFrom'),
      mock.method(database, 'snapshot'),
      mock.method(database, 'write'),
    ];
    const catchUp = mock.method(feed, 'catchUp');
    const reads = () => spies.reduce((sum, spy) => sum + spy.mock.callCount(), 0);
    try {
      for (let asked = 0; asked < 10_000; asked += 100) {
        const statuses = await Promise.all(
          Array.from({ length: 100 }, () => {
            const head = encode({ alg: 'RS256', typ: 'JWT', kid: randomBytes(32).toString('hex') });
            return statusOf(world(), `${head}.${body}.${signature}`);
          }),
        );
        assert.deepEqual(new Set(statuses), new Set([401]));
      }
      // The feed is read every few seconds whatever comes; a read for each token, or for each hundred, is not that.
      assert.ok(reads() < 60, `${reads()} reads`);
      assert.equal(catchUp.mock.callCount(), 0);
      await feed.poll();
      assert.ok(reads() > 0, 'and what is read is counted');
    } finally {
      for (const spy of [...spies, catchUp]) spy.mock.restore();
    }
    await assertAdmitted(world(), token);
  });
});

test('a flood of unknown keys pushes nothing out of the memory of the gate', async () => {
  const key = await generateKey('session');
  const { kty, n, e } = key.publicJwk;
  const state: KeyState = { kid: key.kid, purpose: 'session', stage: 'current', jwk: { kty, n, e } };
  const lookups = { count: 0 };
  const keys = new (class extends Map<string, KeyState> {
    override get(kid: string) {
      lookups.count += 1;
      return super.get(kid);
    }
  })([[key.kid, state]]);
  const organization = { name: 'acme', auth_domain: 'acme.localhost', session_duration: DAY };
  const account = { accountId: 'acme', keys, organization } as unknown as AccountState;
  const verifier = createTokenVerifier({ scheme: 'http' });
  const genuine = signWith(openKey(key.privateJwk), CLAIMS, { kid: key.kid });
  assert.ok(await verifier.verify(genuine, account));
  assert.equal(lookups.count, 1);
  const [, body = '', signature = ''] = genuine.split('.');
  // More than the gate remembers of tokens: if these were remembered, the genuine one no longer would be.
  for (let nth = 0; nth < 25_000; nth++) {
    const head = encode({ alg: 'RS256', typ: 'JWT', kid: `${nth}` });
    assert.equal(await verifier.verify(`${head}.${body}.${signature}`, account), null);
  }
  assert.equal(lookups.count, 25_001, 'one look-up for each, in memory');
  assert.ok(await verifier.verify(genuine, account));
  assert.equal(lookups.count, 25_001, 'the genuine one is still remembered');
});

const CLAIMS = {
  type: 'app',
  aud: ['a'.repeat(64)],
  iss: 'http://acme.localhost',
  sub: 'user',
  email: 'ann@example.com',
  identity_nonce: 'nonce',
  exp: 2_000_000_000,
  rev: [1, 1],
  app_rev: [1, 1],
};

async function assertAdmitted(world: Gated, token: string): Promise<void> {
  const answer = await ask(world, [...about(world), ...PROGRAM, withToken(token)]);
  assert.deepEqual([answer.status, answer.reason], [200, 'policy_allow']);
}

/** What the application is sent, of this moment: a session that was not asked about yet has none kept. */
async function assertionFor(world: Gated, token: string): Promise<string> {
  const { headers } = await ask(world, [...about(world), ...NAVIGATION, withToken(token)]);
  return headers.get('cf-access-jwt-assertion') ?? assert.fail('no assertion');
}

/** Over connections that are kept, unlike `world.ask`: there are many. */
async function statusOf(world: Gated, token: string): Promise<number> {
  const headers = Object.fromEntries([...about(world), ...PROGRAM, withToken(token)]);
  const answer = await fetch(`${world.app.origin}/portcullis/forward-auth`, { headers, redirect: 'manual' });
  await answer.arrayBuffer();
  return answer.status;
}
