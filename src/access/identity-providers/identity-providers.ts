import type { Static } from 'typebox';
import type { Reader, Snapshot, Tx } from '../../database/database.ts';
import type { Start } from '../../database/paging.ts';
import type { IdentityProviderRow } from '../../database/tables.ts';
import type { Vault } from '../../kernel/crypto.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { newUuid } from '../../kernel/ids.ts';
import type { JsonObject } from '../../kernel/json.ts';
import { type FeedItem, revocation } from '../../protocol/feed.ts';
import type { ProviderState } from '../../protocol/state.ts';
import type { Change } from '../../removal/act.ts';
import type { IdentityProvider, IdentityProviderInput } from './contract.ts';
import { type Discovered, discover, endpointProblem } from './discovery.ts';
import {
  countProviders,
  deleteIdentitiesThrough,
  deleteProviderRow,
  findProvider,
  insertProvider,
  listProviders,
  lockProvider,
  updateProviderRow,
} from './store.ts';

export type ProviderInput = Static<typeof IdentityProviderInput>;
export type PresentedProvider = Static<typeof IdentityProvider>;

/** What is stored of a provider besides its secret. */
interface Settings {
  readonly client_id: string;
  readonly auth_url: string;
  readonly token_url: string;
  readonly certs_url: string;
  readonly scopes: readonly string[];
  readonly claims: readonly string[];
  readonly email_claim_name: string;
  readonly link_by_email: boolean;
  readonly answers_with_issuer: boolean;
}

/** An OpenID provider ready to sign people in with. */
export interface OidcProvider {
  readonly id: string;
  readonly type: string;
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly authUrl: string;
  readonly tokenUrl: string;
  readonly certsUrl: string;
  readonly scopes: readonly string[];
  readonly emailClaim: string;
  readonly linkByEmail: boolean;
  readonly answersWithIssuer: boolean;
}

export function presentProvider(row: IdentityProviderRow): PresentedProvider {
  const { answers_with_issuer: _, ...settings } = JSON.parse(row.config) as Settings;
  return {
    id: row.id,
    name: row.name,
    type: row.type,
    read_only: false,
    config: {
      ...settings,
      scopes: [...settings.scopes],
      claims: [...settings.claims],
      issuer: row.issuer,
      pkce_enabled: true,
    },
    scim_config: { enabled: false },
  };
}

export async function getProvider(
  reader: Reader,
  accountId: string,
  id: string,
): Promise<IdentityProviderRow> {
  const row = await findProvider(reader, accountId, id);
  if (!row) throw unknownProvider();
  return row;
}

/** The providers of an account, as a list to be paged. */
export function providerList(reader: Reader, accountId: string) {
  return {
    fetch: (start: Start) => listProviders(reader, accountId, start),
    keyOf: (row: IdentityProviderRow) => [row.created_at, row.id],
    total: () => countProviders(reader, accountId),
  };
}

/** The provider with its secret opened, for a sign-in; null if it does not exist. */
export async function openProvider(
  snapshot: Snapshot,
  vault: Vault,
  { accountId, id }: { accountId: string; id: string },
): Promise<OidcProvider | null> {
  const row = await findProvider(snapshot, accountId, id);
  if (!row) return null;
  const settings = JSON.parse(row.config) as Settings;
  return {
    id: row.id,
    type: row.type,
    issuer: row.issuer,
    clientId: settings.client_id,
    clientSecret: vault.open(secretPlace(row.id), row.client_secret),
    authUrl: settings.auth_url,
    tokenUrl: settings.token_url,
    certsUrl: settings.certs_url,
    scopes: settings.scopes,
    emailClaim: settings.email_claim_name,
    linkByEmail: settings.link_by_email,
    answersWithIssuer: settings.answers_with_issuer,
  };
}

/** The providers of an account, for gates. */
export async function providerStates(snapshot: Snapshot, accountId: string): Promise<FeedItem[]> {
  const rows = await listProviders(snapshot, accountId, { after: null, offset: 0, limit: 1000 });
  return rows.map((row) => stateItem(row));
}

/**
 * Checks the input and finds its issuer. Talks to the provider, so never inside a transaction. Throws a 400
 * that names every fault.
 */
export async function examineProvider(input: ProviderInput): Promise<Discovered> {
  refuseUnsupported(input);
  const { auth_url: authUrl, token_url: tokenUrl, certs_url: certsUrl, issuer } = input.config;
  const urls = { auth_url: authUrl, token_url: tokenUrl, certs_url: certsUrl, ...(issuer ? { issuer } : {}) };
  const problems = Object.entries(urls).flatMap(([name, url]) => {
    const message = endpointProblem(url);
    return message ? [{ pointer: `/config/${name}`, message }] : [];
  });
  if (problems.length > 0) throw invalidInput(problems, 'invalidAccess');
  const found = await discover({ authUrl, tokenUrl, certsUrl }, issuer ?? null);
  if (found) return found;
  const pointer = issuer ? '/config/issuer' : '/config/auth_url';
  const message =
    'no OpenID discovery document was found that names these authorization, token and JWKS URLs';
  throw invalidInput([{ pointer, message }], 'invalidAccess');
}

const KNOWN_SETTINGS = new Set([
  'client_id',
  'client_secret',
  'auth_url',
  'token_url',
  'certs_url',
  'issuer',
  'scopes',
  'claims',
  'email_claim_name',
  'pkce_enabled',
  'link_by_email',
]);

