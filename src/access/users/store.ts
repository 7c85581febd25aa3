import { type SelectQueryBuilder, sql } from 'kysely';
import { forUpdate, likeLiteral, type Reader, type Tx } from '../../database/database.ts';
import { addToTotal, countRows, readTotal, type Start, startAt } from '../../database/paging.ts';
import type { IdentityRow, SessionRow, Tables, UserRow } from '../../database/tables.ts';

export type StoredUser = Omit<UserRow, 'ordinal'>;

/** What a list of users is narrowed by; keys are normalised by the caller. */
export interface UserFilter {
  readonly emailKey?: string;
  readonly nameKey?: string;
  readonly search?: string;
}

const TOTAL = 'users';
const TRIGRAM = 3;
const COLUMNS = [
  'users.id',
  'users.account_id',
  'users.email',
  'users.email_key',
  'users.name',
  'users.name_key',
  'users.search_text',
  'users.seat_uid',
  'users.access_seat',
  'users.gateway_seat',
  'users.active_device_count',
  'users.reauthenticate',
  'users.created_at',
  'users.updated_at',
  'users.last_successful_login',
] as const;

type UserSelect = SelectQueryBuilder<Tables, 'users', StoredUser>;

/** The users of an account, to be narrowed. */
export function selectUsers(reader: Reader, accountId: string): UserSelect {
  return reader.query.selectFrom('users').select(COLUMNS).where('users.account_id', '=', accountId);
}

export async function findUser(reader: Reader, accountId: string, id: string): Promise<StoredUser | null> {
  return (await selectUsers(reader, accountId).where('users.id', '=', id).executeTakeFirst()) ?? null;
}

/** The user of that id, locked until the end of the transaction. */
export async function lockUser(tx: Tx, accountId: string, id: string): Promise<StoredUser | null> {
  return (
    (await forUpdate(tx, selectUsers(tx, accountId).where('users.id', '=', id)).executeTakeFirst()) ?? null
  );
}

/** The user with that e-mail key, locked until the end of the transaction. */
export async function lockUserByEmail(
  tx: Tx,
  accountId: string,
  emailKey: string,
): Promise<StoredUser | null> {
  const select = selectUsers(tx, accountId).where('users.email_key', '=', emailKey);
  return (await forUpdate(tx, select).executeTakeFirst()) ?? null;
}

export async function listUsers(
  reader: Reader,
  accountId: string,
  { filter, start }: { filter: UserFilter; start: Start },
): Promise<StoredUser[]> {
  return await startAt(
    narrow(reader, selectUsers(reader, accountId), filter),
    ['users.email_key'],
    start,
  ).execute();
}

/** Kept for the whole list, counted for exact filters, unknown for a search. */
export async function totalUsers(
  reader: Reader,
  accountId: string,
  filter: UserFilter,
): Promise<number | null> {
  if (filter.search !== undefined) return null;
  if (filter.emailKey === undefined && filter.nameKey === undefined)
    return await readTotal(reader, accountId, TOTAL);
  return await countRows(narrow(reader, selectUsers(reader, accountId), filter));
}

function narrow(reader: Reader, select: UserSelect, { emailKey, nameKey, search }: UserFilter): UserSelect {
  let query = select;
  if (emailKey !== undefined) query = query.where('users.email_key', '=', emailKey);
  if (nameKey !== undefined) query = query.where('users.name_key', '=', nameKey);
  if (search === undefined || search === '') return query;
  return [...search].length < TRIGRAM ? narrowToPrefix(query, search) : narrowToPart(reader, query, search);
}

function narrowToPrefix(query: UserSelect, search: string): UserSelect {
  const end = `${search}\u{10ffff}`;
  return query.where((row) =>
    row.or([
      row.and([row('users.email_key', '>=', search), row('users.email_key', '<', end)]),
      row.and([row('users.name_key', '>=', search), row('users.name_key', '<', end)]),
    ]),
  );
}

/** Both databases answer this from a trigram index. */
function narrowToPart(reader: Reader, query: UserSelect, search: string): UserSelect {
  if (reader.dialect === 'postgres') {
    return query.where(sql<boolean>`users.search_text like ${likeLiteral(search)}`);
  }
  const phrase = `"${search.replaceAll('"', '""')}"`;
  return query.where(
    'users.ordinal',
    'in',
    reader.query.selectFrom('users_search').select('rowid').where(sql<boolean>`users_search match ${phrase}`),
  );
}

