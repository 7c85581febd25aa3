import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { BadRequestError, NotFoundError, PermissionDeniedError } from 'cloudflare';
import { allowAll, asking, createApplication, newestEntry, oidc } from '../../../test/support/access.ts';
import { gatedOnBothDatabases } from '../../../test/support/gated.ts';
import { startOpenIdProvider } from '../../../test/support/openid-provider.ts';
import { type Refusal, refuses, type Scenario } from '../../../test/support/refusals.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { addTenant, all, refused, type Tenant, tokenPolicy } from '../../../test/support/tenants.ts';
import { newUuid } from '../../kernel/ids.ts';

/* Applications (reference §3.4); where they may be is in destinations.test.ts, their policies in policies.test.ts. */

const domain = 'app.example.com';
const notSupported = (pointer: string): Refusal => ({ status: 400, code: 1002, pointer });
const invalid = (pointer: string): Refusal => ({ status: 400, code: 12130, pointer });

const laterTypes = [
  'saas',
  'ssh',
  'vnc',
  'app_launcher',
  'warp',
  'biso',
  'bookmark',
  'infrastructure',
  'rdp',
];

const laterSettings: readonly [string, unknown][] = [
  ['allow_iframe', true],
  ['cors_headers', { allow_all_origins: true }],
  ['eager_redirect_cookie_setting', true],
  ['mfa_config', { allowed_authenticators: ['totp'] }],
  ['oauth_configuration', { enabled: true }],
  ['options_preflight_bypass', true],
  ['path_cookie_attribute', true],
  ['scim_config', { idp_uid: 'a', remote_uri: 'https://example.com' }],
  ['skip_interstitial', true],
  ['use_clientless_isolation_app_launcher_url', true],
];

/** What a service token cannot be read from: what is no name, and what has a meaning of its own. */
const noServiceHeaders: readonly unknown[] = [
  ...['Cookie', 'HOST', 'Cf-Access-Token', 'cf-access-client-id', 'Cf-Anything', 'X-Portcullis-Anything'],
  ...['Connection', 'Keep-Alive', 'TE', 'Trailer', 'Transfer-Encoding', 'Upgrade', 'Proxy-Authorization'],
  ...[
    'X-Forwarded-Host',
    'Forwarded',
    'X-Real-IP',
    'Content-Length',
    'Content-Type',
    'Accept',
    'Sec-Fetch-Mode',
  ],
  ...['X-Requested-With', 'X-Request-Id', 'Set-Cookie', 'Expect', 'Via', 'Origin'],
  ...['x y', 'x:y', 'x\r\ny', '-x', 'x-', 'x_y', 'x.y', ':path', 'ä', 'a'.repeat(65), 1, true, ['x'], {}],
];

/** Where nobody can be sent: what no browser should follow, and back to the closed door. */
const noDenyUrls: readonly unknown[] = [
  ...['javascript:alert(1)', 'data:text/html,x', 'ftp://a.example/', '/denied', '//a.example/', 'a.example'],
  ...['http://a.example/', 'https://', 'https://a.example/a b', 'https://a.example/\r\nset-cookie: a=b'],
  ...['https://ann@a.example/', 'https://ann:secret@a.example/', 'https://a.exämple/', 1, true, {}, ['x']],
  ...[`https://${domain}/`, `https://${domain.toUpperCase()}:8443/denied?from=here`],
];

const noUpstreams: readonly unknown[] = [
  ...[
    '127.0.0.1:3000',
    '//127.0.0.1:3000',
    'ftp://127.0.0.1',
    'ws://127.0.0.1',
    'file:///etc/passwd',
    'http://',
  ],
  ...[
    'http://127.0.0.1/path',
    'http://127.0.0.1//',
    'http://127.0.0.1?',
    'http://127.0.0.1/?a',
    'http://127.0.0.1#x',
  ],
  ...[
    'http://user@127.0.0.1',
    'http://user:secret@127.0.0.1',
    'http://@127.0.0.1',
    'http://127.0.0.1\\@a.example',
  ],
  ...[
    'http://127.0.0.1:0',
    'http://127.0.0.1:65536',
    'http://127.0.0.1:x',
    'http://a b',
    ' http://127.0.0.1',
  ],
  ...[
    'http://169.254.169.254',
    'http://[fe80::1]',
    'http://[::ffff:169.254.0.1]',
    'http://2852039166',
    'http://0xa9fea9fe',
  ],
  ...['http://169.254.43518', 'http://[fd00:ec2::254]', 'http://[fe80::1%25eth0]', 'http://[fe80::1%eth0]'],
  ...[
    'http://0.0.0.0:3000',
    'http://[::]:3000',
    'http://224.0.0.1',
    'http://%31%36%39.254.1.1',
    1,
    true,
    {},
    [],
  ],
];

