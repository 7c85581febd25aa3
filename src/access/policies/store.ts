import { sql } from 'kysely';
import { forKeyShare, forUpdate, type Reader, type Tx } from '../../database/database.ts';
import { countRows, type Start, startAt } from '../../database/paging.ts';
import type { ReusablePolicyRow } from '../../database/tables.ts';

function selectPolicies(reader: Reader, accountId: string) {
  return reader.query.selectFrom('reusable_policies').selectAll().where('account_id', '=', accountId);
}

export async function findPolicy(
  reader: Reader,
  accountId: string,
  id: string,
): Promise<ReusablePolicyRow | null> {
  return (await selectPolicies(reader, accountId).where('id', '=', id).executeTakeFirst()) ?? null;
}

/** The policy of that id, locked until the end of the transaction. */
export async function lockPolicy(tx: Tx, accountId: string, id: string): Promise<ReusablePolicyRow | null> {
  return (await forUpdate(tx, selectPolicies(tx, accountId).where('id', '=', id)).executeTakeFirst()) ?? null;
}

/** Those of these ids, none of which can change or go until the end of the transaction. */
export async function holdPolicies(
  tx: Tx,
  accountId: string,
  ids: readonly string[],
): Promise<ReusablePolicyRow[]> {
  if (ids.length === 0) return [];
  const select = selectPolicies(tx, accountId)
    .where('id', 'in', [...ids])
    .orderBy('id');
  return await forKeyShare(tx, select, 'reusable_policies').execute();
}

/** Those that applications of the account use, or this one. */
export async function listPoliciesInUse(
  reader: Reader,
  accountId: string,
  applicationId?: string,
): Promise<ReusablePolicyRow[]> {
  let used = reader.query
    .selectFrom('application_policies')
    .select('policy_id')
    .where('account_id', '=', accountId);
  if (applicationId !== undefined) used = used.where('application_id', '=', applicationId);
  return await selectPolicies(reader, accountId).where('id', 'in', used).execute();
}

export async function listPolicies(
  reader: Reader,
  accountId: string,
  start: Start,
): Promise<ReusablePolicyRow[]> {
  return await startAt(selectPolicies(reader, accountId), ['created_at', 'id'], start).execute();
}

export async function listAllPolicies(reader: Reader, accountId: string): Promise<ReusablePolicyRow[]> {
  return await selectPolicies(reader, accountId).orderBy('created_at').orderBy('id').execute();
}

export async function countPolicies(reader: Reader, accountId: string): Promise<number> {
  return await countRows(selectPolicies(reader, accountId));
}

/** How many applications use each of these policies; what is not in use is left out. */
export async function countUses(
  reader: Reader,
  accountId: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  if (ids.length === 0) return new Map();
  const rows = await reader.query
    .selectFrom('application_policies')
    .select(['policy_id', sql<number>`count(*)`.as('uses')])
    .where('account_id', '=', accountId)
    .where('policy_id', 'in', [...ids])
    .groupBy('policy_id')
    .execute();
  return new Map(rows.map(({ policy_id, uses }) => [policy_id, Number(uses)]));
}

/** Applications that use the policy, by name. */
export async function listUsers(
  reader: Reader,
  { accountId, id, limit }: { accountId: string; id: string; limit: number },
): Promise<{ id: string; name: string }[]> {
  return await reader.query
    .selectFrom('application_policies')
    .innerJoin('applications', 'applications.id', 'application_policies.application_id')
    .select(['applications.id', 'applications.name'])
    .where('application_policies.account_id', '=', accountId)
    .where('policy_id', '=', id)
    .orderBy('applications.name')
    .orderBy('applications.id')
    .limit(limit)
    .execute();
}

export async function insertPolicy(tx: Tx, policy: ReusablePolicyRow): Promise<void> {
  await tx.query.insertInto('reusable_policies').values(policy).execute();
}

export async function updatePolicyRow(tx: Tx, policy: ReusablePolicyRow): Promise<void> {
  const { id, account_id, ...change } = policy;
  await tx.query
    .updateTable('reusable_policies')
    .set(change)
    .where('account_id', '=', account_id)
    .where('id', '=', id)
    .execute();
}

export async function deletePolicyRow(
  tx: Tx,
  { id, account_id }: Pick<ReusablePolicyRow, 'id' | 'account_id'>,
): Promise<void> {
  await tx.query
    .deleteFrom('reusable_policies')
    .where('account_id', '=', account_id)
    .where('id', '=', id)
    .execute();
}
