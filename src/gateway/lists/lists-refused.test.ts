import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { NotFoundError, PermissionDeniedError } from 'cloudflare';
import { asking } from '../../../test/support/access.ts';
import { type Refusal, refuses, type Scenario } from '../../../test/support/refusals.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { addTenant, refused, type Tenant, tokenPolicy } from '../../../test/support/tenants.ts';
import { newUuid } from '../../kernel/ids.ts';

/* Lists that cannot be, and people who may not. */

const invalid = (pointer?: string): Refusal => ({
  status: 400,
  code: 1001,
  ...(pointer === undefined ? {} : { pointer }),
});
const unknown: Refusal = { status: 404, code: 1003, says: /list not found/ };
const notYet: Refusal = { status: 400, code: 1002, pointer: '/type' };

const emails = (length: number) => Array.from({ length }, (_, at) => ({ value: `person-${at}@example.com` }));

/** What is wrong with items, of a create as of an update. */
const wrongItems: readonly [string, unknown, string][] = [
  ['that are null', null, '/items'],
  ['that are a text', 'ann@example.com', '/items'],
  ['that are texts', ['ann@example.com'], '/items/0'],
  ['one of which is null', [null], '/items/0'],
  ['one of which has no value', [{ description: 'Ann' }], '/items/0/value'],
  ['one of which is empty', [{ value: '' }], '/items/0/value'],
  ['one of which is a number', [{ value: 7 }], '/items/0/value'],
  ['one of which is no e-mail', [{ value: 'ann@example.com' }, { value: 'ann' }], '/items/1/value'],
  ['one of which is an address', [{ value: '192.0.2.1' }], '/items/0/value'],
  ['one of which is a domain', [{ value: 'example.com' }], '/items/0/value'],
  ['one of which is two e-mails', [{ value: 'ann@example.com, bob@example.com' }], '/items/0/value'],
  ['one of which is of the length of a book', [{ value: `${'a'.repeat(2048)}@a.example` }], '/items/0/value'],
  [
    'one of whose descriptions is a number',
    [{ value: 'ann@example.com', description: 1 }],
    '/items/0/description',
  ],
  ['of which there are too many', emails(5001), '/items'],
];

const wrongBlocks = [
  'ann@example.com',
  '10.0.0.0/33',
  '10.0.0',
  '010.0.0.1',
  '0x7f.1',
  '::1%eth0',
  '1.2.3.4/',
  '::/129',
  ' 10.0.0.1',
  'example.com',
];

interface World {
  readonly stage: Stage;
  readonly base: string;
  readonly id: string;
}

async function prepare(stage: Stage): Promise<World> {
  const { account_id } = stage.app.credentials;
  const items = [{ value: 'ann@example.com' }];
  const made = await stage.app
    .sdk()
    .zeroTrust.gateway.lists.create({ account_id, name: 'one', type: 'EMAIL', items });
  return { stage, base: `/accounts/${account_id}/gateway/lists`, id: made.id ?? '' };
}

function scenario(
  name: string,
  [method, at, body]: [method: string, at: (world: World) => string, body?: unknown],
  refusal: Refusal,
): Scenario<World> {
  return { name, sends: (world) => asking(world.stage.app, method, at(world), body), refusal };
}

function raw(name: string, method: string, at: (world: World) => string, body: string, refusal: Refusal) {
  const sends = (world: World) => ({ ...asking(world.stage.app, method, at(world)), body });
  return { name, sends, refusal };
}

const collection = ({ base }: World) => base;
const item = ({ base, id }: World) => `${base}/${id}`;
const usual = { name: 'x', type: 'EMAIL' };

/** Bodies that are no JSON for us, as they are sent. */
const unreadable: readonly [string, string, Refusal][] = [
  ['that breaks off', '{"name":"x"', { status: 400, code: 1009 }],
  ['with __proto__', '{"name":"x","type":"EMAIL","__proto__":{"items":[]}}', { status: 400, code: 1009 }],
  [
    'with NUL in an item',
    '{"name":"x","items":[{"value":"ann\\u0000@example.com"}]}',
    { status: 400, code: 1010 },
  ],
  ['of 10 MB', `{"name":"${'x'.repeat(10_000_000)}"}`, { status: 413, code: 1007 }],
];

