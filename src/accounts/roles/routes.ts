import { Role } from '../../http/role-shapes.ts';
import { pagedRoute, type Route, route } from '../../http/route.ts';
import { RoleParams, RoleQuery } from './contract.ts';
import { getRole, listRoles } from './roles.ts';

const base = {
  method: 'GET',
  scope: 'account',
  tag: 'Account Roles',
  permission: ['Account Settings Write', 'Account Settings Read'],
  status: 200,
  result: Role,
} as const;

/** /accounts/:account_id/roles (reference §3.8). */
export function roleRoutes(): Route[] {
  return [
    pagedRoute({
      ...base,
      path: '/roles',
      operation: 'account-roles-list-roles',
      summary: 'List roles',
      query: RoleQuery,
      handler: async ({ walk }) => listRoles(walk),
    }),
    route({
      ...base,
      path: '/roles/:role_id',
      operation: 'account-roles-role-details',
      summary: 'Role details',
      params: RoleParams,
      handler: async ({ params }) => getRole(params.role_id),
    }),
  ];
}
