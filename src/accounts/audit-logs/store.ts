import type { Reader } from '../../database/database.ts';
import { type Start, startAt } from '../../database/paging.ts';
import type { AuditEntryRow } from '../../database/tables.ts';

export interface AuditFilter {
  readonly id?: string;
  readonly action?: string;
  readonly actorEmail?: string;
  readonly actorIp?: string;
  /** Times as stored: from the first on, and before the second. */
  readonly since?: string;
  readonly before?: string;
  readonly withoutResource?: string;
}

/** Entries of the account in the order of their times. */
export async function listAuditEntries(
  reader: Reader,
  accountId: string,
  { filter, direction, start }: { filter: AuditFilter; direction: 'asc' | 'desc'; start: Start },
): Promise<AuditEntryRow[]> {
  let select = reader.query.selectFrom('audit_entries').selectAll().where('account_id', '=', accountId);
  if (filter.id !== undefined) select = select.where('id', '=', filter.id);
  if (filter.action !== undefined) select = select.where('action', '=', filter.action);
  if (filter.actorEmail !== undefined) select = select.where('actor_email', '=', filter.actorEmail);
  if (filter.actorIp !== undefined) select = select.where('actor_ip', '=', filter.actorIp);
  if (filter.since !== undefined) select = select.where('at', '>=', filter.since);
  if (filter.before !== undefined) select = select.where('at', '<', filter.before);
  if (filter.withoutResource !== undefined)
    select = select.where('resource_type', '!=', filter.withoutResource);
  return await startAt(select, ['at', 'position', 'id'], start, direction).execute();
}
