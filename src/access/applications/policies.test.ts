import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NotFoundError, PermissionDeniedError } from 'cloudflare';
import type {
  ApplicationCreateParams,
  ApplicationUpdateParams,
} from 'cloudflare/resources/zero-trust/access/applications/applications';
import type { PolicyCreateParams } from 'cloudflare/resources/zero-trust/access/applications/policies';
import { seed, statement } from '../../../test/support/authority-rows.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { addTenant, all } from '../../../test/support/tenants.ts';
import { newTag, newUuid } from '../../kernel/ids.ts';

function use({ app }: Stage) {
  const { account_id, zone_id } = app.credentials;
  const { applications } = app.sdk().zeroTrust.access;
  return { app, account_id, zone_id, applications, policies: applications.policies };
}

/** A body as the SDK sends it; of its two forms the typed one lacks what a policy of an application has. */
function policy(fields: object = {}): Omit<PolicyCreateParams.AccessInfraPolicyReq, 'account_id'> {
  const usual = { name: 'Everyone', decision: 'allow', include: [{ everyone: {} }] };
  return { ...usual, ...fields } as PolicyCreateParams.AccessInfraPolicyReq;
}

interface Shown {
  id: string;
  name: string;
  precedence: number;
  [name: string]: unknown;
}

const unaged = ({ updated_at: _, ...rest }: object & { updated_at?: unknown }) => rest;

async function createApplication(stage: Stage): Promise<string> {
  const { applications, account_id } = use(stage);
  const domain = `${newTag()}.localhost`;
  const made = await applications.create({
    account_id,
    type: 'self_hosted',
    domain,
  } as ApplicationCreateParams);
  return made.id ?? '';
}

async function createPolicy(stage: Stage, application: string, fields: object = {}): Promise<Shown> {
  const { policies, account_id } = use(stage);
  return (await policies.create(application, { account_id, ...policy(fields) })) as unknown as Shown;
}

async function listed(stage: Stage, application: string): Promise<[string, number][]> {
  const { policies, account_id } = use(stage);
  const shown = await all(policies.list(application, { account_id, per_page: 2 }));
  return (shown as unknown as Shown[]).map(({ name, precedence }) => [name, precedence]);
}

/** What the newest change told the gates of the application's policies: decision and name, in their order. */
async function told(stage: Stage, application: string): Promise<string[]> {
  const { feed_entries: feed = [] } = await readRows(stage.database);
  const entries = feed.map((row) => JSON.parse(row));
  const newest = Math.max(...entries.map(({ position }) => Number(position)));
  const items = entries.filter(({ position }) => Number(position) === newest);
  assert.deepEqual(
    items.map(({ kind, subject_id }) => [kind, subject_id]),
    [['application', application]],
  );
  const state = JSON.parse(items[0].payload) as { policies: { decision: string; name: string }[] };
  return state.policies.map(({ decision, name }) => `${decision} ${name}`);
}

/** Rules that nobody who has not said who they are can match. */
const OF_IDENTITY = {
  email: { email: 'ann@example.com' },
  email_domain: { domain: 'example.com' },
  login_method: { id: newUuid() },
  auth_method: { auth_method: 'mfa' },
  oidc: { claim_name: 'department', claim_value: 'sales' },
  service_token: { token_id: newUuid() },
  any_valid_service_token: {},
  external_evaluation: { evaluate_url: 'https://a.example/', keys_url: 'https://a.example/keys' },
};

const naming = (id: string) => ({ service_token: { token_id: id } });

