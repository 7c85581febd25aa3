import { type Kysely, sql } from 'kysely';
import { sha256 } from '../kernel/crypto.ts';
import type { Database, Dialect, Tx } from './database.ts';
import type { Migration } from './migration.ts';
import { first } from './migrations/0001-first.ts';
import { cluster } from './migrations/0002-cluster.ts';
import { policies } from './migrations/0003-policies.ts';
import { devices } from './migrations/0004-devices.ts';

export const migrations: readonly Migration[] = [first, cluster, policies, devices];

/** The database was written by a newer Portcullis, or its history is not ours. */
export class SchemaError extends Error {}

interface Applied {
  id: number;
  name: string;
  checksum: string;
  /** null: written by version 0.1, which ran with nothing newer than itself. */
  runs_with: number | null;
}

/**
 * Brings the schema to this version, in one transaction and under a lock, so that two processes started at
 * once migrate once. A newer database is left as it is, if the newer program said that this one still runs on it.
 * Throws SchemaError when it did not, or when the history differs.
 */
export async function migrate(
  database: Database,
  { now, history = migrations }: { now: string; history?: readonly Migration[] },
): Promise<void> {
  await database.write(async (tx) => {
    if (tx.dialect === 'postgres')
      await sql`select pg_advisory_xact_lock(${MIGRATION_LOCK})`.execute(tx.query);
    await makeHistoryTable(tx);
    const applied = await appliedMigrations(tx);
    refuseForeignHistory(applied, history);
    for (const migration of history.slice(applied.length)) await apply(tx, migration, now);
  });
}

const MIGRATION_LOCK = 7_012_611;
const HISTORY_TABLE = `create table if not exists schema_migrations (
  id integer primary key, name text not null, checksum text not null, applied_at text not null
)`;

/** Made as version 0.1 made it, and then brought to this version. */
async function makeHistoryTable(tx: Tx): Promise<void> {
  await sql.raw(translate(HISTORY_TABLE, tx.dialect)).execute(tx.query);
  const { rows } = await sql.raw(COLUMN_OF[tx.dialect]).execute(tx.query);
  if (rows.length > 0) return;
  const type = translate('integer', tx.dialect);
  await sql.raw(`alter table schema_migrations add column runs_with ${type}`).execute(tx.query);
}

const COLUMN_OF: Readonly<Record<Dialect, string>> = {
  sqlite: `select 1 from pragma_table_info('schema_migrations') where name = 'runs_with'`,
  postgres: `select 1 from pg_attribute
    where attrelid = 'schema_migrations'::regclass and attname = 'runs_with' and not attisdropped`,
};

async function appliedMigrations(tx: Tx): Promise<Applied[]> {
  const { rows } = await sql<Applied>`select * from schema_migrations order by id`.execute(tx.query);
  return rows;
}

function refuseForeignHistory(applied: readonly Applied[], history: readonly Migration[]): void {
  const newest = history.at(-1)?.id ?? 0;
  for (const [index, row] of applied.entries()) {
    const ours = history[index];
    if (!ours) {
      // Written so that whatever is no number refuses.
      if (row.runs_with !== null && row.runs_with <= newest) continue;
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
  const { id, name, runsWith } = migration;
  await sql`insert into schema_migrations (id, name, checksum, applied_at, runs_with)
    values (${id}, ${name}, ${checksum(migration)}, ${now}, ${runsWith})`.execute(
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
