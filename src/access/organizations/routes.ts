import { Type } from 'typebox';
import { type Route, route } from '../../http/route.ts';
import { timestamp } from '../../kernel/clock.ts';
import { type Control, commitAct } from '../../removal/act.ts';
import { revokeUser } from '../users/user-removals.ts';
import { Organization, OrganizationCreate, OrganizationUpdate, RevokeQuery, RevokeUser } from './contract.ts';
import {
  getOrganization,
  readRevocation,
  refuseSecondOrganization,
  updateOrganization,
} from './organizations.ts';

const tag = 'Zero Trust organization';
const PATH = '/access/organizations';
const write = 'Access: Organizations, Identity Providers, and Groups Write';
const revoke = 'Access: Organizations, Identity Providers, and Groups Revoke';
const read = 'Access: Organizations, Identity Providers, and Groups Read';
const base = { scope: 'account_or_zone', tag } as const;

/** /access/organizations of an account or zone (reference §2.3, §3.3). */
export function organizationRoutes(control: Control): Route[] {
  const { database } = control;
  return [
    route({
      ...base,
      method: 'GET',
      path: PATH,
      operation: 'zero-trust-organization-get-your-zero-trust-organization',
      summary: 'Get your Zero Trust organization',
      permission: [read, revoke, write],
      status: 200,
      result: Organization,
      handler: ({ accountId }) => getOrganization(database.reader, accountId),
    }),
    route({
      ...base,
      method: 'POST',
      path: PATH,
      operation: 'zero-trust-organization-create-your-zero-trust-organization',
      summary: 'Create your Zero Trust organization',
      permission: [write],
      status: 201,
      body: OrganizationCreate,
      result: Organization,
      handler: async () => refuseSecondOrganization(),
    }),
    updateRoute(control, 'PUT'),
    updateRoute(control, 'PATCH'),
    route({
      ...base,
      method: 'POST',
      path: `${PATH}/revoke_user`,
      operation: 'zero-trust-organization-revoke-all-access-tokens-for-a-user',
      summary: 'Revoke all Access tokens for a user',
      permission: [write, revoke, 'Access: Organizations Revoke'],
      status: 200,
      query: RevokeQuery,
      body: RevokeUser,
      result: Type.Boolean(),
      bare: true,
      handler: ({ act, accountId, body, query }) =>
        commitAct(control, act, (tx) =>
          revokeUser(tx, {
            ...readRevocation(accountId, body, query),
            now: timestamp(control.clock.now()),
          }),
        ),
    }),
  ];
}

/** Cloudflare's documents show PATCH on the same path, its SDK sends PUT; both change what is given alone. */
function updateRoute(control: Control, method: 'PUT' | 'PATCH'): Route {
  return route({
    ...base,
    method,
    path: PATH,
    operation:
      method === 'PUT'
        ? 'zero-trust-organization-update-your-zero-trust-organization'
        : 'zero-trust-organization-patch-your-zero-trust-organization',
    summary: 'Update your Zero Trust organization',
    permission: [write],
    status: 200,
    body: OrganizationUpdate,
    result: Organization,
    handler: ({ act, accountId, body: input }) =>
      commitAct(control, act, (tx) =>
        updateOrganization(tx, { accountId, input, now: timestamp(control.clock.now()) }),
      ),
  });
}
