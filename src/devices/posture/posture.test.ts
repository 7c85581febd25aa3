import assert from 'node:assert/strict';
import { test } from 'node:test';
import type Cloudflare from 'cloudflare';
import { asking } from '../../../test/support/access.ts';
import { type Refusal, refuses, type Scenario } from '../../../test/support/refusals.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { addTenant } from '../../../test/support/tenants.ts';
import { newUuid } from '../../kernel/ids.ts';

/* Device posture rules: what cannot be evaluated is refused, and what is in use stays. */

const invalid = (pointer: string): Refusal => ({ status: 400, code: 1001, pointer });
const unknown: Refusal = { status: 404, code: 1003, says: /posture rule not found/ };

interface World {
  readonly stage: Stage;
  readonly base: string;
  /** A rule and a list of another account, and an EMAIL list of this one. */
  readonly theirRule: string;
  readonly theirList: string;
  readonly emails: string;
  readonly mine: string;
}

type Input = Cloudflare.ZeroTrust.Devices.PostureCreateParams;

async function prepare(stage: Stage): Promise<World> {
  const { app } = stage;
  const { account_id } = app.credentials;
  const other = await addTenant(app, 'other');
  const theirs = { account_id: other.accountId };
  const { zeroTrust } = app.sdk();
  const theirRule = await other.sdk.zeroTrust.devices.posture.create({
    ...theirs,
    name: 'theirs',
    type: 'warp',
  });
  const theirList = await other.sdk.zeroTrust.gateway.lists.create({ ...theirs, name: 'x', type: 'SERIAL' });
  const emails = await zeroTrust.gateway.lists.create({ account_id, name: 'x', type: 'EMAIL' });
  const mine = await zeroTrust.devices.posture.create({ account_id, name: 'mine', type: 'warp' });
  return {
    stage,
    base: `/accounts/${account_id}/devices/posture`,
    theirRule: theirRule?.id ?? '',
    theirList: theirList.id ?? '',
    emails: emails.id ?? '',
    mine: mine?.id ?? '',
  };
}

type Body = object | ((world: World) => object);

const scenario = (
  name: string,
  [method, path, body]: [method: string, path: (world: World) => string, body?: Body],
  refusal: Refusal,
): Scenario<World> => ({
  name,
  sends: (world) =>
    asking(
      world.stage.app,
      method,
      world.base + path(world),
      typeof body === 'function' ? body(world) : body,
    ),
  refusal,
});

const version = { operator: '>=', version: '6.1', operating_system: 'linux' };
const wrong: readonly [string, Body, string][] = [
  ['without a name', { type: 'warp' }, '/name'],
  ['of a type that nobody has', { name: 'x', type: 'hats' }, '/type'],
  ['of the type __proto__', { name: 'x', type: '__proto__' }, '/type'],
  [
    'for a platform that nobody has',
    { name: 'x', type: 'warp', match: [{ platform: 'amiga' }] },
    '/match/0/platform',
  ],
  ['that is to be polled', { name: 'x', type: 'warp', schedule: '5m' }, '/schedule'],
  ['whose result is to be kept', { name: 'x', type: 'warp', expiration: '1h' }, '/expiration'],
  [
    'with an input that it does not check',
    { name: 'x', type: 'warp', input: { version: '1' } },
    '/input/version',
  ],
  ['without a version', { name: 'x', type: 'os_version', input: { operator: '<' } }, '/input/version'],
  [
    'with a version in words',
    { name: 'x', type: 'os_version', input: { ...version, version: 'ten' } },
    '/input/version',
  ],
  [
    'with a version of another notation',
    { name: 'x', type: 'os_version', input: { ...version, version: '6.1-rc1' } },
    '/input/version',
  ],
  [
    'with an operator that nobody has',
    { name: 'x', type: 'os_version', input: { ...version, operator: '!=' } },
    '/input/operator',
  ],
  [
    'for a system that no match is of',
    { name: 'x', type: 'os_version', input: version, match: [{ platform: 'mac' }] },
    '/input/operating_system',
  ],
  ['without a list', { name: 'x', type: 'serial_number' }, '/input/id'],
  ['with a list that never was', { name: 'x', type: 'serial_number', input: { id: newUuid() } }, '/input/id'],
  [
    'with a list of another account',
    (w) => ({ name: 'x', type: 'serial_number', input: { id: w.theirList } }),
    '/input/id',
  ],
  [
    'with a list of another type',
    (w) => ({ name: 'x', type: 'unique_client_id', input: { id: w.emails } }),
    '/input/id',
  ],
];

