import type { Tx } from '../../database/database.ts';
import { invalidInput } from '../../kernel/errors.ts';
import { type FeedItem, identitySubject, revocation } from '../../protocol/feed.ts';
import type { Change } from '../../removal/act.ts';
import {
  deleteSessionsOf,
  deleteUserRow,
  listIdentities,
  lockUser,
  lockUserByEmail,
  type StoredUser,
  updateUserRow,
} from './store.ts';
import { emailKeyOf, unknownUser } from './users.ts';

/**
 * Ends everything of a user: sessions and application tokens, the seat, the user. The revocation names the
 * e-mail and each identity too, so that a sign-in under way cannot bring them back (schedule 3).
 */
export async function deleteUser(tx: Tx, input: { accountId: string; id: string }): Promise<Change<object>> {
  const user = await lockUser(tx, input.accountId, input.id);
  if (!user) throw unknownUser();
  const items = await revocationsOf(tx, user);
  const sessions = await deleteSessionsOf(tx, user);
  await deleteUserRow(tx, user);
  return {
    result: {},
    items,
    audit: {
      action: 'user.delete',
      resource: { type: 'user', id: user.id },
      metadata: { email: user.email, sessions, seat_uid: user.seat_uid },
    },
  };
}

/** How the caller asked; the extras are honoured when there are devices, and audited now. */
export interface RevocationRequest {
  readonly accountId: string;
  readonly email: string;
  readonly userUid?: string;
  readonly devices: boolean;
  readonly warpSessionReauth: boolean;
}

/** Ends every session and application token of a user; the user and the seat stay. */
export async function revokeUser(tx: Tx, request: RevocationRequest): Promise<Change<true>> {
  const user = await lockUserByEmail(tx, request.accountId, emailKeyOf(request.email));
  if (!user) throw unknownUser();
  refuseSomeoneElse(user, request.userUid);
  const { items, sessions } = await endAccess(tx, user);
  const { devices, warpSessionReauth } = request;
  return {
    result: true,
    items,
    audit: {
      action: 'user.revoke',
      resource: { type: 'user', id: user.id },
      metadata: { email: user.email, sessions, devices, warp_session_reauth: warpSessionReauth },
    },
  };
}

/** What was ended of a person. */
export interface EndedAccess {
  /** null: nobody has signed in, or been entered, with that e-mail. */
  readonly userId: string | null;
  readonly sessions: number;
  readonly items: readonly FeedItem[];
}

/**
 * Ends every session and token of the person with that e-mail key, whether they are a user or not: a sign-in under
 * way ends too, and the next has to be a fresh login. A user stays, and is locked until the transaction ends.
 */
export async function endAccessOfEmail(tx: Tx, accountId: string, emailKey: string): Promise<EndedAccess> {
  const user = await lockUserByEmail(tx, accountId, emailKey);
  if (!user) return { userId: null, sessions: 0, items: [revocation({ type: 'email', id: emailKey })] };
  return { userId: user.id, ...(await endAccess(tx, user)) };
}

async function endAccess(tx: Tx, user: StoredUser): Promise<Omit<EndedAccess, 'userId'>> {
  const items = await revocationsOf(tx, user);
  const sessions = await deleteSessionsOf(tx, user);
  await updateUserRow(tx, user, { reauthenticate: 1 });
  return { items, sessions };
}

function refuseSomeoneElse(user: StoredUser, userUid: string | undefined): void {
  if (userUid === undefined || plainUuid(userUid) === plainUuid(user.id)) return;
  throw invalidInput(
    [{ pointer: '/user_uid', message: 'is not the user with this e-mail' }],
    'invalidAccess',
  );
}

function plainUuid(uuid: string): string {
  return uuid.toLowerCase().replaceAll('-', '');
}

/** Everything that names this user in a lineage. */
async function revocationsOf(tx: Tx, user: StoredUser): Promise<FeedItem[]> {
  const identities = await listIdentities(tx, user.account_id, user.id);
  return [
    revocation({ type: 'user', id: user.id }),
    revocation({ type: 'email', id: user.email_key }),
    ...identities.map((identity) => revocation(identitySubject(identity))),
  ];
}
