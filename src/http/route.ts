import { type Static, type TObject, type TSchema, Type } from 'typebox';
import type { Act, Principal } from '../database/act.ts';
import type { CursorPage, Page, Walk } from '../database/paging.ts';
import type { PermissionGroupName } from '../kernel/permissions.ts';

export interface Zone {
  readonly id: string;
  readonly name: string;
  readonly account_id: string;
}

/** One authenticated, validated, permitted request. */
export interface Call<P, Q, B> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** The account of the path, or the one that owns the zone of the path; empty for scopes without one. */
  readonly accountId: string;
  readonly zone: Zone | null;
  readonly principal: Principal;
  /** The right to change that account with this request; hand it to `commitAct`. */
  readonly act: Act;
  /** Which page of which walk is asked for, where the route answers pages. */
  readonly walk: Walk;
  readonly ip: string;
  /** The header Idempotency-Key, unread; null without it. */
  readonly idempotencyKey: string | null;
}

/**
 * Where a path lives: `account` under /accounts/:account_id, `zone` under /zones/:zone_id, `user` under
 * /user (the caller's own things), `own` the same at the root, `any` at the root (answers only what the caller may see).
 */
export type Scope = 'account' | 'account_or_zone' | 'zone' | 'user' | 'own' | 'any';

type Empty = TObject<Record<never, never>>;

/** Pages by number, pages by cursor, or the whole of a bounded list. */
export type ListKind = 'page' | 'cursor' | 'all';

/** What a route is. It does not compile without the permission groups that open it. */
export interface RouteSpec<P extends TObject, Q extends TObject, B extends TSchema, R extends TSchema> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly scope: Scope;
  /** Below the scope's prefix, Fastify syntax. */
  readonly path: string;
  readonly operation: string;
  readonly summary: string;
  readonly tag: string;
  /** Any one of them opens the route. */
  readonly permission: readonly [PermissionGroupName, ...PermissionGroupName[]];
  readonly status: 200 | 201 | 202;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  /** The shape of `result`; of each item of a list. */
  readonly result: R;
  readonly list?: ListKind;
  /** The body is `{result, success}` alone, without `errors` and `messages` (reference §2.3). */
  readonly bare?: boolean;
  /** What a success says in `messages`. */
  readonly says?: { readonly code: number; readonly message: string };
}

/** A route with its types forgotten, as the door lists them. */
export interface Route extends RouteSpec<TObject, TObject, TSchema, TSchema> {
  readonly handler: (call: Call<never, never, never>) => Promise<unknown>;
}

/** Declares one route of an object or value answer. */
export function route<
  R extends TSchema,
  P extends TObject = Empty,
  Q extends TObject = Empty,
  B extends TSchema = Empty,
>(
  spec: Omit<RouteSpec<P, Q, B, R>, 'list'> & {
    handler: (call: Call<Static<P>, Static<Q>, Static<B>>) => Promise<Static<R>>;
  },
): Route {
  return spec;
}

/** Declares one route that answers a list by pages (`V4PagePaginationArray`, reference §1.3). */
export function pagedRoute<R extends TSchema, P extends TObject = Empty, Q extends TObject = Empty>(
  spec: Omit<RouteSpec<P, Q, Empty, R>, 'list' | 'body'> & {
    handler: (call: Call<Static<P>, Static<Q>, unknown>) => Promise<Page<Static<R>>>;
  },
): Route {
  return { ...spec, list: 'page' };
}

/**
 * Declares one route that answers a list by cursors (`CursorPagination` and `CursorPaginationAfter`, reference §1.3).
 * Its query has `cursorQuery` in it.
 */
export function cursorRoute<R extends TSchema, P extends TObject = Empty, Q extends TObject = Empty>(
  spec: Omit<RouteSpec<P, Q, Empty, R>, 'list' | 'body'> & {
    handler: (call: Call<Static<P>, Static<Q>, unknown>) => Promise<CursorPage<Static<R>>>;
  },
): Route {
  return { ...spec, list: 'cursor' };
}

/** Some clients walk by pages what later ones take whole, until a page is empty (reference §1.3). */
const PAGE = {
  page: Type.Optional(
    Type.Integer({
      ...{ minimum: 1, maximum: 1_000_000_000, default: 1 },
      description: 'The first page is the whole list; past it there is nothing.',
    }),
  ),
};

/** Declares one route that answers a whole, bounded list (`SinglePage`); what is read has but one page. */
export function listRoute<
  R extends TSchema,
  P extends TObject = Empty,
  Q extends TObject = Empty,
  B extends TSchema = Empty,
>(
  spec: Omit<RouteSpec<P, Q, B, R>, 'list'> & {
    handler: (call: Call<Static<P>, Static<Q>, Static<B>>) => Promise<readonly Static<R>[]>;
  },
): Route {
  if (spec.method !== 'GET') return { ...spec, list: 'all' };
  const query = Type.Object({ ...spec.query?.properties, ...PAGE });
  const handler = async (call: Call<Static<P>, Static<Q> & Static<typeof query>, Static<B>>) => {
    const whole = await spec.handler(call);
    return (call.query.page ?? 1) > 1 ? [] : whole;
  };
  return { ...spec, list: 'all', query, handler };
}
