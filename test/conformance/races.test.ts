import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { BODIES, validBody } from '../support/conformance/bodies.ts';
import { ask, create, FAMILIES } from '../support/conformance/families.ts';
import { type Inhabited, inhabit } from '../support/conformance/tenants.ts';
import { onBothDatabases, type Stage } from '../support/stage.ts';

/* Objects that several callers make, change and delete at once. */

/** What there can be but one of, and where it is made. */
interface Unique {
  readonly operation: string;
  /** Below the account, or an absolute path. */
  readonly collection: string;
  /** The operation that could give one the name of another. */
  readonly update?: string;
  /** What it is known by; `id` unless given. */
  readonly key?: 'name';
}

const UNIQUE: Readonly<Record<string, Unique>> = {
  users: { operation: 'zero-trust-users-create-user', collection: 'access/users' },
  members: { operation: 'account-members-add-member', collection: 'members' },
  'user groups': {
    operation: 'account-user-group-create',
    collection: 'iam/user_groups',
    update: 'account-user-group-update',
  },
  'resource groups': {
    operation: 'account-resource-group-create',
    collection: 'iam/resource_groups',
    update: 'account-resource-group-update',
  },
  'posture rules': {
    operation: 'device-posture-rules-create-device-posture-rule',
    collection: 'devices/posture',
    update: 'device-posture-rules-update-device-posture-rule',
  },
  tags: { operation: 'access-tags-create-tag', collection: 'access/tags', key: 'name' },
  gates: { operation: 'portcullis-gates-create-a-gate', collection: 'portcullis/gates' },
  'blocked users': {
    operation: 'portcullis-blocked-users-block-a-user',
    collection: 'portcullis/blocked_users',
  },
  zones: { operation: 'zones-post', collection: '/zones' },
};

/** How many ask for the same at once. */
const RIVALS = 8;

onBothDatabases('objects that several change at once', (stage) => {
  const set: { account?: Inhabited } = {};
  before(async () => {
    [set.account] = await inhabit(stage.app, ['quokka', 'axolotl']);
  });
  const own = () => set.account ?? assert.fail();

  for (const [name, { collection, operation, hasOneField }] of Object.entries(FAMILIES)) {
    // What has one field cannot be mixed.
    if (hasOneField) continue;
    test(`two updates of one of the ${name} at once leave one of them, whole`, async () => {
      const id = await create(stage.app, own(), FAMILIES[name] ?? assert.fail());
      await updateAtOnce(stage, own(), { collection, operation, id });
    });
  }

  for (const [name, unique] of Object.entries(UNIQUE)) {
    test(`of ${name} made at once under one name there is one, and the rest are told so for good`, async () => {
      const body = validBody(unique.operation, own());
      const target = targetOf(own(), unique);
      await assertOneWins(RIVALS, () => ask(stage.app, own(), 'POST', target, body));
    });

    const { update } = unique;
    if (update === undefined) continue;
    test(`of ${name} given one name at once one has it, and the rest keep theirs`, async () => {
      assert.ok(update in BODIES);
      const ids: string[] = [];
      for (let rival = 0; rival < RIVALS; rival += 1) ids.push(await create(stage.app, own(), unique));
      const target = targetOf(own(), unique);
      const names = async () =>
        await Promise.all(
          ids.map(async (id) => {
            const { body } = await ask(stage.app, own(), 'GET', `${target}/${id}`);
            return String(body.result.name);
          }),
        );
      const were = await names();
      const body = validBody(update, own()) as { name: string };
      await assertOneWins(RIVALS, (rival) => ask(stage.app, own(), 'PUT', `${target}/${ids[rival]}`, body));
      const are = await names();
      const changed = are.filter((one, at) => one !== were[at]);
      assert.deepEqual(changed, [body.name]);
    });
  }

  test('an application that is deleted while policies are put into it leaves none of them', async () => {
    for (let round = 0; round < 5; round += 1) {
      const id = await create(stage.app, own(), FAMILIES.applications ?? assert.fail());
      const target = `/accounts/${own().accountId}/access/apps/${id}`;
      const writes = Array.from({ length: 6 }, () =>
        ask(
          stage.app,
          own(),
          'POST',
          `${target}/policies`,
          validBody('access-policies-create-an-access-app-policy', own()),
        ),
      );
      const [deleted, ...written] = await Promise.all([ask(stage.app, own(), 'DELETE', target), ...writes]);
      assert.equal(deleted.status, 202);
      for (const { status } of written) assert.ok([201, 404, 409].includes(status), `${status}`);
      assert.equal((await ask(stage.app, own(), 'GET', `${target}/policies`)).status, 404);
      const { reader } = stage.app.app.control.database;
      const rows = await reader.query
        .selectFrom('policies')
        .select('id')
        .where('application_id', '=', id)
        .execute();
      assert.deepEqual(rows, []);
    }
  });

  test('a user group that is deleted while members join it leaves none of them', async () => {
    for (let round = 0; round < 5; round += 1) {
      const id = await create(stage.app, own(), FAMILIES['user groups'] ?? assert.fail());
      const target = `/accounts/${own().accountId}/iam/user_groups/${id}`;
      const joins = Array.from({ length: 6 }, () =>
        ask(stage.app, own(), 'POST', `${target}/members`, [{ id: own().objects['members/*'] }]),
      );
      const [deleted, ...joined] = await Promise.all([ask(stage.app, own(), 'DELETE', target), ...joins]);
      assert.equal(deleted.status, 200);
      for (const { status } of joined) assert.ok([200, 404].includes(status), `${status}`);
      const { reader } = stage.app.app.control.database;
      const rows = await reader.query
        .selectFrom('user_group_members')
        .select('member_id')
        .where('user_group_id', '=', id)
        .execute();
      assert.deepEqual(rows, []);
    }
  });
});

