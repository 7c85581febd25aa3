import { readPage } from '../../database/paging.ts';
import { listRoute, pagedRoute, type Route, route } from '../../http/route.ts';
import { timestamp } from '../../kernel/clock.ts';
import { type Control, commitAct } from '../../removal/act.ts';
import {
  CreateList,
  Deleted,
  EditList,
  ItemQuery,
  List,
  ListItem,
  ListParams,
  ListQuery,
  NewList,
  UpdateList,
} from './contract.ts';
import { createList, deleteList, editList, updateList } from './list-changes.ts';
import { queryLists } from './list-query.ts';
import { getList, itemList, presentItem, presentList } from './lists.ts';

const writers = ['Zero Trust Write'] as const;
const readers = [...writers, 'Zero Trust Read', 'Zero Trust Report'] as const;
const base = { scope: 'account', tag: 'Zero Trust lists', status: 200 } as const;
const COLLECTION = '/gateway/lists';
const ITEM = `${COLLECTION}/:list_id`;

/** /gateway/lists of an account: the SDK's `zeroTrust.gateway.lists`. */
export function gatewayListRoutes(control: Control): Route[] {
  return [...readingRoutes(control), ...writingRoutes(control)];
}

function readingRoutes(control: Control): Route[] {
  const { reader } = control.database;
  return [
    listRoute({
      ...base,
      method: 'GET',
      path: COLLECTION,
      operation: 'zero-trust-lists-list-zero-trust-lists',
      summary: 'List Zero Trust lists',
      permission: readers,
      query: ListQuery,
      result: List,
      handler: ({ accountId, query }) => queryLists(reader, { accountId, query }),
    }),
    route({
      ...base,
      method: 'GET',
      path: ITEM,
      operation: 'zero-trust-lists-zero-trust-list-details',
      summary: 'Get a Zero Trust list',
      permission: readers,
      params: ListParams,
      result: List,
      handler: async ({ accountId, params: { list_id: id } }) =>
        presentList(await getList(reader, accountId, id)),
    }),
    pagedRoute({
      ...base,
      method: 'GET',
      path: `${ITEM}/items`,
      operation: 'zero-trust-lists-zero-trust-list-items',
      summary: 'List the items of a Zero Trust list',
      permission: readers,
      params: ListParams,
      query: ItemQuery,
      result: ListItem,
      handler: async ({ accountId, params: { list_id: id }, walk }) => {
        const page = await readPage(control, walk, await itemList(reader, { accountId, id }));
        return { ...page, items: page.items.map(presentItem) };
      },
    }),
  ];
}

function writingRoutes(control: Control): Route[] {
  const now = () => timestamp(control.clock.now());
  return [
    route({
      ...base,
      method: 'POST',
      path: COLLECTION,
      operation: 'zero-trust-lists-create-zero-trust-list',
      summary: 'Create a Zero Trust list',
      permission: writers,
      body: CreateList,
      result: NewList,
      handler: ({ act, accountId, body: input }) =>
        commitAct(control, act, (tx) => createList(tx, { accountId, input, now: now() })),
    }),
    route({
      ...base,
      method: 'PUT',
      path: ITEM,
      operation: 'zero-trust-lists-update-zero-trust-list',
      summary: 'Update a Zero Trust list',
      permission: writers,
      params: ListParams,
      body: UpdateList,
      result: List,
      handler: ({ act, accountId, params: { list_id: id }, body: input }) =>
        commitAct(control, act, (tx) => updateList(tx, { accountId, id, input, now: now() })),
    }),
    route({
      ...base,
      method: 'PATCH',
      path: ITEM,
      operation: 'zero-trust-lists-patch-zero-trust-list',
      summary: 'Add items to a Zero Trust list, or take items away',
      permission: writers,
      params: ListParams,
      body: EditList,
      result: List,
      handler: ({ act, accountId, params: { list_id: id }, body: input }) =>
        commitAct(control, act, (tx) => editList(tx, { accountId, id, input, now: now() })),
    }),
    route({
      ...base,
      method: 'DELETE',
      path: ITEM,
      operation: 'zero-trust-lists-delete-zero-trust-list',
      summary: 'Delete a Zero Trust list',
      permission: writers,
      params: ListParams,
      result: Deleted,
      handler: ({ act, accountId, params: { list_id: id } }) =>
        commitAct(control, act, (tx) => deleteList(tx, { accountId, id })),
    }),
  ];
}
