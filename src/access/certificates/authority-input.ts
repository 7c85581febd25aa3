import { type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { type ApiError, invalidInput } from '../../kernel/errors.ts';

/** A root certificate that can vouch for client certificates. */
export interface ReadAuthority {
  /** PEM, written anew. */
  readonly certificate: string;
  /** SHA-256 of the DER form, in lower-case hex. */
  readonly fingerprint: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

const ONE_CERTIFICATE = /^\s*-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*$/;

/** The handshake lists the names of all authorities of a host. */
const LONGEST_SUBJECT = 512;
const SHORTEST_RSA = 2048;
/** Each handshake may verify some signatures by it. */
const LONGEST_RSA = 8192;
const CURVES: ReadonlySet<string> = new Set(['prime256v1', 'secp384r1', 'secp521r1']);

/**
 * Reads the certificate of an authority, or refuses it (400, `/certificate`): exactly one, in PEM, self-signed, a
 * certificate authority's, not expired, with a key that OpenSSL takes for client certificates.
 */
export function readAuthority(pem: string, now: number): ReadAuthority {
  if (/PRIVATE KEY/.test(pem))
    throw invalid('has a private key in it: nobody but its owner must ever have that');
  if (!ONE_CERTIFICATE.test(pem)) throw invalid('must be exactly one certificate in PEM');
  const certificate = parse(pem);
  if (!certificate.ca) throw invalid('is not the certificate of a certificate authority (basicConstraints)');
  const key = publicKeyOf(certificate);
  if (!isUsable(key))
    throw invalid('must have an RSA key of 2048 to 8192 bits, or one on P-256, P-384 or P-521');
  if (!isSelfSigned(certificate, key))
    throw invalid('must be a root: a certificate that is signed by its own key');
  const { length } = Buffer.from(certificate.subject ?? '');
  if (length === 0 || length > LONGEST_SUBJECT)
    throw invalid(`has no subject, or one of over ${LONGEST_SUBJECT} bytes`);
  const expiresAt = certificate.validToDate.getTime();
  if (!(now < expiresAt)) throw invalid('has expired');
  return usable({ certificate: certificate.toString(), fingerprint: fingerprintOf(certificate), expiresAt });
}

/** SHA-256 of the DER form, in lower-case hex. */
function fingerprintOf({ fingerprint256 }: X509Certificate): string {
  return fingerprint256.replaceAll(':', '').toLowerCase();
}

function parse(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw invalid('cannot be read');
  }
}

function publicKeyOf(certificate: X509Certificate): KeyObject {
  try {
    return certificate.publicKey;
  } catch {
    throw invalid('has a public key that cannot be read');
  }
}

function isUsable({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject): boolean {
  if (type === 'ec') return CURVES.has(details?.namedCurve ?? '');
  const bits = details?.modulusLength ?? 0;
  return type === 'rsa' && bits >= SHORTEST_RSA && bits <= LONGEST_RSA;
}

/** OpenSSL takes a root as it is; with a signature that was not checked, anybody could make one in another's name. */
function isSelfSigned(certificate: X509Certificate, key: KeyObject): boolean {
  return certificate.checkIssued(certificate) && certificate.verify(key);
}

/** The listener has to be able to load it. */
function usable(authority: ReadAuthority): ReadAuthority {
  try {
    createSecureContext({ ca: authority.certificate });
    return authority;
  } catch {
    throw invalid('cannot be used');
  }
}

function invalid(message: string): ApiError {
  return invalidInput([{ pointer: '/certificate', message }], 'invalidAccess');
}