const publicly = (...uris: string[]) => uris.map((uri) => ({ type: 'public', uri }));
const many = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => `${name}.example.com`);

const wrong: readonly [string, Record<string, unknown>, Refusal][] = [
  ['no domain', {}, invalid('/domain')],
  ['a domain that is null', { domain: null }, invalid('/domain')],
  ['an empty list of destinations and nothing else', { destinations: [] }, invalid('/domain')],
  ['six destinations', { destinations: publicly(...many) }, invalid('/destinations')],
  ['six domains', { self_hosted_domains: many }, invalid('/self_hosted_domains')],
  [
    'devices as a credential, where the organization wants none',
    { domain, allow_authenticate_via_warp: true },
    invalid('/allow_authenticate_via_warp'),
  ],
  [
    'a private destination',
    { destinations: [...publicly(domain), { type: 'private', cidr: '10.0.0.0/8' }] },
    notSupported('/destinations/1/type'),
  ],
  [
    'paths of a destination that are open to everyone',
    { destinations: [{ uri: domain, overrides: [{ behavior: 'public', path_pattern: '/open/*' }] }] },
    notSupported('/destinations/0/overrides'),
  ],
  ['a destination without a uri', { destinations: [{ type: 'public' }] }, invalid('/destinations/0/uri')],
  [
    'the second destination wrong',
    { destinations: publicly(domain, 'https://x') },
    invalid('/destinations/1/uri'),
  ],
  [
    'the same destination twice',
    { destinations: publicly(domain, 'APP.example.com/') },
    invalid('/destinations/1/uri'),
  ],
  [
    'a domain that is not the first destination',
    { domain: 'b.example.com', destinations: publicly(domain, 'b.example.com') },
    invalid('/domain'),
  ],
  [
    'domains that are not the destinations',
    { destinations: publicly(domain), self_hosted_domains: ['b.example.com'] },
    invalid('/self_hosted_domains'),
  ],
  ['an empty name', { domain, name: '' }, invalid('/name')],
  ['a name of another type', { domain, name: 1 }, invalid('/name')],
  ['sessions that end at once', { domain, session_duration: '0s' }, invalid('/session_duration')],
  ['sessions beyond a month', { domain, session_duration: '744h1s' }, invalid('/session_duration')],
  ['a duration that is none', { domain, session_duration: 'a day' }, invalid('/session_duration')],
  ['a duration that is null', { domain, session_duration: null }, invalid('/session_duration')],
  [
    'a cookie attribute that does not exist',
    { domain, same_site_cookie_attribute: 'sometimes' },
    invalid('/same_site_cookie_attribute'),
  ],
  ['a logo that is a script', { domain, logo_url: 'javascript:alert(1)' }, invalid('/logo_url')],
  ['a flag that is a text', { domain, app_launcher_visible: 'yes' }, invalid('/app_launcher_visible')],
  ['an unknown provider', { domain, allowed_idps: [newUuid()] }, invalid('/allowed_idps/0')],
  [
    'a redirect to one of no providers',
    { domain, auto_redirect_to_identity: true },
    invalid('/auto_redirect_to_identity'),
  ],
  ['policies that are no list', { domain, policies: {} }, invalid('/policies')],
  [
    'a message of 1025 characters',
    { domain, custom_deny_message: 'x'.repeat(1025) },
    invalid('/custom_deny_message'),
  ],
  ['a message of another type', { domain, custom_deny_message: 1 }, invalid('/custom_deny_message')],
  ...['custom_deny_url', 'custom_non_identity_deny_url'].flatMap((name) =>
    noDenyUrls.map((url): [string, Record<string, unknown>, Refusal] => [
      `${name} as ${JSON.stringify(url)}`,
      { domain, [name]: url },
      invalid(`/${name}`),
    ]),
  ),
  ['a custom page that there is not', { domain, custom_pages: [newUuid()] }, invalid('/custom_pages/0')],
  ['custom pages that are no list', { domain, custom_pages: newUuid() }, invalid('/custom_pages')],
  ...['enable_binding_cookie', 'service_auth_401_redirect', 'strict_service_token_auth'].flatMap((name) =>
    ['true', 1, {}, []].map((value): [string, Record<string, unknown>, Refusal] => [
      `${name} as ${JSON.stringify(value)}`,
      { domain, [name]: value },
      invalid(`/${name}`),
    ]),
  ),
  ...noServiceHeaders.map((name): [string, Record<string, unknown>, Refusal] => [
    `service tokens in the header ${JSON.stringify(name)}`,
    { domain, read_service_tokens_from_header: name },
    invalid('/read_service_tokens_from_header'),
  ]),
  ...noUpstreams.map((upstream): [string, Record<string, unknown>, Refusal] => [
    `the server ${JSON.stringify(upstream)} behind a destination`,
    { destinations: [...publicly('b.example.com'), { type: 'public', uri: domain, upstream }] },
    invalid('/destinations/1/upstream'),
  ]),
];

