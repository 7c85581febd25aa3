import { Type } from 'typebox';
import { actIn } from '../../database/act.ts';
import type { Tx } from '../../database/database.ts';
import { readPage } from '../../database/paging.ts';
import { type Call, listRoute, pagedRoute, type Route, route } from '../../http/route.ts';
import { timestamp } from '../../kernel/clock.ts';
import { refusal } from '../../kernel/errors.ts';
import type { PermissionGroupName } from '../../kernel/permissions.ts';
import { type Change, type Control, commitAct } from '../../removal/act.ts';
import { accountsOf } from '../holdings/holdings.ts';
import {
  AccountParams,
  CreatedToken,
  CreateToken,
  Token,
  TokenParams,
  TokenPermissionGroup,
  TokenPermissionGroupQuery,
  TokenQuery,
  TokenValue,
  UpdateToken,
  VerifiedToken,
} from './contract.ts';
import { createToken, deleteToken, rollToken, updateToken } from './token-changes.ts';
import {
  getToken,
  presentToken,
  type TokenRequest,
  tokenList,
  tokenPermissionGroups,
  verifyToken,
} from './tokens.ts';

/** What differs between the tokens of an account and those of a person. */
interface Kind {
  readonly kind: 'account' | 'user';
  readonly tag: string;
  /** Between the parts of an operation's id. */
  readonly word: string;
  readonly readers: readonly [PermissionGroupName, ...PermissionGroupName[]];
  readonly writers: readonly [PermissionGroupName, ...PermissionGroupName[]];
}

const accountTokens: Kind = {
  kind: 'account',
  tag: 'Account Owned API Tokens',
  word: 'account-api-tokens',
  readers: ['Account API Tokens Read', 'Account API Tokens Write'],
  writers: ['Account API Tokens Write'],
};

const userTokens: Kind = {
  kind: 'user',
  tag: 'User API Tokens',
  word: 'user-api-tokens',
  readers: ['API Tokens Read', 'API Tokens Write'],
  writers: ['API Tokens Write'],
};

const VALID = { code: 10000, message: 'This API Token is valid and active' };

type AnyCall = Pick<Call<unknown, unknown, unknown>, 'accountId' | 'principal' | 'act'>;

/** /accounts/:account_id/tokens and /user/tokens (reference §3.9). */
export function tokenRoutes(control: Control): Route[] {
  return [
    ...verifyRoutes(control),
    ...[accountTokens, userTokens].flatMap((kind) => [
      ...readingRoutes(control, kind),
      ...writingRoutes(control, kind),
    ]),
  ];
}

function readingRoutes(control: Control, { kind, tag, word, readers }: Kind): Route[] {
  const { reader } = control.database;
  const now = () => timestamp(control.clock.now());
  const base = { method: 'GET', scope: kind, tag, permission: readers, status: 200 } as const;
  return [
    pagedRoute({
      ...base,
      path: '/tokens',
      operation: `${word}-list-tokens`,
      summary: 'List tokens',
      query: TokenQuery,
      result: Token,
      handler: async ({ query, walk, ...call }) => {
        const { owner } = requestOf(kind, call, now());
        const page = await readPage(control, walk, tokenList(reader, owner, { ...query, now: now() }));
        return { ...page, items: page.items.map((token) => presentToken(token, now())) };
      },
    }),
    listRoute({
      ...base,
      path: '/tokens/permission_groups',
      operation: `${word}-list-permission-groups`,
      summary: 'List token permission groups',
      query: TokenPermissionGroupQuery,
      result: TokenPermissionGroup,
      handler: async ({ query }) => tokenPermissionGroups(kind, query),
    }),
    route({
      ...base,
      path: '/tokens/:token_id',
      operation: `${word}-token-details`,
      summary: 'Token details',
      params: TokenParams,
      result: Token,
      handler: async ({ params, ...call }) =>
        presentToken(await getToken(reader, requestOf(kind, call, now()).owner, params.token_id), now()),
    }),
  ];
}

