import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { asking } from '../../../test/support/access.ts';
import { createGateByApi, gateRows } from '../../../test/support/gate-keys.ts';
import { type Refusal, refuses, type Scenario } from '../../../test/support/refusals.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { addTenant, type Tenant, tokenPolicy } from '../../../test/support/tenants.ts';
import { newUuid } from '../../kernel/ids.ts';

/* Gates that cannot be, and people who may not. */

const invalid = (pointer: string): Refusal => ({ status: 400, code: 1001, pointer });
const unknown: Refusal = { status: 404, code: 1003, says: /gate not found/ };
const taken: Refusal = { status: 409, code: 1004, headers: { 'x-should-retry': 'false' } };

interface World {
  readonly stage: Stage;
  readonly base: string;
  readonly id: string;
}

async function prepare(stage: Stage): Promise<World> {
  const { id, accountId } = await createGateByApi(stage.app, 'Café');
  return { stage, base: `/accounts/${accountId}/portcullis/gates`, id };
}

function scenario(
  name: string,
  [method, at, body]: [method: string, at: (world: World) => string, body?: unknown],
  refusal: Refusal,
): Scenario<World> {
  return { name, sends: (world) => asking(world.stage.app, method, at(world), body), refusal };
}

const collection = ({ base }: World) => base;
const item = ({ base, id }: World) => `${base}/${id}`;

refuses('gates that are refused', prepare, [
  scenario('none at all', ['POST', collection], invalid('')),
  scenario('no name', ['POST', collection, {}], invalid('/name')),
  ...[
    ['an empty name', ''],
    ['a name that is a number', 7],
    ['a name that is null', null],
    ['a name beyond all bounds', 'x'.repeat(351)],
  ].map(([what, name]) => scenario(String(what), ['POST', collection, { name }], invalid('/name'))),
  scenario('a name that is taken', ['POST', collection, { name: 'Café' }], taken),
  scenario('the same name composed otherwise', ['POST', collection, { name: 'Cafe\u0301' }], taken),
  ...(['GET', 'DELETE'] as const).flatMap((method) =>
    [newUuid(), 'x', '__proto__'].map((id) =>
      scenario(
        `${method} of ${id.slice(0, 12)}, which is not there`,
        [method, ({ base }) => `${base}/${id}`],
        unknown,
      ),
    ),
  ),
  scenario(
    'an id of 37 characters',
    ['DELETE', ({ base }) => `${base}/${'a'.repeat(37)}`],
    invalid('/path/gate_id'),
  ),
  scenario('a change, which there is not', ['PUT', item, { name: 'other' }], { status: 405, code: 10405 }),
  scenario(
    'by the path of a zone, which there is not',
    ['GET', ({ stage }) => `/zones/${stage.app.credentials.zone_id}/portcullis/gates`],
    { status: 404, code: 7003 },
  ),
]);

onBothDatabases('gates', (stage) => {
  let other: Tenant;
  const base = () => `/accounts/${stage.app.credentials.account_id}/portcullis/gates`;

  before(async () => {
    other = await addTenant(stage.app, 'other');
  });

  test('of another account are unknown, and stay as they are', async () => {
    const { id } = await createGateByApi(stage.app, 'ours');
    const theirs = `/accounts/${other.accountId}/portcullis/gates`;
    const { value: token = '' } = await other.sdk.accounts.tokens.create({
      account_id: other.accountId,
      name: 'theirs',
      policies: [
        tokenPolicy(other.accountId, ['Access: Organizations, Identity Providers, and Groups Write']),
      ],
    });
    const rows = await readRows(stage.database);
    for (const method of ['GET', 'DELETE']) {
      const { status, body } = await stage.app.api(method, `${theirs}/${id}`, { token });
      assert.deepEqual([status, body.errors[0].code], [404, 1003]);
      const across = await stage.app.api(method, `${base()}/${id}`, { token });
      assert.deepEqual([across.status, across.body.errors[0].code], [403, 10000]);
    }
    const listed = await stage.app.api('GET', theirs, { token });
    assert.deepEqual(listed.body.result, []);
    assert.deepEqual(await readRows(stage.database), rows);
  });

  const rights = ['Read', 'Revoke', 'Write'] as const;
  for (const right of rights) {
    test(`are for whoever has ${right} what it says, and no more`, async () => {
      const { id } = await createGateByApi(stage.app, `for ${right}`);
      const token = await tokenWith(`Access: Organizations, Identity Providers, and Groups ${right}`);
      const ask = async (method: string, target: string, body?: unknown) =>
        (await stage.app.api(method, target, { token, ...(body === undefined ? {} : { body }) })).status;
      const rows = await readRows(stage.database);
      assert.equal(await ask('GET', base()), 200);
      assert.equal(await ask('GET', `${base()}/${id}`), 200);
      if (right !== 'Write') {
        assert.equal(await ask('POST', base(), { name: 'new' }), 403);
        if (right === 'Read') assert.equal(await ask('DELETE', `${base()}/${id}`), 403);
        assert.deepEqual(await readRows(stage.database), rows);
      } else assert.equal(await ask('POST', base(), { name: 'new' }), 201);
      if (right !== 'Read') assert.equal(await ask('DELETE', `${base()}/${id}`), 200);
    });
  }

  test('are shown to nobody else, nor made nor deleted', async () => {
    const { id } = await createGateByApi(stage.app, 'hidden');
    const token = await tokenWith('Access: Service Tokens Write');
    const rows = await readRows(stage.database);
    for (const [method, target, init] of [
      ['GET', base(), {}],
      ['GET', `${base()}/${id}`, {}],
      ['POST', base(), { body: { name: 'x' } }],
      ['DELETE', `${base()}/${id}`, {}],
    ] as const) {
      for (const [as, status] of [
        [token, 403],
        [null, 400],
      ] as const) {
        const answer = await stage.app.api(method, target, { ...init, token: as });
        assert.equal(answer.status, status, method);
      }
    }
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('are no credential of the API', async () => {
    const { token } = await createGateByApi(stage.app, 'a gate that asks');
    const { status, body } = await stage.app.api('GET', base(), { token });
    assert.deepEqual([status, body.errors[0].code], [400, 6003]);
  });

  test('are at most a hundred in an account', async () => {
    const { accountId } = other;
    await stage.app.app.control.database.write((tx) =>
      tx.query.insertInto('gates').values(gateRows(accountId, 99)).execute(),
    );
    const headers = other.sdk;
    const path = `/accounts/${accountId}/portcullis/gates`;
    await headers.post(path, { body: { name: 'the hundredth' } });
    const rows = await readRows(stage.database);
    await assert.rejects(headers.post(path, { body: { name: 'one more' } }), /at most 100 gates/);
    assert.deepEqual(await readRows(stage.database), rows);
  });

  async function tokenWith(right: Parameters<typeof tokenPolicy>[1][number]): Promise<string> {
    const { account_id } = stage.app.credentials;
    const asked = { account_id, name: right, policies: [tokenPolicy(account_id, [right])] };
    return (await stage.app.sdk().accounts.tokens.create(asked)).value ?? assert.fail();
  }
});
