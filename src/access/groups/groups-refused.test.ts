import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { NotFoundError, PermissionDeniedError } from 'cloudflare';
import { asking } from '../../../test/support/access.ts';
import { type Refusal, refuses, type Scenario } from '../../../test/support/refusals.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { addTenant, refused, type Tenant, tokenPolicy } from '../../../test/support/tenants.ts';
import { newUuid } from '../../kernel/ids.ts';

/* Access groups that cannot be, and people who may not (reference §3.4). */

const invalid = (pointer?: string): Refusal => ({
  status: 400,
  code: 12130,
  ...(pointer === undefined ? {} : { pointer }),
});
const unknown: Refusal = { status: 404, code: 12152, says: /Access group not found/ };
const everyone = [{ everyone: {} }];
const many = (length: number) =>
  Array.from({ length }, (_, at) => ({ email: { email: `p${at}@a.example` } }));

/** What is wrong with a body, of a create as of an update. */
const wrong: readonly [string, unknown, string][] = [
  ['no body', undefined, ''],
  ['an array', [], ''],
  ['a text', 'Staff', ''],
  ['no name', { include: everyone }, '/name'],
  ['an empty name', { name: '', include: everyone }, '/name'],
  ['a name of another type', { name: 7, include: everyone }, '/name'],
  ['a name beyond all bounds', { name: 'x'.repeat(351), include: everyone }, '/name'],
  ['no include', { name: 'x' }, '/include'],
  ['an include that is null', { name: 'x', include: null }, '/include'],
  ['an include that is one rule', { name: 'x', include: everyone[0] }, '/include'],
  ['an empty include', { name: 'x', include: [] }, '/include'],
  ['an empty include beside a require', { name: 'x', include: [], require: everyone }, '/include'],
  ['an exclude that is an object', { name: 'x', include: everyone, exclude: {} }, '/exclude'],
  ['a require that is null', { name: 'x', include: everyone, require: null }, '/require'],
  ['a flag that is a text', { name: 'x', include: everyone, is_default: 'true' }, '/is_default'],
  ['more rules than there may be', { name: 'x', include: many(1001) }, '/include'],
  ['a rule without a type', { name: 'x', include: [{}] }, '/include/0'],
  ['a rule of two types', { name: 'x', include: [{ everyone: {}, certificate: {} }] }, '/include/0'],
  ['a rule of no known type', { name: 'x', include: [{ shoe_size: { is: 43 } }] }, '/include/0'],
  [
    'a rule of a type that comes later',
    { name: 'x', include: [{ geo: { country_code: 'CH' } }] },
    '/include/0/geo',
  ],
  [
    'a rule that says more than it may',
    { name: 'x', include: [{ email: { email: 'a@a.example', or: 'b' } }] },
    '/include/0/email',
  ],
  [
    'an e-mail that is none',
    { name: 'x', include: everyone, exclude: [{ email: { email: 'ann' } }] },
    '/exclude/0/email/email',
  ],
  ['a block that is none', { name: 'x', include: [{ ip: { ip: '10.0.0.0/33' } }] }, '/include/0/ip/ip'],
  ['a group by a name', { name: 'x', include: [{ group: { id: 'Staff' } }] }, '/include/0/group/id'],
  [
    'a group that there is not',
    { name: 'x', include: [{ group: { id: newUuid() } }] },
    '/include/0/group/id',
  ],
  [
    'a list that there is not',
    { name: 'x', include: everyone, require: [{ email_list: { id: newUuid() } }] },
    '/require/0/email_list/id',
  ],
  [
    'an address list that there is not',
    { name: 'x', include: everyone, exclude: [{ ip_list: { id: newUuid() } }] },
    '/exclude/0/ip_list/id',
  ],
  [
    'a provider that there is not',
    { name: 'x', include: [{ login_method: { id: newUuid() } }] },
    '/include/0/login_method/id',
  ],
  [
    'a service token that there is not',
    { name: 'x', include: [{ service_token: { token_id: newUuid() } }] },
    '/include/0/service_token/token_id',
  ],
];

