import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { NotFoundError, PermissionDeniedError } from 'cloudflare';
import { asking } from '../../../test/support/access.ts';
import { type Refusal, refuses, type Scenario } from '../../../test/support/refusals.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { addTenant, refused, type Tenant, tokenPolicy } from '../../../test/support/tenants.ts';
import { DAY, HOUR, timestamp } from '../../kernel/clock.ts';
import { newUuid } from '../../kernel/ids.ts';

/* Service tokens that cannot be, and people who may not (reference §3.6). */

const invalid = (pointer?: string): Refusal => ({
  status: 400,
  code: 12130,
  ...(pointer === undefined ? {} : { pointer }),
});
const unknown: Refusal = { status: 404, code: 12135, says: /service token not found/ };

const GRACE = 'previous_client_secret_expires_at';

/** What is wrong with a field of a create as of an update. */
const wrong: readonly [string, Record<string, unknown>, string][] = [
  ['an empty name', { name: '' }, '/name'],
  ['a name of another type', { name: 7 }, '/name'],
  ['a name beyond all bounds', { name: 'x'.repeat(351) }, '/name'],
  ...[
    ['that is none', 'a year'],
    ['without a unit', '8760'],
    ['that is empty', ''],
    ['of nothing', '0s'],
    ['below a minute', '59s'],
    ['beyond a hundred years', '876000h1s'],
    ['that is negative', '-1h'],
    ['forever in capitals', 'FOREVER'],
    ['of the length of a book', 'h'.repeat(65)],
  ].map(([what, duration]): [string, Record<string, unknown>, string] => [
    `a duration ${what}`,
    { duration },
    '/duration',
  ]),
  ['a duration that is a number', { duration: 8760 }, '/duration'],
  ['a duration that is null', { duration: null }, '/duration'],
  ['a flag that is a text', { enabled: 'false' }, '/enabled'],
  ['a flag that is null', { enabled: null }, '/enabled'],
  ['a version of nothing', { client_secret_version: 0 }, '/client_secret_version'],
  ['half a version', { client_secret_version: 1.5 }, '/client_secret_version'],
  ['a version that is a text', { client_secret_version: '2' }, '/client_secret_version'],
  ['a grace that is no time', { [GRACE]: 'tomorrow' }, `/${GRACE}`],
  ['a grace on a day that there is not', { [GRACE]: '2030-02-30T00:00:00Z' }, `/${GRACE}`],
  ['a grace without a zone', { [GRACE]: '2030-01-01T00:00:00' }, `/${GRACE}`],
  ['a grace that is a number', { [GRACE]: 1_900_000_000 }, `/${GRACE}`],
];

interface World {
  readonly stage: Stage;
  readonly base: string;
  readonly id: string;
}

async function prepare(stage: Stage): Promise<World> {
  const { account_id } = stage.app.credentials;
  const made = await stage.app.sdk().zeroTrust.access.serviceTokens.create({ account_id, name: 'one' });
  return { stage, base: `/accounts/${account_id}/access/service_tokens`, id: made.id ?? '' };
}

function scenario(
  name: string,
  [method, at, body]: [method: string, at: (world: World) => string, body?: unknown],
  refusal: Refusal,
): Scenario<World> {
  const told = (world: World) => (typeof body === 'function' ? body(world) : body);
  return { name, sends: (world) => asking(world.stage.app, method, at(world), told(world)), refusal };
}

const collection = ({ base }: World) => base;
const item = ({ base, id }: World) => `${base}/${id}`;
const rotation = ({ base, id }: World) => `${base}/${id}/rotate`;
const inTime =
  (by: number) =>
  ({ stage }: World) => ({
    [GRACE]: timestamp(stage.app.clock.now() + by),
  });

