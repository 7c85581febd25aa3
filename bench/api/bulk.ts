import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import { Client } from 'pg';
import { md5, md5Uuid } from './names.ts';

/** A database that is filled with statements of its own, while no server runs on it. */
export interface Bulk extends AsyncDisposable {
  /** A table of one column `n`, from the one to the other. */
  series(from: number, to: number): string;
  /**
   * The id of the n-th row of a kind, `number` being an expression. Ids look as if drawn by lot, so rows are not beside
   * each other because their numbers are.
   */
  uuid(kind: string, number: string): string;
  run(statement: string): Promise<void>;
  /** Rows of one column `value`. */
  values(query: string): Promise<string[]>;
  /** Takes away what would have to be kept up with every row; answers how to make it again, all at once. */
  withoutIndexes(tables: readonly string[]): Promise<() => Promise<void>>;
  /** When all is in: what an engine does by itself in time. */
  settle(): Promise<void>;
}

export function openBulkSqlite(folder: string): Bulk {
  const database = new DatabaseSync(path.join(folder, 'portcullis.db'), {
    enableForeignKeyConstraints: false,
  });
  // Whatever is lost here is made again.
  database.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -262144');
  const define = (name: string, value: (text: string) => string) =>
    database.function(name, { deterministic: true }, (text) => value(String(text)));
  define('md5', md5);
  define('md5_uuid', md5Uuid);
  const run = async (statement: string) => {
    database.exec(statement);
    await setImmediate();
  };
  const values = async (query: string) =>
    database
      .prepare(query)
      .all()
      .map(({ value }) => String(value));
  return {
    run,
    values,
    series: (from, to) =>
      `(with recursive s (n) as (select ${from} union all select n + 1 from s where n < ${to}) select n from s) s`,
    uuid: (kind, number) => `md5_uuid('${kind}' || ${number})`,
    withoutIndexes: (tables) => dropSqlite({ run, values }, tables),
    settle: () => run('PRAGMA wal_checkpoint(TRUNCATE)'),
    [Symbol.asyncDispose]: async () => database.close(),
  };
}

type Runner = Pick<Bulk, 'run' | 'values'>;

/** Indexes, and the triggers that keep the trigram indexes. */
async function dropSqlite({ run, values }: Runner, tables: readonly string[]): Promise<() => Promise<void>> {
  const named = tables.map((table) => `'${table}'`).join(', ');
  const of = (type: string, column: string) =>
    values(
      `select ${column} as value from sqlite_schema where type = '${type}' and sql is not null and tbl_name in (${named})`,
    );
  const again = [...(await of('index', 'sql')), ...(await of('trigger', 'sql'))];
  for (const type of ['index', 'trigger'])
    for (const name of await of(type, 'name')) await run(`drop ${type} ${name}`);
  const searches = await values(
    `select name as value from sqlite_schema where type = 'table' and name in (${tables.map((table) => `'${table}_search'`).join(', ')})`,
  );
  const rebuilds = searches.map((name) => `insert into ${name} (${name}) values ('rebuild')`);
  return async () => {
    for (const statement of [...again, ...rebuilds]) await run(statement);
  };
}

export async function openBulkPostgres(url: string): Promise<Bulk> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(
    "set synchronous_commit = off; set maintenance_work_mem = '512MB'; set work_mem = '64MB'; set jit = off",
  );
  const run = async (statement: string) => void (await client.query(statement));
  const values = async (query: string) =>
    (await client.query<{ value: unknown }>(query)).rows.map(({ value }) => String(value));
  return {
    run,
    values,
    series: (from, to) => `generate_series(${from}::bigint, ${to}::bigint) as s (n)`,
    uuid: (kind, number) =>
      `overlay(overlay(md5('${kind}' || ${number})::uuid::text placing '4' from 15) placing '8' from 20)`,
    withoutIndexes: (tables) => dropPostgres({ run, values }, tables),
    settle: () => run('vacuum analyze'),
    [Symbol.asyncDispose]: () => client.end(),
  };
}

/** Indexes that are not a constraint's, and foreign keys, which are checked when they are back. */
async function dropPostgres(
  { run, values }: Runner,
  tables: readonly string[],
): Promise<() => Promise<void>> {
  const named = tables.map((table) => `'${table}'`).join(', ');
  const indexes = `from pg_indexes where schemaname = current_schema() and tablename in (${named})
    and indexname not in (select conname from pg_constraint)`;
  const foreign = `from pg_constraint where contype = 'f' and conrelid in (select oid from pg_class where relname in (${named}))`;
  const again = [
    ...(await values(`select indexdef as value ${indexes}`)),
    ...(await values(
      `select format('alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) as value ${foreign}`,
    )),
  ];
  const drops = [
    ...(await values(`select format('drop index %I', indexname) as value ${indexes}`)),
    ...(await values(
      `select format('alter table %s drop constraint %I', conrelid::regclass, conname) as value ${foreign}`,
    )),
  ];
  for (const statement of drops) await run(statement);
  return async () => {
    for (const statement of again) await run(statement);
  };
}
