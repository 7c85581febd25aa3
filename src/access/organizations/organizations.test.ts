import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConflictError, PermissionDeniedError } from 'cloudflare';
import { seed, statement } from '../../../test/support/authority-rows.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases, type Stage } from '../../../test/support/stage.ts';
import { addTenant, refused } from '../../../test/support/tenants.ts';
import type { PermissionGroupName } from '../../kernel/permissions.ts';

function use({ app }: Stage) {
  const { account_id, zone_id } = app.credentials;
  const { organizations, access } = app.sdk().zeroTrust;
  return { app, account_id, zone_id, organizations, users: access.users };
}

/** The official SDK with a token that has this one permission on the whole account. */
async function sdkWith({ app }: Stage, name: PermissionGroupName) {
  const resource = `com.cloudflare.api.account.${app.credentials.account_id}`;
  const { secret } = await seed(app).token({}, [statement('allow', name, { [resource]: '*' })]);
  return app.sdk({ apiToken: secret });
}

/** What the gates were told last of the organization. */
async function newestState({ database }: Stage) {
  const { feed_entries: feed = [] } = await readRows(database);
  const items = feed.map((row) => JSON.parse(row)).filter(({ kind }) => kind === 'organization');
  const newest = items.sort((one, other) => one.position - other.position).at(-1);
  return { state: JSON.parse(newest.payload) };
}

