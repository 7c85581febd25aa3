import type { Database, Reader, Tx } from '../../database/database.ts';
import { type Page, readPage, type Walk } from '../../database/paging.ts';
import { renameInRegistrations } from '../../devices/registrations/registrations.ts';
import type { Clock } from '../../kernel/clock.ts';
import { normaliseEmail } from '../../kernel/email.ts';
import { invalidInput, refusal } from '../../kernel/errors.ts';
import { newUuid } from '../../kernel/ids.ts';
import { foldCase } from '../../kernel/text.ts';
import type { Change } from '../../removal/act.ts';
import { takeSeat } from './seats.ts';
import type { UserFilter } from './store.ts';
import {
  findUser,
  insertUser,
  listUsers,
  lockUser,
  lockUserByEmail,
  type StoredUser,
  totalUsers,
  updateUserRow,
} from './store.ts';

/** A user as the API answers it. */
export function presentUser(user: StoredUser) {
  return {
    id: user.id,
    uid: user.id,
    seat_uid: user.seat_uid,
    email: user.email,
    name: user.name,
    access_seat: user.access_seat === 1,
    gateway_seat: user.gateway_seat === 1,
    active_device_count: user.active_device_count,
    created_at: user.created_at,
    updated_at: user.updated_at,
    last_successful_login: user.last_successful_login,
  };
}

export type PresentedUser = ReturnType<typeof presentUser>;

/** The user of that id in that account; a 404 for any other, another account's included. */
export async function getUser(reader: Reader, accountId: string, id: string): Promise<StoredUser> {
  const user = await findUser(reader, accountId, id);
  if (!user) throw unknownUser();
  return user;
}

/** How many users the account has. */
export async function countUsers(reader: Reader, accountId: string): Promise<number> {
  return (await totalUsers(reader, accountId, {})) ?? 0;
}

/** One page of the users, by e-mail. */
export async function listUserPage(
  context: { database: Database; clock: Clock },
  input: { accountId: string; query: { name?: string; email?: string; search?: string }; walk: Walk },
): Promise<Page<PresentedUser>> {
  const { reader } = context.database;
  const filter = userFilter(input.query);
  const page = await readPage(context, input.walk, {
    fetch: (start) => listUsers(reader, input.accountId, { filter, start }),
    keyOf: (user) => [user.email_key],
    total: () => totalUsers(reader, input.accountId, filter),
  });
  return { ...page, items: page.items.map(presentUser) };
}

export function unknownUser() {
  return refusal('notFoundAccess', { detail: 'user not found' });
}

/** Query of the list with its texts in the form in which they are compared. */
function userFilter(query: { name?: string; email?: string; search?: string }): UserFilter {
  return {
    ...(query.email === undefined ? {} : { emailKey: normaliseEmail(query.email) ?? query.email }),
    ...(query.name === undefined ? {} : { nameKey: foldCase(query.name) }),
    ...(query.search ? { search: foldCase(query.search) } : {}),
  };
}

/** A new user without a seat. A second one with the same e-mail is refused by the database (409). */
export async function createUser(
  tx: Tx,
  input: { accountId: string; email: string; name?: string; now: string },
): Promise<Change<PresentedUser>> {
  const user = newUser({ ...input, name: input.name ?? '' });
  await insertUser(tx, user);
  return {
    result: presentUser(user),
    audit: {
      action: 'user.create',
      resource: { type: 'user', id: user.id },
      metadata: { email: user.email },
    },
  };
}

/** The row of a user who has never signed in. */
function newUser(input: { accountId: string; email: string; name: string; now: string }): StoredUser {
  const emailKey = emailKeyOf(input.email);
  return {
    id: newUuid(),
    account_id: input.accountId,
    email: input.email.normalize('NFC'),
    email_key: emailKey,
    ...named({ email: input.email, email_key: emailKey }, input.name),
    seat_uid: null,
    access_seat: 0,
    gateway_seat: 0,
    active_device_count: 0,
    reauthenticate: 0,
    created_at: input.now,
    updated_at: input.now,
    last_successful_login: null,
  };
}

/**
 * Changes the name. The current e-mail is asked for as a confirmation and cannot be changed; it is compared
 * on its normalised form.
 */
export async function updateUser(
  tx: Tx,
  input: { accountId: string; id: string; email: string; name: string; now: string },
): Promise<Change<PresentedUser>> {
  const user = await lockUser(tx, input.accountId, input.id);
  if (!user) throw unknownUser();
  if (emailKeyOf(input.email) !== user.email_key)
    throw invalidEmail('does not match the current e-mail of the user');
  const change = { ...named(user, input.name), updated_at: input.now };
  await updateUserRow(tx, user, change);
  await renameInRegistrations(tx, { id: user.id, name_key: change.name_key });
  return {
    result: presentUser({ ...user, ...change }),
    audit: {
      action: 'user.update',
      resource: { type: 'user', id: user.id },
      metadata: { name: { from: user.name, to: change.name } },
    },
  };
}

/** The user with that e-mail key, locked; made on the spot for someone who signs in for the first time. */
export async function admitUser(
  tx: Tx,
  input: { accountId: string; email: string; name: string; now: string },
): Promise<StoredUser> {
  const known = await lockUserByEmail(tx, input.accountId, input.email);
  if (known) return known;
  const user = newUser(input);
  await insertUser(tx, user);
  return user;
}

/**
 * A sign-in has succeeded: the user holds a seat from now on and has proved themselves. Throws SeatRefused if the
 * account has no seat left for someone who holds none.
 */
export async function recordSignIn(tx: Tx, user: StoredUser, now: string): Promise<void> {
  await updateUserRow(tx, user, {
    ...(await takeSeat(tx, user, 'access', now)),
    reauthenticate: 0,
    last_successful_login: now,
  });
}

/** The id of the user with that e-mail key, if there is one. */
export async function findUserIdByEmail(
  reader: Reader,
  accountId: string,
  emailKey: string,
): Promise<string | null> {
  const [user] = await listUsers(reader, accountId, {
    filter: { emailKey },
    start: { after: null, offset: 0, limit: 1 },
  });
  return user?.id ?? null;
}

/** The key of an e-mail that a caller wrote; a 400 if it is none. */
export function emailKeyOf(email: string): string {
  const key = normaliseEmail(email);
  if (key === null) throw invalidEmail('is not an e-mail address');
  return key;
}

function invalidEmail(message: string) {
  return invalidInput([{ pointer: '/email', message }], 'invalidAccess');
}

/** The name in its three forms; an e-mail is searched as it was given, and as other systems write its domain. */
function named({ email, email_key }: Pick<StoredUser, 'email' | 'email_key'>, name: string) {
  const nfc = name.normalize('NFC');
  const nameKey = foldCase(nfc);
  const lines = new Set([foldCase(email), foldCase(email_key), nameKey]);
  return { name: nfc, name_key: nameKey, search_text: [...lines].join('\n') };
}
