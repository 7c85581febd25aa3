import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { DAY, MINUTE } from '../kernel/clock.ts';
import type { ClientCertificate } from './client-certificate.ts';

/** An authority by which the client certificate of a connection was verified. */
export interface Authority {
  readonly certificate: X509Certificate;
  /** SHA-256 of its DER form, in lower-case hex. */
  readonly fingerprint: string;
}

/** Of an intermediate authority that the client sent, nobody tells when it ends: each handshake asks OpenSSL anew. */
const UNSEEN_FOR = DAY;
/** Longer than a handshake may take: what had ended before it cannot have vouched for anybody in it. */
const LONG_AGO = MINUTE;
const LONGEST_NAME = 256;

/**
 * What is known of the client behind a connection whose handshake, at `now`, verified its certificate by these
 * authorities alone; null if none came, or none that is good. Which of several an intermediate leads to is not told,
 * so the certificate hangs on all of them.
 */
export function readPeerCertificate(
  socket: TLSSocket,
  authorities: readonly Authority[],
  now: number,
): ClientCertificate | null {
  if (!socket.authorized || socket.isSessionReused()) return null;
  const certificate = socket.getPeerX509Certificate();
  const possible = authorities.filter((one) => now - endOf(one.certificate) < LONG_AGO);
  if (!certificate || possible.length === 0) return null;
  const issuer = possible.find((one) => isIssuedBy(certificate, one));
  const behind = issuer ? [issuer] : possible;
  const ends = [certificate, ...behind.map((one) => one.certificate)].map(endOf);
  const expiresAt = Math.min(...ends, issuer ? Number.POSITIVE_INFINITY : now + UNSEEN_FOR);
  if (!Number.isFinite(expiresAt)) return null;
  const fingerprints = behind.map(({ fingerprint }) => fingerprint);
  return { authorities: fingerprints, commonName: commonNameOf(certificate), expiresAt };
}

function isIssuedBy(certificate: X509Certificate, { certificate: issuer }: Authority): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function endOf({ validToDate }: X509Certificate): number {
  return validToDate.getTime();
}

/** The one common name of the subject, as people read it; null where there is none, several, or an odd one. */
function commonNameOf(certificate: X509Certificate): string | null {
  const { CN: name } = certificate.toLegacyObject().subject as { CN?: unknown };
  if (typeof name !== 'string' || name === '' || name.length > LONGEST_NAME) return null;
  return /\p{C}/u.test(name) || name.trim() !== name ? null : name;
}

/** By which a reading is found again on its socket, also through the stand-in that HTTP/2 gives out. */
const READING = Symbol('handshake');

/** What is known of a handshake that named a host. */
export interface Handshake {
  readonly certificate: ClientCertificate | null;
  /** Fingerprints of the authorities that it did not ask for, and that one for the same host would ask for now. */
  askedSince(): readonly string[];
}

/** Keeps what was read in the handshake for every request of the connection. */
export function noteHandshake(socket: TLSSocket, handshake: Handshake): void {
  Object.assign(socket, { [READING]: handshake });
}

/** The host that the client named in the handshake of the connection behind this socket, if it named any. */
export function namedHostOf(socket: object): string | null {
  const { servername } = socket as { servername?: unknown };
  return typeof servername === 'string' && servername !== '' ? servername.toLowerCase() : null;
}

/** What was read in the handshake of the connection behind this socket. */
export function peerCertificateOf(socket: object): ClientCertificate | null {
  return handshakeOf(socket)?.certificate ?? null;
}

/** See `askedSince` of its handshake; none where nothing is known of that. */
export function askedSinceHandshake(socket: object): readonly string[] {
  return handshakeOf(socket)?.askedSince() ?? [];
}

function handshakeOf(socket: object): Handshake | undefined {
  return (socket as { [READING]?: Handshake })[READING];
}
