import { forKeyShare, type Snapshot, type Tx } from '../database/database.ts';
import type { HandOffRow, IdentityRow, SessionRow, SignInStateRow } from '../database/tables.ts';

export async function insertState(tx: Tx, state: SignInStateRow): Promise<void> {
  await tx.query.deleteFrom('sign_in_states').where('expires_at', '<', state.created_at).execute();
  await tx.query.insertInto('sign_in_states').values(state).execute();
}

export async function findState(snapshot: Snapshot, id: string): Promise<SignInStateRow | null> {
  const row = await snapshot.query
    .selectFrom('sign_in_states')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst();
  return row ?? null;
}

/** Puts what a provider posted with its sign-in; the first stays. */
export async function keepResponse(
  tx: Tx,
  { id, accountId, response }: { id: string; accountId: string; response: string },
): Promise<void> {
  await tx.query
    .updateTable('sign_in_states')
    .set({ response })
    .where('id', '=', id)
    .where('account_id', '=', accountId)
    .where('response', 'is', null)
    .execute();
}

/** Takes the state out: it works once. */
export async function takeState(tx: Tx, id: string): Promise<SignInStateRow | null> {
  const row = await tx.query
    .deleteFrom('sign_in_states')
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst();
  return row ?? null;
}

export async function findIdentity(
  tx: Tx,
  of: { providerId: string; issuer: string; subject: string },
): Promise<IdentityRow | null> {
  const row = await tx.query
    .selectFrom('identities')
    .selectAll()
    .where('provider_id', '=', of.providerId)
    .where('issuer', '=', of.issuer)
    .where('subject', '=', of.subject)
    .executeTakeFirst();
  return row ?? null;
}

export async function listIdentitiesOf(tx: Tx, userId: string): Promise<IdentityRow[]> {
  return await tx.query
    .selectFrom('identities')
    .selectAll()
    .where('user_id', '=', userId)
    .limit(100)
    .execute();
}

export async function insertIdentity(tx: Tx, identity: IdentityRow): Promise<void> {
  await tx.query.insertInto('identities').values(identity).execute();
}

export async function updateIdentity(
  tx: Tx,
  id: string,
  seen: Pick<IdentityRow, 'profile' | 'claims' | 'told_at' | 'updated_at'>,
): Promise<void> {
  await tx.query.updateTable('identities').set(seen).where('id', '=', id).execute();
}

export async function insertSession(tx: Tx, session: SessionRow): Promise<void> {
  await tx.query.insertInto('sessions').values(session).execute();
}

export async function deleteSession(tx: Tx, accountId: string, nonce: string): Promise<boolean> {
  const result = await tx.query
    .deleteFrom('sessions')
    .where('account_id', '=', accountId)
    .where('nonce', '=', nonce)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

/** A session with what names it in a lineage. */
export type SessionLineage = SessionRow & {
  email_key: string;
  issuer: string;
  subject: string;
  claims: string;
};

export async function findLineage(
  snapshot: Snapshot,
  accountId: string,
  nonce: string,
): Promise<SessionLineage | null> {
  const row = await selectLineages(snapshot, accountId)
    .where('sessions.nonce', '=', nonce)
    .executeTakeFirst();
  return row ?? null;
}

/** The same for a mint: whoever ends the session waits for it, or is waited for. */
export async function lockLineage(tx: Tx, accountId: string, nonce: string): Promise<SessionLineage | null> {
  const select = selectLineages(tx, accountId).where('sessions.nonce', '=', nonce);
  return (await forKeyShare(tx, select, 'sessions').executeTakeFirst()) ?? null;
}

/** Whether the application exists; it cannot be deleted until the transaction ends. */
export async function lockApplication(tx: Tx, accountId: string, id: string): Promise<boolean> {
  const select = tx.query
    .selectFrom('applications')
    .select('id')
    .where('account_id', '=', accountId)
    .where('id', '=', id);
  return (await forKeyShare(tx, select, 'applications').executeTakeFirst()) !== undefined;
}

/** Every session of the account that has not expired, for a gate's snapshot. */
export async function listLineages(
  snapshot: Snapshot,
  accountId: string,
  now: string,
): Promise<SessionLineage[]> {
  return await selectLineages(snapshot, accountId).where('sessions.expires_at', '>', now).execute();
}

/** Every session of an identity that has not expired. */
export async function listLineagesOf(
  tx: Tx,
  { accountId, identityId, now }: { accountId: string; identityId: string; now: string },
): Promise<SessionLineage[]> {
  return await selectLineages(tx, accountId)
    .where('sessions.identity_id', '=', identityId)
    .where('sessions.expires_at', '>', now)
    .execute();
}

function selectLineages(snapshot: Snapshot, accountId: string) {
  return snapshot.query
    .selectFrom('sessions')
    .innerJoin('users', 'users.id', 'sessions.user_id')
    .innerJoin('identities', 'identities.id', 'sessions.identity_id')
    .selectAll('sessions')
    .select(['users.email_key', 'identities.issuer', 'identities.subject', 'identities.claims'])
    .where('sessions.account_id', '=', accountId);
}

export async function insertHandOff(tx: Tx, handOff: HandOffRow, now: string): Promise<void> {
  await tx.query.deleteFrom('hand_offs').where('expires_at', '<', now).execute();
  await tx.query.insertInto('hand_offs').values(handOff).execute();
}

export async function findHandOff(tx: Tx, id: string): Promise<HandOffRow | null> {
  return (await tx.query.selectFrom('hand_offs').selectAll().where('id', '=', id).executeTakeFirst()) ?? null;
}

/** Takes the hand-off out: it works once. */
export async function takeHandOff(tx: Tx, id: string): Promise<boolean> {
  const taken = await tx.query.deleteFrom('hand_offs').where('id', '=', id).executeTakeFirst();
  return taken.numDeletedRows > 0n;
}

export async function noteApplication(
  tx: Tx,
  use: { session_nonce: string; application_id: string; at: string },
): Promise<void> {
  await tx.query
    .insertInto('session_applications')
    .values(use)
    .onConflict((conflict) => conflict.columns(['session_nonce', 'application_id']).doNothing())
    .execute();
}

/** Whoever is refused again and again does not fill the database: the oldest go. */
const MOST_FAILED_LOGINS = 1000;

export async function insertFailedLogin(
  tx: Tx,
  row: { id: string; account_id: string; user_id: string; at: string; expires_at: string; metadata: string },
): Promise<void> {
  const tooMany = await tx.query
    .selectFrom('failed_logins')
    .select('at')
    .where('user_id', '=', row.user_id)
    .orderBy('at', 'desc')
    .orderBy('id')
    .offset(MOST_FAILED_LOGINS - 1)
    .limit(1)
    .executeTakeFirst();
  await tx.query
    .deleteFrom('failed_logins')
    .where('user_id', '=', row.user_id)
    .where((is) => is.or([is('expires_at', '<', row.at), ...(tooMany ? [is('at', '<=', tooMany.at)] : [])]))
    .execute();
  await tx.query.insertInto('failed_logins').values(row).execute();
}

/** Drops what has expired: sessions with what hangs on them, sign-ins under way, codes, notes of failures. */
export async function deleteExpired(tx: Tx, now: string): Promise<void> {
  const tables = [
    'sessions',
    'sign_in_states',
    'pin_counts',
    'hand_offs',
    'failed_logins',
    'logout_tokens',
    'device_enrolments',
  ] as const;
  for (const table of tables) {
    await tx.query.deleteFrom(table).where('expires_at', '<', now).execute();
  }
}
