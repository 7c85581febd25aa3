import { readPage } from '../../database/paging.ts';
import { pagedRoute, type Route } from '../../http/route.ts';
import type { Control } from '../../removal/act.ts';
import { auditList, ownAuditList, presentAuditEntry } from './audit-logs.ts';
import { AuditLog, AuditLogQuery } from './contract.ts';

/** /accounts/:account_id/audit_logs and /user/audit_logs (reference §3.11, v1). */
export function auditLogRoutes(control: Control): Route[] {
  const { reader } = control.database;
  return [
    pagedRoute({
      method: 'GET',
      scope: 'account',
      path: '/audit_logs',
      operation: 'audit-logs-get-account-audit-logs',
      summary: 'Get account audit logs',
      tag: 'Audit Logs',
      permission: ['Account Settings Read', 'Account Settings Write', 'Access: Audit Logs Read'],
      status: 200,
      query: AuditLogQuery,
      result: AuditLog,
      handler: async ({ accountId, query, walk }) => {
        const page = await readPage(control, walk, auditList(reader, { accountId }, query));
        return { ...page, items: page.items.map(presentAuditEntry) };
      },
    }),
    pagedRoute({
      method: 'GET',
      scope: 'user',
      path: '/audit_logs',
      operation: 'audit-logs-get-user-audit-logs',
      summary: 'Get user audit logs',
      tag: 'Audit Logs',
      permission: ['User Details Read', 'User Details Write'],
      status: 200,
      query: AuditLogQuery,
      result: AuditLog,
      handler: async ({ principal, query, walk }) => {
        const page = await readPage(control, walk, await ownAuditList(reader, principal, query));
        return { ...page, items: page.items.map(presentAuditEntry) };
      },
    }),
  ];
}
