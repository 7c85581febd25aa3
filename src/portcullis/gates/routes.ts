import { readPage } from '../../database/paging.ts';
import { pagedRoute, type Route, route } from '../../http/route.ts';
import { timestamp } from '../../kernel/clock.ts';
import { type Control, commitAct, settle } from '../../removal/act.ts';
import { CreateGate, DeletedGate, Gate, GateParams, GateQuery, NewGate } from './contract.ts';
import { createGate, deleteGate, gateList, getGate, presentGates } from './gate-credentials.ts';

const base = { scope: 'account', tag: 'Portcullis gates' } as const;
const COLLECTION = '/portcullis/gates';
const ITEM = `${COLLECTION}/:gate_id`;
const write = 'Access: Organizations, Identity Providers, and Groups Write';
const revoke = 'Access: Organizations, Identity Providers, and Groups Revoke';
const read = 'Access: Organizations, Identity Providers, and Groups Read';

/** /accounts/:account_id/portcullis/gates: ours, at a path that Cloudflare does not use. */
export function gateRoutes(control: Control): Route[] {
  return [...readingRoutes(control), ...writingRoutes(control)];
}

function readingRoutes(control: Control): Route[] {
  const { reader } = control.database;
  return [
    pagedRoute({
      ...base,
      method: 'GET',
      path: COLLECTION,
      operation: 'portcullis-gates-list-gates',
      summary: 'List gates',
      permission: [write, revoke, read],
      status: 200,
      query: GateQuery,
      result: Gate,
      handler: async ({ accountId, query, walk }) => {
        const page = await readPage(control, walk, gateList(reader, { accountId, ...query }));
        const items = await presentGates(reader, accountId, page.items);
        // A list says by what it leaves out that a gate is gone (design §4.8).
        await settle(control, accountId);
        return { ...page, items };
      },
    }),
    route({
      ...base,
      method: 'GET',
      path: ITEM,
      operation: 'portcullis-gates-get-a-gate',
      summary: 'Get a gate',
      permission: [write, revoke, read],
      status: 200,
      params: GateParams,
      result: Gate,
      handler: ({ accountId, params: { gate_id: id } }) => getGate(reader, accountId, id),
    }),
  ];
}

function writingRoutes(control: Control): Route[] {
  return [
    route({
      ...base,
      method: 'POST',
      path: COLLECTION,
      operation: 'portcullis-gates-create-a-gate',
      summary: 'Create a gate',
      permission: [write],
      status: 201,
      body: CreateGate,
      result: NewGate,
      handler: ({ act, accountId, body: { name } }) => {
        const now = timestamp(control.clock.now());
        return commitAct(control, act, (tx) => createGate(tx, { accountId, name, now }));
      },
    }),
    route({
      ...base,
      method: 'DELETE',
      path: ITEM,
      operation: 'portcullis-gates-delete-a-gate',
      summary: 'Delete a gate',
      permission: [write, revoke],
      status: 200,
      params: GateParams,
      result: DeletedGate,
      handler: ({ act, accountId, params: { gate_id: id } }) =>
        commitAct(control, act, (tx) => deleteGate(tx, { accountId, id })),
    }),
  ];
}
