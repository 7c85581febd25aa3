import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  covers,
  parsePolicies,
  permits,
  type Statement,
  statementsOfRole,
  type WantedRight,
} from './authority.ts';
import { type PermissionGroupName, permissionGroups, superAdministrator } from './permissions.ts';
import type { Resources } from './resources.ts';

const hex = (letter: string): string => letter.repeat(32);
const [accountA, accountB, freshAccount] = [hex('a'), hex('b'), hex('c')];
const [zoneA, secondZoneA, freshZoneA, zoneB, freshZoneB, freshZone] = '123456'.split('').map(hex) as [
  string,
  string,
  string,
  string,
  string,
  string,
];
const [user, freshUser] = [hex('d'), hex('e')];

const account = (id: string): string => `com.cloudflare.api.account.${id}`;
const zone = (id: string): string => `com.cloudflare.api.account.zone.${id}`;
const person = (id: string): string => `com.cloudflare.api.user.${id}`;

const apps = 'Access: Apps and Policies Write';
const settings = 'Account Settings Read';

type Scope = 'account' | 'zone' | 'user';
function groupId(name: PermissionGroupName, scope: Scope): string {
  const prefix = {
    account: 'com.cloudflare.api.account',
    zone: 'com.cloudflare.api.account.zone',
    user: 'com.cloudflare.api.user',
  };
  const group = permissionGroups.find(
    (one) => one.name === name && one.scopes.includes(prefix[scope] as never),
  );
  assert.ok(group, `${name} of ${scope}`);
  return group.id;
}

const appsOfAccount = groupId(apps, 'account');
const appsOfZone = groupId(apps, 'zone');
const settingsOfAccount = groupId(settings, 'account');
const zoneRead = groupId('Zone Read', 'zone');
const tokensOfUser = groupId('API Tokens Read', 'user');

function statement(effect: Statement['effect'], ids: string[], resources: Resources): Statement {
  return { effect, permission_groups: ids.map((id) => ({ id })), resources };
}
const allow = (ids: string[], resources: Resources): Statement => statement('allow', ids, resources);
const deny = (ids: string[], resources: Resources): Statement => statement('deny', ids, resources);

interface Case {
  readonly what: string;
  readonly statements: Statement[];
  readonly wanted: WantedRight;
}

const appsOnA: WantedRight = { names: [apps], account: accountA };
const appsOnZoneA: WantedRight = { names: [apps], account: accountA, zone: zoneA };
const everyAccount = { [account('*')]: '*' } as const;