onBothDatabases('the organization', (stage) => {
  test('refuses each setting that is not here yet by name, and changes nothing', async () => {
    const { app, account_id } = use(stage);
    const asked: Record<string, unknown> = {
      mfa_config: { allowed_authenticators: ['totp'] },
      mfa_piv_key_requirements: { pin_policy: 'always' },
      mfa_required_for_all_apps: true,
      service_token_inactivity: { action: 'delete', enabled: true, inactivity_threshold_days: 30 },
    };
    const rows = await readRows(stage.database);
    for (const [name, value] of Object.entries(asked)) {
      const body = { name: 'Renamed', [name]: value };
      const answer = await app.api('PUT', `/accounts/${account_id}/access/organizations`, { body });
      const [error] = answer.body.errors;
      assert.deepEqual([answer.status, error.code, error.source.pointer], [400, 1002, `/${name}`]);
    }
    const all = await app.api('PUT', `/accounts/${account_id}/access/organizations`, { body: asked });
    assert.equal(all.body.errors.length, Object.keys(asked).length);
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('takes what device sessions are, tells the gates, and takes the duration away again', async () => {
    const { organizations, account_id } = use(stage);
    const set = await organizations.update({
      account_id,
      allow_authenticate_via_warp: true,
      warp_auth_non_browser_401: true,
      warp_auth_session_duration: '2h45m',
    });
    const { allow_authenticate_via_warp: allows, warp_auth_non_browser_401: only401 } = set;
    assert.deepEqual([allows, only401, set.warp_auth_session_duration], [true, true, '2h45m']);
    assert.equal((await newestState(stage)).state.allow_authenticate_via_warp, true);
    const kept = await organizations.update({ account_id, name: set.name ?? '' });
    assert.equal(kept.warp_auth_session_duration, '2h45m');
    const gone = await organizations.update({
      account_id,
      allow_authenticate_via_warp: false,
      warp_auth_non_browser_401: false,
      warp_auth_session_duration: '',
    });
    assert.equal('warp_auth_session_duration' in gone, false);
    assert.equal((await newestState(stage)).state.allow_authenticate_via_warp, false);
  });

  test('names every fault of an update, and changes nothing', async () => {
    const { app, account_id } = use(stage);
    const wrong: [string, object][] = [
      ['/auth_domain', { auth_domain: 'elsewhere.example.com' }],
      ['/auth_domain', { auth_domain: '' }],
      ['/warp_auth_session_duration', { warp_auth_session_duration: '14m' }],
      ['/warp_auth_session_duration', { warp_auth_session_duration: '745h' }],
      ['/warp_auth_session_duration', { warp_auth_session_duration: '30m0s' }],
      ['/warp_auth_session_duration', { warp_auth_session_duration: '1.5h' }],
      ['/session_duration', { session_duration: '14m59s' }],
      ['/session_duration', { session_duration: '744h1ms' }],
      ['/session_duration', { session_duration: '1d' }],
      ['/session_duration', { session_duration: '-24h' }],
      ['/session_duration', { session_duration: 24 }],
      ['/session_duration', { session_duration: null }],
      ['/name', { name: '' }],
      ['/name', { name: null }],
      ['/is_ui_read_only', { is_ui_read_only: 'true' }],
      ['/login_design/header_text', { login_design: { header_text: 1 } }],
      ['/login_design/script', { login_design: { script: 'x' } }],
      ['/login_design/text_color', { login_design: { text_color: 'red' } }],
      ['/login_design/text_color', { login_design: { text_color: '#12345' } }],
      ['/login_design/background_color', { login_design: { background_color: '#12345g' } }],
      ['/login_design/background_color', { login_design: { background_color: '#112233;--x:url(//a)' } }],
      ['/login_design/logo_path', { login_design: { logo_path: 'http://logo.example/a.png' } }],
      ['/login_design/logo_path', { login_design: { logo_path: 'javascript:alert(1)' } }],
      ['/login_design/logo_path', { login_design: { logo_path: 'https://me:secret@logo.example/' } }],
      ['/login_design/logo_path', { login_design: { logo_path: '/logo.png' } }],
      ['/login_design/header_text', { login_design: { header_text: 'x'.repeat(1025) } }],
      ['/auto_redirect_to_identity', { auto_redirect_to_identity: null }],
      ['/strict_service_token_auth', { strict_service_token_auth: 'yes' }],
      ['/deny_unmatched_requests', { deny_unmatched_requests: 0 }],
      [
        '/deny_unmatched_requests_exempted_zone_names/1',
        { deny_unmatched_requests_exempted_zone_names: ['LOCALHOST', 'elsewhere.example'] },
      ],
      [
        '/deny_unmatched_requests_exempted_zone_names/0',
        { deny_unmatched_requests_exempted_zone_names: [''] },
      ],
      ['/custom_pages/forbidden', { custom_pages: { forbidden: 'unknown' } }],
      ['/custom_pages/identity_denied', { custom_pages: { identity_denied: 1 } }],
      ['/custom_pages/login', { custom_pages: { login: 'x' } }],
    ];
    const rows = await readRows(stage.database);
    for (const [pointer, body] of wrong) {
      const answer = await app.api('PUT', `/accounts/${account_id}/access/organizations`, { body });
      const [error] = answer.body.errors;
      assert.deepEqual(
        [answer.status, error?.code, error?.source?.pointer],
        [400, 12130, pointer],
        JSON.stringify(body),
      );
    }
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('is there from the start, so a second one is a conflict that no retry can help', async () => {
    const { organizations, account_id } = use(stage);
    const rows = await readRows(stage.database);
    const call = organizations.create({ account_id, name: 'Second', auth_domain: 'second.example.com' });
    const { status, code, error } = await refused(call);
    assert.ok(error instanceof ConflictError);
    assert.deepEqual([status, code, error.headers?.get('x-should-retry')], [409, 11002, 'false']);
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('is shown to readers, and changed by writers alone', async () => {
    const { account_id } = use(stage);
    const reader = await sdkWith(stage, 'Access: Organizations, Identity Providers, and Groups Read');
    const stranger = await sdkWith(stage, 'Access: Apps and Policies Write');
    await reader.zeroTrust.organizations.list({ account_id });
    const rows = await readRows(stage.database);
    await assert.rejects(
      reader.zeroTrust.organizations.update({ account_id, name: 'x' }),
      PermissionDeniedError,
    );
    await assert.rejects(stranger.zeroTrust.organizations.list({ account_id }), PermissionDeniedError);
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('takes what asks for nothing, so a client may send back what it was given', async () => {
    const { app, organizations, account_id } = use(stage);
    const before = await organizations.list({ account_id });
    const updated = await organizations.update({
      account_id,
      ...(before as object),
      custom_pages: {},
      mfa_config: {},
      service_token_inactivity: { action: 'disable', enabled: false, inactivity_threshold_days: 30 },
      deny_unmatched_requests_exempted_zone_names: [],
      user_seat_expiration_inactive_time: '',
      warp_auth_non_browser_401: false,
    });
    const { updated_at: _, ...rest } = before as Record<string, unknown>;
    const { updated_at: __, ...same } = updated as Record<string, unknown>;
    assert.deepEqual(same, rest);
    const answer = await app.api('PUT', `/accounts/${account_id}/access/organizations`, {
      body: { mfa_config: null, warp_auth_non_browser_401: null, surprise: 1 },
    });
    assert.equal(answer.status, 200);
    assert.deepEqual(
      answer.body.messages.map((message: { source: object }) => message.source),
      [{ pointer: '/surprise' }],
    );
  });

  test('keeps what an update does not name, and tells the gates the whole new state', async () => {
    const { app, organizations, account_id, zone_id } = use(stage);
    const first = await organizations.update({
      account_id,
      name: 'Widget Corps',
      session_duration: '12h30m',
      is_ui_read_only: true,
      ui_read_only_toggle_reason: 'Managed by Terraform',
      login_design: { header_text: 'Welcome', text_color: '#112233' },
    });
    assert.equal(first.auth_domain, app.teamDomain);
    const second = await organizations.update({ account_id, login_design: { footer_text: 'Bye' } });
    assert.deepEqual(second.login_design, {
      header_text: 'Welcome',
      text_color: '#112233',
      footer_text: 'Bye',
    });
    const shown = await organizations.list({ zone_id });
    assert.deepEqual(shown, second);
    assert.deepEqual(
      [shown.name, shown.session_duration, shown.is_ui_read_only, shown.ui_read_only_toggle_reason],
      ['Widget Corps', '12h30m', true, 'Managed by Terraform'],
    );
    assert.deepEqual((await newestState(stage)).state, {
      name: 'Widget Corps',
      auth_domain: app.teamDomain,
      session_duration: 45_000_000,
      auto_redirect_to_identity: true,
      strict_service_tokens: false,
      allow_authenticate_via_warp: false,
      deny_unmatched_requests: true,
      unmatched_exempted_zones: [],
      zones: ['localhost'],
      design: {
        header_text: 'Welcome',
        footer_text: 'Bye',
        logo: null,
        text_color: '#112233',
        background_color: null,
      },
      custom_pages: { forbidden: null, identity_denied: null },
    });
  });

  test('is changed by PATCH as by PUT: what is given, and what is empty is taken away', async () => {
    const { app, organizations, account_id } = use(stage);
    const { uid: id } = await app.sdk().zeroTrust.access.customPages.create({
      account_id,
      name: 'Forbidden',
      type: 'forbidden',
      custom_html: '<h1>No</h1>',
    });
    const path = `/accounts/${account_id}/access/organizations`;
    const set = {
      auto_redirect_to_identity: false,
      deny_unmatched_requests: false,
      deny_unmatched_requests_exempted_zone_names: ['LocalHost', 'localhost'],
      strict_service_token_auth: true,
      custom_pages: { forbidden: id },
      login_design: { logo_path: 'https://logo.example/a.png', header_text: '', footer_text: 'Bye' },
    };
    const answer = await app.api('PATCH', path, { body: set });
    assert.equal(answer.status, 200);
    const { result } = answer.body;
    const names = ['auto_redirect_to_identity', 'deny_unmatched_requests', 'strict_service_token_auth'];
    assert.deepEqual(
      names.map((name) => result[name]),
      [false, false, true],
    );
    assert.deepEqual(result.deny_unmatched_requests_exempted_zone_names, ['localhost']);
    assert.deepEqual(result.custom_pages, { forbidden: id });
    assert.equal(result.login_design.logo_path, 'https://logo.example/a.png');
    assert.equal('header_text' in result.login_design, false);
    const { state } = await newestState(stage);
    assert.deepEqual(
      [state.auto_redirect_to_identity, state.deny_unmatched_requests, state.strict_service_tokens],
      [false, false, true],
    );
    assert.deepEqual([state.unmatched_exempted_zones, state.zones], [['localhost'], ['localhost']]);
    assert.deepEqual(state.custom_pages, { forbidden: id, identity_denied: null });
    assert.equal(state.design.logo, 'https://logo.example/a.png');
    const back = await organizations.update({ account_id, ...(result as object) });
    assert.deepEqual({ ...back, updated_at: '' }, { ...result, updated_at: '' });
    const cleared = await app.api('PATCH', path, {
      body: {
        auto_redirect_to_identity: true,
        deny_unmatched_requests: true,
        deny_unmatched_requests_exempted_zone_names: [],
        strict_service_token_auth: false,
        custom_pages: { forbidden: '' },
        login_design: { logo_path: '' },
      },
    });
    assert.deepEqual(cleared.body.result.custom_pages, {});
    assert.equal('logo_path' in cleared.body.result.login_design, false);
  });

  test('takes a custom page for nothing but its own type', async () => {
    const { app, account_id } = use(stage);
    const { uid } = await app.sdk().zeroTrust.access.customPages.create({
      account_id,
      name: 'Denied',
      type: 'identity_denied',
      custom_html: '<h1>No</h1>',
    });
    const rows = await readRows(stage.database);
    const answer = await app.api('PATCH', `/accounts/${account_id}/access/organizations`, {
      body: { custom_pages: { forbidden: uid } },
    });
    assert.equal(answer.status, 400);
    assert.equal(answer.body.errors[0].source.pointer, '/custom_pages/forbidden');
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('of another account is out of reach', async () => {
    const { app, organizations } = use(stage);
    const other = await addTenant(app, 'elsewhere');
    const { accountId: account_id, zoneId: zone_id } = other;
    await assert.rejects(organizations.list({ account_id }), PermissionDeniedError);
    await assert.rejects(organizations.update({ zone_id, name: 'Mine' }), PermissionDeniedError);
    await assert.rejects(
      organizations.revokeUsers({ zone_id, email: 'a@example.com' }),
      PermissionDeniedError,
    );
    assert.equal((await other.sdk.zeroTrust.organizations.list({ account_id })).name, 'elsewhere');
  });
});

onBothDatabases('revoking a user', (stage) => {
  const create = async (email: string) => {
    const { users, account_id } = use(stage);
    return (await users.create({ account_id, email }))?.id ?? '';
  };

  test('is loud about everything that is not exactly one known user', async () => {
    const { app, account_id, zone_id } = use(stage);
    const [id, otherId] = [await create('ann@example.com'), await create('bob@example.com')];
    const email = 'ann@example.com';
    const table: [number, string | undefined, object, string?][] = [
      [400, '/email', {}],
      [400, '/email', { user_uid: id }],
      [400, '/email', { email: null }],
      [400, '/email', { email: '' }],
      [400, '/email', { email: 'not an e-mail' }],
      [400, '/user_uid', { email, user_uid: otherId }],
      [400, '/user_uid', { email, user_uid: 'x' }],
      [400, '/user_uid', { email, user_uid: null }],
      [400, '/devices', { email, devices: null }],
      [400, '/devices', { email, devices: 'true' }],
      [400, '/body_devices', { email, body_devices: 1 }],
      [400, '/warp_session_reauth', { email, warp_session_reauth: null }],
      [400, '/query/devices', { email }, '?devices=yes'],
      [400, '/query/devices', { email }, '?devices=true&devices=false'],
      [404, undefined, { email: 'nobody@example.com' }],
    ];
    const rows = await readRows(stage.database);
    for (const prefix of [`/accounts/${account_id}`, `/zones/${zone_id}`]) {
      for (const [status, pointer, body, query = ''] of table) {
        const target = `${prefix}/access/organizations/revoke_user${query}`;
        const answer = await app.api('POST', target, { body });
        const [error] = answer.body.errors;
        assert.deepEqual([answer.status, error.source?.pointer], [status, pointer], JSON.stringify(body));
      }
    }
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('takes any spelling of devices for a wish to revoke them, and audits it', async () => {
    const { app, account_id } = use(stage);
    await create('dave@example.com');
    const target = `/accounts/${account_id}/access/organizations/revoke_user`;
    const spellings: [boolean, string, object][] = [
      [false, '', {}],
      [false, '?devices=false', { devices: false, body_devices: false }],
      [true, '?devices=true', { devices: false }],
      [true, '?devices=false', { devices: true }],
      [true, '', { devices: false, body_devices: true }],
    ];
    const seen: boolean[] = [];
    for (const [, query, body] of spellings) {
      app.clock.advance(1000);
      const answer = await app.api('POST', target + query, { body: { email: 'dave@example.com', ...body } });
      assert.equal(answer.status, 200);
      const { audit_entries: entries = [] } = await readRows(stage.database);
      const newest = entries
        .map((entry) => JSON.parse(entry))
        .sort((one, other) => one.position - other.position);
      seen.push(JSON.parse(newest.at(-1).metadata).devices);
    }
    assert.deepEqual(
      seen,
      spellings.map(([devices]) => devices),
    );
  });
});
