import { type Kysely, sql } from 'kysely';
import { sha256 } from '../kernel/crypto.ts';
import type { Database, Dialect, Tx } from './database.ts';
import type { Migration } from './migration.ts';
import { first } from './migrations/0001-first.ts';
import { cluster } from './migrations/0002-cluster.ts';

export const migrations: readonly Migration[] = [first, cluster];

/** The database was written by a newer Portcullis, or its history is not ours. */
export class SchemaError extends Error {}

interface Applied {
  id: number;
  name: string;
  checksum: string;
}

/**
 * Brings the schema to this version, in one transaction and under a lock, so that two processes started at
 * once migrate once. Throws SchemaError when the database is newer than this program or its history differs.
 */
export async function migrate(
  database: Database,
  { now, history = migrations }: { now: string; history?: readonly Migration[] },
): Promise<void> {
  await database.write(async (tx) => {
    if (tx.dialect === 'postgres')
      await sql`select pg_advisory_xact_lock(${MIGRATION_LOCK})`.execute(tx.query);
    await sql.raw(translate(HISTORY_TABLE, tx.dialect)).execute(tx.query);
    const applied = await appliedMigrations(tx);
    refuseForeignHistory(applied, history);
    for (const migration of history.slice(applied.length)) await apply(tx, migration, now);
  });
}

const MIGRATION_LOCK = 7_012_611;
const HISTORY_TABLE = `create table if not exists schema_migrations (
  id integer primary key, name text not null, checksum text not null, applied_at text not null
)`;

async function appliedMigrations(tx: Tx): Promise<Applied[]> {
  const { rows } = await sql<Applied>`select id, name, checksum from schema_migrations order by id`.execute(
    tx.query,
  );
  return rows;
}

function refuseForeignHistory(applied: readonly Applied[], history: readonly Migration[]): void {
  for (const [index, row] of applied.entries()) {
    const ours = history[index];
    if (!ours) {
      throw new SchemaError(
        `the database has migration ${row.id} (${row.name}), which is newer than this program`,
      );
    }
    if (ours.id !== row.id || checksum(ours) !== row.checksum) {
      throw new SchemaError(
        `migration ${row.id} (${row.name}) of the database is not the one this program has`,
      );
    }
  }
}

async function apply(tx: Tx, migration: Migration, now: string): Promise<void> {
  const own = migration[tx.dialect] ?? [];
  for (const statement of [...migration.statements.map((text) => translate(text, tx.dialect)), ...own]) {
    await sql.raw(statement).execute(tx.query);
  }
  await sql`insert into schema_migrations (id, name, checksum, applied_at)
    values (${migration.id}, ${migration.name}, ${checksum(migration)}, ${now})`.execute(
    tx.query as Kysely<unknown>,
  );
}

function checksum(migration: Migration): string {
  const { statements, sqlite = [], postgres = [] } = migration;
  return sha256(JSON.stringify([migration.name, statements, sqlite, postgres]));
}

function translate(statement: string, dialect: Dialect): string {
  if (dialect === 'sqlite') {
    const text = statement.replaceAll('serial_key', 'integer primary key');
    return text.startsWith('create table') ? `${text} strict` : text;
  }
  return statement
    .replaceAll(/\btext\b/g, 'text collate "C"')
    .replaceAll(/\binteger\b/g, 'bigint')
    .replaceAll('serial_key', 'bigint generated always as identity primary key');
}
