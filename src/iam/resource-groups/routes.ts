import { Type } from 'typebox';
import { ResourceGroup } from '../../http/policy-shapes.ts';
import { listRoute, type Route, route } from '../../http/route.ts';
import { timestamp } from '../../kernel/clock.ts';
import { type Control, commitAct } from '../../removal/act.ts';
import {
  CreateResourceGroup,
  ResourceGroupParams,
  ResourceGroupQuery,
  UpdateResourceGroup,
} from './contract.ts';
import {
  createResourceGroup,
  deleteResourceGroup,
  type RefuseExcess,
  updateResourceGroup,
} from './resource-group-changes.ts';
import { getResourceGroup, listResourceGroups } from './resource-groups.ts';

const tag = 'Account Resource Groups';
const writers = ['SCIM Provisioning', 'Account Settings Write'] as const;
const readers = [...writers, 'Account Settings Read'] as const;

/** /accounts/:account_id/iam/resource_groups (reference §3.7). */
export function resourceGroupRoutes(control: Control, options: { refuseExcess: RefuseExcess }): Route[] {
  return [...readingRoutes(control), ...writingRoutes(control, options)];
}

function readingRoutes({ database }: Control): Route[] {
  return [
    listRoute({
      method: 'GET',
      scope: 'account',
      path: '/iam/resource_groups',
      operation: 'account-resource-group-list',
      summary: 'List resource groups',
      tag,
      permission: readers,
      status: 200,
      query: ResourceGroupQuery,
      result: ResourceGroup,
      handler: ({ accountId, query }) => listResourceGroups(database.reader, accountId, query),
    }),
    route({
      method: 'GET',
      scope: 'account',
      path: '/iam/resource_groups/:resource_group_id',
      operation: 'account-resource-group-details',
      summary: 'Get a resource group',
      tag,
      permission: readers,
      status: 200,
      params: ResourceGroupParams,
      result: ResourceGroup,
      handler: ({ accountId, params }) =>
        getResourceGroup(database.reader, accountId, params.resource_group_id),
    }),
  ];
}

function writingRoutes(control: Control, { refuseExcess }: { refuseExcess: RefuseExcess }): Route[] {
  const base = { scope: 'account', tag, permission: writers, status: 200 } as const;
  const ITEM = '/iam/resource_groups/:resource_group_id';
  return [
    route({
      ...base,
      method: 'POST',
      path: '/iam/resource_groups',
      operation: 'account-resource-group-create',
      summary: 'Create a resource group',
      body: CreateResourceGroup,
      result: ResourceGroup,
      handler: ({ accountId, act, body: input }) =>
        commitAct(control, act, (tx) =>
          createResourceGroup(tx, { accountId, input, now: timestamp(control.clock.now()) }),
        ),
    }),
    route({
      ...base,
      method: 'PUT',
      path: ITEM,
      operation: 'account-resource-group-update',
      summary: 'Update a resource group',
      params: ResourceGroupParams,
      body: UpdateResourceGroup,
      result: ResourceGroup,
      handler: ({ accountId, principal, act, params: { resource_group_id: id }, body: input }) =>
        commitAct(control, act, (tx) =>
          updateResourceGroup(tx, { accountId, id, input, principal, refuseExcess }),
        ),
    }),
    route({
      ...base,
      method: 'DELETE',
      path: ITEM,
      operation: 'account-resource-group-delete',
      summary: 'Delete a resource group',
      params: ResourceGroupParams,
      result: Type.Object({ id: Type.String() }),
      handler: ({ accountId, act, params: { resource_group_id: id } }) =>
        commitAct(control, act, (tx) => deleteResourceGroup(tx, { accountId, id })),
    }),
  ];
}
