import type { Problem } from '../../kernel/result.ts';
import { readPrompt } from './kind-google.ts';
import {
  findPreset,
  MISSING_OPENID,
  type OpenIdSettings,
  openIdProblems,
  openOpenId,
  presentOpenId,
  readClaimSettings,
  STANDARD_SCOPES,
} from './openid-settings.ts';
import { type ConfigInput, type ProviderKind, readTexts, refuseProblems } from './provider-kind.ts';

interface EntraSettings extends OpenIdSettings {
  readonly directory_id: string;
  readonly support_groups: boolean;
  readonly prompt: string | null;
}

const PROMPTS = ['login', 'select_account', 'none'];

/**
 * One tenant of Microsoft Entra. A tenant vouches for its own people alone, so it is pinned: by its id, which is what
 * its issuer names, and never by `common` or another name that stands for any tenant.
 */
export const azureAdKind: ProviderKind<EntraSettings> = {
  names: [
    'client_id',
    'directory_id',
    'support_groups',
    'prompt',
    'issuer',
    'claims',
    'email_claim_name',
    'link_by_email',
    'accept_stale_login',
  ],
  refused: ['conditional_access_enabled'],
  hasSecret: true,
  missing: MISSING_OPENID,
  examine: async (examination) => {
    const { config } = examination;
    const problems: Problem[] = [];
    const { client_id, directory_id: given } = readTexts(config, ['client_id', 'directory_id'], problems);
    const directory_id = given.toLowerCase();
    const prompt = readPrompt(config.prompt, PROMPTS, problems);
    problems.push(...directoryProblems(config, directory_id), ...openIdProblems(config));
    refuseProblems(problems);
    const issuer = config.issuer ?? issuerOf(directory_id);
    const pointer = config.issuer === undefined ? '/config/directory_id' : '/config/issuer';
    const place = await findPreset(examination, { issuer, pointer, scopes: STANDARD_SCOPES });
    const own = { directory_id, support_groups: config.support_groups ?? false, prompt };
    return { issuer, settings: { client_id, ...place, ...readClaimSettings(config), ...own } };
  },
  present: (known) => {
    const { directory_id, support_groups, prompt } = known.settings;
    const own = { directory_id, support_groups, ...(prompt === null ? {} : { prompt }) };
    return { ...presentOpenId(known, issuerOf(directory_id)), ...own };
  },
  proofOf: ({ client_id, email_claim_name, directory_id }) => [client_id, email_claim_name, directory_id],
  claimsOf,
  open: (provider) => ({
    ...openOpenId(provider),
    claims: claimsOf(provider.settings),
    // A tenant vouches for the names of its own people, and not all of them have an e-mail of their own.
    emailClaims: [provider.settings.email_claim_name, 'preferred_username'],
    prompt: provider.settings.prompt,
    // What it tells there is less than its ID tokens say.
    userInfoUrl: null,
  }),
};

function claimsOf({ claims, support_groups: withGroups }: EntraSettings): readonly string[] {
  return withGroups ? [...new Set([...claims, 'groups'])] : claims;
}

function issuerOf(directoryId: string): string {
  return `https://login.microsoftonline.com/${directoryId}/v2.0`;
}

const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The tenant of personal accounts, which anybody can make. */
const CONSUMERS = '9188040d-6c67-4c5b-b112-36a304b66dad';

function directoryProblems({ issuer }: ConfigInput, directoryId: string): Problem[] {
  if (directoryId === '') return [];
  if (!GUID.test(directoryId) || directoryId === CONSUMERS) {
    const message = 'must be the id of one tenant, a UUID: its issuer names that, and no domain';
    return [{ pointer: '/config/directory_id', message }];
  }
  // A cloud of another nation has the same paths; only what stands on this machine, for a test, has its own.
  if (issuer?.startsWith('https:') && !issuer.toLowerCase().split('/').includes(directoryId))
    return [{ pointer: '/config/issuer', message: 'must name the directory_id in its path' }];
  return [];
}
