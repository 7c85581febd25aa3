import { forUpdate, type Reader, type Tx } from '../../database/database.ts';
import { isOnOrBelow, teamDomains } from '../../database/host-names.ts';
import { countRows } from '../../database/paging.ts';
import type { AccountCreationRow, AdministratorRow, ApiTokenRow, MemberRow } from '../../database/tables.ts';

export async function hasAccounts(reader: Reader): Promise<boolean> {
  return (await reader.query.selectFrom('accounts').select('id').limit(1).executeTakeFirst()) !== undefined;
}

/** The oldest account, with its team domain and zone: the one that the first start made. */
export async function findFirstAccount(reader: Reader) {
  const row = await reader.query
    .selectFrom('accounts')
    .innerJoin('organizations', 'organizations.account_id', 'accounts.id')
    .leftJoin('zones', 'zones.account_id', 'accounts.id')
    .select(['accounts.id', 'organizations.auth_domain', 'zones.id as zone_id'])
    .orderBy('accounts.created_on')
    .orderBy('accounts.id')
    .orderBy('zones.created_on')
    .limit(1)
    .executeTakeFirst();
  return row ?? null;
}

export async function insertAdministrator(tx: Tx, administrator: AdministratorRow): Promise<void> {
  await tx.query.insertInto('administrators').values(administrator).execute();
}

export async function insertMember(tx: Tx, member: MemberRow): Promise<void> {
  await tx.query.insertInto('members').values(member).execute();
}

export async function insertToken(tx: Tx, token: ApiTokenRow): Promise<void> {
  await tx.query.insertInto('api_tokens').values(token).execute();
}

/** Accepted members of the account with their administrators, oldest first. */
export async function listAcceptedMembers(reader: Reader, accountId: string) {
  return await reader.query
    .selectFrom('members')
    .innerJoin('administrators', 'administrators.id', 'members.administrator_id')
    .select(['members.id', 'members.roles', 'administrators.id as administrator_id', 'administrators.email'])
    .where('members.account_id', '=', accountId)
    .where('members.status', '=', 'accepted')
    .orderBy('members.created_on')
    .orderBy('members.id')
    .limit(1000)
    .execute();
}

/** The member with that e-mail, the person's row locked: whoever removes them comes before or after. */
export async function lockMemberByEmail(tx: Tx, accountId: string, emailKey: string) {
  const person = tx.query.selectFrom('administrators').select('id').where('email_key', '=', emailKey);
  await forUpdate(tx, person).execute();
  const row = await tx.query
    .selectFrom('members')
    .innerJoin('administrators', 'administrators.id', 'members.administrator_id')
    .select(['members.id', 'administrators.id as administrator_id', 'administrators.email'])
    .where('members.account_id', '=', accountId)
    .where('administrators.email_key', '=', emailKey)
    .executeTakeFirst();
  return row ?? null;
}

export async function setKey(tx: Tx, administratorId: string, keyHash: string): Promise<void> {
  await tx.query
    .updateTable('administrators')
    .set({ key_hash: keyHash })
    .where('id', '=', administratorId)
    .execute();
}

export async function acceptMember(tx: Tx, memberId: string): Promise<void> {
  await tx.query.updateTable('members').set({ status: 'accepted' }).where('id', '=', memberId).execute();
}

/** Replaces the account token of that name. */
export async function deleteTokensNamed(tx: Tx, accountId: string, name: string): Promise<void> {
  await tx.query
    .deleteFrom('api_tokens')
    .where('account_id', '=', accountId)
    .where('name', '=', name)
    .execute();
}

/** The accounts that the administrator has joined. */
export async function listAccountsOf(reader: Reader, administratorId: string): Promise<string[]> {
  const rows = await reader.query
    .selectFrom('members')
    .select('account_id')
    .where('administrator_id', '=', administratorId)
    .where('status', '=', 'accepted')
    .orderBy('account_id')
    .execute();
  return rows.map((row) => row.account_id);
}

/** How many accounts the person has joined: invitations do not count, since anybody may send them. */
export async function countMembershipsOf(reader: Reader, administratorId: string): Promise<number> {
  return (await listAccountsOf(reader, administratorId)).length;
}

/**
 * Whether any account has the name or one below it, on any port: as team domain, now or before it was deleted, as zone,
 * or for an application.
 */
export async function isNameTaken(reader: Reader, name: string): Promise<boolean> {
  const row = await reader.query
    .selectFrom(teamDomains(reader))
    .select('account_id')
    .where((one) => isOnOrBelow(one.ref('host'), name))
    .unionAll(
      reader.query
        .selectFrom('zones')
        .select('account_id')
        .where((one) => isOnOrBelow(one.ref('name'), name)),
    )
    .unionAll(
      reader.query
        .selectFrom('application_destinations')
        .select('account_id')
        .where((one) => isOnOrBelow(one.ref('host'), name)),
    )
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** How many accounts the person has made, those included that were deleted since. */
export async function countAccountsMadeBy(reader: Reader, administratorId: string): Promise<number> {
  const select = reader.query.selectFrom('accounts').selectAll();
  return await countRows(select.where('created_by', '=', administratorId));
}

/** Keeps by whom the account was made. */
export async function setMaker(tx: Tx, accountId: string, administratorId: string): Promise<void> {
  await tx.query
    .updateTable('accounts')
    .set({ created_by: administratorId })
    .where('id', '=', accountId)
    .execute();
}

/** What was answered to a key since then, and whether the account has been deleted. */
export async function findCreation(reader: Reader, id: string, since: string) {
  const row = await reader.query
    .selectFrom('account_creations')
    .innerJoin('accounts', 'accounts.id', 'account_creations.account_id')
    .select(['account_creations.request', 'account_creations.answer', 'accounts.deleted_at'])
    .where('account_creations.id', '=', id)
    .where('account_creations.at', '>=', since)
    .executeTakeFirst();
  return row ?? null;
}

export async function insertCreation(tx: Tx, row: AccountCreationRow): Promise<void> {
  await tx.query.insertInto('account_creations').values(row).execute();
}

export async function dropCreationsBefore(tx: Tx, time: string): Promise<void> {
  await tx.query.deleteFrom('account_creations').where('at', '<', time).execute();
}
