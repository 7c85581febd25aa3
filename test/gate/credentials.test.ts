import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, type JsonWebKey, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { decodeJwt, type JWTPayload } from 'jose';
import { generateKey, storeKey } from '../../src/access/keys/keys.ts';
import { createAccount } from '../../src/accounts/accounts/accounts.ts';
import type { Reason } from '../../src/gate/decide.ts';
import { MINUTE, timestamp } from '../../src/kernel/clock.ts';
import { createVault } from '../../src/kernel/crypto.ts';
import { encode, type Forge, openForge, openKey, signWith, tokenIn } from '../support/forge.ts';
import { about, ask, assertSignIn, NAVIGATION, PROGRAM, withToken } from '../support/gate-questions.ts';
import { type Gated, gatedOnBothDatabases } from '../support/gated.ts';
import type { Person } from '../support/openid-provider.ts';
import { later } from '../support/sign-in-steps.ts';

/** What an attacker has: a person of their own with a genuine token. */
interface Start {
  readonly world: Gated;
  readonly forge: Forge;
  readonly person: Person;
  readonly token: string;
  readonly claims: JWTPayload & { rev: [number, number]; app_rev: [number, number] };
}

const strangers = generateKeyPairSync('rsa', { modulusLength: 2048 });
const strangersJwk = strangers.publicKey.export({ format: 'jwk' });

const startIn = async (world: Gated): Promise<Start> => {
  const person = world.person();
  const token = tokenIn(await world.signedIn(person), world.site);
  const claims = decodeJwt(token) as Start['claims'];
  const forge = await openForge(world);
  await assertAdmitted(world, token);
  return { world, forge, person, token, claims };
};

// In a world of its own: with a genuine signature it is proof that the database lost a commit, and ends all that there is.
gatedOnBothDatabases('a credential that reads beyond all that is committed', (world) => {
  test('is none, by whichever of its readings', async () => {
    const { forge, claims } = await startIn(world());
    const [epoch, position] = claims.rev;
    for (const name of ['rev', 'app_rev']) {
      for (const rev of [
        [epoch, position + 1000],
        [epoch, Number.MAX_SAFE_INTEGER],
        [epoch + 1, position],
      ]) {
        const token = forge.sign({ ...claims, [name]: rev } as JWTPayload);
        await assertSignIn(world(), [withToken(token)], 'revoked', `${name} ${JSON.stringify(rev)}`);
      }
    }
  });
});

