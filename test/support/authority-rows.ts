import { createAccount } from '../../src/accounts/accounts/accounts.ts';
import type { Tx } from '../../src/database/database.ts';
import type { ApiTokenRow, MemberRow } from '../../src/database/tables.ts';
import type { Statement } from '../../src/kernel/authority.ts';
import { timestamp } from '../../src/kernel/clock.ts';
import { sha256 } from '../../src/kernel/crypto.ts';
import { newSecret, newTag } from '../../src/kernel/ids.ts';
import {
  type PermissionGroupName,
  permissionGroups,
  superAdministrator,
} from '../../src/kernel/permissions.ts';
import type { TestApp } from './app.ts';

/** Rows for the question who may do what, put where no route could: past every rule of the routes. */
export interface Seeds {
  account(name: string): Promise<{ id: string; zoneId: string }>;
  /** A person with a Global API Key. */
  person(email: string): Promise<Person>;
  member(row: Partial<MemberRow> & Pick<MemberRow, 'account_id' | 'administrator_id'>): Promise<string>;
  /** A token with that secret; without an owner it is the first account's. */
  token(row: Partial<ApiTokenRow>, statements: readonly Statement[]): Promise<SeededToken>;
  /** A user group of the account with those members; policies are JSON as stored. */
  group(row: { accountId: string; policies: string; members: readonly string[] }): Promise<string>;
  write(work: (tx: Tx) => Promise<unknown>): Promise<void>;
}

export interface Person {
  readonly id: string;
  readonly email: string;
  readonly key: string;
}

export interface SeededToken {
  readonly id: string;
  readonly secret: string;
}

export function seed(app: TestApp): Seeds {
  const { database } = app.app.control;
  const now = timestamp(app.clock.now());
  const write = async (work: (tx: Tx) => Promise<unknown>) => void (await database.write(work));
  return {
    write,
    account: async (name) => {
      const place = { name, zoneName: `${name}.example`, authDomain: `${name}.localhost`, now };
      const { accountId, zoneId } = await database.write((tx) => createAccount(tx, place));
      return { id: accountId, zoneId };
    },
    person: async (email) => {
      const person = { id: newTag(), email, key: newSecret('cfk') };
      const { id, key } = person;
      const row = { id, email, email_key: email, first_name: null, last_name: null, key_hash: sha256(key) };
      await write((tx) =>
        tx.query
          .insertInto('administrators')
          .values({ ...row, created_on: now })
          .execute(),
      );
      return person;
    },
    member: async (given) => {
      const row = {
        id: newTag(),
        status: 'accepted',
        roles: '[]',
        policies: '[]',
        created_on: now,
        ...given,
      };
      await write((tx) => tx.query.insertInto('members').values(row).execute());
      return row.id;
    },
    token: async (given, statements) => {
      const owner = given.administrator_id ? {} : { account_id: app.credentials.account_id };
      const row = { ...tokenRow(now), ...owner, policies: JSON.stringify(withIds(statements)), ...given };
      const secret = newSecret(row.administrator_id ? 'cfut' : 'cfat');
      const values = { ...row, secret_hash: sha256(secret) };
      await write((tx) => tx.query.insertInto('api_tokens').values(values).execute());
      return { id: row.id, secret };
    },
    group: async ({ accountId, policies, members }) => {
      const id = newTag();
      const row = { id, account_id: accountId, name: id, name_key: id, policies };
      await write(async (tx) => {
        await tx.query
          .insertInto('user_groups')
          .values({ ...row, created_on: now, modified_on: now })
          .execute();
        for (const member of members) {
          const link = { user_group_id: id, member_id: member, account_id: accountId, created_on: now };
          await tx.query.insertInto('user_group_members').values(link).execute();
        }
      });
      return id;
    },
  };
}

/** A statement about a permission group of that name. */
export function statement(
  effect: Statement['effect'],
  name: PermissionGroupName,
  resources: Statement['resources'],
): Statement {
  const ids = permissionGroups.filter((group) => group.name === name).map(({ id }) => ({ id }));
  return { effect, permission_groups: ids, resources };
}

/** The role of a Super Administrator, as a member's row holds it. */
export const everything = JSON.stringify([superAdministrator.id]);

function withIds(statements: readonly Statement[]) {
  return statements.map((one) => ({ id: newTag(), ...one }));
}

function tokenRow(now: string): ApiTokenRow {
  return {
    id: newTag(),
    account_id: null,
    administrator_id: null,
    name: 'seeded',
    status: 'active',
    secret_hash: '',
    policies: '[]',
    condition: null,
    not_before: null,
    expires_on: null,
    issued_on: now,
    modified_on: now,
    last_used_on: null,
    creator_id: null,
    creator_email: null,
  };
}