const at = ({ app }: Stage) => `/accounts/${app.credentials.account_id}/access/apps`;

refuses('applications that are refused', async (stage) => stage, [
  ...laterTypes.map((type) => posting(`the type ${type}`, { type, domain }, notSupported('/type'))),
  posting('a type that nobody has', { type: 'spaceship', domain }, invalid('/type')),
  posting('no type', { type: undefined, domain }, invalid('/type')),
  ...laterSettings.map(([name, value]) =>
    posting(`${name}, which is not here yet`, { domain, [name]: value }, notSupported(`/${name}`)),
  ),
  ...wrong.map(([name, body, refusal]) => posting(name, body, refusal)),
  {
    name: 'a search by attributes of targets',
    sends: (stage) => asking(stage.app, 'GET', `${at(stage)}?target_attributes=a%3Db`),
    refusal: notSupported('/query/target_attributes'),
  },
  ...['GET', 'PUT', 'DELETE'].map((method): Scenario<Stage> => {
    const body = method === 'PUT' ? { type: 'self_hosted', domain } : undefined;
    return {
      name: `${method} of an application that there is not`,
      sends: (stage) => asking(stage.app, method, `${at(stage)}/${newUuid()}`, body),
      refusal: { status: 404, code: 12135, says: /unknown_application/ },
    };
  }),
]);

function posting(name: string, body: object, refusal: Refusal): Scenario<Stage> {
  const sends = (stage: Stage) => asking(stage.app, 'POST', at(stage), { type: 'self_hosted', ...body });
  return { name, sends, refusal };
}

