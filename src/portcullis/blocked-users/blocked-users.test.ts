import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asking } from '../../../test/support/access.ts';
import { type Refusal, refuses, type Scenario } from '../../../test/support/refusals.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { addTenant, tokenPolicy } from '../../../test/support/tenants.ts';
import { newUuid } from '../../kernel/ids.ts';

const invalid = (pointer: string, code = 1001): Refusal => ({ status: 400, code, pointer });
const unknown: Refusal = { status: 404, code: 12135, says: /blocked user not found/ };

interface World {
  readonly stage: Stage;
  readonly base: string;
  readonly id: string;
}

const baseOf = ({ app }: Stage) => `/accounts/${app.credentials.account_id}/portcullis/blocked_users`;

async function block(stage: Stage, email: string, reason?: string) {
  const { status, body } = await stage.app.api('POST', baseOf(stage), {
    body: { email, ...(reason ? { reason } : {}) },
  });
  assert.equal(status, 201, JSON.stringify(body));
  return body.result;
}

async function prepare(stage: Stage): Promise<World> {
  const { id } = await block(stage, 'Ada@Bücher.example');
  return { stage, base: baseOf(stage), id };
}

function scenario(
  name: string,
  [method, at, body]: [method: string, at: (world: World) => string, body?: unknown],
  refusal: Refusal,
): Scenario<World> {
  return { name, sends: (world) => asking(world.stage.app, method, at(world), body), refusal };
}

const collection = ({ base }: World) => base;

refuses('blocks that are refused', prepare, [
  scenario('of nobody', ['POST', collection, {}], invalid('/email')),
  scenario('of a number', ['POST', collection, { email: 7 }], invalid('/email')),
  scenario('of what is no e-mail', ['POST', collection, { email: 'ada' }], invalid('/email', 12130)),
  scenario(
    'of two at once',
    ['POST', collection, { email: 'a@b.example, c@b.example' }],
    invalid('/email', 12130),
  ),
  scenario(
    'beyond all bounds',
    ['POST', collection, { email: `${'a'.repeat(400)}@b.example` }],
    invalid('/email'),
  ),
  scenario(
    'with a reason that is no text',
    ['POST', collection, { email: 'a@b.example', reason: [] }],
    invalid('/reason'),
  ),
  scenario(
    'with a reason like a book',
    ['POST', collection, { email: 'a@b.example', reason: 'x'.repeat(1001) }],
    invalid('/reason'),
  ),
  scenario(
    'of somebody who is blocked, however it is written',
    ['POST', collection, { email: 'ada@xn--bcher-kva.example' }],
    {
      status: 409,
      code: 1004,
      headers: { 'x-should-retry': 'false' },
    },
  ),
  ...[newUuid(), 'x', '__proto__'].map((id) =>
    scenario(
      `lifted, where there is none: ${id.slice(0, 9)}`,
      ['DELETE', ({ base }) => `${base}/${id}`],
      unknown,
    ),
  ),
]);

