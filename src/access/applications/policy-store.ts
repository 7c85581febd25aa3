import type { Reader, Tx } from '../../database/database.ts';
import type { ApplicationRow, PolicyRow, Tables } from '../../database/tables.ts';

/** Policies of one application, or of all of the account, in the order in which they are judged. */
export async function listPolicies(
  reader: Reader,
  accountId: string,
  applicationId?: string,
): Promise<PolicyRow[]> {
  let query = reader.query.selectFrom('policies').selectAll().where('account_id', '=', accountId);
  if (applicationId !== undefined) query = query.where('application_id', '=', applicationId);
  return await query.orderBy('application_id').orderBy('precedence').orderBy('id').execute();
}

export async function insertPolicy(tx: Tx, policy: PolicyRow): Promise<void> {
  await tx.query.insertInto('policies').values(policy).execute();
}

export async function updatePolicyRow(tx: Tx, policy: PolicyRow): Promise<void> {
  const { id, account_id, application_id: _, ...change } = policy;
  await tx.query
    .updateTable('policies')
    .set(change)
    .where('account_id', '=', account_id)
    .where('id', '=', id)
    .execute();
}

export async function deletePolicyRow(tx: Tx, accountId: string, id: string): Promise<void> {
  await tx.query.deleteFrom('policies').where('account_id', '=', accountId).where('id', '=', id).execute();
}

/** Reusable policies of one application, or of all of the account. */
export async function listLinks(
  reader: Reader,
  accountId: string,
  applicationId?: string,
): Promise<Tables['application_policies'][]> {
  let query = reader.query.selectFrom('application_policies').selectAll().where('account_id', '=', accountId);
  if (applicationId !== undefined) query = query.where('application_id', '=', applicationId);
  return await query.execute();
}

type OfApplication = Pick<ApplicationRow, 'id' | 'account_id'>;

/** Replaces the policies of an application, its own and reusable ones. */
export async function replacePolicies(
  tx: Tx,
  { id, account_id }: OfApplication,
  { own, links }: { own: readonly PolicyRow[]; links: readonly { policyId: string; precedence: number }[] },
): Promise<void> {
  for (const table of ['policies', 'application_policies'] as const) {
    await tx.query
      .deleteFrom(table)
      .where('account_id', '=', account_id)
      .where('application_id', '=', id)
      .execute();
  }
  const linked = links.map(({ policyId: policy_id, precedence }) => ({
    ...{ application_id: id, account_id, policy_id, precedence },
  }));
  if (own.length > 0)
    await tx.query
      .insertInto('policies')
      .values([...own])
      .execute();
  if (linked.length > 0) await tx.query.insertInto('application_policies').values(linked).execute();
}

/** Makes room at a place in the order: whatever is there and behind it moves back by one. */
export async function shiftPolicies(tx: Tx, { id, account_id }: OfApplication, from: number): Promise<void> {
  for (const table of ['policies', 'application_policies'] as const) {
    await tx.query
      .updateTable(table as 'policies')
      .set((row) => ({ precedence: row('precedence', '+', 1) }))
      .where('account_id', '=', account_id)
      .where('application_id', '=', id)
      .where('precedence', '>=', from)
      .execute();
  }
}
