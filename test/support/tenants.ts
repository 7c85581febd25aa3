import assert from 'node:assert/strict';
import type Cloudflare from 'cloudflare';
import { APIError } from 'cloudflare';
import { createAccount } from '../../src/accounts/accounts/accounts.ts';
import { timestamp } from '../../src/kernel/clock.ts';
import { sha256 } from '../../src/kernel/crypto.ts';
import { newSecret } from '../../src/kernel/ids.ts';
import { type PermissionGroupName, permissionGroups } from '../../src/kernel/permissions.ts';
import type { TestApp } from './app.ts';
import { everything, seed } from './authority-rows.ts';

/** An account with what a test needs to speak of it. */
export interface Tenant {
  readonly accountId: string;
  readonly zoneId: string;
  /** The resource groups of the whole account and of its zone. */
  readonly everything: string;
  readonly zoneOnly: string;
  /** The official SDK with the right to do everything in this account. */
  readonly sdk: Cloudflare;
}

/** Somebody with a key. */
export interface Person {
  readonly memberId: string;
  readonly administratorId: string;
  readonly email: string;
  readonly key: string;
  readonly sdk: Cloudflare;
}

/** The account of the first start. */
export async function firstTenant(app: TestApp): Promise<Tenant> {
  const { account_id: accountId, zone_id: zoneId } = app.credentials;
  const sdk = app.sdk();
  const groups = (await sdk.iam.resourceGroups.list({ account_id: accountId })).result;
  const named = (name: string) => groups.find((group) => group.name === name)?.id ?? '';
  return {
    accountId,
    zoneId,
    everything: named(`com.cloudflare.api.account.${accountId}`),
    zoneOnly: named(`com.cloudflare.api.account.zone.${zoneId}`),
    sdk,
  };
}

/** A further account, with a Super Administrator of its own whose key the SDK uses. */
export async function addTenant(app: TestApp, name: string): Promise<Tenant & { readonly owner: Person }> {
  const now = timestamp(app.clock.now());
  const authDomain = `${name}.localhost:${app.port}`;
  const made = await app.app.control.database.write((tx) =>
    createAccount(tx, { name, zoneName: `${name}.test`, authDomain, now }),
  );
  const { id: administratorId, email, key } = await seed(app).person(`owner@${name}.test`);
  const membership = { account_id: made.accountId, administrator_id: administratorId, roles: everything };
  const memberId = await seed(app).member(membership);
  const sdk = keySdk(app, email, key);
  return {
    accountId: made.accountId,
    zoneId: made.zoneId,
    everything: made.accountResourceGroupId,
    zoneOnly: made.zoneResourceGroupId,
    sdk,
    owner: { memberId, administratorId, email, key, sdk },
  };
}

/** An account that is older than all others, so that the first may be deleted like any other. */
export async function addOlderAccount(app: TestApp): Promise<void> {
  const { accountId } = await addTenant(app, 'operator');
  await app.app.control.database.write((tx) =>
    tx.query
      .updateTable('accounts')
      .set({ created_on: '2000-01-01T00:00:00.000000Z' })
      .where('id', '=', accountId)
      .execute(),
  );
}

/** What somebody is to have: a role, or permissions by name on resource groups. */
export type Given =
  | { readonly roles: string[] }
  | { readonly may: readonly PermissionGroupName[]; readonly on?: string };

/** An accepted member of the account, by the API, who then gets a key, as `credentials issue` would give it. */
export async function addPerson(
  app: TestApp,
  tenant: Tenant,
  { email, ...given }: Given & { email: string },
): Promise<Person> {
  const member = await tenant.sdk.accounts.members.create({
    account_id: tenant.accountId,
    email,
    status: 'accepted',
    ...('roles' in given ? { roles: given.roles } : { policies: policiesOf(tenant, given) }),
  });
  return await giveKey(app, member);
}

/** Somebody at home elsewhere, invited to the account and accepting by themselves; answers the membership's id. */
export async function join(tenant: Tenant, { email, sdk }: Person, given: Given): Promise<string> {
  const { id = '' } = await tenant.sdk.accounts.members.create({
    account_id: tenant.accountId,
    email,
    ...('roles' in given ? { roles: given.roles } : { policies: policiesOf(tenant, given) }),
  });
  await sdk.memberships.update(id, { status: 'accepted' });
  return id;
}

/** Policies as members and user groups have them. */
export function policiesOf(
  tenant: Tenant,
  { may, on }: { may: readonly PermissionGroupName[]; on?: string },
) {
  if (may.length === 0) return [];
  return [
    {
      access: 'allow' as const,
      permission_groups: idsOf(may).map((id) => ({ id })),
      resource_groups: [{ id: on ?? tenant.everything }],
    },
  ];
}

/** A policy as tokens have it, on the whole account. */
export function tokenPolicy(accountId: string, may: readonly PermissionGroupName[]) {
  return {
    effect: 'allow' as const,
    permission_groups: idsOf(may).map((id) => ({ id })),
    resources: { [`com.cloudflare.api.account.${accountId}`]: '*' },
  };
}

/** The ids of the permission groups with these names. */
export function idsOf(names: readonly PermissionGroupName[]): string[] {
  return permissionGroups.filter(({ name }) => names.includes(name)).map(({ id }) => id);
}

async function giveKey(
  app: TestApp,
  member: { id?: string; user?: { id?: string; email: string } },
): Promise<Person> {
  const { id: memberId = '', user: { id: administratorId = '', email } = { email: '' } } = member;
  const key = newSecret('cfk');
  await app.app.control.database.write((tx) =>
    tx.query
      .updateTable('administrators')
      .set({ key_hash: sha256(key) })
      .where('id', '=', administratorId)
      .execute(),
  );
  return { memberId, administratorId, email, key, sdk: keySdk(app, email, key) };
}

/** The official SDK with somebody's key, without retries. */
export function keySdk(app: TestApp, email: string, key: string): Cloudflare {
  return app.sdk({ apiToken: null, apiEmail: email, apiKey: key });
}

/** How a call of the SDK was refused; fails if it was not. */
export async function refused(call: Promise<unknown>): Promise<{
  status: number | undefined;
  code: number | undefined;
  message: string;
  pointer: string | undefined;
  error: APIError;
}> {
  const error = await call.then(
    () => assert.fail('the call was not refused'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof APIError, String(error));
  const [first] = error.errors as { code?: number; message?: string; source?: { pointer?: string } }[];
  return {
    status: error.status,
    code: first?.code,
    message: first?.message ?? '',
    pointer: first?.source?.pointer,
    error,
  };
}

/** Whether a credential still opens the list of members, or with what status it is refused. */
export async function opens(sdk: Cloudflare, accountId: string): Promise<true | number | undefined> {
  try {
    await sdk.accounts.members.list({ account_id: accountId });
    return true;
  } catch (error) {
    assert.ok(error instanceof APIError, String(error));
    return error.status;
  }
}

/** Every page of a list of the SDK. */
export async function all<T>(list: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of list) items.push(item);
  return items;
}
