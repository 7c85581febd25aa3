import { readPage } from '../../database/paging.ts';
import { pagedRoute, type Route, route } from '../../http/route.ts';
import { type Control, commitAct, settle } from '../../removal/act.ts';
import { blockedUserList, blockUser, presentBlockedUser, unblockUser } from './blocked-users.ts';
import { BlockedUser, BlockedUserParams, BlockedUserQuery, BlockUser, UnblockedUser } from './contract.ts';

const base = { scope: 'account', tag: 'Portcullis blocked users' } as const;
const COLLECTION = '/portcullis/blocked_users';
const readers = ['Access: Audit Logs Read', 'Access: Users Read', 'Access: Users Write'] as const;
const writers = ['Zero Trust: Seats Write', 'Access: Users Write'] as const;

/** /accounts/:account_id/portcullis/blocked_users: ours, at a path that Cloudflare does not use. */
export function blockedUserRoutes(control: Control): Route[] {
  return [
    pagedRoute({
      ...base,
      method: 'GET',
      path: COLLECTION,
      operation: 'portcullis-blocked-users-list-blocked-users',
      summary: 'List blocked users',
      permission: readers,
      status: 200,
      query: BlockedUserQuery,
      result: BlockedUser,
      handler: async ({ accountId, query, walk }) => {
        const list = blockedUserList(control.database.reader, { accountId, ...query });
        const page = await readPage(control, walk, list);
        // Whoever is in the list is said to have no access any more (design §4.8).
        await settle(control, accountId);
        return { ...page, items: page.items.map(presentBlockedUser) };
      },
    }),
    route({
      ...base,
      method: 'POST',
      path: COLLECTION,
      operation: 'portcullis-blocked-users-block-a-user',
      summary: 'Block a user',
      permission: writers,
      status: 201,
      body: BlockUser,
      result: BlockedUser,
      handler: ({ act, accountId, body }) => blockUser(control, act, { accountId, ...body }),
    }),
    route({
      ...base,
      method: 'DELETE',
      path: `${COLLECTION}/:blocked_user_id`,
      operation: 'portcullis-blocked-users-unblock-a-user',
      summary: 'Unblock a user',
      permission: writers,
      status: 200,
      params: BlockedUserParams,
      result: UnblockedUser,
      handler: ({ act, accountId, params: { blocked_user_id: id } }) =>
        commitAct(control, act, (tx) => unblockUser(tx, { accountId, id })),
    }),
  ];
}
