import { forUpdate, type Reader, type Tx } from '../database/database.ts';

interface OfUser {
  readonly accountId: string;
  readonly userId: string;
}

export interface OwnSessionRow {
  readonly nonce: string;
  readonly issued_at: string;
  readonly expires_at: string;
  /** JSON: SeenIdentity. */
  readonly identity: string;
  readonly provider_name: string;
}

/** The sessions of a user that are alive, newest first; as many as a page can show. */
export async function listOwnSessions(
  reader: Reader,
  { accountId, userId, now }: OfUser & { now: string },
): Promise<OwnSessionRow[]> {
  return await reader.query
    .selectFrom('sessions')
    .innerJoin('identity_providers', 'identity_providers.id', 'sessions.provider_id')
    .select([
      'sessions.nonce',
      'sessions.issued_at',
      'sessions.expires_at',
      'sessions.identity',
      'identity_providers.name as provider_name',
    ])
    .where('sessions.account_id', '=', accountId)
    .where('sessions.user_id', '=', userId)
    .where('sessions.expires_at', '>', now)
    .orderBy('sessions.issued_at', 'desc')
    .orderBy('sessions.nonce')
    .limit(200)
    .execute();
}

/** The names of the applications that each of these sessions was used for. */
export async function listUsedApplications(
  reader: Reader,
  nonces: readonly string[],
): Promise<{ session_nonce: string; name: string }[]> {
  if (nonces.length === 0) return [];
  return await reader.query
    .selectFrom('session_applications')
    .innerJoin('applications', 'applications.id', 'session_applications.application_id')
    .select(['session_applications.session_nonce', 'applications.name'])
    .where('session_applications.session_nonce', 'in', [...nonces])
    .orderBy('applications.name')
    .limit(10_000)
    .execute();
}

/** Locks the user, without whom nobody signs in meanwhile; answers the nonces of all their sessions. */
export async function lockOwnSessions(tx: Tx, { accountId, userId }: OfUser): Promise<string[]> {
  const user = tx.query
    .selectFrom('users')
    .select('id')
    .where('account_id', '=', accountId)
    .where('id', '=', userId);
  await forUpdate(tx, user).executeTakeFirst();
  const rows = await tx.query
    .selectFrom('sessions')
    .select('nonce')
    .where('account_id', '=', accountId)
    .where('user_id', '=', userId)
    .execute();
  return rows.map(({ nonce }) => nonce);
}

/** The sessions on devices to which the person said yes in this one. */
export async function listOnDevices(
  tx: Tx,
  { accountId, userId, nonce }: OfUser & { nonce: string },
): Promise<string[]> {
  const rows = await tx.query
    .selectFrom('sessions')
    .select('nonce')
    .where('account_id', '=', accountId)
    .where('user_id', '=', userId)
    .where('parent_nonce', '=', nonce)
    .execute();
  return rows.map((row) => row.nonce);
}

export async function deleteOwnSessions(tx: Tx, { accountId, userId }: OfUser): Promise<void> {
  await tx.query
    .deleteFrom('sessions')
    .where('account_id', '=', accountId)
    .where('user_id', '=', userId)
    .execute();
}
