import { type RawBuilder, type SelectQueryBuilder, sql } from 'kysely';
import { type Clock, MINUTE, timestamp } from '../kernel/clock.ts';
import { sha256 } from '../kernel/crypto.ts';
import type { Database, Reader, Tx } from './database.ts';
import type { Tables } from './tables.ts';

/** One caller's way through one list: the same caller and question at page N+1 goes on where N ended. */
export interface Walk {
  readonly key: string;
  readonly page: number;
  readonly perPage: number;
}

/** A page of a list; `total` is null where counting would cost more than it tells. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly page: number;
  readonly perPage: number;
  readonly total: number | null;
}

/** Where a page starts: after a known row, or, for a page asked for out of order, after so many rows. */
export interface Start {
  readonly after: readonly (string | number)[] | null;
  readonly offset: number;
  readonly limit: number;
}

/** A list whose order is total: its key columns never repeat. */
export interface KeyedList<Row> {
  fetch(start: Start): Promise<Row[]>;
  /** The key columns of a row, in the order of the sort. */
  keyOf(row: Row): readonly (string | number)[];
  /** Null where a total is not kept. */
  total(): Promise<number | null>;
}

const WALK_FOR = 10 * MINUTE;

/**
 * One page. Page N of a walk starts after the last row that the same caller was given as page N−1 within ten
 * minutes, so rows that come and go meanwhile hide nobody who stayed (decisions, Bodies).
 */
export async function readPage<Row>(
  { database, clock }: { database: Database; clock: Clock },
  walk: Walk,
  list: KeyedList<Row>,
): Promise<Page<Row>> {
  const { page, perPage } = walk;
  const now = clock.now();
  const after = page > 1 ? await findAnchor(database.reader, anchorId(walk, page - 1), timestamp(now)) : null;
  const items = await list.fetch({ after, offset: after ? 0 : (page - 1) * perPage, limit: perPage });
  const last = items.at(-1);
  const anchor = last ? list.keyOf(last) : after;
  const id = anchorId(walk, page);
  // After a page that is not full there is nothing to go on with, unless an earlier walk left its anchor there.
  if (anchor && (items.length === perPage || (await findAnchor(database.reader, id, timestamp(now))))) {
    const row = { id, anchor: JSON.stringify(anchor), expires_at: timestamp(now + WALK_FOR) };
    await database.write((tx) => keepAnchor(tx, row, timestamp(now)));
  }
  return { items, page, perPage, total: await list.total() };
}

/** A page of a list that is walked by cursors; `cursor` is null after the last row. */
export interface CursorPage<T> {
  readonly items: readonly T[];
  readonly perPage: number;
  readonly cursor: string | null;
}

/** A list that is walked by cursors; its order is total, and named, so that a cursor of another order is refused. */
export interface CursorList<Row> extends Pick<KeyedList<Row>, 'fetch' | 'keyOf'> {
  readonly order: string;
  /** What the columns of its key are, so that a cursor of somebody's own making is refused before a database is asked. */
  readonly key?: readonly ('string' | 'number')[];
}

/**
 * The page after a cursor, or the first. The cursor is the key of the last row that was given, so rows that come and go
 * meanwhile hide nobody who stayed. Null for a cursor that is none of this list.
 */
export async function readCursorPage<Row>(
  { cursor, perPage }: { cursor: string | undefined; perPage: number },
  list: CursorList<Row>,
): Promise<CursorPage<Row> | null> {
  const after = cursor ? readCursor(cursor, list) : [];
  if (after === null) return null;
  const start = { after: after.length > 0 ? after : null, offset: 0, limit: perPage + 1 };
  const rows = await list.fetch(start);
  const items = rows.slice(0, perPage);
  const last = items.at(-1);
  const goesOn = rows.length > perPage && last !== undefined;
  return { items, perPage, cursor: goesOn ? writeCursor(list.order, list.keyOf(last)) : null };
}

function writeCursor(order: string, key: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify([order, ...key])).toString('base64url');
}

function readCursor<Row>(
  cursor: string,
  { order, key: kinds }: Pick<CursorList<Row>, 'order' | 'key'>,
): (string | number)[] | null {
  try {
    const read: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (!Array.isArray(read) || read.length < 2 || read[0] !== order) return null;
    const key = read.slice(1) as unknown[];
    if (kinds && (key.length !== kinds.length || key.some((one, at) => typeof one !== kinds[at])))
      return null;
    return key.every(isPartOfKey) ? (key as (string | number)[]) : null;
  } catch {
    return null;
  }
}

/** PostgreSQL has no NUL in a text. */
function isPartOfKey(value: unknown): boolean {
  return typeof value === 'string' ? !value.includes('\0') : Number.isSafeInteger(value);
}

/** One page of a list that is bounded and was read whole. */
export function pageOfAll<T>(all: readonly T[], { page, perPage }: Walk): Page<T> {
  const start = (page - 1) * perPage;
  return { items: all.slice(start, start + perPage), page, perPage, total: all.length };
}

