import assert from 'node:assert/strict';
import type { SessionLineage } from '../../src/sign-in/store.ts';
import type { Person, Started } from './steps.ts';
import type { World } from './world.ts';

/** Where the newest revocation stands of all that may have ended this sign-in. */
export async function newestRevocation(world: World, who: Person, session?: SessionLineage): Promise<number> {
  const rows = await world.database.reader.query
    .selectFrom('revocations')
    .select('position')
    .where('account_id', '=', world.accountId)
    .where('subject_id', 'in', [who.email, world.providerId, ...(session ? [session.nonce] : [])])
    .execute();
  assert.ok(rows.length > 0, 'a removal that returned is in the database');
  return Math.max(...rows.map((row) => row.position));
}

/** An act's feed entries and its audit entry, at the one position that it took. */
export async function assertRecorded(world: World, position: number): Promise<void> {
  const { query } = world.database.reader;
  const at = { account_id: world.accountId, position };
  const entries = await query
    .selectFrom('feed_entries')
    .select('kind')
    .where('account_id', '=', at.account_id)
    .where('position', '=', at.position)
    .execute();
  const audited = await query
    .selectFrom('audit_entries')
    .select('action')
    .where('account_id', '=', at.account_id)
    .where('position', '=', at.position)
    .execute();
  assert.equal(audited.length, 1, 'one entry of the audit log');
  assert.ok(entries.some(({ kind }) => kind === 'revocation'));
}

/** The session, or where none is known, whatever came of that sign-in. */
export async function countSessions(
  world: World,
  { rev, person: who }: Started,
  session?: SessionLineage,
): Promise<number> {
  const select = world.database.reader.query
    .selectFrom('sessions')
    .innerJoin('users', 'users.id', 'sessions.user_id')
    .select('sessions.nonce')
    .where('users.email_key', '=', who.email)
    .where('sessions.position', '=', rev.position);
  return (await (session ? select.where('nonce', '=', session.nonce) : select).execute()).length;
}
