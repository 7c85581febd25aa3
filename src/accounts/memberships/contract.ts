import { Type } from 'typebox';
import { MemberPolicy } from '../../http/policy-shapes.ts';
import { Permissions } from '../../http/role-shapes.ts';
import { Direction, Nullable, pageQuery, Tag, Time } from '../../http/shapes.ts';

const Status = Type.Union([Type.Literal('accepted'), Type.Literal('pending'), Type.Literal('rejected')]);

/** The account, as the account itself is answered. */
const Account = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    type: Type.Union([Type.Literal('standard'), Type.Literal('enterprise')]),
    settings: Type.Object({}, { additionalProperties: true }),
    created_on: Time,
  },
  { additionalProperties: true },
);

/** A membership as the person sees it whose it is (reference §3.8). */
export const Membership = Type.Object({
  id: Type.String(),
  account: Account,
  api_access_enabled: Nullable(Type.Boolean()),
  permissions: Permissions,
  roles: Type.Array(Type.String(), { description: 'Names of roles.' }),
  status: Status,
});

export const MembershipDetails = Type.Object({
  ...Membership.properties,
  policies: Type.Array(MemberPolicy),
});

export const MembershipParams = Type.Object({ membership_id: Tag('Identifier of the membership.') });

const Order = Type.Union([Type.Literal('id'), Type.Literal('account.name'), Type.Literal('status')]);
const name = Type.Optional(Type.String({ maxLength: 256, description: 'Exactly this name of the account.' }));

export const MembershipQuery = Type.Object({
  ...pageQuery({ most: 1000, usual: 20 }),
  'account.name': name,
  name,
  order: Type.Optional(Order),
  status: Type.Optional(Status),
  direction: Direction,
});

export const UpdateMembership = Type.Object({
  status: Type.Union([Type.Literal('accepted'), Type.Literal('rejected')]),
});
