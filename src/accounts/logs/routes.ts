import { cursorRoute, listRoute, type Route } from '../../http/route.ts';
import type { Control } from '../../removal/act.ts';
import { auditPage, historyPage } from './audit.ts';
import { AuditEntry, AuditQuery, HistoryParams, HistoryQuery, ProductCategory } from './contract.ts';
import { productCategories } from './products.ts';

const base = {
  method: 'GET',
  scope: 'account',
  tag: 'Audit Logs',
  permission: ['Account Settings Read', 'Account Settings Write', 'Access: Audit Logs Read'],
  status: 200,
} as const;

/** /accounts/:account_id/logs/audit (reference §3.11, v2). */
export function auditRoutes(control: Control): Route[] {
  const { reader } = control.database;
  return [
    cursorRoute({
      ...base,
      path: '/logs/audit',
      operation: 'audit-logs-v2-get-account-audit-logs',
      summary: 'Get account audit logs, version 2',
      query: AuditQuery,
      result: AuditEntry,
      handler: ({ accountId, query }) => auditPage(reader, accountId, query),
    }),
    listRoute({
      ...base,
      path: '/logs/audit/product_categories',
      operation: 'audit-logs-v2-get-product-categories',
      summary: 'Get the product categories of audit logs',
      result: ProductCategory,
      handler: async () => productCategories(),
    }),
    cursorRoute({
      ...base,
      path: '/logs/audit/:id/history',
      operation: 'audit-logs-v2-get-resource-history',
      summary: 'Get the history of the resource of an audit log entry',
      params: HistoryParams,
      query: HistoryQuery,
      result: AuditEntry,
      handler: ({ accountId, params, query }) => historyPage(reader, accountId, { ...query, id: params.id }),
    }),
  ];
}
