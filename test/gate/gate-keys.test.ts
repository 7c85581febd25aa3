import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, jwtVerify } from 'jose';
import { generateKey, type NewKey } from '../../src/access/keys/keys.ts';
import { publishGateKey } from '../../src/portcullis/gates/gates.ts';
import { ASSERTION_TYPE, TOKEN_TYPE } from '../../src/protocol/claims.ts';
import { openForge, openKey, signWith, tokenIn } from '../support/forge.ts';
import { createGateByApi, type NewGate } from '../support/gate-keys.ts';
import { about, ask, assertSignIn, NAVIGATION, withToken } from '../support/gate-questions.ts';
import { type Gated, gatedOnBothDatabases, IDENTITY } from '../support/gated.ts';
import { exchange, toBytes } from '../support/raw-http.ts';

/*
 * What the key of a remote gate is good for: applications believe an assertion by it while its credential lives.
 * Nobody takes anything that it signed for a credential.
 */

async function certs({ app }: Gated): Promise<JSONWebKeySet> {
  return (await (await fetch(`${app.origin}/cdn-cgi/access/certs`)).json()) as JSONWebKeySet;
}

/** A gate whose key is published, and who has its private half. */
async function publish(world: Gated, name: string): Promise<{ gate: NewGate; key: NewKey }> {
  const gate = await createGateByApi(world.app, name);
  const key = await generateKey('gate');
  const { kty, n, e } = key.publicJwk;
  await publishGateKey(world.app.app.control, gate, { kid: key.kid, kty, n, e });
  return { gate, key };
}

gatedOnBothDatabases('the key of a remote gate', (world) => {
  const delivered = async () => {
    const person = world().person();
    const browser = await world().signedIn(person);
    const assertion = world().arrived.at(-1)?.headers['cf-access-jwt-assertion'];
    return { browser, token: tokenIn(browser, world().site), assertion: String(assertion) };
  };

  /** The status of the team domain's answer to who that is. */
  const identityFor = async (token: string) => {
    const { port, teamDomain } = world().app;
    const headers = [['cookie', `CF_Authorization=${token}`]] as const;
    return (await exchange(port, toBytes({ target: IDENTITY, headers }, teamDomain))).status;
  };

  test('verifies its assertions until the credential is deleted, and none after', async () => {
    const { gate, key } = await publish(world(), 'honest');
    const claims = decodeJwt((await delivered()).assertion);
    const signed = signWith(openKey(key.privateJwk), claims, { kid: key.kid, typ: ASSERTION_TYPE });
    const options = { algorithms: ['RS256'], issuer: world().team, audience: world().application.aud };
    const { payload } = await jwtVerify(signed, createLocalJWKSet(await certs(world())), options);
    assert.deepEqual(payload, claims);
    const target = `/accounts/${gate.accountId}/portcullis/gates/${gate.id}`;
    assert.equal((await world().app.api('DELETE', target)).status, 200);
    const after = createLocalJWKSet(await certs(world()));
    await assert.rejects(jwtVerify(signed, after, options), { code: 'ERR_JWKS_NO_MATCHING_KEY' });
  });

  test('makes no credential: neither a token with genuine claims nor an assertion opens anything', async () => {
    const { key } = await publish(world(), 'greedy');
    const { token, assertion, browser } = await delivered();
    const session = tokenIn(browser, world().team);
    assert.equal(await identityFor(session), 200);
    const forge = await openForge(world());
    for (const claims of [decodeJwt(token), decodeJwt(assertion), decodeJwt(session)]) {
      for (const typ of [TOKEN_TYPE, ASSERTION_TYPE, undefined]) {
        for (const kid of [key.kid, forge.kid, forge.gateKid]) {
          const forged = signWith(openKey(key.privateJwk), claims, { kid, typ });
          await assertSignIn(world(), [withToken(forged)], 'credential_invalid', `${typ} ${kid}`);
          assert.notEqual(await identityFor(forged), 200);
        }
      }
    }
    const { status } = await ask(world(), [...about(world()), ...NAVIGATION, withToken(token)]);
    assert.equal(status, 200, 'the genuine one is admitted');
  });

  test('changes nothing for whoever is signed in, nor in what this server signs with', async () => {
    const before = await delivered();
    const kids = (await certs(world())).keys.map(({ kid }) => kid);
    const { key } = await publish(world(), 'newcomer');
    assert.deepEqual(
      (await certs(world())).keys.map(({ kid }) => kid),
      [...kids.slice(0, 2), ...[...kids.slice(2), key.kid].sort()],
    );
    const { status } = await ask(world(), [...about(world()), ...NAVIGATION, withToken(before.token)]);
    assert.equal(status, 200);
    const set = createLocalJWKSet({
      keys: (await certs(world())).keys.filter(({ kid }) => kids.slice(0, 2).includes(kid)),
    });
    const { token, assertion } = await delivered();
    for (const jwt of [token, assertion]) await jwtVerify(jwt, set, { algorithms: ['RS256'] });
  });
});
