import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CertificateState } from '../protocol/state.ts';
import { type ClientCertificate, isWorthAnother } from './client-certificate.ts';

/* When another connection is asked for. Over real TLS it is in test/gate/client-certificates-open.test.ts. */

function authority(fingerprint: string, ...hostnames: string[]): CertificateState {
  return { id: fingerprint, name: '', certificate: '', fingerprint, expires_at: 100, hostnames };
}

const STATES = [authority('aa', 'a.example'), authority('bb', 'b.example')];
const account = { certificates: new Map(STATES.map((one) => [one.id, one])) };

function isAsked(parts: {
  named?: string | null;
  since?: string[];
  by?: string;
  host?: string;
  now?: number;
}): boolean {
  const { named = 'a.example', since = [], by, host = 'a.example:8443', now = 1 } = parts;
  const certificate: ClientCertificate | null = by
    ? { authorities: [by], commonName: null, expiresAt: 50 }
    : null;
  const origin = { host, ip: '192.0.2.1', certificate };
  return isWorthAnother(account, { named, askedSince: () => since }, { origin, now });
}

const never: Readonly<Record<string, Parameters<typeof isAsked>[0]>> = {
  'made for the host, without a certificate': {},
  'made for the host, with one that does not count there': { by: 'bb' },
  'made for the host, with one that has expired': { by: 'aa', now: 60 },
  'of a client that names no host': { named: null, since: ['aa'] },
  'made for another host, with one that counts here': { named: 'b.example', by: 'aa' },
  'made for another host, where every authority has expired': { named: 'b.example', now: 100 },
  'made for another host, where none is asked for': { named: 'b.example', host: 'c.example' },
  'made before an authority came, with one that counts': { since: ['aa'], by: 'aa' },
  'made before an authority came that has expired': { since: ['aa'], now: 100 },
  'made before an authority came that is not of this account': { since: ['cc'] },
};
for (const [name, parts] of Object.entries(never)) {
  test(`no other connection is asked for: one ${name}`, () => assert.equal(isAsked(parts), false));
}

const once: Readonly<Record<string, Parameters<typeof isAsked>[0]>> = {
  'made for another host, without a certificate': { named: 'b.example' },
  'made for another host, with one that counts there alone': { named: 'b.example', by: 'bb' },
  'made before an authority came, without a certificate': { since: ['aa'] },
  'made before an authority came, with one that does not count': { since: ['aa'], by: 'bb' },
};
for (const [name, parts] of Object.entries(once)) {
  test(`another connection is asked for: one ${name}`, () => assert.equal(isAsked(parts), true));
}
