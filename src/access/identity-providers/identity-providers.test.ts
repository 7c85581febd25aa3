import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BadRequestError, NotFoundError, PermissionDeniedError } from 'cloudflare';
import type { IdentityProviderCreateParams } from 'cloudflare/resources/zero-trust/identity-providers';
import { type OpenIdProvider, startOpenIdProvider } from '../../../test/support/openid-provider.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { addTenant, all, refused } from '../../../test/support/tenants.ts';
import { newUuid } from '../../kernel/ids.ts';

const SECRET = 'a secret that nobody is shown again';

let provider: OpenIdProvider;

before(async () => {
  provider = await startOpenIdProvider({ people: [] });
});
after(() => provider?.close());

function use({ app }: Stage) {
  const { account_id, zone_id } = app.credentials;
  return { app, account_id, zone_id, providers: app.sdk().zeroTrust.identityProviders };
}

const endpoints = () => ({
  auth_url: provider.authUrl,
  token_url: provider.tokenUrl,
  certs_url: provider.jwksUri,
});

const body = (config: object = {}, rest: object = {}) =>
  ({
    name: 'Provider',
    type: 'oidc',
    config: { client_id: 'portcullis', client_secret: SECRET, ...endpoints(), ...config },
    ...rest,
  }) as Omit<IdentityProviderCreateParams.AccessOIDC, 'account_id'>;

/** What the rows of a table say of this. */
async function rowsOf(stage: Stage, table: string): Promise<Record<string, unknown>[]> {
  return ((await readRows(stage.database))[table] ?? []).map((row) => JSON.parse(row));
}

async function newestItems(stage: Stage) {
  const feed = await rowsOf(stage, 'feed_entries');
  const newest = Math.max(...feed.map(({ position }) => Number(position)));
  return feed
    .filter(({ position }) => Number(position) === newest)
    .map(({ kind, subject_type, subject_id, payload }) => ({
      kind,
      type: subject_type,
      id: subject_id,
      state: JSON.parse(String(payload)),
    }))
    .sort((one, other) => String(one.kind).localeCompare(String(other.kind)));
}

async function create(stage: Stage, config: object = {}) {
  const { providers, account_id } = use(stage);
  return (await providers.create({ account_id, ...body(config) })).id ?? '';
}

/** A person who signed in through the provider, as the rows show them. */
async function seedSession(stage: Stage, providerId: string) {
  const { account_id, app } = use(stage);
  const now = new Date(app.clock.now()).toISOString();
  const later = new Date(app.clock.now() + 3_600_000).toISOString();
  const email = `${newUuid()}@example.com`;
  const user = await app.sdk().zeroTrust.access.users.create({ account_id, email });
  const own = { account_id, user_id: user?.id ?? '', provider_id: providerId };
  const identity = { ...own, id: newUuid(), issuer: provider.issuer, subject: email };
  await app.app.control.database.write(async (tx) => {
    await tx.query
      .insertInto('identities')
      .values({ ...identity, profile: '{}', claims: '{}', told_at: -1, created_at: now, updated_at: now })
      .execute();
    const parent = { identity_id: identity.id, epoch: 1, position: 0 };
    const session = { ...own, ...parent, nonce: newUuid(), amr: '[]', provider_sid: null };
    await tx.query
      .insertInto('sessions')
      .values({ ...session, identity: '{}', issued_at: now, expires_at: later })
      .execute();
  });
}

