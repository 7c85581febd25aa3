import { readPage } from '../../database/paging.ts';
import { pagedRoute, type Route, route } from '../../http/route.ts';
import { timestamp } from '../../kernel/clock.ts';
import { type Control, commitAct } from '../../removal/act.ts';
import { DeletedTag, Tag, TagInput, TagParams, TagQuery } from './contract.ts';
import { createTag, deleteTag, getTag, presentTag, renameTag, tagList } from './tags.ts';

const COLLECTION = '/access/tags';
const ITEM = `${COLLECTION}/:tag_name`;
const writers = ['Access: Apps and Policies Write'] as const;
const readers = [...writers, 'Access: Apps and Policies Read'] as const;
const base = { scope: 'account', tag: 'Access tags', status: 200 } as const;

/** /access/tags of an account: the SDK's `zeroTrust.access.tags`. The name of a tag stands in its path. */
export function tagRoutes(control: Control): Route[] {
  return [...readingRoutes(control), ...writingRoutes(control)];
}

function readingRoutes(control: Control): Route[] {
  const { reader } = control.database;
  return [
    pagedRoute({
      ...base,
      method: 'GET',
      path: COLLECTION,
      operation: 'access-tags-list-tags',
      summary: 'List tags',
      permission: readers,
      query: TagQuery,
      result: Tag,
      handler: async ({ accountId, walk }) => {
        const page = await readPage(control, walk, tagList(reader, accountId));
        return { ...page, items: page.items.map(presentTag) };
      },
    }),
    route({
      ...base,
      method: 'GET',
      path: ITEM,
      operation: 'access-tags-get-a-tag',
      summary: 'Get a tag',
      permission: readers,
      params: TagParams,
      result: Tag,
      handler: ({ accountId, params: { tag_name: name } }) => getTag(reader, accountId, name),
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
      operation: 'access-tags-create-tag',
      summary: 'Create a tag',
      permission: writers,
      status: 201,
      body: TagInput,
      result: Tag,
      handler: ({ act, accountId, body: input }) =>
        commitAct(control, act, (tx) => createTag(tx, { accountId, input, now: now() })),
    }),
    route({
      ...base,
      method: 'PUT',
      path: ITEM,
      operation: 'access-tags-update-a-tag',
      summary: 'Rename a tag',
      permission: writers,
      params: TagParams,
      body: TagInput,
      result: Tag,
      handler: ({ act, accountId, params: { tag_name: name }, body: input }) =>
        commitAct(control, act, (tx) => renameTag(tx, { accountId, name, input, now: now() })),
    }),
    route({
      ...base,
      method: 'DELETE',
      path: ITEM,
      operation: 'access-tags-delete-a-tag',
      summary: 'Delete a tag',
      permission: writers,
      status: 202,
      params: TagParams,
      result: DeletedTag,
      handler: ({ act, accountId, params: { tag_name: name } }) =>
        commitAct(control, act, (tx) => deleteTag(tx, { accountId, name })),
    }),
  ];
}
