import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { StartError } from './start-error.ts';

/**
 * The certificates of a file that a setting names, in PEM. Checked whole at the start, so that nothing fails later
 * for what the operator can mend now: throws a StartError.
 */
export function readAuthorities(flag: string, file: string): string {
  try {
    const text = readFileSync(file, 'utf8');
    const certificates = text.match(CERTIFICATE) ?? [];
    if (certificates.length === 0) throw new Error('there is no certificate in it');
    for (const certificate of certificates) new X509Certificate(certificate);
    return text;
  } catch (error) {
    throw new StartError(`${flag} ${file}: ${(error as Error).message}`, { cause: error });
  }
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
