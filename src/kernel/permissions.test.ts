import assert from 'node:assert/strict';
import { test } from 'node:test';
import { permissionGroupById, permissionGroups, roles, superAdministrator } from './permissions.ts';

const account = 'com.cloudflare.api.account';
const zone = 'com.cloudflare.api.account.zone';
const user = 'com.cloudflare.api.user';

/** Reference §7.3, copied by hand a second time. */
const published: [string, string, string][] = [
  [account, 'Access: Apps and Policies Read', '7ea222f6d5064cfa89ea366d7c1fee89'],
  [account, 'Access: Apps and Policies Revoke', '6c9d1cfcfc6840a987d1b5bfb880a841'],
  [account, 'Access: Apps and Policies Write', '1e13c5124ca64b72b1969a67e8829049'],
  [zone, 'Access: Apps and Policies Read', 'eb258a38ea634c86a0c89da6b27cb6b6'],
  [zone, 'Access: Apps and Policies Revoke', '6db4e222e21248ac96a3f4c2a81e3b41'],
  [zone, 'Access: Apps and Policies Write', '959972745952452f8be2452be8cbb9f2'],
  [account, 'Access: Audit Logs Read', 'b05b28e839c54467a7d6cba5d3abb5a3'],
  [account, 'Access: Organizations, Identity Providers, and Groups Read', '26bc23f853634eb4bff59983b9064fde'],
  [
    account,
    'Access: Organizations, Identity Providers, and Groups Revoke',
    '7121a0c7e9ed46e3829f9cca2bb572aa',
  ],
  [
    account,
    'Access: Organizations, Identity Providers, and Groups Write',
    'bfe0d8686a584fa680f4c53b5eb0de6d',
  ],
  [account, 'Access: Population Read', 'de99c87e48d642ce8c985d027905b475'],
  [account, 'Access: Population Write', 'bc783549a3a741aaa10556faf8b485bb'],
  [account, 'Access: SCIM logs read', 'e985ca9351db460faebbe8681c48e560'],
  [account, 'Access: Service Tokens Read', '91f7ce32fa614d73b7e1fc8f0e78582b'],
  [account, 'Access: Service Tokens Write', 'a1c0fec57cf94af79479a6d827fa518c'],
  [account, 'Account API Tokens Read', 'eb56a6953c034b9d97dd838155666f06'],
  [account, 'Account API Tokens Write', '5bc3f8b21c554832afc660159ab75fa4'],
  [account, 'Account Settings Read', 'c1fde68c7bcc44588cbb6ddbc16d6480'],
  [account, 'Account Settings Write', '1af1fa2adc104452b74a9a3364202f20'],
  [account, 'SCIM Provisioning', 'd5812c023a5048b4882175a28952362d'],
  [account, 'Zero Trust Read', '3f376c8e6f764a938b848bd01c8995c4'],
  [account, 'Zero Trust Write', 'b33f02c6f7284e05a6f20741c0bb0567'],
  [account, 'Zero Trust Report', 'efb81b5cd37d49f3be1da9363a6d7a19'],
  [account, 'Zero Trust: PII Read', 'f5d857f67f144e3c8bacea88c17d4a13'],
  [account, 'Zero Trust: Seats Write', 'a1a6298e52584c8fb6313760a30c681e'],
];

/** Ours. Tokens in the field hold these ids: this table may only grow. */
const ours: [string, string, string][] = [
  [account, 'Access: Mutual TLS Certificates Read', '8dcbd885044f914fd3b7f16ee9df3af3'],
  [account, 'Access: Mutual TLS Certificates Write', '4331a7b7ca7f1c6c9c435c46f91f167e'],
  [zone, 'Access: Mutual TLS Certificates Read', '5f6415b880ec48be7fda238001acea23'],
  [zone, 'Access: Mutual TLS Certificates Write', '081771f1fb8051dd356bfd8815c671f1'],
  [account, 'Access: Organizations Revoke', 'e428efc402b0eefc2dbf94306002734a'],
  [account, 'Access: Users Read', 'da52c19431082a11ea50962c468278f8'],
  [account, 'Access: Users Write', 'a852c4e6876311ca0a8ecd783388fb3b'],
  [zone, 'Zone Read', '38e65eae42581b8de62eb409108a1820'],
  [zone, 'Zone Write', '22212b7764f767222f425da0abdae240'],
  [zone, 'Zone Settings Read', '24f72972dd3bcb07d61bcab2944fa618'],
  [user, 'API Tokens Read', '61bf5cbab17f5f2cbd29233b2b320cbf'],
  [user, 'API Tokens Write', '421d1c642bf7fd0e02fda0e7a9915093'],
  [user, 'Memberships Read', '01a3c369b0eae18e1b585284d1f483e6'],
  [user, 'Memberships Write', '5e03e85b179b92ee8ce0ed0ffd185515'],
  [user, 'User Details Read', 'ecf43a3e70808bbd9aa1d7ac9fe3e356'],
  [user, 'User Details Write', '0643c04da9d88e912e3ccc28f9f4450e'],
];

test('the catalogue is exactly what was published and promised', () => {
  const rows = permissionGroups.map(({ scopes, name, id }) => `${scopes.join()} | ${name} | ${id}`);
  assert.deepEqual(rows.toSorted(), [...published, ...ours].map((row) => row.join(' | ')).toSorted());
});

test('no id is used twice, and none is a role', () => {
  assert.equal(permissionGroupById.size, permissionGroups.length);
  for (const { id } of permissionGroups) assert.match(id, /^[0-9a-f]{32}$/);
  for (const { id } of roles) assert.equal(permissionGroupById.has(id), false);
});

test('no name is used twice in one scope', () => {
  const names = permissionGroups.map(({ scopes, name }) => `${scopes.join()} ${name}`);
  assert.equal(new Set(names).size, names.length);
});

test('a group is found by its id, and by nothing inherited', () => {
  assert.equal(permissionGroupById.get('a1a6298e52584c8fb6313760a30c681e')?.name, 'Zero Trust: Seats Write');
  assert.equal(permissionGroupById.get('constructor'), undefined);
});

test('a super administrator has every group', () => {
  assert.equal(superAdministrator.id, '33666b9c79b9a5273fc7344ff42f953d');
  assert.deepEqual(superAdministrator.permissionGroups, permissionGroups);
});

test('each group is filed under a category that clients know', () => {
  const categoryOf = (name: string) => permissionGroups.find((group) => group.name === name)?.category;
  assert.equal(categoryOf('Zero Trust: Seats Write'), 'cloudflare_one_and_zero_trust');
  assert.equal(categoryOf('Account Settings Read'), 'account_and_billing');
  assert.equal(categoryOf('Zone Read'), 'dns_and_zones');
});