onBothDatabases('blocked users', (stage) => {
  test('are listed oldest first, in pages, and found by any spelling of the e-mail', async () => {
    const emails = ['one@example.com', 'Two@example.com', 'three@example.com'];
    for (const email of emails) {
      await block(stage, email, 'left us');
      stage.app.clock.advance(1000);
    }
    const first = await stage.app.api('GET', `${baseOf(stage)}?per_page=2`);
    assert.deepEqual(
      first.body.result.map(({ email }: { email: string }) => email),
      emails.slice(0, 2),
    );
    assert.equal(first.body.result_info.total_count, 3);
    const second = await stage.app.api('GET', `${baseOf(stage)}?per_page=2&page=2`);
    assert.deepEqual(
      second.body.result.map(({ email, reason }: { email: string; reason: string }) => [email, reason]),
      [['three@example.com', 'left us']],
    );
    const found = await stage.app.api('GET', `${baseOf(stage)}?email=TWO@EXAMPLE.COM`);
    assert.equal(found.body.result[0].email, 'Two@example.com');
    assert.deepEqual(Object.keys(found.body.result[0]).sort(), ['created_at', 'email', 'id', 'reason']);
  });

  test('are blocked and unblocked with an entry in the audit log each', async () => {
    const { id } = await block(stage, 'audited@example.com', 'lost laptop');
    const before = await readRows(stage.database);
    const lifted = await stage.app.api('DELETE', `${baseOf(stage)}/${id}`);
    assert.deepEqual([lifted.status, lifted.body.result], [200, { id }]);
    const rows = await readRows(stage.database);
    assert.equal(
      rows.blocked_users?.some((row) => row.includes('audited@')),
      false,
    );
    assert.equal(rows.audit_entries?.length, (before.audit_entries?.length ?? 0) + 1);
    const entries = (rows.audit_entries ?? []).filter((row) => row.includes('audited@example.com'));
    assert.equal(entries.filter((row) => row.includes('user.block')).length, 1);
    assert.equal(entries.filter((row) => row.includes('user.unblock')).length, 1);
    assert.ok(entries.every((row) => row.includes('lost laptop')));
  });

  test('are of one account, which no other sees or lifts', async () => {
    const { id } = await block(stage, 'ours@example.com');
    const other = await addTenant(stage.app, 'other');
    const { value: token = '' } = await other.sdk.accounts.tokens.create({
      account_id: other.accountId,
      name: 'theirs',
      policies: [tokenPolicy(other.accountId, ['Access: Users Write'])],
    });
    const theirs = `/accounts/${other.accountId}/portcullis/blocked_users`;
    const rows = await readRows(stage.database);
    const listed = await stage.app.api('GET', theirs, { token });
    assert.deepEqual(listed.body.result, []);
    assert.equal((await stage.app.api('DELETE', `${theirs}/${id}`, { token })).status, 404);
    assert.equal((await stage.app.api('DELETE', `${baseOf(stage)}/${id}`, { token })).status, 403);
    assert.deepEqual(await readRows(stage.database), rows);
    assert.equal(
      (await stage.app.api('POST', theirs, { token, body: { email: 'ours@example.com' } })).status,
      201,
    );
  });

  const rights = [
    ['Access: Audit Logs Read', false],
    ['Access: Users Read', false],
    ['Access: Users Write', true],
  ] as const;
  for (const [right, writes] of rights) {
    test(`are for whoever has ${right} what it says, and no more`, async () => {
      const { id } = await block(stage, `${right.replaceAll(/[ :]+/g, '.')}@example.com`);
      const { account_id } = stage.app.credentials;
      const made = await stage.app.sdk().accounts.tokens.create({
        account_id,
        name: right,
        policies: [tokenPolicy(account_id, [right])],
      });
      const token = made.value ?? '';
      const rows = await readRows(stage.database);
      assert.equal((await stage.app.api('GET', baseOf(stage), { token })).status, 200);
      const body = { email: `new.${right.replaceAll(/[ :]+/g, '.')}@example.com` };
      assert.equal((await stage.app.api('POST', baseOf(stage), { token, body })).status, writes ? 201 : 403);
      if (!writes) assert.deepEqual((await readRows(stage.database)).blocked_users, rows.blocked_users);
      const lifted = await stage.app.api('DELETE', `${baseOf(stage)}/${id}`, { token });
      assert.equal(lifted.status, writes ? 200 : 403);
    });
  }

  test('are for nobody else', async () => {
    const { account_id } = stage.app.credentials;
    const made = await stage.app.sdk().accounts.tokens.create({
      account_id,
      name: 'nobody',
      policies: [tokenPolicy(account_id, ['Access: Service Tokens Write'])],
    });
    const rows = await readRows(stage.database);
    for (const [token, status] of [
      [made.value ?? '', 403],
      [null, 400],
    ] as const) {
      assert.equal((await stage.app.api('GET', baseOf(stage), { token })).status, status);
      const body = { email: 'x@example.com' };
      assert.equal((await stage.app.api('POST', baseOf(stage), { token, body })).status, status);
    }
    assert.deepEqual(await readRows(stage.database), rows);
  });
});
