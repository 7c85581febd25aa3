import { createHash, X509Certificate } from 'node:crypto';
import type { Static } from 'typebox';
import type { Reader, Snapshot } from '../../database/database.ts';
import type { CertificateRow } from '../../database/tables.ts';
import { refusal } from '../../kernel/errors.ts';
import type { JsonObject } from '../../kernel/json.ts';
import type { FeedItem } from '../../protocol/feed.ts';
import type { CertificateState } from '../../protocol/state.ts';
import { closedSince } from '../../removal/epochs.ts';
import { isWithinZone } from '../applications/destinations.ts';
import type { Certificate, CertificateSettings } from './contract.ts';
import { findCertificate, listCertificates } from './store.ts';

export type PresentedCertificate = Static<typeof Certificate>;

/** Where a request stands: the account, and the zone if it came by a zone's path, which shows only that. */
export interface Place {
  readonly accountId: string;
  readonly zone: string | null;
}

/** The place of a call. */
export function placeOf({ accountId, zone }: { accountId: string; zone: { name: string } | null }): Place {
  return { accountId, zone: zone?.name ?? null };
}

/** A certificate as the API answers it; the certificate itself is never shown again. */
export function presentCertificate(row: CertificateRow): PresentedCertificate {
  return {
    id: row.id,
    name: row.name,
    fingerprint: `MD5 Fingerprint=${md5(row.certificate)}`,
    fingerprint_sha256: row.fingerprint,
    associated_hostnames: hostnamesOf(row),
    expires_on: row.expires_on,
    created_at: row.created_at,
    updated_at: row.updated_at,
  };
}

/** By it an operator knows the certificate again, as Cloudflare shows it; nothing here rests on it. */
function md5(pem: string): string {
  const hex = createHash('md5').update(new X509Certificate(pem).raw).digest('hex');
  return (hex.toUpperCase().match(/../g) ?? []).join(':');
}

export function hostnamesOf({ hostnames }: Pick<CertificateRow, 'hostnames'>): string[] {
  return JSON.parse(hostnames) as string[];
}

/** Every certificate of the account, or those whose host names are all in the zone; oldest first. */
export async function allCertificates(reader: Reader, place: Place): Promise<CertificateRow[]> {
  return (await listCertificates(reader, place.accountId)).filter((row) => isInZone(row, place));
}

/** 404 if the account, or the zone, has no such certificate. */
export async function getCertificate(reader: Reader, place: Place, id: string): Promise<CertificateRow> {
  return known(await findCertificate(reader, place.accountId, id), place);
}

/** The row, if it is seen from there; else a 404. */
export function known(row: CertificateRow | null, place: Place): CertificateRow {
  if (!row || !isInZone(row, place)) throw refusal('notFoundAccess', { detail: 'certificate not found' });
  return row;
}

function isInZone(row: CertificateRow, { zone }: Place): boolean {
  return zone === null || hostnamesOf(row).every((hostname) => isWithinZone(hostname, zone));
}

/** What holds on each host name that a certificate is associated with, by name: nothing of it can be switched on. */
export function settingsOf(rows: readonly CertificateRow[]): Static<typeof CertificateSettings>[] {
  const hostnames = [...new Set(rows.flatMap(hostnamesOf))].sort();
  return hostnames.map((hostname) => ({
    hostname,
    china_network: false,
    client_certificate_forwarding: false,
  }));
}

/**
 * The authorities of an account, for gates. Those that have expired are among them: a gate asks the clock at every
 * request. None while an older state of the database awaits approval: it may hold what was deleted since
 * (removal-protocol, schedule 21).
 */
export async function certificateStates(snapshot: Snapshot, accountId: string): Promise<FeedItem[]> {
  if ((await closedSince(snapshot)) !== null) return [];
  return (await listCertificates(snapshot, accountId)).map(certificateItem);
}

/** The newest state of an authority, for gates. */
export function certificateItem(row: CertificateRow): FeedItem {
  const { id, name, certificate, fingerprint } = row;
  const state: CertificateState = {
    ...{ id, name, certificate, fingerprint },
    expires_at: Date.parse(row.expires_on),
    hostnames: hostnamesOf(row),
  };
  return { kind: 'certificate', id, state: { ...state } as unknown as JsonObject };
}
