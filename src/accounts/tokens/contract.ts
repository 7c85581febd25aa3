import { Type } from 'typebox';
import { PermissionGroup } from '../../http/policy-shapes.ts';
import { Direction, Nullable, pageQuery, Tag, Time } from '../../http/shapes.ts';

const Effect = Type.Union([Type.Literal('allow'), Type.Literal('deny')]);
const Resources = Type.Record(
  Type.String(),
  Type.Union([Type.String(), Type.Record(Type.String(), Type.String())]),
  { description: 'Resource names to "*", or an account to its zones (reference §7.2).' },
);
const Status = Type.Union([Type.Literal('active'), Type.Literal('disabled'), Type.Literal('expired')]);
const Cidrs = Type.Array(Type.String({ maxLength: 64 }), { maxItems: 1000 });

const tokenFields = {
  id: Type.String(),
  name: Type.String(),
  status: Status,
  policies: Type.Array(
    Type.Object({
      id: Type.String(),
      effect: Effect,
      permission_groups: Type.Array(PermissionGroup),
      resources: Resources,
    }),
  ),
  condition: Type.Optional(
    Type.Object({
      request_ip: Type.Object({ in: Type.Optional(Cidrs), not_in: Type.Optional(Cidrs) }),
    }),
  ),
  not_before: Type.Optional(Time),
  expires_on: Type.Optional(Time),
  issued_on: Time,
  modified_on: Time,
  last_used_on: Type.Optional(Time),
  creator_email_at_creation: Type.Optional(Type.String()),
};

/** A token as it is shown: never its secret. */
export const Token = Type.Object(tokenFields);

/** A new token: `value` is its secret, shown this once. */
export const CreatedToken = Type.Object({ ...tokenFields, value: Type.String() });

export const TokenValue = Type.String({ description: 'The new secret, shown this once.' });

export const VerifiedToken = Type.Object({
  id: Type.String(),
  status: Status,
  not_before: Type.Optional(Time),
  expires_on: Type.Optional(Time),
});

export const TokenParams = Type.Object({ token_id: Tag('Identifier of the token.') });

export const AccountParams = Type.Object({ account_id: Tag('Identifier of the account.') });

export const TokenQuery = Type.Object({
  ...pageQuery({ most: 1000, usual: 20 }),
  direction: Direction,
  include_expired: Type.Optional(Type.Boolean({ description: 'Expired tokens too.' })),
});

const Addresses = Nullable(
  Type.Object(
    {
      in: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { minItems: 1, maxItems: 1000 })),
      not_in: Type.Optional(Cidrs),
    },
    { additionalProperties: false },
  ),
);

/** Both spellings of the condition (reference §1.4); any other condition is refused, not ignored. */
const Condition = Type.Object(
  { request_ip: Type.Optional(Addresses), 'request.ip': Type.Optional(Addresses) },
  { additionalProperties: false },
);

const time = Type.Optional(Nullable(Type.String({ maxLength: 64, description: 'RFC 3339, UTC.' })));

const inputFields = {
  name: Type.String({ minLength: 1, maxLength: 120 }),
  policies: Type.Array(
    Type.Object({
      effect: Effect,
      permission_groups: Type.Array(Type.Object({ id: Type.String() })),
      resources: Type.Object({}, { additionalProperties: true }),
    }),
    { minItems: 1, maxItems: 100 },
  ),
  condition: Type.Optional(Nullable(Condition)),
  not_before: time,
  expires_on: time,
};

export const CreateToken = Type.Object(inputFields);

export const UpdateToken = Type.Object({ ...inputFields, status: Type.Optional(Status) });

export const TokenPermissionGroup = Type.Object({
  id: Type.String(),
  name: Type.String(),
  category: Type.String(),
  is_selectable: Type.Boolean(),
  scopes: Type.Array(Type.String()),
});

export const TokenPermissionGroupQuery = Type.Object({
  name: Type.Optional(Type.String({ maxLength: 256, description: 'Exactly this name.' })),
  scope: Type.Optional(Type.String({ maxLength: 256, description: 'Exactly this scope.' })),
});
