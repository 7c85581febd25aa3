import assert from 'node:assert/strict';
import type { TestApp } from './app.ts';
import { type Person, seed } from './authority-rows.ts';

/** Two accounts, of which the first is the one of the first start, and a zone of the first. */
export interface World {
  readonly account: string;
  readonly zone: string;
  readonly other: string;
}

/** What can be asked for: routes of different scopes. */
export const asks = {
  users: ({ account }: World) => `/accounts/${account}/access/users`,
  zone: ({ zone }: World) => `/zones/${zone}`,
  // A path of a zone that takes a right on the account.
  organization: ({ zone }: World) => `/zones/${zone}/access/organizations`,
  others: ({ other }: World) => `/accounts/${other}/access/users`,
};
export type Ask = keyof typeof asks;

/** Headers of a credential. */
export const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });
export const keyed = ({ email, key }: Person) => ({ 'x-auth-email': email, 'x-auth-key': key });

/** The world of the app, with another account of that name. */
export async function worldOf(app: TestApp, name: string): Promise<World> {
  const { account_id: account, zone_id: zone } = app.credentials;
  return { account, zone, other: (await seed(app).account(name)).id };
}

/** The status of the answer to a GET. */
export async function status(app: TestApp, target: string, headers: Record<string, string>): Promise<number> {
  return (await app.api('GET', target, { token: null, headers })).status;
}

/** Which of all that can be asked for is answered. */
export async function allowed(app: TestApp, world: World, headers: Record<string, string>): Promise<Ask[]> {
  const names = Object.keys(asks) as Ask[];
  const answered: Ask[] = [];
  for (const name of names) {
    const code = await status(app, asks[name](world), headers);
    assert.ok(code === 200 || code === 403, `${name}: ${code}`);
    if (code === 200) answered.push(name);
  }
  return answered;
}

/** Names of rights that open `users` and `organization`. */
export const users = 'Access: Users Read';
export const organizations = 'Access: Organizations, Identity Providers, and Groups Read';
/** Names of resources. */
export const accountOf = (id: string) => `com.cloudflare.api.account.${id}`;
export const zoneOf = (id: string) => `com.cloudflare.api.account.zone.${id}`;
export const EVERY_ACCOUNT = accountOf('*');
export const EVERY_ZONE = zoneOf('*');