function writingRoutes(control: Control, { kind, tag, word, writers }: Kind): Route[] {
  const now = () => timestamp(control.clock.now());
  const base = { scope: kind, tag, permission: writers, status: 200 } as const;
  const commit = <T>(call: AnyCall, change: (tx: Tx, request: TokenRequest) => Promise<Change<T>>) =>
    commitTokenAct(control, call, (tx) => change(tx, requestOf(kind, call, now())));
  return [
    route({
      ...base,
      method: 'POST',
      path: '/tokens',
      operation: `${word}-create-token`,
      summary: 'Create a token',
      body: CreateToken,
      result: CreatedToken,
      handler: ({ body, ...call }) =>
        commit(call, (tx, request) => createToken(tx, { ...request, input: body })),
    }),
    route({
      ...base,
      method: 'PUT',
      path: '/tokens/:token_id',
      operation: `${word}-update-token`,
      summary: 'Update a token',
      params: TokenParams,
      body: UpdateToken,
      result: Token,
      handler: ({ params, body, ...call }) =>
        commit(call, (tx, request) => updateToken(tx, { ...request, id: params.token_id, input: body })),
    }),
    route({
      ...base,
      method: 'DELETE',
      path: '/tokens/:token_id',
      operation: `${word}-delete-token`,
      summary: 'Delete a token',
      params: TokenParams,
      result: Type.Object({ id: Type.String() }),
      handler: ({ params, ...call }) =>
        commit(call, (tx, { owner }) => deleteToken(tx, { owner, id: params.token_id })),
    }),
    route({
      ...base,
      method: 'PUT',
      path: '/tokens/:token_id/value',
      operation: `${word}-roll-token`,
      summary: 'Roll a token',
      params: TokenParams,
      result: TokenValue,
      handler: ({ params, ...call }) =>
        commit(call, (tx, request) => rollToken(tx, { ...request, id: params.token_id })),
    }),
  ];
}

/** Open to every token: it asks only about itself. A key is no token, and a token of the other kind unknown here. */
function verifyRoutes({ database, clock }: Control): Route[] {
  const now = () => timestamp(clock.now());
  const base = {
    method: 'GET',
    scope: 'any',
    summary: 'Verify a token',
    status: 200,
    result: VerifiedToken,
    says: VALID,
  } as const;
  return [
    route({
      ...base,
      path: '/accounts/:account_id/tokens/verify',
      operation: 'account-api-tokens-verify-token',
      tag: accountTokens.tag,
      permission: accountTokens.readers,
      params: AccountParams,
      handler: async ({ params, principal }) => {
        const owner = { kind: 'account', id: params.account_id } as const;
        if (!(await accountsOf(database.reader, principal)).includes(owner.id)) throw refusal('forbidden');
        return await verifyToken(database.reader, { owner, principal, now: now() });
      },
    }),
    route({
      ...base,
      path: '/user/tokens/verify',
      operation: 'user-api-tokens-verify-token',
      tag: userTokens.tag,
      permission: userTokens.readers,
      handler: async ({ principal }) => {
        const owner = { kind: 'user', id: principal.administratorId ?? '' } as const;
        return await verifyToken(database.reader, { owner, principal, now: now() });
      },
    }),
  ];
}

function requestOf(kind: Kind['kind'], { accountId, principal }: AnyCall, now: string): TokenRequest {
  const id = kind === 'account' ? accountId : (principal.administratorId ?? '');
  return { owner: { kind, id }, principal, now };
}

/** What changes a person's token changes what they may do in each account they have joined, and is told there. */
async function commitTokenAct<T>(
  control: Control,
  { accountId, principal, act }: AnyCall,
  change: (tx: Tx) => Promise<Change<T>>,
): Promise<T> {
  if (accountId !== '') return await commitAct(control, act, change);
  const [first, ...rest] = await accountsOf(control.database.reader, principal);
  if (first === undefined) throw refusal('forbidden');
  return await commitAct(control, actIn(act, first), async (tx) => ({
    ...(await change(tx)),
    alsoAccountIds: rest,
  }));
}
