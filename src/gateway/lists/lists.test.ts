import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConflictError, NotFoundError } from 'cloudflare';
import type { ListListParams } from 'cloudflare/resources/zero-trust/gateway/lists/lists';
import { newestEntry } from '../../../test/support/access.ts';
import { startTestApp } from '../../../test/support/app.ts';
import { behindHeldCounter } from '../../../test/support/held-counter.ts';
import { databases } from '../../../test/support/postgres.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { all, refused } from '../../../test/support/tenants.ts';
import { SECOND } from '../../kernel/clock.ts';
import { listStates } from './lists.ts';

/* Lists through the official SDK. What they open is in test/gate/group-changes.test.ts. */

function use({ app }: Stage) {
  const { account_id } = app.credentials;
  const { gateway, access } = app.sdk().zeroTrust;
  return { app, account_id, lists: gateway.lists, access };
}

const itemsOf = (...values: string[]) => values.map((value) => ({ value }));

async function create(stage: Stage, type: 'EMAIL' | 'IP', ...values: string[]): Promise<string> {
  const { lists, account_id } = use(stage);
  const made = await lists.create({ account_id, name: `of ${type}`, type, items: itemsOf(...values) });
  return made.id ?? '';
}

async function valuesOf(stage: Stage, id: string): Promise<(string | undefined)[]> {
  const { lists, account_id } = use(stage);
  return (await all(lists.items.list(id, { account_id }))).map(({ value }) => value);
}

/** What the newest change told the gates. */
async function told({ database }: Stage): Promise<unknown[]> {
  const feed = ((await readRows(database)).feed_entries ?? []).map((row) => JSON.parse(row));
  const newest = Math.max(...feed.map(({ position }) => Number(position)));
  return feed
    .filter(({ position }) => Number(position) === newest)
    .map(({ kind, subject_id, payload }) => [kind, subject_id, JSON.parse(payload)]);
}

async function statesOf(stage: Stage) {
  const { app, account_id } = use(stage);
  return await app.app.control.database.snapshot((snapshot) => listStates(snapshot, account_id));
}