function targetOf({ accountId }: Inhabited, { collection }: Unique): string {
  return collection.startsWith('/') ? collection : `/accounts/${accountId}/${collection}`;
}

async function assertOneWins(rivals: number, call: (rival: number) => ReturnType<typeof ask>): Promise<void> {
  const answers = await Promise.all(Array.from({ length: rivals }, (_, rival) => call(rival)));
  const told = JSON.stringify(answers.map(({ status, body }) => [status, body.errors]));
  const refused = answers.filter(({ status }) => status === 409);
  const won = answers.filter(({ status }) => status < 300);
  assert.deepEqual([won.length, refused.length], [1, rivals - 1], told);
  for (const { headers } of refused) assert.equal(headers.get('x-should-retry'), 'false');
}

/** Five times two updates with other values in every field; what is read is one of them. */
async function updateAtOnce(
  stage: Stage,
  own: Inhabited,
  { collection, operation, id }: { collection: string; operation: string; id: string },
): Promise<void> {
  const target = `/accounts/${own.accountId}/${collection}/${id}`;
  const update = UPDATES[operation] ?? operation;
  for (let round = 0; round < 5; round += 1) {
    const bodies = [validBody(update, own), validBody(update, own)];
    const answers = await Promise.all(bodies.map((body) => ask(stage.app, own, 'PUT', target, body)));
    for (const { status, body } of answers) assert.equal(status, 200, JSON.stringify(body));
    const { body: read } = await ask(stage.app, own, 'GET', target);
    const plain = (value: unknown) =>
      JSON.stringify({ ...(value as object), updated_at: '', modified_on: '' });
    // Some fields are read and not answered by the update.
    const isWhole = answers.some(({ body }) => {
      const fields = Object.keys(body.result).map((field) => [field, read.result[field]]);
      return plain(Object.fromEntries(fields)) === plain(body.result);
    });
    assert.ok(isWhole, 'what is read is one of the two answers');
  }
}

/** Where an update takes another body than the creation. */
const UPDATES: Readonly<Record<string, string>> = {
  'account-members-add-member': 'account-members-update-member',
  'access-groups-create-an-access-group': 'access-groups-update-an-access-group',
};