refuses('lists that are refused', prepare, [
  scenario('created with no body', ['POST', collection], invalid('')),
  scenario('created with no name', ['POST', collection, { type: 'EMAIL' }], invalid('/name')),
  scenario('created with no type', ['POST', collection, { name: 'x' }], invalid('/type')),
  scenario('updated with no name', ['PUT', item, { items: [] }], invalid('/name')),
  scenario('updated with an empty name', ['PUT', item, { name: '' }], invalid('/name')),
  scenario('updated to another type', ['PUT', item, { name: 'x', type: 'IP' }], invalid('/type')),
  scenario(
    'created with a description of a book',
    ['POST', collection, { ...usual, description: 'x'.repeat(1001) }],
    invalid('/description'),
  ),
  scenario(
    'created of a type that nobody has',
    ['POST', collection, { name: 'x', type: 'HATS' }],
    invalid('/type'),
  ),
  scenario(
    'created of a type in small letters',
    ['POST', collection, { name: 'x', type: 'email' }],
    invalid('/type'),
  ),
  scenario(
    'created of the type __proto__',
    ['POST', collection, { name: 'x', type: '__proto__' }],
    invalid('/type'),
  ),
  ...['URL', 'DOMAIN', 'CATEGORY', 'LOCATION', 'AAGUID'].map((type) =>
    scenario(`created of the type ${type}`, ['POST', collection, { name: 'x', type }], notYet),
  ),
  ...wrongItems.flatMap(([name, items, pointer]) => [
    scenario(`created with items ${name}`, ['POST', collection, { ...usual, items }], invalid(pointer)),
    scenario(`updated with items ${name}`, ['PUT', item, { name: 'x', items }], invalid(pointer)),
    scenario(
      `added to with items ${name}`,
      ['PATCH', item, { append: items }],
      invalid(pointer.replace('/items', '/append')),
    ),
  ]),
  ...wrongBlocks.map((value) =>
    scenario(
      `created with the address ${value}`,
      ['POST', collection, { name: 'x', type: 'IP', items: [{ value: '::1' }, { value }] }],
      invalid('/items/1/value'),
    ),
  ),
  ...(
    [
      ['SERIAL', ' '],
      ['SERIAL', 'a\nb'],
      ['SERIAL', 'a\u200bb'],
      ['SERIAL', 'x'.repeat(256)],
      ['DEVICE', 'laptop'],
      ['DEVICE', '0'.repeat(36)],
      ['DEVICE', '7f1d0dd2a1c84a5e8a1d2b3c4d5e6f70'],
    ] as const
  ).map(([type, value]) =>
    scenario(
      `created of the type ${type} with ${JSON.stringify(value).slice(0, 40)}`,
      ['POST', collection, { name: 'x', type, items: [{ value }] }],
      invalid('/items/0/value'),
    ),
  ),
  scenario(
    'edited with a removal that is no array',
    ['PATCH', item, { remove: 'ann@example.com' }],
    invalid('/remove'),
  ),
  scenario(
    'edited with a removal that is an object',
    ['PATCH', item, { remove: [{ value: 'ann@example.com' }] }],
    invalid('/remove/0'),
  ),
  scenario(
    'edited with a removal that cannot be read',
    ['PATCH', item, { remove: ['ann@example.com', 'ann'] }],
    invalid('/remove/1'),
  ),
  scenario(
    'edited with what is to be there and not to be there',
    ['PATCH', item, { append: [{ value: 'ANN@Example.com' }], remove: ['ann@example.com'] }],
    invalid('/append'),
  ),
  scenario(
    'edited with more than there may be',
    ['PATCH', item, { append: emails(5000) }],
    invalid('/append'),
  ),
  ...unreadable.flatMap(([name, body, refusal]) => [
    raw(`created by a body ${name}`, 'POST', collection, body, refusal),
    raw(`updated by a body ${name}`, 'PUT', item, body, refusal),
    raw(`edited by a body ${name}`, 'PATCH', item, body, refusal),
  ]),
  ...(['GET', 'PUT', 'PATCH', 'DELETE'] as const).flatMap((method) =>
    [newUuid(), 'x', '__proto__'].map((id) =>
      scenario(
        `${method} of ${id.slice(0, 12)}, which is not there`,
        [method, ({ base }) => `${base}/${id}`, { PUT: { name: 'x' }, PATCH: {} }[method as string]],
        unknown,
      ),
    ),
  ),
  scenario('items of one that is not there', ['GET', ({ base }) => `${base}/${newUuid()}/items`], unknown),
  scenario(
    'an id of 37 characters',
    ['GET', ({ base }) => `${base}/${'a'.repeat(37)}`],
    invalid('/path/list_id'),
  ),
  ...[
    ['type=HATS', '/query/type'],
    ['order_by=type', '/query/order_by'],
    ['direction=up', '/query/direction'],
    ['filter=', '/query/filter/0'],
    ['filter=name', '/query/filter/0'],
    ['filter=description:x', '/query/filter/0'],
    ['filter=__proto__:x', '/query/filter/0'],
    ['filter=name:x&filter=type:HATS', '/query/filter/1'],
    ['filter=item_count:-1', '/query/filter/0'],
    ['filter=item_count:many', '/query/filter/0'],
    [`search=${'x'.repeat(351)}`, '/query/search'],
  ].map(([query = '', pointer = '']) =>
    scenario(`a list by ${query.slice(0, 40)}`, ['GET', ({ base }) => `${base}?${query}`], invalid(pointer)),
  ),
  scenario(
    'by the path of a zone, which Cloudflare does not have',
    ['GET', ({ stage }) => `/zones/${stage.app.credentials.zone_id}/gateway/lists`],
    {
      status: 404,
      code: 7003,
    },
  ),
]);