onBothDatabases('policies that are too large', (stage) => {
  const large = (at: number, count = 460) =>
    policy({
      name: `Large ${at}`,
      include: Array.from({ length: count }, () => ({ common_name: { common_name: 'x'.repeat(1024) } })),
    });
  const refused = (answer: { status: number; body: { errors: { source?: { pointer: string } }[] } }) => [
    answer.status,
    answer.body.errors.map(({ source }) => source?.pointer),
  ];

  test('are refused: one beyond 512 KiB, and those of an application beyond 2 MiB together', async () => {
    const { app, account_id } = use(stage);
    const application = await createApplication(stage);
    const collection = `/accounts/${account_id}/access/apps/${application}/policies`;
    for (let at = 0; at < 4; at++) {
      assert.equal((await app.api('POST', collection, { body: large(at) })).status, 201);
    }
    const { id } = await createPolicy(stage, application);
    const rows = await readRows(stage.database);
    const groups = `/accounts/${account_id}/access/groups`;
    const reusable = `/accounts/${account_id}/access/policies`;
    for (const [method, target] of [
      ['POST', collection],
      ['PUT', `${collection}/${id}`],
      ['POST', reusable],
      ['POST', groups],
    ] as const) {
      const answer = await app.api(method, target, { body: large(9, 560) });
      assert.deepEqual(refused(answer), [400, ['/include']], target);
    }
    for (const [method, target] of [
      ['POST', collection],
      ['PUT', `${collection}/${id}`],
    ] as const) {
      assert.deepEqual(refused(await app.api(method, target, { body: large(9) })), [400, ['']], method);
    }
    const path = `/accounts/${account_id}/access/apps/${application}`;
    const { result } = (await app.api('GET', path)).body;
    const kept = result.policies.map((one: Shown) => ({ id: one.id }));
    const body = { type: 'self_hosted', domain: result.domain, policies: [...kept, large(9)] };
    assert.deepEqual(refused(await app.api('PUT', path, { body })), [400, ['/policies/5']]);
    assert.deepEqual(await readRows(stage.database), rows);
    assert.equal((await app.api('PUT', path, { body: { ...body, policies: kept } })).status, 200);
  });
});

