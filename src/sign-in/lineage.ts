import type { Snapshot, Tx } from '../database/database.ts';
import type { JsonObject } from '../kernel/json.ts';
import type { Claims } from '../policy/rules.ts';
import { type FeedItem, identitySubject, type Subject } from '../protocol/feed.ts';
import { type Rev, toClaim } from '../protocol/rev.ts';
import type { SessionState } from '../protocol/state.ts';
import { deleteExpired, listLineages, type SessionLineage } from './store.ts';

/** Everything whose revocation ends what was minted from this session. */
export function subjectsOf(session: SessionLineage): Subject[] {
  return [
    { type: 'user', id: session.user_id },
    { type: 'email', id: session.email_key },
    identitySubject(session),
    { type: 'session', id: session.nonce },
    { type: 'provider', id: session.provider_id },
  ];
}

export function revOf(row: { epoch: number; position: number }): Rev {
  return { epoch: row.epoch, position: row.position };
}

/** The session as gates know it. */
export function sessionItem(session: SessionLineage): FeedItem {
  return { kind: 'session', id: session.nonce, state: sessionState(session) as unknown as JsonObject };
}

export function sessionState(session: SessionLineage): SessionState {
  return {
    nonce: session.nonce,
    user_id: session.user_id,
    email: session.email_key,
    provider_id: session.provider_id,
    issuer: session.issuer,
    subject: session.subject,
    expires_at: Date.parse(session.expires_at),
    rev: toClaim(revOf(session)),
    claims: JSON.parse(session.claims) as Claims,
    amr: JSON.parse(session.amr) as string[],
  };
}

/** Drops what has expired of sign-ins and sessions, so that nothing piles up; nothing decides by its absence. */
export async function dropExpired(tx: Tx, now: string): Promise<void> {
  await deleteExpired(tx, now);
}

/** The living sessions of an account, for gates. */
export function sessionStates(now: () => string) {
  return async (snapshot: Snapshot, accountId: string): Promise<FeedItem[]> =>
    (await listLineages(snapshot, accountId, now())).map(sessionItem);
}
