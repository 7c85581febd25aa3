import { Type } from 'typebox';
import { MemberPolicy, MemberPolicyInputs } from '../../http/policy-shapes.ts';
import { Role } from '../../http/role-shapes.ts';
import { Direction, Nullable, pageQuery, Tag } from '../../http/shapes.ts';

const Status = Type.Union([Type.Literal('accepted'), Type.Literal('pending')]);

/** A member of an account (reference §3.8); the id is the membership's, not the person's. */
export const Member = Type.Object({
  id: Type.String(),
  email: Type.String(),
  status: Status,
  user: Type.Object({
    id: Type.String(),
    email: Type.String(),
    first_name: Nullable(Type.String()),
    last_name: Nullable(Type.String()),
    two_factor_authentication_enabled: Type.Boolean(),
  }),
  roles: Type.Array(Role),
  policies: Type.Array(MemberPolicy),
});

export const MemberParams = Type.Object({ member_id: Tag('Identifier of the membership.') });

const orders = ['user.first_name', 'user.last_name', 'user.email', 'status'] as const;
const statuses = ['accepted', 'pending', 'rejected'] as const;

export const MemberQuery = Type.Object({
  ...pageQuery({ most: 1000, usual: 20 }),
  order: Type.Optional(Type.Union(orders.map((order) => Type.Literal(order)))),
  status: Type.Optional(Type.Union(statuses.map((status) => Type.Literal(status)))),
  direction: Direction,
});

/** A role by its id alone, or as the object that a member is answered with: clients send both. */
const GivenRole = Type.Union([
  Type.String({ maxLength: 64 }),
  Type.Object({ id: Type.String({ maxLength: 64 }) }),
]);

/** Exactly one of `roles` and `policies`. */
export const CreateMember = Type.Object({
  email: Type.String({ minLength: 1, maxLength: 90 }),
  roles: Type.Optional(Type.Array(GivenRole, { minItems: 1, maxItems: 100 })),
  policies: Type.Optional(MemberPolicyInputs),
  status: Type.Optional(Status),
});

/** What is sent replaces all that the member was given; an empty list beside one that is not asks for nothing. */
export const UpdateMember = Type.Object({
  roles: Type.Optional(Type.Array(GivenRole, { maxItems: 100 })),
  policies: Type.Optional(MemberPolicyInputs),
  status: Type.Optional(Status),
  email: Type.Optional(Type.String({ maxLength: 320, description: 'Only that of the member.' })),
});
