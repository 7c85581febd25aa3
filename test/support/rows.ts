import { DatabaseSync } from 'node:sqlite';
import { Client } from 'pg';
import type { TestDatabase } from './postgres.ts';

/** Every row of every table as sorted JSON, by table. */
export type Rows = Readonly<Record<string, readonly string[]>>;

/**
 * All that a database holds, for the question what a refused request has changed. Left out is when a token
 * was last used, which is noted for its owner whatever the request was about, and what nodes say of themselves all
 * the time.
 */
export async function readRows(database: TestDatabase): Promise<Rows> {
  return database.url === null ? readSqlite(database.file) : await readPostgres(database.url);
}

function readSqlite(file: string): Rows {
  const connection = new DatabaseSync(file, { readOnly: true });
  try {
    const names = connection
      .prepare(
        `select name from sqlite_master where type = 'table' and name not glob 'sqlite_*' order by name`,
      )
      .all();
    return toRows(
      names.map(({ name }) => [String(name), connection.prepare(`select * from "${name}"`).all()] as const),
    );
  } finally {
    connection.close();
  }
}

async function readPostgres(url: string): Promise<Rows> {
  const client = new Client(url);
  await client.connect();
  try {
    const names = await client.query<{ name: string }>(
      `select tablename as name from pg_tables where schemaname = 'public' order by tablename`,
    );
    const tables: [string, object[]][] = [];
    for (const { name } of names.rows) {
      tables.push([name, (await client.query<object>(`select * from "${name}"`)).rows]);
    }
    return toRows(tables);
  } finally {
    await client.end();
  }
}

const OF_NODES: ReadonlySet<string> = new Set(['node_leases', 'node_acks']);

function toRows(tables: readonly (readonly [string, readonly object[]])[]): Rows {
  return Object.fromEntries(
    tables
      .filter(([name]) => !OF_NODES.has(name))
      .map(([name, rows]) => [name, rows.map((row) => JSON.stringify(row, withoutLastUse)).sort()]),
  );
}

function withoutLastUse(key: string, value: unknown): unknown {
  if (key === 'last_used_on') return undefined;
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
}
