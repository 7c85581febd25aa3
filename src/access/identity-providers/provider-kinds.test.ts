import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createPair } from '../../../test/support/certificates.ts';
import { type OpenIdProvider, startOpenIdProvider } from '../../../test/support/openid-provider.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { createVault } from '../../kernel/crypto.ts';
import { newUuid } from '../../kernel/ids.ts';
import { createProvider, openProvider } from './identity-providers.ts';

const SECRET = 'a secret that nobody is shown again';
const CLIENT = { client_id: 'portcullis', client_secret: SECRET };
const TENANT = 'c2a5a8a0-0000-4000-8000-0123456789ab';
const DAY = 24 * 60 * 60 * 1000;

let provider: OpenIdProvider;
const certificates = { good: '', other: '', expired: '', weak: '', elliptic: '' };

before(async () => {
  provider = await startOpenIdProvider({ people: [], claimNames: ['groups'] });
  const rsa = { keyType: 'rsa', keySize: 2048 } as const;
  certificates.good = (await createPair(rsa)).cert;
  certificates.other = (await createPair(rsa)).cert;
  const past = { from: Date.now() - 3 * DAY, until: Date.now() - DAY };
  certificates.expired = (await createPair({ ...rsa, ...past })).cert;
  certificates.weak = (await createPair({ keyType: 'rsa', keySize: 1024 })).cert;
  certificates.elliptic = (await createPair()).cert;
});
after(() => provider?.close());

interface Answer {
  readonly status: number;
  readonly body: {
    readonly result: { readonly id: string; readonly name: string; readonly config: Record<string, unknown> };
    readonly errors: readonly { code: number; message: string; source?: { pointer: string } }[];
  };
}

function send({ app }: Stage, method: string, path: string, body?: object): Promise<Answer> {
  const base = `/accounts/${app.credentials.account_id}/access/identity_providers`;
  return app.api(method, base + path, body === undefined ? {} : { body }) as Promise<Answer>;
}

const create = (stage: Stage, type: string, config: object) =>
  send(stage, 'POST', '', { name: type, type, config });
const update = (stage: Stage, id: string, type: string, config: object) =>
  send(stage, 'PUT', `/${id}`, { name: 'Renamed', type, config });

async function made(stage: Stage, type: string, config: object) {
  const { status, body } = await create(stage, type, config);
  assert.equal(status, 201, JSON.stringify(body.errors));
  return body.result;
}

function refusalOf({ status, body: { errors } }: Answer): unknown[] {
  return [status, errors[0]?.code, errors[0]?.source?.pointer];
}

/** A session through the provider, as the rows of one show it. */
async function seedSession({ app }: Stage, providerId: string): Promise<string> {
  const { account_id } = app.credentials;
  const now = new Date(app.clock.now()).toISOString();
  const later = new Date(app.clock.now() + DAY).toISOString();
  const email = `${newUuid()}@example.com`;
  const user = await app.sdk().zeroTrust.access.users.create({ account_id, email });
  const own = { account_id, user_id: user?.id ?? '', provider_id: providerId };
  const identity = {
    ...own,
    id: newUuid(),
    issuer: 'i',
    subject: email,
    profile: '{}',
    claims: '{"a":["b"]}',
    told_at: -1,
  };
  await app.app.control.database.write(async (tx) => {
    await tx.query
      .insertInto('identities')
      .values({ ...identity, created_at: now, updated_at: now })
      .execute();
    const parent = { identity_id: identity.id, epoch: 1, position: 0, amr: '[]', provider_sid: null };
    const session = {
      ...own,
      ...parent,
      nonce: newUuid(),
      identity: '{}',
      issued_at: now,
      expires_at: later,
    };
    await tx.query.insertInto('sessions').values(session).execute();
  });
  return identity.id;
}

/** What stands of it: whether the session does, whether the identity, and its claims. */
async function standsOf(stage: Stage, identityId: string) {
  const rows = await readRows(stage.database);
  const parse = (table: string) =>
    (rows[table] ?? []).map((row) => JSON.parse(row) as Record<string, unknown>);
  const session = parse('sessions').some(({ identity_id }) => identity_id === identityId);
  const identity = parse('identities').find(({ id }) => id === identityId);
  return { session, claims: identity?.claims ?? null };
}