const refused: Case[] = [
  { what: 'no policies', statements: [], wanted: appsOnA },
  {
    what: 'no names',
    statements: [allow([appsOfAccount], everyAccount)],
    wanted: { names: [], account: accountA },
  },
  { what: 'no target', statements: [allow([appsOfAccount], everyAccount)], wanted: { names: [apps] } },
  {
    what: 'an empty target',
    statements: [allow([appsOfAccount], everyAccount)],
    wanted: { names: [apps], account: '' },
  },
  { what: 'another permission', statements: [allow([settingsOfAccount], everyAccount)], wanted: appsOnA },
  {
    what: 'another account',
    statements: [allow([appsOfAccount], { [account(accountB)]: '*' })],
    wanted: appsOnA,
  },
  {
    what: 'an account called *',
    statements: [allow([appsOfAccount], { [account(accountA)]: '*' })],
    wanted: { names: [apps], account: '*' },
  },
  { what: 'an unknown group', statements: [allow([hex('0')], everyAccount)], wanted: appsOnA },
  {
    what: 'an account group with a zone alone',
    statements: [allow([appsOfAccount], { [zone(zoneA)]: '*' })],
    wanted: appsOnZoneA,
  },
  {
    what: 'a zone group with the account alone',
    statements: [allow([appsOfZone], { [account(accountA)]: '*' })],
    wanted: appsOnZoneA,
  },
  {
    what: 'a zone group where no zone is asked for',
    statements: [allow([appsOfZone], { [zone('*')]: '*' })],
    wanted: appsOnA,
  },
  {
    what: 'a zone group with another zone',
    statements: [allow([appsOfZone], { [zone(zoneB)]: '*' })],
    wanted: appsOnZoneA,
  },
  {
    what: 'a zone group with the zones of another account',
    statements: [allow([appsOfZone], { [account(accountB)]: { [zone('*')]: '*' } })],
    wanted: appsOnZoneA,
  },
  {
    what: 'a user group with another user',
    statements: [allow([tokensOfUser], { [person(freshUser)]: '*' })],
    wanted: { names: ['API Tokens Read'], user },
  },
  {
    what: 'a user group with an account',
    statements: [allow([tokensOfUser], everyAccount)],
    wanted: { names: ['API Tokens Read'], account: accountA, user },
  },
  {
    what: 'a deny beside the allow',
    statements: [allow([appsOfAccount], everyAccount), deny([appsOfAccount], { [account(accountA)]: '*' })],
    wanted: appsOnA,
  },
  {
    what: 'a deny before the allow',
    statements: [deny([appsOfAccount], everyAccount), allow([appsOfAccount], { [account(accountA)]: '*' })],
    wanted: appsOnA,
  },
  {
    what: 'a deny on the zone against an allow on the account',
    statements: [allow([appsOfAccount], everyAccount), deny([appsOfZone], { [zone(zoneA)]: '*' })],
    wanted: appsOnZoneA,
  },
  {
    what: 'a deny on the account against an allow on the zone',
    statements: [
      allow([appsOfZone], { [zone(zoneA)]: '*' }),
      deny([appsOfAccount], { [account(accountA)]: '*' }),
    ],
    wanted: appsOnZoneA,
  },
  {
    what: 'a deny of a zone group on the whole account',
    statements: [
      allow([appsOfZone], { [zone(zoneA)]: '*' }),
      deny([appsOfZone], { [account(accountA)]: '*' }),
    ],
    wanted: appsOnZoneA,
  },
];

for (const { what, statements, wanted } of refused) {
  test(`${what} permits nothing`, () => assert.equal(permits(statements, wanted), false));
}

const permitted: Case[] = [
  {
    what: 'an account group on the account',
    statements: [allow([appsOfAccount], { [account(accountA)]: '*' })],
    wanted: appsOnA,
  },
  {
    what: 'an account group on every account',
    statements: [allow([appsOfAccount], everyAccount)],
    wanted: appsOnA,
  },
  {
    what: 'an account group on a zone of the account',
    statements: [allow([appsOfAccount], { [account(accountA)]: '*' })],
    wanted: appsOnZoneA,
  },
  {
    what: 'a zone group on the zone',
    statements: [allow([appsOfZone], { [zone(zoneA)]: '*' })],
    wanted: appsOnZoneA,
  },
  {
    what: 'a zone group on every zone',
    statements: [allow([appsOfZone], { [zone('*')]: '*' })],
    wanted: appsOnZoneA,
  },
  {
    what: 'a zone group on every zone of the account',
    statements: [allow([appsOfZone], { [account(accountA)]: { [zone('*')]: '*' } })],
    wanted: appsOnZoneA,
  },
  {
    what: 'a zone group on the zone in the account',
    statements: [allow([appsOfZone], { [account(accountA)]: { [zone(zoneA)]: '*' } })],
    wanted: appsOnZoneA,
  },
  {
    what: 'a zone group on every zone of every account',
    statements: [allow([appsOfZone], { [account('*')]: { [zone('*')]: '*' } })],
    wanted: appsOnZoneA,
  },
  {
    what: 'a user group on the user',
    statements: [allow([tokensOfUser], { [person(user)]: '*' })],
    wanted: { names: ['API Tokens Read'], user },
  },
  {
    what: 'one name beside a denied one',
    statements: [
      allow([appsOfAccount, settingsOfAccount], everyAccount),
      deny([appsOfAccount], everyAccount),
    ],
    wanted: { names: [apps, settings], account: accountA },
  },
  {
    what: 'an allow beside a deny elsewhere',
    statements: [allow([appsOfAccount], everyAccount), deny([appsOfAccount], { [account(accountB)]: '*' })],
    wanted: appsOnA,
  },
  {
    what: 'the account beside a deny on a zone of it',
    statements: [allow([appsOfAccount], everyAccount), deny([appsOfZone], { [zone(zoneA)]: '*' })],
    wanted: appsOnA,
  },
];

