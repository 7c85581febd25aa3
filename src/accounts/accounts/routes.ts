import { type Static, Type } from 'typebox';
import { readPage } from '../../database/paging.ts';
import { type Call, pagedRoute, type Route, route } from '../../http/route.ts';
import { timestamp } from '../../kernel/clock.ts';
import { type Control, commitAct } from '../../removal/act.ts';
import { updateAccount } from './account-changes.ts';
import { deleteAccount, refuseRemoval } from './account-removal.ts';
import { accountList, getAccount, type PresentedAccount, presentAccount } from './accounts.ts';
import { Account, AccountQuery, CreateAccount, UpdateAccount } from './contract.ts';

const tag = 'Accounts';
const writers = ['Account Settings Write'] as const;
const readers = [...writers, 'Account Settings Read'] as const;

/** Makes an account with all that it needs (accounts/bootstrap). */
export type Create = (
  asking: Pick<Call<unknown, unknown, unknown>, 'principal' | 'act' | 'idempotencyKey'> & {
    asked: Static<typeof CreateAccount>;
  },
) => Promise<PresentedAccount>;

/** /accounts (reference §3.8). */
export function accountRoutes(control: Control, { create }: { create: Create }): Route[] {
  return [...readingRoutes(control), creatingRoute(create), ...writingRoutes(control)];
}

function readingRoutes(control: Control): Route[] {
  const { reader } = control.database;
  return [
    pagedRoute({
      method: 'GET',
      scope: 'any',
      path: '/accounts',
      operation: 'accounts-list-accounts',
      summary: 'List accounts',
      tag,
      permission: readers,
      status: 200,
      query: AccountQuery,
      result: Account,
      handler: async ({ principal, query, walk }) => {
        const page = await readPage(control, walk, await accountList(reader, principal, query));
        return { ...page, items: page.items.map(presentAccount) };
      },
    }),
    route({
      method: 'GET',
      scope: 'account',
      path: '',
      operation: 'accounts-account-details',
      summary: 'Account details',
      tag,
      permission: readers,
      status: 200,
      result: Account,
      handler: ({ accountId }) => getAccount(reader, accountId),
    }),
  ];
}

/** For people who are Super Administrators already. */
function creatingRoute(create: Create): Route {
  return route({
    method: 'POST',
    scope: 'any',
    path: '/accounts',
    operation: 'account-creation',
    summary: 'Create an account',
    tag,
    permission: writers,
    status: 200,
    body: CreateAccount,
    result: Account,
    handler: ({ body: asked, principal, act, idempotencyKey }) =>
      create({ asked, principal, act, idempotencyKey }),
  });
}

function writingRoutes(control: Control): Route[] {
  const { reader } = control.database;
  const base = { scope: 'account', path: '', tag, permission: writers, status: 200 } as const;
  return [
    route({
      ...base,
      method: 'PUT',
      operation: 'accounts-update-account',
      summary: 'Update an account',
      body: UpdateAccount,
      result: Account,
      handler: ({ accountId, act, body: input }) =>
        commitAct(control, act, (tx) => updateAccount(tx, { accountId, input })),
    }),
    route({
      ...base,
      method: 'DELETE',
      operation: 'accounts-account-deletion',
      summary: 'Delete an account',
      result: Type.Object({ id: Type.String() }),
      handler: async ({ accountId, act, principal }) => {
        await refuseRemoval(reader, principal, accountId);
        const authorize: typeof act.authorize = async (tx) => {
          await act.authorize(tx);
          await refuseRemoval(tx, principal, accountId);
        };
        const now = timestamp(control.clock.now());
        return await commitAct(control, { ...act, authorize }, (tx) => deleteAccount(tx, { accountId, now }));
      },
    }),
  ];
}
