import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApplicationCreateParams } from 'cloudflare/resources/zero-trust/access/applications/applications';
import { oidc, startProvider, startSite } from '../../../test/support/access.ts';
import { seed } from '../../../test/support/authority-rows.ts';
import { Browser } from '../../../test/support/browser.ts';
import { signIn } from '../../../test/support/openid-provider.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { refused } from '../../../test/support/tenants.ts';
import { newTag, newUuid } from '../../kernel/ids.ts';

/* What a change of an application tells the gates, and the policies in its body. */

function use({ app }: Stage) {
  const { account_id, zone_id } = app.credentials;
  return { app, account_id, zone_id, applications: app.sdk().zeroTrust.access.applications };
}

/** A body as the SDK sends it; it types neither the rules of a policy nor all that is refused. */
function body(fields: object): Omit<ApplicationCreateParams.SelfHostedApplication, 'account_id'> {
  return { type: 'self_hosted', ...fields } as ApplicationCreateParams.SelfHostedApplication;
}

async function create(stage: Stage, fields: object = {}) {
  const { applications, account_id } = use(stage);
  const given = body({ domain: `${newTag()}.localhost`, ...fields });
  return (await applications.create({ account_id, ...given })) as unknown as Shown;
}

/** An application as it is answered. */
interface Shown {
  id: string;
  aud: string;
  domain: string;
  destinations: { uri: string }[];
  policies: { id: string; name: string; precedence: number }[];
  [name: string]: unknown;
}

const everyone = { name: 'Everyone', decision: 'allow', include: [{ everyone: {} }] };

/** What the newest change told the gates. */
async function newestItems(stage: Stage) {
  const { feed_entries: rows = [] } = await readRows(stage.database);
  const feed = rows.map((row) => JSON.parse(row));
  const newest = Math.max(...feed.map(({ position }) => Number(position)));
  return feed
    .filter(({ position }) => Number(position) === newest)
    .map(({ kind, subject_type, subject_id, payload }) => ({
      kind,
      type: subject_type,
      id: subject_id,
      state: JSON.parse(payload),
    }))
    .sort((one, other) => one.kind.localeCompare(other.kind));
}

/** An identity provider in the rows: nobody has to answer for it here. */
async function seedProvider({ app }: Stage): Promise<string> {
  const id = newUuid();
  const now = new Date(app.clock.now()).toISOString();
  const row = { id, account_id: app.credentials.account_id, type: 'oidc', name: id, issuer: `https://${id}` };
  await seed(app).write((tx) =>
    tx.query
      .insertInto('identity_providers')
      .values({ ...row, config: '{}', client_secret: '', created_at: now, updated_at: now })
      .execute(),
  );
  return id;
}