for (const { what, statements, wanted } of permitted) {
  test(`${what} permits`, () => assert.equal(permits(statements, wanted), true));
}

const owners = new Map([
  [zoneA, accountA],
  [secondZoneA, accountA],
  [freshZoneA, accountA],
  [zoneB, accountB],
  [freshZoneB, accountB],
  [freshZone, freshAccount],
]);
const accountOfZone = (id: string): string | null => owners.get(id) ?? null;

const tooFar: [string, Statement[], Statement[]][] = [
  ['anything, held by somebody without rights', [], [allow([appsOfAccount], { [account(accountA)]: '*' })]],
  ['another permission', [allow([settingsOfAccount], everyAccount)], [allow([appsOfAccount], everyAccount)]],
  ['an unknown permission', [allow([hex('0')], everyAccount)], [allow([hex('0')], everyAccount)]],
  [
    'every account for one',
    [allow([appsOfAccount], { [account(accountA)]: '*' })],
    [allow([appsOfAccount], everyAccount)],
  ],
  [
    'every zone for one',
    [allow([appsOfZone], { [zone(zoneA)]: '*' })],
    [allow([appsOfZone], { [zone('*')]: '*' })],
  ],
  [
    'all zones of an account for every zone it has now',
    [allow([appsOfZone], { [zone(zoneA)]: '*', [zone(secondZoneA)]: '*', [zone(freshZoneA)]: '*' })],
    [allow([appsOfZone], { [account(accountA)]: { [zone('*')]: '*' } })],
  ],
  [
    'a zone of another account',
    [allow([appsOfZone], { [account(accountA)]: { [zone('*')]: '*' } })],
    [allow([appsOfZone], { [zone(zoneB)]: '*' })],
  ],
  [
    'the account for its zones',
    [allow([appsOfZone], { [account(accountA)]: { [zone('*')]: '*' } })],
    [allow([appsOfAccount], { [account(accountA)]: '*' })],
  ],
  [
    'what a deny takes away',
    [allow([appsOfAccount], everyAccount), deny([appsOfAccount], { [account(accountA)]: '*' })],
    [allow([appsOfAccount], { [account(accountA)]: '*' })],
  ],
  [
    'a wildcard of which a deny takes a part away',
    [allow([appsOfZone], { [zone('*')]: '*' }), deny([appsOfZone], { [zone(zoneA)]: '*' })],
    [allow([appsOfZone], { [account(accountA)]: { [zone('*')]: '*' } })],
  ],
  [
    'an account of which a deny takes a zone away',
    [allow([appsOfAccount], everyAccount), deny([appsOfZone], { [zone(zoneA)]: '*' })],
    [allow([appsOfAccount], { [account(accountA)]: '*' })],
  ],
  [
    'the rights on another user',
    [allow([tokensOfUser], { [person(user)]: '*' })],
    [allow([tokensOfUser], { [person(freshUser)]: '*' })],
  ],
];

for (const [what, held, asked] of tooFar) {
  test(`nobody hands out ${what}`, () => {
    const problem = covers(held, asked, { pointer: '/policies', accountOfZone });
    assert.equal(problem?.pointer, '/policies/0/permission_groups/0');
    assert.match(problem.message, /is not held on all of these resources$/);
  });
}

test('the first permission group that goes too far is the one that is named', () => {
  const held = [allow([settingsOfAccount], everyAccount)];
  const asked = [
    deny([appsOfAccount], everyAccount),
    allow([settingsOfAccount, appsOfAccount], everyAccount),
  ];
  assert.deepEqual(covers(held, asked), {
    pointer: '/1/permission_groups/1',
    message: '"Access: Apps and Policies Write" is not held on all of these resources',
  });
});

test('a zone named by its id alone is nobody’s unless its account can be told', () => {
  const held = [allow([appsOfZone], { [account(accountA)]: { [zone('*')]: '*' } })];
  const asked = [allow([appsOfZone], { [zone(zoneA)]: '*' })];
  assert.notEqual(covers(held, asked), null);
  assert.equal(covers(held, asked, { accountOfZone }), null);
});

