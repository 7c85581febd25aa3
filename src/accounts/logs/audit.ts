import type { Reader } from '../../database/database.ts';
import { type CursorPage, readCursorPage } from '../../database/paging.ts';
import { refusal } from '../../kernel/errors.ts';
import { getAccount } from '../accounts/accounts.ts';
import { readTime } from '../audit-logs/audit-logs.ts';
import { type AuditFilter, badCursor, findEntries, keyOfEntry } from '../audit-logs/audit-scan.ts';
import { type PresentedEntry, presentEntry } from './audit-entries.ts';
import { type Asked, readFilters, withCategories } from './audit-filters.ts';

export interface Asking {
  readonly cursor?: string;
  readonly limit?: number;
  readonly direction?: 'asc' | 'desc';
}

/** A page of the account's entries, newest first unless told otherwise (reference §3.11, v2). */
export async function auditPage(
  reader: Reader,
  accountId: string,
  query: Asked & Asking,
): Promise<CursorPage<PresentedEntry>> {
  const account = await getAccount(reader, accountId);
  return await pageOf(reader, account, query, readFilters(withCategories(query), account.name));
}

async function pageOf(
  reader: Reader,
  { id, name }: { id: string; name: string },
  { cursor, limit = 100, direction = 'desc' }: Asking,
  filter: AuditFilter,
): Promise<CursorPage<PresentedEntry>> {
  const page = await readCursorPage(
    { cursor, perPage: limit },
    {
      order: `audit ${direction}`,
      fetch: (start) => findEntries(reader, { accountId: id }, { filter, direction, start }),
      keyOf: keyOfEntry,
    },
  );
  if (!page) throw badCursor();
  return { ...page, items: page.items.map((entry) => presentEntry(entry, { id, name })) };
}

export interface HistoryAsked extends Asking {
  readonly id: string;
  readonly action_time: string;
  readonly since: string;
  readonly before: string;
}

/** All that was done to the resource of one entry, within the times; a 404 for an entry that is not of that time. */
export async function historyPage(
  reader: Reader,
  accountId: string,
  query: HistoryAsked,
): Promise<CursorPage<PresentedEntry>> {
  const account = await getAccount(reader, accountId);
  const at = readTime(query.action_time, 'action_time');
  const search = {
    filter: { tests: [{ field: 'id' as const, values: [query.id] }] },
    direction: 'asc' as const,
  };
  const start = { after: null, offset: 0, limit: 1 };
  const [entry] = await findEntries(reader, { accountId }, { ...search, start });
  // To the second: clients round.
  if (!entry || entry.at.slice(0, SECONDS) !== at.slice(0, SECONDS)) {
    throw refusal('notFound', { detail: 'audit log entry not found' });
  }
  return await pageOf(reader, account, query, {
    since: readTime(query.since, 'since'),
    before: readTime(query.before, 'before'),
    tests: [
      { field: 'resource_id', values: [entry.resource_id] },
      { field: 'resource_type', values: [entry.resource_type] },
    ],
  });
}

const SECONDS = 'YYYY-MM-DDTHH:MM:SS'.length;