onBothDatabases('applications', (stage) => {
  let other: Tenant;
  const place = () => ({ account_id: stage.app.credentials.account_id });
  const applications = () => stage.app.sdk().zeroTrust.access.applications;
  const get = async (id: string) => (await stage.app.api('GET', `${at(stage)}/${id}`)).body.result;

  before(async () => {
    other = await addTenant(stage.app, 'other');
  });

  test('of another account are unknown, by id and by AUD tag, and stay as they are', async () => {
    const account_id = other.accountId;
    const theirs = await other.sdk.zeroTrust.access.applications.create({
      account_id,
      type: 'self_hosted',
      domain: 'theirs.other.test',
    });
    const rows = await readRows(stage.database);
    for (const id of [theirs.id ?? '', theirs.aud ?? '']) {
      const body = { type: 'self_hosted' as const, domain: 'theirs.other.test' };
      await assert.rejects(applications().get(id, place()), NotFoundError);
      await assert.rejects(applications().update(id, { ...place(), ...body }), NotFoundError);
      await assert.rejects(applications().delete(id, place()), NotFoundError);
      await assert.rejects(applications().delete(id, { account_id }), PermissionDeniedError);
    }
    assert.deepEqual(await readRows(stage.database), rows);
    const ours = await all(applications().list(place()));
    assert.ok(ours.every(({ id }) => id !== theirs.id));
  });

  test('do not take an identity provider of another account', async () => {
    await using provider = await startOpenIdProvider({ people: [] });
    const account_id = other.accountId;
    const theirs = await other.sdk.zeroTrust.identityProviders.create({ account_id, ...oidc(provider) });
    const call = createApplication(stage.app, { domain, allowed_idps: [theirs.id ?? ''] });
    const { status, pointer } = await refused(call);
    assert.deepEqual([status, pointer], [400, '/allowed_idps/0']);
  });

  test('are read by readers, and changed by writers alone', async () => {
    const { id } = await createApplication(stage.app, { domain });
    for (const right of ['Read', 'Revoke', 'Write'] as const) {
      const name = `Access: Apps and Policies ${right}` as const;
      const policies = [tokenPolicy(place().account_id, [name])];
      const { value } = await stage.app.sdk().accounts.tokens.create({ ...place(), name, policies });
      const sdk = stage.app.sdk({ apiToken: value ?? '' }).zeroTrust.access.applications;
      assert.equal((await sdk.get(id, place())).id, id);
      const writing = sdk.update(id, { ...place(), type: 'self_hosted', domain });
      if (right === 'Write') await writing;
      else await assert.rejects(writing, PermissionDeniedError);
    }
    await applications().delete(id, place());
  });

  test('are made with an AUD tag that stays, and found by id and tag in any case', async () => {
    const { id, ...made } = await createApplication(stage.app, { domain, name: 'First' });
    assert.match(made.aud ?? '', /^[0-9a-f]{64}$/);
    const found = await get(id);
    for (const name of [id.toUpperCase(), made.aud ?? '', made.aud?.toUpperCase() ?? '']) {
      assert.deepEqual(await get(name), found);
    }
    const update = { type: 'self_hosted' as const, domain: 'moved.example.com', aud: 'f'.repeat(64) };
    const { body } = await stage.app.api('PUT', `${at(stage)}/${id}`, { body: update });
    assert.equal(body.result.aud, made.aud);
    assert.deepEqual(body.messages[0].source, { pointer: '/aud' });
    assert.equal(body.result.domain, 'moved.example.com');
    const deleted = await stage.app.api('DELETE', `${at(stage)}/${made.aud}`);
    assert.deepEqual([deleted.status, deleted.body.result], [202, { id }]);
    await assert.rejects(applications().get(id, place()), NotFoundError);
    await assert.rejects(applications().delete(id, place()), NotFoundError);
  });

  test('take every setting of the future in the state that asks for nothing', async () => {
    const off = Object.fromEntries(laterSettings.map(([name, value]) => [name, offOf(value)]));
    const { id } = await createApplication(stage.app, { domain, ...off });
    await applications().delete(id, place());
  });

  test('can be sent back as they are read, and read the same, twice', async () => {
    await using provider = await startOpenIdProvider({ people: [] });
    const { id: idp = '' } = await stage.app
      .sdk()
      .zeroTrust.identityProviders.create({ ...place(), ...oidc(provider) });
    const bodies = [
      { domain },
      {
        destinations: [
          { type: 'public', uri: domain, upstream: 'http://127.0.0.1:3000' },
          ...publicly('b.example.com/path'),
        ],
        name: 'Everything',
        allowed_idps: [idp],
        auto_redirect_to_identity: true,
        app_launcher_visible: false,
        http_only_cookie_attribute: false,
        same_site_cookie_attribute: 'lax',
        session_duration: '6h30m',
        logo_url: 'https://example.com/logo.png',
        enable_binding_cookie: true,
        read_service_tokens_from_header: 'Authorization',
        service_auth_401_redirect: true,
        strict_service_token_auth: true,
        policies: [allowAll, { ...allowAll, name: 'Second', session_duration: '1h', precedence: 7 }],
      },
    ];
    for (const body of bodies) {
      const made = await stage.app.api('POST', at(stage), { body: { type: 'self_hosted', ...body } });
      assert.equal(made.status, 201, JSON.stringify(made.body));
      const { id } = made.body.result;
      assert.deepEqual(await get(id), made.body.result);
      assert.deepEqual(await get(id), made.body.result);
      const sent = await stage.app.api('PUT', `${at(stage)}/${id}`, { body: made.body.result });
      assert.equal(sent.status, 200, JSON.stringify(sent.body));
      assert.deepEqual(unaged(sent.body.result), unaged(made.body.result));
      assert.deepEqual(unaged(await get(id)), unaged(made.body.result));
      await applications().delete(id, place());
    }
  });

  test('are listed by page, oldest first, until an empty page', async () => {
    const made: string[] = [];
    for (const host of many) made.push((await createApplication(stage.app, { domain: host })).id);
    const listed = await all(applications().list({ ...place(), per_page: 4 }));
    assert.deepEqual(
      listed.map(({ id }) => id),
      made,
    );
    for (const id of made) await applications().delete(id, place());
  });

  test('are found by name, domain, AUD tag and search, in part or exactly', async () => {
    const shop = await createApplication(stage.app, { domain: 'shop.example.com/cart', name: 'The Shop' });
    const wiki = await createApplication(stage.app, { domain: 'wiki.example.com', name: 'Wiki' });
    const cases: [object, string[]][] = [
      [{ name: 'shop' }, [shop.id]],
      [{ name: 'shop', exact: true }, []],
      [{ name: 'The Shop', exact: true }, [shop.id]],
      [{ domain: 'EXAMPLE.com' }, [shop.id, wiki.id]],
      [{ domain: 'wiki.example.com/', exact: true }, [wiki.id]],
      [{ domain: 'shop.example.com', exact: true }, []],
      [{ domain: 'Shop.example.com/cart', exact: true }, [shop.id]],
      [{ aud: wiki.aud }, [wiki.id]],
      [{ aud: wiki.aud?.slice(0, 63) }, []],
      [{ search: 'cart' }, [shop.id]],
      [{ search: 'wik', exact: true }, [wiki.id]],
      [{ name: 'wiki', domain: 'shop' }, []],
      [{ search: '%' }, []],
    ];
    for (const [query, ids] of cases) {
      const found = await all(applications().list({ ...place(), ...query }));
      assert.deepEqual(
        found.map(({ id }) => id),
        ids,
        JSON.stringify(query),
      );
    }
    for (const { id } of [shop, wiki]) await applications().delete(id, place());
  });

  test('by the path of a zone are those of the zone alone', async () => {
    const { zone_id } = stage.app.credentials;
    const outside = await createApplication(stage.app, { domain });
    const both = await createApplication(stage.app, {
      destinations: [{ uri: 'both.localhost' }, { uri: 'both.example.com' }],
    });
    const inside = await createApplication(stage.app, { zone_id, domain: 'in.localhost:8080/x' });
    const rows = await readRows(stage.database);
    for (const { id } of [outside, both]) {
      await assert.rejects(applications().get(id, { zone_id }), NotFoundError);
      await assert.rejects(applications().delete(id, { zone_id }), NotFoundError);
      const body = { type: 'self_hosted' as const, domain: 'in.localhost' };
      await assert.rejects(applications().update(id, { zone_id, ...body }), NotFoundError);
    }
    for (const host of [domain, 'localhost.example.com', 'notlocalhost']) {
      const { status, message, pointer } = await refused(
        createApplication(stage.app, { zone_id, domain: host }),
      );
      assert.deepEqual([status, pointer], [400, '/domain'], host);
      assert.match(message, /domain does not belong to zone/);
    }
    const moving = applications().update(inside.id, { zone_id, type: 'self_hosted', domain });
    await assert.rejects(moving, BadRequestError);
    assert.deepEqual(await readRows(stage.database), rows);
    const listed = await all(applications().list({ zone_id }));
    assert.deepEqual(
      listed.map(({ id }) => id),
      [inside.id],
    );
    assert.deepEqual(await applications().get(inside.id, { zone_id }), await get(inside.id));
    for (const { id } of [outside, both, inside]) await applications().delete(id, place());
  });

  test('that are gone leave no row, a revocation in the feed, and an entry in the audit log', async () => {
    const before = await readRows(stage.database);
    const { id } = await createApplication(stage.app, { domain, name: 'Gone', policies: [allowAll] });
    await applications().delete(id, place());
    const after = await readRows(stage.database);
    for (const table of ['applications', 'application_destinations', 'policies']) {
      assert.deepEqual(after[table], before[table]);
    }
    assert.ok(after.revocations?.some((row) => row.includes(id)));
    const { action, resource, metadata } = await newestEntry(stage.app);
    assert.deepEqual([action?.type, resource], ['application.delete', { id, type: 'application' }]);
    assert.deepEqual([metadata.name, metadata.destinations], ['Gone', [domain]]);
  });
});

gatedOnBothDatabases('applications', (world) => {
  test('that are deleted and made anew do not know the tokens of before', async () => {
    const { account_id, arrived, createApplication: create, sdk, person, signedIn, ...rest } = world();
    const host = `anew.${new URL(rest.site).host}`;
    const { id, site } = await create(host);
    const browser = await signedIn(person(), { site });
    const requests = arrived.length;
    await sdk.zeroTrust.access.applications.delete(id, { account_id });
    assert.equal((await browser.get(site)).status, 403);
    assert.notEqual((await create(host)).id, id);
    assert.equal((await browser.get(site)).status, 302);
    assert.equal(arrived.length, requests);
    assert.equal((await browser.follow(site)).status, 200);
  });
});

/** What asks for nothing, of the same type. */
function offOf(value: unknown): unknown {
  if (Array.isArray(value)) return [];
  if (typeof value === 'object') return {};
  return typeof value === 'string' ? '' : false;
}

interface Aged {
  readonly updated_at: string;
  readonly policies: readonly { readonly updated_at: string }[];
}

/** Without the times of the last change. */
function unaged({ updated_at: _, policies, ...application }: Aged) {
  return { ...application, policies: policies.map(({ updated_at: __, ...policy }) => policy) };
}