test('a deny may be handed out by anybody', () => {
  assert.equal(covers([], [deny([appsOfAccount], everyAccount)]), null);
});

test('a super administrator holds and hands out everything in the account, and nothing in another', () => {
  const everything = statementsOfRole(superAdministrator, accountA, user);
  assert.equal(covers(everything, everything), null);
  assert.notEqual(covers(everything, statementsOfRole(superAdministrator, accountB, user)), null);
  assert.notEqual(covers(everything, statementsOfRole(superAdministrator, accountA, freshUser)), null);
  for (const { name, scopes } of permissionGroups) {
    const isOfUser = scopes.includes('com.cloudflare.api.user');
    assert.equal(permits(everything, { names: [name], account: accountB, zone: zoneB }), false);
    assert.equal(
      permits(
        everything,
        isOfUser ? { names: [name], user } : { names: [name], account: accountA, zone: zoneA },
      ),
      true,
    );
  }
});

test('a role without a named user has no rights on any user', () => {
  const everything = statementsOfRole(superAdministrator, accountA);
  assert.equal(permits(everything, { names: ['API Tokens Read'], user }), false);
});

/** The rules of `permits` for one name, spelled out on the resource names themselves. */
function naive(statements: readonly Statement[], name: string, target: Target): boolean {
  const has = (one: Statement, scope: Scope) => {
    const ids = one.permission_groups.map(({ id }) => id);
    return permissionGroups.some(
      (g) => g.name === name && ids.includes(g.id) && g.scopes.join() === SCOPES[scope],
    );
  };
  const names = (one: Statement, key: string) => one.resources[key] === '*';
  const inBraces = (one: Statement, outer: string, key: string) => {
    const content = one.resources[outer];
    return typeof content === 'object' && content[key] === '*';
  };
  const onAccount = (one: Statement) => names(one, account(target.account)) || names(one, account('*'));
  const onZone = (one: Statement) =>
    [zone(target.zone), zone('*')].some(
      (key) =>
        names(one, key) || inBraces(one, account(target.account), key) || inBraces(one, account('*'), key),
    );
  const touches = (one: Statement): boolean => {
    if (target.user) return has(one, 'user') && names(one, person(target.user));
    if (has(one, 'account') && onAccount(one)) return true;
    if (!target.zone || !has(one, 'zone')) return false;
    return onZone(one) || (one.effect === 'deny' && onAccount(one));
  };
  const allows = statements.filter(({ effect }) => effect === 'allow').filter(touches);
  const denies = statements.filter(({ effect }) => effect === 'deny').filter(touches);
  return allows.length > 0 && denies.length === 0;
}

const SCOPES = {
  account: 'com.cloudflare.api.account',
  zone: 'com.cloudflare.api.account.zone',
  user: 'com.cloudflare.api.user',
};

interface Target {
  readonly account: string;
  readonly zone: string;
  readonly user: string;
}

/** Everything there is; what is called fresh is never named by a resource, so only a wildcard reaches it. */
const targets: Target[] = [
  ...[accountA, accountB, freshAccount].map((id) => ({ account: id, zone: '', user: '' })),
  ...[...owners].map(([id, owner]) => ({ account: owner, zone: id, user: '' })),
  ...[user, freshUser].map((id) => ({ account: '', zone: '', user: id })),
];

const entry: fc.Arbitrary<[string, Resources[string]]> = fc.constantFrom<[string, Resources[string]][]>(
  [account(accountA), '*'],
  [account(accountB), '*'],
  [account('*'), '*'],
  [account(accountA), { [zone('*')]: '*' }],
  [account(accountA), { [zone(zoneA)]: '*' }],
  [account(accountA), { [zone(zoneA)]: '*', [zone(secondZoneA)]: '*' }],
  [account(accountB), { [zone(zoneB)]: '*' }],
  [account('*'), { [zone('*')]: '*' }],
  [account('*'), { [zone(zoneA)]: '*' }],
  [zone(zoneA), '*'],
  [zone(zoneB), '*'],
  [zone('*'), '*'],
  [person(user), '*'],
);
const anyStatement: fc.Arbitrary<Statement> = fc
  .tuple(
    fc.constantFrom<Statement['effect'][]>('allow', 'allow', 'allow', 'deny'),
    fc.uniqueArray(fc.constantFrom(appsOfAccount, appsOfZone, zoneRead, settingsOfAccount, tokensOfUser), {
      minLength: 1,
      maxLength: 3,
    }),
    fc.array(entry, { minLength: 1, maxLength: 3 }),
  )
  .map(([effect, ids, entries]) => statement(effect, ids, Object.fromEntries(entries)));