/** Bodies that are no JSON for us, as they are sent. */
const unreadable: readonly [string, string, Refusal][] = [
  ['that breaks off', '{"name":"x"', { status: 400, code: 1009 }],
  ['with __proto__', '{"name":"x","include":[{"__proto__":{"everyone":{}}}]}', { status: 400, code: 1009 }],
  [
    'with constructor.prototype',
    '{"name":"x","include":[{"constructor":{"prototype":{}}}]}',
    { status: 400, code: 1009 },
  ],
  ['with NUL in a name', '{"name":"x\\u0000","include":[{"everyone":{}}]}', { status: 400, code: 1010 }],
  [
    'with NUL in a rule',
    '{"name":"x","include":[{"auth_method":{"auth_method":"a\\u0000"}}]}',
    { status: 400, code: 1010 },
  ],
  ['with NUL in a key', '{"name":"x","include":[{"every\\u0000one":{}}]}', { status: 400, code: 1010 }],
  [
    'nested too deeply',
    `{"name":"x","include":${'['.repeat(70)}${']'.repeat(70)}}`,
    { status: 400, code: 1009 },
  ],
  ['of 10 MB', `{"name":"${'x'.repeat(10_000_000)}"}`, { status: 413, code: 1007 }],
];

interface World {
  readonly stage: Stage;
  readonly base: string;
  readonly id: string;
}

async function prepare(stage: Stage): Promise<World> {
  const { account_id } = stage.app.credentials;
  const made = await stage.app
    .sdk()
    .zeroTrust.access.groups.create({ account_id, name: 'one', include: [{ everyone: {} }] });
  return { stage, base: `/accounts/${account_id}/access/groups`, id: made.id ?? '' };
}

function scenario(
  name: string,
  [method, at, body]: [method: string, at: (world: World) => string, body?: unknown],
  refusal: Refusal,
): Scenario<World> {
  const told = (world: World) => (typeof body === 'function' ? body(world) : body);
  return { name, sends: (world) => asking(world.stage.app, method, at(world), told(world)), refusal };
}

function raw(name: string, method: string, at: (world: World) => string, body: string, refusal: Refusal) {
  const sends = (world: World) => ({ ...asking(world.stage.app, method, at(world)), body });
  return { name, sends, refusal };
}

const collection = ({ base }: World) => base;
const item = ({ base, id }: World) => `${base}/${id}`;

refuses('Access groups that are refused', prepare, [
  ...wrong.flatMap(([name, body, pointer]) => [
    scenario(`created with ${name}`, ['POST', collection, body], invalid(pointer)),
    scenario(`updated with ${name}`, ['PUT', item, body], invalid(pointer)),
  ]),
  ...unreadable.flatMap(([name, body, refusal]) => [
    raw(`created by a body ${name}`, 'POST', collection, body, refusal),
    raw(`updated by a body ${name}`, 'PUT', item, body, refusal),
  ]),
  scenario(
    'updated to be within itself',
    ['PUT', item, ({ id }: World) => ({ name: 'one', include: [{ group: { id: id.toUpperCase() } }] })],
    { ...invalid('/include/0/group/id'), says: /is the group itself/ },
  ),
  ...(['GET', 'PUT', 'DELETE'] as const).flatMap((method) =>
    [newUuid(), 'x', '__proto__', `${'a'.repeat(32)}.ac`].map((id) =>
      scenario(
        `${method} of ${id.slice(0, 12)}, which is not there`,
        [
          method,
          ({ base }) => `${base}/${id}`,
          method === 'PUT' ? { name: 'x', include: everyone } : undefined,
        ],
        unknown,
      ),
    ),
  ),
  scenario('an id of 37 characters', ['GET', ({ base }) => `${base}/${'a'.repeat(37)}`], {
    ...invalid('/path/group_id'),
  }),
  scenario('PATCH', ['PATCH', item, {}], {
    status: 405,
    code: 10405,
    headers: { allow: 'DELETE, GET, PUT' },
  }),
  ...['page=0', 'page=x', 'per_page=0', 'per_page=1001', 'name=a&name=b', `search=${'x'.repeat(351)}`].map(
    (query) =>
      scenario(`a list by ${query.slice(0, 20)}`, ['GET', ({ base }) => `${base}?${query}`], {
        ...(query.startsWith('name=a&') ? { status: 400, code: 1001 } : invalid()),
        pointer: `/query/${query.split('=')[0]}`,
      }),
  ),
]);

