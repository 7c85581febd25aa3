import type { SelectQueryBuilder } from 'kysely';
import type { Reader } from '../../database/database.ts';
import { countRows, type Start, startAt } from '../../database/paging.ts';
import type { AccountRow, MemberRow, Tables } from '../../database/tables.ts';

/** A membership with the name of the account that it is of. */
export interface StoredMembership extends MemberRow {
  readonly account_name: string;
}

export type MembershipOrder = 'id' | 'account.name' | 'status';

export interface MembershipFilter {
  readonly status?: string;
  /** Exact names; all of them must be that of the account. */
  readonly names: readonly string[];
}

type MembershipSelect = SelectQueryBuilder<Tables, 'members' | 'accounts', StoredMembership>;

function selectMemberships(reader: Reader, administratorId: string): MembershipSelect {
  return reader.query
    .selectFrom('members')
    .innerJoin('accounts', 'accounts.id', 'members.account_id')
    .selectAll('members')
    .select('accounts.name as account_name')
    .where('members.administrator_id', '=', administratorId);
}

/** The accounts of these memberships, by id. */
export async function findAccounts(
  reader: Reader,
  memberships: readonly StoredMembership[],
): Promise<Map<string, AccountRow>> {
  if (memberships.length === 0) return new Map();
  const ids = memberships.map((membership) => membership.account_id);
  const rows = await reader.query.selectFrom('accounts').selectAll().where('id', 'in', ids).execute();
  return new Map(rows.map((row) => [row.id, row]));
}

export async function findMembership(
  reader: Reader,
  administratorId: string,
  id: string,
): Promise<StoredMembership | null> {
  const select = selectMemberships(reader, administratorId).where('members.id', '=', id);
  return (await select.executeTakeFirst()) ?? null;
}

const COLUMNS: Record<MembershipOrder, readonly string[]> = {
  id: ['members.id'],
  'account.name': ['accounts.name', 'members.id'],
  status: ['members.status', 'members.id'],
};

/** The columns of that order, of one row. */
export function keyOfMembership(membership: StoredMembership, order: MembershipOrder): string[] {
  const { id, status, account_name } = membership;
  if (order === 'id') return [id];
  return [order === 'status' ? status : account_name, id];
}

interface Listed {
  readonly filter: MembershipFilter;
  readonly order: MembershipOrder;
  readonly direction: 'asc' | 'desc';
  readonly start: Start;
}

export async function listMemberships(
  reader: Reader,
  administratorId: string,
  { filter, order, direction, start }: Listed,
): Promise<StoredMembership[]> {
  const select = narrow(selectMemberships(reader, administratorId), filter);
  return await startAt(select, COLUMNS[order], start, direction).execute();
}

export async function countMemberships(
  reader: Reader,
  administratorId: string,
  filter: MembershipFilter,
): Promise<number> {
  return await countRows(narrow(selectMemberships(reader, administratorId), filter));
}

function narrow(select: MembershipSelect, { status, names }: MembershipFilter): MembershipSelect {
  let query = select;
  if (status !== undefined) query = query.where('members.status', '=', status);
  for (const name of names) query = query.where('accounts.name', '=', name);
  return query;
}
