import { type RawBuilder, type SelectQueryBuilder, sql } from 'kysely';
import { type Dialect, forKeyShare, type Reader, type Tx } from '../../database/database.ts';
import { type Start, startAt } from '../../database/paging.ts';
import type { AccessRequestRow, Tables } from '../../database/tables.ts';

/** Whose lines: of visitors who proved to be somebody, or of all others. */
export interface Lane {
  readonly accountId: string;
  readonly known: number;
}

/** Which of these accounts exist, and will until the transaction ends. */
export async function lockAccounts(tx: Tx, ids: readonly string[]): Promise<string[]> {
  const select = tx.query
    .selectFrom('accounts')
    .select('id')
    .where('id', 'in', ids)
    .where('deleted_at', 'is', null)
    .orderBy('id');
  return (await forKeyShare(tx, select, 'accounts').execute()).map(({ id }) => id);
}

/** How many lines one statement writes: few enough for SQLite to keep it prepared in each size that occurs. */
const CHUNK = 10;

function chunksOf<T>(rows: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(rows.length / CHUNK) }, (_, at) =>
    rows.slice(at * CHUNK, (at + 1) * CHUNK),
  );
}

/**
 * Inserts the lines that are not there yet, as they are when a COMMIT was not known to have succeeded; answers how
 * many those were that were not.
 */
export async function insertRequests(tx: Tx, rows: readonly AccessRequestRow[]): Promise<number> {
  let inserted = 0;
  for (const chunk of chunksOf(rows)) {
    const { numInsertedOrUpdatedRows = 0n } = await tx.query
      .insertInto('access_requests')
      .values(chunk)
      .onConflict((conflict) => conflict.column('id').doNothing())
      .executeTakeFirst();
    inserted += Number(numInsertedOrUpdatedRows);
  }
  return inserted;
}

/** Of a line that is gone by now there is no count to write. */
export async function updateCounts(
  tx: Tx,
  rows: readonly Pick<AccessRequestRow, 'id' | 'count'>[],
): Promise<void> {
  for (const chunk of chunksOf(rows)) {
    const values = chunk.map(({ id, count }) => sql`(cast(${id} as text), cast(${count} as bigint))`);
    // Both databases call the columns of VALUES column1 and column2.
    await sql`update access_requests set count = line.column2 from (values ${sql.join(values)}) as line
      where access_requests.id = line.column1`.execute(tx.query);
  }
}

/** A condition on one column: the value, or anything else, nothing included. */
export interface Condition {
  readonly column: 'verdict' | 'application_id' | 'provider_id' | 'email' | 'request_id';
  readonly value: string;
  readonly isExcluded: boolean;
}

/** Part of the e-mail, as it is written. */
export interface EmailPart {
  readonly text: string;
  readonly isExcluded: boolean;
}

export interface RequestFilter {
  /** Times as stored, both included. */
  readonly since?: string;
  readonly until?: string;
  readonly conditions: readonly Condition[];
  readonly emailPart?: EmailPart;
  readonly isServiceToken?: boolean;
}

export interface RequestQuestion {
  readonly accountId: string;
  readonly filter: RequestFilter;
  readonly direction: 'asc' | 'desc';
}

/** The columns of the order, in which no two lines are the same. */
export type Key = readonly [at: string, id: string];

/** From where to where lines are looked at, in the order of the question. */
export interface Span {
  readonly start: Start;
  /** The last key; without one, to the end. */
  readonly last?: Key;
}

/** Lines of the account in the order of their times. */
export async function listRequests(
  reader: Reader,
  question: RequestQuestion,
  span: Span,
): Promise<AccessRequestRow[]> {
  const { filter, direction } = question;
  let select = selectSpan(reader, question, span).selectAll();
  for (const { column, value, isExcluded } of filter.conditions) {
    select = select.where(column, isExcluded ? 'is distinct from' : '=', value);
  }
  if (filter.emailPart) select = select.where(holdsPart(reader.dialect, filter.emailPart));
  if (filter.isServiceToken !== undefined) {
    select = select.where('service_token_id', filter.isServiceToken ? 'is not' : 'is', null);
  }
  return await startAt(select, ['at', 'id'], span.start, direction).execute();
}

/** Where so many lines end that begin at `after`, whatever they are; null if there are fewer. */
export async function findStepEnd(
  reader: Reader,
  question: RequestQuestion,
  { after, lines }: { after: Key | null; lines: number },
): Promise<Key | null> {
  const start = { after, offset: 0, limit: 1 };
  const select = selectSpan(reader, question, { start }).select(['at', 'id']);
  const row = await startAt(select, ['at', 'id'], start, question.direction)
    .offset(lines - 1)
    .executeTakeFirst();
  return row ? [row.at, row.id] : null;
}

/** A time that a key already stands for is left out: SQLite would go by the time, and pass every line before the key. */
function selectSpan(
  reader: Reader,
  { accountId, filter: { since, until }, direction }: RequestQuestion,
  { start: { after }, last }: Span,
): SelectQueryBuilder<Tables, 'access_requests', object> {
  const [lower, upper] = direction === 'asc' ? [after, last] : [last, after];
  let select = reader.query.selectFrom('access_requests').where('account_id', '=', accountId);
  if (since !== undefined && !lower) select = select.where('at', '>=', since);
  if (until !== undefined && !upper) select = select.where('at', '<=', until);
  if (!last) return select;
  const within = direction === 'asc' ? sql`<=` : sql`>=`;
  return select.where(sql<boolean>`(at, id) ${within} (${sql.join([...last])})`);
}

/** Where the case counts on both databases, which `like` does not let it. */
function holdsPart(dialect: Dialect, { text, isExcluded }: EmailPart): RawBuilder<boolean> {
  const at = dialect === 'postgres' ? sql`strpos(email, ${text})` : sql`instr(email, ${text})`;
  return isExcluded ? sql<boolean>`coalesce(${at}, 0) = 0` : sql<boolean>`${at} > 0`;
}

/** The accounts that have lines, with how many of either sort. */
export async function listTotals(
  reader: Reader,
  kinds: readonly string[],
): Promise<{ account_id: string; kind: string; total: number }[]> {
  return await reader.query
    .selectFrom('totals')
    .selectAll()
    .where('kind', 'in', kinds)
    .where('total', '>', 0)
    .execute();
}

/** Deletes at most so many of the oldest lines, of those before a time if one is given; answers how many. */
export async function deleteOldest(
  tx: Tx,
  { accountId, known }: Lane,
  { most, before }: { most: number; before?: string },
): Promise<number> {
  let doomed = tx.query
    .selectFrom('access_requests')
    .select('id')
    .where('account_id', '=', accountId)
    .where('known', '=', known);
  if (before !== undefined) doomed = doomed.where('at', '<', before);
  const oldest = doomed.orderBy('at').orderBy('id').limit(most);
  const { numDeletedRows } = await tx.query
    .deleteFrom('access_requests')
    .where('id', 'in', oldest)
    .executeTakeFirst();
  return Number(numDeletedRows);
}
