import { Type } from 'typebox';
import { Uuid } from '../../http/shapes.ts';

const name = Type.String({ minLength: 1, maxLength: 350 });
const type = Type.String({
  maxLength: 64,
  description: '`warp`, `os_version`, `serial_number` or `unique_client_id`.',
});
const description = Type.String({ maxLength: 1000 });

/** Kinds of devices. */
export const Platform = Type.Union([
  Type.Literal('windows'),
  Type.Literal('mac'),
  Type.Literal('linux'),
  Type.Literal('android'),
  Type.Literal('ios'),
  Type.Literal('chromeos'),
]);

const Match = Type.Object({ platform: Type.Optional(Platform) });

/** What each type of rule checks against; which members it may have is the type's. */
const Input = Type.Record(Type.String({ maxLength: 64 }), Type.String({ maxLength: 255 }));

export const PostureRule = Type.Object({
  id: Type.String(),
  name: Type.String(),
  type: Type.String(),
  description: Type.String(),
  enabled: Type.Literal(true),
  match: Type.Array(Match),
  input: Input,
});

export const PostureRuleInput = Type.Object({
  name,
  type,
  description: Type.Optional(description),
  match: Type.Optional(
    Type.Array(Match, { maxItems: 20, description: 'Kinds of devices it is for; none: all of them.' }),
  ),
  input: Type.Optional(Input),
  schedule: Type.Optional(Type.String({ maxLength: 64, description: 'Must be empty: there is no polling.' })),
  expiration: Type.Optional(Type.String({ maxLength: 64, description: 'Must be empty: no result is kept.' })),
});

export const PostureRuleParams = Type.Object({ rule_id: Uuid('UUID of the posture rule.') });

export const DeletedPostureRule = Type.Object({ id: Type.String() });
