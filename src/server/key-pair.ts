import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { KeyPair } from '../http/tls-side.ts';
import type { KeyPairFiles } from '../setting-values.ts';
import { StartError } from './start-error.ts';

/** A pair that this server can serve with. */
export interface ServedPair extends KeyPair {
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
}

const NO_KEY = 'has no private key in PEM';
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * Reads the pair. Throws a StartError that names file and fault if one cannot be read, is not what it should be,
 * is encrypted, does not belong to the other, or if the certificate is not valid at `now`.
 */
export async function readKeyPair(files: KeyPairFiles, now: number): Promise<ServedPair> {
  const pair = { cert: await read('--tls-cert', files.cert), key: await read('--tls-key', files.key) };
  const [own] = readChain(files.cert, pair.cert);
  if (!own) throw new StartError(`--tls-cert ${files.cert}: has no certificate in PEM`);
  if (!own.checkPrivateKey(readKey(files.key, pair.key)))
    throw new StartError(`--tls-key ${files.key}: is not the key of the first certificate in ${files.cert}`);
  refuseUnusable(files.cert, pair);
  const notAfter = own.validToDate.getTime();
  if (now >= notAfter) throw new StartError(`--tls-cert ${files.cert}: expired on ${own.validTo}`);
  if (now < own.validFromDate.getTime())
    throw new StartError(`--tls-cert ${files.cert}: is not valid before ${own.validFrom}`);
  return { ...pair, notAfter };
}

async function read(flag: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'latin1');
  } catch (error) {
    throw new StartError(`${flag} ${file}: cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

function readChain(file: string, pem: string): X509Certificate[] {
  try {
    return (pem.match(CERTIFICATE) ?? []).map((text) => new X509Certificate(text));
  } catch (error) {
    throw new StartError(`--tls-cert ${file}: has a certificate that cannot be read`, { cause: error });
  }
}

function readKey(file: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    const why = /\bENCRYPTED\b/.test(pem) ? 'is encrypted: store it without a passphrase' : NO_KEY;
    throw new StartError(`--tls-key ${file}: ${why}`, { cause: error });
  }
}

/** Whatever else OpenSSL has against it, such as a key that is too short. */
function refuseUnusable(file: string, pair: KeyPair): void {
  try {
    createSecureContext({ cert: pair.cert, key: pair.key, minVersion: 'TLSv1.2' });
  } catch (error) {
    throw new StartError(`--tls-cert ${file}: cannot be used: ${(error as Error).message}`, { cause: error });
  }
}
