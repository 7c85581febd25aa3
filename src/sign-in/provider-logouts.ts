import { openProvider } from '../access/identity-providers/identity-providers.ts';
import type { OpenedProvider } from '../access/identity-providers/opened.ts';
import type { Vault } from '../kernel/crypto.ts';
import { fetchOutbound } from '../kernel/outbound.ts';
import type { Control } from '../removal/act.ts';
import { endByProvider } from './backchannel-logout.ts';
import type { Team } from './directory.ts';
import { LogoutRefused, readLogoutToken } from './logout-token.ts';
import { createProviderKeys } from './provider-keys.ts';
import { providerLogoutUrl } from './provider-logout.ts';

/** Logout between us and OpenID providers, in either direction. */
export function createProviderLogouts({ control, vault }: { control: Control; vault: Vault }) {
  const { database, clock } = control;
  const keys = createProviderKeys({ clock, fetch: fetchOutbound });
  const find = (accountId: string, id: string): Promise<OpenedProvider | null> =>
    database.snapshot((snapshot) => openProvider(snapshot, vault, { accountId, id }));

  return {
    /** Ends what a provider asks for by a logout token. Throws LogoutRefused or KeysUnavailable. */
    async take(
      { accountId }: Team,
      asked: { providerId: string; token: string; ip: string; requestId: string },
    ): Promise<void> {
      const { providerId, token, ip, requestId } = asked;
      const provider = await find(accountId, providerId);
      if (provider?.kind !== 'oidc') throw new LogoutRefused('no OpenID provider by this address');
      const order = await readLogoutToken(token, { provider, keys, clock });
      await endByProvider(control, { accountId, provider, order, ip, requestId });
    },

    /** Where a person whose session came through this provider ends the provider's own; null if nowhere. */
    async urlOf({ accountId }: Team, providerId: string, issuer: string): Promise<string | null> {
      const provider = await find(accountId, providerId);
      return provider && providerLogoutUrl(provider, issuer);
    },
  };
}
