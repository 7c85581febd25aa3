import type { Static } from 'typebox';
import type { AuditFacts } from '../../audit/audit.ts';
import { type Tx, takeTurn } from '../../database/database.ts';
import type { CertificateRow } from '../../database/tables.ts';
import { timestamp } from '../../kernel/clock.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { newUuid } from '../../kernel/ids.ts';
import type { Change } from '../../removal/act.ts';
import type { ReadAuthority } from './authority-input.ts';
import {
  allCertificates,
  certificateItem,
  hostnamesOf,
  known,
  type Place,
  type PresentedCertificate,
  presentCertificate,
  settingsOf,
} from './certificates.ts';
import type { CertificateSettings, UpdateSettings } from './contract.ts';
import { type AskedHostname, refuseHostnames } from './hostnames.ts';
import {
  deleteCertificateRow,
  insertCertificate,
  listCertificates,
  lockCertificate,
  MOST_CERTIFICATES,
  updateCertificateRow,
} from './store.ts';

export interface CertificateWrite {
  readonly place: Place;
  readonly hostnames: readonly AskedHostname[];
  /** Hosts that can never be an application's: this server's own. */
  readonly reservedHosts: readonly string[];
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** A new authority. The database refuses one that the account has already. */
export async function createCertificate(
  tx: Tx,
  { authority, name, ...write }: CertificateWrite & { authority: ReadAuthority; name: string },
): Promise<Change<PresentedCertificate>> {
  const { place, hostnames, now } = write;
  const { accountId } = place;
  await takeTurn(tx, 'names');
  const before = await listCertificates(tx, accountId);
  const same = before.find(({ fingerprint }) => fingerprint === authority.fingerprint);
  if (same)
    throw refusal('conflictAccess', { detail: 'the account has this certificate', pointer: '/certificate' });
  if (before.length >= MOST_CERTIFICATES) throw tooMany();
  await refuseHostnames(tx, hostnames, { ...place, reservedHosts: write.reservedHosts });
  const row: CertificateRow = {
    id: newUuid(),
    account_id: accountId,
    name: name.normalize('NFC'),
    certificate: authority.certificate,
    fingerprint: authority.fingerprint,
    expires_on: timestamp(authority.expiresAt),
    hostnames: toColumn(hostnames),
    created_at: timestamp(now),
    updated_at: timestamp(now),
  };
  await insertCertificate(tx, row);
  return written(row, 'create');
}

/** Other host names, and another name if one is given. On a host that is gone its client certificates are over. */
export async function updateCertificate(
  tx: Tx,
  { id, name, ...write }: CertificateWrite & { id: string; name: string | undefined },
): Promise<Change<PresentedCertificate>> {
  const { place, hostnames, now } = write;
  await takeTurn(tx, 'names');
  const before = known(await lockCertificate(tx, place.accountId, id), place);
  await refuseHostnames(tx, hostnames, { ...place, reservedHosts: write.reservedHosts });
  const change = {
    name: name?.normalize('NFC') ?? before.name,
    hostnames: toColumn(hostnames),
    updated_at: timestamp(now),
  };
  await updateCertificateRow(tx, before, change);
  return written({ ...before, ...change }, 'update');
}

/** Deletes an authority, whatever host names it still has: its client certificates are over. */
export async function deleteCertificate(
  tx: Tx,
  { place, id }: { place: Place; id: string },
): Promise<Change<{ id: string }>> {
  const row = known(await lockCertificate(tx, place.accountId, id), place);
  await deleteCertificateRow(tx, row);
  return {
    result: { id },
    items: [{ kind: 'certificate', id, state: null }],
    audit: factsOf(row, 'delete'),
  };
}

/** Takes settings that ask for nothing; what they would switch on is refused, and nothing is ever changed. */
export async function updateSettings(
  tx: Tx,
  { place, input }: { place: Place; input: Static<typeof UpdateSettings> },
): Promise<Change<Static<typeof CertificateSettings>[]>> {
  const settings = settingsOf(await allCertificates(tx, place));
  const hostnames = new Set(settings.map(({ hostname }) => hostname));
  const unknown = input.settings.flatMap(({ hostname }, index) =>
    hostnames.has(hostname.toLowerCase())
      ? []
      : [
          {
            pointer: `/settings/${index}/hostname`,
            message: 'no certificate is associated with this host name',
          },
        ],
  );
  if (unknown.length > 0) throw invalidInput(unknown.slice(0, 20), 'invalidAccess');
  return {
    result: settings,
    audit: {
      action: 'certificate.settings',
      resource: { type: 'account', id: place.accountId },
      metadata: { hostnames: input.settings.map(({ hostname }) => hostname) },
    },
  };
}

/** Refuses what the settings would switch on (400, a pointer each). */
export function refuseSettings({ settings }: Static<typeof UpdateSettings>): void {
  const asked = settings.flatMap((one, index) =>
    (['china_network', 'client_certificate_forwarding'] as const)
      .filter((name) => one[name])
      .map((name) => ({ pointer: `/settings/${index}/${name}`, message: name })),
  );
  if (asked.length > 0) throw invalidInput(asked.slice(0, 20), 'notSupported');
}

function toColumn(hostnames: readonly AskedHostname[]): string {
  return JSON.stringify(hostnames.map(({ host }) => host));
}

/** Whatever is written may end access: a `deny` can rest on a certificate just as an `allow` can. */
function written(row: CertificateRow, verb: string): Change<PresentedCertificate> {
  return { result: presentCertificate(row), items: [certificateItem(row)], audit: factsOf(row, verb) };
}

function factsOf(row: CertificateRow, verb: string): AuditFacts {
  return {
    action: `certificate.${verb}`,
    resource: { type: 'certificate', id: row.id },
    metadata: { name: row.name, fingerprint: row.fingerprint, hostnames: hostnamesOf(row) },
  };
}

function tooMany() {
  return refusal('invalidAccess', { detail: 'maximum number of certificates has been reached' });
}