const statements = fc.array(anyStatement, { maxLength: 4 });
const names: PermissionGroupName[] = [apps, settings, 'Zone Read', 'API Tokens Read'];

test('property: it permits what the rules spelled out on the names permit', () => {
  let yes = 0;
  fc.assert(
    fc.property(statements, fc.subarray(names), fc.constantFrom(...targets), (list, wanted, target) => {
      const expected = wanted.some((name) => naive(list, name, target));
      if (expected) yes++;
      assert.equal(permits(list, { names: wanted, ...target }), expected);
    }),
    { numRuns: 5000 },
  );
  assert.ok(yes > 200, 'the property hardly ever saw a permission');
});

test('property: a list may be handed out exactly if its allows permit nothing that the held list refuses', () => {
  let handedOut = 0;
  fc.assert(
    fc.property(statements, statements, (held, asked) => {
      const allows = asked.filter(({ effect }) => effect === 'allow');
      const isWithin = names.every((name) =>
        targets.every((target) => !naive(allows, name, target) || naive(held, name, target)),
      );
      if (isWithin && allows.length > 0) handedOut++;
      assert.equal(covers(held, asked, { accountOfZone }) === null, isWithin);
    }),
    { numRuns: 5000 },
  );
  assert.ok(handedOut > 100, 'the property hardly ever saw a list that may be handed out');
});

test('property: without knowing the accounts of zones, still nothing is handed out that is not held', () => {
  fc.assert(
    fc.property(statements, statements, (held, asked) => {
      if (covers(held, asked) !== null) return;
      for (const name of names) {
        for (const target of targets) assert.ok(!naive(asked, name, target) || naive(held, name, target));
      }
    }),
    { numRuns: 5000 },
  );
});

const good = {
  effect: 'allow',
  permission_groups: [{ id: appsOfAccount }],
  resources: { [account(accountA)]: '*' },
};

