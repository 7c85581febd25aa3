import { type Kysely, type SelectQueryBuilder, sql } from 'kysely';
import type { Tables } from './tables.ts';

export type Dialect = 'sqlite' | 'postgres';

/** What may be asked of the database without changing it. Statements may see different moments. */
export interface Reader {
  readonly dialect: Dialect;
  readonly query: Pick<Kysely<Tables>, 'selectFrom' | 'with' | 'fn'>;
}

/** A Reader whose statements belong to one transaction: what mints read their `rev` in (design §4.3). */
export interface Snapshot extends Reader {
  readonly inTransaction: true;
}

/** One writing transaction. */
export interface Tx extends Snapshot {
  readonly query: Kysely<Tables>;
  /** Runs the effect after COMMIT, before `write` resolves; never if the transaction fails. */
  afterCommit(effect: () => void): void;
}

export interface Database {
  readonly dialect: Dialect;
  readonly reader: Reader;
  /** One transaction that only reads. On PostgreSQL READ COMMITTED unless `repeatable`. */
  snapshot<T>(work: (snapshot: Snapshot) => Promise<T>, options?: { repeatable?: boolean }): Promise<T>;
  /**
   * One writing transaction (SQLite: BEGIN IMMEDIATE; PostgreSQL: READ COMMITTED). `work` may run again,
   * from its start, when the database reports a serialization failure or a deadlock: it must have no
   * effects of its own outside `afterCommit`.
   */
  write<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Locks the selected rows until the end of the transaction; on SQLite the writer already has them all. */
export function forUpdate<O, TB extends keyof Tables>(
  tx: Tx,
  select: SelectQueryBuilder<Tables, TB, O>,
): SelectQueryBuilder<Tables, TB, O> {
  return tx.dialect === 'postgres' ? select.forUpdate() : select;
}

/**
 * Keeps the selected rows of one table from being deleted until the end of the transaction, and waits for whoever
 * is deleting them; on SQLite nobody else writes meanwhile.
 */
export function forKeyShare<O, TB extends keyof Tables>(
  tx: Tx,
  select: SelectQueryBuilder<Tables, TB, O>,
  table: TB,
): SelectQueryBuilder<Tables, TB, O> {
  return tx.dialect === 'postgres' ? select.forKeyShare(table) : select;
}

/**
 * Waits until no other transaction is in this part of its work, and keeps others from it until the end; on SQLite
 * nobody else writes meanwhile. Numbers are given out here, once each. `names` is that of whoever gives out zones, team
 * domains and hosts; it is taken before anything else is locked.
 */
export async function takeTurn(tx: Tx, work: keyof typeof TURNS): Promise<void> {
  if (tx.dialect !== 'postgres') return;
  await sql`select pg_advisory_xact_lock(${TURNS[work]})`.execute(tx.query);
}

const TURNS = { 'first start': 7_012_613, names: 7_012_614 };

/** `column like '%term%'`, every character of the term literal. */
export function likeLiteral(term: string): string {
  return `%${term.replaceAll(/[\\%_]/g, (character) => `\\${character}`)}%`;
}

/** Whether the database answers at all. */
export async function isAlive(reader: Reader): Promise<boolean> {
  try {
    await reader.query.selectFrom('accounts').select(sql<number>`1`.as('one')).limit(1).execute();
    return true;
  } catch {
    return false;
  }
}
