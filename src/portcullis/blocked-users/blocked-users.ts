import type { Static } from 'typebox';
import { endAccessOfEmail } from '../../access/users/user-removals.ts';
import { findUserIdByEmail } from '../../access/users/users.ts';
import type { Act } from '../../database/act.ts';
import type { Reader, Tx } from '../../database/database.ts';
import type { KeyedList } from '../../database/paging.ts';
import type { BlockedUserRow } from '../../database/tables.ts';
import { timestamp } from '../../kernel/clock.ts';
import { normaliseEmail } from '../../kernel/email.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { newUuid } from '../../kernel/ids.ts';
import { type Change, type Control, commitAct } from '../../removal/act.ts';
import { blockKey, blockKeysOf } from './block-key.ts';
import type { BlockedUser } from './contract.ts';
import { countBlocked, deleteBlocked, hasBlocked, insertBlocked, listBlocked } from './store.ts';

export type PresentedBlockedUser = Static<typeof BlockedUser>;

/** Whether nobody may sign in with that e-mail key: it, or what it is a spelling or a tag of, is blocked. */
export async function isBlocked(reader: Reader, accountId: string, emailKey: string): Promise<boolean> {
  return await hasBlocked(reader, accountId, blockKeysOf(emailKey));
}

export function presentBlockedUser({ id, email, reason, created_at }: BlockedUserRow): PresentedBlockedUser {
  return { id, email, reason, created_at };
}

/** The blocked e-mails, oldest first. */
export function blockedUserList(
  reader: Reader,
  { accountId, email }: { accountId: string; email?: string },
): KeyedList<BlockedUserRow> {
  const emailKey = email === undefined ? null : (normaliseEmail(email) ?? email);
  return {
    fetch: (start) => listBlocked(reader, accountId, { emailKey, start }),
    keyOf: (row) => [row.created_at, row.id],
    total: () => countBlocked(reader, accountId, emailKey),
  };
}

interface BlockInput {
  readonly accountId: string;
  readonly email: string;
  readonly reason?: string | undefined;
}

/**
 * Blocks an e-mail: what the person has is over when this resolves, as after revoke_user, and no sign-in is finished
 * from then on, whether there is a user of that e-mail or not (removal-protocol, schedules 2, 3 and 22). 400 for what
 * is no e-mail, 409 for one that is blocked.
 */
export async function blockUser(
  control: Control,
  act: Act,
  input: BlockInput,
): Promise<PresentedBlockedUser> {
  for (let left = 3; ; left -= 1) {
    try {
      return await commitAct(control, act, (tx) =>
        block(tx, { ...input, now: timestamp(control.clock.now()) }),
      );
    } catch (error) {
      if (left <= 1 || !(error instanceof UserAppeared)) throw error;
    }
  }
}

/** A first sign-in has committed since this looked for a user, who has to be marked and their session deleted. */
class UserAppeared extends Error {}

async function block(
  tx: Tx,
  { accountId, email, reason = '', now }: BlockInput & { now: string },
): Promise<Change<PresentedBlockedUser>> {
  const emailKey = normaliseEmail(email);
  if (emailKey === null) {
    throw invalidInput([{ pointer: '/email', message: 'is not an e-mail address' }], 'invalidAccess');
  }
  const { userId, sessions, items } = await endAccessOfEmail(tx, { accountId, emailKey, now });
  const keys = { email_key: emailKey, block_key: blockKey(emailKey) };
  const written = { email: email.normalize('NFC'), ...keys, reason: reason.normalize('NFC') };
  const row = { id: newUuid(), account_id: accountId, ...written, created_at: now };
  await insertBlocked(tx, row);
  return {
    result: presentBlockedUser(row),
    items,
    guard: async (later) => {
      if (userId === null && (await findUserIdByEmail(later, accountId, emailKey)) !== null) {
        throw new UserAppeared('somebody has signed in with that e-mail meanwhile');
      }
    },
    audit: {
      action: 'user.block',
      resource: { type: 'blocked_user', id: row.id },
      metadata: { email: emailKey, user_id: userId, sessions, reason: row.reason },
    },
  };
}

/** Lets the person sign in again, by a fresh login. 404 for a block that is not of this account. */
export async function unblockUser(
  tx: Tx,
  { accountId, id }: { accountId: string; id: string },
): Promise<Change<{ id: string }>> {
  const row = await deleteBlocked(tx, accountId, id);
  if (!row) throw refusal('notFoundAccess', { detail: 'blocked user not found' });
  return {
    result: { id },
    audit: {
      action: 'user.unblock',
      resource: { type: 'blocked_user', id },
      metadata: { email: row.email_key, reason: row.reason },
    },
  };
}