/** Through JSON.parse, since only there `__proto__` is a key like any other. */
const misreadings: [string, unknown, string][] = [
  ['no list', {}, ''],
  ['an empty list', [], ''],
  ['a hundred and one policies', Array.from({ length: 101 }, () => good), ''],
  ['null for a policy', [null], '/0'],
  ['no effect', [{ ...good, effect: undefined }], '/0/effect'],
  ['an effect in capitals', [{ ...good, effect: 'Allow' }], '/0/effect'],
  [
    'an inherited effect',
    JSON.parse(
      `[{"__proto__":{"effect":"allow"},"permission_groups":[{"id":"${appsOfAccount}"}],"resources":{"${account('*')}":"*"}}]`,
    ),
    '/0/effect',
  ],
  ['no permission groups', [{ ...good, permission_groups: [] }], '/0/permission_groups'],
  [
    'permission groups that are no list',
    [{ ...good, permission_groups: { id: appsOfAccount } }],
    '/0/permission_groups',
  ],
  [
    'more permission groups than there are',
    [{ ...good, permission_groups: Array.from({ length: 99 }, () => ({ id: appsOfAccount })) }],
    '/0/permission_groups',
  ],
  [
    'a permission group without an id',
    [{ ...good, permission_groups: [{ name: apps }] }],
    '/0/permission_groups/0/id',
  ],
  [
    'a permission group that is a text',
    [{ ...good, permission_groups: [appsOfAccount] }],
    '/0/permission_groups/0/id',
  ],
  [
    'an unknown permission group',
    [{ ...good, permission_groups: [{ id: appsOfAccount }, { id: hex('0') }] }],
    '/0/permission_groups/1/id',
  ],
  [
    'an inherited name for a permission group',
    [{ ...good, permission_groups: [{ id: 'constructor' }] }],
    '/0/permission_groups/0/id',
  ],
  ['no resources', [{ ...good, resources: {} }], '/0/resources'],
  ['resources that are a list', [{ ...good, resources: [account('*')] }], '/0/resources'],
  [
    'an unknown kind of resource',
    [{ ...good, resources: { 'com.cloudflare.edge.r2.bucket.x': '*' } }],
    '/0/resources',
  ],
  [
    'a resource without an id',
    [{ ...good, resources: { 'com.cloudflare.api.account': '*' } }],
    '/0/resources',
  ],
  ['a resource with a short id', [{ ...good, resources: { [account('abc')]: '*' } }], '/0/resources'],
  ['a resource in capitals', [{ ...good, resources: { [account(hex('A'))]: '*' } }], '/0/resources'],
  ['every user', [{ ...good, resources: { [person('*')]: '*' } }], '/0/resources'],
  [
    'a prototype for resources',
    JSON.parse(
      `[{"effect":"allow","permission_groups":[{"id":"${appsOfAccount}"}],"resources":{"__proto__":"*"}}]`,
    ),
    '/0/resources',
  ],
  [
    'a resource that is not wholly meant',
    [{ ...good, resources: { [account(accountA)]: 'read' } }],
    `/0/resources/${account(accountA)}`,
  ],
  [
    'a zone with something in it',
    [{ ...good, resources: { [zone(zoneA)]: { [zone(zoneA)]: '*' } } }],
    `/0/resources/${zone(zoneA)}`,
  ],
  [
    'an account without zones in its braces',
    [{ ...good, resources: { [account(accountA)]: {} } }],
    `/0/resources/${account(accountA)}`,
  ],
  [
    'an account inside an account',
    [{ ...good, resources: { [account(accountA)]: { [account(accountB)]: '*' } } }],
    `/0/resources/${account(accountA)}/${account(accountB)}`,
  ],
  [
    'a zone that is not wholly meant',
    [{ ...good, resources: { [account(accountA)]: { [zone(zoneA)]: {} } } }],
    `/0/resources/${account(accountA)}/${zone(zoneA)}`,
  ],
  ['a policy that would do nothing', [{ ...good, permission_groups: [{ id: zoneRead }] }], '/0/resources'],
];

for (const [what, value, pointer] of misreadings) {
  test(`${what} in policies is refused at ${pointer || 'its place'}`, () => {
    const result = parsePolicies(value, '/policies');
    assert.deepEqual(!result.ok && result.problems.map((problem) => problem.pointer), [
      `/policies${pointer}`,
    ]);
  });
}

test('every problem of every policy is named at once', () => {
  const result = parsePolicies([{}, good, 7], '/policies');
  assert.deepEqual(!result.ok && result.problems.map(({ pointer }) => pointer), [
    '/policies/0/effect',
    '/policies/0/permission_groups',
    '/policies/0/resources',
    '/policies/2',
  ]);
});

test('more resources than a thousand are refused, however they are spread', () => {
  const id = (index: number) => index.toString(16).padStart(32, '0');
  const zones = (from: number, count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [zone(id(from + i)), '*']));
  const policy = (resources: unknown) => ({
    effect: 'allow',
    permission_groups: [{ id: zoneRead }],
    resources,
  });
  const half = policy(zones(0, 500));
  assert.equal(parsePolicies([half, policy({ [account(accountA)]: zones(500, 500) })], '').ok, true);
  assert.equal(parsePolicies([half, policy({ [account(accountA)]: zones(500, 501) })], '').ok, false);
});

test('a policy is read without what Cloudflare merely shows of it', () => {
  const shown = {
    ...good,
    id: hex('f'),
    permission_groups: [{ id: appsOfAccount, name: apps, meta: { key: 'x' } }],
  };
  assert.deepEqual(parsePolicies([shown], ''), { ok: true, value: [good] });
});

test('property: what was read is read as itself, and no JSON makes it throw', () => {
  fc.assert(
    fc.property(fc.oneof(fc.array(anyStatement, { minLength: 1 }), fc.jsonValue()), (value) => {
      const once = parsePolicies(value, '');
      if (once.ok) assert.deepEqual(parsePolicies(once.value, ''), once);
      else assert.ok(once.problems.length > 0);
    }),
  );
});
