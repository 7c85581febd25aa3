import { forUpdate, type Reader, type Tx } from '../../database/database.ts';
import { countRows } from '../../database/paging.ts';
import type { PostureRuleRow } from '../../database/tables.ts';

function selectRules(reader: Reader, accountId: string) {
  return reader.query.selectFrom('posture_rules').selectAll().where('account_id', '=', accountId);
}

/** Nobody else adds posture rules to the account until the end of the transaction. */
export async function holdPostureRules(tx: Tx, accountId: string): Promise<void> {
  const organization = tx.query
    .selectFrom('organizations')
    .select('account_id')
    .where('account_id', '=', accountId);
  await forUpdate(tx, organization).execute();
}

export async function findPostureRule(
  reader: Reader,
  accountId: string,
  id: string,
): Promise<PostureRuleRow | null> {
  return (await selectRules(reader, accountId).where('id', '=', id).executeTakeFirst()) ?? null;
}

/** The rule of that id, locked until the end of the transaction: whoever names it waits. */
export async function lockPostureRule(tx: Tx, accountId: string, id: string): Promise<PostureRuleRow | null> {
  return (await forUpdate(tx, selectRules(tx, accountId).where('id', '=', id)).executeTakeFirst()) ?? null;
}

/** All of the account, oldest first. */
export async function listPostureRules(reader: Reader, accountId: string): Promise<PostureRuleRow[]> {
  return await selectRules(reader, accountId).orderBy('created_at').orderBy('id').execute();
}

export async function countPostureRules(reader: Reader, accountId: string): Promise<number> {
  return await countRows(selectRules(reader, accountId));
}

export async function insertPostureRule(tx: Tx, row: PostureRuleRow): Promise<void> {
  await tx.query.insertInto('posture_rules').values(row).execute();
}

export async function updatePostureRuleRow(tx: Tx, row: PostureRuleRow): Promise<void> {
  await tx.query
    .updateTable('posture_rules')
    .set(row)
    .where('account_id', '=', row.account_id)
    .where('id', '=', row.id)
    .execute();
}

export async function deletePostureRuleRow(
  tx: Tx,
  { account_id, id }: Pick<PostureRuleRow, 'account_id' | 'id'>,
): Promise<void> {
  await tx.query
    .deleteFrom('posture_rules')
    .where('account_id', '=', account_id)
    .where('id', '=', id)
    .execute();
}
