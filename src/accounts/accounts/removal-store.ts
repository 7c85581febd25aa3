import { forUpdate, type Reader, type Tx } from '../../database/database.ts';
import { inParts } from '../../database/parts.ts';
import type { Tables } from '../../database/tables.ts';

/**
 * The tables that an account has rows in, children before whom they name; what goes by foreign key with another is
 * not among them.
 */
export const EMPTIED = [
  'application_tags',
  'application_policies',
  'sign_in_pins',
  'sign_in_states',
  'sessions',
  'users',
  'applications',
  'reusable_policies',
  'access_tags',
  'access_groups',
  'rule_references',
  'lists',
  'posture_rules',
  'certificates',
  'custom_pages',
  'blocked_users',
  'policy_tests',
  'service_tokens',
  'device_enrolments',
  'physical_devices',
  'identity_providers',
  'pin_counts',
  'access_requests',
  'gates',
  'signing_keys',
  'key_settings',
  'api_tokens',
  'user_groups',
  'members',
  'resource_groups',
  'zones',
  'organizations',
  'totals',
] as const satisfies readonly (keyof Tables)[];

/** Deletes all that the account has, but for its feed, its audit log and the answers that may be asked for again. */
export async function emptyAccountTables(tx: Tx, accountId: string): Promise<void> {
  for (const table of EMPTIED) {
    await tx.query.deleteFrom(table).where('account_id', '=', accountId).execute();
  }
}

/** The account stays as a row that nobody sees; its team domain is kept from others. */
export async function markDeleted(tx: Tx, accountId: string, now: string): Promise<void> {
  await tx.query
    .updateTable('accounts')
    .set((row) => ({
      deleted_at: now,
      settings: '{}',
      former_auth_domain: row
        .selectFrom('organizations')
        .select('auth_domain')
        .where('organizations.account_id', '=', accountId),
    }))
    .where('id', '=', accountId)
    .execute();
}

/** The account that the first start made. */
export async function findOldestAccountId(reader: Reader): Promise<string | null> {
  const row = await reader.query
    .selectFrom('accounts')
    .select('id')
    .where('deleted_at', 'is', null)
    .orderBy('created_on')
    .orderBy('id')
    .limit(1)
    .executeTakeFirst();
  return row?.id ?? null;
}

/** Keeps the members of the account from joining or leaving others until the transaction ends. */
export async function lockPersonsOf(tx: Tx, accountId: string): Promise<void> {
  const select = tx.query
    .selectFrom('administrators')
    .select('id')
    .where('id', 'in', (row) =>
      row.selectFrom('members').select('administrator_id').where('account_id', '=', accountId),
    )
    .orderBy('id');
  await forUpdate(tx, select).execute();
}

/**
 * Ends the keys and tokens of the people who are members of this account and of no other. Those whom nobody else knows
 * are deleted; whom another account has invited stays as somebody who has been invited.
 */
export async function endPersonsOnlyOf(tx: Tx, accountId: string): Promise<void> {
  await deletePersonsOnlyOf(tx, accountId);
  const ids = await listJoinedOnly(tx, accountId);
  await inParts(ids, async (some) => {
    await tx.query
      .deleteFrom('api_tokens')
      .where('administrator_id', 'in', [...some])
      .execute();
    return await tx.query
      .updateTable('administrators')
      .set({
        ...{ key_hash: null, first_name: null, last_name: null },
        ...{ country: null, telephone: null, zipcode: null },
      })
      .where('id', 'in', [...some])
      .execute();
  });
}

/** Those who have joined this account and no other. */
async function listJoinedOnly(reader: Reader, accountId: string): Promise<string[]> {
  const rows = await reader.query
    .selectFrom('members')
    .select('administrator_id')
    .where('account_id', '=', accountId)
    .where('status', '=', 'accepted')
    .where('administrator_id', 'not in', (row) =>
      row
        .selectFrom('members')
        .select('administrator_id')
        .where('account_id', '<>', accountId)
        .where('status', '=', 'accepted'),
    )
    .execute();
  return rows.map((row) => row.administrator_id);
}

async function deletePersonsOnlyOf(tx: Tx, accountId: string): Promise<void> {
  await tx.query
    .deleteFrom('administrators')
    .where('id', 'in', (row) =>
      row.selectFrom('members').select('administrator_id').where('account_id', '=', accountId),
    )
    .where('id', 'not in', (row) =>
      row.selectFrom('members').select('administrator_id').where('account_id', '<>', accountId),
    )
    .execute();
}

export async function listGateIds(reader: Reader, accountId: string): Promise<string[]> {
  const rows = await reader.query
    .selectFrom('gates')
    .select('id')
    .where('account_id', '=', accountId)
    .execute();
  return rows.map(({ id }) => id);
}

/** The keys that the account and its gates sign with. */
export async function listKeyIds(reader: Reader, accountId: string): Promise<string[]> {
  const own = await reader.query
    .selectFrom('signing_keys')
    .select('id')
    .where('account_id', '=', accountId)
    .execute();
  const ofGates = await reader.query
    .selectFrom('gate_keys')
    .select('kid as id')
    .where('account_id', '=', accountId)
    .execute();
  return [...new Set([...own, ...ofGates].map(({ id }) => id))];
}

export async function listCertificateIds(reader: Reader, accountId: string): Promise<string[]> {
  const rows = await reader.query
    .selectFrom('certificates')
    .select('id')
    .where('account_id', '=', accountId)
    .execute();
  return rows.map(({ id }) => id);
}
