import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type Cloudflare from 'cloudflare';
import { NotFoundError, PermissionDeniedError } from 'cloudflare';
import { createApplication, newestEntry } from '../../../test/support/access.ts';
import { seed } from '../../../test/support/authority-rows.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { addTenant, all, refused, type Tenant, tokenPolicy } from '../../../test/support/tenants.ts';
import { newTag, newUuid } from '../../kernel/ids.ts';

/* Reusable policies (reference §3.4); applications that use them are in applications/reusable-links.test.ts. */

type NewPolicy = Omit<Cloudflare.ZeroTrust.Access.PolicyCreateParams, 'account_id'>;

function use({ app }: Stage) {
  const { account_id } = app.credentials;
  return { app, account_id, policies: app.sdk().zeroTrust.access.policies };
}

/** A body as the SDK sends it, whatever it is. */
function policy(fields: object = {}): NewPolicy {
  return { name: 'Everyone', decision: 'allow', include: [{ everyone: {} }], ...fields } as NewPolicy;
}

async function create(stage: Stage, fields: object = {}) {
  const { policies, account_id } = use(stage);
  const { id = '', ...made } = await policies.create({ account_id, ...policy(fields) });
  return { ...made, id };
}

async function newestItems({ database }: Stage) {
  const { feed_entries: rows = [] } = await readRows(database);
  const feed = rows.map((row) => JSON.parse(row));
  const newest = Math.max(...feed.map(({ position }) => Number(position)));
  return feed
    .filter(({ position }) => Number(position) === newest)
    .map(({ kind, subject_id: id, payload }) => ({ kind, id, state: JSON.parse(payload) }));
}

/** A group, a list and a service token of an account, in the rows. */
async function seedNamed({ app }: Stage, accountId: string) {
  const [group, emails, addresses, token] = [newUuid(), newUuid(), newUuid(), newUuid()];
  const times = { created_at: new Date(0).toISOString(), updated_at: new Date(0).toISOString() };
  const usual = { account_id: accountId, name: 'named', name_key: 'named', ...times };
  const lists = { include: '[{"everyone":{}}]', exclude: '[]', require: '[]' };
  await seed(app).write(async (tx) => {
    await tx.query
      .insertInto('access_groups')
      .values({ id: group, ...usual, is_default: 0, ...lists })
      .execute();
    for (const [id, type] of [
      [emails, 'EMAIL'],
      [addresses, 'IP'],
    ] as const) {
      await tx.query
        .insertInto('lists')
        .values({ id, ...usual, type, description: '' })
        .execute();
    }
    await tx.query
      .insertInto('service_tokens')
      .values({
        ...{ id: token, ...usual, client_id: `${newTag()}.access`, secret_hash: '', secret_version: 1 },
        ...{ previous_secret_hash: null, previous_expires_at: null, duration: 'forever', expires_at: null },
        enabled: 1,
      })
      .execute();
  });
  return { group, emails, addresses, token };
}

type Named = Awaited<ReturnType<typeof seedNamed>>;

const rulesNaming = ({ group, emails, addresses, token }: Named) => ({
  include: [{ group: { id: group } }, { email_list: { id: emails } }],
  exclude: [{ ip_list: { id: addresses } }],
  require: [{ service_token: { token_id: token } }],
});