function refuseUnsupported({ type, config, scim_config: scim, read_only: readOnly }: ProviderInput): void {
  const refuse = (pointer: string, detail: string) => refusal('notSupported', { detail, pointer });
  if (type !== 'oidc') throw refuse('/type', `identity providers of type ${type.slice(0, 40)} yet; oidc is`);
  if (config.pkce_enabled === false) throw refuse('/config/pkce_enabled', 'sign-in without PKCE');
  if (scim?.enabled) throw refuse('/scim_config/enabled', 'SCIM yet');
  if (readOnly) throw refuse('/read_only', 'read-only identity providers');
  const unknown = Object.keys(config).find((name) => !KNOWN_SETTINGS.has(name));
  if (unknown !== undefined)
    throw refuse(`/config/${unknown}`, `the setting ${unknown.slice(0, 40)} of oidc`);
}

interface Write {
  readonly accountId: string;
  readonly input: ProviderInput;
  readonly found: Discovered;
  readonly vault: Vault;
  readonly now: string;
}

export async function createProvider(
  tx: Tx,
  { accountId, input, found, vault, now }: Write,
): Promise<Change<PresentedProvider>> {
  const secret = input.config.client_secret;
  if (!secret)
    throw invalidInput([{ pointer: '/config/client_secret', message: 'is required' }], 'invalidAccess');
  const id = newUuid();
  const row: IdentityProviderRow = {
    id,
    account_id: accountId,
    type: input.type,
    name: input.name,
    issuer: found.issuer,
    config: JSON.stringify(settingsOf(input, found)),
    client_secret: vault.seal(secretPlace(id), secret),
    created_at: now,
    updated_at: now,
  };
  await insertProvider(tx, row);
  return {
    result: presentProvider(row),
    items: [stateItem(row)],
    audit: {
      action: 'identity_provider.create',
      resource: resourceOf(id),
      metadata: { issuer: found.issuer },
    },
  };
}

/**
 * Replaces the settings; the secret stays if none is sent. Pointing it elsewhere (issuer, endpoints, client,
 * e-mail claim) forgets every identity and ends every session that came through it: whoever answers there now
 * has vouched for none of them.
 */
export async function updateProvider(
  tx: Tx,
  { id, accountId, input, found, vault, now }: Write & { id: string },
): Promise<Change<PresentedProvider>> {
  const row = await lockProvider(tx, accountId, id);
  if (!row) throw unknownProvider();
  const settings = settingsOf(input, found);
  const secret = input.config.client_secret;
  const change = {
    name: input.name,
    issuer: found.issuer,
    config: JSON.stringify(settings),
    client_secret: secret ? vault.seal(secretPlace(id), secret) : row.client_secret,
    updated_at: now,
  };
  await updateProviderRow(tx, row, change);
  const repointed = isRepointed(row, { issuer: found.issuer, settings });
  const identities = repointed ? await deleteIdentitiesThrough(tx, accountId, id) : 0;
  const updated = { ...row, ...change };
  return {
    result: presentProvider(updated),
    items: [stateItem(updated), ...(repointed ? [revocation({ type: 'provider', id })] : [])],
    audit: {
      action: 'identity_provider.update',
      resource: resourceOf(id),
      metadata: { repointed, identities },
    },
  };
}

/** Deletes the provider and every identity and session that came through it. */
export async function deleteProvider(
  tx: Tx,
  { accountId, id }: { accountId: string; id: string },
): Promise<Change<{ id: string }>> {
  const row = await lockProvider(tx, accountId, id);
  if (!row) throw unknownProvider();
  const identities = await deleteIdentitiesThrough(tx, accountId, id);
  await deleteProviderRow(tx, accountId, id);
  return {
    result: { id },
    items: [revocation({ type: 'provider', id }), { kind: 'provider', id, state: null }],
    audit: {
      action: 'identity_provider.delete',
      resource: resourceOf(id),
      metadata: { name: row.name, identities },
    },
  };
}

function settingsOf({ config }: ProviderInput, found: Discovered): Settings {
  const scopes = config.scopes ?? ['openid', 'email', 'profile'];
  return {
    client_id: config.client_id,
    auth_url: config.auth_url,
    token_url: config.token_url,
    certs_url: config.certs_url,
    scopes: scopes.includes('openid') ? scopes : ['openid', ...scopes],
    claims: config.claims ?? [],
    email_claim_name: config.email_claim_name ?? 'email',
    link_by_email: config.link_by_email ?? false,
    answers_with_issuer: found.answersWithIssuer,
  };
}

function isRepointed(row: IdentityProviderRow, now: { issuer: string; settings: Settings }): boolean {
  const before = JSON.parse(row.config) as Settings;
  const names = ['client_id', 'auth_url', 'token_url', 'certs_url', 'email_claim_name'] as const;
  return row.issuer !== now.issuer || names.some((name) => before[name] !== now.settings[name]);
}

function stateItem(row: IdentityProviderRow): FeedItem {
  const state: ProviderState = { id: row.id, type: row.type, name: row.name };
  return { kind: 'provider', id: row.id, state: { ...state } as JsonObject };
}

function resourceOf(id: string) {
  return { type: 'identity_provider', id };
}

function secretPlace(id: string): string {
  return `identity_providers/${id}/client_secret`;
}

function unknownProvider() {
  return refusal('notFoundAccess', { detail: 'identity provider not found' });
}