onBothDatabases('a changed application', (stage) => {
  test('is answered whole, and told to the gates whole', async () => {
    const { applications, account_id } = use(stage);
    const provider = await seedProvider(stage);
    const given = body({
      name: 'Wiki',
      destinations: [
        { type: 'public', uri: 'Wiki.localhost/Docs/', upstream: 'HTTP://LocalHost:3000/' },
        { uri: 'wiki.localhost:8443' },
      ],
      enable_binding_cookie: true,
      read_service_tokens_from_header: 'X-Robot',
      service_auth_401_redirect: true,
      strict_service_token_auth: true,
      allowed_idps: [provider, provider.toUpperCase()],
      session_duration: '30m',
      same_site_cookie_attribute: 'Strict',
      http_only_cookie_attribute: false,
      app_launcher_visible: false,
      logo_url: 'https://example.com/logo.png',
      policies: [
        { ...everyone, decision: 'deny', include: [{ email: { email: 'Eve@Example.com' } }], precedence: 7 },
        { ...everyone, session_duration: '15m', require: [{ email_domain: { domain: 'EXAMPLE.com' } }] },
      ],
    });
    const response = await applications.create({ account_id, ...given }).asResponse();
    const { result } = (await response.json()) as { result: Shown };
    const { id, aud, created_at } = result;
    const [deny, allow] = result.policies.map((policy) => policy.id);
    const times = { created_at, updated_at: created_at };
    const policy = { name: 'Everyone', exclude: [], reusable: false, ...times };
    assert.equal(response.status, 201);
    assert.deepEqual(result, {
      id,
      uid: id,
      aud,
      name: 'Wiki',
      type: 'self_hosted',
      domain: 'wiki.localhost/Docs',
      destinations: [
        { type: 'public', uri: 'wiki.localhost/Docs', upstream: 'http://localhost:3000' },
        { type: 'public', uri: 'wiki.localhost:8443' },
      ],
      self_hosted_domains: ['wiki.localhost/Docs', 'wiki.localhost:8443'],
      session_duration: '30m',
      allowed_idps: [provider],
      auto_redirect_to_identity: false,
      app_launcher_visible: false,
      http_only_cookie_attribute: false,
      same_site_cookie_attribute: 'strict',
      logo_url: 'https://example.com/logo.png',
      enable_binding_cookie: true,
      read_service_tokens_from_header: 'X-Robot',
      options_preflight_bypass: false,
      service_auth_401_redirect: true,
      strict_service_token_auth: true,
      skip_interstitial: false,
      tags: [],
      policies: [
        {
          ...policy,
          id: deny,
          decision: 'deny',
          precedence: 7,
          include: [{ email: { email: 'Eve@Example.com' } }],
          require: [],
          session_duration: null,
        },
        {
          ...policy,
          id: allow,
          decision: 'allow',
          precedence: 8,
          include: [{ everyone: {} }],
          require: [{ email_domain: { domain: 'EXAMPLE.com' } }],
          session_duration: '15m',
        },
      ],
      ...times,
    });
    const state = {
      id,
      aud,
      name: 'Wiki',
      type: 'self_hosted',
      session_duration: 1_800_000,
      destinations: [
        { host: 'wiki.localhost', path: '/Docs', upstream: 'http://localhost:3000' },
        { host: 'wiki.localhost:8443', path: '', upstream: null },
      ],
      policies: [
        {
          id: deny,
          name: 'Everyone',
          decision: 'deny',
          precedence: 7,
          include: [{ email: { email: 'eve@example.com' } }],
          exclude: [],
          require: [],
          session_duration: null,
        },
        {
          id: allow,
          name: 'Everyone',
          decision: 'allow',
          precedence: 8,
          include: [{ everyone: {} }],
          exclude: [],
          require: [{ email_domain: { domain: 'example.com' } }],
          session_duration: '15m',
        },
      ],
      allowed_idps: [provider],
      auto_redirect_to_identity: false,
      http_only_cookie: false,
      same_site_cookie: 'strict',
      binding_cookie: true,
      service_token_header: 'x-robot',
      strict_service_tokens: true,
      service_auth_401: true,
      app_launcher_visible: false,
      logo_url: 'https://example.com/logo.png',
      allow_authenticate_via_warp: false,
      deny_message: null,
      deny_url: null,
      non_identity_deny_url: null,
      custom_pages: [],
    };
    assert.deepEqual(await newestItems(stage), [{ kind: 'application', type: null, id, state }]);
  });

  test('is replaced, but for its id, its AUD tag and the policies that the body does not speak of', async () => {
    const { applications, account_id } = use(stage);
    const made = await create(stage, { name: 'Before', session_duration: '1h', policies: [everyone] });
    const moved = body({ domain: 'after.localhost' });
    const updated = await applications.update(made.id, { account_id, ...moved });
    const { id, aud, name, session_duration, domain, policies } = updated as unknown as Shown;
    assert.deepEqual(
      [id, aud, name, session_duration, domain, policies],
      [made.id, made.aud, 'after.localhost', '24h', 'after.localhost', made.policies],
    );
    assert.equal((await create(stage, { domain: made.domain })).domain, made.domain);
  });

  test('keeps the server behind a destination until it is told of another, or of none', async () => {
    const { applications, account_id } = use(stage);
    const [one, two] = ['kept.localhost', 'kept.localhost/two'];
    const given = body({
      destinations: [{ uri: one, upstream: 'https://[2001:db8::1]:8443' }, { uri: two }],
    });
    const { id = '' } = await applications.create({ account_id, ...given });
    const put = async (change: object) => {
      const shown = await applications.update(id, { account_id, ...body(change) });
      const [item] = await newestItems(stage);
      const { destinations } = (item ?? assert.fail()).state as {
        destinations: { upstream: string | null }[];
      };
      const upstreams = (shown as unknown as { destinations: { upstream?: string }[] }).destinations.map(
        ({ upstream }) => upstream ?? null,
      );
      assert.deepEqual(
        upstreams,
        destinations.map(({ upstream }) => upstream),
      );
      return upstreams;
    };
    const first = 'https://[2001:db8::1]:8443';
    assert.deepEqual(await put({ domain: one }), [first]);
    assert.deepEqual(await put({ destinations: [{ uri: two }, { uri: one }] }), [null, first]);
    assert.deepEqual(await put({ self_hosted_domains: [one, two] }), [first, null]);
    const swapped = [
      { uri: one, upstream: null },
      { uri: two, upstream: 'http://10.0.0.1:80' },
    ];
    assert.deepEqual(await put({ destinations: swapped }), [null, 'http://10.0.0.1']);
    assert.deepEqual(await put({ destinations: [{ uri: one }] }), [null]);
    assert.deepEqual(await put({ destinations: [{ uri: one, upstream: '' }, { uri: two }] }), [null, null]);
  });

  test('is in force at the next request, for whom it concerns, with no sign-in in between', async () => {
    const { app, account_id, applications } = use(stage);
    const { identityProviders } = app.sdk().zeroTrust;
    await using provider = await startProvider(app, [{ sub: 'ana', email: 'ana@example.com' }]);
    await using site = await startSite(app);
    const { id: idp = '' } = await identityProviders.create({ account_id, ...oidc(provider) });
    const another = await seedProvider(stage);
    const { id } = await create(stage, { domain: site.host, allowed_idps: [idp], policies: [everyone] });
    const browser = new Browser();
    assert.equal((await signIn(browser, site.url, { login: 'ana' })).text, 'inside');
    const update = (fields: object) =>
      applications.update(id, { account_id, ...body({ domain: site.host, ...fields }) });
    const ana = [{ email: { email: 'ANA@example.com' } }];
    const steps: [string, number, () => Promise<unknown>][] = [
      ['only another provider is allowed', 302, () => update({ allowed_idps: [another] })],
      ['both are', 200, () => update({ allowed_idps: [another, idp] })],
      [
        'a policy denies her',
        403,
        () => update({ policies: [everyone, { ...everyone, decision: 'deny', include: ana }] }),
      ],
      ['it lets her in by name', 200, () => update({ policies: [{ ...everyone, include: ana }] })],
      ['it lets in all others', 403, () => update({ policies: [{ ...everyone, exclude: ana }] })],
      ['there is no policy', 403, () => update({ policies: [] })],
      ['there is one again', 200, () => update({ policies: [everyone] })],
      ['it has moved', 403, () => update({ domain: 'moved.localhost', policies: [everyone] })],
      ['it is back', 200, () => update({})],
      [
        'its provider has another name',
        200,
        () => identityProviders.update(idp, { account_id, ...oidc(provider), name: 'B' }),
      ],
      [
        'its provider knows us as another client',
        302,
        () => identityProviders.update(idp, { account_id, ...oidc(provider, { client_id: 'b' }) }),
      ],
    ];
    for (const [name, status, change] of steps) {
      await change();
      assert.equal((await browser.get(site.url)).status, status, name);
    }
  });

  test('stays closed when the one provider that it allows is deleted', async () => {
    const { app, applications, account_id } = use(stage);
    const provider = await seedProvider(stage);
    const made = await create(stage, { allowed_idps: [provider], auto_redirect_to_identity: true });
    await app.sdk().zeroTrust.identityProviders.delete(provider, { account_id });
    const shown = (await applications.get(made.id, { account_id })) as unknown as Shown;
    assert.deepEqual(shown.allowed_idps, [provider]);
    const { pointer } = await refused(applications.update(made.id, { account_id, ...body(shown) }));
    assert.equal(pointer, '/allowed_idps/0');
  });
});

