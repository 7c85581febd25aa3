import { type Kysely, sql } from 'kysely';
import type { Database, Reader, Tx } from '../../src/database/database.ts';
import { migrate } from '../../src/database/migrate.ts';
import { openPostgres } from '../../src/database/postgres.ts';
import { openSqlite } from '../../src/database/sqlite.ts';
import type { TestDatabase } from './postgres.ts';

export const NOW = '2026-01-01T00:00:00.000Z';

/** Opens a test database as it is. */
export function openStorage({ url, file }: TestDatabase): Database & AsyncDisposable {
  const database = url === null ? openSqlite(file) : openPostgres(url);
  return { ...database, [Symbol.asyncDispose]: () => database.close() };
}

/** Opens a test database with the schema of this version in it. */
export async function openMigrated(place: TestDatabase): Promise<Database & AsyncDisposable> {
  const database = openStorage(place);
  await migrate(database, { now: NOW });
  return database;
}

/** A row that needs no other. */
export async function insertAccount(tx: Tx, id: string, name = id): Promise<void> {
  const row = { id, name, type: 'standard', created_on: NOW };
  await tx.query.insertInto('accounts').values(row).execute();
}

/** The names of the accounts, in order. */
export async function namesOf(reader: Reader): Promise<string[]> {
  const rows = await reader.query.selectFrom('accounts').select('name').orderBy('name').execute();
  return rows.map(({ name }) => name);
}

/** Runs raw SQL, in whatever it is given. */
export function run(query: Reader['query'], text: string) {
  return sql.raw(text).execute(query as Kysely<unknown>);
}
