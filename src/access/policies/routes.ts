import { readPage } from '../../database/paging.ts';
import { pagedRoute, type Route, route } from '../../http/route.ts';
import { timestamp } from '../../kernel/clock.ts';
import { type Control, commitAct } from '../../removal/act.ts';
import { Deleted, PolicyInput, PolicyParams, PolicyQuery, ReusablePolicy } from './contract.ts';
import {
  createReusablePolicy,
  deleteReusablePolicy,
  getReusablePolicy,
  presentPage,
  reusablePolicyList,
  updateReusablePolicy,
} from './policies.ts';

const writers = ['Access: Apps and Policies Write'] as const;
const readers = [...writers, 'Access: Apps and Policies Read', 'Access: Apps and Policies Revoke'] as const;
const base = { scope: 'account', tag: 'Access reusable policies' } as const;
const COLLECTION = '/access/policies';
const ITEM = `${COLLECTION}/:policy_id`;

/** /access/policies of an account (reference §3.4). */
export function reusablePolicyRoutes(control: Control): Route[] {
  return [...readingRoutes(control), ...writingRoutes(control)];
}

function readingRoutes(control: Control): Route[] {
  const { reader } = control.database;
  return [
    pagedRoute({
      ...base,
      method: 'GET',
      path: COLLECTION,
      operation: 'access-policies-list-access-reusable-policies',
      summary: 'List Access reusable policies',
      permission: readers,
      status: 200,
      query: PolicyQuery,
      result: ReusablePolicy,
      handler: async ({ accountId, walk }) =>
        presentPage(reader, accountId, await readPage(control, walk, reusablePolicyList(reader, accountId))),
    }),
    route({
      ...base,
      method: 'GET',
      path: ITEM,
      operation: 'access-policies-get-an-access-reusable-policy',
      summary: 'Get an Access reusable policy',
      permission: readers,
      status: 200,
      params: PolicyParams,
      result: ReusablePolicy,
      handler: ({ accountId, params: { policy_id: id } }) => getReusablePolicy(reader, { accountId, id }),
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
      operation: 'access-policies-create-an-access-reusable-policy',
      summary: 'Create an Access reusable policy',
      permission: writers,
      status: 201,
      body: PolicyInput,
      result: ReusablePolicy,
      handler: ({ act, accountId, body: input }) =>
        commitAct(control, act, (tx) => createReusablePolicy(tx, { accountId, input, now: now() })),
    }),
    route({
      ...base,
      method: 'PUT',
      path: ITEM,
      operation: 'access-policies-update-an-access-reusable-policy',
      summary: 'Update an Access reusable policy',
      permission: writers,
      status: 200,
      params: PolicyParams,
      body: PolicyInput,
      result: ReusablePolicy,
      handler: ({ act, accountId, params: { policy_id: id }, body: input }) =>
        commitAct(control, act, (tx) => updateReusablePolicy(tx, { accountId, id, input, now: now() })),
    }),
    route({
      ...base,
      method: 'DELETE',
      path: ITEM,
      operation: 'access-policies-delete-an-access-reusable-policy',
      summary: 'Delete an Access reusable policy',
      permission: writers,
      status: 202,
      params: PolicyParams,
      result: Deleted,
      handler: ({ act, accountId, params: { policy_id: id } }) =>
        commitAct(control, act, (tx) => deleteReusablePolicy(tx, { accountId, id })),
    }),
  ];
}
