import type { AuditEntryRow } from '../../database/tables.ts';
import { productOf } from './products.ts';

/** An entry as the second version of the log answers it (reference §3.11): never a body, a query or a secret. */
export function presentEntry(entry: AuditEntryRow, account: { id: string; name: string }) {
  const { zone_id, zone_name } = entry;
  return {
    id: entry.id,
    account,
    action: {
      description: entry.action,
      result: entry.result,
      time: entry.at,
      type: verbOf(entry.action),
    },
    actor: presentActor(entry),
    raw: presentRaw(entry),
    resource: {
      id: entry.resource_id,
      product: productOf(entry.resource_type),
      scope: scopeOf(entry.resource_type),
      type: entry.resource_type,
    },
    ...(zone_id === null || zone_name === null ? {} : { zone: { id: zone_id, name: zone_name } }),
  };
}

export type PresentedEntry = ReturnType<typeof presentEntry>;

function presentActor(entry: AuditEntryRow) {
  const { actor_type } = entry;
  return present({
    id: actor_type === 'account_token' ? entry.account_id : entry.actor_id,
    context: contexts[actor_type] ?? null,
    email: entry.actor_email,
    ip_address: entry.actor_ip,
    token_id: entry.actor_token_id,
    token_name: entry.actor_token_name,
    type: actorTypes[actor_type] ?? 'system',
  });
}

function presentRaw({ request_id, method, uri, user_agent, status_code }: AuditEntryRow) {
  const texts = present({ cf_ray_id: request_id, method, uri, user_agent });
  return { ...texts, ...(status_code === null ? {} : { status_code }) };
}

function present<K extends string>(values: Record<K, string | null>): Partial<Record<K, string>> {
  const there = Object.entries(values).filter(([, value]) => value !== null);
  return Object.fromEntries(there) as Partial<Record<K, string>>;
}

/** How each type of actor is known to the second version: by what it acted with, and as what. */
export const contexts: Readonly<Record<string, string>> = {
  member: 'api_key',
  account_token: 'api_token',
  user_token: 'api_token',
};

export const actorTypes: Readonly<Record<string, string>> = {
  account_token: 'account',
  member: 'user',
  user_token: 'user',
  user: 'user',
  operator: 'cloudflare_admin',
  gate: 'system',
  system: 'system',
};

/** What resources lie in, where it is not the account. */
export const scopes: Readonly<Record<string, string>> = {
  administrator: 'user',
  user_token: 'user',
  membership: 'memberships',
  zone: 'zones',
};

export function scopeOf(type: string): string {
  return scopes[type] ?? 'accounts';
}

/** Told by the last word of an action; the database tells the same (accounts/audit-logs/store.ts). */
function verbOf(action: string): 'create' | 'delete' | 'update' {
  if (/\.(?:create|add)$/.test(action)) return 'create';
  return /\.(?:delete|remove)$/.test(action) ? 'delete' : 'update';
}
