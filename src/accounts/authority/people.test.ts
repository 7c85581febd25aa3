import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestApp } from '../../../test/support/app.ts';
import {
  accountOf,
  allowed,
  asks,
  bearer,
  EVERY_ACCOUNT,
  EVERY_ZONE,
  keyed,
  organizations,
  status,
  users,
  worldOf,
  zoneOf,
} from '../../../test/support/asks.ts';
import { everything, seed, statement } from '../../../test/support/authority-rows.ts';
import { onBothDatabases } from '../../../test/support/stage.ts';
import type { Statement } from '../../kernel/authority.ts';
import { timestamp } from '../../kernel/clock.ts';
import { newTag } from '../../kernel/ids.ts';

/* What people may do, with their key or a token of theirs, read from the rows at each call. */

onBothDatabases('what a person’s token may', (stage) => {
  const wide = [statement('allow', users, { [EVERY_ACCOUNT]: '*' })];

  async function owned(app: TestApp, statements: readonly Statement[] = wide) {
    const seeds = seed(app);
    const world = await worldOf(app, newTag().slice(0, 8));
    const person = await seeds.person(`${newTag()}@example.com`);
    const row = { account_id: world.account, administrator_id: person.id, roles: everything };
    const memberId = await seeds.member(row);
    const token = await seeds.token({ administrator_id: person.id }, statements);
    return { seeds, world, person, memberId, headers: bearer(token.secret) };
  }

  test('is what its policies allow of what its owner may, in each account that they are in', async () => {
    const { app } = stage;
    const { seeds, world, person, headers } = await owned(app);
    assert.deepEqual(await allowed(app, world, headers), ['users']);
    assert.deepEqual(await allowed(app, world, keyed(person)), ['users', 'zone', 'organization']);
    const row = { account_id: world.other, administrator_id: person.id, roles: everything };
    await seeds.member(row);
    assert.deepEqual(await allowed(app, world, headers), ['users', 'others']);
  });

  test('is nothing that its owner may not, whatever its policies say', async () => {
    const { app } = stage;
    const { seeds, world, memberId, headers } = await owned(app, [
      statement('allow', users, { [EVERY_ACCOUNT]: '*' }),
      statement('allow', organizations, { [EVERY_ACCOUNT]: '*' }),
      statement('allow', 'Zone Read', { [EVERY_ZONE]: '*' }),
    ]);
    const set = (change: { roles?: string; status?: string }) =>
      seeds.write((tx) => tx.query.updateTable('members').set(change).where('id', '=', memberId).execute());
    assert.deepEqual(await allowed(app, world, headers), ['users', 'zone', 'organization']);
    await set({ roles: '[]' });
    assert.deepEqual(await allowed(app, world, headers), []);
    await set({ roles: everything, status: 'pending' });
    assert.deepEqual(await allowed(app, world, headers), []);
    await set({ status: 'accepted' });
    assert.deepEqual(await allowed(app, world, headers), ['users', 'zone', 'organization']);
    await seeds.write((tx) => tx.query.deleteFrom('members').where('id', '=', memberId).execute());
    assert.deepEqual(await allowed(app, world, headers), []);
  });

  test('is nothing at all when its owner is gone', async () => {
    const { app } = stage;
    const { seeds, world, person, headers } = await owned(app);
    await seeds.write((tx) => tx.query.deleteFrom('administrators').where('id', '=', person.id).execute());
    assert.equal(await status(app, asks.users(world), headers), 401);
    assert.equal(await status(app, asks.users(world), keyed(person)), 401);
  });

  test('about the person takes a right on that very person', async () => {
    const { app } = stage;
    const { seeds, person, headers } = await owned(app);
    const stranger = await seeds.person(`${newTag()}@example.com`);
    const on = async (id: string) => {
      const rights = [statement('allow', 'API Tokens Read', { [`com.cloudflare.api.user.${id}`]: '*' })];
      return bearer((await seeds.token({ administrator_id: person.id }, rights)).secret);
    };
    assert.equal(await status(app, '/user/tokens', await on(person.id)), 200);
    assert.equal(await status(app, '/user/tokens', await on(stranger.id)), 403);
    assert.equal(await status(app, '/user/tokens', headers), 403);
    assert.equal(await status(app, '/user/tokens', bearer(app.credentials.api_token)), 403);
  });
});

