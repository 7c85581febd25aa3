import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { COMMIT_WITHIN, guardCommits } from './commits.ts';
import type { Database, Reader, Snapshot, Tx } from './database.ts';
import { failureOf } from './failures.ts';
import type { Tables } from './tables.ts';
import { transactionContext } from './transaction.ts';

const ATTEMPTS = 8;
const INT8 = 20;

/** Opens PostgreSQL. */
export function openPostgres(url: string): Database {
  return createPostgres(createPool(url));
}

/**
 * A pool of connections. Commits are synchronous whatever the server's default says: an answer to a removal is
 * a promise (design §4.9).
 */
export function createPool(url: string, { connections = 20 } = {}): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: connections,
    connectionTimeoutMillis: 5000,
    statement_timeout: 30_000,
    idle_in_transaction_session_timeout: 30_000,
    application_name: 'portcullis',
    // What a commit warns of must be heard, whatever the role's default says.
    options:
      '-c synchronous_commit=on -c default_transaction_isolation=read\\ committed -c client_min_messages=warning',
    types: { getTypeParser },
  });
  // A connection that breaks is replaced by the pool, and its query, or the next one, says that it is gone.
  // Unheard, the event would end the process: the pool listens only to connections that nobody is using.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

/**
 * The database behind a pool of `createPool`, which is closed with it. `commitWithin`: how many milliseconds a commit
 * may wait for a standby.
 */
export function createPostgres(pool: pg.Pool, { commitWithin = COMMIT_WITHIN } = {}): Database {
  const kysely = new Kysely<Tables>({
    dialect: new PostgresDialect({ pool: guardCommits(pool, commitWithin) }),
  });
  const reader: Reader = { dialect: 'postgres', query: kysely };
  return {
    dialect: 'postgres',
    reader,
    snapshot: (work, { repeatable = false } = {}) =>
      kysely
        .transaction()
        .setIsolationLevel(repeatable ? 'repeatable read' : 'read committed')
        .setAccessMode('read only')
        .execute((query) => work({ dialect: 'postgres', query, inTransaction: true } satisfies Snapshot)),
    write: (work) => retryConflicts(() => writeOnce(kysely, work)),
    close: () => kysely.destroy(),
  };
}

async function writeOnce<T>(kysely: Kysely<Tables>, work: (tx: Tx) => Promise<T>): Promise<T> {
  const { tx, commit } = transactionContext('postgres');
  const result = await kysely.transaction().execute((query) => work(tx(query)));
  commit();
  return result;
}

async function retryConflicts<T>(attempt: () => Promise<T>): Promise<T> {
  for (let left = ATTEMPTS; ; left--) {
    try {
      return await attempt();
    } catch (error) {
      if (left <= 1 || failureOf(error) !== 'conflict') throw error;
    }
  }
}

/** `int8` as a number: positions and counts stay far below 2^53, and one that does not must not be rounded. */
function getTypeParser(oid: number, format?: 'text' | 'binary') {
  if (oid === INT8 && format !== 'binary') return toSafeInteger;
  return pg.types.getTypeParser(oid, format as 'text');
}

function toSafeInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError('an integer in the database exceeds 2^53');
  return value;
}
