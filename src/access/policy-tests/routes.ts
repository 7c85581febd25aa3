import { readPage } from '../../database/paging.ts';
import { pagedRoute, type Route, route } from '../../http/route.ts';
import { type Control, commitAct } from '../../removal/act.ts';
import { placeOf } from '../applications/applications.ts';
import { countUsers } from '../users/users.ts';
import {
  CheckParams,
  CheckQuery,
  PolicyTest,
  PolicyTestInput,
  PolicyTestParams,
  PolicyTestUser,
  PolicyTestUserQuery,
  StartedPolicyTest,
  UserPolicyChecks,
} from './contract.ts';
import {
  createPolicyTest,
  getPolicyTest,
  policyTestUsers,
  presentResult,
  runPolicyTest,
} from './policy-tests.ts';
import { readTestedPolicies } from './tested-policies.ts';
import { checkUserPolicies } from './user-policy-checks.ts';

const tag = 'Access policy tests';
const writers = ['Access: Apps and Policies Write'] as const;
const readers = [...writers, 'Access: Apps and Policies Read', 'Access: Apps and Policies Revoke'] as const;
const TESTS = '/access/policy-tests';

export interface PolicyTestOptions {
  /** Told of what went wrong in a test that runs after its answer. */
  readonly onFault: (error: unknown) => void;
}

/** /access/policy-tests of an account, and /access/apps/:app_id/user_policy_checks (reference §3.4). */
export function policyTestRoutes(control: Control, { onFault }: PolicyTestOptions): Route[] {
  const { database, clock } = control;
  return [
    route({
      scope: 'account_or_zone',
      tag,
      method: 'GET',
      path: '/access/apps/:app_id/user_policy_checks',
      operation: 'access-applications-test-access-policies',
      summary: 'Test Access policies',
      permission: [...readers],
      status: 200,
      params: CheckParams,
      query: CheckQuery,
      result: UserPolicyChecks,
      handler: (call) => {
        const { user_id: userId = null, email = null } = call.query;
        const caller = userId === null && email === null ? call.act.actor.email : email;
        const of = { place: placeOf(call), applicationId: call.params.app_id };
        return database.snapshot((snapshot) =>
          checkUserPolicies(snapshot, { ...of, who: { userId, email: caller } }),
        );
      },
    }),
    route({
      scope: 'account',
      tag,
      method: 'POST',
      path: TESTS,
      operation: 'access-policy-tests',
      summary: 'Start Access policy test',
      permission: [...writers],
      status: 200,
      body: PolicyTestInput,
      result: StartedPolicyTest,
      handler: async ({ accountId, act, body }) => {
        const policies = await readTestedPolicies(database, accountId, body.policies ?? []);
        const now = clock.now();
        const started = await commitAct(control, act, (tx) =>
          createPolicyTest(tx, { accountId, policies, now }),
        );
        // The answer does not wait: a large account takes a while.
        runPolicyTest(control, { accountId, id: started.id, onFault }).catch(onFault);
        return started;
      },
    }),
    route({
      scope: 'account',
      tag,
      method: 'GET',
      path: `${TESTS}/:policy_test_id`,
      operation: 'access-policy-tests-get-an-update',
      summary: 'Get the current status of a given Access policy test',
      permission: [...readers],
      status: 200,
      params: PolicyTestParams,
      result: PolicyTest,
      handler: async ({ accountId, params }) => {
        const users = await countUsers(database.reader, accountId);
        const of = { accountId, id: params.policy_test_id };
        return await getPolicyTest(database.reader, { ...of, users, now: clock.now() });
      },
    }),
    pagedRoute({
      scope: 'account',
      tag,
      method: 'GET',
      path: `${TESTS}/:policy_test_id/users`,
      operation: 'access-policy-tests-get-a-user-page',
      summary: 'Get an Access policy test users page',
      permission: [...readers],
      status: 200,
      params: PolicyTestParams,
      query: PolicyTestUserQuery,
      result: PolicyTestUser,
      handler: async ({ accountId, params, query, walk }) => {
        const of = { accountId, id: params.policy_test_id };
        const { status } = query;
        const list = await policyTestUsers(database.reader, { ...of, ...(status ? { status } : {}) });
        const page = await readPage(control, walk, list);
        return { ...page, items: page.items.map(presentResult) };
      },
    }),
  ];
}
