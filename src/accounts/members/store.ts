import { type RawBuilder, type SelectQueryBuilder, sql } from 'kysely';
import { forUpdate, likeLiteral, type Reader, type Tx } from '../../database/database.ts';
import { countRows, type Start, startAt } from '../../database/paging.ts';
import { seenEmail, seenFirstName, seenLastName } from '../../database/persons.ts';
import type { AdministratorRow, InvitedColumn, MemberRow, Tables } from '../../database/tables.ts';

/** A membership with what the account may know of the person whose it is. */
export interface StoredMember extends MemberRow {
  readonly email: string;
  readonly email_key: string;
  readonly first_name: string | null;
  readonly last_name: string | null;
}

export type MemberOrder = 'user.first_name' | 'user.last_name' | 'user.email' | 'status';

type MemberSelect = SelectQueryBuilder<Tables, 'members' | 'administrators', StoredMember>;

function selectMembers(reader: Reader, accountId: string): MemberSelect {
  return reader.query
    .selectFrom('members')
    .innerJoin('administrators', 'administrators.id', 'members.administrator_id')
    .select([
      'members.id',
      'members.account_id',
      'members.administrator_id',
      'members.status',
      'members.roles',
      'members.policies',
      'members.created_on',
      seenEmail.as('email'),
      'administrators.email_key',
      seenFirstName.as('first_name'),
      seenLastName.as('last_name'),
    ])
    .where('members.account_id', '=', accountId);
}

export async function findMember(
  reader: Reader,
  accountId: string,
  id: string,
): Promise<StoredMember | null> {
  return (await selectMembers(reader, accountId).where('members.id', '=', id).executeTakeFirst()) ?? null;
}

/**
 * The membership, locked with its person until the end of the transaction: the person first, as everyone does
 * who changes either, and the membership read again after.
 */
export async function lockMember(tx: Tx, accountId: string, id: string): Promise<StoredMember | null> {
  const seen = await findMember(tx, accountId, id);
  if (!seen) return null;
  const person = tx.query.selectFrom('administrators').select('id').where('id', '=', seen.administrator_id);
  await forUpdate(tx, person).execute();
  const membership = tx.query
    .selectFrom('members')
    .select('id')
    .where('account_id', '=', accountId)
    .where('id', '=', id);
  const locked = await forUpdate(tx, membership).executeTakeFirst();
  return locked ? await findMember(tx, accountId, id) : null;
}

/** Those of these ids that are members of the account, locked in id order until the end of the transaction. */
export async function lockMembers(tx: Tx, accountId: string, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const select = tx.query
    .selectFrom('members')
    .select('id')
    .where('account_id', '=', accountId)
    .where('id', 'in', [...ids])
    .orderBy('id');
  return (await forUpdate(tx, select).execute()).map((row) => row.id);
}

/** Those of these ids that are members of the account, by e-mail. */
export async function findMembers(
  reader: Reader,
  accountId: string,
  ids: readonly string[],
): Promise<StoredMember[]> {
  if (ids.length === 0) return [];
  return await selectMembers(reader, accountId)
    .where('members.id', 'in', [...ids])
    .orderBy('administrators.email_key')
    .execute();
}

export interface MemberFilter {
  readonly status?: string;
}

export async function listMembers(
  reader: Reader,
  accountId: string,
  { filter, order, direction, start }: ListedMembers,
): Promise<StoredMember[]> {
  const select = narrow(selectMembers(reader, accountId), filter);
  return await startAt(select, COLUMNS[order], start, direction).execute();
}

interface ListedMembers {
  readonly filter: MemberFilter;
  readonly order: MemberOrder;
  readonly direction: 'asc' | 'desc';
  readonly start: Start;
}

export async function countMembers(reader: Reader, accountId: string, filter: MemberFilter): Promise<number> {
  return await countRows(narrow(selectMembers(reader, accountId), filter));
}

function narrow(select: MemberSelect, { status }: MemberFilter): MemberSelect {
  return status === undefined ? select : select.where('members.status', '=', status);
}

/** A person without a name comes before all that have one. */
const EMAIL = 'administrators.email_key';
const COLUMNS: Record<MemberOrder, readonly (string | RawBuilder<unknown>)[]> = {
  'user.email': [EMAIL],
  'user.first_name': [sql`coalesce(${seenFirstName}, '')`, EMAIL],
  'user.last_name': [sql`coalesce(${seenLastName}, '')`, EMAIL],
  status: ['members.status', EMAIL],
};

