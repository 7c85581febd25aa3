import type { Problem } from '../../kernel/result.ts';
import { urlProblems } from './openid-settings.ts';
import {
  type ConfigInput,
  type Found,
  openCommon,
  type ProviderKind,
  readCommon,
  readTexts,
  refuseProblems,
  type Settings,
} from './provider-kind.ts';

interface GithubSettings extends Settings {
  readonly client_id: string;
}

const GITHUB = 'https://github.com';

/** GitHub, or an Enterprise server at `base_url` (ours). It says who it is by its address alone. */
export const githubKind: ProviderKind<GithubSettings> = {
  names: ['client_id', 'base_url', 'link_by_email', 'accept_stale_login'],
  refused: [],
  hasSecret: true,
  examine: async ({ config }) => readConfig(config),
  present: ({ issuer, settings }) => ({
    ...settings,
    ...(issuer === GITHUB ? {} : { base_url: issuer }),
  }),
  proofOf: ({ client_id }) => [client_id],
  claimsOf: () => [],
  open: (provider) => ({
    kind: 'github',
    ...openCommon(provider),
    issuer: provider.issuer,
    apiUrl: apiOf(provider.issuer),
    clientId: provider.settings.client_id,
    clientSecret: provider.secret,
  }),
};

function readConfig(config: ConfigInput): Found<GithubSettings> {
  const problems: Problem[] = [];
  const { client_id } = readTexts(config, ['client_id'], problems);
  refuseProblems([...problems, ...baseProblems(config.base_url), ...urlProblems(config, ['base_url'])]);
  const issuer = config.base_url === undefined ? GITHUB : new URL(config.base_url).origin;
  return { issuer, settings: { client_id, ...readCommon(config) } };
}

function baseProblems(url: string | undefined): Problem[] {
  const isOrigin = url === undefined || !URL.canParse(url) || new URL(url).pathname === '/';
  return isOrigin ? [] : [{ pointer: '/config/base_url', message: 'must not have a path' }];
}

/** GitHub and its clouds with data residency have a host for the API; an Enterprise server has a path. */
function apiOf(issuer: string): string {
  const { protocol, host, hostname } = new URL(issuer);
  const hasHost = hostname === 'github.com' || hostname.endsWith('.ghe.com');
  return hasHost ? `${protocol}//api.${host}` : `${issuer}/api/v3`;
}
