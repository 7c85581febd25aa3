import type { OidcProvider } from '../access/identity-providers/opened.ts';
import type { Tx } from '../database/database.ts';
import type { Actor } from '../kernel/actor.ts';
import { timestamp } from '../kernel/clock.ts';
import { sha256 } from '../kernel/crypto.ts';
import { type FeedItem, identitySubject, revocation } from '../protocol/feed.ts';
import { type Change, type Control, commitAct, settle } from '../removal/act.ts';
import { isRemembered, type LogoutScope, listMeant, rememberOnce } from './logout-store.ts';
import { type LogoutOrder, REMEMBERED_FOR } from './logout-token.ts';
import { STATE_FOR } from './start.ts';
import { deleteSession } from './store.ts';

export interface ProviderLogout {
  readonly accountId: string;
  readonly provider: OidcProvider;
  readonly order: LogoutOrder;
  readonly ip: string;
  readonly requestId: string;
}

/** The token was taken before; it ends nothing a second time. */
class TakenBefore extends Error {}

/** A session was born under our hands. */
class Raced extends Error {}

/**
 * Ends what the provider says has ended: by `sid` the sessions of that name, by `sub` all of the person through this
 * provider, by both the former of the latter. Resolves when it is in force, also if there was nothing to end, and also
 * for a token that comes again, which ends nothing that has begun since.
 */
export async function endByProvider(control: Control, logout: ProviderLogout): Promise<void> {
  const { accountId } = logout;
  const act = { accountId, actor: actorOf(logout), authorize: async () => {} };
  for (let left = 3; ; left--) {
    try {
      return await commitAct(control, act, (tx) => endMeant(tx, logout, control.clock.now()));
    } catch (error) {
      if (error instanceof TakenBefore) return await settle(control, accountId);
      if (!(error instanceof Raced) || left <= 1) throw error;
    }
  }
}

async function endMeant(tx: Tx, logout: ProviderLogout, now: number): Promise<Change<void>> {
  const { accountId, provider, order } = logout;
  const { jti, sub, sid } = order;
  const taken = { id: tokenId(provider.id, jti), expires_at: timestamp(now + REMEMBERED_FOR) };
  if (!(await rememberOnce(tx, taken))) throw new TakenBefore();
  if (sid !== null) {
    await rememberOnce(tx, { id: sidId(provider.id, sid), expires_at: timestamp(now + STATE_FOR) });
  }
  const scope: LogoutScope = { accountId, providerId: provider.id, issuer: provider.issuer, sub, sid };
  const meant = await listMeant(tx, scope);
  for (const { nonce } of meant) await deleteSession(tx, accountId, nonce);
  const items = meant.map(({ nonce }) => revocation({ type: 'session', id: nonce }));
  return {
    result: undefined,
    items: [...(sid === null ? personItems(provider, sub) : []), ...items],
    audit: {
      action: 'user.backchannel_logout',
      resource: meant[0]
        ? { type: 'user', id: meant[0].user_id }
        : { type: 'identity_provider', id: provider.id },
      metadata: { provider_id: provider.id, sessions: meant.slice(0, 20).map(({ nonce }) => nonce) },
    },
    // A sign-in that committed since was not seen; one that commits later sees what was remembered here.
    guard: async (later) => {
      if ((await listMeant(later, scope)).length > 0) throw new Raced();
    },
  };
}

/** Also for a person who is not known yet: a sign-in of theirs may be under way (schedule 3). */
function personItems({ id, issuer }: OidcProvider, sub: string | null): FeedItem[] {
  if (sub === null) return [];
  return [revocation(identitySubject({ provider_id: id, issuer, subject: sub }))];
}

/**
 * Whether the provider has ended the session of its own that a sign-in under way came from. Asked by the sign-in
 * before and after the counter row is locked.
 */
export async function wasEndedByProvider(
  tx: Tx,
  { providerId, sid }: { providerId: string; sid: string | null },
): Promise<boolean> {
  return sid !== null && (await isRemembered(tx, sidId(providerId, sid)));
}

function tokenId(providerId: string, jti: string): string {
  return sha256(JSON.stringify(['jti', providerId, jti]));
}

function sidId(providerId: string, sid: string): string {
  return sha256(JSON.stringify(['sid', providerId, sid]));
}

function actorOf({ ip, requestId }: ProviderLogout): Actor {
  return { type: 'system', id: null, email: null, tokenId: null, ip, requestId, interface: 'sign-in' };
}