onBothDatabases('a reusable policy that cannot be', (stage) => {
  test('is refused with a pointer to what is wrong, on create and on update, and nothing changes', async () => {
    const { app, account_id } = use(stage);
    const { id } = await create(stage);
    const other = await addTenant(app, 'theirs');
    const theirs = await seedNamed(stage, other.accountId);
    const ours = await seedNamed(stage, account_id);
    const email = { email: { email: 'ann@example.com' } };
    const wrong: [string, number, object][] = [
      ['/name', 12130, policy({ name: undefined })],
      ['/name', 12130, policy({ name: 'x'.repeat(351) })],
      ['/decision', 12130, policy({ decision: 'Allow' })],
      ['/include', 12130, policy({ include: [] })],
      ['/include', 12130, policy({ include: Array.from({ length: 1001 }, () => ({ everyone: {} })) })],
      ['/exclude/0', 12130, policy({ exclude: [{ everyone: {}, ...email }] })],
      ['/require/0/geo', 12130, policy({ require: [{ geo: { country_code: 'DE' } }] })],
      ['/include/1/email', 12130, policy({ decision: 'bypass', include: [{ everyone: {} }, email] })],
      ['/exclude/0/email', 12130, policy({ decision: 'bypass', exclude: [email] })],
      ['/include/0/group/id', 12130, policy({ include: [{ group: { id: theirs.group } }] })],
      ['/include/0/group/id', 12130, policy({ include: [{ group: { id: newUuid() } }] })],
      [
        '/exclude/1/email_list/id',
        12130,
        policy({ exclude: [email, { email_list: { id: theirs.emails } }] }),
      ],
      ['/exclude/0/email_list/id', 12130, policy({ exclude: [{ email_list: { id: ours.addresses } }] })],
      ['/require/0/ip_list/id', 12130, policy({ require: [{ ip_list: { id: ours.emails } }] })],
      ['/include/0/login_method/id', 12130, policy({ include: [{ login_method: { id: newUuid() } }] })],
      [
        '/include/0/service_token/token_id',
        12130,
        policy({ include: [{ service_token: { token_id: theirs.token } }] }),
      ],
      ['/session_duration', 12130, policy({ session_duration: '0s' })],
      ['/session_duration', 12130, policy({ session_duration: '745h' })],
      ['/approval_required', 1002, policy({ approval_required: true })],
      ['/isolation_required', 1002, policy({ isolation_required: true })],
      ['/purpose_justification_prompt', 1002, policy({ purpose_justification_prompt: 'Why?' })],
    ];
    const rows = await readRows(stage.database);
    const collection = `/accounts/${account_id}/access/policies`;
    for (const [pointer, code, body] of wrong) {
      for (const [method, target] of [
        ['POST', collection],
        ['PUT', `${collection}/${id}`],
      ] as const) {
        const answer = await app.api(method, target, { body });
        const [error] = answer.body.errors;
        const seen = [answer.status, error?.code, error?.source?.pointer];
        assert.deepEqual(seen, [400, code, pointer], `${method} ${JSON.stringify(body).slice(0, 300)}`);
      }
    }
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('is refused as the five hundred and first', async () => {
    const { app, account_id, policies } = use(stage);
    const { total_count: have = 0 } = (await app.api('GET', `/accounts/${account_id}/access/policies`)).body
      .result_info;
    const times = { created_at: new Date(0).toISOString(), updated_at: new Date(0).toISOString() };
    const content = { include: '[{"everyone":{}}]', exclude: '[]', require: '[]', session_duration: null };
    const filling = Array.from({ length: 499 - have }, () => ({ id: newUuid(), ...content, ...times }));
    const usual = { account_id, name: 'one of many', decision: 'allow' };
    await seed(app).write((tx) =>
      tx.query
        .insertInto('reusable_policies')
        .values(filling.map((row) => ({ ...row, ...usual })))
        .execute(),
    );
    await create(stage, { name: 'the last' });
    const rows = await readRows(stage.database);
    const { status, message } = await refused(policies.create({ account_id, ...policy() }));
    assert.equal(status, 400);
    assert.match(message, /at most 500 reusable policies/);
    assert.deepEqual(await readRows(stage.database), rows);
    const listed = await all(policies.list({ account_id, per_page: 100 }));
    assert.equal(new Set(listed.map(({ id }) => id)).size, 500);
  });
});

onBothDatabases('a reusable policy', (stage) => {
  let other: Tenant;
  before(async () => {
    other = await addTenant(stage.app, 'elsewhere');
  });

  test('is reached by its own account alone, and changed by writers alone', async () => {
    const { app, account_id, policies } = use(stage);
    const { id } = await create(stage);
    const theirs = other.sdk.zeroTrust.access.policies;
    const at = { account_id: other.accountId };
    const { value } = await app.sdk().accounts.tokens.create({
      account_id,
      name: 'reader',
      policies: [tokenPolicy(account_id, ['Access: Apps and Policies Read'])],
    });
    const reader = app.sdk({ apiToken: value ?? '' }).zeroTrust.access.policies;
    const { id: foreign = '' } = await theirs.create({ ...at, ...policy() });
    const rows = await readRows(stage.database);
    assert.equal((await reader.get(id, { account_id })).id, id);
    await assert.rejects(reader.create({ account_id, ...policy() }), PermissionDeniedError);
    await assert.rejects(reader.update(id, { account_id, ...policy() }), PermissionDeniedError);
    await assert.rejects(reader.delete(id, { account_id }), PermissionDeniedError);
    for (const [sdk, place, one] of [
      [theirs, at, id],
      [policies, { account_id }, foreign],
      [policies, { account_id }, newUuid()],
    ] as const) {
      await assert.rejects(sdk.get(one, place), NotFoundError);
      await assert.rejects(sdk.update(one, { ...place, ...policy() }), NotFoundError);
      await assert.rejects(sdk.delete(one, place), NotFoundError);
    }
    await assert.rejects(theirs.get(id, { account_id }), PermissionDeniedError);
    assert.deepEqual(await readRows(stage.database), rows);
    const listed = await all(theirs.list(at));
    assert.deepEqual(
      listed.map((one) => one.id),
      [foreign],
    );
  });

  test('is answered whole, with its rules as they were written, and told to the gates by itself', async () => {
    const { app, policies, account_id } = use(stage);
    const named = await seedNamed(stage, account_id);
    const upper = rulesNaming({ ...named, group: named.group.toUpperCase() });
    const fields = { name: 'Staff', ...upper, session_duration: '30m', approval_required: false };
    const response = await policies.create({ account_id, ...policy(fields) }).asResponse();
    assert.equal(response.status, 201);
    const { result } = (await response.json()) as { result: Record<string, string> };
    const { id = '', created_at } = result;
    assert.deepEqual(result, {
      id,
      name: 'Staff',
      decision: 'allow',
      ...upper,
      session_duration: '30m',
      created_at,
      updated_at: created_at,
      reusable: true,
      app_count: 0,
    });
    assert.deepEqual(await policies.get(id.toUpperCase(), { account_id }), result);
    const { decision, session_duration } = result;
    const state = { id, name: 'Staff', decision, session_duration, ...rulesNaming(named) };
    assert.deepEqual(await newestItems(stage), [{ kind: 'policy', id, state }]);
    const { action, resource } = await newestEntry(app);
    assert.deepEqual([action?.type, resource], ['reusable_policy.create', { id, type: 'reusable_policy' }]);
    await policies.delete(id, { account_id });
    const { rule_references: references } = await readRows(stage.database);
    assert.deepEqual(references, []);
  });

  test('names what it says last and nothing else: that is in the way of whoever deletes it', async () => {
    const { policies, account_id } = use(stage);
    const [first, second] = [await seedNamed(stage, account_id), await seedNamed(stage, account_id)];
    const { id } = await create(stage, rulesNaming(first));
    await policies.update(id, { account_id, ...policy({ include: [{ group: { id: second.group } }] }) });
    const { rule_references: references = [] } = await readRows(stage.database);
    const row = { account_id, from_type: 'reusable_policy', from_id: id, to_type: 'group' };
    assert.deepEqual(
      references.map((one) => JSON.parse(one)),
      [{ ...row, to_id: second.group }],
    );
    await policies.delete(id, { account_id });
  });

  test('may bypass Access by where somebody comes from, and by groups', async () => {
    const { account_id, policies } = use(stage);
    const { group, addresses } = await seedNamed(stage, account_id);
    const include = [
      ...[{ everyone: {} }, { ip: { ip: '192.0.2.0/24' } }, { ip_list: { id: addresses } }],
      ...[{ certificate: {} }, { common_name: { common_name: 'robot' } }, { group: { id: group } }],
    ];
    const made = await create(stage, { decision: 'bypass', include });
    assert.deepEqual([made.decision, made.include], ['bypass', include]);
    const [item] = await newestItems(stage);
    assert.equal(item?.state.decision, 'bypass');
    const person = { decision: 'non_identity', include: [{ email: { email: 'ann@example.com' } }] };
    const odd = await create(stage, person);
    assert.equal(odd.decision, 'non_identity');
    for (const { id } of [made, odd]) await policies.delete(id, { account_id });
  });

  test('is replaced by an update, and reads the same when it is sent back', async () => {
    const { app, policies, account_id } = use(stage);
    const rules = { require: [{ email_domain: { domain: 'Example.com' } }], session_duration: '1h' };
    const made = await create(stage, { name: 'Before', ...rules });
    app.clock.advance(1000);
    const same = await policies.update(made.id, { account_id, ...(made as NewPolicy) });
    const { updated_at, ...rest } = same;
    const { updated_at: before, ...known } = made;
    assert.deepEqual(rest, known);
    assert.ok(String(updated_at) > String(before));
    assert.deepEqual(await policies.get(made.id, { account_id }), same);
    const next = { name: 'After', decision: 'deny' };
    const changed = await policies.update(made.id, { account_id, ...policy(next) });
    assert.deepEqual(
      [changed.name, changed.decision, changed.require, changed.session_duration],
      ['After', 'deny', [], null],
    );
    const [item, ...others] = await newestItems(stage);
    assert.deepEqual([item?.kind, item?.id, item?.state.decision, others], ['policy', made.id, 'deny', []]);
    await policies.delete(made.id, { account_id });
  });

  test('is listed by page, oldest first, until an empty page', async () => {
    const { app, policies, account_id } = use(stage);
    const before = (await all(policies.list({ account_id }))).map(({ id }) => id);
    const made: string[] = [];
    for (const name of ['a', 'b', 'c']) {
      app.clock.advance(1);
      made.push((await create(stage, { name })).id);
    }
    const listed = await all(policies.list({ account_id, per_page: 2 }));
    assert.deepEqual(
      listed.map(({ id }) => id),
      [...before, ...made],
    );
    const { body } = await app.api('GET', `/accounts/${account_id}/access/policies?page=9&per_page=2`);
    assert.deepEqual([body.result, body.result_info.total_count], [[], before.length + 3]);
    for (const id of made) await policies.delete(id, { account_id });
  });

  test('that is in use is not deleted, and the refusal names who uses it', async () => {
    const { app, policies, account_id } = use(stage);
    const { id } = await create(stage);
    const names = ['f', 'a', 'b', 'c', 'd', 'e'];
    const users: string[] = [];
    for (const name of names) {
      const made = await createApplication(app, {
        domain: `${name}.use.localhost`,
        name: `Use ${name}`,
        policies: [{ id }],
      });
      users.push(made.id);
    }
    const rows = await readRows(stage.database);
    const { status, code, message, error } = await refused(policies.delete(id, { account_id }));
    assert.deepEqual([status, code], [409, 12132]);
    for (const [at, name] of names.entries()) {
      assert.equal(message.includes(`"Use ${name}" (${users[at]})`), name !== 'f', message);
    }
    assert.match(message, /and others$/);
    assert.equal(error.headers?.get('x-should-retry'), 'false');
    assert.deepEqual(await readRows(stage.database), rows);
    assert.equal((await policies.get(id, { account_id })).app_count, 6);
    const [listed] = (await all(policies.list({ account_id }))).filter((one) => one.id === id);
    assert.equal(listed?.app_count, 6);
    const { applications } = app.sdk().zeroTrust.access;
    for (const one of users) await applications.delete(one, { account_id });
    assert.equal((await policies.get(id, { account_id })).app_count, 0);
  });

  test('that is deleted is gone, once, and the gates are told', async () => {
    const { policies, account_id } = use(stage);
    const { id } = await create(stage);
    const response = await policies.delete(id, { account_id }).asResponse();
    assert.equal(response.status, 202);
    assert.deepEqual(((await response.json()) as { result: object }).result, { id });
    assert.deepEqual(await newestItems(stage), [{ kind: 'policy', id, state: null }]);
    await assert.rejects(policies.get(id, { account_id }), NotFoundError);
    await assert.rejects(policies.delete(id, { account_id }), NotFoundError);
    await assert.rejects(policies.update(id, { account_id, ...policy() }), NotFoundError);
  });
});
