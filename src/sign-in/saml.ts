import type { SamlProvider } from '../access/identity-providers/opened.ts';
import type { Clock } from '../kernel/clock.ts';
import { SECOND } from '../kernel/clock.ts';
import type { Vault } from '../kernel/crypto.ts';
import type { Beginning, CameBack, Method } from './method.ts';
import type { ProvenIdentity } from './proven-identity.ts';
import { invalidAnswer } from './refused.ts';
import { readAssertion } from './saml-assertion.ts';
import { readAttributes } from './saml-attributes.ts';
import { responsePlace } from './saml-post.ts';
import { loadSaml, readSignedAssertion } from './saml-response.ts';

/**
 * SAML 2.0, web browser SSO profile: the request by redirect, the response by a POST that only keeps it
 * (saml-post.ts). What the response proves is asked when the browser that began comes for it with its cookie.
 */
export function samlMethod({ vault, clock }: { vault: Vault; clock: Clock }): Method<SamlProvider> {
  return {
    begin: requestUrl,
    prove: (cameBack) => proveIdentity(cameBack, { vault, now: clock.now() }),
  };
}

/** An id is an NCName: it begins with no digit. */
function requestIdOf(nonce: string): string {
  return `_${nonce}`;
}

/** `fresh` asks the provider to authenticate the person again (SAML core §3.4.1). */
async function requestUrl({ provider, started, redirectUri, fresh }: Beginning<SamlProvider>) {
  const { SAML } = await loadSaml();
  const saml = new SAML({
    entryPoint: provider.ssoUrl,
    issuer: redirectUri,
    callbackUrl: redirectUri,
    idpCert: [...provider.certificates],
    generateUniqueId: () => requestIdOf(started.nonce),
    forceAuthn: fresh || provider.forceAuthn,
    // Which name and which way of authentication is the provider's to choose.
    identifierFormat: null,
    disableRequestedAuthnContext: true,
  });
  return await saml.getAuthorizeUrlAsync(started.state, undefined, {});
}

async function proveIdentity(
  { provider, state, redirectUri }: CameBack<SamlProvider>,
  { vault, now }: { vault: Vault; now: number },
): Promise<ProvenIdentity> {
  if (state.response === null) throw invalidAnswer('no response was posted');
  const asked = { provider, requestId: requestIdOf(state.nonce), callbackUrl: redirectUri };
  const posted = vault.open(responsePlace(state.id), state.response);
  const assertion = await readSignedAssertion(posted, asked);
  const { nameId, authenticatedAt, sessionIndex, endsAt } = readAssertion(assertion, { ...asked, now });
  return {
    issuer: provider.issuer,
    subject: nameId,
    ...readAttributes(assertion, provider, nameId),
    emailVerified: null,
    authTime: authenticatedAt / SECOND,
    // A context class is no RFC 8176 method: what it stands for differs from provider to provider.
    amr: [],
    sid: sessionIndex,
    endsAt,
  };
}