onBothDatabases('an identity provider that cannot be', (stage) => {
  test('is refused with a pointer to what is wrong, and nothing is stored', async () => {
    const { app, account_id, zone_id } = use(stage);
    const without = (name: string) => {
      const { [name]: _, ...config } = body().config as Record<string, unknown>;
      return { ...body(), config };
    };
    const wrong: [string, number, object][] = [
      ['/name', 12130, { ...body(), name: '' }],
      ['/name', 12130, { type: 'oidc', config: body().config }],
      ['/type', 12130, { ...body(), type: 'ldap' }],
      ['/config', 12130, { name: 'x', type: 'oidc' }],
      ...['client_id', 'client_secret', 'auth_url', 'token_url', 'certs_url'].map(
        (name): [string, number, object] => [`/config/${name}`, 12130, without(name)],
      ),
      ['/config/client_secret', 12130, body({ client_secret: '' })],
      ['/config/client_secret', 12130, body({ client_secret: null })],
      ['/config/scopes/1', 12130, body({ scopes: ['openid', 'a b'] })],
      ['/config/auth_url', 12130, body({ auth_url: 'ftp://127.0.0.1/' })],
      ['/config/token_url', 12130, body({ token_url: 'http://idp.example.com/token' })],
      ['/config/certs_url', 12130, body({ certs_url: 'https://user:word@idp.example.com/keys' })],
      ['/config/auth_url', 12130, body({ auth_url: 'not a url' })],
      ['/config/issuer', 12130, body({ issuer: `${provider.issuer}?x=y` })],
      ['/config/token_url', 12130, body({ token_url: 'https://169.254.169.254/token' })],
      ['/config/token_url', 12130, body({ token_url: 'https://[::ffff:169.254.169.254]/token' })],
      ['/config/token_url', 12130, body({ token_url: 'https://[fe80::1]/token' })],
      ['/config/token_url', 12130, body({ token_url: 'https://[64:ff9b::a9fe:a9fe]/token' })],
      ['/config/token_url', 12130, body({ token_url: 'https://0xa9fea9fe/token' })],
      ['/config/token_url', 12130, body({ token_url: 'https://0.0.0.0/token' })],
      ['/config/pkce_enabled', 1002, body({ pkce_enabled: false })],
      ['/config/claims/1', 12130, body({ claims: ['department', 'a\nb'] })],
      ['/config/claims/1', 12130, body({ claims: ['department', 'department'] })],
      ['/config/apps_domain', 1002, body({ apps_domain: 'example.com' })],
      ['/config/accept_stale_login', 12130, body({ accept_stale_login: 'yes' })],
      ['/config/conditional_access_enabled', 1002, body({ conditional_access_enabled: true })],
      ['/config/a~1b', 1002, body({ 'a/b': 1 })],
      ['/scim_config', 1002, body({}, { scim_config: { enabled: true } })],
      ['/saml_certificate_set_id', 1002, body({}, { saml_certificate_set_id: 'x' })],
      ['/read_only', 1002, body({}, { read_only: true })],
    ];
    const rows = await readRows(stage.database);
    for (const prefix of [`/accounts/${account_id}`, `/zones/${zone_id}`]) {
      for (const [pointer, code, sent] of wrong) {
        const answer = await app.api('POST', `${prefix}/access/identity_providers`, { body: sent });
        const [error] = answer.body.errors;
        const seen = [answer.status, error?.code, error?.source?.pointer];
        assert.deepEqual(seen, [400, code, pointer], JSON.stringify(sent));
      }
    }
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('is refused by the name of its type, if that comes later', async () => {
    const { app, account_id } = use(stage);
    for (const type of ['centrify', 'facebook', 'linkedin', 'onelogin', 'pingone', 'yandex', 'cloudflare']) {
      const answer = await app.api('POST', `/accounts/${account_id}/access/identity_providers`, {
        body: { name: type, type, config: {} },
      });
      const [error] = answer.body.errors;
      assert.deepEqual([answer.status, error.code, error.source.pointer], [400, 1002, '/type']);
      assert.ok(error.message.includes(type));
    }
  });

  test('is refused as a one-time PIN where no mail can be sent', async () => {
    const { app, account_id } = use(stage);
    const answer = await app.api('POST', `/accounts/${account_id}/access/identity_providers`, {
      body: { name: 'PIN', type: 'onetimepin', config: {} },
    });
    const [error] = answer.body.errors;
    assert.deepEqual([answer.status, error.code, error.source.pointer], [400, 12130, '/type']);
    assert.match(error.message, /mail/);
  });

  test('is refused if its discovery document does not name exactly these endpoints', async () => {
    const { providers, account_id } = use(stage);
    const rows = await readRows(stage.database);
    const lies: [string, (document: Record<string, unknown>) => Record<string, unknown>][] = [
      ['another issuer', (document) => ({ ...document, issuer: 'https://elsewhere.example.com' })],
      ['no issuer', ({ issuer: _, ...document }) => document],
      ['another token endpoint', (document) => ({ ...document, token_endpoint: `${provider.issuer}/t` })],
      ['another JWKS', (document) => ({ ...document, jwks_uri: `${provider.issuer}/j` })],
      ['another authorization endpoint', (document) => ({ ...document, authorization_endpoint: 'x' })],
      ['too much to read', (document) => ({ ...document, padding: 'x'.repeat(1024 * 1024) })],
    ];
    try {
      for (const [name, discovery] of lies) {
        provider.misbehaviour.discovery = discovery;
        for (const [config, pointer] of [
          [{}, '/config/auth_url'],
          [{ issuer: provider.issuer }, '/config/issuer'],
        ] as const) {
          const answer = await refused(providers.create({ account_id, ...body(config) }));
          assert.deepEqual([answer.status, answer.pointer], [400, pointer], name);
        }
      }
    } finally {
      delete provider.misbehaviour.discovery;
    }
    const answer = await refused(
      providers.create({ account_id, ...body({ issuer: `${provider.issuer}/` }) }),
    );
    assert.deepEqual([answer.status, answer.pointer], [400, '/config/issuer'], 'another spelling');
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('is refused if nobody answers there', async () => {
    const { providers, account_id } = use(stage);
    const gone = await startOpenIdProvider({ people: [] });
    await gone.close();
    const config = { auth_url: gone.authUrl, token_url: gone.tokenUrl, certs_url: gone.jwksUri };
    const answer = await refused(providers.create({ account_id, ...body(config) }));
    assert.deepEqual([answer.status, answer.pointer], [400, '/config/auth_url']);
    assert.deepEqual(await rowsOf(stage, 'identity_providers'), []);
  });
});

onBothDatabases('an identity provider', (stage) => {
  test('is created with the issuer that was found, and its secret is never shown nor stored plain', async () => {
    const { app, providers, account_id, zone_id } = use(stage);
    const response = await providers.create({ account_id, ...body() }).asResponse();
    assert.equal(response.status, 201);
    const { result } = (await response.json()) as { result: { id: string } };
    assert.deepEqual(result, {
      id: result.id,
      name: 'Provider',
      type: 'oidc',
      read_only: false,
      config: {
        client_id: 'portcullis',
        ...endpoints(),
        issuer: provider.issuer,
        scopes: ['openid', 'email', 'profile'],
        claims: [],
        email_claim_name: 'email',
        pkce_enabled: true,
        link_by_email: false,
        accept_stale_login: false,
      },
      scim_config: { enabled: false },
    });
    assert.deepEqual(await providers.get(result.id, { account_id }), result);
    assert.deepEqual(await providers.get(result.id.toUpperCase(), { zone_id }), result);
    assert.deepEqual(await newestItems(stage), [
      {
        kind: 'provider',
        type: null,
        id: result.id,
        state: { id: result.id, type: 'oidc', name: 'Provider' },
      },
    ]);
    assert.ok(!JSON.stringify(await readRows(stage.database)).includes(SECRET));
    const document = JSON.stringify(await app.api('GET', `/accounts/${account_id}/audit_logs`));
    assert.ok(!document.includes(SECRET));
  });

  test('is listed oldest first, page by page, to the end', async () => {
    const { app, providers, account_id } = use(stage);
    const ids: string[] = [];
    for (const provider of await all(providers.list({ account_id }))) ids.push(provider.id ?? '');
    for (let count = 0; count < 3; count++) {
      app.clock.advance(1000);
      ids.push(await create(stage));
    }
    const listed = await all(providers.list({ account_id, per_page: 2 }));
    assert.deepEqual(
      listed.map(({ id }) => id),
      ids,
    );
    assert.deepEqual(await all(providers.list({ account_id, scim_enabled: 'true' })), []);
  });

  test('takes back what it was given, with the extensions, and changes only the name', async () => {
    const { app, providers, account_id } = use(stage);
    const id = await create(stage, {
      issuer: provider.issuer,
      link_by_email: true,
      email_claim_name: 'mail',
      scopes: ['email'],
      pkce_enabled: true,
    });
    const given = (await providers.get(id, { account_id })) as unknown as Record<string, unknown>;
    assert.deepEqual((given.config as { scopes: string[] }).scopes, ['email']);
    await seedSession(stage, id);
    app.clock.advance(1000);
    const answer = await app.api('PUT', `/accounts/${account_id}/access/identity_providers/${id}`, {
      body: { ...given, name: 'Renamed' },
    });
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.body.result, { ...given, name: 'Renamed' });
    assert.deepEqual(await newestItems(stage), [
      { kind: 'provider', type: null, id, state: { id, type: 'oidc', name: 'Renamed' } },
    ]);
    const sessions = await rowsOf(stage, 'sessions');
    assert.equal(sessions.filter(({ provider_id }) => provider_id === id).length, 1);
  });

  test('can be renamed, and get a new secret, while it is down', async () => {
    const { providers, account_id } = use(stage);
    const down = await startOpenIdProvider({ people: [] });
    const config = { auth_url: down.authUrl, token_url: down.tokenUrl, certs_url: down.jwksUri };
    const id = await create(stage, config);
    const sealed = (await rowsOf(stage, 'identity_providers')).find((row) => row.id === id)?.client_secret;
    await down.close();
    await seedSession(stage, id);
    const update = { ...body({ ...config, client_secret: 'another secret' }), name: 'Down' };
    assert.equal((await providers.update(id, { account_id, ...update })).name, 'Down');
    const row = (await rowsOf(stage, 'identity_providers')).find((one) => one.id === id);
    assert.notEqual(row?.client_secret, sealed);
    const sessions = await rowsOf(stage, 'sessions');
    assert.equal(sessions.filter(({ provider_id }) => provider_id === id).length, 1);
    await assert.rejects(
      providers.update(id, { account_id, ...body({ ...config, token_url: `${down.issuer}/other` }) }),
      BadRequestError,
    );
  });

  const moves: [string, (elsewhere: OpenIdProvider) => object][] = [
    ['another client', () => ({ client_id: 'other' })],
    ['another claim for the e-mail', () => ({ email_claim_name: 'mail' })],
    [
      'another place',
      ({ authUrl, tokenUrl, jwksUri }) => ({ auth_url: authUrl, token_url: tokenUrl, certs_url: jwksUri }),
    ],
  ];
  for (const [name, config] of moves) {
    test(`that is pointed at ${name} ends every session and identity that came through it`, async () => {
      const { providers, account_id } = use(stage);
      await using elsewhere = await startOpenIdProvider({ people: [] });
      const [id, untouched] = [await create(stage), await create(stage)];
      await seedSession(stage, id);
      await seedSession(stage, untouched);
      const updated = await providers.update(id, { account_id, ...body(config(elsewhere)) });
      assert.deepEqual(
        (await newestItems(stage)).map(({ kind, type, id: of }) => [kind, type, of]),
        [
          ['provider', null, id],
          ['revocation', 'provider', id],
        ],
      );
      for (const table of ['sessions', 'identities']) {
        const through = (await rowsOf(stage, table)).map(({ provider_id }) => provider_id);
        assert.ok(!through.includes(id), table);
        assert.ok(through.includes(untouched), table);
      }
      const { issuer } = updated.config as unknown as { issuer: string };
      assert.equal(issuer, name === 'another place' ? elsewhere.issuer : provider.issuer);
    });
  }

  test('does not send the stored secret to anybody new', async () => {
    const { app, account_id } = use(stage);
    await using elsewhere = await startOpenIdProvider({ people: [] });
    const id = await create(stage);
    const config = {
      client_id: 'portcullis',
      auth_url: elsewhere.authUrl,
      token_url: elsewhere.tokenUrl,
      certs_url: elsewhere.jwksUri,
    };
    const rows = await readRows(stage.database);
    const answer = await app.api('PUT', `/accounts/${account_id}/access/identity_providers/${id}`, {
      body: { name: 'Moved', type: 'oidc', config },
    });
    assert.deepEqual([answer.status, answer.body.errors[0].source.pointer], [400, '/config/client_secret']);
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('that is deleted takes its sessions and identities with it, once', async () => {
    const { providers, account_id } = use(stage);
    const id = await create(stage);
    await seedSession(stage, id);
    const response = await providers.delete(id, { account_id }).asResponse();
    assert.equal(response.status, 202);
    assert.deepEqual(((await response.json()) as { result: object }).result, { id });
    assert.deepEqual(await newestItems(stage), [
      { kind: 'provider', type: null, id, state: null },
      { kind: 'revocation', type: 'provider', id, state: null },
    ]);
    for (const table of ['sessions', 'identities', 'sign_in_states']) {
      assert.ok(!JSON.stringify(await rowsOf(stage, table)).includes(id), table);
    }
    await assert.rejects(providers.delete(id, { account_id }), NotFoundError);
    await assert.rejects(providers.get(id, { account_id }), NotFoundError);
    await assert.rejects(providers.update(id, { account_id, ...body() }), NotFoundError);
  });

  test('is refused as the fifty-first of its account', async () => {
    const { accountId: account_id, sdk } = await addTenant(stage.app, 'full');
    const create = () => sdk.zeroTrust.identityProviders.create({ account_id, ...body() });
    for (let count = 0; count < 50; count++) await create();
    const rows = await readRows(stage.database);
    await assert.rejects(create(), /at most 50 identity providers/);
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('of another account is out of reach', async () => {
    const { app, providers, account_id } = use(stage);
    const other = await addTenant(app, 'elsewhere');
    const theirs = await other.sdk.zeroTrust.identityProviders.create({
      account_id: other.accountId,
      ...body(),
    });
    const id = theirs.id ?? '';
    const rows = await readRows(stage.database);
    await assert.rejects(providers.get(id, { account_id }), NotFoundError);
    await assert.rejects(providers.update(id, { account_id, ...body() }), NotFoundError);
    await assert.rejects(providers.delete(id, { account_id }), NotFoundError);
    const place = { account_id: other.accountId };
    await assert.rejects(providers.get(id, place), PermissionDeniedError);
    await assert.rejects(providers.delete(id, place), PermissionDeniedError);
    await assert.rejects(providers.create({ zone_id: other.zoneId, ...body() }), PermissionDeniedError);
    const listed = await all(providers.list({ account_id }));
    assert.ok(listed.every((one) => one.id !== id));
    assert.deepEqual(await readRows(stage.database), rows);
  });
});
