import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';

/** Another server holds the database alone; the message names it. */
export class LockedError extends Error {}

export interface Lock {
  release(): Promise<void>;
}

/**
 * One server per data folder: an exclusive lock of SQLite on a file of its own, which the system drops when
 * the process dies, however it dies. Who holds it is written beside it.
 */
export function lockFolder(file: string, holder: string): Lock {
  closeSync(openSync(file, 'a', 0o600));
  const database = new DatabaseSync(file, { timeout: 0 });
  const about = `${file}.holder`;
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    // A lock that cannot be had for another reason (rights, disk, a file that is no lock) is nobody's fault.
    if ((Number((error as { errcode?: unknown }).errcode) & 0xff) !== BUSY) throw error;
    throw new LockedError(`the data folder is in use by ${readHolder(about)}`);
  }
  writeFileSync(about, `${holder}\n`, { mode: 0o600 });
  return {
    release: async () => {
      database.close();
    },
  };
}

/** SQLITE_BUSY */
const BUSY = 5;

function readHolder(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return 'another server';
  }
}

const SERVE_LOCK = 7_012_612;

/** After a lost connection the lock is asked for again: first so soon, and at last so seldom, in milliseconds. */
const [FIRST_PAUSE, LONGEST_PAUSE] = [100, 10_000];

/**
 * The nodes of one PostgreSQL database: an advisory lock that they share, each on a connection kept for it. Version
 * 0.1 asked for it alone, so that it and nodes exclude each other. Whoever holds it is named by that connection's
 * application name. A lost connection ends nothing, since the right to decide is the lease: the lock is asked for
 * again until it is given back.
 */
export async function lockPostgres(url: string, holder: string): Promise<Lock> {
  const released = new AbortController();
  const keep = async (): Promise<pg.Client> => {
    const client = await shareLock(url, holder);
    client.on('end', () => void again());
    return client;
  };
  const again = async () => {
    for (let pause = FIRST_PAUSE; !released.signal.aborted; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      await wait(pause, null, { signal: released.signal, ref: false }).catch(() => {});
      if (released.signal.aborted) return;
      const client = await keep().catch(() => null);
      if (client) return hold(client);
    }
  };
  let held: pg.Client | null = null;
  const hold = (client: pg.Client) => {
    if (released.signal.aborted) void client.end();
    else held = client;
  };
  hold(await keep());
  return {
    release: async () => {
      released.abort();
      await held?.end();
    },
  };
}

/** A connection that has the lock; throws a LockedError that names who has it alone. */
async function shareLock(url: string, holder: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    application_name: holder.slice(0, 63),
    keepAlive: true,
    connectionTimeoutMillis: 5000,
  });
  // Its end is told as well.
  client.on('error', () => {});
  await client.connect();
  const { rows } = await client.query<{ held: boolean }>('select pg_try_advisory_lock_shared($1) as held', [
    SERVE_LOCK,
  ]);
  if (rows[0]?.held) return client;
  const name = await findHolder(client);
  await client.end();
  throw new LockedError(`the database is in use by ${name}`);
}

async function findHolder(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ name: string }>(
    `select a.application_name as name from pg_locks l join pg_stat_activity a on a.pid = l.pid
     where l.locktype = 'advisory' and l.objid = $1 and l.granted and l.mode = 'ExclusiveLock'
       and l.database = (select oid from pg_database where datname = current_database())`,
    [SERVE_LOCK],
  );
  return rows[0]?.name || 'another server';
}
