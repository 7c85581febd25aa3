import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestApp } from '../../../test/support/app.ts';
import {
  type Ask,
  accountOf,
  allowed,
  bearer,
  EVERY_ACCOUNT,
  EVERY_ZONE,
  organizations,
  status,
  users,
  type World,
  worldOf,
  zoneOf,
} from '../../../test/support/asks.ts';
import { type SeededToken, seed, statement } from '../../../test/support/authority-rows.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import type { Statement } from '../../kernel/authority.ts';
import { MINUTE, timestamp } from '../../kernel/clock.ts';
import { newTag } from '../../kernel/ids.ts';

/*
 * Who may do what, asked through the front door: the rows of tokens, members and groups are put there by the
 * tests, the answers are those of routes with different scopes.
 */

type Table = readonly (readonly [string, (world: World) => readonly Statement[], readonly Ask[]])[];

const table: Table = [
  ['without policies', () => [], []],
  [
    'with a right on the account',
    ({ account }) => [statement('allow', users, { [accountOf(account)]: '*' })],
    ['users'],
  ],
  [
    'with a right on the account that a zone’s path is a view of',
    ({ account }) => [statement('allow', organizations, { [accountOf(account)]: '*' })],
    ['organization'],
  ],
  [
    'with a right that is allowed and denied',
    ({ account }) => [
      statement('allow', users, { [accountOf(account)]: '*' }),
      statement('deny', users, { [accountOf(account)]: '*' }),
    ],
    [],
  ],
  [
    'with a right that is denied first and allowed after',
    ({ account }) => [
      statement('deny', users, { [EVERY_ACCOUNT]: '*' }),
      statement('allow', users, { [accountOf(account)]: '*' }),
    ],
    [],
  ],
  [
    'with another of the accepted rights denied',
    ({ account }) => [
      statement('allow', users, { [accountOf(account)]: '*' }),
      statement('deny', 'Access: Users Write', { [accountOf(account)]: '*' }),
    ],
    ['users'],
  ],
  [
    'with the right denied on another account',
    ({ account, other }) => [
      statement('allow', users, { [accountOf(account)]: '*' }),
      statement('deny', users, { [accountOf(other)]: '*' }),
    ],
    ['users'],
  ],
  ['with a right on every account', () => [statement('allow', users, { [EVERY_ACCOUNT]: '*' })], ['users']],
  [
    'with a right on another account',
    ({ other }) => [statement('allow', users, { [accountOf(other)]: '*' })],
    [],
  ],
  [
    'with a right on the zone',
    ({ zone }) => [statement('allow', 'Zone Read', { [zoneOf(zone)]: '*' })],
    ['zone'],
  ],
  ['with a right on every zone', () => [statement('allow', 'Zone Read', { [EVERY_ZONE]: '*' })], ['zone']],
  [
    'with a right on every zone of the account',
    ({ account }) => [statement('allow', 'Zone Read', { [accountOf(account)]: { [EVERY_ZONE]: '*' } })],
    ['zone'],
  ],
  [
    'with a right of zones on the account, which names none',
    ({ account }) => [statement('allow', 'Zone Read', { [accountOf(account)]: '*' })],
    [],
  ],
  [
    'with a right on every zone but this one',
    ({ zone }) => [
      statement('allow', 'Zone Read', { [EVERY_ZONE]: '*' }),
      statement('deny', 'Zone Read', { [zoneOf(zone)]: '*' }),
    ],
    [],
  ],
  [
    'with a right on zones that is denied on their account',
    ({ account, zone }) => [
      statement('allow', 'Zone Read', { [zoneOf(zone)]: '*' }),
      statement('deny', 'Zone Read', { [accountOf(account)]: '*' }),
    ],
    [],
  ],
  [
    'with a right of accounts on a zone, which is no account',
    ({ zone }) => [statement('allow', users, { [zoneOf(zone)]: '*' })],
    [],
  ],
  [
    'with what names no permission group, and no resource',
    ({ account }) => [
      { effect: 'allow', permission_groups: [{ id: newTag() }], resources: { [accountOf(account)]: '*' } },
      statement('allow', users, { everything: '*', 'com.cloudflare.api.account.': '*' }),
    ],
    [],
  ],
];

