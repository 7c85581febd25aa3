import type { Static } from 'typebox';
import type { Reader, Snapshot, Tx } from '../../database/database.ts';
import type { KeyedList } from '../../database/paging.ts';
import type { IdentityProviderRow } from '../../database/tables.ts';
import type { Vault } from '../../kernel/crypto.ts';
import { refusal } from '../../kernel/errors.ts';
import { newUuid } from '../../kernel/ids.ts';
import type { JsonObject } from '../../kernel/json.ts';
import { quote } from '../../kernel/result.ts';
import { type FeedItem, revocation } from '../../protocol/feed.ts';
import type { ProviderState } from '../../protocol/state.ts';
import type { Change } from '../../removal/act.ts';
import { refuseIfAsked, refuseIfNamed } from '../rules/rules.ts';
import type { IdentityProvider } from './contract.ts';
import type { OpenedProvider } from './opened.ts';
import {
  changedClaims,
  type ExaminedProvider,
  examineProvider,
  isRepointed,
  kindOf,
  refuseLeak,
  secretRequired,
} from './provider-input.ts';
import type { KnownProvider, ProviderInput, Settings } from './provider-kind.ts';
import {
  countProviders,
  countProvidersOfType,
  deleteIdentitiesThrough,
  deleteProviderRow,
  endSessionsThrough,
  findProvider,
  insertProvider,
  listProviders,
  lockProvider,
  updateProviderRow,
} from './store.ts';

/** Cloudflare's limit (reference §3.4); a gate holds them all. */
const MOST_PROVIDERS = 50;

/** Of which an account has one at most: it is not pointed anywhere. */
const PIN = 'onetimepin';

export type PresentedProvider = Static<typeof IdentityProvider>;

export function presentProvider(row: IdentityProviderRow): PresentedProvider {
  const { id, name, type } = row;
  const config = kindOf(type).present(knownOf(row));
  return { id, name, type, read_only: false, config, scim_config: { enabled: false } };
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
  const secret = vault.open(secretPlace(row.id), row.client_secret);
  return kindOf(row.type).open({ ...knownOf(row), id: row.id, secret });
}

/** The providers of an account, for gates. */
export async function providerStates(snapshot: Snapshot, accountId: string): Promise<FeedItem[]> {
  const rows = await listProviders(snapshot, accountId, { after: null, offset: 0, limit: 1000 });
  return rows.map((row) => stateItem(row));
}

/** A checked body for a provider that exists, or null if there is none of that id. */
export async function examineUpdate(
  reader: Reader,
  { accountId, id, input, now }: { accountId: string; id: string; input: ProviderInput; now: number },
): Promise<ExaminedProvider | null> {
  const row = await findProvider(reader, accountId, id);
  return row ? await examineProvider(input, { known: knownOf(row), now }) : null;
}

/** A checked body for a new provider. */
export async function examineNew(
  input: ProviderInput,
  { now, canMail }: { now: number; canMail: boolean },
): Promise<ExaminedProvider> {
  if (input.type === PIN && !canMail) throw cannotMail();
  return await examineProvider(input, { known: null, now });
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
      metadata: { name, type, issuer },
    },
    // Under the lock of the counter: of two at once, one has committed.
    guard: async (later) => {
      if (type === PIN && (await countProvidersOfType(later, accountId, PIN)) > 1) throw secondPin();
    },
  };
}

/**
 * Replaces the settings; the secret stays if none is sent. Pointing it elsewhere (issuer, endpoints, client,
 * e-mail claim) forgets every identity and ends every session that came through it: whoever answers there now
 * has vouched for none of them. Other claims end the sessions alone: no session keeps what is not told any more, and
 * what excludes on a new one is evaluated on nobody who has not been asked for it. A claim that a rule asks about is
 * not dropped: 409.
 */
export async function updateProvider(
  tx: Tx,
  { id, accountId, examined, vault, now }: Write & { id: string; examined: ExaminedProvider | null },
): Promise<Change<PresentedProvider>> {
  const row = await lockProvider(tx, accountId, id);
  if (!row || !examined) throw unknownProvider();
  const { name, issuer, settings, secret } = examined;
  const before = knownOf(row);
  if (secret === null) refuseLeak(before, examined);
  const { dropped, added } = changedClaims(before, examined);
  await refuseIfAsked(tx, { accountId, providerId: id, claims: dropped, what: called(row) });
  const change = {
    name,
    issuer,
    config: JSON.stringify(settings),
    client_secret: secret === null ? row.client_secret : vault.seal(secretPlace(id), secret),
    updated_at: now,
  };
  await updateProviderRow(tx, row, change);
  const repointed = isRepointed(before, examined);
  const identities = repointed ? await deleteIdentitiesThrough(tx, accountId, id) : 0;
  const otherClaims = dropped.length > 0 || added.length > 0;
  if (otherClaims) await endSessionsThrough(tx, accountId, id);
  const ends = repointed || otherClaims;
  const updated = { ...row, ...change };
  return {
    result: presentProvider(updated),
    items: [stateItem(updated), ...(ends ? [revocation({ type: 'provider', id })] : [])],
    audit: {
      action: 'identity_provider.update',
      resource: resourceOf(id),
      metadata: {
        ...{ name, issuer, repointed, identities },
        other_claims: otherClaims,
        new_secret: secret !== null,
      },
    },
  };
}

/** Deletes a provider that no rule names, and every identity and session that came through it; 409 otherwise. */
export async function deleteProvider(
  tx: Tx,
  { accountId, id }: { accountId: string; id: string },
): Promise<Change<{ id: string }>> {
  const row = await lockProvider(tx, accountId, id);
  if (!row) throw unknownProvider();
  await refuseIfNamed(tx, { accountId, to: { type: 'identity_provider', id }, what: called(row) });
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

function knownOf({ type, issuer, config }: IdentityProviderRow): KnownProvider {
  const settings = { ...kindOf(type).missing, ...JSON.parse(config) } as Settings;
  return { type, issuer, settings };
}

function stateItem(row: IdentityProviderRow): FeedItem {
  const state: ProviderState = { id: row.id, type: row.type, name: row.name };
  return { kind: 'provider', id: row.id, state: { ...state } as JsonObject };
}

function called({ name }: IdentityProviderRow): string {
  return `the identity provider ${quote(name)}`;
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

function cannotMail() {
  const detail = 'one-time PINs go by mail, and this server has no mail server to send them through';
  return refusal('invalidAccess', { detail, pointer: '/type' });
}

function secondPin() {
  return refusal('conflictAccess', { detail: 'an account has one identity provider of type onetimepin' });
}

function unknownProvider() {
  return refusal('notFoundAccess', { detail: 'identity provider not found' });
}
