import { timestamp } from '../../src/kernel/clock.ts';
import { sha256 } from '../../src/kernel/crypto.ts';
import { newSecret, newTag } from '../../src/kernel/ids.ts';
import {
  type PermissionGroupName,
  permissionGroups,
  superAdministrator,
} from '../../src/kernel/permissions.ts';
import type { World } from './world.ts';

/** An administrator whose authority is about to end, and what it hangs on. */
export interface Administrator {
  readonly id: string;
  readonly email: string;
  readonly memberId: string;
  readonly groupId: string;
  readonly key: string;
  readonly tokenId: string;
  readonly token: string;
}

/** What a request of theirs carries. */
export function headersOf({ email, key, token }: Administrator, by: 'key' | 'token'): string[] {
  return by === 'key' ? ['x-auth-email', email, 'x-auth-key', key] : ['authorization', `Bearer ${token}`];
}

/** A statement that allows this in all of the account. */
export function allOf(accountId: string, name: PermissionGroupName) {
  return {
    effect: 'allow' as const,
    permission_groups: groupIdOf(name),
    resources: { [`com.cloudflare.api.account.${accountId}`]: '*' as const },
  };
}

const groupIdOf = (name: PermissionGroupName) =>
  permissionGroups.filter((group) => group.name === name).map(({ id }) => ({ id }));

/** An administrator with a key and a token; their rights are those of a Super Administrator, or a group's. */
export async function insertAdministrator({ database, accountId, clock }: World, throughGroup: boolean) {
  const now = timestamp(clock.now());
  const id = newTag();
  const of = {
    id,
    email: `${id}@example.com`,
    memberId: newTag(),
    groupId: newTag(),
    key: newSecret('cfk'),
    tokenId: newTag(),
    token: newSecret('cfut'),
  };
  const policies = (['Account API Tokens Write', 'Access: Users Write', 'Access: Users Read'] as const).map(
    (name) => ({
      id: newTag(),
      access: 'allow',
      permission_groups: groupIdOf(name),
      resource_groups: [{ id: 'account' }],
    }),
  );
  await database.write(async (tx) => {
    const person = { id, email: of.email, email_key: of.email, first_name: null, last_name: null };
    await tx.query
      .insertInto('administrators')
      .values({ ...person, key_hash: sha256(of.key), created_on: now })
      .execute();
    const scope = JSON.stringify({ key: `com.cloudflare.api.account.${accountId}`, objects: [{ key: '*' }] });
    await tx.query
      .insertInto('resource_groups')
      .values({ id: 'account', account_id: accountId, name: 'all of it', scope, created_on: now })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    await tx.query
      .insertInto('members')
      .values({
        id: of.memberId,
        account_id: accountId,
        administrator_id: id,
        status: 'accepted',
        roles: JSON.stringify(throughGroup ? [] : [superAdministrator.id]),
        policies: '[]',
        created_on: now,
      })
      .execute();
    const named = { id: of.groupId, account_id: accountId, name: of.groupId, name_key: of.groupId };
    await tx.query
      .insertInto('user_groups')
      .values({ ...named, policies: JSON.stringify(policies), created_on: now, modified_on: now })
      .execute();
    await tx.query
      .insertInto('user_group_members')
      .values({ user_group_id: of.groupId, member_id: of.memberId, account_id: accountId, created_on: now })
      .execute();
    await tx.query
      .insertInto('api_tokens')
      .values({
        id: of.tokenId,
        account_id: null,
        administrator_id: id,
        name: 'own',
        status: 'active',
        secret_hash: sha256(of.token),
        policies: JSON.stringify([
          { id: newTag(), ...allOf(accountId, 'Access: Users Write') },
          { id: newTag(), ...allOf(accountId, 'Access: Users Read') },
          {
            id: newTag(),
            effect: 'allow',
            permission_groups: groupIdOf('API Tokens Write'),
            resources: { [`com.cloudflare.api.user.${id}`]: '*' },
          },
        ]),
        condition: null,
        not_before: null,
        expires_on: null,
        issued_on: now,
        modified_on: now,
        last_used_on: now,
        creator_id: null,
        creator_email: null,
      })
      .execute();
  });
  return of;
}
