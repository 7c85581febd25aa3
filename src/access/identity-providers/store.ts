import { forUpdate, type Reader, type Tx } from '../../database/database.ts';
import { countRows, type Start, startAt } from '../../database/paging.ts';
import type { IdentityProviderRow } from '../../database/tables.ts';

function selectProviders(reader: Reader, accountId: string) {
  return reader.query.selectFrom('identity_providers').selectAll().where('account_id', '=', accountId);
}

export async function findProvider(
  reader: Reader,
  accountId: string,
  id: string,
): Promise<IdentityProviderRow | null> {
  return (await selectProviders(reader, accountId).where('id', '=', id).executeTakeFirst()) ?? null;
}

export async function lockProvider(
  tx: Tx,
  accountId: string,
  id: string,
): Promise<IdentityProviderRow | null> {
  return (
    (await forUpdate(tx, selectProviders(tx, accountId).where('id', '=', id)).executeTakeFirst()) ?? null
  );
}

export async function listProviders(
  reader: Reader,
  accountId: string,
  start: Start,
): Promise<IdentityProviderRow[]> {
  return await startAt(selectProviders(reader, accountId), ['created_at', 'id'], start).execute();
}

export async function countProviders(reader: Reader, accountId: string): Promise<number> {
  return await countRows(selectProviders(reader, accountId));
}

export async function countProvidersOfType(reader: Reader, accountId: string, type: string): Promise<number> {
  return await countRows(selectProviders(reader, accountId).where('type', '=', type));
}

export async function insertProvider(tx: Tx, provider: IdentityProviderRow): Promise<void> {
  await tx.query.insertInto('identity_providers').values(provider).execute();
}

export async function updateProviderRow(
  tx: Tx,
  provider: Pick<IdentityProviderRow, 'id' | 'account_id'>,
  change: Partial<IdentityProviderRow>,
): Promise<void> {
  await tx.query
    .updateTable('identity_providers')
    .set(change)
    .where('account_id', '=', provider.account_id)
    .where('id', '=', provider.id)
    .execute();
}

/** Deletes the provider; identities, sessions and sign-ins under way go by foreign key. */
export async function deleteProviderRow(tx: Tx, accountId: string, id: string): Promise<void> {
  await tx.query
    .deleteFrom('identity_providers')
    .where('account_id', '=', accountId)
    .where('id', '=', id)
    .execute();
}

/** Forgets every identity that the provider vouched for; their sessions go by foreign key. */
export async function deleteIdentitiesThrough(
  tx: Tx,
  accountId: string,
  providerId: string,
): Promise<number> {
  const result = await tx.query
    .deleteFrom('identities')
    .where('account_id', '=', accountId)
    .where('provider_id', '=', providerId)
    .executeTakeFirst();
  return Number(result.numDeletedRows);
}

/** Ends every session that came through the provider, and forgets what it told of anybody. */
export async function endSessionsThrough(tx: Tx, accountId: string, providerId: string): Promise<void> {
  await tx.query
    .deleteFrom('sessions')
    .where('account_id', '=', accountId)
    .where('provider_id', '=', providerId)
    .execute();
  await tx.query
    .updateTable('identities')
    .set({ claims: '{}' })
    .where('account_id', '=', accountId)
    .where('provider_id', '=', providerId)
    .execute();
}
