import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type Cloudflare from 'cloudflare';
import type { ApplicationUpdateParams } from 'cloudflare/resources/zero-trust/access/applications/applications';
import { behindHeldCounter } from '../../../test/support/held-counter.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { addTenant, all, refused, type Tenant } from '../../../test/support/tenants.ts';
import { newTag } from '../../kernel/ids.ts';

/* Reusable policies in the policies of an application (reference §3.4). */

const everyone = { name: 'Everyone', decision: 'allow', include: [{ everyone: {} }] };
const staff = {
  name: 'Staff',
  decision: 'allow',
  include: [{ email_domain: { domain: 'Example.com' } }, { email: { email: 'ann@partner.example' } }],
  require: [{ ip: { ip: '192.0.2.1' } }],
  session_duration: '1h',
};

type NewPolicy = Omit<Cloudflare.ZeroTrust.Access.PolicyCreateParams, 'account_id'>;
type NewOwnPolicy = Cloudflare.ZeroTrust.Access.Applications.PolicyCreateParams;

interface Shown {
  readonly id: string;
  readonly domain: string;
  readonly policies: readonly ShownPolicy[];
  readonly [name: string]: unknown;
}

interface ShownPolicy {
  readonly id: string;
  readonly name: string;
  readonly precedence: number;
  readonly reusable: boolean;
  readonly [name: string]: unknown;
}

function use({ app }: Stage) {
  const { account_id, zone_id } = app.credentials;
  const { applications, policies } = app.sdk().zeroTrust.access;
  return { app, account_id, zone_id, applications, reusable: policies, own: applications.policies };
}

async function createReusable(stage: Stage, fields: object = staff): Promise<string> {
  const { reusable, account_id } = use(stage);
  const { id = '' } = await reusable.create({ account_id, ...(fields as NewPolicy) });
  return id;
}

async function create(stage: Stage, policies: readonly unknown[]): Promise<Shown> {
  const { app, account_id } = use(stage);
  const body = { type: 'self_hosted', domain: `${newTag()}.localhost`, policies };
  const answer = await app.api('POST', `/accounts/${account_id}/access/apps`, { body });
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return answer.body.result;
}

const placed = ({ policies }: Pick<Shown, 'policies'>) =>
  policies.map(({ name, precedence, reusable }) => [name, precedence, reusable]);

/** What the newest change told the gates of the application's policies. */
async function told(stage: Stage, id: string): Promise<unknown[]> {
  const { feed_entries: rows = [] } = await readRows(stage.database);
  const feed = rows.map((row) => JSON.parse(row));
  const newest = Math.max(...feed.map(({ position }) => Number(position)));
  const [item, ...others] = feed.filter(({ position }) => Number(position) === newest);
  assert.deepEqual([item.kind, item.subject_id, others], ['application', id, []]);
  const { policies } = JSON.parse(item.payload) as { policies: { name?: string }[] };
  return policies.map((policy) => policy.name ?? policy);
}

