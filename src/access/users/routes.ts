import { Type } from 'typebox';
import { listRoute, pagedRoute, type Route, route } from '../../http/route.ts';
import { timestamp } from '../../kernel/clock.ts';
import { type Control, commitAct } from '../../removal/act.ts';
import {
  ActiveSession,
  CreateUser,
  FailedLogin,
  Identity,
  SessionIdentity,
  SessionParams,
  UpdateUser,
  User,
  UserParams,
  UserQuery,
} from './contract.ts';
import { activeSessions, failedLogins, lastSeenIdentity, sessionIdentity } from './sessions.ts';
import { deleteUser } from './user-removals.ts';
import { createUser, getUser, listUserPage, presentUser, updateUser } from './users.ts';

const tag = 'Zero Trust users';
const readers = ['Access: Audit Logs Read', 'Access: Users Read', 'Access: Users Write'] as const;
const writers = ['Zero Trust: Seats Write', 'Access: Users Write'] as const;

/** /accounts/:account_id/access/users (reference §2.1, §2.2, §3.1). */
export function userRoutes(control: Control): Route[] {
  const { database, clock } = control;
  const now = () => timestamp(clock.now());
  return [
    pagedRoute({
      method: 'GET',
      scope: 'account',
      path: '/access/users',
      operation: 'zero-trust-users-get-users',
      summary: 'Get users',
      tag,
      permission: readers,
      status: 200,
      query: UserQuery,
      result: User,
      handler: ({ accountId, query, walk }) => listUserPage(control, { accountId, query, walk }),
    }),
    route({
      method: 'POST',
      scope: 'account',
      path: '/access/users',
      operation: 'zero-trust-users-create-user',
      summary: 'Create a user',
      tag,
      permission: writers,
      status: 201,
      body: CreateUser,
      result: User,
      handler: ({ act, accountId, body }) =>
        commitAct(control, act, (tx) => createUser(tx, { accountId, ...body, now: now() })),
    }),
    route({
      method: 'GET',
      scope: 'account',
      path: '/access/users/:user_id',
      operation: 'zero-trust-users-get-user',
      summary: 'Get a user',
      tag,
      permission: readers,
      status: 200,
      params: UserParams,
      result: User,
      handler: async ({ accountId, params }) =>
        presentUser(await getUser(database.reader, accountId, params.user_id)),
    }),
    route({
      method: 'PUT',
      scope: 'account',
      path: '/access/users/:user_id',
      operation: 'zero-trust-users-update-user',
      summary: 'Update a user',
      tag,
      permission: writers,
      status: 200,
      params: UserParams,
      body: UpdateUser,
      result: User,
      handler: ({ act, accountId, params, body: { email, name } }) =>
        commitAct(control, act, (tx) =>
          updateUser(tx, { accountId, id: params.user_id, email, name, now: now() }),
        ),
    }),
    route({
      method: 'DELETE',
      scope: 'account',
      path: '/access/users/:user_id',
      operation: 'zero-trust-users-delete-user',
      summary: 'Delete a user',
      tag,
      permission: writers,
      status: 202,
      params: UserParams,
      result: Type.Object({}),
      handler: ({ act, accountId, params }) =>
        commitAct(control, act, (tx) => deleteUser(tx, { accountId, id: params.user_id, now: now() })),
    }),
    listRoute({
      method: 'GET',
      scope: 'account',
      path: '/access/users/:user_id/active_sessions',
      operation: 'zero-trust-users-get-active-sessions',
      summary: 'Get active sessions',
      tag,
      permission: readers,
      status: 200,
      params: UserParams,
      result: ActiveSession,
      handler: ({ accountId, params }) =>
        activeSessions(database.reader, { accountId, userId: params.user_id, now: now() }),
    }),
    route({
      method: 'GET',
      scope: 'account',
      path: '/access/users/:user_id/active_sessions/:nonce',
      operation: 'zero-trust-users-get-active-session',
      summary: 'Get an active session',
      tag,
      permission: readers,
      status: 200,
      params: SessionParams,
      result: SessionIdentity,
      handler: ({ accountId, params }) =>
        sessionIdentity(database.reader, {
          accountId,
          userId: params.user_id,
          nonce: params.nonce,
          now: now(),
        }),
    }),
    route({
      method: 'GET',
      scope: 'account',
      path: '/access/users/:user_id/last_seen_identity',
      operation: 'zero-trust-users-get-last-seen-identity',
      summary: 'Get the last seen identity',
      tag,
      permission: readers,
      status: 200,
      params: UserParams,
      result: Identity,
      handler: ({ accountId, params }) =>
        lastSeenIdentity(database.reader, { accountId, userId: params.user_id }),
    }),
    listRoute({
      method: 'GET',
      scope: 'account',
      path: '/access/users/:user_id/failed_logins',
      operation: 'zero-trust-users-get-failed-logins',
      summary: 'Get failed logins',
      tag,
      permission: readers,
      status: 200,
      params: UserParams,
      result: FailedLogin,
      handler: ({ accountId, params }) =>
        failedLogins(database.reader, { accountId, userId: params.user_id, now: now() }),
    }),
  ];
}
