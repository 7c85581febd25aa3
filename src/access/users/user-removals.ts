import type { Tx } from '../../database/database.ts';
import { endDevicesOf } from '../../devices/registrations/registrations.ts';
import { invalidInput } from '../../kernel/errors.ts';
import { type FeedItem, identitySubject, revocation } from '../../protocol/feed.ts';
import type { Change } from '../../removal/act.ts';
import { releaseSeat } from './seats.ts';
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
 * Ends everything of a user: sessions and application tokens, registrations of devices, the seat, the user. The
 * revocation names the e-mail and each identity too, so that a sign-in under way cannot bring them back (schedule 3).
 */
export async function deleteUser(
  tx: Tx,
  { accountId, id, now }: { accountId: string; id: string; now: string },
): Promise<Change<object>> {
  const user = await lockUser(tx, accountId, id);
  if (!user) throw unknownUser();
  const items = await revocationsOf(tx, user);
  const sessions = await deleteSessionsOf(tx, user);
  const devices = await endDevicesOf(tx, { accountId, userId: user.id, how: 'delete', now });
  await deleteUserRow(tx, user);
  await releaseSeat(tx, user);
  return {
    result: {},
    items: [...items, ...devices.items],
    audit: {
      action: 'user.delete',
      resource: { type: 'user', id: user.id },
      metadata: { email: user.email, sessions, registrations: devices.count, seat_uid: user.seat_uid },
    },
  };
}

export interface RevocationRequest {
  readonly accountId: string;
  readonly email: string;
  readonly userUid?: string;
  /** The registrations of their devices are revoked as well. */
  readonly devices: boolean;
  /** Their device sessions end as well, and their registrations stay. */
  readonly warpSessionReauth: boolean;
  readonly now: string;
}

/**
 * Ends every session and application token of a user, those that came with device sessions too; the user and the seat
 * stay. What a device proves of itself goes on to stand unless asked otherwise: by itself it grants nothing.
 */
export async function revokeUser(tx: Tx, request: RevocationRequest): Promise<Change<true>> {
  const user = await lockUserByEmail(tx, request.accountId, emailKeyOf(request.email));
  if (!user) throw unknownUser();
  refuseSomeoneElse(user, request.userUid);
  const { items, sessions } = await endAccess(tx, user);
  const ended = await endDevicesAsAsked(tx, user, request);
  const { devices, warpSessionReauth } = request;
  const asked = { devices, warp_session_reauth: warpSessionReauth };
  return {
    result: true,
    items: [...items, ...ended.items],
    audit: {
      action: 'user.revoke',
      resource: { type: 'user', id: user.id },
      metadata: { email: user.email, sessions, ...asked, registrations: ended.count },
    },
  };
}

/** Of both, the one that ends more. */
async function endDevicesAsAsked(
  tx: Tx,
  { id: userId }: StoredUser,
  { accountId, devices, warpSessionReauth, now }: RevocationRequest,
): Promise<{ items: readonly FeedItem[]; count: number }> {
  if (devices) return await endDevicesOf(tx, { accountId, userId, how: 'revoke', now });
  if (!warpSessionReauth) return { items: [], count: 0 };
  return await endDevicesOf(tx, { accountId, userId, how: 'reauthenticate', now });
}

/** What was ended of a person. */
export interface EndedAccess {
  /** null: nobody has signed in, or been entered, with that e-mail. */
  readonly userId: string | null;
  readonly sessions: number;
  readonly items: readonly FeedItem[];
}

/**
 * Ends every session and token of the person with that e-mail key, whether they are a user or not, and every device
 * session: a sign-in under way ends too, and the next has to be a fresh login. A user stays, and is locked until the
 * transaction ends.
 */
export async function endAccessOfEmail(
  tx: Tx,
  { accountId, emailKey, now }: { accountId: string; emailKey: string; now: string },
): Promise<EndedAccess> {
  const user = await lockUserByEmail(tx, accountId, emailKey);
  if (!user) return { userId: null, sessions: 0, items: [revocation({ type: 'email', id: emailKey })] };
  const { items, sessions } = await endAccess(tx, user);
  const devices = await endDevicesOf(tx, { accountId, userId: user.id, how: 'reauthenticate', now });
  return { userId: user.id, sessions, items: [...items, ...devices.items] };
}

/**
 * Ends every session and application token of a user whose row the caller has locked; the next sign-in has to be a
 * fresh login (removal-protocol, schedules 2, 3 and 22).
 */
export async function endAccess(tx: Tx, user: StoredUser): Promise<Omit<EndedAccess, 'userId'>> {
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