onBothDatabases('what an account token may', (stage) => {
  for (const [name, statements, expected] of table) {
    test(`${name}: ${expected.join(' and ') || 'nothing'}`, async () => {
      const world = await worldOf(stage.app, newTag().slice(0, 8));
      const token = await seed(stage.app).token({}, statements(world));
      assert.deepEqual(await allowed(stage.app, world, bearer(token.secret)), expected);
    });
  }
});

onBothDatabases('when and from where a token is good', (stage) => {
  const good = (app: TestApp) => [
    statement('allow', users, { [accountOf(app.credentials.account_id)]: '*' }),
  ];
  const use = ({ app }: Stage, { secret }: SeededToken, headers: Record<string, string> = {}) =>
    status(app, `/accounts/${app.credentials.account_id}/access/users`, { ...bearer(secret), ...headers });

  test('until the moment it expires, and not in it', async () => {
    const { app } = stage;
    const expires_on = timestamp(app.clock.now() + MINUTE);
    const token = await seed(app).token({ expires_on }, good(app));
    assert.equal(await use(stage, token), 200);
    app.clock.advance(MINUTE);
    assert.equal(await use(stage, token), 401);
  });

  test('from the moment its time has come', async () => {
    const { app } = stage;
    const not_before = timestamp(app.clock.now() + MINUTE);
    const token = await seed(app).token({ not_before }, good(app));
    assert.equal(await use(stage, token), 401);
    app.clock.advance(MINUTE);
    assert.equal(await use(stage, token), 200);
  });

  test('not while it is disabled', async () => {
    const seeds = seed(stage.app);
    const token = await seeds.token({}, good(stage.app));
    const set = (value: string) =>
      seeds.write((tx) =>
        tx.query.updateTable('api_tokens').set({ status: value }).where('id', '=', token.id).execute(),
      );
    for (const [state, code] of [
      ['active', 200],
      ['disabled', 401],
      ['active', 200],
    ] as const) {
      await set(state);
      assert.equal(await use(stage, token), code);
    }
  });

  const within = '{"in":["192.0.2.0/24","2001:db8::/32"]}';
  const addresses: readonly (readonly [condition: string, forwardedFor: string, code: number])[] = [
    [within, '192.0.2.7', 200],
    [within, '::ffff:192.0.2.7', 200],
    [within, '2001:db8::7', 200],
    [within, '192.0.3.7', 401],
    [within, '2001:db9::7', 401],
    [within, '192.0.2.7, 198.51.100.1', 401],
    [within, 'nonsense', 401],
    ['{"not_in":["192.0.2.0/24"]}', '192.0.2.7', 401],
    ['{"not_in":["192.0.2.0/24"]}', '::ffff:192.0.2.7', 401],
    ['{"not_in":["192.0.2.0/24"]}', '198.51.100.1', 200],
    ['{"in":["192.0.2.0/24"],"not_in":["192.0.2.7/32"]}', '192.0.2.6', 200],
    ['{"in":["192.0.2.0/24"],"not_in":["192.0.2.7/32"]}', '192.0.2.7', 401],
    ['{"in":["192.0.2.0/24"],"not_in":["192.0.2.7/32"]}', '198.51.100.1', 401],
    ['{"in":[],"not_in":[]}', '198.51.100.1', 200],
    ['{}', '198.51.100.1', 200],
  ];
  test('only from the addresses that its condition admits, as the trusted proxy tells them', async () => {
    for (const [condition, forwardedFor, code] of addresses) {
      const token = await seed(stage.app).token({ condition }, good(stage.app));
      const found = await use(stage, token, { 'x-forwarded-for': forwardedFor });
      assert.equal(found, code, `${condition} ${forwardedFor}`);
    }
  });
});
