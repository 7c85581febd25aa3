import type { Reader } from '../../database/database.ts';

export async function findTokenOfPrincipal(
  reader: Reader,
  id: string,
): Promise<{ account_id: string | null; policies: string } | null> {
  const row = await reader.query
    .selectFrom('api_tokens')
    .select(['account_id', 'policies'])
    .where('id', '=', id)
    .executeTakeFirst();
  return row ?? null;
}

/** The accounts that an administrator is an accepted member of. */
export async function listAccountIdsOf(reader: Reader, administratorId: string): Promise<string[]> {
  const rows = await reader.query
    .selectFrom('members')
    .select('account_id')
    .where('administrator_id', '=', administratorId)
    .where('status', '=', 'accepted')
    .orderBy('account_id')
    .execute();
  return rows.map((row) => row.account_id);
}

/** What a membership gives: roles and policies, as stored. */
export interface MembershipRow {
  readonly id: string;
  readonly account_id: string;
  readonly roles: string;
  readonly policies: string;
}

/** The accepted memberships of an administrator, with what is theirs alone. */
export async function listMemberships(reader: Reader, administratorId: string): Promise<MembershipRow[]> {
  return await reader.query
    .selectFrom('members')
    .select(['id', 'account_id', 'roles', 'policies'])
    .where('administrator_id', '=', administratorId)
    .where('status', '=', 'accepted')
    .orderBy('account_id')
    .execute();
}

/** The policies, as stored, of the user groups that these memberships are in. */
export async function listGroupPolicies(
  reader: Reader,
  administratorId: string,
): Promise<{ account_id: string; policies: string }[]> {
  return await reader.query
    .selectFrom('members')
    .innerJoin('user_group_members', 'user_group_members.member_id', 'members.id')
    .innerJoin('user_groups', 'user_groups.id', 'user_group_members.user_group_id')
    .select(['user_groups.account_id', 'user_groups.policies'])
    .where('members.administrator_id', '=', administratorId)
    .where('members.status', '=', 'accepted')
    .whereRef('user_groups.account_id', '=', 'members.account_id')
    .execute();
}

/** The account of each of these zones that exists. */
export async function listZoneOwners(
  reader: Reader,
  zoneIds: readonly string[],
): Promise<Map<string, string>> {
  if (zoneIds.length === 0) return new Map();
  const rows = await reader.query
    .selectFrom('zones')
    .select(['id', 'account_id'])
    .where('id', 'in', [...zoneIds])
    .execute();
  return new Map(rows.map((row) => [row.id, row.account_id]));
}
