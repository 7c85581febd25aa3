import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConflictError, NotFoundError } from 'cloudflare';
import { createApplication, newestEntry } from '../../../test/support/access.ts';
import { startTestApp } from '../../../test/support/app.ts';
import { behindHeldCounter } from '../../../test/support/held-counter.ts';
import { databases } from '../../../test/support/postgres.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { all, refused } from '../../../test/support/tenants.ts';
import { SECOND } from '../../kernel/clock.ts';
import { groupStates } from './groups.ts';

/* Access groups through the official SDK (reference §3.4). What they open is in test/gate/group-changes.test.ts. */

const everyone = { everyone: {} };
const within = (id: string) => ({ group: { id } });
const email = (address: string) => ({ email: { email: address } });

function use({ app }: Stage) {
  const { account_id, zone_id } = app.credentials;
  return { app, account_id, zone_id, access: app.sdk().zeroTrust.access };
}

interface Shown {
  readonly id: string;
  readonly created_at: string;
  readonly updated_at: string;
}

async function create(stage: Stage, name: string, include: readonly object[] = [everyone]): Promise<string> {
  const { access, account_id } = use(stage);
  const { id = '' } = await access.groups.create({ account_id, name, include: include as never });
  return id;
}

/** Replaces what the group includes. */
async function put(stage: Stage, id: string, name: string, include: readonly object[]) {
  const { access, account_id } = use(stage);
  return await access.groups.update(id, { account_id, name, include: include as never });
}

/** What the newest change told the gates. */
async function told({ database }: Stage): Promise<unknown[]> {
  const feed = ((await readRows(database)).feed_entries ?? []).map((row) => JSON.parse(row));
  const newest = Math.max(...feed.map(({ position }) => Number(position)));
  return feed
    .filter(({ position }) => Number(position) === newest)
    .map(({ kind, subject_id, payload }) => [kind, subject_id, JSON.parse(payload)]);
}

async function referencesOf({ database }: Stage, id: string): Promise<unknown[]> {
  const rows = ((await readRows(database)).rule_references ?? []).map((row) => JSON.parse(row));
  return rows.filter(({ from_id }) => from_id === id).map(({ to_type, to_id }) => [to_type, to_id]);
}