onBothDatabases('what a member may', (stage) => {
  const policies = (resourceGroup: string, ...names: Parameters<typeof statement>[1][]) =>
    JSON.stringify(
      names.map((name) => ({
        id: newTag(),
        access: 'allow',
        permission_groups: statement('allow', name, {}).permission_groups,
        resource_groups: [{ id: resourceGroup }],
      })),
    );

  async function joined(app: TestApp) {
    const seeds = seed(app);
    const world = await worldOf(app, newTag().slice(0, 8));
    const person = await seeds.person(`${newTag()}@example.com`);
    const groups = (await app.sdk().iam.resourceGroups.list({ account_id: world.account })).result;
    const named = (name: string) => groups.find((group) => group.name === name)?.id ?? '';
    return {
      seeds,
      world,
      person,
      headers: keyed(person),
      whole: named(accountOf(world.account)),
      zoneOnly: named(zoneOf(world.zone)),
      join: (row: { policies?: string; status?: string; roles?: string } = {}) =>
        seeds.member({ account_id: world.account, administrator_id: person.id, ...row }),
    };
  }

  test('is nothing without a membership, a policy or a group', async () => {
    const { app } = stage;
    const { world, headers, join } = await joined(app);
    assert.deepEqual(await allowed(app, world, headers), []);
    await join();
    assert.deepEqual(await allowed(app, world, headers), []);
  });

  test('is the union of their own policies and those of their groups, as they are at each call', async () => {
    const { app } = stage;
    const { seeds, world, headers, whole, zoneOnly, join } = await joined(app);
    const member = await join({ policies: policies(whole, users) });
    assert.deepEqual(await allowed(app, world, headers), ['users']);
    const of = { accountId: world.account, members: [member] };
    const zones = await seeds.group({ ...of, policies: policies(zoneOnly, 'Zone Read') });
    await seeds.group({ ...of, policies: policies(whole, organizations) });
    assert.deepEqual(await allowed(app, world, headers), ['users', 'zone', 'organization']);
    const change = (row: object) =>
      seeds.write((tx) => tx.query.updateTable('user_groups').set(row).where('id', '=', zones).execute());
    await change({ policies: '[]' });
    assert.deepEqual(await allowed(app, world, headers), ['users', 'organization']);
    await change({ policies: policies(whole, 'Zone Read') });
    assert.deepEqual(await allowed(app, world, headers), ['users', 'zone', 'organization']);
    await seeds.write((tx) =>
      tx.query.deleteFrom('user_group_members').where('member_id', '=', member).execute(),
    );
    assert.deepEqual(await allowed(app, world, headers), ['users']);
    await seeds.write((tx) =>
      tx.query.updateTable('members').set({ policies: '[]' }).where('id', '=', member).execute(),
    );
    assert.deepEqual(await allowed(app, world, headers), []);
  });

  test('is nothing while the membership is pending, through groups neither', async () => {
    const { app } = stage;
    const { seeds, world, headers, whole, join } = await joined(app);
    const rights = { policies: policies(whole, users), roles: everything };
    const member = await join({ status: 'pending', ...rights });
    await seeds.group({ accountId: world.account, members: [member], policies: policies(whole, users) });
    assert.deepEqual(await allowed(app, world, headers), []);
  });

  test('is nothing through a resource group of another account, or one that is gone', async () => {
    const { app } = stage;
    const { seeds, world, headers, whole, join } = await joined(app);
    const scope = JSON.stringify({ key: accountOf(world.account), objects: [{ key: '*' }] });
    const foreign = { id: newTag(), account_id: world.other, name: 'foreign', scope };
    const created_on = timestamp(app.clock.now());
    await seeds.write((tx) =>
      tx.query
        .insertInto('resource_groups')
        .values({ ...foreign, created_on })
        .execute(),
    );
    await join({ policies: policies(foreign.id, users) });
    assert.deepEqual(await allowed(app, world, headers), []);
    const second = await joined(app);
    await second.join({ policies: policies(newTag(), users) });
    assert.deepEqual(await allowed(app, second.world, second.headers), []);
    assert.notEqual(whole, '');
  });

  test('ends with their key, and no key is none', async () => {
    const { app } = stage;
    const { seeds, world, person, headers, join } = await joined(app);
    await join({ roles: everything });
    assert.equal(await status(app, asks.users(world), headers), 200);
    await seeds.write((tx) =>
      tx.query.updateTable('administrators').set({ key_hash: null }).where('id', '=', person.id).execute(),
    );
    assert.equal(await status(app, asks.users(world), headers), 401);
  });
});
