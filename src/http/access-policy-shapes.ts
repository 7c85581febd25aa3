import { Type } from 'typebox';
import { Nullable } from './shapes.ts';

const Rules = Type.Array(Type.Unknown(), { maxItems: 1000 });
const unknown = Type.Optional(Type.Unknown());

/** What callers write of an Access policy, wherever it is (reference §3.4); what follows `session_duration` comes later. */
export const accessPolicyInput = {
  name: Type.String({ minLength: 1, maxLength: 350 }),
  decision: Type.String({ maxLength: 64 }),
  include: Rules,
  exclude: Type.Optional(Rules),
  require: Type.Optional(Rules),
  session_duration: Type.Optional(Nullable(Type.String({ maxLength: 64 }))),
  approval_groups: unknown,
  approval_required: unknown,
  connection_rules: unknown,
  isolation_required: unknown,
  mfa_config: unknown,
  purpose_justification_prompt: unknown,
  purpose_justification_required: unknown,
};

/** What is answered of an Access policy, wherever it is. */
export const accessPolicy = {
  id: Type.String(),
  name: Type.String(),
  decision: Type.String(),
  include: Type.Array(Type.Any()),
  exclude: Type.Array(Type.Any()),
  require: Type.Array(Type.Any()),
  session_duration: Nullable(Type.String()),
  created_at: Type.String(),
  updated_at: Type.String(),
};
