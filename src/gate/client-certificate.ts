import type { Surroundings } from '../policy/rules.ts';
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
}

/** Whether client certificates are asked for on a host of the account. */
export function asksOn({ certificates }: Pick<AccountState, 'certificates'>, host: string): boolean {
  const name = nameOf(host);
  for (const { hostnames } of certificates.values()) if (hostnames.includes(name)) return true;
  return false;
}

function nameOf(host: string): string {
  return host.replace(/:\d{1,5}$/, '');
}

/** What policies know of where a request comes from: a certificate counts while and where the account says so. */
export function surroundingsOf(
  { certificates }: Pick<AccountState, 'certificates'>,
  { host, ip, certificate }: Origin,
  now: number,
): Whence {
  if (!certificate || !(now < certificate.expiresAt)) return { ip, certificate: null };
  const { authorities, commonName, expiresAt } = certificate;
  const name = nameOf(host);
  const standing = [...certificates.values()].filter(
    ({ hostnames, expires_at: end }) => now < end && hostnames.includes(name),
  );
  const behind = authorities.map((authority) => standing.find((one) => one.fingerprint === authority));
  const [first] = behind;
  if (!first || behind.includes(undefined)) return { ip, certificate: null };
  const ends = behind.map((one) => one?.expires_at ?? 0);
  return { ip, certificate: { authorityId: first.id, commonName, endsAt: Math.min(expiresAt, ...ends) } };
}
