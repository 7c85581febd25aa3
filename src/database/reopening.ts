import type pg from 'pg';
import type { Database, Reader } from './database.ts';
import { createPool, createPostgres } from './postgres.ts';

/** A database whose connections can all be thrown away at once. */
export interface ReopeningDatabase extends Database {
  /**
   * Breaks every connection, whatever waits on it, and begins with new ones: a server that is cut off or was replaced
   * may leave the old ones without an answer for many minutes.
   */
  reopen(): void;
}

interface Opened {
  readonly database: Database;
  readonly cut: () => void;
}

/** Opens PostgreSQL so that it can be opened again. */
export function openReopening(url: string, options: { connections: number }): ReopeningDatabase {
  let opened = open(url, options);
  const reader: Reader = {
    dialect: 'postgres',
    get query() {
      return opened.database.reader.query;
    },
  };
  return {
    dialect: 'postgres',
    reader,
    snapshot: (work, how) => opened.database.snapshot(work, how),
    write: (work) => opened.database.write(work),
    close: () => opened.database.close(),
    reopen: () => {
      const { database, cut } = opened;
      opened = open(url, options);
      cut();
      database.close().catch(() => {});
    },
  };
}

function open(url: string, options: { connections: number }): Opened {
  const pool = createPool(url, options);
  const clients = new Set<pg.PoolClient>();
  pool.on('connect', (client) => clients.add(client));
  pool.on('remove', (client) => clients.delete(client));
  return { database: createPostgres(pool), cut: () => clients.forEach(cutClient) };
}

function cutClient(client: pg.PoolClient): void {
  const { connection } = client as pg.PoolClient & { connection?: { stream?: { destroy(): void } } };
  connection?.stream?.destroy();
}
