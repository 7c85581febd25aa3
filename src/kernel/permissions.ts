/** What a permission is about, by the prefix of the resource names that it applies to (reference §7.2). */
export type PermissionScope =
  | 'com.cloudflare.api.account'
  | 'com.cloudflare.api.account.zone'
  | 'com.cloudflare.api.user';

export type PermissionCategory = 'cloudflare_one_and_zero_trust' | 'account_and_billing' | 'dns_and_zones';

/** A named permission. One name can stand for two groups of different ids, one for each of two scopes. */
export interface PermissionGroup {
  /** 32 lower-case hex, the same on every installation. */
  readonly id: string;
  readonly name: PermissionGroupName;
  readonly scopes: readonly PermissionScope[];
  readonly category: PermissionCategory;
}

export type PermissionGroupName = (
  | (typeof accountGroups)[number]
  | (typeof zoneGroups)[number]
  | (typeof userGroups)[number]
)[1];

/** A fixed set of permission groups that a member of an account can have. */
export interface Role {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly permissionGroups: readonly PermissionGroup[];
}

/**
 * Ids and names. The ids are Cloudflare's where reference §7.3 has them; the others were chosen once. None ever
 * changes, for tokens and policies hold them.
 */
const accountGroups = [
  ['7ea222f6d5064cfa89ea366d7c1fee89', 'Access: Apps and Policies Read'],
  ['6c9d1cfcfc6840a987d1b5bfb880a841', 'Access: Apps and Policies Revoke'],
  ['1e13c5124ca64b72b1969a67e8829049', 'Access: Apps and Policies Write'],
  ['b05b28e839c54467a7d6cba5d3abb5a3', 'Access: Audit Logs Read'],
  ['26bc23f853634eb4bff59983b9064fde', 'Access: Organizations, Identity Providers, and Groups Read'],
  ['7121a0c7e9ed46e3829f9cca2bb572aa', 'Access: Organizations, Identity Providers, and Groups Revoke'],
  ['bfe0d8686a584fa680f4c53b5eb0de6d', 'Access: Organizations, Identity Providers, and Groups Write'],
  ['de99c87e48d642ce8c985d027905b475', 'Access: Population Read'],
  ['bc783549a3a741aaa10556faf8b485bb', 'Access: Population Write'],
  ['e985ca9351db460faebbe8681c48e560', 'Access: SCIM logs read'],
  ['91f7ce32fa614d73b7e1fc8f0e78582b', 'Access: Service Tokens Read'],
  ['a1c0fec57cf94af79479a6d827fa518c', 'Access: Service Tokens Write'],
  ['eb56a6953c034b9d97dd838155666f06', 'Account API Tokens Read'],
  ['5bc3f8b21c554832afc660159ab75fa4', 'Account API Tokens Write'],
  ['c1fde68c7bcc44588cbb6ddbc16d6480', 'Account Settings Read'],
  ['1af1fa2adc104452b74a9a3364202f20', 'Account Settings Write'],
  ['d5812c023a5048b4882175a28952362d', 'SCIM Provisioning'],
  ['3f376c8e6f764a938b848bd01c8995c4', 'Zero Trust Read'],
  ['efb81b5cd37d49f3be1da9363a6d7a19', 'Zero Trust Report'],
  ['b33f02c6f7284e05a6f20741c0bb0567', 'Zero Trust Write'],
  ['f5d857f67f144e3c8bacea88c17d4a13', 'Zero Trust: PII Read'],
  ['a1a6298e52584c8fb6313760a30c681e', 'Zero Trust: Seats Write'],
  // Ours.
  ['8dcbd885044f914fd3b7f16ee9df3af3', 'Access: Mutual TLS Certificates Read'],
  ['4331a7b7ca7f1c6c9c435c46f91f167e', 'Access: Mutual TLS Certificates Write'],
  ['e428efc402b0eefc2dbf94306002734a', 'Access: Organizations Revoke'],
  ['da52c19431082a11ea50962c468278f8', 'Access: Users Read'],
  ['a852c4e6876311ca0a8ecd783388fb3b', 'Access: Users Write'],
] as const;

