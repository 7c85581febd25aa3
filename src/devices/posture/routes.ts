import { listRoute, type Route, route } from '../../http/route.ts';
import { timestamp } from '../../kernel/clock.ts';
import { type Control, commitAct } from '../../removal/act.ts';
import { DeletedPostureRule, PostureRule, PostureRuleInput, PostureRuleParams } from './contract.ts';
import { allPostureRules, getPostureRule, presentPostureRule } from './posture.ts';
import { createPostureRule, deletePostureRule, updatePostureRule } from './posture-changes.ts';

const writers = ['Zero Trust Write'] as const;
const readers = [...writers, 'Zero Trust Read', 'Zero Trust Report'] as const;
const base = { scope: 'account', tag: 'Device posture rules', status: 200 } as const;
const COLLECTION = '/devices/posture';
const ITEM = `${COLLECTION}/:rule_id`;

/** /devices/posture of an account: the SDK's `zeroTrust.devices.posture`. */
export function postureRoutes(control: Control): Route[] {
  const { reader } = control.database;
  const now = () => timestamp(control.clock.now());
  return [
    listRoute({
      ...base,
      method: 'GET',
      path: COLLECTION,
      operation: 'device-posture-rules-list-device-posture-rules',
      summary: 'List device posture rules',
      permission: readers,
      result: PostureRule,
      handler: ({ accountId }) => allPostureRules(reader, accountId),
    }),
    route({
      ...base,
      method: 'GET',
      path: ITEM,
      operation: 'device-posture-rules-device-posture-rules-details',
      summary: 'Get a device posture rule',
      permission: readers,
      params: PostureRuleParams,
      result: PostureRule,
      handler: async ({ accountId, params: { rule_id: id } }) =>
        presentPostureRule(await getPostureRule(reader, accountId, id)),
    }),
    route({
      ...base,
      method: 'POST',
      path: COLLECTION,
      operation: 'device-posture-rules-create-device-posture-rule',
      summary: 'Create a device posture rule',
      permission: writers,
      body: PostureRuleInput,
      result: PostureRule,
      handler: ({ act, accountId, body: input }) =>
        commitAct(control, act, (tx) => createPostureRule(tx, { accountId, input, now: now() })),
    }),
    route({
      ...base,
      method: 'PUT',
      path: ITEM,
      operation: 'device-posture-rules-update-device-posture-rule',
      summary: 'Update a device posture rule',
      permission: writers,
      params: PostureRuleParams,
      body: PostureRuleInput,
      result: PostureRule,
      handler: ({ act, accountId, params: { rule_id: id }, body: input }) =>
        commitAct(control, act, (tx) => updatePostureRule(tx, { accountId, id, input, now: now() })),
    }),
    route({
      ...base,
      method: 'DELETE',
      path: ITEM,
      operation: 'device-posture-rules-delete-device-posture-rule',
      summary: 'Delete a device posture rule',
      permission: writers,
      params: PostureRuleParams,
      result: DeletedPostureRule,
      handler: ({ act, accountId, params: { rule_id: id } }) =>
        commitAct(control, act, (tx) => deletePostureRule(tx, { accountId, id })),
    }),
  ];
}