refuses('service tokens that are refused', prepare, [
  scenario('none at all', ['POST', collection], invalid('')),
  scenario('no name', ['POST', collection, {}], invalid('/name')),
  ...wrong.flatMap(([name, body, pointer]) => [
    scenario(`created with ${name}`, ['POST', collection, { name: 'x', ...body }], invalid(pointer)),
    scenario(`updated with ${name}`, ['PUT', item, body], invalid(pointer)),
  ]),
  ...wrong
    .filter(([, , pointer]) => pointer === `/${GRACE}`)
    .map(([name, body, pointer]) =>
      scenario(`rotated with ${name}`, ['POST', rotation, body], invalid(pointer)),
    ),
  scenario(
    'rotated with a grace of more than a year',
    ['POST', rotation, inTime(366 * DAY)],
    invalid(`/${GRACE}`),
  ),
  scenario('updated with a version below the current', ['PUT', item, { client_secret_version: 0 }], {
    ...invalid('/client_secret_version'),
  }),
  scenario('created with a grace for a secret before the first', ['POST', collection, graced('x')], {
    ...invalid(`/${GRACE}`),
    says: /no former secret/,
  }),
  scenario('updated with a grace for a secret that there was not', ['PUT', item, inTime(HOUR)], {
    ...invalid(`/${GRACE}`),
    says: /no former secret/,
  }),
  ...(['GET', 'PUT', 'DELETE'] as const).flatMap((method) =>
    [newUuid(), 'x', '__proto__', `${'a'.repeat(32)}.ac`].map((id) =>
      scenario(
        `${method} of ${id.slice(0, 12)}, which is not there`,
        [method, ({ base }) => `${base}/${id}`, method === 'PUT' ? {} : undefined],
        unknown,
      ),
    ),
  ),
  ...['rotate', 'refresh'].map((verb) =>
    scenario(
      `${verb} of one that is not there`,
      ['POST', ({ base }) => `${base}/${newUuid()}/${verb}`, verb === 'rotate' ? {} : undefined],
      unknown,
    ),
  ),
  scenario('an id of 37 characters', ['GET', ({ base }) => `${base}/${'a'.repeat(37)}`], {
    ...invalid('/path/service_token_id'),
  }),
  ...['rotate', 'refresh'].map((verb) =>
    scenario(
      `${verb} by the path of a zone, which Cloudflare does not have`,
      [
        'POST',
        ({ stage, id }) => `/zones/${stage.app.credentials.zone_id}/access/service_tokens/${id}/${verb}`,
      ],
      { status: 404, code: 7003 },
    ),
  ),
]);

function graced(name: string) {
  return (world: World) => ({ name, ...inTime(HOUR)(world) });
}

onBothDatabases('service tokens', (stage) => {
  let other: Tenant;
  const place = () => ({ account_id: stage.app.credentials.account_id });
  const tokens = () => stage.app.sdk().zeroTrust.access.serviceTokens;

  before(async () => {
    other = await addTenant(stage.app, 'other');
  });

  test('of another account are unknown, and stay as they are', async () => {
    const account_id = other.accountId;
    const theirs = other.sdk.zeroTrust.access.serviceTokens;
    const { id = '' } = await theirs.create({ account_id, name: 'theirs' });
    const rows = await readRows(stage.database);
    for (const call of [
      () => tokens().get(id, place()),
      () => tokens().update(id, { ...place(), enabled: false }),
      () => tokens().delete(id, place()),
      () => tokens().refresh(id, place()),
      () => tokens().rotate(id, place()),
    ])
      await assert.rejects(call(), NotFoundError);
    await assert.rejects(tokens().delete(id, { account_id }), PermissionDeniedError);
    assert.deepEqual((await tokens().list(place())).result, []);
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('are read by readers, changed by writers alone, and shown to nobody else', async () => {
    const { id = '' } = await tokens().create({ ...place(), name: 'one' });
    for (const right of [
      'Access: Service Tokens Read',
      'Access: Service Tokens Write',
      'Access: Apps and Policies Write',
    ] as const) {
      const policies = [tokenPolicy(place().account_id, [right])];
      const { value } = await stage.app.sdk().accounts.tokens.create({ ...place(), name: right, policies });
      const theirs = stage.app.sdk({ apiToken: value ?? '' }).zeroTrust.access.serviceTokens;
      const reading = [() => theirs.get(id, place()), () => theirs.list(place())];
      const writing = [
        () => theirs.create({ ...place(), name: 'two' }),
        () => theirs.update(id, { ...place(), name: 'renamed' }),
        () => theirs.refresh(id, place()),
        () => theirs.rotate(id, place()),
      ];
      for (const [calls, may] of [
        [reading, right !== 'Access: Apps and Policies Write'],
        [writing, right === 'Access: Service Tokens Write'],
      ] as const) {
        for (const call of calls) {
          if (may) await call();
          else await assert.rejects(call(), PermissionDeniedError, right);
        }
      }
      const deleting = theirs.delete(id, place());
      if (right === 'Access: Service Tokens Read') await assert.rejects(deleting, PermissionDeniedError);
      else if (right === 'Access: Service Tokens Write') await deleting;
      else await assert.rejects(deleting, PermissionDeniedError);
    }
  });

  test('cannot be brought back to an earlier version, nor can a secret that has ended', async () => {
    const { id = '' } = await tokens().create({ ...place(), name: 'three', client_secret_version: 5 });
    const below = await refused(tokens().update(id, { ...place(), client_secret_version: 4 }));
    assert.deepEqual([below.status, below.pointer], [400, '/client_secret_version']);
    const soon = (by: number) => timestamp(stage.app.clock.now() + by);
    await tokens().rotate(id, { ...place(), previous_client_secret_expires_at: soon(HOUR) });
    await tokens().update(id, { ...place(), previous_client_secret_expires_at: soon(-HOUR) });
    const call = tokens().update(id, { ...place(), previous_client_secret_expires_at: soon(HOUR) });
    const { status, pointer, message } = await refused(call);
    assert.deepEqual([status, pointer], [400, `/${GRACE}`]);
    assert.match(message, /no former secret that is still accepted/);
  });
});
