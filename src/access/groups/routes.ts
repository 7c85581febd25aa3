import { readPage } from '../../database/paging.ts';
import { pagedRoute, type Route, route } from '../../http/route.ts';
import { timestamp } from '../../kernel/clock.ts';
import { type Control, commitAct } from '../../removal/act.ts';
import { DeletedGroup, Group, GroupInput, GroupParams, GroupQuery } from './contract.ts';
import { createGroup, deleteGroup, updateGroup } from './group-changes.ts';
import { getGroup, groupList, presentGroup } from './groups.ts';

const writers = ['Access: Organizations, Identity Providers, and Groups Write'] as const;
const readers = [...writers, 'Access: Organizations, Identity Providers, and Groups Read'] as const;
const base = { scope: 'account_or_zone', tag: 'Access groups' } as const;
const COLLECTION = '/access/groups';
const ITEM = `${COLLECTION}/:group_id`;

/** /access/groups of an account or zone (reference §3.4). */
export function groupRoutes(control: Control): Route[] {
  return [...readingRoutes(control), ...writingRoutes(control)];
}

function readingRoutes(control: Control): Route[] {
  const { reader } = control.database;
  return [
    pagedRoute({
      ...base,
      method: 'GET',
      path: COLLECTION,
      operation: 'access-groups-list-access-groups',
      summary: 'List Access groups',
      permission: readers,
      status: 200,
      query: GroupQuery,
      result: Group,
      handler: async ({ accountId, query, walk }) => {
        const page = await readPage(control, walk, groupList(reader, { accountId, ...query }));
        return { ...page, items: page.items.map(presentGroup) };
      },
    }),
    route({
      ...base,
      method: 'GET',
      path: ITEM,
      operation: 'access-groups-get-an-access-group',
      summary: 'Get an Access group',
      permission: readers,
      status: 200,
      params: GroupParams,
      result: Group,
      handler: async ({ accountId, params: { group_id: id } }) =>
        presentGroup(await getGroup(reader, accountId, id)),
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
      operation: 'access-groups-create-an-access-group',
      summary: 'Create an Access group',
      permission: writers,
      status: 201,
      body: GroupInput,
      result: Group,
      handler: ({ act, accountId, body: input }) =>
        commitAct(control, act, (tx) => createGroup(tx, { accountId, input, now: now() })),
    }),
    route({
      ...base,
      method: 'PUT',
      path: ITEM,
      operation: 'access-groups-update-an-access-group',
      summary: 'Update an Access group',
      permission: writers,
      status: 200,
      params: GroupParams,
      body: GroupInput,
      result: Group,
      handler: ({ act, accountId, params: { group_id: id }, body: input }) =>
        commitAct(control, act, (tx) => updateGroup(tx, { accountId, id, input, now: now() })),
    }),
    route({
      ...base,
      method: 'DELETE',
      path: ITEM,
      operation: 'access-groups-delete-an-access-group',
      summary: 'Delete an Access group',
      permission: writers,
      status: 202,
      params: GroupParams,
      result: DeletedGroup,
      handler: ({ act, accountId, params: { group_id: id } }) =>
        commitAct(control, act, (tx) => deleteGroup(tx, { accountId, id })),
    }),
  ];
}
