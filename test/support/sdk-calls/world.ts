import assert from 'node:assert/strict';
import Cloudflare from 'cloudflare';
import type { Gated } from '../gated.ts';
import { policiesOf, type Tenant } from '../tenants.ts';

/** One answer that the SDK got. */
export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly body: unknown;
}

/** Where an object is: below an account, or below the zone of one. */
export type At = { readonly account_id: string } | { readonly zone_id: string };

/** What the calls of the SDK are made with. */
export interface World {
  readonly gated: Gated;
  readonly tenant: Tenant;
  readonly account_id: string;
  readonly zone_id: string;
  readonly at: At;
  /** The official SDK with the key of the first Super Administrator; what it gets is kept in `exchanges`. */
  readonly sdk: Cloudflare;
  /** The same with a token. */
  withToken(token: string): Cloudflare;
  /** The same with somebody else's key. */
  withKey(person: { readonly email: string; readonly key: string }): Cloudflare;
  readonly exchanges: Exchange[];
  /** A name that nothing else has. */
  name(what: string): string;
}

/** One method of the SDK, called with objects that are made for it. */
export type Call = (world: World) => PromiseLike<unknown>;

export function createWorld(gated: Gated, tenant: Tenant): Omit<World, 'at'> {
  const exchanges: Exchange[] = [];
  const { origin, credentials } = gated.app;
  const base = { baseURL: `${origin}/client/v4`, maxRetries: 0, fetch: recording(exchanges) };
  const nothing = { apiToken: null, apiEmail: null, apiKey: null };
  const names = { made: 0 };
  return {
    gated,
    tenant,
    account_id: tenant.accountId,
    zone_id: tenant.zoneId,
    sdk: new Cloudflare({
      ...base,
      ...nothing,
      apiEmail: credentials.email,
      apiKey: credentials.api_key,
    }),
    withKey: ({ email: apiEmail, key: apiKey }) => new Cloudflare({ ...base, ...nothing, apiEmail, apiKey }),
    withToken: (apiToken) => new Cloudflare({ ...base, ...nothing, apiToken }),
    exchanges,
    name: (what) => {
      names.made += 1;
      return `${what}-${names.made}`;
    },
  };
}

function recording(exchanges: Exchange[]): typeof fetch {
  return async (input, init) => {
    const answer = await fetch(input, init);
    const { pathname: path } = new URL(String(input instanceof Request ? input.url : input));
    const method = init?.method?.toUpperCase() ?? 'GET';
    exchanges.push({ method, path, status: answer.status, body: await answer.clone().json() });
    return answer;
  };
}

/** The id of what was made. */
export function idOf(made: unknown): string {
  const { id } = made as { id?: unknown };
  assert.ok(typeof id === 'string' && id !== '', 'it has no id');
  return id;
}

/** An e-mail that nobody else has. */
export function email(world: Pick<World, 'name'>): string {
  return `${world.name('somebody')}@example.com`;
}

/** A policy of a member or group that gives the right to read the account's settings. */
export function mayRead({ tenant }: World) {
  return policiesOf(tenant, { may: ['Account Settings Read'] });
}

/** Somebody new who may read the account's settings. */
export function newMember(world: World) {
  const { account_id, sdk } = world;
  return sdk.accounts.members.create({ account_id, email: email(world), policies: mayRead(world) });
}
