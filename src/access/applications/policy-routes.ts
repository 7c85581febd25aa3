import { listOfAll, readPage } from '../../database/paging.ts';
import { pagedRoute, type Route, route } from '../../http/route.ts';
import { timestamp } from '../../kernel/clock.ts';
import { type Control, commitAct } from '../../removal/act.ts';
import { placeOf } from './applications.ts';
import { ApplicationParams, Deleted, Policy, PolicyInput, PolicyParams, PolicyQuery } from './contract.ts';
import { createPolicy, deletePolicy, getPolicy, policiesOf, updatePolicy } from './policies.ts';

const tag = 'Access application-scoped policies';
const writers = ['Access: Apps and Policies Write'] as const;
const readers = [...writers, 'Access: Apps and Policies Read', 'Access: Apps and Policies Revoke'] as const;
const base = { scope: 'account_or_zone', tag } as const;
const COLLECTION = '/access/apps/:app_id/policies';
const ITEM = `${COLLECTION}/:policy_id`;

/** /access/apps/:app_id/policies of an account or zone (reference §3.4). */
export function policyRoutes(control: Control): Route[] {
  const { database, clock } = control;
  const now = () => timestamp(clock.now());
  return [
    pagedRoute({
      ...base,
      method: 'GET',
      path: COLLECTION,
      operation: 'access-policies-list-access-app-policies',
      summary: 'List Access application policies',
      permission: [...readers],
      status: 200,
      params: ApplicationParams,
      query: PolicyQuery,
      result: Policy,
      handler: async (call) => {
        const of = { place: placeOf(call), applicationId: call.params.app_id };
        const all = await policiesOf(database.reader, of);
        return await readPage(
          control,
          call.walk,
          listOfAll(all, ({ precedence, id }) => [precedence, id]),
        );
      },
    }),
    route({
      ...base,
      method: 'POST',
      path: COLLECTION,
      operation: 'access-policies-create-an-access-app-policy',
      summary: 'Create an Access application policy',
      permission: [...writers],
      status: 201,
      params: ApplicationParams,
      body: PolicyInput,
      result: Policy,
      handler: (call) =>
        commitAct(control, call.act, (tx) =>
          createPolicy(tx, {
            place: placeOf(call),
            applicationId: call.params.app_id,
            input: call.body,
            now: now(),
          }),
        ),
    }),
    route({
      ...base,
      method: 'GET',
      path: ITEM,
      operation: 'access-policies-get-an-access-app-policy',
      summary: 'Get an Access application policy',
      permission: [...readers],
      status: 200,
      params: PolicyParams,
      result: Policy,
      handler: (call) =>
        getPolicy(database.reader, {
          place: placeOf(call),
          applicationId: call.params.app_id,
          id: call.params.policy_id,
        }),
    }),
    route({
      ...base,
      method: 'PUT',
      path: ITEM,
      operation: 'access-policies-update-an-access-app-policy',
      summary: 'Update an Access application policy',
      permission: [...writers],
      status: 200,
      params: PolicyParams,
      body: PolicyInput,
      result: Policy,
      handler: (call) =>
        commitAct(control, call.act, (tx) =>
          updatePolicy(tx, {
            place: placeOf(call),
            applicationId: call.params.app_id,
            id: call.params.policy_id,
            input: call.body,
            now: now(),
          }),
        ),
    }),
    route({
      ...base,
      method: 'DELETE',
      path: ITEM,
      operation: 'access-policies-delete-an-access-app-policy',
      summary: 'Delete an Access application policy',
      permission: [...writers],
      status: 202,
      params: PolicyParams,
      result: Deleted,
      handler: (call) =>
        commitAct(control, call.act, (tx) =>
          deletePolicy(tx, {
            place: placeOf(call),
            applicationId: call.params.app_id,
            id: call.params.policy_id,
          }),
        ),
    }),
  ];
}