const zoneGroups = [
  ['eb258a38ea634c86a0c89da6b27cb6b6', 'Access: Apps and Policies Read'],
  ['6db4e222e21248ac96a3f4c2a81e3b41', 'Access: Apps and Policies Revoke'],
  ['959972745952452f8be2452be8cbb9f2', 'Access: Apps and Policies Write'],
  // Ours.
  ['5f6415b880ec48be7fda238001acea23', 'Access: Mutual TLS Certificates Read'],
  ['081771f1fb8051dd356bfd8815c671f1', 'Access: Mutual TLS Certificates Write'],
  ['38e65eae42581b8de62eb409108a1820', 'Zone Read'],
  ['22212b7764f767222f425da0abdae240', 'Zone Write'],
  ['24f72972dd3bcb07d61bcab2944fa618', 'Zone Settings Read'],
] as const;

/** All ours. */
const userGroups = [
  ['61bf5cbab17f5f2cbd29233b2b320cbf', 'API Tokens Read'],
  ['421d1c642bf7fd0e02fda0e7a9915093', 'API Tokens Write'],
  ['01a3c369b0eae18e1b585284d1f483e6', 'Memberships Read'],
  ['5e03e85b179b92ee8ce0ed0ffd185515', 'Memberships Write'],
  ['ecf43a3e70808bbd9aa1d7ac9fe3e356', 'User Details Read'],
  ['0643c04da9d88e912e3ccc28f9f4450e', 'User Details Write'],
] as const;

/** Every permission group there is, in the order of lists. */
export const permissionGroups: readonly PermissionGroup[] = [
  ...accountGroups.map(describe('com.cloudflare.api.account')),
  ...zoneGroups.map(describe('com.cloudflare.api.account.zone')),
  ...userGroups.map(describe('com.cloudflare.api.user')),
];

export const permissionGroupById: ReadonlyMap<string, PermissionGroup> = new Map(
  permissionGroups.map((group) => [group.id, group]),
);

export const superAdministrator: Role = {
  id: '33666b9c79b9a5273fc7344ff42f953d',
  name: 'Super Administrator - All Privileges',
  description: 'Can do everything in the account, and manage its members and tokens.',
  permissionGroups,
};

/** What manages people and the account's own credentials: no Administrator has it. */
const MANAGING: readonly PermissionGroupName[] = [
  'Account API Tokens Write',
  'Account Settings Write',
  'SCIM Provisioning',
];

const administrator: Role = {
  id: '05784afa30c1afe1440e79d9351c7430',
  name: 'Administrator',
  description:
    'Can do everything in the account but manage its members, user groups and tokens, and the account itself.',
  permissionGroups: permissionGroups.filter(({ name }) => !MANAGING.includes(name)),
};

const readOnlyAdministrator: Role = {
  id: 'f2b20eaa1a5d4af42b53ac16238c99c7',
  name: 'Administrator Read Only',
  description:
    'Can read all of the account but personal data that has a permission of its own; changes nothing.',
  permissionGroups: permissionGroups.filter(
    ({ name }) => name !== 'Zero Trust: PII Read' && /\b(?:Read|Report)$/i.test(name),
  ),
};

/** Every role there is, in the order of lists. */
export const roles: readonly Role[] = [superAdministrator, administrator, readOnlyAdministrator];

/** The roles of these ids, of those that exist, in the order of lists. */
export function rolesOf(ids: readonly string[]): Role[] {
  return roles.filter(({ id }) => ids.includes(id));
}

function describe(scope: PermissionScope) {
  return ([id, name]: readonly [string, PermissionGroupName]): PermissionGroup => ({
    id,
    name,
    scopes: [scope],
    category: categoryOf(name, scope),
  });
}

function categoryOf(name: PermissionGroupName, scope: PermissionScope): PermissionCategory {
  if (name.startsWith('Access: ') || name.startsWith('Zero Trust')) return 'cloudflare_one_and_zero_trust';
  return scope === 'com.cloudflare.api.account.zone' ? 'dns_and_zones' : 'account_and_billing';
}
