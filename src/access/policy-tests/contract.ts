import { Type } from 'typebox';
import { Nullable, pageQuery, Uuid } from '../../http/shapes.ts';

/** How one policy came out for a person; ours. */
export const ExplainedPolicy = Type.Object({
  id: Type.String(),
  name: Type.String(),
  decision: Type.String(),
  precedence: Type.Integer(),
  outcome: Type.String({
    description:
      'applies, not_concerned (its decision is not for people), not_included, excluded, requirement_missing or unknown.',
  }),
  rule: Nullable(
    Type.Object({
      list: Type.String({ description: 'include, exclude or require.' }),
      index: Type.Integer({ description: 'Place of the rule in the list, from 0.' }),
      rule: Type.Any(),
    }),
  ),
});

const Explanation = Type.Object({
  verdict: Type.String(),
  reason: Type.String(),
  policy: Nullable(Type.String({ description: 'The policy that decided, by id.' })),
  policies: Type.Array(ExplainedPolicy),
});

export const UserPolicyChecks = Type.Object({
  app_state: Type.Object({
    app_uid: Type.String(),
    aud: Type.String(),
    hostname: Type.String(),
    name: Type.String(),
    policies: Type.Array(ExplainedPolicy),
    status: Type.String({
      description: 'approved, blocked, or error where an external service would be asked.',
    }),
    reason: Type.String(),
    policy: Nullable(Type.String()),
  }),
  user_identity: Type.Object({
    id: Type.String(),
    account_id: Type.String(),
    device_sessions: Type.Object({}),
    email: Type.String(),
    geo: Type.Object({ country: Type.Optional(Type.String()) }),
    iat: Type.Optional(Type.Integer()),
    is_gateway: Type.Boolean(),
    is_warp: Type.Boolean(),
    name: Type.String(),
    user_uuid: Type.String(),
    version: Type.Integer(),
  }),
});

export const CheckParams = Type.Object({
  app_id: Type.String({ minLength: 1, maxLength: 64, fold: true }),
});

export const CheckQuery = Type.Object({
  user_id: Type.Optional(Uuid('The user to check; without one, the caller as a user. Ours.')),
  email: Type.Optional(Type.String({ maxLength: 320, description: 'The same, by e-mail. Ours.' })),
});

export const PolicyTestInput = Type.Object({
  policies: Type.Optional(
    Type.Array(Type.Unknown({ description: 'A policy, or the id of a reusable one.' }), { maxItems: 100 }),
  ),
});

export const StartedPolicyTest = Type.Object({ id: Type.String(), status: Type.Literal('success') });

export const PolicyTest = Type.Object({
  id: Type.String(),
  status: Type.String({ description: 'processing, complete, or exceeded time.' }),
  percent_approved: Type.Number(),
  percent_blocked: Type.Number(),
  percent_errored: Type.Number(),
  percent_users_processed: Type.Number(),
  total_users: Type.Integer(),
  users_approved: Type.Integer(),
  users_blocked: Type.Integer(),
  users_errored: Type.Integer(),
});

export const PolicyTestParams = Type.Object({ policy_test_id: Uuid('UUID of the policy test.') });

export const PolicyTestUserQuery = Type.Object({
  ...pageQuery({ most: 1000, usual: 100 }),
  status: Type.Optional(Type.Union([Type.Literal('success'), Type.Literal('fail'), Type.Literal('error')])),
});

export const PolicyTestUser = Type.Object({
  id: Type.String(),
  email: Type.String(),
  name: Type.String(),
  status: Type.String({ description: 'approved, blocked or error.' }),
  explanation: Explanation,
});
