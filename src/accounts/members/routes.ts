import { Type } from 'typebox';
import { readPage } from '../../database/paging.ts';
import { pagedRoute, type Route, route } from '../../http/route.ts';
import { timestamp } from '../../kernel/clock.ts';
import { type Control, commitAct } from '../../removal/act.ts';
import { CreateMember, Member, MemberParams, MemberQuery, UpdateMember } from './contract.ts';
import { deleteMember } from './member-removal.ts';
import { updateMember } from './member-update.ts';
import { createMember, getMember, memberList, presentMembers } from './members.ts';

const tag = 'Account Members';
const readers = ['Account Settings Write', 'Account Settings Read'] as const;
const writers = ['Account Settings Write'] as const;

/** /accounts/:account_id/members (reference §3.8). */
export function memberRoutes(control: Control): Route[] {
  const { reader } = control.database;
  const now = () => timestamp(control.clock.now());
  return [
    pagedRoute({
      method: 'GET',
      scope: 'account',
      path: '/members',
      operation: 'account-members-list-members',
      summary: 'List members',
      tag,
      permission: readers,
      status: 200,
      query: MemberQuery,
      result: Member,
      handler: async ({ accountId, query, walk }) => {
        const page = await readPage(control, walk, memberList(reader, accountId, query));
        return { ...page, items: await presentMembers(reader, accountId, page.items) };
      },
    }),
    route({
      method: 'POST',
      scope: 'account',
      path: '/members',
      operation: 'account-members-add-member',
      summary: 'Add a member',
      tag,
      permission: writers,
      status: 200,
      body: CreateMember,
      result: Member,
      handler: ({ act, accountId, principal, body }) =>
        commitAct(control, act, (tx) => createMember(tx, { accountId, principal, ...body, now: now() })),
    }),
    route({
      method: 'GET',
      scope: 'account',
      path: '/members/:member_id',
      operation: 'account-members-member-details',
      summary: 'Member details',
      tag,
      permission: readers,
      status: 200,
      params: MemberParams,
      result: Member,
      handler: ({ accountId, params }) => getMember(reader, accountId, params.member_id),
    }),
    route({
      method: 'PUT',
      scope: 'account',
      path: '/members/:member_id',
      operation: 'account-members-update-member',
      summary: 'Update a member',
      tag,
      permission: writers,
      status: 200,
      params: MemberParams,
      body: UpdateMember,
      result: Member,
      handler: ({ act, accountId, principal, params, body }) =>
        commitAct(control, act, (tx) =>
          updateMember(tx, { accountId, principal, id: params.member_id, ...body }),
        ),
    }),
    route({
      method: 'DELETE',
      scope: 'account',
      path: '/members/:member_id',
      operation: 'account-members-remove-member',
      summary: 'Remove a member',
      tag,
      permission: writers,
      status: 200,
      params: MemberParams,
      result: Type.Object({ id: Type.String() }),
      handler: ({ act, accountId, params }) =>
        commitAct(control, act, (tx) => deleteMember(tx, { accountId, id: params.member_id })),
    }),
  ];
}
