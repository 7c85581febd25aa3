import { type RawBuilder, type SelectQueryBuilder, sql } from 'kysely';
import type { Reader } from '../../database/database.ts';
import { countRows, type Start, startAt } from '../../database/paging.ts';
import type { AuditEntryRow, Tables } from '../../database/tables.ts';

/** Whose entries: all of an account, or those of a person in some accounts. */
export type AuditScope =
  | { readonly accountId: string }
  | { readonly actorId: string; readonly accountIds: readonly string[] };

/** What an entry can be asked for: columns, and what is worked out of them. */
export type AuditField = keyof Omit<AuditEntryRow, 'metadata' | 'position' | 'at'> | 'verb' | 'who';

/** The field is one of these values, or none of them; what an entry does not have is none of them. */
export interface AuditTest {
  readonly field: AuditField;
  readonly values: readonly (string | number)[];
  readonly isNot?: boolean;
}

export interface AuditFilter {
  /** Times as stored: from the first on, and before the second. */
  readonly since?: string;
  readonly before?: string;
  readonly tests: readonly AuditTest[];
}

/** Where an entry stands: time, position, id. */
export type AuditKey = readonly (string | number)[];

export interface AuditSpan {
  readonly filter: AuditFilter;
  readonly direction: 'asc' | 'desc';
  readonly start: Start;
  /** The last entry that is looked at. */
  readonly until?: AuditKey;
}

/** The last words of actions that are no updates. */
const CREATING = ['create', 'add', 'enrol'] as const;
const DELETING = ['delete', 'remove'] as const;

const endsIn = (verbs: readonly string[]) =>
  sql.join(
    verbs.map((verb) => sql`action like ${`%.${verb}`}`),
    sql` or `,
  );

const WORKED_OUT: Partial<Record<AuditField, RawBuilder<unknown>>> = {
  verb: sql`case when ${endsIn(CREATING)} then 'create' when ${endsIn(DELETING)} then 'delete' else 'update' end`,
  // A token of an account acts as the account.
  who: sql`case when actor_type = 'account_token' then account_id else actor_id end`,
};

const ORDER = ['at', 'position', 'id'];

type EntrySelect = SelectQueryBuilder<Tables, 'audit_entries', AuditEntryRow>;

/** Entries in the order of their times. */
export async function listAuditEntries(
  reader: Reader,
  scope: AuditScope,
  span: AuditSpan,
): Promise<AuditEntryRow[]> {
  if (isEmpty(scope)) return [];
  return await startAt(
    narrow(within(reader, scope, span), span.filter.tests),
    ORDER,
    span.start,
    span.direction,
  ).execute();
}

/** How many entries of the span pass the filter. */
export async function countAuditEntries(reader: Reader, scope: AuditScope, span: AuditSpan): Promise<number> {
  const start = { ...span.start, offset: 0, limit: 1 };
  const select = narrow(within(reader, scope, span), span.filter.tests);
  return isEmpty(scope) ? 0 : await countRows(startAt(select, ORDER, start, span.direction).clearLimit());
}

/** Where the entry stands that is so many after the start, whatever the filter; null if there are not so many. */
export async function findWindowEnd(
  reader: Reader,
  scope: AuditScope,
  { size, ...span }: AuditSpan & { size: number },
): Promise<AuditKey | null> {
  if (isEmpty(scope)) return null;
  const start = { after: span.start.after, offset: size - 1, limit: 1 };
  const select = startAt(within(reader, scope, span), ORDER, start, span.direction);
  const offset = span.start.after ? select.offset(size - 1) : select;
  const row = await offset.clearSelect().select(['at', 'position', 'id']).executeTakeFirst();
  return row ? [row.at, row.position, row.id] : null;
}

function isEmpty(scope: AuditScope): boolean {
  return 'accountIds' in scope && scope.accountIds.length === 0;
}

/** Entries of the scope and time, from the start to the last that is looked at. */
function within(
  reader: Reader,
  scope: AuditScope,
  { filter, direction, start, until }: AuditSpan,
): EntrySelect {
  let select = reader.query.selectFrom('audit_entries').selectAll().where(isOf(scope, filter));
  const [from, to] = direction === 'asc' ? [start.after, until] : [until, start.after];
  const { since = '', before } = filter;
  // One bound on each side, so that an index begins and ends there whatever the planner thinks of compared rows.
  const lower = timeOf(from);
  const upper = timeOf(to);
  select = select.where('at', '>=', lower !== null && lower > since ? lower : since);
  if (upper !== null && (before === undefined || upper < before)) select = select.where('at', '<=', upper);
  else if (before !== undefined) select = select.where('at', '<', before);
  if (!until) return select;
  const reaches = direction === 'asc' ? sql`<=` : sql`>=`;
  return select.where(sql<boolean>`(at, position, id) ${reaches} (${sql.join([...until])})`);
}

/** Whose it is; where one resource is asked for, written so that SQLite takes the index of resources instead. */
function isOf(scope: AuditScope, { tests }: AuditFilter) {
  if ('accountIds' in scope) {
    const { actorId, accountIds } = scope;
    return sql<boolean>`actor_id = ${actorId} and account_id in (${sql.join([...accountIds])})`;
  }
  if (tests.some(namesResource)) return sql<boolean>`account_id || '' = ${scope.accountId}`;
  return sql<boolean>`account_id = ${scope.accountId}`;
}

/** Whether it asks for exactly one resource. */
export function namesResource({ field, values, isNot }: AuditTest): boolean {
  return field === 'resource_id' && values.length === 1 && !isNot;
}

function timeOf(key: AuditKey | null | undefined): string | null {
  const at = key?.[0];
  return typeof at === 'string' ? at : null;
}

function narrow(entries: EntrySelect, tests: readonly AuditTest[]): EntrySelect {
  let select = entries;
  for (const test of tests) select = select.where(passes(test));
  return select;
}

function passes({ field, values, isNot = false }: AuditTest) {
  if (values.length === 0) return isNot ? sql<boolean>`1 = 1` : sql<boolean>`1 = 0`;
  const column = WORKED_OUT[field] ?? sql.ref(field);
  // One value is compared as such: SQLite does not keep the order of an index through a list.
  const among =
    values.length === 1
      ? sql<boolean>`${column} = ${values[0]}`
      : sql<boolean>`${column} in (${sql.join([...values])})`;
  return isNot ? sql<boolean>`(${column} is null or not (${among}))` : among;
}
