import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { before, describe, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import type { TestPair } from '../../test/support/certificates.ts';
import { createAuthority, createClient } from '../../test/support/client-certificates.ts';
import { DAY, HOUR, MINUTE } from '../kernel/clock.ts';
import { type Authority, readPeerCertificate } from './peer-certificate.ts';

/* What is read of a handshake. The handshakes themselves are in test/gate/client-certificates.test.ts. */

function authorityOf({ cert }: TestPair): Authority {
  const certificate = new X509Certificate(cert);
  return { certificate, fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase() };
}

function endOf({ cert }: TestPair): number {
  return new X509Certificate(cert).validToDate.getTime();
}

describe('what is read of a client certificate', () => {
  const now = Date.now();
  let root: TestPair;
  let other: TestPair;
  let client: TestPair;
  let chained: TestPair;
  before(async () => {
    root = await createAuthority({ until: now + 10 * DAY });
    other = await createAuthority({ until: now + 10 * DAY });
    client = await createClient(root, { until: now + 9 * DAY });
    const between = await createAuthority({ until: now + 10 * DAY }, root);
    chained = await createClient(between, { until: now + 9 * DAY });
  });
  const read = (sent: TestPair | null, authorities: readonly TestPair[], more: object = {}, at = now) => {
    const socket = {
      authorized: true,
      isSessionReused: () => false,
      getPeerX509Certificate: () => (sent ? new X509Certificate(sent.cert) : undefined),
      ...more,
    };
    return readPeerCertificate(socket as unknown as TLSSocket, authorities.map(authorityOf), at);
  };
  const fingerprints = (...pairs: TestPair[]) => pairs.map((pair) => authorityOf(pair).fingerprint);

  test('is nothing where none came, OpenSSL has something against it, or the session is an older one', () => {
    assert.equal(read(null, [root]), null);
    assert.equal(read(client, [root], { authorized: false }), null);
    assert.equal(read(client, [root], { isSessionReused: () => true }), null);
    assert.equal(read(client, []), null);
  });

  test('is its issuer, of several authorities, and its end or that of the issuer', async () => {
    const expected = { authorities: fingerprints(root), commonName: 'client', expiresAt: endOf(client) };
    assert.deepEqual(read(client, [other, root]), expected);
    const brief = await createAuthority({ until: now + HOUR });
    const issued = await createClient(brief, { until: now + DAY });
    assert.equal(read(issued, [brief])?.expiresAt, endOf(brief));
  });

  test('with authorities in between it is all that can be behind it, for a day', () => {
    const expected = { authorities: fingerprints(other, root), commonName: 'client', expiresAt: now + DAY };
    assert.deepEqual(read(chained, [other, root]), expected);
  });

  test('an authority that ended long before the handshake is not behind it; one that has just ended may be', async () => {
    const ended = await createAuthority({ from: now - DAY, until: now - HOUR });
    assert.deepEqual(read(chained, [ended, root])?.authorities, fingerprints(root));
    assert.equal(read(chained, [ended]), null);
    const just = read(chained, [ended, root], {}, endOf(ended) + MINUTE / 2);
    assert.deepEqual(just?.authorities, fingerprints(ended, root));
    assert.equal(just.expiresAt, endOf(ended));
  });

  const names: readonly (readonly [names: string[], expected: string | null])[] = [
    [['robot'], 'robot'],
    [['Ünïcode 7'], 'Ünïcode 7'],
    [[], null],
    [['a', 'b'], null],
    [['a', 'a'], null],
    [[' robot'], null],
    [['robot\u200b'], null],
    [['ro\u0000bot'], null],
    [['x'.repeat(257)], null],
  ];
  for (const [given, expected] of names) {
    test(`the name of ${JSON.stringify(given).slice(0, 40)} is ${expected}`, async () => {
      const sent = await createClient(root, { names: given });
      const reading = read(sent, [root]);
      assert.ok(reading, 'it counts all the same');
      assert.equal(reading.commonName, expected);
    });
  }
});