gatedOnBothDatabases('a credential', (world) => {
  const begin = () => startIn(world());

  test('signed again with the very same claims is admitted, so that what follows is refused for what it changes', async () => {
    const { forge, claims } = await begin();
    await assertAdmitted(world(), forge.sign(claims));
  });

  test('that is no token, or not whole, is none', async () => {
    const { token } = await begin();
    const [head = '', body = '', signature = ''] = token.split('.');
    const odd = ['x', '.', '..', '...', `${head}.${body}.`, `${head}.${body}`, `.${body}.${signature}`];
    const more = [
      `${token}.`,
      `${token}.x`,
      `${head}..${signature}`,
      token.slice(1),
      `${token}=`,
      ` ${token} x`,
    ];
    for (const text of [...odd, ...more, 'x'.repeat(9000), `${token}${'A'.repeat(9000)}`]) {
      await assertSignIn(world(), [withToken(text)], 'credential_invalid', text.slice(0, 40));
    }
  });

  test('whose claims or signature are altered is none', async () => {
    const { token, claims } = await begin();
    const [head = '', , signature = ''] = token.split('.');
    const other = encode({ ...claims, email: 'root@example.com' });
    await assertSignIn(world(), [withToken(`${head}.${other}.${signature}`)], 'credential_invalid');
    const bytes = Buffer.from(signature, 'base64url');
    for (const at of [0, 100, 255]) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      const text = `${token.slice(0, -signature.length)}${flipped.toString('base64url')}`;
      await assertSignIn(world(), [withToken(text)], 'credential_invalid');
    }
  });

  test('signed by another algorithm, or by none, is none', async () => {
    const { forge, claims, token } = await begin();
    const [, body = '', signature = ''] = token.split('.');
    for (const alg of ['none', 'None', 'NONE', '', 'HS256', 'RS384', 'ES256', 'EdDSA', undefined]) {
      const head = encode({ alg, typ: 'JWT', kid: forge.kid });
      for (const sum of ['', signature]) {
        await assertSignIn(world(), [withToken(`${head}.${body}.${sum}`)], 'credential_invalid', String(alg));
      }
    }
    for (const alg of ['RS384', 'RS512', 'PS256']) {
      await assertSignIn(world(), [withToken(forge.sign(claims, { alg }))], 'credential_invalid', alg);
    }
  });

  test('signed with the public key as if it were a shared secret is none', async () => {
    const { forge, claims } = await begin();
    const { keys } = (await (await fetch(`${world().app.origin}/cdn-cgi/access/certs`)).json()) as {
      keys: (JsonWebKey & { kid: string; n: string })[];
    };
    const jwk = keys.find(({ kid }) => kid === forge.kid) ?? assert.fail();
    const pem = createPublicKey({ key: jwk, format: 'jwk' });
    const forms = [
      pem.export({ type: 'spki', format: 'pem' }),
      pem.export({ type: 'pkcs1', format: 'pem' }),
      pem.export({ type: 'spki', format: 'der' }),
      jwk.n,
      JSON.stringify(jwk),
    ];
    for (const secret of forms) {
      const token = signWith(Buffer.from(secret), claims, { alg: 'HS256', kid: forge.kid });
      await assertSignIn(world(), [withToken(token)], 'credential_invalid');
    }
  });

  test('cannot bring its own key, nor say where to fetch one', async () => {
    const { forge, claims } = await begin();
    const asked = world().arrived.length;
    const url = `${world().site}/keys.json`;
    for (const header of [
      { jwk: strangersJwk },
      { jku: url },
      { x5u: url },
      { x5c: ['MIIB'] },
      { jwk: strangersJwk, kid: undefined },
      { jku: url, kid: 'theirs' },
      { crit: ['jku'], jku: url },
    ]) {
      const token = signWith(strangers.privateKey, claims, { kid: forge.kid, ...header });
      await assertSignIn(world(), [withToken(token)], 'credential_invalid', JSON.stringify(header));
      const genuine = forge.sign(claims, { jwk: strangersJwk, jku: url, x5u: url });
      await assertAdmitted(world(), genuine);
    }
    assert.equal(world().arrived.length, asked, 'nothing was fetched');
  });

  test('signed with a key that is not the account’s for sessions is none', async () => {
    const { forge, claims } = await begin();
    await assertSignIn(world(), [withToken(forge.signAsGate(claims))], 'credential_invalid');
    const crossed = forge.sign(claims, { kid: forge.gateKid });
    await assertSignIn(world(), [withToken(crossed)], 'credential_invalid');
    const foreign = await accountKey(world());
    const token = signWith(foreign.privateKey, claims, { kid: foreign.kid });
    await assertSignIn(world(), [withToken(token)], 'credential_invalid', 'a key of another account');
    for (const kid of [undefined, '', 1, null, {}, '__proto__', 'constructor', forge.kid.toUpperCase()]) {
      await assertSignIn(
        world(),
        [withToken(forge.sign(claims, { kid }))],
        'credential_invalid',
        String(kid),
      );
    }
  });

  test('of an unknown key is none, however many come, and the next genuine one is admitted', async () => {
    const { claims, token } = await begin();
    const [, body = '', signature = ''] = token.split('.');
    const flood = Array.from({ length: 200 }, () => {
      const head = encode({ alg: 'RS256', typ: 'JWT', kid: randomBytes(32).toString('hex') });
      return ask(world(), [...about(world()), ...PROGRAM, withToken(`${head}.${body}.${signature}`)]);
    });
    for (const { status } of await Promise.all(flood)) assert.equal(status, 401);
    assert.ok(claims.exp);
    await assertAdmitted(world(), token);
  });

  test('of another kind is none: an assertion, a token of the team domain, a type of its own', async () => {
    const { forge, claims, token } = await begin();
    const { headers } = await ask(world(), [...about(world()), withToken(token)]);
    const assertion = headers.get('cf-access-jwt-assertion') ?? '';
    await assertSignIn(world(), [withToken(assertion)], 'credential_invalid');
    const program = await ask(world(), [...about(world()), ['cf-access-token', assertion]]);
    assert.deepEqual([program.status, program.reason], [401, 'credential_invalid']);
    for (const typ of ['assertion+jwt', 'at+jwt', 'jwt', '', undefined, 'logout+jwt']) {
      await assertSignIn(world(), [withToken(forge.sign(claims, { typ }))], 'credential_invalid', typ ?? '');
    }
    const { app_rev: _, ...common } = claims;
    const org = forge.sign({ ...common, type: 'org', aud: [claims.iss ?? ''] });
    await assertSignIn(world(), [withToken(org)], 'credential_of_another_application');
    const posing = forge.sign({ ...claims, type: 'org' });
    await assertSignIn(world(), [withToken(posing)], 'credential_of_another_application');
  });

  test('of another application is none, on whatever host it comes', async () => {
    const { person, token } = await begin();
    const other = await world().createApplication(`other.localhost:${new URL(world().site).port}`);
    const theirs = tokenIn(await world().signedIn(person, { site: other.site }), other.site);
    await assertSignIn(world(), [withToken(theirs)], 'credential_of_another_application');
    const there = await ask(world(), [
      ...about(world(), '/', new URL(other.site).host),
      ...NAVIGATION,
      withToken(token),
    ]);
    assert.deepEqual([there.status, there.reason], [302, 'credential_of_another_application']);
    await world().sdk.zeroTrust.access.applications.delete(other.id, { account_id: world().account_id });
  });

  test('whose genuine signature covers odd claims is none', async () => {
    const { forge, claims } = await begin();
    const { exp = 0, iss = '', aud } = claims;
    const tag = (aud as string[])[0] ?? '';
    const odd: [Reason, object][] = [
      ['credential_invalid', { iss: 'https://evil.example' }],
      ['credential_invalid', { iss: `${iss}/` }],
      ['credential_invalid', { iss: undefined }],
      ['credential_invalid', { iss: [iss] }],
      ['credential_invalid', { aud: tag }],
      ['credential_invalid', { aud: [] }],
      ['credential_invalid', { aud: [tag, tag] }],
      ['credential_invalid', { aud: [[tag]] }],
      ['credential_invalid', { aud: { 0: tag, length: 1 } }],
      ['credential_invalid', { aud: undefined }],
      ['credential_of_another_application', { aud: ['f'.repeat(64)] }],
      ['credential_of_another_application', { aud: [tag.toUpperCase()] }],
      ['credential_invalid', { type: 'App' }],
      ['credential_invalid', { type: undefined }],
      ['credential_invalid', { sub: '' }],
      ['credential_invalid', { sub: 7 }],
      ['session_unknown', { sub: '00000000-0000-4000-8000-000000000000' }],
      ['credential_invalid', { identity_nonce: undefined }],
      ['session_unknown', { identity_nonce: 'A'.repeat(16) }],
      ['session_unknown', { identity_nonce: '__proto__' }],
      ['credential_invalid', { exp: undefined }],
      ['credential_invalid', { exp: `${exp}` }],
      ['credential_invalid', { exp: exp + 0.5 }],
      ['credential_invalid', { exp: 1e99 }],
      ['credential_expired', { exp: -1 }],
      ['credential_expired', { exp: 0 }],
      ['credential_expired', { exp: Math.floor(world().app.clock.now() / 1000) }],
    ];
    for (const [reason, change] of odd) {
      const token = forge.sign({ ...claims, ...change } as JWTPayload);
      await assertSignIn(world(), [withToken(token)], reason, JSON.stringify(change));
    }
  });

  test('whose payload is no object of claims is none', async () => {
    const { forge } = await begin();
    for (const payload of [[], [{}], 'text', 1, null, true]) {
      const token = forge.sign(payload);
      await assertSignIn(world(), [withToken(token)], 'credential_invalid', JSON.stringify(payload));
    }
  });

  test('counts for nothing where its place in the feed is odd, missing, or not that of its session', async () => {
    const { forge, claims } = await begin();
    const [epoch, position] = claims.rev;
    const odd = [undefined, null, '', `${position}`, position, [], [epoch], [position], [epoch, position, 0]];
    const worse = [
      [epoch, `${position}`],
      [epoch, null],
      [epoch, 1e99],
      [epoch, -1],
      [epoch, position + 0.5],
    ];
    const worst = [[`${epoch}`, position], { 0: epoch, 1: position, length: 2 }, [[epoch], [position]], true];
    for (const name of ['rev', 'app_rev']) {
      for (const rev of [...odd, ...worse, ...worst]) {
        const token = forge.sign({ ...claims, [name]: rev } as JWTPayload);
        await assertSignIn(
          world(),
          [withToken(token)],
          'credential_invalid',
          `${name} ${JSON.stringify(rev)}`,
        );
      }
      const token = forge.sign({ ...claims, [name]: [0, 0] } as JWTPayload);
      await assertSignIn(world(), [withToken(token)], 'revoked', `${name} of an epoch that never was`);
    }
    for (const rev of [
      [epoch, position - 1],
      [epoch, position + 1],
    ]) {
      const token = forge.sign({ ...claims, rev } as JWTPayload);
      await assertSignIn(
        world(),
        [withToken(token)],
        'revoked',
        `a lineage of its own ${JSON.stringify(rev)}`,
      );
    }
  });

  test('that was admitted a moment ago is none the moment it expires', async () => {
    const policy = {
      name: 'Everyone',
      decision: 'allow',
      include: [{ everyone: {} }],
      session_duration: '10m',
    };
    const domain = `brief.localhost:${new URL(world().site).port}`;
    const brief = await world().createApplication(domain, { policies: [policy] });
    const token = tokenIn(await world().signedIn(world().person(), { site: brief.site }), brief.site);
    const question = [...about(world(), '/', domain), ...PROGRAM, withToken(token)];
    assert.equal((await ask(world(), question)).status, 200);
    const left = (decodeJwt(token).exp ?? 0) * 1000 - world().app.clock.now();
    assert.ok(left > 9 * MINUTE && left <= 10 * MINUTE);
    assert.equal((await later(world(), left - 2000, () => ask(world(), question))).status, 200);
    assert.equal((await later(world(), left, () => ask(world(), question))).reason, 'credential_expired');
    await world().sdk.zeroTrust.access.applications.delete(brief.id, { account_id: world().account_id });
  });

  test('that asks for longer than its session lasts ends with the session', async () => {
    const { forge, claims } = await begin();
    const token = forge.sign({ ...claims, exp: (claims.exp ?? 0) + 86_400 });
    await assertAdmitted(world(), token);
    const left = (claims.exp ?? 0) * 1000 - world().app.clock.now() + 1000;
    const answer = await later(world(), left, () =>
      ask(world(), [...about(world()), ...PROGRAM, withToken(token)]),
    );
    assert.equal(answer.reason, 'credential_expired');
  });

  test('is judged by the policy of the moment, and tells its bearer nothing of it', async () => {
    const { person, token } = await begin();
    const { sdk, account_id, application } = world();
    const policies = sdk.zeroTrust.access.applications.policies;
    const deny = {
      account_id,
      name: 'Not them',
      decision: 'deny',
      include: [{ email: { email: person.email } }],
    };
    const { id } = await policies.create(application.id, deny as Parameters<typeof policies.create>[1]);
    const page = await ask(world(), [...about(world()), ...NAVIGATION, withToken(token)]);
    assert.deepEqual([page.status, page.reason], [403, 'policy_deny']);
    assert.match(page.text, /Access denied/);
    assert.match(
      page.text,
      /<a class="act out" href="\/cdn-cgi\/access\/logout">Sign in as somebody else<\/a>/,
    );
    assert.doesNotMatch(page.text, /policy|Not them/);
    const program = await ask(world(), [...about(world()), ...PROGRAM, withToken(token)]);
    assert.deepEqual(
      [program.status, program.text],
      [403, `Denied. Request ${program.headers.get('x-request-id')}\n`],
    );
    await policies.delete(id ?? '', { app_id: application.id, account_id });
    await assertAdmitted(world(), token);
  });

  // The last: what is written beyond the head ends all that there is (see above).
  test('is none after its user is revoked, whatever position is written into it', async () => {
    const { forge, claims, person, token } = await begin();
    const { sdk, account_id } = world();
    await sdk.zeroTrust.organizations.revokeUsers({ account_id, email: person.email });
    await assertSignIn(world(), [withToken(token)], 'session_unknown');
    const [epoch, position] = claims.rev;
    for (const at of [position + 1, position + 2, position + 3]) {
      const later = forge.sign({ ...claims, rev: [epoch, at], app_rev: [epoch, at] } as JWTPayload);
      await assertSignIn(world(), [withToken(later)], 'session_unknown');
    }
  });
});

async function assertAdmitted(world: Gated, token: string): Promise<void> {
  const answer = await ask(world, [...about(world), ...PROGRAM, withToken(token)]);
  assert.deepEqual([answer.status, answer.reason], [200, 'policy_allow']);
}

/** The key for sessions of a second account, which the server knows. */
async function accountKey({ app }: Gated) {
  const { database, feed } = app.app.control;
  const now = timestamp(app.clock.now());
  const key = await generateKey('session');
  const vault = createVault(randomBytes(32));
  const accountId = await database.write(async (tx) => {
    const place = { name: 'acme', zoneName: 'acme.example', authDomain: 'acme.localhost', now };
    const { accountId } = await createAccount(tx, place);
    await storeKey(tx, { key, accountId, vault, now });
    return accountId;
  });
  await feed.catchUp(accountId);
  return { kid: key.kid, privateKey: openKey(key.privateJwk) };
}
