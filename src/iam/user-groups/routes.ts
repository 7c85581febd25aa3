import { Type } from 'typebox';
import { readPage } from '../../database/paging.ts';
import { listRoute, pagedRoute, type Route, route } from '../../http/route.ts';
import { timestamp } from '../../kernel/clock.ts';
import { type Control, commitAct } from '../../removal/act.ts';
import {
  AddedGroupMembers,
  CreateUserGroup,
  GroupMember,
  GroupMemberDetails,
  GroupMemberParams,
  GroupMemberQuery,
  GroupMembers,
  UpdateUserGroup,
  UserGroup,
  UserGroupParams,
  UserGroupQuery,
} from './contract.ts';
import {
  addGroupMembers,
  deleteGroupMember,
  getGroupMember,
  groupMemberList,
  presentGroupMember,
  readAdded,
  replaceGroupMembers,
} from './group-members.ts';
import {
  createGroup,
  deleteGroup,
  getUserGroup,
  groupList,
  presentGroups,
  updateGroup,
} from './user-groups.ts';

const readers = ['SCIM Provisioning', 'Account Settings Write', 'Account Settings Read'] as const;
const writers = ['SCIM Provisioning', 'Account Settings Write'] as const;

/** /accounts/:account_id/iam/user_groups and what is below it (reference §2.4, §2.5, §3.7). */
export function userGroupRoutes(control: Control): Route[] {
  return [...groupRoutes(control), ...groupMemberRoutes(control)];
}

function groupRoutes(control: Control): Route[] {
  const { reader } = control.database;
  const now = () => timestamp(control.clock.now());
  return [
    pagedRoute({
      method: 'GET',
      scope: 'account',
      path: '/iam/user_groups',
      operation: 'account-user-group-list',
      summary: 'List user groups',
      tag: 'Account User Groups',
      permission: readers,
      status: 200,
      query: UserGroupQuery,
      result: UserGroup,
      handler: async ({ accountId, query, walk }) => {
        const page = await readPage(control, walk, groupList(reader, accountId, query));
        return { ...page, items: await presentGroups(reader, accountId, page.items) };
      },
    }),
    route({
      method: 'POST',
      scope: 'account',
      path: '/iam/user_groups',
      operation: 'account-user-group-create',
      summary: 'Create a user group',
      tag: 'Account User Groups',
      permission: writers,
      status: 200,
      body: CreateUserGroup,
      result: UserGroup,
      handler: ({ act, accountId, principal, body }) =>
        commitAct(control, act, (tx) => createGroup(tx, { accountId, principal, ...body, now: now() })),
    }),
    route({
      method: 'GET',
      scope: 'account',
      path: '/iam/user_groups/:user_group_id',
      operation: 'account-user-group-details',
      summary: 'User group details',
      tag: 'Account User Groups',
      permission: readers,
      status: 200,
      params: UserGroupParams,
      result: UserGroup,
      handler: ({ accountId, params }) => getUserGroup(reader, accountId, params.user_group_id),
    }),
    route({
      method: 'PUT',
      scope: 'account',
      path: '/iam/user_groups/:user_group_id',
      operation: 'account-user-group-update',
      summary: 'Update a user group',
      tag: 'Account User Groups',
      permission: writers,
      status: 200,
      params: UserGroupParams,
      body: UpdateUserGroup,
      result: UserGroup,
      handler: ({ act, accountId, principal, params, body }) =>
        commitAct(control, act, (tx) =>
          updateGroup(tx, { accountId, principal, id: params.user_group_id, ...body, now: now() }),
        ),
    }),
    route({
      method: 'DELETE',
      scope: 'account',
      path: '/iam/user_groups/:user_group_id',
      operation: 'account-user-group-delete',
      summary: 'Remove a user group',
      tag: 'Account User Groups',
      permission: writers,
      status: 200,
      params: UserGroupParams,
      result: Type.Object({ id: Type.String() }),
      handler: ({ act, accountId, params }) =>
        commitAct(control, act, (tx) => deleteGroup(tx, { accountId, id: params.user_group_id })),
    }),
  ];
}

function groupMemberRoutes(control: Control): Route[] {
  const { reader } = control.database;
  const now = () => timestamp(control.clock.now());
  return [
    pagedRoute({
      method: 'GET',
      scope: 'account',
      path: '/iam/user_groups/:user_group_id/members',
      operation: 'account-user-group-member-list',
      summary: 'List user group members',
      tag: 'Account User Group Members',
      permission: readers,
      status: 200,
      params: UserGroupParams,
      query: GroupMemberQuery,
      result: GroupMember,
      handler: async ({ accountId, params, query, walk }) => {
        const of = { accountId, groupId: params.user_group_id };
        const page = await readPage(control, walk, await groupMemberList(reader, of, query));
        return { ...page, items: page.items.map(presentGroupMember) };
      },
    }),
    listRoute({
      method: 'POST',
      scope: 'account',
      path: '/iam/user_groups/:user_group_id/members',
      operation: 'account-user-group-member-create',
      summary: 'Add user group members',
      tag: 'Account User Group Members',
      permission: writers,
      status: 200,
      params: UserGroupParams,
      body: AddedGroupMembers,
      result: GroupMember,
      handler: ({ act, accountId, principal, params, body }) =>
        commitAct(control, act, (tx) =>
          addGroupMembers(tx, {
            accountId,
            principal,
            groupId: params.user_group_id,
            members: readAdded(body),
            now: now(),
          }),
        ),
    }),
    listRoute({
      method: 'PUT',
      scope: 'account',
      path: '/iam/user_groups/:user_group_id/members',
      operation: 'account-user-group-members-update',
      summary: 'Replace user group members',
      tag: 'Account User Group Members',
      permission: writers,
      status: 200,
      params: UserGroupParams,
      body: GroupMembers,
      result: GroupMember,
      handler: ({ act, accountId, principal, params, body }) =>
        commitAct(control, act, (tx) =>
          replaceGroupMembers(tx, {
            accountId,
            principal,
            groupId: params.user_group_id,
            members: body,
            now: now(),
          }),
        ),
    }),
    route({
      method: 'GET',
      scope: 'account',
      path: '/iam/user_groups/:user_group_id/members/:member_id',
      operation: 'account-user-group-member-get',
      summary: 'User group member details',
      tag: 'Account User Group Members',
      permission: readers,
      status: 200,
      params: GroupMemberParams,
      result: GroupMemberDetails,
      handler: ({ accountId, params }) =>
        getGroupMember(reader, { accountId, groupId: params.user_group_id, memberId: params.member_id }),
    }),
    route({
      method: 'DELETE',
      scope: 'account',
      path: '/iam/user_groups/:user_group_id/members/:member_id',
      operation: 'account-user-group-member-delete',
      summary: 'Remove a user group member',
      tag: 'Account User Group Members',
      permission: writers,
      status: 200,
      params: GroupMemberParams,
      result: GroupMember,
      handler: ({ act, accountId, params }) =>
        commitAct(control, act, (tx) =>
          deleteGroupMember(tx, {
            accountId,
            groupId: params.user_group_id,
            memberId: params.member_id,
          }),
        ),
    }),
  ];
}
