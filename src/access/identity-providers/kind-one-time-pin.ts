import { openCommon, type ProviderKind, readCommon, type Settings } from './provider-kind.ts';

/** A one-time PIN by mail, which comes from us: there is nobody else to be pointed at. */
export const oneTimePinKind: ProviderKind<Settings> = {
  names: ['link_by_email', 'accept_stale_login'],
  refused: ['redirect_url'],
  hasSecret: false,
  examine: async ({ config, type }) => ({ issuer: type, settings: readCommon(config) }),
  present: ({ settings }) => ({ ...settings }),
  proofOf: () => null,
  claimsOf: () => [],
  open: (provider) => ({ kind: 'pin', ...openCommon(provider) }),
};
