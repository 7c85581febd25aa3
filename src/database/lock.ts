import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';

/** Another server holds the database; the message names it. */
export class LockedError extends Error {}

export interface Lock {
  release(): Promise<void>;
  /** Called once if the lock is lost while held: whoever held it must stop deciding. */
  onLost(handler: () => void): void;
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
    onLost: () => {},
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

/**
 * One server per PostgreSQL database: an advisory lock on a connection kept for it. The holder is named by
 * that connection's application name.
 */
export async function lockPostgres(url: string, holder: string): Promise<Lock> {
  const client = new pg.Client({
    connectionString: url,
    application_name: holder.slice(0, 63),
    keepAlive: true,
  });
  let lost: (() => void) | null = null;
  client.on('error', () => lost?.());
  client.on('end', () => lost?.());
  await client.connect();
  const { rows } = await client.query<{ held: boolean }>('select pg_try_advisory_lock($1) as held', [
    SERVE_LOCK,
  ]);
  if (!rows[0]?.held) {
    const name = await findHolder(client);
    await client.end();
    throw new LockedError(`the database is in use by ${name}`);
  }
  return {
    onLost: (handler) => {
      lost = handler;
    },
    release: async () => {
      lost = null;
      await client.end();
    },
  };
}

async function findHolder(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ name: string }>(
    `select a.application_name as name from pg_locks l join pg_stat_activity a on a.pid = l.pid
     where l.locktype = 'advisory' and l.objid = $1 and l.granted
       and l.database = (select oid from pg_database where datname = current_database())`,
    [SERVE_LOCK],
  );
  return rows[0]?.name || 'another server';
}
