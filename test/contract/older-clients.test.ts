import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allowAll } from '../support/access.ts';
import { enrolTestDevice } from '../support/devices.ts';
import { onBothDatabases, type Stage } from '../support/stage.ts';
import { all, idsOf } from '../support/tenants.ts';

/*
 * Requests as clients send them that the newest SDK is not: earlier SDKs, other languages, the documentation's own
 * examples (reference §1.4, §3, §10). Each is answered as it was meant, and never as less than was asked.
 */

function use({ app }: Stage) {
  const { account_id, zone_id } = app.credentials;
  return {
    app,
    account_id,
    zone_id,
    sdk: app.sdk(),
    account: `/accounts/${account_id}`,
    zone: `/zones/${zone_id}`,
  };
}

async function newMember({ sdk, account_id }: ReturnType<typeof use>, email: string): Promise<string> {
  const { id } = await sdk.accounts.members.create({ account_id, email, policies: [] });
  assert.ok(id);
  return id;
}

/** An answer without the times of its last change. */
function untimed(answer: object): object {
  return JSON.parse(JSON.stringify(answer, (key, value) => (key === 'updated_at' ? undefined : value)));
}

onBothDatabases('an older client', (stage) => {
  test('adds a member to a user group as an array, as one object, and under a name', async () => {
    const { app, account, account_id, sdk, ...rest } = use(stage);
    const group = await sdk.iam.userGroups.create({ account_id, name: 'Everybody', policies: [] });
    const target = `${account}/iam/user_groups/${group.id}/members`;
    const added: string[] = [];
    for (const shape of [
      (member: object) => [member],
      (member: object) => member,
      (member: object) => ({ members: [member] }),
    ]) {
      const id = await newMember({ app, account, account_id, sdk, ...rest }, `m${added.length}@example.com`);
      const answer = await app.api('POST', target, { body: shape({ id }) });
      added.push(id);
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      const answered = (answer.body.result as { id: string }[]).map((member) => member.id);
      assert.deepEqual(answered.sort(), [...added].sort());
    }
    for (const body of [{}, [{}], { members: {} }, { id: 7 }, null]) {
      assert.equal((await app.api('POST', target, { body })).status, 400, JSON.stringify(body));
    }
    const members = await all(sdk.iam.userGroups.members.list(group.id, { account_id }));
    assert.deepEqual(members.map(({ id }) => id).sort(), added.sort());
  });

  test('revokes a person by an e-mail alone, and the devices in any spelling, also by the path of a zone', async () => {
    const { app, account, zone, account_id, sdk } = use(stage);
    const email = 'lost@example.com';
    const ways: readonly (readonly [target: string, more: object, devices: boolean])[] = [
      [account, {}, false],
      [zone, {}, false],
      [account, { devices: true }, true],
      [account, { body_devices: true }, true],
      [`${account}?devices=true`, {}, true],
    ];
    for (const [at, more, devices] of ways) {
      const { registrationId } = await enrolTestDevice(app, { email });
      const [path, query] = at.split('?');
      const target = `${path}/access/organizations/revoke_user${query ? `?${query}` : ''}`;
      const answer = await app.api('POST', target, { body: { email, ...more } });
      assert.deepEqual([answer.status, answer.body], [200, { result: true, success: true }]);
      const { revoked_at } = await sdk.zeroTrust.devices.registrations.get(registrationId, { account_id });
      assert.equal(typeof revoked_at === 'string', devices, JSON.stringify(more));
    }
  });

  test('binds a token to addresses as the documentation writes them, and is bound by them', async () => {
    const { app, account, account_id } = use(stage);
    const permission_groups = idsOf(['Account Settings Read']).map((id) => ({ id }));
    const resources = { [`com.cloudflare.api.account.${account_id}`]: '*' };
    const policies = [{ effect: 'allow', resources, permission_groups }];
    for (const [range, status] of [
      ['127.0.0.0/8', 200],
      ['192.0.2.0/24', 401],
    ] as const) {
      const condition = { 'request.ip': { in: [range] } };
      const made = await app.api('POST', `${account}/tokens`, {
        body: { name: range, policies, condition },
      });
      assert.equal(made.status, 200);
      assert.deepEqual(made.body.result.condition, { request_ip: { in: [range] } });
      const asked = await app.api('GET', account, { token: made.body.result.value });
      assert.equal(asked.status, status);
    }
  });

  test('protects several domains that it lists beside the first', async () => {
    const { app, account } = use(stage);
    const domains = ['a.older.localhost', 'b.older.localhost/path'];
    const named = { name: 'Older', type: 'self_hosted', policies: [allowAll] };
    for (const more of [{}, { domain: domains[0] }]) {
      const body = { ...named, ...more, self_hosted_domains: domains };
      const made = await app.api('POST', `${account}/access/apps`, { body });
      assert.equal(made.status, 201, JSON.stringify(made.body));
      const { id, domain, destinations, self_hosted_domains } = made.body.result;
      assert.equal(domain, domains[0]);
      assert.deepEqual(self_hosted_domains, domains);
      assert.deepEqual(
        destinations.map(({ uri }: { uri: string }) => uri),
        domains,
      );
      assert.equal((await app.api('DELETE', `${account}/access/apps/${id}`)).status, 202);
    }
  });

  test('changes one setting of the organization by PATCH, and no other', async () => {
    const { app, account, zone } = use(stage);
    const target = `${account}/access/organizations`;
    const { result: was } = (await app.api('GET', target)).body;
    for (const at of [account, zone]) {
      const strict = at === account;
      const body = { strict_service_token_auth: strict };
      const answer = await app.api('PATCH', `${at}/access/organizations`, { body });
      assert.equal(answer.status, 200);
      assert.deepEqual(untimed(answer.body.result), { ...untimed(was), strict_service_token_auth: strict });
    }
  });

  test('that never asks for a second page is given all that an account can have', async () => {
    const { app, account, zone, account_id, sdk } = use(stage);
    const names = Array.from({ length: 120 }, (_, index) => `tag ${index}`);
    for (const name of names) await sdk.zeroTrust.access.tags.create({ account_id, name });
    const tags = await app.api('GET', `${account}/access/tags`);
    assert.deepEqual(
      tags.body.result.map(({ name }: { name: string }) => name),
      names,
    );
    for (const list of ['apps', 'groups', 'service_tokens', 'identity_providers', 'certificates']) {
      for (const at of [account, zone]) {
        const { body } = await app.api('GET', `${at}/access/${list}`);
        assert.equal(body.result_info?.per_page, 1000, JSON.stringify([at, list, body]));
      }
    }
    for (const list of ['users', 'policies', 'custom_pages']) {
      const { body } = await app.api('GET', `${account}/access/${list}`);
      assert.equal(body.result_info.per_page, 1000, list);
    }
  });

  test('that asks page after page of what is answered at once is told when to stop', async () => {
    const { app, account } = use(stage);
    for (const list of ['access/tags', 'access/users', 'members', 'iam/user_groups', 'audit_logs']) {
      const first = await app.api('GET', `${account}/${list}?per_page=50&page=1`);
      assert.ok(first.body.result.length > 0, list);
      const last = await app.api('GET', `${account}/${list}?per_page=50&page=1000`);
      assert.deepEqual([last.status, last.body.result], [200, []], list);
    }
  });

  test('sends settings that ask for nothing, and nulls, with a whole object', async () => {
    const { app, account } = use(stage);
    const body = {
      name: 'Whole',
      type: 'self_hosted',
      domain: 'whole.older.localhost',
      policies: [allowAll],
      allow_authenticate_via_warp: false,
      cors_headers: null,
      options_preflight_bypass: false,
      skip_interstitial: false,
      allow_iframe: false,
      path_cookie_attribute: false,
      scim_config: { enabled: false },
      tags: [],
      use_clientless_isolation_app_launcher_url: false,
    };
    const made = await app.api('POST', `${account}/access/apps`, { body });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const again = await app.api('PUT', `${account}/access/apps/${made.body.result.id}`, {
      body: made.body.result,
    });
    assert.equal(again.status, 200, JSON.stringify(again.body));
    assert.deepEqual(untimed(again.body.result), untimed(made.body.result));
  });
});