/**
 * A list that is bounded and was read whole, in the order of its keys; the last column of a key is the row's own name.
 * A walk goes on after the row where it ended, wherever that is now, or after where it was.
 */
export function listOfAll<T>(
  all: readonly T[],
  keyOf: (row: T) => readonly (string | number)[],
): KeyedList<T> {
  const startOf = ({ after, offset }: Start): number => {
    if (!after) return offset;
    const same = all.findIndex((row) => keyOf(row).at(-1) === after.at(-1));
    if (same >= 0) return same + 1;
    const next = all.findIndex((row) => isBeyond(keyOf(row), after));
    return next >= 0 ? next : all.length;
  };
  return {
    keyOf,
    fetch: async (start) => all.slice(startOf(start), startOf(start) + start.limit),
    total: async () => all.length,
  };
}

function isBeyond(key: readonly (string | number)[], after: readonly (string | number)[]): boolean {
  const at = key.findIndex((column, index) => column !== after[index]);
  const [column, other] = [key[at], after[at]];
  return column !== undefined && other !== undefined && column > other;
}

/** Orders by the key columns (or expressions that are never null) and starts where told. */
export function startAt<TB extends keyof Tables, O>(
  select: SelectQueryBuilder<Tables, TB, O>,
  columns: readonly (string | RawBuilder<unknown>)[],
  start: Start,
  direction: 'asc' | 'desc' = 'asc',
): SelectQueryBuilder<Tables, TB, O> {
  const refs = columns.map((column) => (typeof column === 'string' ? sql.ref(column) : column));
  let query = select.limit(start.limit);
  for (const ref of refs) query = query.orderBy(ref, direction);
  const beyond = direction === 'asc' ? sql`>` : sql`<`;
  if (start.after)
    return query.where(sql<boolean>`(${sql.join(refs)}) ${beyond} (${sql.join([...start.after])})`);
  if (start.offset < DEEP) return start.offset > 0 ? query.offset(start.offset) : query;
  // By keys alone, which an index has: the rows that are passed over are not read.
  let first = select.clearSelect().select(refs.map((ref, at) => ref.as(`key${at}`)));
  for (const ref of refs) first = first.orderBy(ref, direction);
  return query.where(sql<boolean>`(${sql.join(refs)}) ${beyond}= ${first.offset(start.offset).limit(1)}`);
}

/** From how many rows on it pays to look for the first row of a page that is asked for out of order. */
const DEEP = 1000;

/** Adds to a maintained total, for lists too long to count. */
export async function addToTotal(tx: Tx, accountId: string, kind: string, change: number): Promise<void> {
  await tx.query
    .insertInto('totals')
    .values({ account_id: accountId, kind, total: change })
    .onConflict((conflict) =>
      conflict.columns(['account_id', 'kind']).doUpdateSet({ total: sql`totals.total + ${change}` }),
    )
    .execute();
}

/** A maintained total. */
export async function readTotal(reader: Reader, accountId: string, kind: string): Promise<number> {
  const row = await reader.query
    .selectFrom('totals')
    .select('total')
    .where('account_id', '=', accountId)
    .where('kind', '=', kind)
    .executeTakeFirst();
  return row?.total ?? 0;
}

/** How many rows a bounded selection has. */
export async function countRows<TB extends keyof Tables, O>(
  select: SelectQueryBuilder<Tables, TB, O>,
): Promise<number> {
  const row = await select
    .clearSelect()
    .clearOrderBy()
    .select(sql<number>`count(*)`.as('rows'))
    .executeTakeFirstOrThrow();
  return Number((row as { rows: number }).rows);
}

/** Drops the anchors of walks that are over. */
export async function dropExpiredAnchors(tx: Tx, now: string): Promise<void> {
  await tx.query.deleteFrom('list_anchors').where('expires_at', '<=', now).execute();
}

function anchorId({ key, perPage }: Walk, page: number): string {
  return sha256(JSON.stringify([key, perPage, page]));
}

async function findAnchor(reader: Reader, id: string, now: string): Promise<(string | number)[] | null> {
  const row = await reader.query
    .selectFrom('list_anchors')
    .select('anchor')
    .where('id', '=', id)
    .where('expires_at', '>', now)
    .executeTakeFirst();
  return row ? (JSON.parse(row.anchor) as (string | number)[]) : null;
}

async function keepAnchor(
  tx: Tx,
  row: { id: string; anchor: string; expires_at: string },
  now: string,
): Promise<void> {
  await tx.query.deleteFrom('list_anchors').where('expires_at', '<=', now).execute();
  await tx.query
    .insertInto('list_anchors')
    .values(row)
    .onConflict((conflict) =>
      conflict.column('id').doUpdateSet({ anchor: row.anchor, expires_at: row.expires_at }),
    )
    .execute();
}
