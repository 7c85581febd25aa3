import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { before, test } from 'node:test';
import { ConflictError, NotFoundError } from 'cloudflare';
import type { Certificate } from 'cloudflare/resources/zero-trust/access/certificates';
import { newestEntry } from '../../../test/support/access.ts';
import { createPair, type TestPair } from '../../../test/support/certificates.ts';
import { createAuthority, createClient, withChain } from '../../../test/support/client-certificates.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases } from '../../../test/support/stage.ts';
import {
  addPerson,
  addTenant,
  all,
  firstTenant,
  refused,
  type Tenant,
} from '../../../test/support/tenants.ts';
import { DAY, timestamp } from '../../kernel/clock.ts';
import type { FeedItem } from '../../protocol/feed.ts';
import { certificateStates } from './certificates.ts';

/* Authorities of client certificates through the official SDK. What they open is in test/gate/client-certificates.test.ts. */

type Shown = Required<Certificate> & { fingerprint_sha256: string; created_at: string; updated_at: string };

function idOf(item: FeedItem): string | null {
  return item.kind === 'certificate' ? item.id : null;
}

onBothDatabases('certificates', (stage) => {
  let root: TestPair;
  before(async () => {
    root = await createAuthority();
  });
  const use = () => {
    const { account_id, zone_id } = stage.app.credentials;
    return { account_id, zone_id, certificates: stage.app.sdk().zeroTrust.access.certificates };
  };
  const create = async (fields: object = {}): Promise<Shown> => {
    const { account_id, certificates } = use();
    const { cert: certificate } = await createAuthority();
    return (await certificates.create({ account_id, name: 'CA', certificate, ...fields })) as Shown;
  };
  const empty = async () => {
    const { account_id, certificates } = use();
    for (const { id = '' } of await all(certificates.list({ account_id })))
      await certificates.delete(id, { account_id });
  };
  const assertRefused = async (
    body: object,
    expected: { status: number; pointer?: string; says?: RegExp },
  ) => {
    const rows = await readRows(stage.database);
    const answer = await stage.app.api('POST', `/accounts/${use().account_id}/access/certificates`, { body });
    assert.equal(answer.status, expected.status, JSON.stringify(answer.body));
    const [error] = answer.body.errors;
    if (expected.pointer !== undefined) assert.equal(error.source.pointer, expected.pointer);
    assert.match(error.message, expected.says ?? /\w/);
    assert.deepEqual(await readRows(stage.database), rows);
  };

  const bad: readonly (readonly [name: string, make: () => Promise<string> | string, says: RegExp])[] = [
    ['none', () => '', /fewer than 1/],
    ['no PEM', () => 'MIIB', /exactly one certificate in PEM/],
    [
      'PEM of nothing',
      () => '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
      /cannot be read/,
    ],
    ['two', async () => root.cert + (await createAuthority()).cert, /exactly one/],
    ['one with its private key', () => root.cert + root.key, /private key/],
    ['one with something before it', () => `Bag Attributes\n${root.cert}`, /exactly one/],
    ['a client’s', async () => (await createClient(root)).cert, /authority/],
    ['an authority’s that is below another', async () => (await createAuthority({}, root)).cert, /root/],
    [
      'one that has expired',
      async () => (await createAuthority({ from: Date.now() - 2 * DAY, until: Date.now() - DAY })).cert,
      /expired/,
    ],
    [
      'one with a short key',
      async () => (await createAuthority({ keyType: 'rsa', keySize: 1024 })).cert,
      /2048/,
    ],
    ['one without a name', async () => (await createAuthority({ names: [] })).cert, /subject/],
    [
      'one with an endless name',
      async () => (await createAuthority({ names: Array.from({ length: 9 }, () => 'x'.repeat(60)) })).cert,
      /subject/,
    ],
    ['an endless one', () => `${root.cert}${' '.repeat(20_000)}`, /16384/],
    [
      'one whose signature is not its own',
      () => {
        const der = Buffer.from(new X509Certificate(root.cert).raw);
        der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
        const lines = der.toString('base64').replaceAll(/.{64}/g, '$&\n');
        return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
      },
      /root/,
    ],
  ];
  for (const [name, make, says] of bad) {
    test(`a certificate that is refused: ${name}`, async () => {
      await assertRefused(
        { name: 'CA', certificate: await make() },
        { status: 400, pointer: '/certificate', says },
      );
    });
  }

  test('a chain is not one certificate', async () => {
    const { cert: certificate } = withChain(await createAuthority({}, root), root);
    await assertRefused({ name: 'CA', certificate }, { status: 400, pointer: '/certificate' });
  });

  const hosts = [
    '',
    ' ',
    'https://a.localhost',
    'a.localhost:8080',
    'a.localhost/x',
    '*.localhost',
    '127.0.0.1:1',
    'a..b',
  ];
  for (const host of hosts) {
    test(`a host name that is refused: ${JSON.stringify(host)}`, async () => {
      const asked = { name: 'CA', certificate: root.cert, associated_hostnames: ['a.localhost', host] };
      await assertRefused(asked, { status: 400, pointer: '/associated_hostnames/1' });
    });
  }

  test('a host of this server, of a team, or of another account is refused, on creation and on update', async () => {
    const tenant: Tenant = await addTenant(stage.app, 'other');
    const domain = 'taken.example';
    const policies = [{ name: 'All', decision: 'allow', include: [{ everyone: {} }] }];
    const body = { name: 'Theirs', type: 'self_hosted', domain, policies } as never;
    await tenant.sdk.zeroTrust.access.applications.create({
      account_id: tenant.accountId,
      ...(body as object),
    } as never);
    const { id } = await create({ associated_hostnames: ['mine.localhost'] });
    const expected: readonly (readonly [host: string, status: number])[] = [
      ['localhost', 400],
      [stage.app.teamDomain.replace(/:.*/, ''), 400],
      ['app.other.test', 400],
      ['other.localhost', 400],
      ['app.other.localhost', 400],
      [domain, 409],
    ];
    for (const [host, status] of expected) {
      const pointer = '/associated_hostnames/0';
      const asked = { certificate: root.cert, name: 'CA', associated_hostnames: [host] };
      await assertRefused(asked, { status, pointer });
      const target = `/accounts/${use().account_id}/access/certificates/${id}`;
      const put = await stage.app.api('PUT', target, { body: { associated_hostnames: [host] } });
      assert.deepEqual([put.status, put.body.errors[0].source.pointer], [status, pointer]);
    }
    const { account_id, certificates } = use();
    assert.deepEqual((await certificates.get(id, { account_id })).associated_hostnames, ['mine.localhost']);
    await empty();
  });

  test('has at most a hundred host names, on creation and on update', async () => {
    const named = (count: number) => Array.from({ length: count }, (_, at) => `h${at}.example`);
    const asked = { certificate: root.cert, name: 'CA', associated_hostnames: named(101) };
    await assertRefused(asked, { status: 400, pointer: '/associated_hostnames' });
    const { id } = await create({ associated_hostnames: named(100) });
    const target = `/accounts/${use().account_id}/access/certificates/${id}`;
    const put = await stage.app.api('PUT', target, { body: { associated_hostnames: named(101) } });
    assert.deepEqual([put.status, put.body.errors[0].source.pointer], [400, '/associated_hostnames']);
    await empty();
  });

  test('is created, read, listed, updated and deleted', async () => {
    const { account_id, certificates } = use();
    const answer = await certificates
      .create({
        account_id,
        name: 'Root of devices',
        certificate: `\n${root.cert.replaceAll('\n', '\r\n')}`,
        associated_hostnames: ['Admin.localhost', 'admin.localhost', 'bücher.example'],
      })
      .asResponse();
    assert.equal(answer.status, 201);
    const made = ((await answer.json()) as { result: Shown }).result;
    const x509 = new X509Certificate(root.cert);
    const md5 = createHash('md5').update(x509.raw).digest('hex').toUpperCase();
    assert.deepEqual(made, {
      id: made.id,
      name: 'Root of devices',
      fingerprint: `MD5 Fingerprint=${md5.match(/../g)?.join(':')}`,
      fingerprint_sha256: x509.fingerprint256.replaceAll(':', '').toLowerCase(),
      associated_hostnames: ['admin.localhost', 'xn--bcher-kva.example'],
      expires_on: timestamp(x509.validToDate.getTime()),
      created_at: made.created_at,
      updated_at: made.created_at,
    });
    assert.deepEqual(await told(), [
      {
        id: made.id,
        name: 'Root of devices',
        certificate: x509.toString(),
        fingerprint: made.fingerprint_sha256,
        expires_at: x509.validToDate.getTime(),
        hostnames: made.associated_hostnames,
      },
    ]);
    assert.deepEqual(await certificates.get(made.id, { account_id }), made);
    assert.deepEqual(await all(certificates.list({ account_id })), [made]);
    stage.app.clock.advance(1000);
    const update = { account_id, associated_hostnames: ['b.localhost'] };
    const updated = (await certificates.update(made.id, update)) as Shown;
    assert.deepEqual(updated, {
      ...made,
      associated_hostnames: ['b.localhost'],
      updated_at: updated.updated_at,
    });
    assert.ok(updated.updated_at > made.updated_at);
    assert.deepEqual((await told())[0].hostnames, ['b.localhost']);
    assert.equal((await newestEntry(stage.app)).action?.type, 'certificate.update');
    const named = await certificates.update(made.id, { account_id, name: 'New', associated_hostnames: [] });
    assert.deepEqual([named.name, named.associated_hostnames], ['New', []]);
    await certificates.update(made.id, { account_id, associated_hostnames: ['c.localhost'] });
    const gone = await certificates.delete(made.id, { account_id }).asResponse();
    assert.deepEqual(
      [gone.status, ((await gone.json()) as { result: object }).result],
      [200, { id: made.id }],
    );
    assert.deepEqual(await told(), [null]);
    assert.equal((await newestEntry(stage.app)).action?.type, 'certificate.delete');
    await assert.rejects(certificates.get(made.id, { account_id }), NotFoundError);
    await assert.rejects(certificates.delete(made.id, { account_id }), NotFoundError);
    await assert.rejects(certificates.update(made.id, update), NotFoundError);
  });

  test('is one in an account, and another account may have the same', async () => {
    const { account_id, certificates } = use();
    const asked = { name: 'CA', certificate: root.cert };
    const both = await Promise.allSettled([
      certificates.create({ account_id, ...asked }),
      certificates.create({ account_id, ...asked }),
    ]);
    assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
    await assert.rejects(certificates.create({ account_id, ...asked }), ConflictError);
    const tenant = await addTenant(stage.app, 'second');
    const theirs = await tenant.sdk.zeroTrust.access.certificates.create({
      account_id: tenant.accountId,
      ...asked,
    });
    await assert.rejects(certificates.get(theirs.id ?? '', { account_id }), NotFoundError);
    await assert.rejects(certificates.delete(theirs.id ?? '', { account_id }), NotFoundError);
    await empty();
  });

  test('needs the right to it', async () => {
    const tenant = await firstTenant(stage.app);
    const { id } = await create();
    const { account_id } = use();
    const reader = await addPerson(stage.app, tenant, {
      email: 'reads@example.com',
      may: ['Access: Mutual TLS Certificates Read'],
    });
    const writer = await addPerson(stage.app, tenant, {
      email: 'writes@example.com',
      may: ['Access: Mutual TLS Certificates Write'],
    });
    const nobody = await addPerson(stage.app, tenant, {
      email: 'none@example.com',
      may: ['Zero Trust Read'],
    });
    const [reads, writes, has] = [reader, writer, nobody].map(({ sdk }) => sdk.zeroTrust.access.certificates);
    assert.ok(reads && writes && has);
    assert.equal((await refused(has.get(id, { account_id }))).status, 403);
    assert.equal((await reads.get(id, { account_id })).id, id);
    assert.equal((await refused(reads.delete(id, { account_id }))).status, 403);
    const update = { account_id, associated_hostnames: [] };
    assert.equal((await refused(reads.update(id, update))).status, 403);
    await writes.update(id, update);
    await writes.delete(id, { account_id });
  });

  test('by a zone has its host names in the zone', async () => {
    const { account_id, zone_id, certificates } = use();
    const outside = await create({ associated_hostnames: ['outside.example'] });
    const inside = await create({ associated_hostnames: ['inside.localhost'] });
    assert.deepEqual(await all(certificates.list({ zone_id })), [inside]);
    await assert.rejects(certificates.get(outside.id, { zone_id }), NotFoundError);
    await assert.rejects(certificates.delete(outside.id, { zone_id }), NotFoundError);
    const update = { zone_id, associated_hostnames: ['outside.example'] };
    const { status } = await refused(certificates.update(inside.id, update));
    assert.equal(status, 400);
    await certificates.update(inside.id, { zone_id, associated_hostnames: ['b.localhost'] });
    await certificates.delete(inside.id, { zone_id });
    assert.equal((await certificates.get(outside.id, { account_id })).id, outside.id);
    await empty();
  });

  test('is one of fifty at most', async () => {
    const { account_id } = use();
    const target = `/accounts/${account_id}/access/certificates`;
    for (let made = 0; made < 50; made++) await create();
    const { cert: certificate } = await createPair();
    const answer = await stage.app.api('POST', target, { body: { name: 'CA', certificate } });
    assert.equal(answer.status, 400);
    assert.match(answer.body.errors[0].message, /maximum number of certificates/);
    await empty();
  });

  test('has settings by host name, of which none can be switched on', async () => {
    const { account_id, certificates } = use();
    await create({ associated_hostnames: ['b.localhost', 'a.localhost'] });
    await create({ associated_hostnames: ['b.localhost'] });
    const off = { china_network: false, client_certificate_forwarding: false };
    const expected = ['a.localhost', 'b.localhost'].map((hostname) => ({ hostname, ...off }));
    const got = await all(certificates.settings.get({ account_id }));
    assert.deepEqual(got, expected);
    const put = (settings: object[]) =>
      stage.app.api('PUT', `/accounts/${account_id}/access/certificates/settings`, { body: { settings } });
    for (const name of ['china_network', 'client_certificate_forwarding']) {
      const answer = await put([{ hostname: 'a.localhost', ...off, [name]: true }]);
      const [error] = answer.body.errors;
      assert.deepEqual([answer.status, error.code, error.source.pointer], [400, 1002, `/settings/0/${name}`]);
    }
    const unknown = await put([{ hostname: 'c.localhost', ...off }]);
    assert.deepEqual([unknown.status, unknown.body.errors[0].source.pointer], [400, '/settings/0/hostname']);
    const taken = await put([{ hostname: 'a.localhost', ...off }]);
    assert.deepEqual([taken.status, taken.body.result], [200, expected]);
    await empty();
  });

  test('is told to no gate while an older state of the database awaits approval', async () => {
    const { account_id } = use();
    const { id } = await create();
    const { database } = stage.app.app.control;
    const ids = () =>
      database.snapshot(async (snapshot) => (await certificateStates(snapshot, account_id)).map(idOf));
    assert.deepEqual(await ids(), [id]);
    const of = { id: 1, system_identifier: '', timeline: '', synchronous: 0 };
    const set = (restored_at: string | null) =>
      database.write((tx) =>
        tx.query
          .insertInto('cluster')
          .values({ ...of, restored_at })
          .onConflict((conflict) => conflict.column('id').doUpdateSet({ restored_at }))
          .execute(),
      );
    await set('2026-01-01T00:00:00.000Z');
    assert.deepEqual(await ids(), []);
    await set(null);
    assert.deepEqual(await ids(), [id]);
    await empty();
  });

  /** What the newest change told the gates. */
  const told = async () => {
    const feed = ((await readRows(stage.database)).feed_entries ?? []).map((row) => JSON.parse(row));
    const newest = Math.max(...feed.map(({ position }) => Number(position)));
    const entries = feed.filter(({ position }) => Number(position) === newest);
    assert.ok(entries.every(({ kind }) => kind === 'certificate'));
    return entries.map(({ payload }) => JSON.parse(payload));
  };
});
