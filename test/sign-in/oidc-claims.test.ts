import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CALLBACK, gatedOnBothDatabases } from '../support/gated.ts';
import { scriptedIn } from '../support/scripted-steps.ts';
import { assertRefused, withoutAccess } from '../support/sign-in-steps.ts';

const BROKEN = 'provider_answer_invalid';
const TENANT = 'c2a5a8a0-0000-4000-8000-0123456789ab';
const config = { claims: ['groups', 'department', '__proto__', 'constructor'] };

/** As JSON has it: an own property of that name. */
const withProto = (value: unknown) => JSON.parse(`{"__proto__":${JSON.stringify(value)}}`);

gatedOnBothDatabases('claims of a sign-in', (world) => {
  test('are those that the provider is to tell, as texts, and none else', async () => {
    await using scripted = await scriptedIn(world(), { config });
    const told = {
      groups: ['eng', 7, true, { nested: 'x' }, ['deeper'], null, ''],
      department: { name: 'sales' },
      constructor: 'builder',
      other: 'not asked for',
      amr: ['pwd', 'mfa', 3],
      name: 'Somebody',
    };
    const identity = await scripted.identity({ ...told, ...withProto(['polluted']) });
    assert.deepEqual(identity.groups, ['eng', '7', 'true', '']);
    assert.equal(
      JSON.stringify(identity.oidc_fields),
      JSON.stringify({ ...withProto(['polluted']), constructor: ['builder'] }),
    );
    assert.deepEqual([identity.amr, identity.name], [['pwd', 'mfa', '3'], 'Somebody']);
    assert.equal(Object.hasOwn({}, 'polluted'), false);
  });

  test('are none where the provider is to tell none', async () => {
    await using scripted = await scriptedIn(world());
    const identity = await scripted.identity({ groups: ['eng'], department: 'sales' });
    assert.deepEqual([identity.groups, identity.oidc_fields, identity.amr], [[], {}, []]);
  });

  const beyond: [string, Record<string, unknown>][] = [
    ['more than 200 values', { groups: Array.from({ length: 201 }, (_, at) => `g${at}`) }],
    ['a value of more than 1,024 characters', { department: 'x'.repeat(1025) }],
    [
      '16 KiB in all',
      { groups: Array(9).fill('x'.repeat(1000)), department: Array(9).fill('y'.repeat(1000)) },
    ],
    ['16 KiB in all of letters that are two bytes each', { groups: Array(9).fill('\u00e9'.repeat(1000)) }],
    ['a NUL', { department: 'a\u0000b' }],
    ['a line break', { groups: ['a\nb'] }],
    ['half a character', { groups: ['\ud800'] }],
    [
      'a claim kept elsewhere',
      { _claim_names: { groups: 'src1' }, _claim_sources: { src1: { endpoint: 'x' } } },
    ],
    ['groups that have no room', { hasgroups: true }],
    ['too many methods of authentication', { amr: Array(201).fill('pwd') }],
    ['methods of authentication beyond 16 KiB', { amr: Array(17).fill('x'.repeat(1000)) }],
  ];
  for (const [name, claims] of beyond) {
    test(`refuse the sign-in with ${name}, since an exclude might be in what is cut off`, async () => {
      await using scripted = await scriptedIn(world(), { config });
      const [sub, email] = [`beyond ${name}`, `${beyond.findIndex(([one]) => one === name)}@beyond.example`];
      scripted.provider.userInfo = { sub };
      const page = await withoutAccess(world(), () => scripted.signIn({ sub, email, ...claims }));
      assertRefused(world(), page, BROKEN, 502);
      assert.equal((await scripted.signIn({ sub, email })).status, 200, 'nothing else is wrong with it');
    });
  }

  test('may be as many and as long as is kept', async () => {
    await using scripted = await scriptedIn(world(), { config: { claims: ['groups', 'department'] } });
    const groups = Array.from({ length: 200 }, (_, at) => `group ${at}`);
    const identity = await scripted.identity({ groups, department: 'x'.repeat(1024) });
    assert.deepEqual(identity.groups, groups);
    assert.deepEqual(identity.oidc_fields, { department: ['x'.repeat(1024)] });
  });

  test('come from the UserInfo endpoint where the ID token leaves them out, and never in its place', async () => {
    await using scripted = await scriptedIn(world(), { config: { claims: ['groups', 'department'] } });
    scripted.provider.userInfo = { sub: 'whoever', groups: ['forged'], department: 'sales', amr: ['mfa'] };
    Object.assign(scripted.provider.userInfo, { email: 'other@example.com', sid: 'x', auth_time: 1 });
    const identity = await scripted.identity({ sub: 'whoever', groups: ['eng'] });
    assert.deepEqual([identity.groups, identity.oidc_fields], [['eng'], { department: ['sales'] }]);
    assert.deepEqual(identity.amr, [], 'how they signed in is said by what is signed alone');
    assert.notEqual(identity.email, 'other@example.com');
    scripted.provider.requests.length = 0;
    await scripted.identity({ groups: [], department: [] });
    assert.ok(!scripted.provider.requests.includes('/me'), 'nobody is asked for what is there');
  });

  test('and an e-mail, told at the UserInfo endpoint, have to be verified there', async () => {
    await using scripted = await scriptedIn(world());
    const email = 'told-beside@example.com';
    scripted.provider.userInfo = { sub: 'beside', email, email_verified: false };
    const claims = { sub: 'beside', email: undefined };
    assertRefused(world(), await withoutAccess(world(), () => scripted.signIn(claims)), 'email_unverified');
    scripted.provider.userInfo = { sub: 'beside', email, email_verified: true };
    assert.equal((await scripted.identity(claims)).email, email);
  });

  test('that are dropped from the provider are gone at once, and so are the sessions that had them', async () => {
    await using scripted = await scriptedIn(world(), { config: { claims: ['groups'] } });
    const browser = world().browser();
    assert.equal((await scripted.signIn({ groups: ['eng'] }, browser)).status, 200);
    const identity = `${world().team}/cdn-cgi/access/get-identity`;
    assert.equal((await browser.get(identity)).status, 200);
    await scripted.configure({ claims: [] });
    assert.notEqual((await browser.get(identity)).status, 200);
    const again = await scripted.identity({ groups: ['eng'] });
    assert.deepEqual(again.groups, []);
  });
});