onBothDatabases('an Access group', (stage) => {
  test('is made, shown, replaced and deleted, its rules as they were written and as gates read them', async () => {
    const { access, account_id, app } = use(stage);
    const rules = {
      include: [email('Ann@EXAMPLE.com'), { email_domain: { domain: 'Example.COM' } }],
      exclude: [{ ip: { ip: '10.0.0.0/8' } }],
      require: [everyone],
    };
    const made = await access.groups.create({ account_id, name: 'Staff', is_default: true, ...rules });
    const { id = '', ...shown } = made as unknown as Shown;
    assert.match(id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    const times = { created_at: shown.created_at, updated_at: shown.created_at };
    assert.deepEqual(shown, { name: 'Staff', is_default: true, ...rules, ...times } as unknown);
    assert.deepEqual(await access.groups.get(id, { account_id }), made);
    assert.deepEqual(await access.groups.get(id.toUpperCase(), { account_id }), made);
    const state = {
      id,
      name: 'Staff',
      include: [email('ann@example.com'), { email_domain: { domain: 'example.com' } }],
      exclude: [{ ip: { ip: '10.0.0.0/8' } }],
      require: [everyone],
    };
    assert.deepEqual(await told(stage), [['group', id, state]]);
    assert.deepEqual(await statesOf(stage), [{ kind: 'group', id, state }]);

    app.clock.advance(SECOND);
    const updated = (await put(stage, id, 'Crew', [everyone])) as unknown as Shown;
    const replaced = { name: 'Crew', include: [everyone], exclude: [], require: [], is_default: false };
    const later = { created_at: shown.created_at, updated_at: updated.updated_at };
    assert.deepEqual(updated, { id, ...replaced, ...later } as unknown);
    assert.ok(updated.updated_at > shown.created_at);
    assert.deepEqual(await access.groups.get(id, { account_id }), updated as unknown);
    assert.deepEqual(await told(stage), [
      ['group', id, { id, name: 'Crew', include: [everyone], exclude: [], require: [] }],
    ]);
    const { action, resource, metadata } = await newestEntry(app);
    assert.deepEqual(
      [action?.type, resource?.type, resource?.id],
      ['access_group.update', 'access_group', id],
    );
    assert.equal(metadata.name, 'Crew');

    const answer = await app.api('DELETE', `/accounts/${account_id}/access/groups/${id}`);
    assert.deepEqual([answer.status, answer.body.result], [202, { id }]);
    assert.deepEqual(await told(stage), [['group', id, null]]);
    assert.deepEqual(await statesOf(stage), []);
    await assert.rejects(access.groups.get(id, { account_id }), NotFoundError);
    await assert.rejects(access.groups.delete(id, { account_id }), NotFoundError);
  });

  test('is created with 201, and what a GET answers can be sent back as it is', async () => {
    const { app, account_id } = use(stage);
    const base = `/accounts/${account_id}/access/groups`;
    const body = { name: 'Round', include: [email('Ann@Example.com')], exclude: [everyone] };
    const made = await app.api('POST', base, { body });
    assert.deepEqual([made.status, made.body.messages], [201, []]);
    const at = `${base}/${made.body.result.id}`;
    const got = await app.api('GET', at);
    const back = await app.api('PUT', at, { body: got.body.result });
    assert.equal(back.status, 200);
    assert.deepEqual({ ...back.body.result, updated_at: '' }, { ...got.body.result, updated_at: '' });
    await app.api('DELETE', at);
  });

  test('is the same by the paths of a zone', async () => {
    const { access, account_id, zone_id } = use(stage);
    const made = await access.groups.create({ zone_id, name: 'By zone', include: [everyone] });
    const { id = '' } = made;
    assert.deepEqual(await access.groups.get(id, { account_id }), made);
    assert.deepEqual(await access.groups.get(id, { zone_id }), made);
    const updated = await access.groups.update(id, { zone_id, name: 'By account', include: [everyone] });
    assert.deepEqual(
      await all(access.groups.list({ zone_id })),
      await all(access.groups.list({ account_id })),
    );
    assert.equal(updated.name, 'By account');
    assert.deepEqual(await access.groups.delete(id, { zone_id }), { id });
    assert.deepEqual(await all(access.groups.list({ account_id })), []);
  });

  test('is listed by page, oldest first, and found by name and by search', async () => {
    const { access, account_id, app } = use(stage);
    const made: string[] = [];
    for (const name of ['100%_a', '100 Xa', 'STRASSE', 'strasse']) {
      app.clock.advance(SECOND);
      made.push(await create(stage, name));
    }
    const list = async (query: object) =>
      (await all(access.groups.list({ account_id, ...query }))).map(({ name }) => name);
    assert.deepEqual(await list({ per_page: 1 }), ['100%_a', '100 Xa', 'STRASSE', 'strasse']);
    assert.deepEqual(await list({ name: 'Strasse' }), ['STRASSE', 'strasse']);
    assert.deepEqual(await list({ name: 'Stras' }), []);
    assert.deepEqual(await list({ search: '%_' }), ['100%_a']);
    assert.deepEqual(await list({ search: 'TRASS', name: 'strasse' }), ['STRASSE', 'strasse']);
    const answer = await app.api('GET', `/accounts/${account_id}/access/groups?search=100&per_page=1&page=2`);
    const info = { page: 2, per_page: 1, count: 1, total_count: 2, total_pages: 2 };
    assert.deepEqual(answer.body.result_info, info);
    assert.deepEqual(
      answer.body.result.map(({ name }: { name: string }) => name),
      ['100 Xa'],
    );
    for (const id of made) await access.groups.delete(id, { account_id });
  });

  test('holds others, and never itself: a circle of any length is refused and changes nothing', async () => {
    const [a, b, c] = [await create(stage, 'A'), await create(stage, 'B'), await create(stage, 'C')];
    await put(stage, a, 'A', [everyone, within(b)]);
    await put(stage, b, 'B', [within(c), within(c.toUpperCase())]);
    assert.deepEqual(await referencesOf(stage, b), [['group', c]]);
    const rows = await readRows(stage.database);
    for (const [id, name, include, pointer] of [
      [a, 'A', [within(a)], '/include/0/group/id'],
      [b, 'B', [everyone, within(a)], '/include/1/group/id'],
      [c, 'C', [everyone, within(a)], '/include/1/group/id'],
      [c, 'C', [within(b)], '/include/0/group/id'],
    ] as const) {
      const found = await refused(put(stage, id, name, include));
      assert.deepEqual([found.status, found.code, found.pointer], [400, 12130, pointer]);
    }
    const { access, account_id } = use(stage);
    for (const list of ['exclude', 'require']) {
      const rules = { include: [everyone], [list]: [within(a)] } as never;
      const found = await refused(
        access.groups.update(c, { account_id, name: 'C', ...(rules as object) } as never),
      );
      assert.deepEqual([found.status, found.pointer], [400, `/${list}/0/group/id`]);
    }
    assert.deepEqual(await readRows(stage.database), rows);
    // Once B lets go of C, C may hold A.
    await put(stage, b, 'B', [everyone]);
    await put(stage, c, 'C', [within(a)]);
    for (const id of [c, a, b]) await access.groups.delete(id, { account_id });
    assert.deepEqual((await readRows(stage.database)).rule_references, []);
  });

  test('lies within nine others, and not within ten', async () => {
    const { access, account_id } = use(stage);
    const row = [await create(stage, 'innermost')];
    for (let at = 2; at <= 10; at++) row.unshift(await create(stage, `${at}`, [within(row[0] ?? '')]));
    const eleventh = refused(create(stage, 'eleventh', [within(row[0] ?? '')]));
    assert.deepEqual([(await eleventh).status, (await eleventh).pointer], [400, '/include/0/group/id']);
    const last = await create(stage, 'twelfth');
    const below = await refused(put(stage, row.at(-1) ?? '', 'innermost', [within(last)]));
    assert.deepEqual([below.status, below.pointer], [400, '/include/0/group/id']);
    assert.match(below.message, /more than 10 groups/);
    for (const id of [last, ...row]) await access.groups.delete(id, { account_id });
  });

  test('that is in use cannot be deleted, and the refusal names who uses it', async () => {
    const { access, account_id, app } = use(stage);
    const id = await create(stage, 'Used');
    const outer = await create(stage, 'Outer "quoted"', [within(id)]);
    const policy = { name: 'By group', decision: 'allow', include: [within(id)] };
    const application = await createApplication(app, {
      account_id,
      domain: 'groups.example.com',
      policies: [policy],
    });
    const reusable = await access.policies.create({ account_id, ...policy, name: 'Reusable' } as never);
    const rows = await readRows(stage.database);
    const answer = await app.api('DELETE', `/accounts/${account_id}/access/groups/${id}`);
    const [error] = answer.body.errors;
    assert.deepEqual([answer.status, error.code], [409, 12132]);
    assert.equal(answer.headers.get('x-should-retry'), 'false');
    const { id: policyId } = (application as never as { policies: { id: string }[] }).policies[0] ?? {};
    const holders = [
      `policy "By group" (${policyId})`,
      `reusable_policy "Reusable" (${reusable.id})`,
      `group "Outer \\"quoted\\"" (${outer})`,
    ];
    assert.equal(
      error.message,
      `access.api.error.conflict: the group "Used" is in use by ${holders.join(', ')}`,
    );
    assert.deepEqual(await readRows(stage.database), rows);
    await access.applications.delete(application.id, { account_id });
    await assert.rejects(access.groups.delete(id, { account_id }), ConflictError);
    await access.policies.delete(reusable.id ?? '', { account_id });
    await assert.rejects(access.groups.delete(id, { account_id }), ConflictError);
    await access.groups.delete(outer, { account_id });
    assert.deepEqual(await access.groups.delete(id, { account_id }), { id });
  });

  test('keeps the provider that it names from being deleted, and not the service token', async () => {
    const { access, account_id, app } = use(stage);
    const { identityProviders } = app.sdk().zeroTrust;
    const provider = await identityProviders.create({
      account_id,
      name: 'GitHub',
      type: 'github',
      config: { client_id: 'portcullis', client_secret: 'a secret for this test' },
    });
    const token = await access.serviceTokens.create({ account_id, name: 'CI' });
    const rules = [
      { login_method: { id: provider.id ?? '' } },
      { service_token: { token_id: token.id ?? '' } },
    ];
    const id = await create(stage, 'Holder', rules);
    const { status, message } = await refused(identityProviders.delete(provider.id ?? '', { account_id }));
    assert.equal(status, 409);
    assert.match(message, /the identity provider .+GitHub.+ is in use by group .+Holder/);
    assert.ok(message.includes(id));
    assert.equal((await identityProviders.get(provider.id ?? '', { account_id })).id, provider.id);
    await access.serviceTokens.delete(token.id ?? '', { account_id });
    assert.deepEqual((await access.groups.get(id, { account_id })).include, rules as unknown);
    // What is not there any more cannot be named anew.
    const { pointer } = await refused(put(stage, id, 'Holder', rules));
    assert.equal(pointer, '/include/1/service_token/token_id');
    await access.groups.delete(id, { account_id });
    assert.deepEqual(await identityProviders.delete(provider.id ?? '', { account_id }), { id: provider.id });
  });

  test('names five of those who use it, and says that there are more', async () => {
    const { access, account_id } = use(stage);
    const id = await create(stage, 'Popular');
    const holders: string[] = [];
    for (let at = 0; at < 6; at++) holders.push(await create(stage, `Holder ${at}`, [within(id)]));
    const { message } = await refused(access.groups.delete(id, { account_id }));
    for (const [at, holder] of holders.entries()) assert.equal(message.includes(holder), at < 5);
    assert.match(message, /and others/);
    for (const one of [...holders, id]) await access.groups.delete(one, { account_id });
  });

  test('with a thousand rules in each list is taken and told whole', async () => {
    const { access, account_id } = use(stage);
    const rules = (from: number) =>
      Array.from({ length: 1000 }, (_, at) => email(`person-${from + at}@example.com`));
    const lists = { include: rules(0), exclude: rules(1000), require: rules(2000) };
    const { id = '' } = await access.groups.create({ account_id, name: 'Large', ...lists });
    const got = await access.groups.get(id, { account_id });
    assert.deepEqual([got.include, got.exclude, got.require], [lists.include, lists.exclude, lists.require]);
    await access.groups.delete(id, { account_id });
  });
});

async function statesOf(stage: Stage) {
  const { app, account_id } = use(stage);
  return await app.app.control.database.snapshot((snapshot) => groupStates(snapshot, account_id));
}

/* Two callers at once. On PostgreSQL the first holds what the second waits for; on SQLite there is one writer. */

for (const { name, create: createDatabase } of databases) {
  const inTurn = async (stage: Stage, acts: readonly (() => Promise<unknown>)[]) => {
    const { url } = stage.database;
    const { account_id: accountId } = stage.app.credentials;
    const outcomes =
      url === null
        ? await Promise.allSettled(acts.map((act) => act()))
        : await behindHeldCounter({ url, accountId }, acts);
    return outcomes.map((outcome) =>
      outcome.status === 'fulfilled' ? 'done' : (outcome.reason as { status: number }).status,
    );
  };

  /** Whoever is second is refused: the deletion with 409, whoever would name what is gone with 400. */
  const assertOneWon = (stage: Stage, outcomes: readonly unknown[], isTakenFirst: boolean) => {
    const taken = outcomes.includes(409);
    if (stage.database.url !== null) assert.equal(taken, isTakenFirst);
    assert.deepEqual(outcomes.toSorted(), [taken ? 409 : 400, 'done']);
  };

  async function staged(work: (stage: Stage) => Promise<void>): Promise<void> {
    await using database = await createDatabase();
    await using app = await startTestApp(database);
    await work({ app, database });
  }

  test(`two changes at once that together would make a circle: one is refused (${name})`, async () => {
    await staged(async (stage) => {
      const make = (name: string) => create(stage, name);
      const [a, b, c, d] = [await make('A'), await make('B'), await make('C'), await make('D')];
      await put(stage, b, 'B', [within(c)]);
      await put(stage, d, 'D', [within(a)]);
      // Neither touches a group that the other changes or names.
      const acts = [() => put(stage, a, 'A', [within(b)]), () => put(stage, c, 'C', [within(d)])];
      const outcomes = await inTurn(stage, acts);
      assert.deepEqual(outcomes.toSorted(), [400, 'done']);
      if (stage.database.url !== null) assert.deepEqual(outcomes, ['done', 400]);
      const isFirst = outcomes[0] === 'done';
      assert.deepEqual(await referencesOf(stage, a), isFirst ? [['group', b]] : []);
      assert.deepEqual(await referencesOf(stage, c), isFirst ? [] : [['group', d]]);
    });
  });

  test(`two new depths at once that together are too deep: one is refused (${name})`, async () => {
    await staged(async (stage) => {
      const row = [await create(stage, '1')];
      for (let at = 2; at <= 9; at++) row.unshift(await create(stage, `${at}`, [within(row[0] ?? '')]));
      const below = await create(stage, 'below');
      const outcomes = await inTurn(stage, [
        () => create(stage, 'above', [within(row[0] ?? '')]),
        () => put(stage, row.at(-1) ?? '', '1', [within(below)]),
      ]);
      assert.deepEqual(outcomes.toSorted(), [400, 'done']);
    });
  });

  test(`a group that is deleted while another takes it in is deleted or held, and never both (${name})`, async () => {
    await staged(async (stage) => {
      const { access, account_id } = use(stage);
      for (const isFirst of [true, false]) {
        const [a, b] = [await create(stage, 'A'), await create(stage, 'B')];
        const acts = [() => put(stage, a, 'A', [within(b)]), () => access.groups.delete(b, { account_id })];
        const outcomes = await inTurn(stage, isFirst ? acts : acts.reverse());
        assertOneWon(stage, outcomes, isFirst);
        const isHeld = outcomes.includes(409);
        assert.deepEqual(await referencesOf(stage, a), isHeld ? [['group', b]] : []);
      }
    });
  });

  test(`a group that is deleted while a policy takes it in is deleted or held, and never both (${name})`, async () => {
    await staged(async (stage) => {
      const { access, account_id } = use(stage);
      for (const isFirst of [true, false]) {
        const b = await create(stage, 'B');
        const policy = { name: 'By group', decision: 'allow', include: [within(b)] };
        const acts = [
          () => access.policies.create({ account_id, ...policy } as never),
          () => access.groups.delete(b, { account_id }),
        ];
        assertOneWon(stage, await inTurn(stage, isFirst ? acts : acts.reverse()), isFirst);
      }
    });
  });
}