onBothDatabases('lists', (stage) => {
  let other: Tenant;
  const place = () => ({ account_id: stage.app.credentials.account_id });
  const lists = () => stage.app.sdk().zeroTrust.gateway.lists;

  before(async () => {
    other = await addTenant(stage.app, 'other');
  });

  test('of another account are unknown, also within rules, and stay as they are', async () => {
    const theirs = { account_id: other.accountId };
    const { id = '' } = await other.sdk.zeroTrust.gateway.lists.create({
      ...theirs,
      name: 'x',
      type: 'EMAIL',
    });
    const rows = await readRows(stage.database);
    for (const call of [
      () => lists().get(id, place()),
      () => lists().update(id, { ...place(), name: 'y' }),
      () => lists().edit(id, { ...place(), append: [{ value: 'eve@example.com' }] }),
      () => lists().delete(id, place()),
      () => lists().items.list(id, place()),
    ])
      await assert.rejects(call(), NotFoundError);
    for (const call of [
      () => lists().get(id, theirs),
      () => lists().list(theirs),
      () => lists().create({ ...theirs, name: 'y', type: 'EMAIL' }),
      () => lists().edit(id, { ...theirs, append: [{ value: 'eve@example.com' }] }),
      () => lists().delete(id, theirs),
      () => lists().items.list(id, theirs),
    ])
      await assert.rejects(call(), PermissionDeniedError);
    const named = stage.app.sdk().zeroTrust.access.groups.create({
      ...place(),
      name: 'x',
      include: [{ email_list: { id } }],
    });
    const { status, pointer, message } = await refused(named);
    assert.deepEqual([status, pointer], [400, '/include/0/email_list/id']);
    assert.match(message, /is not a list of this account/);
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('are read by readers, changed by writers alone, and shown to nobody else', async () => {
    const made = await lists().create({
      ...place(),
      name: 'one',
      type: 'EMAIL',
      items: [{ value: 'a@a.example' }],
    });
    const { id = '' } = made;
    const may = {
      'Zero Trust Write': [true, true],
      'Zero Trust Read': [true, false],
      'Zero Trust Report': [true, false],
      'Zero Trust: PII Read': [false, false],
      'Access: Organizations, Identity Providers, and Groups Write': [false, false],
    } as const;
    for (const [right, [reads, writes]] of Object.entries(may)) {
      const policies = [tokenPolicy(place().account_id, [right as keyof typeof may])];
      const { value } = await stage.app.sdk().accounts.tokens.create({ ...place(), name: right, policies });
      const theirs = stage.app.sdk({ apiToken: value ?? '' }).zeroTrust.gateway.lists;
      const rows = await readRows(stage.database);
      for (const [call, isAllowed] of [
        [() => theirs.get(id, place()), reads],
        [() => theirs.list(place()), reads],
        [() => theirs.items.list(id, place()), reads],
        [() => theirs.create({ ...place(), name: 'two', type: 'IP' }), writes],
        [() => theirs.update(id, { ...place(), name: 'renamed' }), writes],
        [() => theirs.edit(id, { ...place(), remove: ['a@a.example'] }), writes],
      ] as const) {
        if (isAllowed) await call();
        else await assert.rejects(call(), PermissionDeniedError, right);
      }
      if (writes) continue;
      await assert.rejects(theirs.delete(id, place()), PermissionDeniedError, right);
      assert.deepEqual(await readRows(stage.database), rows);
    }
  });

  test('are at most a hundred, also when two are made at once', async () => {
    const { id: sample = '' } = await lists().create({ ...place(), name: 'sample', type: 'IP' });
    await stage.app.app.control.database.write(async (tx) => {
      const select = tx.query.selectFrom('lists').selectAll();
      const row = await select.where('id', '=', sample).executeTakeFirstOrThrow();
      const mine = await select.where('account_id', '=', row.account_id).execute();
      const rows = Array.from({ length: 99 - mine.length }, () => ({ ...row, id: newUuid() }));
      await tx.query.insertInto('lists').values(rows).execute();
    });
    const two = await Promise.allSettled(
      [1, 2].map(() => lists().create({ ...place(), name: 'x', type: 'IP' })),
    );
    const [failed, ...more] = two.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    assert.deepEqual([failed?.status, more], [400, []]);
    assert.match(String(failed), /at most 100 lists/);
    assert.equal((await lists().list(place())).result.length, 100);
  });
});
