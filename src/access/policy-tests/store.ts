import type { Reader, Tx } from '../../database/database.ts';
import { countRows, type Start, startAt } from '../../database/paging.ts';
import type { PolicyTestRow, PolicyTestUserRow } from '../../database/tables.ts';

/** A user as they were seen last: where they signed in, and what the provider said. */
export interface SeenUser {
  readonly id: string;
  readonly email: string;
  readonly email_key: string;
  readonly name: string;
  /** null: they have never signed in. */
  readonly identity: SeenThrough | null;
}

export interface SeenThrough {
  readonly provider_id: string;
  /** JSON, of the identity. */
  readonly profile: string;
  readonly claims: string;
  /** JSON array, of the newest session through it that is still there. */
  readonly amr: string;
}

/** Users in the order of their e-mails, from after one of them on. */
export async function listSeenUsers(
  reader: Reader,
  accountId: string,
  { after, limit }: { after: string | null; limit: number },
): Promise<SeenUser[]> {
  let select = selectUsers(reader, accountId).orderBy('email_key').limit(limit);
  if (after !== null) select = select.where('email_key', '>', after);
  return await withIdentities(reader, await select.execute());
}

/** One user, by id or by the key of the e-mail. */
export async function findSeenUser(
  reader: Reader,
  accountId: string,
  by: { id: string } | { emailKey: string },
): Promise<SeenUser | null> {
  const select = selectUsers(reader, accountId);
  const row = await ('id' in by
    ? select.where('id', '=', by.id)
    : select.where('email_key', '=', by.emailKey)
  ).executeTakeFirst();
  const [user] = await withIdentities(reader, row ? [row] : []);
  return user ?? null;
}

function selectUsers(reader: Reader, accountId: string) {
  return reader.query
    .selectFrom('users')
    .select(['id', 'email', 'email_key', 'name'])
    .where('account_id', '=', accountId);
}

async function withIdentities(
  reader: Reader,
  users: readonly Omit<SeenUser, 'identity'>[],
): Promise<SeenUser[]> {
  if (users.length === 0) return [];
  const ids = users.map(({ id }) => id);
  const identities = await reader.query
    .selectFrom('identities')
    .select(['id', 'user_id', 'provider_id', 'profile', 'claims'])
    .where('user_id', 'in', ids)
    .orderBy('updated_at')
    .orderBy('id')
    .execute();
  const sessions = await reader.query
    .selectFrom('sessions')
    .select(['identity_id', 'amr'])
    .where('user_id', 'in', ids)
    .orderBy('issued_at')
    .orderBy('nonce')
    .execute();
  // The newest comes last, and stays.
  const methods = new Map(sessions.map((session) => [session.identity_id, session.amr]));
  const newest = new Map(identities.map((identity) => [identity.user_id, identity]));
  return users.map((user) => {
    const identity = newest.get(user.id);
    return { ...user, identity: identity ? { ...identity, amr: methods.get(identity.id) ?? '[]' } : null };
  });
}

export async function insertTest(tx: Tx, test: PolicyTestRow): Promise<void> {
  await tx.query.deleteFrom('policy_tests').where('expires_at', '<', test.created_at).execute();
  await tx.query.insertInto('policy_tests').values(test).execute();
}

export async function findTest(reader: Reader, accountId: string, id: string): Promise<PolicyTestRow | null> {
  const row = await reader.query
    .selectFrom('policy_tests')
    .selectAll()
    .where('account_id', '=', accountId)
    .where('id', '=', id)
    .executeTakeFirst();
  return row ?? null;
}

/** Whether a test of the account that began since then is still running. */
export async function isTesting(reader: Reader, accountId: string, since: string): Promise<boolean> {
  const row = await reader.query
    .selectFrom('policy_tests')
    .select('id')
    .where('account_id', '=', accountId)
    .where('status', '=', 'processing')
    .where('created_at', '>', since)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** How many tests of the account are kept. */
export async function countTests(reader: Reader, accountId: string): Promise<number> {
  return await countRows(
    reader.query.selectFrom('policy_tests').selectAll().where('account_id', '=', accountId),
  );
}

export async function updateTest(
  tx: Tx,
  { id, account_id: accountId }: Pick<PolicyTestRow, 'id' | 'account_id'>,
  change: Partial<PolicyTestRow>,
): Promise<void> {
  await tx.query
    .updateTable('policy_tests')
    .set(change)
    .where('account_id', '=', accountId)
    .where('id', '=', id)
    .execute();
}

export async function insertResults(tx: Tx, results: readonly PolicyTestUserRow[]): Promise<void> {
  if (results.length > 0) await tx.query.insertInto('policy_test_users').values(results).execute();
}

export async function listResults(
  reader: Reader,
  of: { testId: string; status: string | null },
  start: Start,
): Promise<PolicyTestUserRow[]> {
  return await startAt(selectResults(reader, of), ['ordinal'], start).execute();
}

export async function countResults(
  reader: Reader,
  of: { testId: string; status: string | null },
): Promise<number> {
  return await countRows(selectResults(reader, of));
}

function selectResults(reader: Reader, { testId, status }: { testId: string; status: string | null }) {
  const select = reader.query.selectFrom('policy_test_users').selectAll().where('test_id', '=', testId);
  return status === null ? select : select.where('status', '=', status);
}
