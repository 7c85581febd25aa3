import { Type } from 'typebox';
import { actIn } from '../../database/act.ts';
import type { Tx } from '../../database/database.ts';
import { readPage } from '../../database/paging.ts';
import { type Call, pagedRoute, type Route, route } from '../../http/route.ts';
import { type Change, type Control, commitAct } from '../../removal/act.ts';
import {
  Membership,
  MembershipDetails,
  MembershipParams,
  MembershipQuery,
  UpdateMembership,
} from './contract.ts';
import {
  acceptMembership,
  accountOfMembership,
  getMembership,
  leaveAccount,
  membershipList,
  type OfPerson,
  presentMemberships,
  rejectMembership,
} from './memberships.ts';

const writers = ['Memberships Write'] as const;
const base = { scope: 'own', tag: "User's Account Memberships", status: 200 } as const;
const ITEM = '/memberships/:membership_id';

type AnyCall = Pick<Call<{ membership_id: string }, unknown, unknown>, 'params' | 'principal' | 'act'>;

function ofCaller({ params, principal }: Pick<AnyCall, 'params' | 'principal'>): OfPerson {
  return { administratorId: principal.administratorId ?? '', id: params.membership_id };
}

/** /memberships: the caller's own (reference §3.8). An account's token has none, and is refused. */
export function membershipRoutes(control: Control): Route[] {
  return [...readingRoutes(control), ...writingRoutes(control)];
}

function readingRoutes(control: Control): Route[] {
  const { reader } = control.database;
  const reading = { ...base, method: 'GET', permission: [...writers, 'Memberships Read'] } as const;
  return [
    pagedRoute({
      ...reading,
      path: '/memberships',
      operation: 'user-account-memberships-list-memberships',
      summary: 'List memberships',
      query: MembershipQuery,
      result: Membership,
      handler: async ({ principal, query, walk }) => {
        const person = principal.administratorId ?? '';
        const page = await readPage(control, walk, membershipList(reader, person, query));
        return { ...page, items: await presentMemberships(reader, person, page.items) };
      },
    }),
    route({
      ...reading,
      path: ITEM,
      operation: 'user-account-memberships-membership-details',
      summary: 'Membership details',
      params: MembershipParams,
      result: MembershipDetails,
      handler: (call) => getMembership(reader, ofCaller(call)),
    }),
  ];
}

function writingRoutes(control: Control): Route[] {
  const writing = { ...base, permission: writers, params: MembershipParams } as const;
  return [
    route({
      ...writing,
      method: 'PUT',
      path: ITEM,
      operation: 'user-account-memberships-update-membership',
      summary: 'Accept or reject a membership',
      body: UpdateMembership,
      result: MembershipDetails,
      handler: ({ body, ...call }) =>
        commitOwn(control, call, body.status === 'accepted' ? acceptMembership : rejectMembership),
    }),
    route({
      ...writing,
      method: 'DELETE',
      path: ITEM,
      operation: 'user-account-memberships-delete-membership',
      summary: 'Leave an account',
      result: Type.Object({ id: Type.String() }),
      handler: (call) => commitOwn(control, call, leaveAccount),
    }),
  ];
}

/** The act is one of the account that the membership is of: it is told and audited there. */
async function commitOwn<T>(
  control: Control,
  call: AnyCall,
  change: (tx: Tx, of: OfPerson) => Promise<Change<T>>,
): Promise<T> {
  const of = ofCaller(call);
  const accountId = await accountOfMembership(control.database, of);
  return await commitAct(control, actIn(call.act, accountId), (tx) => change(tx, of));
}
