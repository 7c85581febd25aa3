import { type Expression, type SelectQueryBuilder, type SqlBool, sql } from 'kysely';
import { likeLiteral, type Reader } from '../../database/database.ts';
import { type Start, startAt } from '../../database/paging.ts';
import { inParts } from '../../database/parts.ts';
import type { RegistrationRow, Tables, UserRow } from '../../database/tables.ts';
import { DEVICE_COLUMNS, type StoredDevice } from './device-store.ts';

/** What a list is narrowed to; ids in lower case, the search folded, times as they are stored. */
export interface RegistrationFilter {
  readonly status: 'active' | 'all' | 'revoked';
  readonly ids?: readonly string[];
  readonly userIds?: readonly string[];
  readonly deviceId?: string;
  readonly search?: string;
  readonly seenAfter?: string;
  readonly seenBefore?: string;
}

/** The columns by which a list can be ordered, each the first of an index. */
export type RegistrationOrder = 'id' | 'user_name_key' | 'user_email_key' | 'last_seen_at' | 'created_at';

export interface RegistrationPage {
  readonly filter: RegistrationFilter;
  readonly start: Start;
  readonly order: RegistrationOrder;
  readonly direction: 'asc' | 'desc';
}

type Select = SelectQueryBuilder<Tables, 'registrations', RegistrationRow>;

export async function listRegistrations(
  reader: Reader,
  accountId: string,
  { filter, start, order, direction }: RegistrationPage,
): Promise<RegistrationRow[]> {
  const { ids, userIds, deviceId, search } = filter;
  const isNarrow = ids !== undefined || userIds !== undefined || deviceId !== undefined || Boolean(search);
  const select = reader.query
    .selectFrom('registrations')
    .selectAll()
    .where(ofAccount(reader, accountId, { isNarrow }));
  const columns = order === 'id' ? ['id'] : [order, 'id'];
  return await startAt(narrow(reader, select, { accountId, filter }), columns, start, direction).execute();
}

/**
 * Without statistics SQLite would rather read a whole account in order than sort the few rows that a filter leaves: a
 * plus keeps it from the indexes that begin with the account. PostgreSQL counts for itself.
 */
function ofAccount(
  { dialect }: Reader,
  accountId: string,
  { isNarrow }: { isNarrow: boolean },
): Expression<SqlBool> {
  return isNarrow && dialect === 'sqlite'
    ? sql<boolean>`+account_id = ${accountId}`
    : sql<boolean>`account_id = ${accountId}`;
}

function narrow(
  reader: Reader,
  select: Select,
  { accountId, filter }: { accountId: string; filter: RegistrationFilter },
): Select {
  const { status, ids, userIds, deviceId, search, seenAfter, seenBefore } = filter;
  let query = select;
  // In the words of the partial indexes.
  if (status === 'active') query = query.where(sql<boolean>`revoked_at is null`);
  if (status === 'revoked') query = query.where(sql<boolean>`revoked_at is not null`);
  if (ids) query = query.where('id', 'in', [...ids]);
  if (userIds && userIds.length > 0) query = query.where('user_id', 'in', [...userIds]);
  if (deviceId !== undefined) query = query.where('device_id', '=', deviceId);
  if (seenAfter !== undefined) query = query.where('last_seen_at', '>', seenAfter);
  if (seenBefore !== undefined) query = query.where('last_seen_at', '<', seenBefore);
  return search ? query.where(matches(reader, { accountId, search })) : query;
}

const TRIGRAM = 3;

/** Of its user or of its device: what either is searched by, answered from the indexes of both. */
function matches(
  reader: Reader,
  { accountId, search }: { accountId: string; search: string },
): Expression<SqlBool> {
  const isShort = [...search].length < TRIGRAM;
  const of = (table: 'users' | 'physical_devices', columns: readonly string[]) =>
    reader.query
      .selectFrom(table as 'users')
      .select('id')
      .where(ofAccount(reader, accountId, { isNarrow: !isShort }))
      .where(isShort ? prefix(columns, search) : part(reader, table, search));
  const [users, devices] = [of('users', ['email_key', 'name_key']), of('physical_devices', ['name_key'])];
  if (isShort || reader.dialect === 'sqlite')
    return sql<boolean>`(user_id in (${users}) or device_id in (${devices}))`;
  // PostgreSQL joins no list that stands beside an OR: it would ask every registration of the account for both. A short
  // text finds many, and a page of those is soon full.
  return sql<boolean>`id in (
    select id from registrations where user_id in (${users})
    union select id from registrations where device_id in (${devices})
  )`;
}

function prefix(columns: readonly string[], search: string) {
  const end = `${search}\u{10ffff}`;
  const ranges = columns.map(
    (column) => sql`(${sql.ref(column)} >= ${search} and ${sql.ref(column)} < ${end})`,
  );
  return sql<boolean>`(${sql.join(ranges, sql` or `)})`;
}

/** Both databases answer this from a trigram index. */
function part(reader: Reader, table: 'users' | 'physical_devices', search: string): Expression<SqlBool> {
  if (reader.dialect === 'postgres')
    return sql<boolean>`${sql.ref(`${table}.search_text`)} like ${likeLiteral(search)}`;
  const index = `${table}_search` as const;
  const phrase = `"${search.replaceAll('"', '""')}"`;
  return sql<boolean>`${sql.ref(`${table}.ordinal`)} in (select rowid from ${sql.table(index)} where ${sql.ref(index)} match ${phrase})`;
}

/** The devices of these ids. */
export async function findDevices(
  reader: Reader,
  accountId: string,
  ids: Iterable<string>,
): Promise<StoredDevice[]> {
  return await inParts([...new Set(ids)].sort(), (some) =>
    reader.query
      .selectFrom('physical_devices')
      .select(DEVICE_COLUMNS)
      .where('account_id', '=', accountId)
      .where('id', 'in', [...some])
      .execute(),
  );
}

export type ShownUser = Pick<UserRow, 'id' | 'email' | 'name'>;

/** The users of these ids. */
export async function findOwners(
  reader: Reader,
  accountId: string,
  ids: Iterable<string>,
): Promise<ShownUser[]> {
  return await inParts([...new Set(ids)].sort(), (some) =>
    reader.query
      .selectFrom('users')
      .select(['id', 'email', 'name'])
      .where('account_id', '=', accountId)
      .where('id', 'in', [...some])
      .execute(),
  );
}