onBothDatabases('Access groups', (stage) => {
  let other: Tenant;
  const place = () => ({ account_id: stage.app.credentials.account_id });
  const groups = () => stage.app.sdk().zeroTrust.access.groups;
  const body = { name: 'one', include: [{ everyone: {} }] };

  before(async () => {
    other = await addTenant(stage.app, 'other');
  });

  test('of another account are unknown, by account and by zone, also within rules, and stay as they are', async () => {
    const theirs = other.sdk.zeroTrust.access.groups;
    const { id = '' } = await theirs.create({ account_id: other.accountId, ...body });
    const { id: ours = '' } = await groups().create({ ...place(), ...body });
    const rows = await readRows(stage.database);
    const zone = { zone_id: stage.app.credentials.zone_id };
    for (const at of [place(), zone]) {
      await assert.rejects(groups().get(id, at), NotFoundError);
      await assert.rejects(groups().update(id, { ...at, ...body }), NotFoundError);
      await assert.rejects(groups().delete(id, at), NotFoundError);
    }
    for (const at of [{ account_id: other.accountId }, { zone_id: other.zoneId }]) {
      await assert.rejects(groups().get(id, at), PermissionDeniedError);
      await assert.rejects(groups().list(at), PermissionDeniedError);
      await assert.rejects(groups().create({ ...at, ...body }), PermissionDeniedError);
      await assert.rejects(groups().update(id, { ...at, ...body }), PermissionDeniedError);
      await assert.rejects(groups().delete(id, at), PermissionDeniedError);
    }
    const named = await refused(
      groups().update(ours, { ...place(), name: 'one', include: [{ group: { id } }] }),
    );
    assert.deepEqual([named.status, named.pointer], [400, '/include/0/group/id']);
    assert.match(named.message, /is not an Access group of this account/);
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('are read by readers, changed by writers alone, and shown to nobody else', async () => {
    const { id = '' } = await groups().create({ ...place(), ...body });
    const may = {
      'Access: Organizations, Identity Providers, and Groups Write': [true, true],
      'Access: Organizations, Identity Providers, and Groups Read': [true, false],
      'Access: Organizations, Identity Providers, and Groups Revoke': [false, false],
      'Access: Apps and Policies Write': [false, false],
      'Zero Trust Write': [false, false],
    } as const;
    for (const [right, [reads, writes]] of Object.entries(may)) {
      const policies = [tokenPolicy(place().account_id, [right as keyof typeof may])];
      const { value } = await stage.app.sdk().accounts.tokens.create({ ...place(), name: right, policies });
      const theirs = stage.app.sdk({ apiToken: value ?? '' }).zeroTrust.access.groups;
      const rows = await readRows(stage.database);
      for (const [call, isAllowed] of [
        [() => theirs.get(id, place()), reads],
        [() => theirs.list(place()), reads],
        [() => theirs.create({ ...place(), ...body }), writes],
        [() => theirs.update(id, { ...place(), ...body }), writes],
      ] as const) {
        if (isAllowed) await call();
        else await assert.rejects(call(), PermissionDeniedError, right);
      }
      if (!writes) {
        await assert.rejects(theirs.delete(id, place()), PermissionDeniedError, right);
        assert.deepEqual(await readRows(stage.database), rows);
      }
    }
    assert.deepEqual(await groups().delete(id, place()), { id });
  });

  test('are at most three hundred, also when two are made at once', async () => {
    const before = (await readRows(stage.database)).access_groups?.length ?? 0;
    // The last but one by hand, for the time that it would take.
    const { control } = stage.app.app;
    const { id: sample = '' } = await groups().create({ ...place(), ...body });
    await control.database.write(async (tx) => {
      const row = await tx.query
        .selectFrom('access_groups')
        .selectAll()
        .where('id', '=', sample)
        .executeTakeFirstOrThrow();
      const mine = (
        await tx.query
          .selectFrom('access_groups')
          .select('id')
          .where('account_id', '=', row.account_id)
          .execute()
      ).length;
      const rows = Array.from({ length: 299 - mine }, () => ({ ...row, id: newUuid() }));
      await tx.query.insertInto('access_groups').values(rows).execute();
    });
    const two = await Promise.allSettled([1, 2].map(() => groups().create({ ...place(), ...body })));
    const [failed, ...more] = two.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    assert.deepEqual([failed?.status, more], [400, []]);
    assert.match(String(failed), /at most 300 Access groups/);
    const after = (await readRows(stage.database)).access_groups?.length ?? 0;
    assert.ok(after > before);
    const mine = await stage.app.api('GET', `/accounts/${place().account_id}/access/groups?per_page=1`);
    assert.equal(mine.body.result_info.total_count, 300);
    // Another account has its own three hundred.
    await other.sdk.zeroTrust.access.groups.create({ account_id: other.accountId, ...body });
  });
});