/** Inserts the user and adds to the account's total; the database refuses a second one with that e-mail. */
export async function insertUser(tx: Tx, user: StoredUser): Promise<void> {
  await tx.query.insertInto('users').values(user).execute();
  await addToTotal(tx, user.account_id, TOTAL, 1);
}

export async function updateUserRow(
  tx: Tx,
  user: Pick<StoredUser, 'id' | 'account_id'>,
  change: Partial<Omit<StoredUser, 'id' | 'account_id'>>,
): Promise<void> {
  await tx.query
    .updateTable('users')
    .set(change)
    .where('account_id', '=', user.account_id)
    .where('id', '=', user.id)
    .execute();
}

/** Deletes the user; identities, sessions and what was minted from them go by foreign key. */
export async function deleteUserRow(tx: Tx, user: Pick<StoredUser, 'id' | 'account_id'>): Promise<void> {
  await tx.query
    .deleteFrom('users')
    .where('account_id', '=', user.account_id)
    .where('id', '=', user.id)
    .execute();
  await addToTotal(tx, user.account_id, TOTAL, -1);
}

/** Deletes the sessions of a user, and with them the hand-offs under way. Answers how many there were. */
export async function deleteSessionsOf(tx: Tx, user: Pick<StoredUser, 'id' | 'account_id'>): Promise<number> {
  const result = await tx.query
    .deleteFrom('sessions')
    .where('account_id', '=', user.account_id)
    .where('user_id', '=', user.id)
    .executeTakeFirst();
  return Number(result.numDeletedRows);
}

/** Every identity of the user, newest use first. */
export async function listIdentities(
  reader: Reader,
  accountId: string,
  userId: string,
): Promise<IdentityRow[]> {
  return await reader.query
    .selectFrom('identities')
    .selectAll()
    .where('account_id', '=', accountId)
    .where('user_id', '=', userId)
    .orderBy('updated_at', 'desc')
    .orderBy('id')
    .limit(100)
    .execute();
}

export interface SessionApplicationRow {
  session_nonce: string;
  id: string;
  name: string;
  type: string;
  host: string;
}

/** Sessions of the user that have not expired, newest first. */
export async function listSessions(
  reader: Reader,
  { accountId, userId, now }: { accountId: string; userId: string; now: string },
): Promise<SessionRow[]> {
  return await reader.query
    .selectFrom('sessions')
    .selectAll()
    .where('account_id', '=', accountId)
    .where('user_id', '=', userId)
    .where('expires_at', '>', now)
    .orderBy('issued_at', 'desc')
    .orderBy('nonce')
    .limit(1000)
    .execute();
}

/** The applications that each of these sessions was used for, by their first destination. */
export async function listSessionApplications(
  reader: Reader,
  nonces: readonly string[],
): Promise<SessionApplicationRow[]> {
  if (nonces.length === 0) return [];
  return await reader.query
    .selectFrom('session_applications')
    .innerJoin('applications', 'applications.id', 'session_applications.application_id')
    .innerJoin('application_destinations', (join) =>
      join
        .onRef('application_destinations.application_id', '=', 'applications.id')
        .on('application_destinations.ordinal', '=', 0),
    )
    .select([
      'session_applications.session_nonce',
      'applications.id',
      'applications.name',
      'applications.type',
      'application_destinations.host',
    ])
    .where('session_applications.session_nonce', 'in', [...nonces])
    .limit(10_000)
    .execute();
}

export async function findSession(
  reader: Reader,
  { accountId, userId, nonce }: { accountId: string; userId: string; nonce: string },
): Promise<SessionRow | null> {
  const row = await reader.query
    .selectFrom('sessions')
    .selectAll()
    .where('account_id', '=', accountId)
    .where('user_id', '=', userId)
    .where('nonce', '=', nonce)
    .executeTakeFirst();
  return row ?? null;
}

/** Failed sign-ins of the user that are still kept, newest first. */
export async function listFailedLogins(
  reader: Reader,
  { accountId, userId, now }: { accountId: string; userId: string; now: string },
): Promise<Tables['failed_logins'][]> {
  return await reader.query
    .selectFrom('failed_logins')
    .selectAll()
    .where('account_id', '=', accountId)
    .where('user_id', '=', userId)
    .where('expires_at', '>', now)
    .orderBy('at', 'desc')
    .orderBy('id')
    .limit(1000)
    .execute();
}
