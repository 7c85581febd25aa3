import type { SamlProvider } from '../access/identity-providers/opened.ts';
import { invalidAnswer, SignInRefused } from './refused.ts';
import { type DocumentElement, readDocument } from './saml-document.ts';
import { type Element, toElement } from './saml-element.ts';

type NodeSaml = typeof import('@node-saml/node-saml');

/** Loaded at the first sign-in, as every library of a single method is. */
export const loadSaml = (): Promise<NodeSaml> => import('@node-saml/node-saml');

/** What a response has to be an answer to. */
export interface Asked {
  readonly provider: SamlProvider;
  /** Id of our request. */
  readonly requestId: string;
  /** Our assertion consumer service, which is our entity id as well. */
  readonly callbackUrl: string;
}

const SUCCESS = 'urn:oasis:names:tc:SAML:2.0:status:Success';
const PROTOCOL = 'urn:oasis:names:tc:SAML:2.0:protocol';
const EXCLUSIVE = 'http://www.w3.org/2001/10/xml-exc-c14n#';
const ENVELOPED = 'http://www.w3.org/2000/09/xmldsig#enveloped-signature';

/** The algorithms that a signature may name. Whatever is not here, SHA-1 first of all, is refused. */
const ALGORITHMS: Readonly<Record<string, readonly string[]>> = {
  SignatureMethod: [
    'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512',
    'http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1',
  ],
  DigestMethod: ['http://www.w3.org/2001/04/xmlenc#sha256', 'http://www.w3.org/2001/04/xmlenc#sha512'],
  CanonicalizationMethod: [EXCLUSIVE],
  Transform: [EXCLUSIVE, ENVELOPED],
};

/**
 * The signed assertion of a response as the provider signed it, or a refusal. Nothing is taken from outside the bytes
 * that were signed: what the response says around them can only refuse it. `encoded` is what was posted.
 */
export async function readSignedAssertion(encoded: string, asked: Asked): Promise<Element> {
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  try {
    const isSigned = await examine(text, asked);
    return await verify(encoded, { ...asked, isSigned });
  } catch (error) {
    if (error instanceof SignInRefused) throw error;
    // The library repeats in its words what was posted, however long that is.
    throw invalidAnswer(error instanceof Error ? error.message.slice(0, 200) : 'not readable');
  }
}

/** Checks what stands around the assertion; whether the response itself is signed. */
async function examine(text: string, { provider, requestId, callbackUrl }: Asked): Promise<boolean> {
  const elements = await readDocument(text);
  const [root] = elements;
  if (root?.localName !== 'Response' || root.namespaceURI !== PROTOCOL) throw invalidAnswer('no response');
  const named = (name: string) => elements.filter(({ localName }) => localName === name);
  const ofRoot = (name: string) => named(name).filter(({ parent }) => parent === root);
  refuseStatus(named('StatusCode').filter(({ parent }) => parent && ofRoot('Status').includes(parent)));
  if (named('EncryptedAssertion').length > 0) throw invalidAnswer('encrypted assertions are not supported');
  if (named('Assertion').length !== 1) throw invalidAnswer('not exactly one assertion');
  refuseAlgorithms(named);
  if (root.attribute('InResponseTo') !== requestId) throw invalidAnswer('the response to another request');
  const destination = root.attribute('Destination');
  if (destination !== null && destination !== callbackUrl)
    throw invalidAnswer('the destination is somebody else');
  if (ofRoot('Issuer').some(({ text: issuer }) => issuer !== provider.issuer))
    throw invalidAnswer('the response is by another');
  return ofRoot('Signature').length > 0;
}

/** A provider that did not sign anybody in says so by a status, with no assertion. */
function refuseStatus(codes: readonly DocumentElement[]): void {
  const [code, ...more] = codes.map((element) => element.attribute('Value'));
  if (code === SUCCESS && more.length === 0) return;
  throw new SignInRefused('provider_refused', {
    cause: new Error(`status ${code?.slice(0, 100) ?? 'none'}`),
  });
}

function refuseAlgorithms(named: (name: string) => readonly DocumentElement[]): void {
  for (const [name, allowed] of Object.entries(ALGORITHMS)) {
    const other = named(name).find((element) => !allowed.includes(element.attribute('Algorithm') ?? ''));
    if (other) throw invalidAnswer(`${name} ${other.attribute('Algorithm')?.slice(0, 100)}`);
  }
}

/**
 * Signature and structure by the library: the assertion's always, the response's as well where it has one. Times are
 * not its affair (they are checked by our clock).
 */
async function verify(
  encoded: string,
  { provider, callbackUrl, isSigned }: Asked & { isSigned: boolean },
): Promise<Element> {
  const { SAML } = await loadSaml();
  const saml = new SAML({
    issuer: callbackUrl,
    callbackUrl,
    audience: callbackUrl,
    idpCert: [...provider.certificates],
    wantAssertionsSigned: true,
    wantAuthnResponseSigned: isSigned,
    acceptedClockSkewMs: -1,
  });
  const { profile } = await saml.validatePostResponseAsync({ SAMLResponse: encoded });
  const { Assertion: assertion } = profile?.getAssertion?.() ?? {};
  if (!assertion) throw invalidAnswer('no assertion');
  return toElement(assertion, 'the assertion');
}
