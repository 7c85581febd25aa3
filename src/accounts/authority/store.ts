import type { Reader, Tx } from '../../database/database.ts';
import type { ApiTokenRow } from '../../database/tables.ts';

export async function findToken(reader: Reader, secretHash: string): Promise<ApiTokenRow | null> {
  const row = await reader.query
    .selectFrom('api_tokens')
    .selectAll()
    .where('secret_hash', '=', secretHash)
    .executeTakeFirst();
  return row ?? null;
}

export async function findTokenById(reader: Reader, id: string): Promise<ApiTokenRow | null> {
  return (
    (await reader.query.selectFrom('api_tokens').selectAll().where('id', '=', id).executeTakeFirst()) ?? null
  );
}

export interface KeyHolder {
  readonly id: string;
  readonly email: string;
  readonly key_hash: string | null;
}

export async function findAdministratorByEmail(reader: Reader, emailKey: string): Promise<KeyHolder | null> {
  const row = await reader.query
    .selectFrom('administrators')
    .select(['id', 'email', 'key_hash'])
    .where('email_key', '=', emailKey)
    .executeTakeFirst();
  return row ?? null;
}

export async function findAdministrator(reader: Reader, id: string): Promise<KeyHolder | null> {
  const row = await reader.query
    .selectFrom('administrators')
    .select(['id', 'email', 'key_hash'])
    .where('id', '=', id)
    .executeTakeFirst();
  return row ?? null;
}

/** What a member may do, as stored: roles, own policies, and the policies of each of their groups (JSON). */
export interface MemberRights {
  readonly roles: string;
  readonly policies: readonly string[];
}

/** The rights of an administrator in an account; null without an accepted membership there. */
export async function findMemberRights(
  reader: Reader,
  of: { accountId: string; administratorId: string },
): Promise<MemberRights | null> {
  const member = await reader.query
    .selectFrom('members')
    .select(['id', 'roles', 'policies'])
    .where('account_id', '=', of.accountId)
    .where('administrator_id', '=', of.administratorId)
    .where('status', '=', 'accepted')
    .executeTakeFirst();
  if (!member) return null;
  const groups = await reader.query
    .selectFrom('user_group_members')
    .innerJoin('user_groups', 'user_groups.id', 'user_group_members.user_group_id')
    .select('user_groups.policies')
    .where('user_group_members.member_id', '=', member.id)
    .where('user_groups.account_id', '=', of.accountId)
    .execute();
  return { roles: member.roles, policies: [member.policies, ...groups.map((group) => group.policies)] };
}

/** Notes that the token was used, at most once per `since`. */
export async function touchToken(tx: Tx, token: { id: string; now: string; since: string }): Promise<void> {
  await tx.query
    .updateTable('api_tokens')
    .set({ last_used_on: token.now })
    .where('id', '=', token.id)
    .where((row) => row.or([row('last_used_on', 'is', null), row('last_used_on', '<', token.since)]))
    .execute();
}

export async function findZoneById(reader: Reader, id: string) {
  const row = await reader.query
    .selectFrom('zones')
    .select(['id', 'name', 'account_id'])
    .where('id', '=', id)
    .executeTakeFirst();
  return row ?? null;
}
