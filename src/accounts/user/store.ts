import { forUpdate, type Reader, type Tx } from '../../database/database.ts';
import type { AddressColumns, AdministratorRow } from '../../database/tables.ts';

export type StoredPerson = AdministratorRow & AddressColumns;

export type PersonChange = Pick<StoredPerson, 'first_name' | 'last_name' | keyof AddressColumns>;

function selectPerson(reader: Reader, id: string) {
  return reader.query.selectFrom('administrators').selectAll().where('id', '=', id);
}

export async function findPerson(reader: Reader, id: string): Promise<StoredPerson | null> {
  return (await selectPerson(reader, id).executeTakeFirst()) ?? null;
}

export async function lockPerson(tx: Tx, id: string): Promise<StoredPerson | null> {
  return (await forUpdate(tx, selectPerson(tx, id)).executeTakeFirst()) ?? null;
}

export async function updatePerson(tx: Tx, id: string, change: PersonChange): Promise<void> {
  await tx.query.updateTable('administrators').set(change).where('id', '=', id).execute();
}

/** The person's accepted memberships among these accounts, with the account's name, by that name. */
export async function listJoined(reader: Reader, id: string, accountIds: readonly string[]) {
  if (accountIds.length === 0) return [];
  return await reader.query
    .selectFrom('members')
    .innerJoin('accounts', 'accounts.id', 'members.account_id')
    .select(['accounts.id', 'accounts.name', 'members.roles'])
    .where('members.administrator_id', '=', id)
    .where('members.status', '=', 'accepted')
    .where('accounts.id', 'in', [...accountIds])
    .orderBy('accounts.name')
    .orderBy('accounts.id')
    .limit(1000)
    .execute();
}
