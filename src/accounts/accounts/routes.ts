import { readPage } from '../../database/paging.ts';
import { pagedRoute, type Route, route } from '../../http/route.ts';
import type { Control } from '../../removal/act.ts';
import { accountList, getAccount, presentAccount } from './accounts.ts';
import { Account, AccountQuery } from './contract.ts';

const tag = 'Accounts';
const readers = ['Account Settings Write', 'Account Settings Read'] as const;

/** /accounts (reference §3.8). */
export function accountRoutes(control: Control): Route[] {
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
