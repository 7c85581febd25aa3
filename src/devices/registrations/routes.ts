import { Type } from 'typebox';
import { cursorRoute, type Route, route } from '../../http/route.ts';
import { timestamp } from '../../kernel/clock.ts';
import { type Control, commitAct } from '../../removal/act.ts';
import { IdsQuery, OneQuery, Registration, RegistrationParams, RegistrationQuery } from './contract.ts';
import { deleteMeant, revokeMeant, unrevokeMeant } from './registration-changes.ts';
import {
  folded,
  getRegistration,
  presentRegistration,
  readInclude,
  registrationPage,
} from './registration-list.ts';

const writers = ['Zero Trust Write'] as const;
const readers = [...writers, 'Zero Trust Read', 'Zero Trust Report'] as const;
const base = { scope: 'account', tag: 'Registrations', status: 200 } as const;
const COLLECTION = '/devices/registrations';
const ITEM = `${COLLECTION}/:registration_id`;

/** /devices/registrations of an account: the SDK's `zeroTrust.devices.registrations` (reference §3.10). */
export function registrationRoutes(control: Control): Route[] {
  return [...readingRoutes(control), ...endingRoutes(control), ...revokingRoutes(control)];
}

function readingRoutes(control: Control): Route[] {
  const { reader } = control.database;
  return [
    cursorRoute({
      ...base,
      method: 'GET',
      path: COLLECTION,
      operation: 'list-registrations',
      summary: 'List registrations',
      permission: readers,
      query: RegistrationQuery,
      result: Registration,
      handler: ({ accountId, query }) => registrationPage(reader, accountId, query),
    }),
    route({
      ...base,
      method: 'GET',
      path: ITEM,
      operation: 'get-registration',
      summary: 'Get a registration',
      permission: readers,
      params: RegistrationParams,
      query: OneQuery,
      result: Registration,
      handler: async ({ accountId, params: { registration_id: id }, query }) => {
        const withPolicy = readInclude(query.include, 'policy');
        return presentRegistration(await getRegistration(reader, accountId, id), { withPolicy });
      },
    }),
  ];
}

function endingRoutes(control: Control): Route[] {
  const now = () => timestamp(control.clock.now());
  return [
    route({
      ...base,
      method: 'DELETE',
      path: ITEM,
      operation: 'delete-registration',
      summary: 'Delete a registration',
      permission: writers,
      params: RegistrationParams,
      result: Type.Null(),
      handler: ({ act, accountId, params: { registration_id: id } }) =>
        commitAct(control, act, (tx) => deleteMeant(tx, { accountId, ids: [id], now: now() })),
    }),
    route({
      ...base,
      method: 'DELETE',
      path: COLLECTION,
      operation: 'delete-registrations',
      summary: 'Delete registrations',
      permission: writers,
      query: IdsQuery,
      result: Type.Null(),
      handler: ({ act, accountId, query }) =>
        commitAct(control, act, (tx) => deleteMeant(tx, { accountId, ids: folded(query.id), now: now() })),
    }),
  ];
}

function revokingRoutes(control: Control): Route[] {
  const now = () => timestamp(control.clock.now());
  return [
    route({
      ...base,
      method: 'POST',
      path: `${COLLECTION}/revoke`,
      operation: 'revoke-registrations',
      summary: 'Revoke registrations',
      permission: writers,
      query: IdsQuery,
      result: Type.Null(),
      handler: ({ act, accountId, query }) =>
        commitAct(control, act, (tx) => revokeMeant(tx, { accountId, ids: folded(query.id), now: now() })),
    }),
    route({
      ...base,
      method: 'POST',
      path: `${COLLECTION}/unrevoke`,
      operation: 'unrevoke-registrations',
      summary: 'Unrevoke registrations',
      permission: writers,
      query: IdsQuery,
      result: Type.Null(),
      handler: ({ act, accountId, query }) =>
        commitAct(control, act, (tx) => unrevokeMeant(tx, { accountId, ids: folded(query.id), now: now() })),
    }),
  ];
}
