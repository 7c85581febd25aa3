import assert from 'node:assert/strict';
import { before, it } from 'node:test';
import type { TestPair } from '../support/certificates.ts';
import { createAuthority, createClient, type Unusual, withChain } from '../support/client-certificates.ts';
import { type Asking, type MutualApplication, mutualTlsOnBothDatabases } from '../support/mutual-tls.ts';
import { addTenant } from '../support/tenants.ts';

/*
 * Client certificates on the listener, over real TLS: which of them count, where, and for how long. What policies make
 * of one that counts is in src/gate/without-credential.test.ts and src/policy.
 */

const CERTIFICATE = { certificate: {} };
const NAMED = (name: string) => ({ common_name: { common_name: name } });

/** Programs that have nothing else. */
const forCertificates = (...include: object[]) => [{ name: 'Machines', decision: 'non_identity', include }];

const HOUR = 60 * 60 * 1000;
const BOTH: readonly (readonly [protocol: string, asking: Asking])[] = [
  ['HTTP/1.1', {}],
  ['HTTP/2', { http2: true }],
  ['TLS 1.2', { tls: { maxVersion: 'TLSv1.2' } }],
];

mutualTlsOnBothDatabases('a client certificate', (world) => {
  let root: TestPair;
  let other: TestPair;
  let client: TestPair;
  let application: MutualApplication;
  before(async () => {
    root = await createAuthority();
    other = await createAuthority();
    client = await createClient(root);
    application = await world().createApplication('machines', forCertificates(CERTIFICATE));
    await world().addAuthority(root, application.hostname);
  });

  /** What the gate answers to one that is none. */
  const assertRefused = async (asking: Asking, to = application) => {
    const before = world().upstream.arrivals.length;
    for (const [protocol, how] of BOTH) {
      const { status, text } = await world().ask(to, {
        ...how,
        ...asking,
        tls: { ...how.tls, ...asking.tls },
      });
      assert.ok(status === 403 || status === 401, `${protocol}: ${status} ${text}`);
    }
    assert.equal(world().upstream.arrivals.length, before, 'the application heard of it');
  };

  const assertAdmitted = async (asking: Asking, to = application) => {
    for (const [protocol, how] of BOTH) {
      const { status, text } = await world().ask(to, { ...how, ...asking });
      assert.equal(status, 200, `${protocol}: ${text}`);
    }
  };

  const past = { from: Date.now() - 3 * HOUR, until: Date.now() - HOUR };
  const future = { from: Date.now() + HOUR, until: Date.now() + 3 * HOUR };
  const usage = (name: 'serverAuth' | 'emailProtection'): Exclude<Unusual['extensions'], undefined> => [
    { name: 'basicConstraints', cA: false },
    { name: 'extKeyUsage', [name]: true },
  ];
  const refused: Readonly<Record<string, () => Promise<TestPair | undefined>>> = {
    'none at all': async () => undefined,
    'one of another authority': () => createClient(other),
    'one that has expired': () => createClient(root, past),
    'one that is not valid yet': () => createClient(root, future),
    'one for servers': () => createClient(root, { extensions: usage('serverAuth') }),
    'one for mail': () => createClient(root, { extensions: usage('emailProtection') }),
    'one that vouches for itself': () => createAuthority({ names: ['client'] }),
    'one of somebody who is no authority': async () => {
      const leaf = await createClient(root, { names: ['not an authority'] });
      return withChain(await createClient(leaf), leaf);
    },
    'one whose authority in between is missing': async () => createClient(await createAuthority({}, root)),
    'one whose authority in between has expired': async () => {
      const between = await createAuthority(past, root);
      return withChain(await createClient(between), between);
    },
  };
  for (const [name, make] of Object.entries(refused)) {
    it(`does not count: ${name}`, async () => {
      await assertRefused({ client: await make() });
    });
  }

  it('does not count: one of another authority with the same name, and nobody else is disturbed', async () => {
    const [known, namesake] = [
      await createAuthority({ names: ['Namesake'] }),
      await createAuthority({ names: ['Namesake'] }),
    ];
    await world().addAuthority(known, application.hostname);
    const issued = await createClient(namesake);
    const before = world().upstream.arrivals.length;
    for (const sent of [issued, withChain(issued, namesake)]) {
      for (const [protocol, how] of BOTH) {
        // Over TLS 1.2 Node takes what OpenSSL says of the signature for an error of the connection.
        const status = await world()
          .ask(application, { ...how, client: sent })
          .then((asked) => asked.status)
          .catch(() => 0);
        assert.ok([401, 403, 0].includes(status), `${protocol}: ${status}`);
      }
    }
    assert.equal(world().upstream.arrivals.length, before);
    await assertAdmitted({ client });
    await assertAdmitted({ client: await createClient(known) });
  });

  it('counts: one of the authority itself', () => assertAdmitted({ client }));

  it('counts: one with the authorities in between, up to three of them', async () => {
    const first = await createAuthority({}, root);
    const second = await createAuthority({}, first);
    const third = await createAuthority({}, second);
    const alone = await world().createApplication('chained', forCertificates(CERTIFICATE));
    await world().addAuthority(await createAuthority(), alone.hostname);
    const issued = withChain(await createClient(third), third, second, first);
    await assertRefused({ client: issued }, alone);
    await assertAdmitted({ client: issued });
  });

  it('counts where its authority is associated, and nowhere else', async () => {
    const fresh = await createAuthority();
    const elsewhere = await world().createApplication('elsewhere', forCertificates(CERTIFICATE));
    await assertRefused({ client }, elsewhere);
    await world().addAuthority(fresh, elsewhere.hostname);
    await assertRefused({ client }, elsewhere);
    await assertAdmitted({ client: await createClient(fresh) }, elsewhere);
    await assertRefused({ client: await createClient(fresh) });
  });

  it('of an authority of another account does not count, even where that account names the host', async () => {
    const tenant = await addTenant(world().app, 'stranger');
    const theirs = await createAuthority();
    const free = 'free.example';
    await tenant.sdk.zeroTrust.access.certificates.create({
      account_id: tenant.accountId,
      name: 'Theirs',
      certificate: theirs.cert,
      associated_hostnames: [free],
    });
    await assertRefused({ client: await createClient(theirs) });
    const at = { host: `${free}:${world().app.port}`, hostname: free, id: '' };
    const body = { name: free, type: 'self_hosted', policies: forCertificates(CERTIFICATE) };
    const destinations = [{ type: 'public', uri: at.host, upstream: world().upstream.origin }];
    const path = `/accounts/${world().account_id}/access/apps`;
    const made = await world().app.api('POST', path, { body: { ...body, destinations } });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    await assertRefused({ client: await createClient(theirs) }, at);
  });

  it('has its common name as it is written, and only one', async () => {
    const fresh = await createAuthority();
    const named = await world().createApplication('named', forCertificates(NAMED('robot-7')));
    await world().addAuthority(fresh, named.hostname);
    const make = (...names: string[]) => createClient(fresh, { names });
    await assertAdmitted({ client: await make('robot-7') }, named);
    const odd = [['robot-8'], ['Robot-7'], ['robot-7', 'robot-8'], ['robot-7', 'robot-7'], []];
    for (const names of odd) await assertRefused({ client: await make(...names) }, named);
  });

  it('is what a person or a service token needs besides, where a policy requires it', async () => {
    const fresh = await createAuthority();
    const { sdk, account_id } = world();
    const token = await sdk.zeroTrust.access.serviceTokens.create({ account_id, name: 'robot' });
    const headers = {
      'cf-access-client-id': token.client_id ?? '',
      'cf-access-client-secret': token.client_secret ?? '',
    };
    const rule = { any_valid_service_token: {} };
    const robots = [{ name: 'Robots', decision: 'non_identity', include: [rule], require: [CERTIFICATE] }];
    const strict = await world().createApplication('strict', robots);
    await world().addAuthority(fresh, strict.hostname);
    await assertRefused({ headers }, strict);
    await assertRefused({ headers, client }, strict);
    await assertRefused({ client: await createClient(fresh) }, strict);
    await assertAdmitted({ headers, client: await createClient(fresh) }, strict);
    const everyone = [{ everyone: {} }];
    const people = [{ name: 'People', decision: 'allow', include: everyone, require: [CERTIFICATE] }];
    const both = await world().createApplication('people', people);
    const theirs = await createAuthority();
    await world().addAuthority(theirs, both.hostname);
    const cookie = await world().signIn(both);
    await assertRefused({ headers: { cookie } }, both);
    await assertRefused({ headers: { cookie }, client: await createClient(other) }, both);
    await assertAdmitted({ headers: { cookie }, client: await createClient(theirs) }, both);
  });

  it('is never taken from a header, and the application is never told of one that was made up', async () => {
    const made = { 'cf-client-cert-der-base64': 'QUFB', cf_client_cert_der_base64: 'QUFB' };
    const forged = { ...made, 'x-forwarded-client-cert': 'x', 'x-ssl-client-verify': 'SUCCESS' };
    await assertRefused({ headers: forged });
    const { status, values } = await world().ask(application, { client, headers: made });
    assert.equal(status, 200);
    assert.deepEqual(values('cf-client-cert-der-base64'), []);
    assert.deepEqual(values('cf_client_cert_der_base64'), []);
  });

  it("that comes with a hundred others ends its connection, and nobody else's", async () => {
    const crowd = await Promise.all(Array.from({ length: 4 }, () => createAuthority({}, root)));
    const chain = Array.from({ length: 100 }, () => crowd).flat();
    const sent = withChain(await createClient(root), ...chain);
    assert.ok(Buffer.byteLength(sent.cert) > 100 * 1024);
    for (const [, how] of BOTH) {
      const { status } = await world()
        .ask(application, { ...how, client: sent })
        .catch(() => ({ status: 0 }));
      assert.equal(status, 0);
    }
    await assertAdmitted({ client });
  });
});
