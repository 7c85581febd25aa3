import { forUpdate, type Reader, type Tx } from '../../database/database.ts';
import { hasName, teamDomains } from '../../database/host-names.ts';
import type { ApplicationRow, Tables } from '../../database/tables.ts';

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

/** The application of that id or AUD tag. */
export async function findApplication(
  reader: Reader,
  accountId: string,
  name: string,
): Promise<ApplicationRow | null> {
  return (await selectNamed(reader, accountId, name).executeTakeFirst()) ?? null;
}

export async function lockApplication(
  tx: Tx,
  accountId: string,
  name: string,
): Promise<ApplicationRow | null> {
  return (await forUpdate(tx, selectNamed(tx, accountId, name)).executeTakeFirst()) ?? null;
}

function selectNamed(reader: Reader, accountId: string, name: string) {
  return selectApplications(reader, accountId).where((row) =>
    row.or([row('id', '=', name), row('aud', '=', name)]),
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
  const rows = destinations.map(({ uri, host, path, upstream }, ordinal) => ({
    application_id: application.id,
    account_id: application.account_id,
    ordinal,
    uri,
    host,
    path,
    upstream,
  }));
  await tx.query.insertInto('application_destinations').values(rows).execute();
}

export type DestinationRow = Pick<
  Tables['application_destinations'],
  'application_id' | 'uri' | 'host' | 'path' | 'upstream'
>;

/** Destinations of one application, or of all of the account, in their order. */
export async function listDestinations(
  reader: Reader,
  accountId: string,
  applicationId?: string,
): Promise<DestinationRow[]> {
  let query = reader.query
    .selectFrom('application_destinations')
    .select(['application_id', 'uri', 'host', 'path', 'upstream'])
    .where('account_id', '=', accountId);
  if (applicationId !== undefined) query = query.where('application_id', '=', applicationId);
  return await query.orderBy('application_id').orderBy('ordinal').execute();
}

/** The team domains of these names, whatever the port and account, and those that deleted accounts had. */
export async function listTeamDomainsNamed(
  reader: Reader,
  names: readonly string[],
): Promise<{ host: string; account_id: string }[]> {
  return await reader.query
    .selectFrom(teamDomains(reader))
    .select(['host', 'account_id'])
    .where((one) => one.or(names.map((name) => hasName(one.ref('host'), name))))
    .execute();
}

/** Whether another account has an application on a host name, whatever the port and path. */
export async function isElsewhere(reader: Reader, accountId: string, hostname: string): Promise<boolean> {
  const row = await reader.query
    .selectFrom('application_destinations')
    .select('account_id')
    .where('account_id', '<>', accountId)
    .where((destination) => hasName(destination.ref('host'), hostname))
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** The zones of these names, of whatever account. */
export async function listZonesNamed(
  reader: Reader,
  names: readonly string[],
): Promise<{ name: string; account_id: string }[]> {
  return await reader.query
    .selectFrom('zones')
    .select(['name', 'account_id'])
    .where('name', 'in', [...names])
    .execute();
}

/** Which of these identity providers the account has. */
export async function listKnownProviders(
  reader: Reader,
  accountId: string,
  ids: readonly string[],
): Promise<string[]> {
  if (ids.length === 0) return [];
  const rows = await reader.query
    .selectFrom('identity_providers')
    .select('id')
    .where('account_id', '=', accountId)
    .where('id', 'in', [...ids])
    .execute();
  return rows.map(({ id }) => id);
}

/** Which of these custom pages the account has, and of which type each is. */
export async function listKnownPages(
  reader: Reader,
  accountId: string,
  ids: readonly string[],
): Promise<{ id: string; type: string }[]> {
  if (ids.length === 0) return [];
  return await reader.query
    .selectFrom('custom_pages')
    .select(['id', 'type'])
    .where('account_id', '=', accountId)
    .where('id', 'in', [...ids])
    .execute();
}

/** Whether the organization lets device sessions be credentials. */
export async function allowsDevices(reader: Reader, accountId: string): Promise<boolean> {
  const row = await reader.query
    .selectFrom('organizations')
    .select('settings')
    .where('account_id', '=', accountId)
    .executeTakeFirst();
  const settings = JSON.parse(row?.settings ?? '{}') as { allow_authenticate_via_warp?: unknown };
  return settings.allow_authenticate_via_warp === true;
}
