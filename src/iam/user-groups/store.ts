import { type SelectQueryBuilder, sql } from 'kysely';
import { forUpdate, likeLiteral, type Reader, type Tx } from '../../database/database.ts';
import { addToTotal, countRows, readTotal, type Start, startAt } from '../../database/paging.ts';
import { seenEmail, seenFirstName, seenLastName } from '../../database/persons.ts';
import type { Tables, UserGroupRow } from '../../database/tables.ts';

export interface UserGroupFilter {
  readonly ids?: readonly string[];
  readonly name?: string;
  /** Part of the name, folded by the caller. */
  readonly fuzzyName?: string;
}

const TOTAL = 'user_groups';

type GroupSelect = SelectQueryBuilder<Tables, 'user_groups', UserGroupRow>;

function selectGroups(reader: Reader, accountId: string): GroupSelect {
  return reader.query.selectFrom('user_groups').selectAll().where('account_id', '=', accountId);
}

export async function findGroup(reader: Reader, accountId: string, id: string): Promise<UserGroupRow | null> {
  return (await selectGroups(reader, accountId).where('id', '=', id).executeTakeFirst()) ?? null;
}

/** The group of that id, locked until the end of the transaction: whoever changes its members does this first. */
export async function lockGroup(tx: Tx, accountId: string, id: string): Promise<UserGroupRow | null> {
  return (await forUpdate(tx, selectGroups(tx, accountId).where('id', '=', id)).executeTakeFirst()) ?? null;
}

export async function listGroups(
  reader: Reader,
  accountId: string,
  { filter, direction, start }: { filter: UserGroupFilter; direction: 'asc' | 'desc'; start: Start },
): Promise<UserGroupRow[]> {
  return await startAt(
    narrow(selectGroups(reader, accountId), filter),
    ['user_groups.name'],
    start,
    direction,
  ).execute();
}

/** Kept for the whole list, counted for a part of it. */
export async function countGroups(
  reader: Reader,
  accountId: string,
  filter: UserGroupFilter,
): Promise<number> {
  if (Object.values(filter).every((one) => one === undefined))
    return await readTotal(reader, accountId, TOTAL);
  return await countRows(narrow(selectGroups(reader, accountId), filter));
}

function narrow(select: GroupSelect, { ids, name, fuzzyName }: UserGroupFilter): GroupSelect {
  let query = select;
  if (ids !== undefined) query = query.where('id', 'in', [...ids]);
  if (name !== undefined) query = query.where('name', '=', name);
  if (fuzzyName !== undefined) query = query.where(isPart('user_groups.name_key', fuzzyName));
  return query;
}

/** SQLite has no escape character unless it is told one. */
function isPart(column: string, term: string) {
  return sql<boolean>`${sql.ref(column)} like ${likeLiteral(term)} escape '\\'`;
}

export async function insertGroup(tx: Tx, group: UserGroupRow): Promise<void> {
  await tx.query.insertInto('user_groups').values(group).execute();
  await addToTotal(tx, group.account_id, TOTAL, 1);
}

export async function updateGroupRow(
  tx: Tx,
  { account_id, id }: Pick<UserGroupRow, 'account_id' | 'id'>,
  change: Partial<UserGroupRow>,
): Promise<void> {
  await tx.query
    .updateTable('user_groups')
    .set(change)
    .where('account_id', '=', account_id)
    .where('id', '=', id)
    .execute();
}

/** Deletes the group; its memberships go by foreign key. */
export async function deleteGroupRow(
  tx: Tx,
  { account_id, id }: Pick<UserGroupRow, 'account_id' | 'id'>,
): Promise<void> {
  await tx.query
    .deleteFrom('user_groups')
    .where('account_id', '=', account_id)
    .where('id', '=', id)
    .execute();
  await addToTotal(tx, account_id, TOTAL, -1);
}

/** A member of a group, with the person. */
export interface StoredGroupMember {
  readonly id: string;
  readonly status: string;
  readonly created_on: string;
  readonly administrator_id: string;
  readonly email: string;
  readonly email_key: string;
  readonly first_name: string | null;
  readonly last_name: string | null;
}

type MemberSelect = SelectQueryBuilder<
  Tables,
  'user_group_members' | 'members' | 'administrators',
  StoredGroupMember
>;

function selectMembers(reader: Reader, groupId: string): MemberSelect {
  return reader.query
    .selectFrom('user_group_members')
    .innerJoin('members', 'members.id', 'user_group_members.member_id')
    .innerJoin('administrators', 'administrators.id', 'members.administrator_id')
    .select([
      'members.id',
      'members.status',
      'user_group_members.created_on',
      'administrators.id as administrator_id',
      seenEmail.as('email'),
      'administrators.email_key',
      seenFirstName.as('first_name'),
      seenLastName.as('last_name'),
    ])
    .where('user_group_members.user_group_id', '=', groupId);
}

export async function findGroupMember(
  reader: Reader,
  groupId: string,
  memberId: string,
): Promise<StoredGroupMember | null> {
  const row = await selectMembers(reader, groupId).where('members.id', '=', memberId).executeTakeFirst();
  return row ?? null;
}

/** A group has at most so many members: it is read and changed as one. */
export const MOST_MEMBERS = 10_000;

/** How many rows go into one statement; SQLite takes 32,766 values. */
const CHUNK = 1000;

/** All members of the group, by e-mail. */
export async function listAllMembers(reader: Reader, groupId: string): Promise<StoredGroupMember[]> {
  return await selectMembers(reader, groupId)
    .orderBy('administrators.email_key')
    .limit(MOST_MEMBERS)
    .execute();
}

export async function listMembersOf(
  reader: Reader,
  groupId: string,
  { fuzzyEmail, direction, start }: { fuzzyEmail?: string; direction: 'asc' | 'desc'; start: Start },
): Promise<StoredGroupMember[]> {
  const select = narrowMembers(selectMembers(reader, groupId), fuzzyEmail);
  return await startAt(select, ['administrators.email_key'], start, direction).execute();
}

export async function countMembersOf(
  reader: Reader,
  groupId: string,
  fuzzyEmail: string | undefined,
): Promise<number> {
  return await countRows(narrowMembers(selectMembers(reader, groupId), fuzzyEmail));
}

function narrowMembers(select: MemberSelect, fuzzyEmail: string | undefined): MemberSelect {
  return fuzzyEmail === undefined ? select : select.where(isPart('administrators.email_key', fuzzyEmail));
}

export async function insertGroupMembers(
  tx: Tx,
  group: Pick<UserGroupRow, 'account_id' | 'id'>,
  { memberIds, now }: { memberIds: readonly string[]; now: string },
): Promise<void> {
  const rows = memberIds.map((member_id) => ({
    user_group_id: group.id,
    member_id,
    account_id: group.account_id,
    created_on: now,
  }));
  for (let at = 0; at < rows.length; at += CHUNK) {
    await tx.query
      .insertInto('user_group_members')
      .values(rows.slice(at, at + CHUNK))
      .execute();
  }
}

export async function deleteGroupMembers(
  tx: Tx,
  groupId: string,
  memberIds: readonly string[],
): Promise<void> {
  if (memberIds.length === 0) return;
  await tx.query
    .deleteFrom('user_group_members')
    .where('user_group_id', '=', groupId)
    .where('member_id', 'in', [...memberIds])
    .execute();
}
