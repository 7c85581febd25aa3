import { Type } from 'typebox';
import { MemberPolicy, MemberPolicyInputs } from '../../http/policy-shapes.ts';
import { Direction, pageQuery, Tag, Time } from '../../http/shapes.ts';

/** A set of account members, who have what its policies give (reference §3.7). */
export const UserGroup = Type.Object({
  id: Type.String(),
  name: Type.String(),
  created_on: Time,
  modified_on: Time,
  policies: Type.Array(MemberPolicy),
});

const groupId = Tag('Identifier of the user group.');

export const UserGroupParams = Type.Object({ user_group_id: groupId });

export const GroupMemberParams = Type.Object({
  user_group_id: groupId,
  member_id: Tag('Identifier of an account member.'),
});

export const UserGroupQuery = Type.Object({
  ...pageQuery({ most: 1000, usual: 100 }),
  id: Type.Optional(
    Type.Array(Type.String({ maxLength: 64 }), { maxItems: 100, description: 'Exactly one of these ids.' }),
  ),
  name: Type.Optional(Type.String({ maxLength: 255, description: 'Exactly this name.' })),
  fuzzyName: Type.Optional(Type.String({ maxLength: 255, description: 'Part of the name, in any case.' })),
  direction: Direction,
});

const name = Type.String({ minLength: 1, maxLength: 255 });

export const CreateUserGroup = Type.Object({ name, policies: Type.Optional(MemberPolicyInputs) });

/** What is not given stays; policies that are given replace those there were. */
export const UpdateUserGroup = Type.Object({
  name: Type.Optional(name),
  policies: Type.Optional(MemberPolicyInputs),
});

const Status = Type.Union([Type.Literal('accepted'), Type.Literal('pending')]);

export const GroupMember = Type.Object({ id: Type.String(), email: Type.String(), status: Status });

export const GroupMemberDetails = Type.Object({
  ...GroupMember.properties,
  created_at: Time,
  user: Type.Object({
    id: Type.String(),
    email: Type.String(),
    first_name: Type.Optional(Type.String()),
    last_name: Type.Optional(Type.String()),
  }),
});

export const GroupMemberQuery = Type.Object({
  ...pageQuery({ most: 1000, usual: 100 }),
  fuzzyEmail: Type.Optional(Type.String({ maxLength: 320, description: 'Part of the e-mail, in any case.' })),
  direction: Direction,
});

const GroupMemberId = Type.String({ minLength: 32, maxLength: 32, description: 'An account member.' });

/** A bare array of members (reference §3.7); of one alone, or under their name, as other clients put it. */
export const AddedGroupMembers = Type.Unsafe<{ id: string }[] | { id?: string; members?: { id: string }[] }>({
  type: ['array', 'object'],
  items: Type.Object({ id: GroupMemberId }),
  maxItems: 5000,
  properties: {
    id: GroupMemberId,
    members: Type.Array(Type.Object({ id: GroupMemberId }), { maxItems: 5000 }),
  },
});

/** A bare array of members (reference §3.7). */
export const GroupMembers = Type.Array(Type.Object({ id: GroupMemberId }), { maxItems: 5000 });
