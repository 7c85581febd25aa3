import type { Static } from 'typebox';
import type { Reader, Snapshot, Tx } from '../../database/database.ts';
import type { KeyedList } from '../../database/paging.ts';
import type { IdentityProviderRow } from '../../database/tables.ts';
import type { Vault } from '../../kernel/crypto.ts';
import { refusal } from '../../kernel/errors.ts';
import { newUuid } from '../../kernel/ids.ts';
import type { JsonObject } from '../../kernel/json.ts';
import { type FeedItem, revocation } from '../../protocol/feed.ts';
import type { ProviderState } from '../../protocol/state.ts';
import type { Change } from '../../removal/act.ts';
import type { IdentityProvider } from './contract.ts';
import type { OpenedProvider } from './opened.ts';
import {
  type ExaminedProvider,
  examineProvider,
  isRepointed,
  type KnownProvider,
  type ProviderInput,
  refuseLeak,
  type Settings,
  secretRequired,
} from './provider-input.ts';
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

/** Cloudflare's limit (reference §3.4); a gate holds them all. */
const MOST_PROVIDERS = 50;

export type PresentedProvider = Static<typeof IdentityProvider>;

export function presentProvider(row: IdentityProviderRow): PresentedProvider {
  const { answers_with_issuer: _, ...settings } = settingsOf(row);
  return {
    id: row.id,
    name: row.name,
    type: row.type,
    read_only: false,
    config: {
      ...settings,
      scopes: [...settings.scopes],
      claims: [],
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

/** The providers of an account, as a list to be paged. None has SCIM yet. */
export function providerList(
  reader: Reader,
  { accountId, scim_enabled: scim = false }: { accountId: string; scim_enabled?: boolean },
): KeyedList<IdentityProviderRow> {
  return {
    fetch: async (start) => (scim ? [] : await listProviders(reader, accountId, start)),
    keyOf: (row) => [row.created_at, row.id],
    total: async () => (scim ? 0 : await countProviders(reader, accountId)),
  };
}

/** The provider with its secret opened, for a sign-in; null if it does not exist. */
export async function openProvider(
  snapshot: Snapshot,
  vault: Vault,
  { accountId, id }: { accountId: string; id: string },
): Promise<OpenedProvider | null> {
  const row = await findProvider(snapshot, accountId, id);
  if (!row) return null;
  const settings = settingsOf(row);
  return {
    kind: 'oidc',
    id: row.id,
    type: row.type,
    acceptsStaleLogin: false,
    endSessionUrl: null,
    claims: [],
    hostedDomain: null,
    issuer: row.issuer,
    clientId: settings.client_id,
    clientSecret: vault.open(secretPlace(row.id), row.client_secret),
    authUrl: settings.auth_url,
    tokenUrl: settings.token_url,
    certsUrl: settings.certs_url,
    // Without it there would be no ID token; what was written is answered as it was.
    scopes: [...new Set(['openid', ...settings.scopes])],
    emailClaims: [settings.email_claim_name],
    linkByEmail: settings.link_by_email,
    answersWithIssuer: settings.answers_with_issuer,
  };
}

/** The providers of an account, for gates. */
export async function providerStates(snapshot: Snapshot, accountId: string): Promise<FeedItem[]> {
  const rows = await listProviders(snapshot, accountId, { after: null, offset: 0, limit: 1000 });
  return rows.map((row) => stateItem(row));
}

/** A checked body for a provider that exists, or null if there is none of that id. */
export async function examineUpdate(
  reader: Reader,
  { accountId, id, input }: { accountId: string; id: string; input: ProviderInput },
): Promise<ExaminedProvider | null> {
  const row = await findProvider(reader, accountId, id);
  return row ? await examineProvider(input, knownOf(row)) : null;
}

interface Write {
  readonly accountId: string;
  readonly vault: Vault;
  readonly now: string;
}

/** A new provider, its secret sealed for its place. */
export async function createProvider(
  tx: Tx,
  { accountId, examined, vault, now }: Write & { examined: ExaminedProvider },
): Promise<Change<PresentedProvider>> {
  const { name, type, issuer, settings, secret } = examined;
  if (secret === null) throw secretRequired('is required');
  if ((await countProviders(tx, accountId)) >= MOST_PROVIDERS) throw tooMany();
  const id = newUuid();
  const row: IdentityProviderRow = {
    id,
    account_id: accountId,
    type,
    name,
    issuer,
    config: JSON.stringify(settings),
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
      metadata: { name, issuer },
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
  { id, accountId, examined, vault, now }: Write & { id: string; examined: ExaminedProvider | null },
): Promise<Change<PresentedProvider>> {
  const row = await lockProvider(tx, accountId, id);
  if (!row || !examined) throw unknownProvider();
  const { name, issuer, settings, secret } = examined;
  if (secret === null) refuseLeak(knownOf(row), examined);
  const change = {
    name,
    issuer,
    config: JSON.stringify(settings),
    client_secret: secret === null ? row.client_secret : vault.seal(secretPlace(id), secret),
    updated_at: now,
  };
  await updateProviderRow(tx, row, change);
  const repointed = isRepointed(knownOf(row), examined);
  const identities = repointed ? await deleteIdentitiesThrough(tx, accountId, id) : 0;
  const updated = { ...row, ...change };
  return {
    result: presentProvider(updated),
    items: [stateItem(updated), ...(repointed ? [revocation({ type: 'provider', id })] : [])],
    audit: {
      action: 'identity_provider.update',
      resource: resourceOf(id),
      metadata: { name, issuer, repointed, identities, new_secret: secret !== null },
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

function settingsOf(row: IdentityProviderRow): Settings {
  return JSON.parse(row.config) as Settings;
}

function knownOf(row: IdentityProviderRow): KnownProvider {
  return { issuer: row.issuer, settings: settingsOf(row) };
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

function tooMany() {
  return refusal('invalidAccess', { detail: `an account has at most ${MOST_PROVIDERS} identity providers` });
}

function unknownProvider() {
  return refusal('notFoundAccess', { detail: 'identity provider not found' });
}
