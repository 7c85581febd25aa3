import path from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import { type Estate, TEMPLATE } from './estate.ts';

/** How much an estate is to hold beside its template person. */
export interface Fill {
  readonly users: number;
  /** So many of the users have an identity and a living session; the first ones. */
  readonly sessions: number;
  /** Of users, e-mails and identities that are gone, in equal parts. */
  readonly revocations: number;
}

/** What is a person's own in the rows of one; a copy has other words in their place. */
export interface Names {
  readonly userId: string;
  readonly identityId: string;
  readonly nonce: string;
  readonly sub: string;
  readonly email: string;
  readonly name: string;
}

type Row = Record<string, SQLInputValue>;

/** So many rows are written before others have their turn, among them the limit of the call. */
const TURN = 5_000;

/** The names of the n-th copy. */
export function namesOf(n: number): Names {
  const tail = n.toString(16).padStart(12, '0');
  return {
    userId: `0000000a-0000-4000-8000-${tail}`,
    identityId: `0000000b-0000-4000-8000-${tail}`,
    nonce: `n${n.toString(36).padStart(15, '0')}`,
    sub: `subject-${n}`,
    email: `user${n}@example.com`,
    name: `person ${n}`,
  };
}

/**
 * Fills an estate's database directly, in one transaction. Every row is a copy of one that the product made, with
 * other names in it, so that a column that the product adds is filled as the product fills it.
 */
export async function fillEstate(estate: Estate, { users, sessions, revocations }: Fill): Promise<Names> {
  using database = new DatabaseSync(path.join(estate.data, 'portcullis.db'), {
    enableForeignKeyConstraints: false,
  });
  // Whatever is lost here is made again.
  database.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -262144; BEGIN');
  const template = templateNames(database);
  const restore = withoutTriggers(database, 'users');
  await copyRows(database, { table: 'users', template, count: users });
  for (const table of ['identities', 'sessions', 'session_applications']) {
    await copyRows(database, { table, template, count: sessions });
  }
  await revoke(database, estate.accountId, revocations);
  database.prepare("update totals set total = total + ? where kind = 'users'").run(users);
  database.exec("insert into users_search (users_search) values ('rebuild')");
  restore();
  database.exec('COMMIT; PRAGMA wal_checkpoint(TRUNCATE)');
  return template;
}

function templateNames(database: DatabaseSync): Names {
  const session = database
    .prepare(
      'select nonce, user_id, identity_id from sessions join users on users.id = user_id where email = ?',
    )
    .get(TEMPLATE.email) as Record<'nonce' | 'user_id' | 'identity_id', string> | undefined;
  if (!session) throw new Error('the template person has no session');
  const { nonce, user_id: userId, identity_id: identityId } = session;
  return { userId, identityId, nonce, ...TEMPLATE };
}

/** Indexing every row as it comes takes five times as long as indexing all of them at the end. */
function withoutTriggers(database: DatabaseSync, table: string): () => void {
  const triggers = database
    .prepare("select name, sql from sqlite_schema where type = 'trigger' and tbl_name = ?")
    .all(table) as { name: string; sql: string }[];
  for (const { name } of triggers) database.exec(`drop trigger ${name}`);
  return () => {
    for (const { sql } of triggers) database.exec(sql);
  };
}

/** As many copies of the template person's row; what the database numbers itself is left to it. */
async function copyRows(
  database: DatabaseSync,
  { table, template, count }: { table: string; template: Names; count: number },
): Promise<void> {
  const { ordinal: _, ...row } = templateRow(database, table, template);
  const columns = Object.keys(row);
  const insert = database.prepare(
    `insert into ${table} (${columns.join(', ')}) values (${columns.map(() => '?').join(', ')})`,
  );
  const rename = columns.map((column) => renamer(row[column] ?? null, template));
  for (let n = 1; n <= count; n += 1) {
    if (n % TURN === 0) await setImmediate();
    const names = namesOf(n);
    insert.run(...rename.map((value) => value(names)));
  }
}

function templateRow(database: DatabaseSync, table: string, template: Names): Row {
  const row = (database.prepare(`select * from ${table}`).all() as Row[]).find((one) =>
    [template.userId, template.nonce].some((name) => Object.values(one).includes(name)),
  );
  if (!row) throw new Error(`the template person has no row in ${table}`);
  return row;
}

/** The value with every one of the template's names replaced by those of another person. */
export function renamer(value: SQLInputValue, template: Names): (names: Names) => SQLInputValue {
  if (typeof value !== 'string') return () => value;
  const keys = Object.keys(template) as (keyof Names)[];
  const keyOf = new Map(keys.map((key) => [template[key], key]));
  const parts = value.split(new RegExp(`(${[...keyOf.keys()].map(escapePattern).join('|')})`));
  if (parts.length === 1) return () => value;
  const fill = parts.map((part) => keyOf.get(part) ?? { part });
  return (names) => fill.map((part) => (typeof part === 'string' ? names[part] : part.part)).join('');
}

/** Three subjects a removal, as the deletion of a user makes them, each removal at a position of its own. */
async function revoke(database: DatabaseSync, accountId: string, count: number): Promise<void> {
  const { epoch, position } = database
    .prepare('select epoch, position from feed_heads where account_id = ?')
    .get(accountId) as { epoch: number; position: number };
  const insert = database.prepare(
    'insert into revocations (account_id, subject_type, subject_id, epoch, position) values (?, ?, ?, ?, ?)',
  );
  for (let n = 0; n < count; n += 1) {
    if (n % TURN === 0) await setImmediate();
    const [type, id] = goneSubject(n);
    insert.run(accountId, type, id, epoch, position + 1 + Math.floor(n / 3));
  }
  database
    .prepare('update feed_heads set position = ? where account_id = ?')
    .run(position + Math.ceil(count / 3), accountId);
}

function goneSubject(n: number): readonly [type: string, id: string] {
  const removal = Math.floor(n / 3);
  const tail = removal.toString(16).padStart(12, '0');
  if (n % 3 === 0) return ['user', `0000000c-0000-4000-8000-${tail}`];
  if (n % 3 === 1) return ['email', `gone${removal}@example.com`];
  const parts = ['0000000d-0000-4000-8000-000000000000', 'https://login.example.com', `gone-${tail}`];
  return ['identity', JSON.stringify(parts)];
}

function escapePattern(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
