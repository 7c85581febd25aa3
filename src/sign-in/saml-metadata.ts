import { escapeHtml } from '../kernel/page.ts';
import type { Answer } from './answers.ts';

/**
 * What an administrator gives their SAML provider (SAML metadata §2.4.4): the callback is our entity id and our
 * assertion consumer service; assertions have to be signed, requests are not.
 */
export function samlMetadata(callbackUrl: string): Answer {
  const url = escapeHtml(callbackUrl);
  const body = `<?xml version="1.0" encoding="UTF-8"?>
<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="${url}">
  <SPSSODescriptor AuthnRequestsSigned="false" WantAssertionsSigned="true" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
    <AssertionConsumerService index="0" isDefault="true" Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="${url}"/>
  </SPSSODescriptor>
</EntityDescriptor>
`;
  return { status: 200, headers: { 'content-type': 'application/samlmetadata+xml' }, body };
}