gatedOnBothDatabases('the presets of vendors', (world) => {
  test('Google Workspace signs in accounts of its domain alone, whatever their e-mail', async () => {
    await using scripted = await scriptedIn(world(), {
      type: 'google-apps',
      config: { apps_domain: 'Example.com' },
    });
    for (const hd of [undefined, 'example.org', 'example.com.evil.example', '', ['example.com'], null]) {
      const page = await withoutAccess(world(), () => scripted.signIn({ hd, email_verified: true }));
      assertRefused(world(), page, 'provider_refused');
    }
    assert.equal((await scripted.signIn({ hd: 'EXAMPLE.com', email_verified: true })).status, 200);
  });

  test('Google asks for the domain and for another account, where it cannot ask for a password', async () => {
    await using scripted = await scriptedIn(world(), {
      type: 'google-apps',
      config: { apps_domain: 'example.com', prompt: 'consent' },
    });
    const start = `${world().team}/cdn-cgi/access/login?idp=${scripted.providerId}`;
    const asked = (await world().browser().get(start)).location?.searchParams;
    assert.deepEqual([asked?.get('hd'), asked?.get('prompt')], ['example.com', 'consent']);
    const cookie = 'CF_Authorization=gone';
    const fresh = (await world().browser().get(start, { cookie })).location?.searchParams;
    assert.deepEqual([fresh?.get('prompt'), fresh?.get('max_age')], ['select_account', null]);
  });

  test('Entra knows its people by their name where they have no e-mail, and their groups by id', async () => {
    const own = { directory_id: TENANT, support_groups: true };
    await using scripted = await scriptedIn(world(), { type: 'azureAD', config: own });
    const groups = ['aa1b2c3d-0000-4000-8000-000000000001'];
    const identity = await scripted.identity({
      email: undefined,
      preferred_username: 'Ana@Example.com',
      groups,
    });
    assert.deepEqual([identity.email, identity.groups], ['ana@example.com', groups]);
    const overage = { groups: undefined, _claim_names: { groups: 'src1' } };
    assertRefused(world(), await withoutAccess(world(), () => scripted.signIn(overage)), BROKEN, 502);
    await scripted.configure({ support_groups: false });
    assert.equal((await scripted.signIn(overage)).status, 200, 'whoever asks for no groups misses none');
  });

  test('Okta tells groups, beside the ID token too', async () => {
    await using scripted = await scriptedIn(world(), { type: 'okta' });
    scripted.provider.userInfo = { sub: 'thin', groups: ['Everyone', 'eng'] };
    const identity = await scripted.identity({ sub: 'thin' });
    assert.deepEqual(identity.groups, ['Everyone', 'eng']);
  });

  test('a provider that never says when it asked is held to it, unless it may leave that out', async () => {
    const { account_id, sdk } = world();
    for (const accept of [false, true]) {
      await using scripted = await scriptedIn(world(), { config: { accept_stale_login: accept } });
      const person = { sub: `stale-${accept}`, email: `stale-${accept}@example.com` };
      assert.equal((await scripted.signIn(person)).status, 200);
      await sdk.zeroTrust.organizations.revokeUsers({ account_id, email: person.email });
      const page = await scripted.signIn(person);
      if (accept) assert.equal(page.status, 200, page.text);
      else assertRefused(world(), page, 'not_reauthenticated');
      // One that says it asked too long ago is not believed in any case.
      await sdk.zeroTrust.organizations.revokeUsers({ account_id, email: person.email });
      const old = await scripted.signIn({ ...person, auth_time: Math.floor(Date.now() / 1000) - 3600 });
      assertRefused(world(), old, 'not_reauthenticated');
    }
  });

  test('send the browser back to one address', async () => {
    await using scripted = await scriptedIn(world());
    const start = `${world().team}/cdn-cgi/access/login?idp=${scripted.providerId}`;
    const { location } = await world().browser().get(start);
    assert.equal(location?.searchParams.get('redirect_uri'), world().team + CALLBACK);
  });
});