/** The columns of that order, of one row. */
export function keyOfMember(member: StoredMember, order: MemberOrder): string[] {
  if (order === 'user.email') return [member.email_key];
  const first = { 'user.first_name': member.first_name, 'user.last_name': member.last_name };
  return [order === 'status' ? member.status : (first[order] ?? ''), member.email_key];
}

/** The person with that e-mail key, made if there is none, locked until the end of the transaction. */
export async function findOrInsertAdministrator(tx: Tx, row: AdministratorRow): Promise<AdministratorRow> {
  return await tx.query
    .insertInto('administrators')
    .values(row)
    .onConflict((conflict) => conflict.column('email_key').doUpdateSet({ email_key: row.email_key }))
    .returningAll()
    .executeTakeFirstOrThrow();
}

export async function insertMember(tx: Tx, member: MemberRow & InvitedColumn): Promise<void> {
  await tx.query.insertInto('members').values(member).execute();
}

export async function updateMemberRow(
  tx: Tx,
  { account_id, id }: Pick<MemberRow, 'account_id' | 'id'>,
  change: Partial<MemberRow>,
): Promise<void> {
  await tx.query
    .updateTable('members')
    .set(change)
    .where('account_id', '=', account_id)
    .where('id', '=', id)
    .execute();
}

/** Deletes the membership; group memberships go by foreign key. */
export async function deleteMemberRow(tx: Tx, accountId: string, id: string): Promise<void> {
  await tx.query.deleteFrom('members').where('account_id', '=', accountId).where('id', '=', id).execute();
}

export async function deleteAdministrator(tx: Tx, id: string): Promise<void> {
  await tx.query.deleteFrom('administrators').where('id', '=', id).execute();
}

/** What of them an account sees that they have joined. */
export async function findPersonOf(reader: Reader, { administrator_id }: StoredMember) {
  return await reader.query
    .selectFrom('administrators')
    .select(['email', 'first_name', 'last_name'])
    .where('id', '=', administrator_id)
    .executeTakeFirstOrThrow();
}

/** Ends the key and all tokens of a person, and forgets what they told of themselves. */
export async function clearAdministrator(tx: Tx, id: string): Promise<void> {
  await tx.query.deleteFrom('api_tokens').where('administrator_id', '=', id).execute();
  await tx.query
    .updateTable('administrators')
    .set({
      ...{ key_hash: null, first_name: null, last_name: null },
      ...{ country: null, telephone: null, zipcode: null },
    })
    .where('id', '=', id)
    .execute();
}

/** Whether anybody else has invited the person, or they have joined another account. */
export async function isKnownElsewhere(reader: Reader, member: MemberOf): Promise<boolean> {
  return (await elsewhere(reader, member).executeTakeFirst()) !== undefined;
}

/** Whether the person has joined another account: an invitation that they have not accepted makes nobody a member. */
export async function isMemberElsewhere(reader: Reader, member: MemberOf): Promise<boolean> {
  const joined = elsewhere(reader, member).where('status', '=', 'accepted');
  return (await joined.executeTakeFirst()) !== undefined;
}

type MemberOf = Pick<MemberRow, 'administrator_id' | 'account_id'>;

function elsewhere(reader: Reader, { administrator_id, account_id }: MemberOf) {
  return reader.query
    .selectFrom('members')
    .select('id')
    .where('administrator_id', '=', administrator_id)
    .where('account_id', '!=', account_id)
    .limit(1);
}

/** The people who can act in the account with that role: accepted, and with a key. */
export async function listHoldersOfRole(
  reader: Reader,
  accountId: string,
  roleId: string,
): Promise<string[]> {
  const rows = await reader.query
    .selectFrom('members')
    .innerJoin('administrators', 'administrators.id', 'members.administrator_id')
    .select('administrators.id')
    .where('members.account_id', '=', accountId)
    .where('members.status', '=', 'accepted')
    .where('administrators.key_hash', 'is not', null)
    .where(sql<boolean>`members.roles like ${likeLiteral(roleId)}`)
    .limit(100)
    .execute();
  return rows.map((row) => row.id);
}
