import { ResourceGroup } from '../../http/policy-shapes.ts';
import { listRoute, type Route, route } from '../../http/route.ts';
import type { Control } from '../../removal/act.ts';
import { ResourceGroupParams, ResourceGroupQuery } from './contract.ts';
import { getResourceGroup, listResourceGroups } from './resource-groups.ts';

const tag = 'Account Resource Groups';
const readers = ['SCIM Provisioning', 'Account Settings Write', 'Account Settings Read'] as const;

/** /accounts/:account_id/iam/resource_groups (reference §3.7). */
export function resourceGroupRoutes({ database }: Control): Route[] {
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
