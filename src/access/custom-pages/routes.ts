import { readPage } from '../../database/paging.ts';
import { pagedRoute, type Route, route } from '../../http/route.ts';
import { timestamp } from '../../kernel/clock.ts';
import { type Control, commitAct } from '../../removal/act.ts';
import {
  CustomPage,
  CustomPageInput,
  CustomPageParams,
  CustomPageQuery,
  CustomPageWithoutHtml,
  DeletedCustomPage,
} from './contract.ts';
import {
  createCustomPage,
  customPageList,
  deleteCustomPage,
  getCustomPage,
  presentCustomPage,
  updateCustomPage,
} from './custom-pages.ts';

const COLLECTION = '/access/custom_pages';
const ITEM = `${COLLECTION}/:custom_page_id`;
const writers = ['Access: Apps and Policies Write'] as const;
const readers = [...writers, 'Access: Apps and Policies Read'] as const;
const base = { scope: 'account', tag: 'Access custom pages', status: 200 } as const;

/** /access/custom_pages of an account: lists and changes answer without the HTML, as the SDK types them. */
export function customPageRoutes(control: Control): Route[] {
  return [...readingRoutes(control), ...writingRoutes(control)];
}

function readingRoutes(control: Control): Route[] {
  const { reader } = control.database;
  return [
    pagedRoute({
      ...base,
      method: 'GET',
      path: COLLECTION,
      operation: 'access-custom-pages-list-custom-pages',
      summary: 'List custom pages',
      permission: readers,
      query: CustomPageQuery,
      result: CustomPageWithoutHtml,
      handler: async ({ accountId, walk }) => {
        const page = await readPage(control, walk, customPageList(reader, accountId));
        return { ...page, items: page.items.map(presentCustomPage) };
      },
    }),
    route({
      ...base,
      method: 'GET',
      path: ITEM,
      operation: 'access-custom-pages-get-a-custom-page',
      summary: 'Get a custom page',
      permission: readers,
      params: CustomPageParams,
      result: CustomPage,
      handler: ({ accountId, params: { custom_page_id: id } }) => getCustomPage(reader, accountId, id),
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
      operation: 'access-custom-pages-create-a-custom-page',
      summary: 'Create a custom page',
      permission: writers,
      status: 201,
      body: CustomPageInput,
      result: CustomPageWithoutHtml,
      handler: ({ act, accountId, body: input }) =>
        commitAct(control, act, (tx) => createCustomPage(tx, { accountId, input, now: now() })),
    }),
    route({
      ...base,
      method: 'PUT',
      path: ITEM,
      operation: 'access-custom-pages-update-a-custom-page',
      summary: 'Update a custom page',
      permission: writers,
      params: CustomPageParams,
      body: CustomPageInput,
      result: CustomPageWithoutHtml,
      handler: ({ act, accountId, params: { custom_page_id: id }, body: input }) =>
        commitAct(control, act, (tx) => updateCustomPage(tx, { accountId, id, input, now: now() })),
    }),
    route({
      ...base,
      method: 'DELETE',
      path: ITEM,
      operation: 'access-custom-pages-delete-a-custom-page',
      summary: 'Delete a custom page',
      permission: writers,
      status: 202,
      params: CustomPageParams,
      result: DeletedCustomPage,
      handler: ({ act, accountId, params: { custom_page_id: id } }) =>
        commitAct(control, act, (tx) => deleteCustomPage(tx, { accountId, id })),
    }),
  ];
}
