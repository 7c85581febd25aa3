import type { Snapshot, Tx } from '../database/database.ts';

/** Remembers it; whether it was not known before. */
export async function rememberOnce(tx: Tx, row: { id: string; expires_at: string }): Promise<boolean> {
  const { numInsertedOrUpdatedRows: inserted } = await tx.query
    .insertInto('logout_tokens')
    .values(row)
    .onConflict((conflict) => conflict.column('id').doNothing())
    .executeTakeFirst();
  return (inserted ?? 0n) > 0n;
}

export async function isRemembered(snapshot: Snapshot, id: string): Promise<boolean> {
  const row = await snapshot.query
    .selectFrom('logout_tokens')
    .select('id')
    .where('id', '=', id)
    .executeTakeFirst();
  return row !== undefined;
}

/** What of a provider's a logout is about. */
export interface LogoutScope {
  readonly accountId: string;
  readonly providerId: string;
  readonly issuer: string;
  readonly sub: string | null;
  readonly sid: string | null;
}

/** Sessions that the provider means: of this person, and by this name where it gave one. */
export async function listMeant(
  tx: Tx,
  { accountId, providerId, issuer, sub, sid }: LogoutScope,
): Promise<{ nonce: string; user_id: string }[]> {
  let select = tx.query
    .selectFrom('sessions')
    .innerJoin('identities', 'identities.id', 'sessions.identity_id')
    .select(['sessions.nonce', 'sessions.user_id'])
    .where('sessions.account_id', '=', accountId)
    .where('sessions.provider_id', '=', providerId)
    .where('identities.issuer', '=', issuer)
    .orderBy('sessions.nonce');
  if (sub !== null) select = select.where('identities.subject', '=', sub);
  if (sid !== null) select = select.where('sessions.provider_sid', '=', sid);
  return await select.execute();
}
