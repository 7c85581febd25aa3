import type { OpenedProvider } from '../access/identity-providers/opened.ts';
import { PREFIX } from './request.ts';

/** By which we know a browser that the provider has sent back from its own logout. */
export const SIGNED_OUT = 'signed-out';

/**
 * Where somebody ends the session of their provider as well (OpenID Connect RP-Initiated Logout §2); null where the
 * provider has no such place. Without an `id_token_hint`, since no token of a provider is kept: the provider asks.
 */
export function providerLogoutUrl(provider: OpenedProvider, issuer: string): string | null {
  if (provider.kind !== 'oidc' || provider.endSessionUrl === null) return null;
  const url = new URL(provider.endSessionUrl);
  url.searchParams.set('client_id', provider.clientId);
  url.searchParams.set('post_logout_redirect_uri', `${issuer}${PREFIX}/logout`);
  url.searchParams.set('state', SIGNED_OUT);
  return url.href;
}
