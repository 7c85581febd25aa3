import { PermissionGroup } from '../../http/policy-shapes.ts';
import { pagedRoute, type Route, route } from '../../http/route.ts';
import { PermissionGroupParams, PermissionGroupQuery } from './contract.ts';
import { getPermissionGroup, listPermissionGroups } from './permission-groups.ts';

const tag = 'Account Permission Groups';
const readers = ['SCIM Provisioning', 'Account Settings Write', 'Account Settings Read'] as const;

/** /accounts/:account_id/iam/permission_groups (reference §3.7). */
export function permissionGroupRoutes(): Route[] {
  return [
    pagedRoute({
      method: 'GET',
      scope: 'account',
      path: '/iam/permission_groups',
      operation: 'account-permission-group-list',
      summary: 'List permission groups',
      tag,
      permission: readers,
      status: 200,
      query: PermissionGroupQuery,
      result: PermissionGroup,
      handler: async ({ query, walk }) => listPermissionGroups(query, walk),
    }),
    route({
      method: 'GET',
      scope: 'account',
      path: '/iam/permission_groups/:permission_group_id',
      operation: 'account-permission-group-details',
      summary: 'Get a permission group',
      tag,
      permission: readers,
      status: 200,
      params: PermissionGroupParams,
      result: PermissionGroup,
      handler: async ({ params }) => getPermissionGroup(params.permission_group_id),
    }),
  ];
}