onBothDatabases('a policy that cannot be', (stage) => {
  test('is refused with a pointer to what is wrong, on create and on update, and nothing changes', async () => {
    const { app, account_id } = use(stage);
    const application = await createApplication(stage);
    const { id } = await createPolicy(stage, application);
    const other = await addTenant(app, 'theirs');
    const at = { account_id: other.accountId };
    const { id: theirs = '' } = await other.sdk.zeroTrust.access.serviceTokens.create({
      ...at,
      name: 'theirs',
    });
    const wrong: [string, number, object][] = [
      ['/name', 12130, policy({ name: undefined })],
      ['/name', 12130, policy({ name: '' })],
      ['/decision', 12130, policy({ decision: undefined })],
      ['/decision', 12130, policy({ decision: 'ALLOW' })],
      ...['include', 'exclude', 'require'].flatMap((list) =>
        Object.entries(OF_IDENTITY).map(([type, content]): [string, number, object] => {
          const fields = { decision: 'bypass', [list]: [{ everyone: {} }, { [type]: content }] };
          return [`/${list}/1/${type}`, 12130, policy(fields)];
        }),
      ),
      [
        '/include/1/service_token/token_id',
        12130,
        policy({ include: [{ everyone: {} }, naming(newUuid())] }),
      ],
      ['/exclude/0/service_token/token_id', 12130, policy({ exclude: [naming(theirs)] })],
      ['/require/0/service_token/token_id', 12130, policy({ require: [naming('me')] })],
      ['/include/0/any_valid_service_token', 12130, policy({ include: [{ any_valid_service_token: 1 }] })],
      ['/include', 12130, policy({ include: undefined })],
      ['/include', 12130, policy({ include: [] })],
      ['/include', 12130, policy({ include: { everyone: {} } })],
      ['/include/0/email/email', 12130, policy({ include: [{ email: { email: 'nobody' } }] })],
      ['/exclude/0/group/id', 12130, policy({ exclude: [{ group: { id: newUuid() } }] })],
      ['/include/0/email_list/id', 12130, policy({ include: [{ email_list: { id: newUuid() } }] })],
      ['/require/0/ip_list/id', 12130, policy({ require: [{ ip_list: { id: newUuid() } }] })],
      ['/include/0/login_method/id', 12130, policy({ include: [{ login_method: { id: newUuid() } }] })],
      ['/require/1', 12130, policy({ require: [{ everyone: {} }, { everybody: {} }] })],
      ['/exclude', 12130, policy({ exclude: null })],
      ['/precedence', 12130, policy({ precedence: 0 })],
      ['/precedence', 12130, policy({ precedence: 1.5 })],
      ['/session_duration', 12130, policy({ session_duration: 'soon' })],
      ['/session_duration', 12130, policy({ session_duration: '59s' })],
      ...Object.entries({
        approval_groups: [{ approvals_needed: 1 }],
        approval_required: true,
        connection_rules: { rdp: { allowed_clipboard_local_to_remote_formats: ['text'] } },
        isolation_required: true,
        mfa_config: { session_duration: '5m' },
        purpose_justification_prompt: 'Why?',
        purpose_justification_required: true,
      }).map(([name, value]): [string, number, object] => [`/${name}`, 1002, policy({ [name]: value })]),
    ];
    const rows = await readRows(stage.database);
    const collection = `/accounts/${account_id}/access/apps/${application}/policies`;
    for (const [pointer, code, body] of wrong) {
      for (const [method, target] of [
        ['POST', collection],
        ['PUT', `${collection}/${id}`],
      ] as const) {
        const answer = await app.api(method, target, { body });
        const [error] = answer.body.errors;
        const seen = [answer.status, error?.code, error?.source?.pointer];
        assert.deepEqual(seen, [400, code, pointer], `${method} ${JSON.stringify(body)}`);
      }
    }
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('is refused as the hundred and first', async () => {
    const { app, account_id, applications, policies } = use(stage);
    const application = await createApplication(stage);
    const { domain } = (await applications.get(application, { account_id })) as unknown as { domain: string };
    const body = { type: 'self_hosted', domain, policies: Array.from({ length: 100 }, () => policy()) };
    const filled = await app.api('PUT', `/accounts/${account_id}/access/apps/${application}`, { body });
    assert.equal(filled.body.result.policies.length, 100);
    const rows = await readRows(stage.database);
    await assert.rejects(policies.create(application, { account_id, ...policy() }), /at most 100 policies/);
    assert.deepEqual(await readRows(stage.database), rows);
  });
});

onBothDatabases('a policy of an application', (stage) => {
  test('is answered whole, with its rules as they were written', async () => {
    const { policies, account_id, zone_id } = use(stage);
    const application = await createApplication(stage);
    const fields = {
      name: 'Staff',
      include: [{ email_domain: { domain: 'Example.com' } }, { email: { email: 'Ann@Partner.example' } }],
      exclude: [{ email: { email: 'eve@example.com' } }],
      session_duration: '30m',
      approval_required: false,
      mfa_config: {},
    };
    const response = await policies.create(application, { account_id, ...policy(fields) }).asResponse();
    assert.equal(response.status, 201);
    const { result } = (await response.json()) as { result: Shown };
    assert.deepEqual(result, {
      id: result.id,
      name: 'Staff',
      decision: 'allow',
      precedence: 1,
      include: fields.include,
      exclude: fields.exclude,
      require: [],
      session_duration: '30m',
      reusable: false,
      created_at: result.created_at,
      updated_at: result.created_at,
    });
    assert.deepEqual(await policies.get(result.id, { account_id, app_id: application }), result);
    assert.deepEqual(
      await policies.get(result.id.toUpperCase(), { zone_id, app_id: application.toUpperCase() }),
      result,
    );
    assert.deepEqual(await told(stage, application), ['allow Staff']);
  });

  test('for service tokens is answered as it was written, and told to the gates', async () => {
    const { app, policies, applications, account_id } = use(stage);
    const { id: token = '' } = await app
      .sdk()
      .zeroTrust.access.serviceTokens.create({ account_id, name: 'robot' });
    const application = await createApplication(stage);
    const include = [naming(token.toUpperCase()), { any_valid_service_token: {} }];
    const fields = { name: 'Robots', decision: 'non_identity', include, exclude: [naming(token)] };
    const made = await createPolicy(stage, application, fields);
    assert.deepEqual(made.include, include);
    assert.deepEqual(await policies.get(made.id, { account_id, app_id: application }), made);
    assert.deepEqual(await told(stage, application), ['non_identity Robots']);
    const whole = await applications.get(application, { account_id });
    const again = await applications.update(application, { account_id, ...whole } as ApplicationUpdateParams);
    assert.deepEqual('policies' in again && again.policies?.map(unaged), [unaged(made)]);
    const only = { name: 'Only robots', include: [{ any_valid_service_token: {} }] };
    assert.equal((await createPolicy(stage, application, only)).decision, 'allow');
  });

  test('in the body of its application cannot name a service token that is not there', async () => {
    const { app, account_id } = use(stage);
    const application = await createApplication(stage);
    const target = `/accounts/${account_id}/access/apps`;
    const policies = [policy(), policy({ decision: 'non_identity', include: [naming(newUuid())] })];
    const rows = await readRows(stage.database);
    for (const [method, at] of [
      ['POST', target],
      ['PUT', `${target}/${application}`],
    ] as const) {
      const body = { type: 'self_hosted', domain: `${newTag()}.localhost`, policies };
      const answer = await app.api(method, at, { body });
      const [error] = answer.body.errors;
      const pointer = '/policies/1/include/0/service_token/token_id';
      assert.deepEqual([answer.status, error.code, error.source.pointer], [400, 12130, pointer]);
    }
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('is put last, or in the place that it asks for, and the others make room', async () => {
    const application = await createApplication(stage);
    await createPolicy(stage, application, { name: 'a' });
    await createPolicy(stage, application, { name: 'b', precedence: 10 });
    await createPolicy(stage, application, { name: 'c' });
    await createPolicy(stage, application, { name: 'd', precedence: 10, decision: 'deny' });
    assert.deepEqual(await listed(stage, application), [
      ['a', 1],
      ['d', 10],
      ['b', 11],
      ['c', 12],
    ]);
    assert.deepEqual(await told(stage, application), ['allow a', 'deny d', 'allow b', 'allow c']);
  });

  test('is replaced by an update, and keeps its id, its age and, unless told otherwise, its place', async () => {
    const { app, policies, account_id } = use(stage);
    const application = await createApplication(stage);
    const first = await createPolicy(stage, application, {
      name: 'first',
      require: [{ email_domain: { domain: 'example.com' } }],
      session_duration: '1h',
    });
    await createPolicy(stage, application, { name: 'second' });
    app.clock.advance(1000);
    const place = { account_id, app_id: application };
    const renamed = await policies.update(first.id, {
      ...place,
      ...policy({ name: 'renamed', decision: 'deny', session_duration: null }),
    });
    const { updated_at, ...rest } = renamed as unknown as Shown;
    const { updated_at: before, ...same } = first;
    const changed = { name: 'renamed', decision: 'deny', require: [], session_duration: null };
    assert.deepEqual(rest, { ...same, ...changed });
    assert.ok(String(updated_at) > String(before));
    await policies.update(first.id, { ...place, ...policy({ ...renamed, precedence: 2 }) });
    assert.deepEqual(await listed(stage, application), [
      ['renamed', 2],
      ['second', 3],
    ]);
    assert.deepEqual(await told(stage, application), ['deny renamed', 'allow second']);
  });

  test('that is deleted is gone, once', async () => {
    const { policies, account_id } = use(stage);
    const application = await createApplication(stage);
    const { id } = await createPolicy(stage, application, { name: 'a' });
    await createPolicy(stage, application, { name: 'b' });
    const place = { account_id, app_id: application };
    const response = await policies.delete(id, place).asResponse();
    assert.equal(response.status, 202);
    assert.deepEqual(((await response.json()) as { result: object }).result, { id });
    assert.deepEqual(await told(stage, application), ['allow b']);
    await assert.rejects(policies.delete(id, place), NotFoundError);
    await assert.rejects(policies.get(id, place), NotFoundError);
    await assert.rejects(policies.update(id, { ...place, ...policy() }), NotFoundError);
  });

  test('is reached through its own application alone, and by nobody else', async () => {
    const { app, policies, account_id } = use(stage);
    const [application, another] = [await createApplication(stage), await createApplication(stage)];
    const { id } = await createPolicy(stage, application);
    const other = await addTenant(app, 'elsewhere');
    const resource = { [`com.cloudflare.api.account.${account_id}`]: '*' } as const;
    const rights = [statement('allow', 'Access: Apps and Policies Read', resource)];
    const { secret } = await seed(app).token({}, rights);
    const reader = app.sdk({ apiToken: secret }).zeroTrust.access.applications.policies;
    const place = { account_id, app_id: application };
    assert.equal(((await reader.get(id, place)) as { id?: string }).id, id);
    const theirs = other.sdk.zeroTrust.access.applications.policies;
    const elsewhere = { account_id: other.accountId, app_id: application };
    const rows = await readRows(stage.database);
    await assert.rejects(reader.create(application, { account_id, ...policy() }), PermissionDeniedError);
    await assert.rejects(reader.delete(id, place), PermissionDeniedError);
    await assert.rejects(policies.get(id, { account_id, app_id: another }), NotFoundError);
    await assert.rejects(policies.delete(id, { account_id, app_id: another }), NotFoundError);
    await assert.rejects(policies.get(id, { account_id, app_id: newUuid() }), NotFoundError);
    await assert.rejects(theirs.get(id, elsewhere), NotFoundError);
    await assert.rejects(theirs.update(id, { ...elsewhere, ...policy() }), NotFoundError);
    await assert.rejects(theirs.delete(id, elsewhere), NotFoundError);
    await assert.rejects(theirs.get(id, place), PermissionDeniedError);
    assert.deepEqual(await readRows(stage.database), rows);
  });
});
