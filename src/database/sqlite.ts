import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { CompiledQuery, type DatabaseConnection, Kysely, SqliteDialect, SqliteDriver } from 'kysely';
import type { Database, Reader, Snapshot, Tx } from './database.ts';
import type { Tables } from './tables.ts';
import { transactionContext } from './transaction.ts';

/**
 * Opens the SQLite file, made if absent. One connection writes and one, read-only, reads: the driver is
 * synchronous, so a second of either would gain nothing and bring SQLITE_BUSY back.
 */
export function openSqlite(file: string): Database {
  const writer = connect(file, { readOnly: false });
  const readerConnection = connect(file, { readOnly: true });
  const reader: Reader = { dialect: 'sqlite', query: readerConnection };
  return {
    dialect: 'sqlite',
    reader,
    snapshot: (work) =>
      readerConnection
        .transaction()
        .execute((query) => work({ dialect: 'sqlite', query, inTransaction: true } satisfies Snapshot)),
    write: async <T>(work: (tx: Tx) => Promise<T>) => {
      const { tx, commit } = transactionContext('sqlite');
      const result = await writer.transaction().execute((query) => work(tx(query)));
      commit();
      return result;
    },
    close: async () => {
      await readerConnection.destroy();
      await writer.destroy();
    },
  };
}

function connect(file: string, { readOnly }: { readOnly: boolean }): Kysely<Tables> {
  const database = new DatabaseSync(file, { readOnly, timeout: 5000 });
  if (!readOnly) database.exec(PRAGMAS);
  database.exec('PRAGMA foreign_keys = ON; PRAGMA cache_size = -16000');
  return new Kysely<Tables>({
    dialect: new ImmediateSqliteDialect(database, readOnly ? 'begin' : 'begin immediate'),
  });
}

// WAL first: it decides what the other settings mean. FULL makes a returned COMMIT survive a power cut.
const PRAGMAS = 'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON';

class ImmediateSqliteDialect extends SqliteDialect {
  readonly #database: DatabaseSync;
  readonly #begin: string;

  constructor(database: DatabaseSync, begin: string) {
    super({ database: adapt(database) });
    this.#database = database;
    this.#begin = begin;
  }

  override createDriver(): SqliteDriver {
    return new ImmediateSqliteDriver(this.#database, this.#begin);
  }
}

class ImmediateSqliteDriver extends SqliteDriver {
  readonly #database: DatabaseSync;
  readonly #begin: string;

  constructor(database: DatabaseSync, begin: string) {
    super({ database: adapt(database) });
    this.#database = database;
    this.#begin = begin;
  }

  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw(this.#begin));
  }

  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    // SQLite itself rolls back what a full disk stopped; a second time would hide what went wrong.
    if (this.#database.isTransaction) await super.rollbackTransaction(connection);
  }
}

/** node:sqlite in the shape Kysely asks for; statements are prepared once and kept. */
function adapt(database: DatabaseSync) {
  const prepared = new Map<string, ReturnType<typeof statement>>();
  return {
    close: () => database.close(),
    prepare: (text: string) => {
      const known = prepared.get(text);
      if (known) return known;
      if (prepared.size >= 500) prepared.clear();
      const fresh = statement(database, text);
      prepared.set(text, fresh);
      return fresh;
    },
  };
}

function statement(database: DatabaseSync, text: string) {
  const inner = database.prepare(text);
  const values = (parameters: readonly unknown[]) => parameters as readonly SQLInputValue[];
  return {
    reader: inner.columns().length > 0,
    all: (parameters: readonly unknown[]) => inner.all(...values(parameters)),
    run: (parameters: readonly unknown[]) => inner.run(...values(parameters)),
    iterate: (parameters: readonly unknown[]) => inner.iterate(...values(parameters)),
  };
}
