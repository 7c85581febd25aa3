import type { Reader } from '../../database/database.ts';
import type { KeyedList } from '../../database/paging.ts';
import type { AuditEntryRow } from '../../database/tables.ts';
import { formatAddress, parseAddress } from '../../kernel/address.ts';
import { parseTimestamp, timestamp } from '../../kernel/clock.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import type { JsonObject } from '../../kernel/json.ts';
import { type AuditFilter, listAuditEntries } from './store.ts';

/** An entry as the API answers it. What Cloudflare has no field for is in the metadata. */
export function presentAuditEntry(entry: AuditEntryRow) {
  const known = { id: entry.actor_id, email: entry.actor_email, ip: entry.actor_ip };
  return {
    id: entry.id,
    action: { type: entry.action, result: entry.result === 'success' },
    actor: { ...withoutNulls(known), type: actorType(entry.actor_type) },
    interface: entry.interface,
    metadata: {
      ...(JSON.parse(entry.metadata) as JsonObject),
      ...withoutNulls({ actor_token_id: entry.actor_token_id, request_id: entry.request_id }),
      actor_type: entry.actor_type,
      position: entry.position,
    },
    owner: { id: entry.account_id },
    resource: { id: entry.resource_id, type: entry.resource_type },
    when: entry.at,
  };
}

export type PresentedAuditEntry = ReturnType<typeof presentAuditEntry>;

function withoutNulls<K extends string>(values: Record<K, string | null>): Partial<Record<K, string>> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null)) as Partial<
    Record<K, string>
  >;
}

function actorType(type: string): 'user' | 'admin' | 'Cloudflare' {
  if (type === 'operator') return 'admin';
  return type === 'system' || type === 'gate' ? 'Cloudflare' : 'user';
}

export interface AuditQuestion {
  readonly id?: string;
  readonly 'action.type'?: string;
  readonly 'actor.email'?: string;
  readonly 'actor.ip'?: string;
  readonly 'zone.name'?: string;
  readonly since?: string;
  readonly before?: string;
  readonly direction?: 'asc' | 'desc';
  readonly export?: boolean;
  readonly hide_user_logs?: boolean;
}

/** The audit log of an account as a list to be paged, newest first unless told otherwise; it is not counted. */
export function auditList(reader: Reader, accountId: string, query: AuditQuestion): KeyedList<AuditEntryRow> {
  refuseUnsupported(query);
  const filter = filterOf(query);
  const direction = query.direction ?? 'desc';
  return {
    fetch: (start) => listAuditEntries(reader, accountId, { filter, direction, start }),
    keyOf: (entry) => [entry.at, entry.position, entry.id],
    total: async () => null,
  };
}

function refuseUnsupported(query: AuditQuestion): void {
  if (query.export) {
    throw refusal('notSupported', { detail: 'export to CSV', pointer: '/query/export' });
  }
  if (query['zone.name'] !== undefined) {
    throw refusal('notSupported', { detail: 'entries do not name zones', pointer: '/query/zone.name' });
  }
}

const OWN_THINGS = 'user_token';

function filterOf(query: AuditQuestion): AuditFilter {
  const { id, 'action.type': action, 'actor.email': actorEmail, since, before } = query;
  return {
    ...(id === undefined ? {} : { id }),
    ...(action === undefined ? {} : { action }),
    ...(actorEmail === undefined ? {} : { actorEmail }),
    ...(query['actor.ip'] === undefined ? {} : { actorIp: readAddress(query['actor.ip']) }),
    ...(since === undefined ? {} : { since: readTime(since, 'since') }),
    ...(before === undefined ? {} : { before: readTime(before, 'before') }),
    ...(query.hide_user_logs ? { withoutResource: OWN_THINGS } : {}),
  };
}

function readAddress(text: string): string {
  const address = parseAddress(text);
  if (address) return formatAddress(address);
  if (text.includes('/')) {
    throw refusal('notSupported', { detail: 'ranges of addresses', pointer: '/query/actor.ip' });
  }
  throw invalidInput([{ pointer: '/query/actor.ip', message: 'is not an IP address' }]);
}

/** A date is its first moment, UTC. */
function readTime(text: string, name: 'since' | 'before'): string {
  const milliseconds = parseTimestamp(DATE.test(text) ? `${text}T00:00:00Z` : text);
  if (milliseconds !== null) return timestamp(milliseconds);
  throw invalidInput([{ pointer: `/query/${name}`, message: 'is not an RFC 3339 date or time' }]);
}

const DATE = /^\d{4}-\d\d-\d\d$/;