/** What a sign-in would be given. */
async function opened(stage: Stage, id: string) {
  const { account_id: accountId } = stage.app.credentials;
  const anyVault = { seal: () => '', open: () => SECRET };
  return await stage.app.app.control.database.snapshot((snapshot) =>
    openProvider(snapshot, anyVault, { accountId, id }),
  );
}

const MAIL = { flags: ['--smtp=smtp://127.0.0.1:1', '--mail-from=access@example.com'] };

onBothDatabases('an identity provider of a type of its own', kindsOn, MAIL);

function kindsOn(stage: Stage): void {
  test('is refused with a pointer where its settings cannot be, and nothing is stored', async () => {
    const issuer = () => ({ issuer: provider.issuer });
    const entra = { ...CLIENT, directory_id: TENANT };
    const saml = () => ({
      issuer_url: 'https://idp.example.com',
      sso_target_url: 'https://idp.example.com/sso',
      idp_public_certs: [certificates.good],
    });
    const wrong: [string, string, number, object][] = [
      ['google', '/config/client_id', 12130, { client_secret: SECRET, ...issuer() }],
      ['google', '/config/client_secret', 12130, { client_id: 'a', ...issuer() }],
      ['google', '/config/apps_domain', 1002, { ...CLIENT, ...issuer(), apps_domain: 'example.com' }],
      ['google', '/config/auth_url', 1002, { ...CLIENT, ...issuer(), auth_url: 'https://example.com' }],
      ['google', '/config/issuer', 12130, { ...CLIENT, issuer: 'http://idp.example.com' }],
      ['google', '/config/issuer', 12130, { ...CLIENT, issuer: `${provider.issuer}/elsewhere` }],
      ['google-apps', '/config/apps_domain', 12130, { ...CLIENT, ...issuer() }],
      ['google-apps', '/config/apps_domain', 12130, { ...CLIENT, ...issuer(), apps_domain: 'a b' }],
      [
        'google-apps',
        '/config/prompt',
        12130,
        { ...CLIENT, ...issuer(), apps_domain: 'a.com', prompt: 'login' },
      ],
      [
        'google-apps',
        '/config/use_login_hint',
        1002,
        { ...CLIENT, ...issuer(), apps_domain: 'a.com', use_login_hint: true },
      ],
      ['azureAD', '/config/directory_id', 12130, { ...CLIENT, ...issuer() }],
      ...['common', 'organizations', 'consumers', 'example.com', '9188040d-6c67-4c5b-b112-36a304b66dad'].map(
        (directory_id): [string, string, number, object] => [
          'azureAD',
          '/config/directory_id',
          12130,
          { ...CLIENT, ...issuer(), directory_id },
        ],
      ),
      [
        'azureAD',
        '/config/issuer',
        12130,
        { ...entra, issuer: 'https://login.microsoftonline.us/other/v2.0' },
      ],
      ['azureAD', '/config/conditional_access_enabled', 1002, { ...entra, conditional_access_enabled: true }],
      ['azureAD', '/config/prompt', 12130, { ...entra, prompt: 'consent' }],
      ['okta', '/config/okta_account', 12130, CLIENT],
      ['okta', '/config/okta_account', 12130, { ...CLIENT, okta_account: 'http://dev.okta.com' }],
      [
        'okta',
        '/config/authorization_server_id',
        12130,
        { ...CLIENT, okta_account: provider.issuer, authorization_server_id: '../x' },
      ],
      ['okta', '/config/okta_account', 12130, { ...CLIENT, okta_account: `${provider.issuer}/other` }],
      ['github', '/config/client_secret', 12130, { client_id: 'a' }],
      ['github', '/config/base_url', 12130, { ...CLIENT, base_url: 'http://github.example.com' }],
      ['github', '/config/base_url', 12130, { ...CLIENT, base_url: 'https://example.com/github' }],
      ['github', '/config/claims', 1002, { ...CLIENT, claims: ['a'] }],
      ['saml', '/config/issuer_url', 12130, { ...saml(), issuer_url: undefined }],
      ['saml', '/config/issuer_url', 12130, { ...saml(), issuer_url: 'a b' }],
      ['saml', '/config/sso_target_url', 12130, { ...saml(), sso_target_url: undefined }],
      ['saml', '/config/sso_target_url', 12130, { ...saml(), sso_target_url: 'http://idp.example.com' }],
      ['saml', '/config/idp_public_certs', 12130, { ...saml(), idp_public_certs: [] }],
      [
        'saml',
        '/config/idp_public_certs/0',
        12130,
        { ...saml(), idp_public_certs: ['bm8gY2VydGlmaWNhdGU='] },
      ],
      ...(['expired', 'weak', 'elliptic'] as const).map((kind): [string, string, number, object] => [
        'saml',
        '/config/idp_public_certs/1',
        12130,
        { ...saml(), idp_public_certs: [certificates.good, certificates[kind]] },
      ]),
      [
        'saml',
        '/config/idp_public_certs/0',
        12130,
        { ...saml(), idp_public_certs: [certificates.good + certificates.other] },
      ],
      ['saml', '/config/idp_public_cert', 12130, { ...saml(), idp_public_cert: certificates.expired }],
      ['saml', '/config/sign_request', 1002, { ...saml(), sign_request: true }],
      ['saml', '/config/enable_encryption', 1002, { ...saml(), enable_encryption: true }],
      [
        'saml',
        '/config/header_attributes',
        1002,
        { ...saml(), header_attributes: [{ attribute_name: 'a' }] },
      ],
      ['saml', '/config/attributes/1', 12130, { ...saml(), attributes: ['a', 'a'] }],
      ['saml', '/config/client_secret', 1002, { ...saml(), client_secret: SECRET }],
      ['onetimepin', '/config/redirect_url', 1002, { redirect_url: 'https://example.com' }],
      ['onetimepin', '/config/client_id', 1002, { client_id: 'a' }],
    ];
    const rows = await readRows(stage.database);
    for (const [type, pointer, code, config] of wrong) {
      const answer = await create(stage, type, config);
      assert.deepEqual(refusalOf(answer), [400, code, pointer], `${type} ${JSON.stringify(config)}`);
      assert.ok(!JSON.stringify(answer.body).includes(SECRET));
    }
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('is refused if the issuer names itself otherwise, or leads away from https', async () => {
    const rows = await readRows(stage.database);
    const lies: ((document: Record<string, unknown>) => Record<string, unknown>)[] = [
      (document) => ({ ...document, issuer: `${provider.issuer}/` }),
      (document) => ({ ...document, token_endpoint: 'http://idp.example.com/token' }),
      (document) => ({ ...document, jwks_uri: 'https://169.254.169.254/keys' }),
      ({ authorization_endpoint: _, ...document }) => document,
    ];
    for (const discovery of lies) {
      provider.misbehaviour.discovery = discovery;
      try {
        const answer = await create(stage, 'google', { ...CLIENT, issuer: provider.issuer });
        assert.deepEqual(refusalOf(answer), [400, 12130, '/config/issuer']);
      } finally {
        delete provider.misbehaviour.discovery;
      }
    }
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('does not become one of another type', async () => {
    const { id } = await made(stage, 'google', { ...CLIENT, issuer: provider.issuer });
    const answer = await update(stage, id, 'okta', { ...CLIENT, okta_account: provider.issuer });
    assert.deepEqual(refusalOf(answer), [400, 12130, '/type']);
  });

  test('sends its secret to no other issuer without being given it again', async () => {
    await using elsewhere = await startOpenIdProvider({ people: [] });
    const { client_secret: _, ...client } = CLIENT;
    const moves: [string, object, object][] = [
      ['google', { issuer: provider.issuer }, { issuer: elsewhere.issuer }],
      ['okta', { okta_account: provider.issuer }, { okta_account: elsewhere.issuer }],
      ['github', { base_url: provider.issuer }, { base_url: elsewhere.issuer }],
      ['github', { base_url: provider.issuer }, {}],
    ];
    for (const [type, from, to] of moves) {
      const { id } = await made(stage, type, { ...CLIENT, ...from });
      const rows = await readRows(stage.database);
      const answer = await update(stage, id, type, { ...client, ...to });
      assert.deepEqual(refusalOf(answer), [400, 12130, '/config/client_secret'], type);
      assert.deepEqual(await readRows(stage.database), rows);
    }
  });

  const kinds: [name: string, type: string, config: () => object, answered: () => object][] = [
    [
      'Google',
      'google',
      () => ({ ...CLIENT, issuer: provider.issuer }),
      () => ({ claims: [], email_claim_name: 'email', issuer: provider.issuer }),
    ],
    [
      'Google Workspace',
      'google-apps',
      () => ({ ...CLIENT, issuer: provider.issuer, apps_domain: 'Example.com', prompt: 'consent' }),
      () => ({
        claims: [],
        email_claim_name: 'email',
        issuer: provider.issuer,
        apps_domain: 'example.com',
        prompt: 'consent',
      }),
    ],
    [
      'Entra',
      'azureAD',
      () => ({
        ...CLIENT,
        issuer: provider.issuer,
        directory_id: TENANT.toUpperCase(),
        support_groups: true,
        conditional_access_enabled: false,
        claims: ['roles'],
      }),
      () => ({
        claims: ['roles'],
        email_claim_name: 'email',
        issuer: provider.issuer,
        directory_id: TENANT,
        support_groups: true,
      }),
    ],
    [
      'Okta',
      'okta',
      () => ({ ...CLIENT, okta_account: `${provider.issuer}/`, issuer: provider.issuer }),
      () => ({ claims: [], email_claim_name: 'email', okta_account: `${provider.issuer}/` }),
    ],
    [
      'a GitHub Enterprise server',
      'github',
      () => ({ ...CLIENT, base_url: `${provider.issuer}/` }),
      () => ({ base_url: provider.issuer }),
    ],
    ['GitHub', 'github', () => CLIENT, () => ({})],
  ];
  for (const [name, type, config, answered] of kinds) {
    test(`is ${name}, takes back what it answers, and shows and stores its secret nowhere`, async () => {
      const { id, config: shown } = await made(stage, type, config());
      const ours = { client_id: 'portcullis', link_by_email: false, accept_stale_login: false };
      assert.deepEqual(shown, { ...ours, ...answered() });
      const identity = await seedSession(stage, id);
      const { status, body } = await update(stage, id, type, shown);
      assert.deepEqual([status, body.result.config, body.result.name], [200, shown, 'Renamed']);
      assert.deepEqual(await standsOf(stage, identity), { session: true, claims: '{"a":["b"]}' });
      assert.ok(!JSON.stringify(await readRows(stage.database)).includes(SECRET));
    });
  }

  test('is SAML, with certificates in PEM or as base64, of which expired ones may only stay', async () => {
    const bare = certificates.good.replaceAll(/-----[A-Z ]+-----|\s/g, '');
    const config = {
      issuer_url: 'urn:example:idp',
      sso_target_url: 'https://idp.example.com/sso?a=b',
      idp_public_certs: [bare, certificates.other],
      attributes: ['department'],
      email_attribute_name: 'mail',
      force_authn: true,
      sign_request: false,
      header_attributes: [],
    };
    const { id, config: shown } = await made(stage, 'saml', config);
    const { sign_request: _, header_attributes: __, ...kept } = config;
    assert.deepEqual(shown, { ...kept, link_by_email: false, accept_stale_login: false });
    const provider = await opened(stage, id);
    assert.ok(provider?.kind === 'saml');
    assert.deepEqual(
      provider.certificates.map((one) => one.replaceAll(/\s/g, '')),
      [certificates.good, certificates.other].map((one) => one.replaceAll(/\s/g, '')),
    );
    assert.deepEqual([provider.issuer, provider.emailAttribute], ['urn:example:idp', 'mail']);
    const identity = await seedSession(stage, id);
    stage.app.clock.advance(3 * DAY);
    try {
      assert.equal((await update(stage, id, 'saml', shown)).status, 200, 'a rename, when they have expired');
      assert.equal((await standsOf(stage, identity)).session, true);
      assert.deepEqual(refusalOf(await create(stage, 'saml', config)).slice(0, 2), [400, 12130]);
    } finally {
      stage.app.clock.advance(-3 * DAY);
    }
  });

  test('is GitHub, at its own host for the API', async () => {
    const hosts: [string | undefined, string, string][] = [
      [undefined, 'https://github.com', 'https://api.github.com'],
      ['https://octo.ghe.com', 'https://octo.ghe.com', 'https://api.octo.ghe.com'],
      ['https://git.example.com', 'https://git.example.com', 'https://git.example.com/api/v3'],
    ];
    for (const [base_url, issuer, api] of hosts) {
      const { id } = await made(stage, 'github', { ...CLIENT, ...(base_url ? { base_url } : {}) });
      const provider = await opened(stage, id);
      assert.ok(provider?.kind === 'github');
      assert.deepEqual([provider.issuer, provider.apiUrl], [issuer, api]);
    }
  });

  test('is opened for a sign-in with what its type needs', async () => {
    const issuer = { issuer: provider.issuer };
    const entra = {
      ...CLIENT,
      ...issuer,
      directory_id: TENANT,
      support_groups: true,
      prompt: 'select_account',
    };
    const open = async (type: string, config: object) => {
      const found = await opened(stage, (await made(stage, type, config)).id);
      assert.ok(found?.kind === 'oidc');
      return found;
    };
    const azure = await open('azureAD', entra);
    assert.deepEqual(azure.emailClaims, ['email', 'preferred_username']);
    assert.deepEqual(
      [azure.claims, azure.prompt, azure.freshPrompt],
      [['groups'], 'select_account', 'login'],
    );
    const apps = await open('google-apps', { ...CLIENT, ...issuer, apps_domain: 'example.com' });
    assert.deepEqual([apps.hostedDomain, apps.freshPrompt], ['example.com', 'select_account']);
    const okta = await open('okta', { ...CLIENT, okta_account: provider.issuer });
    assert.deepEqual(okta.claims, ['groups']);
    assert.equal(okta.endSessionUrl, `${provider.issuer}/session/end`);
    // Asked for only where it is offered.
    assert.ok(!okta.scopes.includes('groups'));
    provider.misbehaviour.discovery = (document) => ({ ...document, scopes_supported: ['openid', 'groups'] });
    try {
      const offering = await open('okta', { ...CLIENT, okta_account: provider.issuer });
      assert.deepEqual(offering.scopes, ['openid', 'groups']);
    } finally {
      delete provider.misbehaviour.discovery;
    }
  });

  test('can be renamed, and get a new secret, while it is down', async () => {
    const down = await startOpenIdProvider({ people: [] });
    const { id, config } = await made(stage, 'okta', { ...CLIENT, okta_account: down.issuer });
    await down.close();
    const identity = await seedSession(stage, id);
    assert.equal((await update(stage, id, 'okta', config)).status, 200);
    assert.equal((await update(stage, id, 'okta', { ...config, client_secret: 'another' })).status, 200);
    assert.equal((await standsOf(stage, identity)).session, true);
  });

  const proofs: [string, string, () => object, () => object][] = [
    ['another client', 'github', () => CLIENT, () => ({ ...CLIENT, client_id: 'other' })],
    ['another server', 'github', () => CLIENT, () => ({ ...CLIENT, base_url: provider.issuer })],
    [
      'another tenant',
      'azureAD',
      () => ({ ...CLIENT, issuer: provider.issuer, directory_id: TENANT }),
      () => ({ ...CLIENT, issuer: provider.issuer, directory_id: newUuid() }),
    ],
    [
      'another domain',
      'google-apps',
      () => ({ ...CLIENT, issuer: provider.issuer, apps_domain: 'example.com' }),
      () => ({ ...CLIENT, issuer: provider.issuer, apps_domain: 'example.org' }),
    ],
    [
      'another certificate',
      'saml',
      () => samlConfig(),
      () => samlConfig({ idp_public_certs: [certificates.other] }),
    ],
    [
      'one more certificate',
      'saml',
      () => samlConfig(),
      () => samlConfig({ idp_public_cert: certificates.other }),
    ],
    ['another entity', 'saml', () => samlConfig(), () => samlConfig({ issuer_url: 'urn:other' })],
    [
      'another address',
      'saml',
      () => samlConfig(),
      () => samlConfig({ sso_target_url: 'https://other.example.com' }),
    ],
    [
      'another attribute of the e-mail',
      'saml',
      () => samlConfig(),
      () => samlConfig({ email_attribute_name: 'b' }),
    ],
  ];
  for (const [name, type, from, to] of proofs) {
    test(`that is pointed at ${name} (${type}) ends every session and identity that came through it`, async () => {
      const { id } = await made(stage, type, from());
      const identity = await seedSession(stage, id);
      assert.equal((await update(stage, id, type, from())).status, 200);
      assert.equal((await standsOf(stage, identity)).session, true, 'the same again ends nothing');
      assert.equal((await update(stage, id, type, to())).status, 200);
      assert.deepEqual(await standsOf(stage, identity), { session: false, claims: null });
    });
  }

  const claims: [string, () => object, () => object][] = [
    ['saml', () => samlConfig({ attributes: ['a', 'b'] }), () => samlConfig({ attributes: ['b'] })],
    [
      'azureAD',
      () => ({ ...CLIENT, issuer: provider.issuer, directory_id: TENANT, support_groups: true }),
      () => ({ ...CLIENT, issuer: provider.issuer, directory_id: TENANT }),
    ],
    [
      'google',
      () => ({ ...CLIENT, issuer: provider.issuer, claims: ['a'] }),
      () => ({ ...CLIENT, issuer: provider.issuer }),
    ],
  ];
  for (const [type, more, fewer] of claims) {
    for (const [name, from, to] of [
      ['keeps a claim no more', more, fewer],
      ['is to keep one more claim', fewer, more],
    ] as const) {
      test(`that ${name} (${type}) ends its sessions and forgets claims, not people`, async () => {
        const { id } = await made(stage, type, from());
        const identity = await seedSession(stage, id);
        assert.equal((await update(stage, id, type, from())).status, 200);
        assert.equal((await standsOf(stage, identity)).session, true, 'the same claims end nothing');
        assert.equal((await update(stage, id, type, to())).status, 200);
        assert.deepEqual(await standsOf(stage, identity), { session: false, claims: '{}' });
      });
    }
  }

  test('that keeps the same claims in another order ends nothing', async () => {
    const { id } = await made(stage, 'saml', samlConfig({ attributes: ['a', 'b'] }));
    const identity = await seedSession(stage, id);
    assert.equal((await update(stage, id, 'saml', samlConfig({ attributes: ['b', 'a'] }))).status, 200);
    assert.equal((await standsOf(stage, identity)).session, true);
  });

  test('is the one-time PIN once in an account, whoever creates two at the same time', async () => {
    const answers = await Promise.all([1, 2, 3].map(() => create(stage, 'onetimepin', {})));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409, 409]);
    const one = answers.find(({ status }) => status === 201);
    const shown = { link_by_email: false, accept_stale_login: false };
    assert.deepEqual(one?.body.result.config, shown);
    const other = answers.find(({ status }) => status === 409);
    assert.equal(other?.body.errors[0]?.code, 12132);
    const answer = await update(stage, one?.body.result.id ?? '', 'onetimepin', { link_by_email: true });
    assert.deepEqual([answer.status, answer.body.result.config], [200, { ...shown, link_by_email: true }]);
    await send(stage, 'DELETE', `/${one?.body.result.id}`);
    assert.equal((await create(stage, 'onetimepin', {})).status, 201);
  });

  test('that an older version wrote is what it was', async () => {
    const { app } = stage;
    const { account_id: accountId } = app.credentials;
    const endpoints = {
      auth_url: 'https://i.test/a',
      token_url: 'https://i.test/t',
      certs_url: 'https://i.test/k',
    };
    const settings = {
      ...{ client_id: 'old', ...endpoints, scopes: ['openid'], email_claim_name: 'email' },
      ...{ link_by_email: true, answers_with_issuer: false },
    };
    const examined = { name: 'Old', type: 'oidc', issuer: 'https://i.test', secret: SECRET, settings };
    const now = new Date(app.clock.now()).toISOString();
    const vault = createVault(Buffer.alloc(32));
    const { database } = app.app.control;
    const { result } = await database.write((tx) =>
      createProvider(tx, { accountId, vault, now, examined: examined as never }),
    );
    const provider = await opened(stage, result.id);
    assert.ok(provider?.kind === 'oidc');
    const { claims, endSessionUrl, userInfoUrl, acceptsStaleLogin, linkByEmail } = provider;
    assert.deepEqual([claims, endSessionUrl, userInfoUrl, acceptsStaleLogin], [[], null, null, false]);
    assert.equal(linkByEmail, true);
    const { status, body } = await update(stage, result.id, 'oidc', {
      ...{ client_id: 'old', ...endpoints, scopes: ['openid'], link_by_email: true },
    });
    assert.deepEqual(
      [status, body.result.config.claims],
      [200, []],
      'without asking a provider that is gone',
    );
  });
}

function samlConfig(more: object = {}): object {
  return {
    issuer_url: 'urn:example:idp',
    sso_target_url: 'https://idp.example.com/sso',
    idp_public_certs: [certificates.good],
    email_attribute_name: 'a',
    ...more,
  };
}
