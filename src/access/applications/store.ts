import { forUpdate, type Reader, type Tx } from '../../database/database.ts';
import type { ApplicationRow, PolicyRow, Tables } from '../../database/tables.ts';

/** Cloudflare's limit of applications (reference §3.4); a list of them is read whole. */
export const MOST_APPLICATIONS = 500;

function selectApplications(reader: Reader, accountId: string) {
  return reader.query.selectFrom('applications').selectAll().where('account_id', '=', accountId);
}

export async function listApplications(reader: Reader, accountId: string): Promise<ApplicationRow[]> {
  return await selectApplications(reader, accountId)
    .orderBy('created_at')
    .orderBy('id')
    .limit(MOST_APPLICATIONS)
    .execute();
}

export async function findApplication(
  reader: Reader,
  accountId: string,
  id: string,
): Promise<ApplicationRow | null> {
  return (await selectApplications(reader, accountId).where('id', '=', id).executeTakeFirst()) ?? null;
}

export async function lockApplication(tx: Tx, accountId: string, id: string): Promise<ApplicationRow | null> {
  return (
    (await forUpdate(tx, selectApplications(tx, accountId).where('id', '=', id)).executeTakeFirst()) ?? null
  );
}

export async function insertApplication(tx: Tx, application: ApplicationRow): Promise<void> {
  await tx.query.insertInto('applications').values(application).execute();
}

export async function updateApplicationRow(
  tx: Tx,
  application: Pick<ApplicationRow, 'id' | 'account_id'>,
  change: Partial<ApplicationRow>,
): Promise<void> {
  await tx.query
    .updateTable('applications')
    .set(change)
    .where('account_id', '=', application.account_id)
    .where('id', '=', application.id)
    .execute();
}

/** Deletes the application; destinations, policies and hand-offs go by foreign key. */
export async function deleteApplicationRow(tx: Tx, accountId: string, id: string): Promise<void> {
  await tx.query
    .deleteFrom('applications')
    .where('account_id', '=', accountId)
    .where('id', '=', id)
    .execute();
}

/** Replaces the destinations; the database refuses one that any application has already. */
export async function putDestinations(
  tx: Tx,
  application: Pick<ApplicationRow, 'id' | 'account_id'>,
  destinations: readonly Omit<DestinationRow, 'application_id'>[],
): Promise<void> {
  await tx.query
    .deleteFrom('application_destinations')
    .where('application_id', '=', application.id)
    .execute();
  const rows = destinations.map(({ uri, host, path }, ordinal) => ({
    application_id: application.id,
    account_id: application.account_id,
    ordinal,
    uri,
    host,
    path,
  }));
  await tx.query.insertInto('application_destinations').values(rows).execute();
}

export type DestinationRow = Pick<
  Tables['application_destinations'],
  'application_id' | 'uri' | 'host' | 'path'
>;

/** Destinations of one application, or of all of the account, in their order. */
export async function listDestinations(
  reader: Reader,
  accountId: string,
  applicationId?: string,
): Promise<DestinationRow[]> {
  let query = reader.query
    .selectFrom('application_destinations')
    .select(['application_id', 'uri', 'host', 'path'])
    .where('account_id', '=', accountId);
  if (applicationId !== undefined) query = query.where('application_id', '=', applicationId);
  return await query.orderBy('application_id').orderBy('ordinal').execute();
}

/** Whether one of these hosts is a team domain, of whatever account. */
export async function isTeamDomain(reader: Reader, hosts: readonly string[]): Promise<boolean> {
  const row = await reader.query
    .selectFrom('organizations')
    .select('account_id')
    .where('auth_domain', 'in', [...hosts])
    .executeTakeFirst();
  return row !== undefined;
}

/** How many of these identity providers the account has. */
export async function countKnownProviders(
  reader: Reader,
  accountId: string,
  ids: readonly string[],
): Promise<number> {
  if (ids.length === 0) return 0;
  const rows = await reader.query
    .selectFrom('identity_providers')
    .select('id')
    .where('account_id', '=', accountId)
    .where('id', 'in', [...ids])
    .execute();
  return rows.length;
}

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

export async function insertPolicies(tx: Tx, policies: readonly PolicyRow[]): Promise<void> {
  if (policies.length > 0)
    await tx.query
      .insertInto('policies')
      .values([...policies])
      .execute();
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

export async function deletePoliciesOf(tx: Tx, accountId: string, applicationId: string): Promise<void> {
  await tx.query
    .deleteFrom('policies')
    .where('account_id', '=', accountId)
    .where('application_id', '=', applicationId)
    .execute();
}

/** Makes room at a place in the order: whatever is there and behind it moves back by one. */
export async function shiftPolicies(
  tx: Tx,
  application: Pick<ApplicationRow, 'id' | 'account_id'>,
  from: number,
): Promise<void> {
  await tx.query
    .updateTable('policies')
    .set((row) => ({ precedence: row('precedence', '+', 1) }))
    .where('account_id', '=', application.account_id)
    .where('application_id', '=', application.id)
    .where('precedence', '>=', from)
    .execute();
}