refuses<World>('a posture rule is not', prepare, [
  ...wrong.flatMap(([name, body, pointer]) => [
    scenario(`created ${name}`, ['POST', () => '', body], invalid(pointer)),
    scenario(`updated ${name}`, ['PUT', (w) => `/${w.mine}`, body], invalid(pointer)),
  ]),
  ...['file', 'disk_encryption', 'firewall', 'crowdstrike_s2s', 'client_certificate_v2', 'gateway'].map(
    (type) =>
      scenario(`created of the type ${type}`, ['POST', () => '', { name: 'x', type }], {
        status: 400,
        code: 1002,
        pointer: '/type',
      }),
  ),
  scenario('created with a name that is taken', ['POST', () => '', { name: 'mine', type: 'warp' }], {
    status: 409,
    code: 1004,
    headers: { 'x-should-retry': 'false' },
  }),
  scenario('got that is of another account', ['GET', (w) => `/${w.theirRule}`], unknown),
  scenario(
    'updated that is of another account',
    ['PUT', (w) => `/${w.theirRule}`, { name: 'x', type: 'warp' }],
    unknown,
  ),
  scenario('deleted that is of another account', ['DELETE', (w) => `/${w.theirRule}`], unknown),
]);

onBothDatabases('a posture rule', (stage) => {
  const account = () => ({ account_id: stage.app.credentials.account_id });
  const sdk = () => stage.app.sdk().zeroTrust;

  test('is created, read, replaced and deleted, and reads back as it was written', async () => {
    const written = {
      name: 'Kernel',
      type: 'os_version' as const,
      description: 'new enough',
      match: [{ platform: 'linux' as const }],
      input: { ...version, os_distro_name: 'debian' },
    };
    const created = await sdk().devices.posture.create({ ...account(), ...written } as unknown as Input);
    const id = created?.id ?? assert.fail();
    assert.deepEqual(created, { id, ...written, enabled: true });
    assert.deepEqual(await sdk().devices.posture.get(id.toUpperCase(), account()), created);
    const listed = await sdk().devices.posture.list(account());
    assert.deepEqual(listed.result, [created]);
    const other = { name: 'Kernel', type: 'warp' as const };
    const updated = await sdk().devices.posture.update(id, { ...account(), ...other });
    assert.deepEqual(updated, { id, ...other, description: '', match: [], input: {}, enabled: true });
    assert.deepEqual(await sdk().devices.posture.delete(id, account()), { id });
    assert.deepEqual((await sdk().devices.posture.list(account())).result, []);
  });

  test('and its list stay while a policy names the rule', async () => {
    const list = await sdk().gateway.lists.create({
      ...account(),
      name: 'Laptops',
      type: 'SERIAL',
      items: [{ value: ' sn-1 ' }, { value: 'SN-1' }],
    });
    const listId = list.id ?? assert.fail();
    assert.equal(list.items?.length, 1);
    const rule = await sdk().devices.posture.create({
      ...account(),
      name: 'Ours',
      type: 'serial_number',
      input: { id: listId },
    });
    const ruleId = rule?.id ?? assert.fail();
    const group = await sdk().access.groups.create({
      ...account(),
      name: 'Managed',
      include: [{ everyone: {} }],
      require: [{ device_posture: { integration_uid: ruleId } }],
    });
    const inUse = (words: RegExp) => (error: unknown) => {
      const { status, headers, message } = error as { status: number; headers: Headers; message: string };
      return status === 409 && headers.get('x-should-retry') === 'false' && words.test(message);
    };
    await assert.rejects(sdk().gateway.lists.delete(listId, account()), inUse(/posture_rule .*Ours/));
    await assert.rejects(sdk().devices.posture.delete(ruleId, account()), inUse(/group .*Managed/));
    assert.ok(await sdk().devices.posture.get(ruleId, account()));
    await sdk().access.groups.delete(group.id ?? '', account());
    await sdk().devices.posture.delete(ruleId, account());
    await sdk().gateway.lists.delete(listId, account());
  });

  test('that a rule names has to be there', async () => {
    const named = (integration_uid: string) =>
      sdk().access.groups.create({
        ...account(),
        name: 'Nobody',
        include: [{ device_posture: { integration_uid } }],
      });
    await assert.rejects(named(newUuid()), { status: 400 });
    assert.deepEqual((await sdk().access.groups.list(account())).result, []);
  });
});
