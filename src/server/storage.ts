import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import type { Config } from '../config.ts';
import { type Lock, LockedError, lockFolder, lockPostgres } from '../database/lock.ts';
import { migrate, SchemaError } from '../database/migrate.ts';
import { openReopening, type ReopeningDatabase } from '../database/reopening.ts';
import { openSqlite } from '../database/sqlite.ts';
import { type Clock, timestamp } from '../kernel/clock.ts';
import { StartError } from './start-error.ts';

/** Opens the configured database, its schema brought to this version. */
export async function openDatabase(config: Config, clock: Clock): Promise<ReopeningDatabase> {
  try {
    mkdirSync(config.data, { recursive: true, mode: 0o700 });
    const database = config.databaseUrl
      ? openReopening(config.databaseUrl, { connections: CONNECTIONS })
      : { ...openSqlite(privateFile(sqliteFile(config))), reopen: () => {} };
    await migrate(database, { now: timestamp(clock.now()) });
    return database;
  } catch (error) {
    throw explain(error, config);
  }
}

/** How many connections a node has for requests, and how many that lease and feed have for themselves. */
const CONNECTIONS = 20;
const PRIORITY_CONNECTIONS = 3;

/** The same database over connections that no request can take; on SQLite there is but one writer. */
export function openPriority(config: Config, database: ReopeningDatabase): ReopeningDatabase {
  if (!config.databaseUrl) return { ...database, close: async () => {} };
  return openReopening(config.databaseUrl, { connections: PRIORITY_CONNECTIONS });
}

/** Makes this process the only server on the database; throws a StartError that names the other. */
export async function lockDatabase(config: Config, holder: string): Promise<Lock> {
  try {
    mkdirSync(config.data, { recursive: true, mode: 0o700 });
    return config.databaseUrl
      ? await lockPostgres(config.databaseUrl, holder)
      : lockFolder(path.join(config.data, 'serve.lock'), holder);
  } catch (error) {
    throw explain(error, config);
  }
}

/** Whether there may be something to open; only on SQLite can that be known without asking. */
export function databaseExists(config: Config): boolean {
  return config.databaseUrl !== null || existsSync(sqliteFile(config));
}

function sqliteFile({ data }: Config): string {
  return path.join(data, 'portcullis.db');
}

/** The file, made for its owner alone if absent; SQLite gives its journals the same mode. */
function privateFile(file: string): string {
  closeSync(openSync(file, 'a', 0o600));
  return file;
}

function explain(error: unknown, config: Config): StartError {
  if (error instanceof LockedError || error instanceof SchemaError)
    return new StartError(error.message, { cause: error });
  const place = config.databaseUrl
    ? `PostgreSQL at ${new URL(config.databaseUrl).host}`
    : `the data folder ${config.data}`;
  return new StartError(`${place} cannot be used: ${messageOf(error)}`, { cause: error });
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
