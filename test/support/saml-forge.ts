import { signXml } from '@node-saml/node-saml/lib/xml.js';
import type { TestPair } from './certificates.ts';

const ASSERTION = "//*[local-name()='Assertion']";
const RESPONSE = "/*[local-name()='Response']";

/** Signs the assertion of a response with this key. */
export function signAssertion(
  xml: string,
  { key, cert, algorithm = 'sha256' }: TestPair & { algorithm?: 'sha1' | 'sha256' | 'sha512' },
): string {
  return sign(xml, ASSERTION, { key, cert, algorithm });
}

/** Signs the response as a whole. */
export function signResponse(xml: string, { key, cert }: TestPair): string {
  return sign(xml, RESPONSE, { key, cert, algorithm: 'sha256' });
}

function sign(
  xml: string,
  path: string,
  { key, cert, algorithm }: TestPair & { algorithm: 'sha1' | 'sha256' | 'sha512' },
): string {
  const location = { reference: `${path}/*[local-name()='Issuer']`, action: 'after' } as const;
  return signXml(xml, path, location, {
    privateKey: key,
    publicCert: cert,
    signatureAlgorithm: algorithm,
    digestAlgorithm: algorithm,
  });
}

/** The assertion of a response, with its tags. */
export function assertionOf(xml: string): string {
  return /<saml:Assertion[\s\S]*<\/saml:Assertion>/.exec(xml)?.[0] ?? '';
}

/** The signature of an assertion. */
export function signatureOf(assertion: string): string {
  return /<(\w+:)?Signature[\s>][\s\S]*<\/(\w+:)?Signature>/.exec(assertion)?.[0] ?? '';
}
