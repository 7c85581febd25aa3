import type { Problem } from '../../kernel/result.ts';
import {
  findPreset,
  MISSING_OPENID,
  type OpenIdSettings,
  openIdProblems,
  openOpenId,
  presentOpenId,
  readClaimSettings,
  STANDARD_SCOPES,
  urlProblems,
} from './openid-settings.ts';
import { type ConfigInput, type ProviderKind, readTexts, refuseProblems } from './provider-kind.ts';

interface OktaSettings extends OpenIdSettings {
  readonly okta_account: string;
  /** null: the organization's own authorization server. */
  readonly authorization_server_id: string | null;
}

/** An organization of Okta. Groups come by the claim `groups`, which its authorization server has to send. */
export const oktaKind: ProviderKind<OktaSettings> = {
  names: [
    'client_id',
    'okta_account',
    'authorization_server_id',
    'issuer',
    'claims',
    'email_claim_name',
    'link_by_email',
    'accept_stale_login',
  ],
  refused: [],
  hasSecret: true,
  missing: MISSING_OPENID,
  examine: async (examination) => {
    const { config } = examination;
    const problems: Problem[] = [];
    const { client_id, okta_account } = readTexts(config, ['client_id', 'okta_account'], problems);
    problems.push(...urlProblems(config, ['okta_account']), ...serverProblems(config));
    refuseProblems([...problems, ...openIdProblems(config)]);
    const own = { okta_account, authorization_server_id: config.authorization_server_id || null };
    const issuer = config.issuer ?? issuerOf(own);
    const pointer = config.issuer === undefined ? '/config/okta_account' : '/config/issuer';
    const place = await findPreset(examination, { issuer, pointer, scopes: [...STANDARD_SCOPES, 'groups'] });
    return { issuer, settings: { client_id, ...place, ...readClaimSettings(config), ...own } };
  },
  present: (known) => {
    const { okta_account, authorization_server_id: server } = known.settings;
    const own = { okta_account, ...(server === null ? {} : { authorization_server_id: server }) };
    return { ...presentOpenId(known, issuerOf(known.settings)), ...own };
  },
  proofOf: ({ client_id, email_claim_name }) => [client_id, email_claim_name],
  claimsOf,
  open: (provider) => ({ ...openOpenId(provider), claims: claimsOf(provider.settings) }),
};

function claimsOf({ claims }: OktaSettings): readonly string[] {
  return [...new Set([...claims, 'groups'])];
}

function issuerOf({
  okta_account: account,
  authorization_server_id: server,
}: Pick<OktaSettings, 'okta_account' | 'authorization_server_id'>): string {
  const base = account.replace(/\/$/, '');
  return server === null ? base : `${base}/oauth2/${server}`;
}

function serverProblems({ authorization_server_id: id }: ConfigInput): Problem[] {
  if (!id || /^[\w-]+$/.test(id)) return [];
  return [{ pointer: '/config/authorization_server_id', message: 'is not an id of an authorization server' }];
}
