import type { Static } from 'typebox';
import type { Reader, Snapshot } from '../../database/database.ts';
import type { KeyedList } from '../../database/paging.ts';
import type { ServiceTokenRow } from '../../database/tables.ts';
import { refusal } from '../../kernel/errors.ts';
import type { JsonObject } from '../../kernel/json.ts';
import { foldCase } from '../../kernel/text.ts';
import type { FeedItem } from '../../protocol/feed.ts';
import type { ServiceTokenState } from '../../protocol/state.ts';
import { closedSince } from '../../removal/epochs.ts';
import type { ServiceToken } from './contract.ts';
import {
  countServiceTokens,
  findServiceToken,
  listEnabledServiceTokens,
  listServiceTokenIds,
  listServiceTokens,
} from './store.ts';

export type PresentedServiceToken = Static<typeof ServiceToken>;

/** A service token as the API answers it; what it does not have is left out, as the SDK types it. */
export function presentServiceToken(row: ServiceTokenRow, now: string): PresentedServiceToken {
  const previous = hasPrevious(row, now) ? row.previous_expires_at : null;
  return {
    id: row.id,
    client_id: row.client_id,
    name: row.name,
    duration: row.duration,
    enabled: row.enabled === 1,
    client_secret_version: row.secret_version,
    ...(row.expires_at === null ? {} : { expires_at: row.expires_at }),
    ...(previous === null ? {} : { previous_client_secret_expires_at: previous }),
    created_at: row.created_at,
    updated_at: row.updated_at,
  };
}

/** Whether the secret before the last rotation is still accepted. */
export function hasPrevious({ previous_expires_at: end }: ServiceTokenRow, now: string): boolean {
  return end !== null && end > now;
}

export async function getServiceToken(
  reader: Reader,
  accountId: string,
  id: string,
): Promise<ServiceTokenRow> {
  const row = await findServiceToken(reader, accountId, id);
  if (!row) throw unknownServiceToken();
  return row;
}

export function unknownServiceToken() {
  return refusal('notFoundAccess', { detail: 'service token not found' });
}

/** The service tokens of an account, oldest first, as a list to be paged. */
export function serviceTokenList(
  reader: Reader,
  { accountId, name, search }: { accountId: string; name?: string; search?: string },
): KeyedList<ServiceTokenRow> {
  const filter = {
    ...(name === undefined ? {} : { nameKey: foldCase(name) }),
    ...(search ? { search: foldCase(search) } : {}),
  };
  return {
    fetch: (start) => listServiceTokens(reader, accountId, { filter, start }),
    keyOf: (row) => [row.created_at, row.id],
    total: () => countServiceTokens(reader, accountId, filter),
  };
}

/** The ids of the account's service tokens: whom a policy can name. */
export async function serviceTokenIds(reader: Reader, accountId: string): Promise<ReadonlySet<string>> {
  return new Set(await listServiceTokenIds(reader, accountId));
}

/**
 * The service tokens of an account that are enabled, for gates. Those that have expired are among them: a gate
 * asks the clock at every request, and a clock that went wrong once must not leave one out. None while an older state
 * of the database awaits approval: it may hold what was deleted since (removal-protocol, schedule 21).
 */
export async function serviceTokenStates(snapshot: Snapshot, accountId: string): Promise<FeedItem[]> {
  if ((await closedSince(snapshot)) !== null) return [];
  return (await listEnabledServiceTokens(snapshot, accountId)).map(serviceTokenItem);
}

/** The newest state of a service token, for gates: null while it is disabled. */
export function serviceTokenItem(row: ServiceTokenRow): FeedItem {
  const { id, previous_secret_hash: hash, previous_expires_at: end } = row;
  if (row.enabled !== 1) return { kind: 'service_token', id, state: null };
  const state: ServiceTokenState = {
    id,
    client_id: row.client_id,
    name: row.name,
    secret_hash: row.secret_hash,
    previous: hash === null || end === null ? null : { secret_hash: hash, expires_at: Date.parse(end) },
    expires_at: row.expires_at === null ? null : Date.parse(row.expires_at),
  };
  return { kind: 'service_token', id, state: { ...state } as JsonObject };
}
