import type { Surroundings } from '../policy/rules.ts';
import type { AccountState } from './state.ts';

/** A client certificate whose chain and private key were proven on the connection (TLS). */
export interface ClientCertificate {
  /** SHA-256 of the authority at the root of its chain, DER, in lower-case hex. */
  readonly authority: string;
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

/** What policies know of where a request comes from: a certificate counts while and where the account says so. */
export function surroundingsOf(
  { certificates }: Pick<AccountState, 'certificates'>,
  { host, ip, certificate }: Origin,
  now: number,
): Surroundings {
  if (!certificate || certificate.expiresAt <= now) return { ip, certificate: null };
  const name = host.replace(/:\d{1,5}$/, '');
  for (const { fingerprint, hostnames, expires_at: end } of certificates.values()) {
    if (fingerprint === certificate.authority && now < end && hostnames.includes(name)) {
      return { ip, certificate: { commonName: certificate.commonName } };
    }
  }
  return { ip, certificate: null };
}
