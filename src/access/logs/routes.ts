import { readPage } from '../../database/paging.ts';
import { pagedRoute, type Route } from '../../http/route.ts';
import type { Control } from '../../removal/act.ts';
import { accessRequestList, pageSize, readFields } from './access-requests.ts';
import { AccessRequest, AccessRequestQuery } from './contract.ts';

/** /accounts/:account_id/access/logs (reference §3.6). */
export function accessLogRoutes(control: Control): Route[] {
  return [
    pagedRoute({
      method: 'GET',
      scope: 'account',
      path: '/access/logs/access_requests',
      operation: 'access-authentication-logs-get-access-authentication-logs',
      summary: 'Get Access authentication logs',
      tag: 'Access authentication logs',
      permission: ['Access: Audit Logs Read'],
      status: 200,
      query: AccessRequestQuery,
      result: AccessRequest,
      handler: async ({ accountId, query, walk }) => {
        const present = readFields(query.fields);
        const list = accessRequestList(control.database.reader, accountId, query);
        const page = await readPage(control, { ...walk, perPage: pageSize(query) }, list);
        return { ...page, items: page.items.map(present) };
      },
    }),
  ];
}