onBothDatabases('a reusable policy in the body of an application', (stage) => {
  let other: Tenant;
  before(async () => {
    other = await addTenant(stage.app, 'other');
  });

  test('is refused where it is not the account’s, or is spoken of otherwise than it is, and nothing changes', async () => {
    const { app, account_id } = use(stage);
    const id = await createReusable(stage);
    const { id: theirs = '' } = await other.sdk.zeroTrust.access.policies.create({
      account_id: other.accountId,
      ...(staff as NewPolicy),
    });
    const application = await create(stage, [everyone, id]);
    const [own] = application.policies;
    const elsewhere = await create(stage, [everyone]);
    const foreign = elsewhere.policies[0]?.id;
    assert.ok(own && foreign);
    const wrong: [string, unknown[]][] = [
      ['/policies/0', [theirs]],
      ['/policies/1', [everyone, { id: theirs, precedence: 5 }]],
      ['/policies/0', [{ ...staff, id: theirs, reusable: true }]],
      ['/policies/0', [foreign]],
      ['/policies/1', [id, id]],
      ['/policies/1', [id, { ...staff, id, precedence: 4 }]],
      [
        '/policies/1/precedence',
        [
          { ...everyone, precedence: 3 },
          { id, precedence: 3 },
        ],
      ],
      [
        '/policies/1/precedence',
        [
          { id, precedence: 1_000_000 },
          { ...everyone, precedence: 1_000_000 },
        ],
      ],
      ['/policies/0/precedence', [{ id, precedence: 0 }]],
      ['/policies/0', [{ id, reusable: false }]],
      ['/policies/0', [{ ...staff, id, name: 'Renamed' }]],
      ['/policies/0', [{ ...staff, id, decision: 'deny' }]],
      ['/policies/0', [{ ...staff, id, include: staff.include.slice(1) }]],
      ['/policies/0', [{ ...staff, id, exclude: staff.require }]],
      ['/policies/0', [{ ...staff, id, require: undefined }]],
      ['/policies/0', [{ ...staff, id, session_duration: null }]],
      ['/policies/0/name', [{ id, session_duration: '1h' }]],
      ['/policies/0/isolation_required', [{ id, isolation_required: true }]],
      ['/policies/0/reusable', [{ ...staff, reusable: true }]],
    ];
    const rows = await readRows(stage.database);
    const collection = `/accounts/${account_id}/access/apps`;
    for (const [pointer, policies] of wrong) {
      for (const [method, target] of [
        ['POST', collection],
        ['PUT', `${collection}/${application.id}`],
      ] as const) {
        const body = { type: 'self_hosted', domain: `${newTag()}.localhost`, policies };
        const answer = await app.api(method, target, { body });
        const [error] = answer.body.errors;
        const seen = [answer.status, error?.source?.pointer];
        assert.deepEqual(seen, [400, pointer], `${method} ${JSON.stringify(policies)}`);
      }
    }
    const body = { type: 'self_hosted', domain: application.domain };
    const put = (policies: unknown[]) =>
      app.api('PUT', `${collection}/${application.id}`, { body: { ...body, policies } });
    const changed = await put([{ ...staff, id, name: 'Renamed' }]);
    assert.match(changed.body.errors[0].message, /is a reusable policy; change it at \/access\/policies$/);
    const taken = await put([{ id: own.id, reusable: true }]);
    assert.equal(taken.body.errors[0].source.pointer, '/policies/0/reusable');
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('is linked by its id, with a precedence, or as it is answered, and told to the gates as a link', async () => {
    const { applications, own, account_id, zone_id } = use(stage);
    const [one, two, three] = [
      await createReusable(stage, { ...staff, name: 'one' }),
      await createReusable(stage, { ...staff, name: 'two' }),
      await createReusable(stage, { ...staff, name: 'three' }),
    ];
    const shuffled = {
      ...staff,
      name: 'three',
      include: staff.include.toReversed(),
      approval_required: false,
    };
    const given = [{ ...everyone, precedence: 3 }, two.toUpperCase(), { id: one, precedence: 2 }];
    const made = await create(stage, [...given, { ...shuffled, id: three, reusable: true, precedence: 9 }]);
    assert.deepEqual(placed(made), [
      ['one', 2, true],
      ['Everyone', 3, false],
      ['two', 4, true],
      ['three', 9, true],
    ]);
    assert.deepEqual(await told(stage, made.id), [
      { reusable: one, precedence: 2 },
      'Everyone',
      { reusable: two, precedence: 4 },
      { reusable: three, precedence: 9 },
    ]);
    const shown = (await applications.get(made.id, { account_id })) as unknown as Shown;
    assert.deepEqual(shown, made);
    const listed = await all(own.list(made.id, { account_id, per_page: 3 }));
    assert.deepEqual(listed, made.policies);
    const linked = made.policies.find(({ id }) => id === one);
    assert.deepEqual(await own.get(one, { zone_id, app_id: made.id }), linked);
    assert.deepEqual([linked?.include, linked?.session_duration], [staff.include, '1h']);
  });

  test('reads the same twice, and the same again when it is sent back, in whichever form', async () => {
    const { app, applications, account_id } = use(stage);
    const id = await createReusable(stage);
    const made = await create(stage, [
      { id, precedence: 1 },
      { ...everyone, precedence: 2 },
    ]);
    const get = async () => (await applications.get(made.id, { account_id })) as unknown as Shown;
    assert.deepEqual(await get(), made);
    assert.deepEqual(await get(), made);
    const [, own] = made.policies;
    assert.ok(own);
    const { policies: untouched } = (
      await stage.app.api('GET', `/accounts/${account_id}/access/apps/${made.id}`)
    ).body.result;
    for (const policies of [
      made.policies,
      [
        { id, precedence: 1 },
        { id: own.id, precedence: 2 },
      ],
      [id, own.id],
      undefined,
    ]) {
      app.clock.advance(1000);
      const sent = { account_id, ...made, policies } as unknown as ApplicationUpdateParams;
      const answered = (await applications.update(made.id, sent)) as unknown as Shown;
      const unaged = answered.policies.map(({ updated_at: _, ...rest }) => rest);
      assert.deepEqual(
        unaged,
        untouched.map(({ updated_at: _, ...rest }: ShownPolicy) => rest),
      );
      assert.deepEqual(await get(), answered);
    }
  });

  test('is shown as it is now, and leaves with the list; the policy itself stays', async () => {
    const { applications, reusable, account_id } = use(stage);
    const id = await createReusable(stage);
    const made = await create(stage, [id]);
    await reusable.update(id, { account_id, ...(staff as NewPolicy), name: 'Renamed' });
    const get = async () => (await applications.get(made.id, { account_id })) as unknown as Shown;
    assert.deepEqual(placed(await get()), [['Renamed', 1, true]]);
    const listed = (await all(applications.list({ account_id, search: made.domain }))) as unknown as Shown[];
    assert.deepEqual(listed.map(placed), [[['Renamed', 1, true]]]);
    const sent = { account_id, type: 'self_hosted', domain: made.domain, policies: [everyone] };
    await applications.update(made.id, sent as unknown as ApplicationUpdateParams);
    assert.deepEqual(placed(await get()), [['Everyone', 1, false]]);
    assert.equal((await reusable.get(id, { account_id })).app_count, 0);
    await reusable.delete(id, { account_id });
  });

  test('goes with its application; what its own policies named does not stay in the way', async () => {
    const { app, applications, reusable, account_id } = use(stage);
    const { serviceTokens } = app.sdk().zeroTrust.access;
    const { id: token = '' } = await serviceTokens.create({ account_id, name: 'robot' });
    const naming = {
      ...everyone,
      decision: 'non_identity',
      include: [{ service_token: { token_id: token } }],
    };
    const id = await createReusable(stage);
    const made = await create(stage, [id, naming, { ...naming, name: 'again' }]);
    const references = async () => {
      const { rule_references: rows = [] } = await readRows(stage.database);
      return rows.map((row) => JSON.parse(row)).filter(({ to_id }) => to_id === token);
    };
    const holders = async () => (await references()).map(({ from_id }) => from_id).sort();
    const [, first, second] = made.policies.map((policy) => policy.id);
    assert.deepEqual(await holders(), [first, second].sort());
    const put = (policies: unknown[]) =>
      applications.update(made.id, {
        ...{ account_id, type: 'self_hosted', domain: made.domain, policies },
      } as unknown as ApplicationUpdateParams);
    await put([id, first, { ...everyone, id: second }]);
    assert.deepEqual(await holders(), [first]);
    await put([id]);
    assert.deepEqual(await holders(), []);
    await put([id, naming]);
    assert.equal((await holders()).length, 1);
    await applications.delete(made.id, { account_id });
    assert.deepEqual(await holders(), []);
    const { application_policies: links = [] } = await readRows(stage.database);
    assert.ok(links.every((row) => JSON.parse(row).application_id !== made.id));
    assert.equal((await reusable.get(id, { account_id })).app_count, 0);
  });
});

onBothDatabases('a reusable policy among the policies of an application', (stage) => {
  test('is neither changed nor deleted there', async () => {
    const { own, account_id } = use(stage);
    const id = await createReusable(stage);
    const application = await create(stage, [everyone, id]);
    const at = { account_id, app_id: application.id };
    const rows = await readRows(stage.database);
    const update = own.update(id, { ...at, ...staff, name: 'Mine' } as never);
    const changed = await refused(update);
    assert.deepEqual([changed.status, changed.code], [400, 12130]);
    assert.match(changed.message, /it is a reusable policy; change it at \/access\/policies$/);
    const deleted = await refused(own.delete(id, at));
    assert.deepEqual([deleted.status, deleted.code], [400, 12130]);
    assert.match(deleted.message, /it is a reusable policy; leave it out of the application's policies$/);
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('is not linked by adding a policy with its id: that is a new one, and the answer says so', async () => {
    const { app, account_id } = use(stage);
    const id = await createReusable(stage);
    const { id: application } = await create(stage, []);
    const target = `/accounts/${account_id}/access/apps/${application}/policies`;
    const { status, body } = await app.api('POST', target, { body: { ...staff, id } });
    assert.deepEqual([status, body.result.reusable], [201, false]);
    assert.notEqual(body.result.id, id);
    assert.deepEqual(body.messages[0].source, { pointer: '/id' });
    assert.equal((await app.api('POST', target, { body: { id } })).status, 400);
  });

  test('makes room for one that asks for its place', async () => {
    const { own, account_id } = use(stage);
    const id = await createReusable(stage);
    const application = await create(stage, [everyone, { id, precedence: 5 }]);
    const add = (fields: object) =>
      own.create(application.id, { account_id, ...everyone, ...fields } as unknown as NewOwnPolicy);
    await add({ name: 'fifth', precedence: 5 });
    await add({ name: 'last' });
    const [first] = application.policies;
    await own.update(first?.id ?? '', {
      ...{ account_id, app_id: application.id, ...everyone, name: 'moved', precedence: 6 },
    } as never);
    const listed = (await all(own.list(application.id, { account_id }))) as unknown as ShownPolicy[];
    assert.deepEqual(placed({ policies: listed }), [
      ['fifth', 5, false],
      ['moved', 6, false],
      ['Staff', 7, true],
      ['last', 8, false],
    ]);
  });

  test('counts among the hundred', async () => {
    const { own, account_id } = use(stage);
    const id = await createReusable(stage);
    const application = await create(stage, [...Array.from({ length: 99 }, () => everyone), id]);
    const rows = await readRows(stage.database);
    const adding = own.create(application.id, { account_id, ...everyone } as unknown as NewOwnPolicy);
    assert.match((await refused(adding)).message, /at most 100 policies/);
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('is linked or deleted, never both, when both are asked for at once', async () => {
    const { app, account_id } = use(stage);
    const { database } = stage;
    for (const order of [
      ['link', 'delete'],
      ['delete', 'link'],
    ] as const) {
      const id = await createReusable(stage);
      const { id: application, domain } = await create(stage, []);
      const calls = {
        link: () =>
          app.api('PUT', `/accounts/${account_id}/access/apps/${application}`, {
            body: { type: 'self_hosted', domain, policies: [id] },
          }),
        delete: () => app.api('DELETE', `/accounts/${account_id}/access/policies/${id}`),
      };
      const acts = order.map((name) => calls[name]);
      const done =
        database.url === null
          ? await Promise.allSettled(acts.map((act) => act()))
          : await behindHeldCounter({ url: database.url, accountId: account_id }, acts);
      const answers = done.map((one) =>
        one.status === 'fulfilled' ? one.value : assert.fail(String(one.reason)),
      );
      const [first, second] = answers as { status: number; body: { errors: { source?: object }[] } }[];
      const statuses = Object.fromEntries(order.map((name, at) => [name, [first, second][at]?.status]));
      const linkedFirst = { link: 200, delete: 409 };
      const deletedFirst = { link: 400, delete: 202 };
      if (database.url !== null) {
        assert.deepEqual(statuses, order[0] === 'link' ? linkedFirst : deletedFirst);
      } else {
        assert.deepEqual(statuses, statuses.link === 200 ? linkedFirst : deletedFirst);
      }
      const { application_policies: links = [], reusable_policies: policies = [] } = await readRows(database);
      const count = (rows: readonly string[]) => rows.filter((row) => row.includes(id)).length;
      assert.deepEqual([count(links), count(policies)], statuses.link === 200 ? [1, 1] : [0, 0]);
    }
  });
});