onBothDatabases('a list', (stage) => {
  test('is made with its items, shown without them, and told to gates as rules compare it', async () => {
    const { app, lists, account_id } = use(stage);
    const items = [
      { value: 'Bob@EXAMPLE.com', description: 'of sales' },
      { value: 'ann@example.com' },
      // The same as the first: one person twice is one person.
      { value: 'BOB@example.com', description: 'again' },
    ];
    const made = await lists.create({
      account_id,
      name: 'Staff',
      type: 'EMAIL',
      description: 'all of us',
      items,
    });
    const { id = '', items: shownItems, ...shown } = made as typeof made & { count: number };
    const created_at = shown.created_at ?? '';
    assert.match(id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    const times = { created_at, updated_at: created_at };
    assert.deepEqual(shown, { name: 'Staff', type: 'EMAIL', description: 'all of us', count: 2, ...times });
    assert.deepEqual(shownItems, [
      { value: 'Bob@EXAMPLE.com', description: 'of sales', created_at },
      { value: 'ann@example.com', description: '', created_at },
    ]);
    assert.deepEqual(await lists.get(id, { account_id }), { id, ...shown });
    assert.deepEqual(await lists.get(id.toUpperCase(), { account_id }), { id, ...shown });
    assert.deepEqual((await lists.list({ account_id })).result, [{ id, ...shown }]);
    assert.deepEqual(await all(lists.items.list(id, { account_id, per_page: 1 })), [...shownItems].reverse());
    const state = { id, type: 'email', items: ['ann@example.com', 'bob@example.com'] };
    assert.deepEqual(await told(stage), [['list', id, state]]);
    assert.deepEqual(await statesOf(stage), [{ kind: 'list', id, state }]);
    const { action, resource, metadata } = await newestEntry(app);
    assert.deepEqual([action?.type, resource?.type, resource?.id], ['list.create', 'list', id]);
    assert.deepEqual(metadata.added, { count: 2, values: ['Bob@EXAMPLE.com', 'ann@example.com'] });

    const answer = await app.api('DELETE', `/accounts/${account_id}/gateway/lists/${id}`);
    assert.deepEqual([answer.status, answer.body.result], [200, {}]);
    assert.deepEqual(await told(stage), [['list', id, null]]);
    assert.deepEqual(await statesOf(stage), []);
    assert.deepEqual((await readRows(stage.database)).list_items, []);
    await assert.rejects(lists.get(id, { account_id }), NotFoundError);
    await assert.rejects(lists.delete(id, { account_id }), NotFoundError);
  });

  test('of addresses holds each block once, its host bits masked', async () => {
    const { lists, account_id } = use(stage);
    const id = await create(
      stage,
      'IP',
      '10.1.2.3/8',
      '10.0.0.0/8',
      '::ffff:192.0.2.1',
      '2001:DB8::/32',
      '2001:db8::1',
    );
    assert.equal((await lists.get(id, { account_id })).count, 4);
    assert.deepEqual(await valuesOf(stage, id), [
      '10.1.2.3/8',
      '::ffff:192.0.2.1',
      '2001:DB8::/32',
      '2001:db8::1',
    ]);
    const [[, , state] = []] = (await told(stage)) as [string, string, unknown][];
    const items = ['10.0.0.0/8', '192.0.2.1/32', '2001:db8::/32', '2001:db8::1/128'];
    assert.deepEqual(state, { id, type: 'ip', items });
    await lists.edit(id, { account_id, remove: ['10.9.9.9/8', '192.0.2.1/32', '2001:db8::2'] });
    assert.deepEqual(await valuesOf(stage, id), ['2001:DB8::/32', '2001:db8::1']);
    await lists.delete(id, { account_id });
  });

  test('keeps its items when they are not sent, and has none but those that are', async () => {
    const { app, lists, account_id } = use(stage);
    const id = await create(stage, 'EMAIL', 'ann@example.com', 'bob@example.com');
    const before = await all(lists.items.list(id, { account_id }));
    app.clock.advance(SECOND);
    const renamed = await lists.update(id, { account_id, name: 'Renamed', description: 'now' });
    assert.deepEqual([renamed.name, renamed.description, renamed.count], ['Renamed', 'now', 2]);
    assert.ok(String(renamed.updated_at) > String(renamed.created_at));
    assert.deepEqual(await all(lists.items.list(id, { account_id })), before);
    const again = await lists.update(id, { account_id, name: 'Renamed' });
    assert.equal(again.description, 'now');
    const items = [{ value: 'Bob@example.com', description: 'stays' }, { value: 'eve@example.com' }];
    const replaced = await lists.update(id, { account_id, name: 'Renamed', items });
    assert.equal(replaced.count, 2);
    const after = await all(lists.items.list(id, { account_id }));
    assert.deepEqual(
      after.map(({ value, description }) => [value, description]),
      [
        ['Bob@example.com', 'stays'],
        ['eve@example.com', ''],
      ],
    );
    assert.equal(after[0]?.created_at, before[1]?.created_at, 'who stays is as old as before');
    assert.notEqual(after[1]?.created_at, before[1]?.created_at);
    const { metadata } = await newestEntry(app);
    assert.deepEqual(
      [metadata.added, metadata.removed],
      [
        { count: 1, values: ['eve@example.com'] },
        { count: 1, values: ['ann@example.com'] },
      ],
    );
    assert.equal((await lists.update(id, { account_id, name: 'Empty', items: [] })).count, 0);
    assert.deepEqual(await told(stage), [['list', id, { id, type: 'email', items: [] }]]);
    await lists.delete(id, { account_id });
  });

  test('is added to and taken from; what is there already, or is not there, stays so', async () => {
    const { app, lists, account_id } = use(stage);
    const id = await create(stage, 'EMAIL', 'ann@example.com');
    const append = [{ value: 'BOB@example.com' }, { value: 'Ann@Example.com', description: 'again' }];
    const added = await lists.edit(id, { account_id, append });
    assert.equal(added.count, 2);
    assert.deepEqual(await valuesOf(stage, id), ['ann@example.com', 'BOB@example.com']);
    const both = await lists.edit(id, {
      account_id,
      append: itemsOf('eve@example.com'),
      remove: ['bob@EXAMPLE.com', 'nobody@example.com'],
    });
    assert.equal(both.count, 2);
    assert.deepEqual(await told(stage), [
      ['list', id, { id, type: 'email', items: ['ann@example.com', 'eve@example.com'] }],
    ]);
    const { metadata, action } = await newestEntry(app);
    assert.deepEqual(
      [action?.type, metadata.removed],
      ['list.edit', { count: 1, values: ['bob@example.com'] }],
    );
    // The same once more is no error, so that a repeat is none, and gates are told all the same.
    assert.equal((await lists.edit(id, { account_id, remove: ['bob@example.com'] })).count, 2);
    assert.equal((await told(stage)).length, 1);
    assert.equal((await lists.edit(id, { account_id })).count, 2);
    await lists.delete(id, { account_id });
  });

  test('holds five thousand items, told in pages to whoever asks and whole to gates', async () => {
    const { app, lists, account_id } = use(stage);
    const values = Array.from({ length: 5000 }, (_, at) => `p${String(at).padStart(4, '0')}@example.com`);
    const id = await create(stage, 'EMAIL', ...values);
    const { message, pointer } = await refused(
      lists.edit(id, { account_id, append: itemsOf('one-more@example.com') }),
    );
    assert.equal(pointer, '/append');
    assert.match(message, /at most 5000 items/);
    const items = await all(lists.items.list(id, { account_id, per_page: 1000 }));
    assert.deepEqual(
      items.map(({ value }) => value),
      values,
    );
    const page = await app.api(
      'GET',
      `/accounts/${account_id}/gateway/lists/${id}/items?per_page=1000&page=5`,
    );
    const info = { page: 5, per_page: 1000, count: 1000, total_count: 5000, total_pages: 5 };
    assert.deepEqual(page.body.result_info, info);
    assert.deepEqual(await told(stage), [['list', id, { id, type: 'email', items: values }]]);
    const swapped = { append: itemsOf('one-more@example.com'), remove: [values[7] ?? ''] };
    assert.equal((await lists.edit(id, { account_id, ...swapped })).count, 5000);
    await lists.delete(id, { account_id });
  });

  test('is found by type, search and filters, in the order asked for', async () => {
    const { app, lists, account_id } = use(stage);
    const made = new Map<string, string>();
    for (const [name, type, description, values] of [
      ['beta', 'EMAIL', 'Office in Köln', ['a@a.example', 'b@a.example']],
      ['Alpha', 'IP', '100% remote', []],
      ['gamma', 'EMAIL', '', ['a@a.example']],
    ] as const) {
      app.clock.advance(SECOND);
      const { id = '' } = await lists.create({
        account_id,
        name,
        type,
        description,
        items: itemsOf(...values),
      });
      made.set(name, id);
    }
    app.clock.advance(SECOND);
    await lists.update(made.get('beta') ?? '', { account_id, name: 'beta' });
    const list = async (query: Omit<ListListParams, 'account_id'>) =>
      (await lists.list({ account_id, ...query })).result.map(({ name }) => name);
    const id = made.get('gamma') ?? '';
    const cases: [Omit<ListListParams, 'account_id'>, string[]][] = [
      [{}, ['beta', 'Alpha', 'gamma']],
      [{ direction: 'desc' }, ['gamma', 'Alpha', 'beta']],
      [{ order_by: 'created_at' }, ['gamma', 'Alpha', 'beta']],
      [{ order_by: 'created_at', direction: 'asc' }, ['beta', 'Alpha', 'gamma']],
      [{ order_by: 'updated_at' }, ['beta', 'gamma', 'Alpha']],
      [{ order_by: 'name' }, ['Alpha', 'beta', 'gamma']],
      [{ order_by: 'name', direction: 'desc' }, ['gamma', 'beta', 'Alpha']],
      [{ order_by: 'item_count' }, ['Alpha', 'gamma', 'beta']],
      [{ order_by: 'item_count', direction: 'desc' }, ['beta', 'gamma', 'Alpha']],
      [{ type: 'EMAIL' }, ['beta', 'gamma']],
      [{ type: 'SERIAL' }, []],
      [{ search: 'KÖLN' }, ['beta']],
      [{ search: '%' }, ['Alpha']],
      [{ search: 'A', type: 'IP' }, ['Alpha']],
      [{ filter: ['name:ALP'] }, ['Alpha']],
      [{ filter: [`id:${id.slice(3, 20).toUpperCase()}`] }, ['gamma']],
      [{ filter: [`id:${id.replaceAll('-', '')}`] }, ['gamma']],
      [{ filter: ['item_count:2'] }, ['beta']],
      [{ filter: ['type:EMAIL', 'name:m'] }, ['gamma']],
      [{ filter: ['type:EMAIL', 'name:m', 'item_count:0'] }, []],
      [{ filter: ['type:IP'], type: 'EMAIL' }, ['Alpha']],
      [{ filter: ['name:a:b'] }, []],
    ];
    for (const [query, expected] of cases)
      assert.deepEqual(await list(query), expected, JSON.stringify(query));
    for (const one of made.values()) await lists.delete(one, { account_id });
  });

  test('what a GET answers can be sent back as it is, and leaves the items', async () => {
    const { app, account_id } = use(stage);
    const id = await create(stage, 'IP', '192.0.2.0/24');
    const at = `/accounts/${account_id}/gateway/lists/${id}`;
    const got = await app.api('GET', at);
    const back = await app.api('PUT', at, { body: got.body.result });
    assert.deepEqual([back.status, back.body.result.count], [200, 1]);
    assert.deepEqual({ ...back.body.result, updated_at: '' }, { ...got.body.result, updated_at: '' });
    await app.api('DELETE', at);
  });

  test('that is in use cannot be deleted, and the refusal names who uses it', async () => {
    const { app, access, account_id } = use(stage);
    const id = await create(stage, 'IP', '192.0.2.0/24');
    const include = [{ everyone: {} }];
    const rules = { name: 'Not there', include, exclude: [{ ip_list: { id: id.toUpperCase() } }] };
    const group = await access.groups.create({ account_id, ...rules });
    const policy = await access.policies.create({ account_id, ...rules, decision: 'deny' } as never);
    const rows = await readRows(stage.database);
    const answer = await app.api('DELETE', `/accounts/${account_id}/gateway/lists/${id}`);
    const [error] = answer.body.errors;
    assert.deepEqual([answer.status, error.code], [409, 1004]);
    assert.equal(answer.headers.get('x-should-retry'), 'false');
    const holders = `reusable_policy "Not there" (${policy.id}), group "Not there" (${group.id})`;
    assert.equal(error.message, `Conflict: the list "of IP" is in use by ${holders}`);
    assert.deepEqual(await readRows(stage.database), rows);
    await access.groups.delete(group.id ?? '', { account_id });
    await assert.rejects(use(stage).lists.delete(id, { account_id }), ConflictError);
    await access.policies.delete(policy.id ?? '', { account_id });
    await use(stage).lists.delete(id, { account_id });
  });

  test('is named by rules of its own type alone', async () => {
    const { access, account_id, lists } = use(stage);
    const ofMail = await create(stage, 'EMAIL', 'ann@example.com');
    const ofAddresses = await create(stage, 'IP', '192.0.2.0/24');
    for (const [rule, says] of [
      [{ email_list: { id: ofAddresses } }, /must be a list of type EMAIL/],
      [{ ip_list: { id: ofMail } }, /must be a list of type IP/],
    ] as const) {
      const call = access.groups.create({ account_id, name: 'x', include: [{ everyone: {} }, rule] });
      const { status, pointer, message } = await refused(call);
      assert.deepEqual([status, pointer], [400, `/include/1/${Object.keys(rule)[0]}/id`]);
      assert.match(message, says);
    }
    for (const id of [ofMail, ofAddresses]) await lists.delete(id, { account_id });
  });
});

/* Two callers at once. On PostgreSQL the first holds what the second waits for; on SQLite there is one writer. */

for (const { name, create: createDatabase } of databases) {
  test(`of two edits at once neither is lost, and gates are told both at last (${name})`, async () => {
    await using database = await createDatabase();
    await using app = await startTestApp(database);
    const stage = { app, database };
    const { lists, account_id } = use(stage);
    const id = await create(stage, 'EMAIL', 'ann@example.com', 'bob@example.com');
    const acts = [
      () => lists.edit(id, { account_id, remove: ['ann@example.com'] }),
      () => lists.edit(id, { account_id, append: itemsOf('eve@example.com') }),
    ];
    const { url } = database;
    const outcomes =
      url === null
        ? await Promise.allSettled(acts.map((act) => act()))
        : await behindHeldCounter({ url, accountId: account_id }, acts);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'fulfilled'],
    );
    assert.deepEqual(await valuesOf(stage, id), ['bob@example.com', 'eve@example.com']);
    const items = ['bob@example.com', 'eve@example.com'];
    assert.deepEqual(await told(stage), [['list', id, { id, type: 'email', items }]]);
  });

  test(`a list that is deleted while a group takes it in is deleted or held, and never both (${name})`, async () => {
    await using database = await createDatabase();
    await using app = await startTestApp(database);
    const stage = { app, database };
    const { lists, access, account_id } = use(stage);
    for (const isTakenFirst of [true, false]) {
      const id = await create(stage, 'EMAIL', 'ann@example.com');
      const acts: (() => Promise<unknown>)[] = [
        () => access.groups.create({ account_id, name: 'x', include: [{ email_list: { id } }] }),
        () => lists.delete(id, { account_id }),
      ];
      if (!isTakenFirst) acts.reverse();
      const { url } = database;
      const outcomes =
        url === null
          ? await Promise.allSettled(acts.map((act) => act()))
          : await behindHeldCounter({ url, accountId: account_id }, acts);
      const statuses = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason.status] : []));
      assert.equal(statuses.length, 1);
      if (url === null) assert.ok([400, 409].includes(statuses[0]));
      else assert.deepEqual(statuses, [isTakenFirst ? 409 : 400]);
      const rows = await readRows(database);
      const isThere = (rows.lists ?? []).some((row) => row.includes(id));
      assert.equal(
        (rows.rule_references ?? []).some((row) => row.includes(id)),
        isThere,
      );
    }
  });
}
