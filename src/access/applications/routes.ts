import { Type } from 'typebox';
import { listOfAll, readPage } from '../../database/paging.ts';
import { pagedRoute, type Route, route } from '../../http/route.ts';
import { timestamp } from '../../kernel/clock.ts';
import { refuseAsked } from '../../kernel/off.ts';
import { type Control, commitAct } from '../../removal/act.ts';
import {
  createApplication,
  deleteApplication,
  revokeApplicationTokens,
  updateApplication,
} from './application-changes.ts';
import { readApplication } from './application-input.ts';
import {
  allApplications,
  getApplication,
  matchesFilter,
  placeOf,
  presentApplication,
} from './applications.ts';
import { Application, ApplicationInput, ApplicationParams, ApplicationQuery, Deleted } from './contract.ts';

const tag = 'Access applications';
const writers = ['Access: Apps and Policies Write'] as const;
const readers = [...writers, 'Access: Apps and Policies Read', 'Access: Apps and Policies Revoke'] as const;
const base = { scope: 'account_or_zone', tag } as const;
const COLLECTION = '/access/apps';
const ITEM = `${COLLECTION}/:app_id`;

/** /access/apps of an account or zone (reference §3.4). */
export function applicationRoutes(control: Control, options: { reservedHosts: readonly string[] }): Route[] {
  const { database, clock } = control;
  const now = () => timestamp(clock.now());
  return [
    pagedRoute({
      ...base,
      method: 'GET',
      path: COLLECTION,
      operation: 'access-applications-list-access-applications',
      summary: 'List Access applications',
      permission: [...readers],
      status: 200,
      query: ApplicationQuery,
      result: Application,
      handler: async (call) => {
        refuseAsked(call.query, ['target_attributes'], '/query');
        const all = await allApplications(database.reader, placeOf(call));
        const found = all.filter((application) => matchesFilter(application, call.query));
        const list = listOfAll(found, ({ row }) => [row.created_at, row.id]);
        const page = await readPage(control, call.walk, list);
        return { ...page, items: page.items.map(presentApplication) };
      },
    }),
    route({
      ...base,
      method: 'POST',
      path: COLLECTION,
      operation: 'access-applications-add-an-application',
      summary: 'Add an Access application',
      permission: [...writers],
      status: 201,
      body: ApplicationInput,
      result: Application,
      handler: async (call) => {
        const read = readApplication(call.body);
        return await commitAct(control, call.act, (tx) =>
          createApplication(tx, { place: placeOf(call), read, ...options, now: now() }),
        );
      },
    }),
    route({
      ...base,
      method: 'GET',
      path: ITEM,
      operation: 'access-applications-get-an-access-application',
      summary: 'Get an Access application',
      permission: [...readers],
      status: 200,
      params: ApplicationParams,
      result: Application,
      handler: async (call) =>
        presentApplication(await getApplication(database.reader, placeOf(call), call.params.app_id)),
    }),
    route({
      ...base,
      method: 'PUT',
      path: ITEM,
      operation: 'access-applications-update-an-access-application',
      summary: 'Update an Access application',
      permission: [...writers],
      status: 200,
      params: ApplicationParams,
      body: ApplicationInput,
      result: Application,
      handler: async (call) => {
        const read = readApplication(call.body);
        const write = { id: call.params.app_id, place: placeOf(call), read, ...options };
        return await commitAct(control, call.act, (tx) => updateApplication(tx, { ...write, now: now() }));
      },
    }),
    route({
      ...base,
      method: 'DELETE',
      path: ITEM,
      operation: 'access-applications-delete-an-access-application',
      summary: 'Delete an Access application',
      permission: [...writers],
      status: 202,
      params: ApplicationParams,
      result: Deleted,
      handler: (call) =>
        commitAct(control, call.act, (tx) => deleteApplication(tx, placeOf(call), call.params.app_id)),
    }),
    route({
      ...base,
      method: 'POST',
      path: `${ITEM}/revoke_tokens`,
      operation: 'access-applications-revoke-service-tokens',
      summary: 'Revoke application tokens',
      permission: [...writers, 'Access: Apps and Policies Revoke'],
      status: 202,
      params: ApplicationParams,
      result: Type.Object({}),
      handler: (call) =>
        commitAct(control, call.act, (tx) => revokeApplicationTokens(tx, placeOf(call), call.params.app_id)),
    }),
  ];
}