onBothDatabases('policies in the body of an application', (stage) => {
  test('are refused with a pointer into the body, on create and on update, and nothing changes', async () => {
    const { app, account_id } = use(stage);
    const own = await create(stage, { domain: 'own.localhost' });
    const one = (fields: object) => [{ ...everyone, ...fields }];
    const wrong: [string, number, unknown[]][] = [
      ['/policies/0', 12130, [null]],
      ['/policies/0', 12130, [['Everyone']]],
      ['/policies/0/name', 12130, one({ name: undefined })],
      ['/policies/0/precedence', 12130, one({ precedence: 0 })],
      ['/policies/0/decision', 12130, one({ decision: 'perhaps' })],
      [
        '/policies/0/include/0/email',
        12130,
        one({ decision: 'bypass', include: [{ email: { email: 'ann@example.com' } }] }),
      ],
      ['/policies/0/include', 12130, one({ include: [] })],
      ['/policies/1/include/0/geo', 12130, [everyone, ...one({ include: [{ geo: {} }] })]],
      ['/policies/0/require/0/email/email', 12130, one({ require: [{ email: { email: 'x' } }] })],
      ['/policies/0/session_duration', 12130, one({ session_duration: '1d' })],
      ['/policies/0/approval_required', 1002, one({ approval_required: true })],
      ['/policies/0/id', 12130, one({ id: 1 })],
      ['/policies/0/id', 12130, [{ id: 1 }]],
      ['/policies/0', 12130, [newUuid()]],
      ['/policies/0', 12130, [{ id: newUuid(), precedence: 1 }]],
      ['/policies/0', 12130, one({ id: newUuid() })],
      ['/policies/0/name', 12130, [{ id: newUuid(), require: [{ everyone: {} }] }]],
      ['/policies/0/approval_required', 1002, [{ id: newUuid(), approval_required: true }]],
      ['/policies/0/reusable', 12130, one({ reusable: true })],
      ['/policies/0/reusable', 12130, one({ reusable: 'yes' })],
      ['/policies/1/precedence', 12130, [everyone, { ...everyone, precedence: 1 }]],
      ['/policies', 12130, Array.from({ length: 101 }, () => everyone)],
    ];
    const rows = await readRows(stage.database);
    const collection = `/accounts/${account_id}/access/apps`;
    for (const [pointer, code, policies] of wrong) {
      for (const [method, target] of [
        ['POST', collection],
        ['PUT', `${collection}/${own.id}`],
      ] as const) {
        const sent = { type: 'self_hosted', domain: 'wrong.localhost', policies };
        const answer = await app.api(method, target, { body: sent });
        const [error] = answer.body.errors;
        const seen = [answer.status, error?.code, error?.source?.pointer];
        assert.deepEqual(seen, [400, code, pointer], `${method} ${JSON.stringify(policies).slice(0, 200)}`);
      }
    }
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('that are named by their ids stay, in the order of the body, and the others go', async () => {
    const { app, applications, account_id } = use(stage);
    const named = (name: string) => ({ ...everyone, name });
    const made = await create(stage, { policies: ['a', 'b', 'c'].map(named) });
    const [a, b, c] = made.policies;
    assert.ok(a && b && c);
    app.clock.advance(1000);
    const update = async (policies: unknown[]) => {
      const sent = body({ domain: made.domain, policies });
      return (await applications.update(made.id, { account_id, ...sent })) as unknown as Shown;
    };
    const updated = await update([
      c.id,
      { id: a.id, precedence: 5 },
      { ...named('d'), id: b.id },
      named('e'),
    ]);
    assert.deepEqual(
      updated.policies.map(({ id, name, precedence }) => [id, name, precedence]),
      [
        [c.id, 'c', 1],
        [a.id, 'a', 5],
        [b.id, 'd', 6],
        [updated.policies[3]?.id, 'e', 7],
      ],
    );
    assert.deepEqual(updated.policies[1], { ...a, precedence: 5, updated_at: updated.updated_at });
    const { pointer } = await refused(update([a.id, { ...named('x'), id: a.id }]));
    assert.equal(pointer, '/policies/1');
    assert.deepEqual((await update([])).policies, []);
  });
});
