import type { Surroundings } from '../policy/rules.ts';
import type { CertificateState, RegistrationState } from '../protocol/state.ts';
import { withoutPort } from './host-name.ts';
import type { AccountState } from './state.ts';

/** A client certificate whose chain and private key were proven on the connection (TLS). */
export interface ClientCertificate {
  /**
   * SHA-256 (DER, lower-case hex) of the authority at the root of its chain; of each that it may have been, where TLS
   * does not tell. Never empty, and it hangs on all of them.
   */
  readonly authorities: readonly string[];
  readonly commonName: string | null;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** A request, as far as policies ask where it comes from. */
export interface Origin {
  readonly host: string;
  readonly ip: string;
  readonly certificate: ClientCertificate | null;
}

/** A client certificate that counts on a host, since an Access certificate of the account stands for it. */
export interface CountingCertificate {
  /** Id of that Access certificate, or of the first. */
  readonly authorityId: string;
  readonly commonName: string | null;
  /** When either of the two is over, in milliseconds since the epoch. */
  readonly endsAt: number;
}

/** Where a request comes from, and until when that is so. */
export interface Whence extends Surroundings {
  readonly certificate: CountingCertificate | null;
  /** null until it is known who asks, and whether the device is theirs. */
  readonly device: RegistrationState | null;
}

/** The connection that a request came on, as far as its handshake tells. */
export interface Connection {
  /** The host that the client named; null if it named none. */
  readonly named: string | null;
  /** Fingerprints of the authorities that it did not ask for, and that one for the same host would ask for now. */
  askedSince(): readonly string[];
}

/**
 * Whether another connection could bring a certificate that counts, where this one has brought none: the host asks for
 * one now, and this handshake was for another host, or before an authority of this one. Never true of a connection that
 * has just been made for the host, or whoever has no certificate would make one after the other.
 */
export function isWorthAnother(
  account: Pick<AccountState, 'certificates'>,
  { named, askedSince }: Connection,
  { origin, now }: { origin: Origin; now: number },
): boolean {
  const since = named === withoutPort(origin.host) ? askedSince() : null;
  if (named === null || since?.length === 0) return false;
  const standing = standingOn(account, origin.host, now);
  if (standing.length === 0 || surroundingsOf(account, origin, now).certificate) return false;
  return since === null || standing.some(({ fingerprint }) => since.includes(fingerprint));
}

/** The authorities of which certificates count on the host. */
function standingOn(
  { certificates }: Pick<AccountState, 'certificates'>,
  host: string,
  now: number,
): CertificateState[] {
  const name = withoutPort(host);
  return [...certificates.values()].filter(
    ({ hostnames, expires_at: end }) => now < end && hostnames.includes(name),
  );
}

/** What policies know of where a request comes from: a certificate counts while and where the account says so. */
export function surroundingsOf(
  account: Pick<AccountState, 'certificates'>,
  { host, ip, certificate }: Origin,
  now: number,
): Whence {
  if (!certificate || !(now < certificate.expiresAt)) return { ip, certificate: null, device: null };
  const { authorities, commonName, expiresAt } = certificate;
  const standing = standingOn(account, host, now);
  const behind = authorities.map((authority) => standing.find((one) => one.fingerprint === authority));
  const [first] = behind;
  if (!first || behind.includes(undefined)) return { ip, certificate: null, device: null };
  const ends = behind.map((one) => one?.expires_at ?? 0);
  const endsAt = Math.min(expiresAt, ...ends);
  return { ip, certificate: { authorityId: first.id, commonName, endsAt }, device: null };
}
