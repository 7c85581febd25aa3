import type { Principal } from '../../database/act.ts';
import type { Reader } from '../../database/database.ts';
import type { KeyedList } from '../../database/paging.ts';
import type { AuditEntryRow } from '../../database/tables.ts';
import { formatAddress, parseAddress } from '../../kernel/address.ts';
import { parseTimestamp, timestamp } from '../../kernel/clock.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import type { JsonObject } from '../../kernel/json.ts';
import { accountsOf } from '../holdings/holdings.ts';
import { findEntries, keyOfEntry } from './audit-scan.ts';
import type { AuditField, AuditFilter, AuditScope, AuditTest } from './store.ts';

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
      ...withoutNulls({
        actor_token_id: entry.actor_token_id,
        actor_token_name: entry.actor_token_name,
        request_id: entry.request_id,
        zone_name: entry.zone_name,
      }),
      actor_type: entry.actor_type,
      position: entry.position,
    },
    owner: { id: entry.account_id },
    resource: { id: entry.resource_id, type: entry.resource_type },
    when: entry.at,
  };
}

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

/** The audit log of an account, or of a person, as a list to be paged, newest first unless told otherwise; not counted. */
export function auditList(reader: Reader, scope: AuditScope, query: AuditQuestion): KeyedList<AuditEntryRow> {
  if (query.export) {
    throw refusal('notSupported', { detail: 'export to CSV', pointer: '/query/export' });
  }
  const search = { filter: filterOf(query), direction: query.direction ?? 'desc' };
  return {
    fetch: (start) => findEntries(reader, scope, { ...search, start }),
    keyOf: keyOfEntry,
    total: async () => null,
  };
}

/** A person's own acts, in the accounts that they are in now. */
export async function ownAuditList(
  reader: Reader,
  principal: Principal,
  query: AuditQuestion,
): Promise<KeyedList<AuditEntryRow>> {
  const accountIds = await accountsOf(reader, principal);
  return auditList(reader, { actorId: principal.administratorId ?? '', accountIds }, query);
}

/** Without what people did to their own tokens and details. */
const WITHOUT_OWN_THINGS: readonly AuditTest[] = [
  { field: 'resource_type', values: ['user_token'], isNot: true },
  { field: 'action', values: ['user.edit'], isNot: true },
];

function filterOf(query: AuditQuestion): AuditFilter {
  const { since, before } = query;
  const is = (field: AuditField, value: string | undefined): AuditTest[] =>
    value === undefined ? [] : [{ field, values: [value] }];
  const ip = query['actor.ip'];
  return {
    ...(since === undefined ? {} : { since: readTime(since, 'since') }),
    ...(before === undefined ? {} : { before: readTime(before, 'before') }),
    tests: [
      ...is('id', query.id),
      ...is('action', query['action.type']),
      ...is('actor_email', query['actor.email']),
      ...is('actor_ip', ip === undefined ? undefined : readAddress(ip, 'actor.ip')),
      ...is('zone_name', query['zone.name']?.toLowerCase()),
      ...(query.hide_user_logs ? WITHOUT_OWN_THINGS : []),
    ],
  };
}

/** An address as entries have it; a 400 for anything else. */
export function readAddress(text: string, name: string): string {
  const address = parseAddress(text);
  if (address) return formatAddress(address);
  const pointer = `/query/${name}`;
  if (text.includes('/')) throw refusal('notSupported', { detail: 'ranges of addresses', pointer });
  throw invalidInput([{ pointer, message: 'is not an IP address' }]);
}

/** A date is its first moment, UTC. */
export function readTime(text: string, name: string): string {
  const milliseconds = parseTimestamp(DATE.test(text) ? `${text}T00:00:00Z` : text);
  if (milliseconds !== null) return timestamp(milliseconds);
  throw invalidInput([{ pointer: `/query/${name}`, message: 'is not an RFC 3339 date or time' }]);
}

const DATE = /^\d{4}-\d\d-\d\d$/;
