import type { Problem } from '../../kernel/result.ts';
import { discover } from './discovery.ts';
import {
  MISSING_OPENID,
  type OpenIdSettings,
  openIdProblems,
  openOpenId,
  type Place,
  pickPlace,
  placeOf,
  presentOpenId,
  readClaimSettings,
  STANDARD_SCOPES,
  urlProblems,
} from './openid-settings.ts';
import {
  type ConfigInput,
  type Examination,
  invalidConfig,
  type ProviderKind,
  readTexts,
  refuseProblems,
} from './provider-kind.ts';

const ENDPOINTS = ['auth_url', 'token_url', 'certs_url'] as const;

/** Any OpenID provider. Its issuer is found from the endpoints that are given, and must name exactly these. */
export const oidcKind: ProviderKind<OpenIdSettings> = {
  names: [
    'client_id',
    ...ENDPOINTS,
    'issuer',
    'scopes',
    'claims',
    'email_claim_name',
    'pkce_enabled',
    'link_by_email',
    'accept_stale_login',
  ],
  refused: [],
  hasSecret: true,
  missing: MISSING_OPENID,
  examine: async (examination) => {
    const { config } = examination;
    const required = readRequired(config);
    const { issuer, place } = await find(examination, required);
    const { client_id } = required;
    return { issuer, settings: { client_id, ...place, ...readClaimSettings(config) } };
  },
  present: (known) => {
    const { auth_url, token_url, certs_url, scopes } = known.settings;
    const own = { auth_url, token_url, certs_url, scopes: [...scopes], pkce_enabled: true };
    return { ...presentOpenId(known, null), ...own };
  },
  proofOf: ({ client_id, email_claim_name, auth_url, token_url, certs_url }) => [
    client_id,
    email_claim_name,
    auth_url,
    token_url,
    certs_url,
  ],
  claimsOf: ({ claims }) => claims,
  open: openOpenId,
};

type Required = Record<'client_id' | (typeof ENDPOINTS)[number], string>;

function readRequired(config: ConfigInput): Required {
  const problems: Problem[] = [];
  const required = readTexts(config, ['client_id', ...ENDPOINTS], problems);
  problems.push(...urlProblems(config, ENDPOINTS), ...openIdProblems(config));
  problems.push(...scopeProblems(config.scopes ?? []));
  refuseProblems(problems);
  return required;
}

/** RFC 6749 §3.3: scopes travel joined by spaces. */
function scopeProblems(scopes: readonly string[]): Problem[] {
  return scopes.flatMap((scope, index) =>
    /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope)
      ? []
      : [{ pointer: `/config/scopes/${index}`, message: 'is not a scope' }],
  );
}

async function find(
  { config, known }: Examination<OpenIdSettings>,
  at: Required,
): Promise<{ issuer: string; place: Place }> {
  const scopes = config.scopes ?? [...STANDARD_SCOPES];
  const sameIssuer = config.issuer === undefined || config.issuer === known?.issuer;
  const before = known && sameIssuer && ENDPOINTS.every((name) => at[name] === known.settings[name]);
  const again = before ? { issuer: known.issuer, place: { ...pickPlace(known.settings), scopes } } : null;
  if (again && config.client_secret === undefined) return again;
  const endpoints = { authUrl: at.auth_url, tokenUrl: at.token_url, certsUrl: at.certs_url };
  const found = await discover(endpoints, config.issuer ?? again?.issuer ?? null);
  if (found) return { issuer: found.issuer, place: placeOf(found, scopes) };
  if (again) return again;
  throw notFound(config.issuer);
}

function notFound(issuer: string | undefined) {
  const message =
    'no OpenID discovery document was found here that names exactly this auth_url, token_url and certs_url';
  const advice = issuer ? '' : '; give config.issuer if it lies elsewhere';
  return invalidConfig([
    { pointer: issuer ? '/config/issuer' : '/config/auth_url', message: message + advice },
  ]);
}
