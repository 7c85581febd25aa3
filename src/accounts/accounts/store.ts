import type { SelectQueryBuilder } from 'kysely';
import { forUpdate, type Reader, type Tx } from '../../database/database.ts';
import { countRows, type Start, startAt } from '../../database/paging.ts';
import type { AccountRow, OrganizationRow, Tables } from '../../database/tables.ts';

export type StoredAccount = AccountRow;

export interface AccountFilter {
  /** Only these; the caller has asked which of them may be seen. */
  readonly ids: readonly string[];
  readonly name?: string;
}

/** One that was deleted is none. */
function selectAccounts(reader: Reader) {
  return reader.query
    .selectFrom('accounts')
    .select(['id', 'name', 'type', 'created_on', 'settings', 'seat_limit'])
    .where('deleted_at', 'is', null);
}

export async function findAccount(reader: Reader, id: string): Promise<StoredAccount | null> {
  return (await selectAccounts(reader).where('id', '=', id).executeTakeFirst()) ?? null;
}

export async function lockAccount(tx: Tx, id: string): Promise<StoredAccount | null> {
  return (await forUpdate(tx, selectAccounts(tx).where('id', '=', id)).executeTakeFirst()) ?? null;
}

export async function updateAccountRow(
  tx: Tx,
  id: string,
  change: Pick<StoredAccount, 'name' | 'type' | 'settings'>,
): Promise<void> {
  await tx.query.updateTable('accounts').set(change).where('id', '=', id).execute();
}

export async function listAccounts(
  reader: Reader,
  { filter, direction, start }: { filter: AccountFilter; direction: 'asc' | 'desc'; start: Start },
): Promise<StoredAccount[]> {
  if (filter.ids.length === 0) return [];
  const select = narrow(selectAccounts(reader), filter);
  return await startAt(select, ['accounts.name', 'accounts.id'], start, direction).execute();
}

export async function countAccounts(reader: Reader, filter: AccountFilter): Promise<number> {
  if (filter.ids.length === 0) return 0;
  return await countRows(narrow(selectAccounts(reader), filter));
}

function narrow(select: SelectQueryBuilder<Tables, 'accounts', StoredAccount>, filter: AccountFilter) {
  const query = select.where('accounts.id', 'in', [...filter.ids]);
  return filter.name === undefined ? query : query.where('accounts.name', '=', filter.name);
}

/** Inserts the account with the beginning of its feed, and its Zero Trust organization. */
export async function insertAccount(
  tx: Tx,
  { account, organization }: { account: StoredAccount; organization: OrganizationRow },
): Promise<void> {
  await tx.query.insertInto('accounts').values(account).execute();
  await tx.query
    .insertInto('feed_heads')
    .values({ account_id: account.id, epoch: 1, position: 0, floor: 0 })
    .execute();
  await tx.query.insertInto('organizations').values(organization).execute();
}
