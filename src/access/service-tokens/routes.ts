import { readPage } from '../../database/paging.ts';
import { pagedRoute, type Route, route } from '../../http/route.ts';
import { timestamp } from '../../kernel/clock.ts';
import { type Control, commitAct } from '../../removal/act.ts';
import {
  CreateServiceToken,
  NewServiceToken,
  RotateServiceToken,
  ServiceToken,
  ServiceTokenParams,
  ServiceTokenQuery,
  UpdatedServiceToken,
  UpdateServiceToken,
} from './contract.ts';
import {
  createServiceToken,
  deleteServiceToken,
  refreshServiceToken,
  rotateServiceToken,
  updateServiceToken,
} from './service-token-changes.ts';
import { getServiceToken, presentServiceToken, serviceTokenList } from './service-tokens.ts';

const writers = ['Access: Service Tokens Write'] as const;
const readers = [...writers, 'Access: Service Tokens Read'] as const;
const base = { scope: 'account_or_zone', tag: 'Access service tokens', status: 200 } as const;
const COLLECTION = '/access/service_tokens';
const ITEM = `${COLLECTION}/:service_token_id`;

/** /access/service_tokens of an account or zone (reference §3.6). */
export function serviceTokenRoutes(control: Control): Route[] {
  return [...readingRoutes(control), ...writingRoutes(control), ...renewingRoutes(control)];
}

function readingRoutes(control: Control): Route[] {
  const { database, clock } = control;
  const now = () => timestamp(clock.now());
  return [
    pagedRoute({
      ...base,
      method: 'GET',
      path: COLLECTION,
      operation: 'access-service-tokens-list-service-tokens',
      summary: 'List service tokens',
      permission: readers,
      query: ServiceTokenQuery,
      result: ServiceToken,
      handler: async ({ accountId, query, walk }) => {
        const page = await readPage(
          control,
          walk,
          serviceTokenList(database.reader, { accountId, ...query }),
        );
        return { ...page, items: page.items.map((row) => presentServiceToken(row, now())) };
      },
    }),
    route({
      ...base,
      method: 'GET',
      path: ITEM,
      operation: 'access-service-tokens-get-a-service-token',
      summary: 'Get a service token',
      permission: readers,
      params: ServiceTokenParams,
      result: ServiceToken,
      handler: async ({ accountId, params: { service_token_id: id } }) =>
        presentServiceToken(await getServiceToken(database.reader, accountId, id), now()),
    }),
  ];
}

function writingRoutes(control: Control): Route[] {
  const now = () => control.clock.now();
  return [
    route({
      ...base,
      method: 'POST',
      path: COLLECTION,
      operation: 'access-service-tokens-create-a-service-token',
      summary: 'Create a service token',
      permission: writers,
      status: 201,
      body: CreateServiceToken,
      result: NewServiceToken,
      handler: ({ act, accountId, body: input }) =>
        commitAct(control, act, (tx) => createServiceToken(tx, { accountId, input, now: now() })),
    }),
    route({
      ...base,
      method: 'PUT',
      path: ITEM,
      operation: 'access-service-tokens-update-a-service-token',
      summary: 'Update a service token',
      permission: writers,
      params: ServiceTokenParams,
      body: UpdateServiceToken,
      result: UpdatedServiceToken,
      handler: ({ act, accountId, params: { service_token_id: id }, body: input }) =>
        commitAct(control, act, (tx) => updateServiceToken(tx, { accountId, id, input, now: now() })),
    }),
    route({
      ...base,
      method: 'DELETE',
      path: ITEM,
      operation: 'access-service-tokens-delete-a-service-token',
      summary: 'Delete a service token',
      permission: writers,
      params: ServiceTokenParams,
      result: ServiceToken,
      handler: ({ act, accountId, params: { service_token_id: id } }) =>
        commitAct(control, act, (tx) => deleteServiceToken(tx, { accountId, id, now: now() })),
    }),
  ];
}

/** These two have no path of a zone. */
function renewingRoutes(control: Control): Route[] {
  const now = () => control.clock.now();
  return [
    route({
      ...base,
      scope: 'account',
      method: 'POST',
      path: `${ITEM}/refresh`,
      operation: 'access-service-tokens-refresh-a-service-token',
      summary: 'Refresh a service token',
      permission: writers,
      params: ServiceTokenParams,
      result: ServiceToken,
      handler: ({ act, accountId, params: { service_token_id: id } }) =>
        commitAct(control, act, (tx) => refreshServiceToken(tx, { accountId, id, now: now() })),
    }),
    route({
      ...base,
      scope: 'account',
      method: 'POST',
      path: `${ITEM}/rotate`,
      operation: 'access-service-tokens-rotate-a-service-token',
      summary: 'Rotate a service token',
      permission: writers,
      params: ServiceTokenParams,
      body: RotateServiceToken,
      result: NewServiceToken,
      handler: ({ act, accountId, params: { service_token_id: id }, body }) => {
        const until = body.previous_client_secret_expires_at;
        return commitAct(control, act, (tx) => rotateServiceToken(tx, { accountId, id, until, now: now() }));
      },
    }),
  ];
}
