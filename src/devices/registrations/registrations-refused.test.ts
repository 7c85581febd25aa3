import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asking } from '../../../test/support/access.ts';
import { enrolTestDevice, type TestDevice } from '../../../test/support/devices.ts';
import { type Refusal, refuses, type Scenario } from '../../../test/support/refusals.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { addTenant } from '../../../test/support/tenants.ts';
import { newUuid } from '../../kernel/ids.ts';

/* Registrations and devices that nobody has, and questions that cannot be asked. */

const invalid = (pointer: string): Refusal => ({ status: 400, code: 1001, pointer });
const unknown = (what: string): Refusal => ({
  status: 404,
  code: 1003,
  says: new RegExp(`${what} not found`),
});

interface World {
  readonly stage: Stage;
  readonly base: string;
  readonly mine: TestDevice;
  readonly theirs: TestDevice;
}

const scenario = (
  name: string,
  [method, path, body]: [method: string, path: (world: World) => string, body?: unknown],
  refusal: Refusal,
): Scenario<World> => ({
  name,
  sends: (world) => asking(world.stage.app, method, `${world.base}${path(world)}`, body),
  refusal,
});

async function prepare(stage: Stage): Promise<World> {
  const { app } = stage;
  const other = await addTenant(app, 'other');
  const mine = await enrolTestDevice(app, { email: 'ann@example.com' });
  const theirs = await enrolTestDevice(app, { email: 'bob@example.com', accountId: other.accountId });
  return { stage, base: `/accounts/${app.credentials.account_id}/devices`, mine, theirs };
}

const registration = (world: World) => `/registrations/${world.theirs.registrationId}`;
const device = (world: World) => `/physical-devices/${world.theirs.deviceId}`;
const both = (world: World) => `?id=${world.mine.registrationId}&id=${world.theirs.registrationId}`;
const nobody = () => `/registrations/${newUuid()}`;
const many = Array.from({ length: 201 }, () => `id=${newUuid()}`).join('&');

const garbage = (order: string, ...key: unknown[]) =>
  Buffer.from(JSON.stringify([order, ...key])).toString('base64url');
const cursors: readonly [string, string][] = [
  ['that is none', 'xyz'],
  ['of another list', garbage('audit desc', '2026-01-01T00:00:00Z', 'x')],
  ['of another order', garbage('registrations created_at desc', '2026-01-01T00:00:00Z', 'x')],
  ['with too little in it', garbage('registrations created_at asc', 'x')],
  ['with a number for a text', garbage('registrations created_at asc', 1, 'x')],
  ['with an object in it', garbage('registrations created_at asc', {}, 'x')],
  ['with a NUL in it', garbage('registrations created_at asc', '\0', 'x')],
];

refuses<World>('a registration is not', prepare, [
  scenario('got that is of another account', ['GET', registration], unknown('registration')),
  scenario('got that never was', ['GET', nobody], unknown('registration')),
  scenario('deleted that is of another account', ['DELETE', registration], unknown('registration')),
  scenario(
    'deleted with one of another account',
    ['DELETE', (w) => `/registrations${both(w)}`],
    unknown('registration'),
  ),
  scenario(
    'revoked with one of another account',
    ['POST', (w) => `/registrations/revoke${both(w)}`],
    unknown('registration'),
  ),
  scenario(
    'unrevoked with one of another account',
    ['POST', (w) => `/registrations/unrevoke${both(w)}`],
    unknown('registration'),
  ),
  scenario('deleted without being named', ['DELETE', () => '/registrations'], invalid('/query/id')),
  scenario('revoked without being named', ['POST', () => '/registrations/revoke'], invalid('/query/id')),
  scenario('deleted among too many', ['DELETE', () => `/registrations?${many}`], invalid('/query/id')),
  scenario('revoked among too many', ['POST', () => `/registrations/revoke?${many}`], invalid('/query/id')),
  scenario(
    'revoked in the old way with one of another account',
    ['POST', () => '/revoke', [newUuid()]],
    unknown('device'),
  ),
  scenario('revoked in the old way without being named', ['POST', () => '/revoke', []], invalid('')),
  scenario('revoked in the old way in an object', ['POST', () => '/revoke', { ids: [] }], invalid('')),
  scenario(
    'got in the old way that is of another account',
    ['GET', (w) => `/${w.theirs.registrationId}`],
    unknown('registration'),
  ),
  ...cursors.map(([name, cursor]) =>
    scenario(
      `listed after a cursor ${name}`,
      ['GET', () => `/registrations?cursor=${cursor}`],
      invalid('/query/cursor'),
    ),
  ),
  scenario(
    'listed by a column that nobody has',
    ['GET', () => '/registrations?sort_by=key'],
    invalid('/query/sort_by'),
  ),
  scenario(
    'listed with more than there is',
    ['GET', () => '/registrations?include=tunnel'],
    invalid('/query/include'),
  ),
  scenario(
    'listed in a state that nobody has',
    ['GET', () => '/registrations?status=gone'],
    invalid('/query/status'),
  ),
  scenario(
    'listed after a time that is none',
    ['GET', () => '/registrations?seen_after=now'],
    invalid('/query/seen_after'),
  ),
]);

refuses<World>('a physical device is not', prepare, [
  scenario('got that is of another account', ['GET', device], unknown('device')),
  scenario('deleted that is of another account', ['DELETE', device], unknown('device')),
  scenario('revoked that is of another account', ['POST', (w) => `${device(w)}/revoke`], unknown('device')),
  scenario(
    'listed after a cursor with a text for a number',
    [
      'GET',
      () =>
        `/physical-devices?sort_by=active_registrations&cursor=${garbage('physical devices active_registrations asc', 'one', 'x')}`,
    ],
    invalid('/query/cursor'),
  ),
  scenario(
    'listed with more than there is',
    ['GET', () => '/physical-devices?include=policy'],
    invalid('/query/include'),
  ),
]);

onBothDatabases('a registration is not ended', (stage) => {
  test('by anybody without the right to', async () => {
    const { app, database } = stage;
    const { base, mine } = await prepare(stage);
    const rows = await readRows(database);
    const targets = [
      ['DELETE', `${base}/registrations/${mine.registrationId}`],
      ['POST', `${base}/registrations/revoke?id=${mine.registrationId}`],
      ['DELETE', `${base}/physical-devices/${mine.deviceId}`],
    ] as const;
    for (const [method, target] of targets) {
      const { status } = await app.api(method, target, { token: null });
      assert.equal(status, 400);
    }
    assert.deepEqual(await readRows(database), rows);
  });
});
