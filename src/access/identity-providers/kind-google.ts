import { normaliseDomain } from '../../kernel/email.ts';
import type { Problem } from '../../kernel/result.ts';
import type { OidcProvider } from './opened.ts';
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
import {
  type Examination,
  type KnownProvider,
  type Openable,
  type ProviderKind,
  readTexts,
  refuseProblems,
} from './provider-kind.ts';

const ISSUER = 'https://accounts.google.com';
const NAMES = ['client_id', 'issuer', 'claims', 'email_claim_name', 'link_by_email', 'accept_stale_login'];

/** Anybody's account at Google. */
export const googleKind: ProviderKind<OpenIdSettings> = {
  names: NAMES,
  refused: [],
  hasSecret: true,
  missing: MISSING_OPENID,
  examine: (examination) => examineGoogle(examination, []),
  present: (known) => presentOpenId(known, ISSUER),
  proofOf: ({ client_id, email_claim_name }) => [client_id, email_claim_name],
  claimsOf: ({ claims }) => claims,
  open: openGoogle,
};

/** Its ID tokens leave nothing out, and it knows no `prompt=login`. */
function openGoogle(provider: Openable<OpenIdSettings>): OidcProvider {
  return { ...openOpenId(provider), userInfoUrl: null, freshPrompt: 'select_account' };
}

interface WorkspaceSettings extends OpenIdSettings {
  readonly apps_domain: string;
  readonly prompt: string | null;
}

const PROMPTS = ['none', 'consent', 'select_account'];

/** Google Workspace: accounts of one domain alone, which the ID token has to name (`hd`). */
export const googleAppsKind: ProviderKind<WorkspaceSettings> = {
  names: [...NAMES, 'apps_domain', 'prompt'],
  refused: ['use_login_hint'],
  hasSecret: true,
  missing: MISSING_OPENID,
  examine: async (examination) => {
    const { config } = examination;
    const problems: Problem[] = [];
    const { apps_domain: given } = readTexts(config, ['apps_domain'], problems);
    const apps_domain = normaliseDomain(given);
    if (given !== '' && apps_domain === null)
      problems.push({ pointer: '/config/apps_domain', message: 'must be a domain' });
    const prompt = readPrompt(config.prompt, PROMPTS, problems);
    const { issuer, settings } = await examineGoogle(examination, problems);
    return { issuer, settings: { ...settings, apps_domain: apps_domain ?? '', prompt } };
  },
  present: (known) => presentWorkspace(known),
  proofOf: ({ apps_domain, ...settings }) => [apps_domain, googleKind.proofOf(settings)],
  claimsOf: ({ claims }) => claims,
  open: (provider) => ({
    ...openGoogle(provider),
    hostedDomain: provider.settings.apps_domain,
    prompt: provider.settings.prompt,
  }),
};

function presentWorkspace(known: KnownProvider<WorkspaceSettings>) {
  const { apps_domain, prompt } = known.settings;
  return { ...presentOpenId(known, ISSUER), apps_domain, ...(prompt === null ? {} : { prompt }) };
}

async function examineGoogle(examination: Examination<OpenIdSettings>, problems: Problem[]) {
  const { config } = examination;
  const { client_id } = readTexts(config, ['client_id'], problems);
  refuseProblems([...problems, ...openIdProblems(config)]);
  const issuer = config.issuer ?? ISSUER;
  const place = await findPreset(examination, {
    issuer,
    pointer: config.issuer === undefined ? '/type' : '/config/issuer',
    scopes: STANDARD_SCOPES,
  });
  return { issuer, settings: { client_id, ...place, ...readClaimSettings(config) } };
}

/** What the person is to be shown, of what the vendor knows; null: nothing special. */
export function readPrompt(
  prompt: string | undefined,
  known: readonly string[],
  problems: Problem[],
): string | null {
  if (prompt === undefined || prompt === '') return null;
  if (known.includes(prompt)) return prompt;
  problems.push({ pointer: '/config/prompt', message: `must be one of ${known.join(', ')}` });
  return null;
}
