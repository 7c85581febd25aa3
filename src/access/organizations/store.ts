import { forUpdate, type Reader, type Tx } from '../../database/database.ts';
import type { OrganizationRow } from '../../database/tables.ts';

function selectOrganization(reader: Reader, accountId: string) {
  return reader.query.selectFrom('organizations').selectAll().where('account_id', '=', accountId);
}

export async function findOrganization(reader: Reader, accountId: string): Promise<OrganizationRow | null> {
  return (await selectOrganization(reader, accountId).executeTakeFirst()) ?? null;
}

export async function lockOrganization(tx: Tx, accountId: string): Promise<OrganizationRow | null> {
  return (await forUpdate(tx, selectOrganization(tx, accountId)).executeTakeFirst()) ?? null;
}

export async function updateOrganizationRow(
  tx: Tx,
  accountId: string,
  change: Partial<OrganizationRow>,
): Promise<void> {
  await tx.query.updateTable('organizations').set(change).where('account_id', '=', accountId).execute();
}

/** Of every account, in the order of their ids. */
export async function listOrganizationSettings(
  reader: Reader,
): Promise<Pick<OrganizationRow, 'account_id' | 'settings'>[]> {
  return await reader.query
    .selectFrom('organizations')
    .select(['account_id', 'settings'])
    .orderBy('account_id')
    .execute();
}
