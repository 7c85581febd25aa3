import type { Database } from '../../src/database/database.ts';
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
