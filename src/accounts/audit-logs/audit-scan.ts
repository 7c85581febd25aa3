import { setImmediate as turn } from 'node:timers/promises';
import type { Reader } from '../../database/database.ts';
import type { Start } from '../../database/paging.ts';
import type { AuditEntryRow } from '../../database/tables.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import {
  type AuditFilter,
  type AuditKey,
  type AuditScope,
  type AuditSpan,
  type AuditTest,
  countAuditEntries,
  findWindowEnd,
  listAuditEntries,
  namesResource,
} from './store.ts';

export type { AuditFilter, AuditScope, AuditTest } from './store.ts';

/** How many entries one statement looks at, and how many a page. */
const LOOKED_AT: Looking = { window: 5000, mostWindows: 200 };

interface Looking {
  readonly window: number;
  readonly mostWindows: number;
}

export interface AuditSearch {
  readonly filter: AuditFilter;
  readonly direction: 'asc' | 'desc';
}

/**
 * A page of the entries that pass the filter. By time, id and resource they are found by an index. By anything else
 * they are looked through, 5,000 in one statement and with a turn of the loop between, so that a question about much
 * holds up nobody; where a million do not fill the page, a 400 asks for a narrower time.
 */
export async function findEntries(
  reader: Reader,
  scope: AuditScope,
  search: AuditSearch & { start: Start },
  looking = LOOKED_AT,
): Promise<AuditEntryRow[]> {
  checkKey(search.start.after);
  if (isKeyed(search.filter)) return await listAuditEntries(reader, scope, search);
  return await lookThrough(reader, scope, { ...search, ...looking });
}

function isKeyed({ tests }: AuditFilter): boolean {
  return tests.length === 0 || tests.some((test) => namesResource(test) || namesEntry(test));
}

function namesEntry({ field, values, isNot }: AuditTest): boolean {
  return field === 'id' && values.length < 2 && !isNot;
}

async function lookThrough(
  reader: Reader,
  scope: AuditScope,
  { window, mostWindows, ...search }: AuditSearch & Looking & { start: Start },
): Promise<AuditEntryRow[]> {
  const found: AuditEntryRow[] = [];
  let { after, offset } = search.start;
  for (let looked = 0; looked < mostWindows; looked++) {
    const start = { after, offset: 0, limit: search.start.limit - found.length };
    const until = await findWindowEnd(reader, scope, { ...search, start, size: window });
    const span = { ...search, start, ...(until ? { until } : {}) };
    const skipped = offset === 0 ? 0 : Math.min(offset, await countAuditEntries(reader, scope, span));
    offset -= skipped;
    if (offset === 0) found.push(...(await afterSkipping(reader, scope, span, skipped)));
    if (!until || found.length === search.start.limit) return found;
    after = until;
    await turn();
  }
  throw refusal('notSupported', {
    detail: `more than ${window * mostWindows} entries would have to be looked through: narrow the time`,
    pointer: '/query/since',
  });
}

/** A page that is asked for out of order is counted; the entries before it are read again only to where it begins. */
async function afterSkipping(
  reader: Reader,
  scope: AuditScope,
  span: AuditSpan,
  skipped: number,
): Promise<AuditEntryRow[]> {
  const { start } = span;
  if (skipped === 0) return await listAuditEntries(reader, scope, span);
  const rows = await listAuditEntries(reader, scope, {
    ...span,
    start: { ...start, limit: skipped + start.limit },
  });
  return rows.slice(skipped);
}

/** The key of an entry; it may come from a cursor, which anybody can write. */
export function keyOfEntry({ at, position, id }: AuditEntryRow): AuditKey {
  return [at, position, id];
}

function checkKey(after: Start['after']): void {
  if (after === null) return;
  const [at, position, id] = after;
  const isTime = typeof at === 'string' && /^\d{4}-[\d:.TZ-]{1,26}$/.test(at);
  const isId = typeof id === 'string' && /^[0-9a-f]{32}$/.test(id);
  if (after.length === 3 && isTime && Number.isSafeInteger(position) && isId) return;
  throw badCursor();
}

export function badCursor() {
  return invalidInput([{ pointer: '/query/cursor', message: 'is no cursor of this list' }]);
}
