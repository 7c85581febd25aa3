import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NotFoundError, PermissionDeniedError } from 'cloudflare';
import { newestEntry } from '../../../test/support/access.ts';
import { gatedOnBothDatabases } from '../../../test/support/gated.ts';
import { readRows } from '../../../test/support/rows.ts';
import { onBothDatabases } from '../../../test/support/stage.ts';
import { addTenant, tokenPolicy } from '../../../test/support/tenants.ts';
import { type PermissionGroupName, permissionGroups } from '../../kernel/permissions.ts';

/* What revoke_user (reference §2.3) ends and what it leaves, beside what organizations.test.ts says of its words. */

onBothDatabases('revoke_user', (stage) => {
  const at = () => ({ account_id: stage.app.credentials.account_id });
  const zone = () => ({ zone_id: stage.app.credentials.zone_id });
  const organizations = () => stage.app.sdk().zeroTrust.organizations;
  const create = async (email: string) => {
    const user = await stage.app.sdk().zeroTrust.access.users.create({ ...at(), email });
    return user?.id ?? '';
  };

  test('does not know the people of another account, nor touches them', async () => {
    const other = await addTenant(stage.app, 'other');
    const email = 'theirs@example.com';
    await other.sdk.zeroTrust.access.users.create({ account_id: other.accountId, email });
    const rows = await readRows(stage.database);
    for (const place of [at(), zone()]) {
      await assert.rejects(organizations().revokeUsers({ ...place, email }), NotFoundError);
    }
    for (const place of [{ account_id: other.accountId }, { zone_id: other.zoneId }]) {
      await assert.rejects(organizations().revokeUsers({ ...place, email }), PermissionDeniedError);
    }
    assert.deepEqual(await readRows(stage.database), rows);
  });

  test('is open to the permission groups that say so, and to no other that there is', async () => {
    const email = 'somebody@example.com';
    await create(email);
    const may = new Set<PermissionGroupName>([
      'Access: Organizations, Identity Providers, and Groups Write',
      'Access: Organizations, Identity Providers, and Groups Revoke',
      'Access: Organizations Revoke',
    ]);
    const { account_id } = at();
    for (const { name, scopes } of permissionGroups) {
      if (!scopes.includes('com.cloudflare.api.account')) continue;
      const policies = [tokenPolicy(account_id, [name])];
      const { value } = await stage.app.sdk().accounts.tokens.create({ account_id, name, policies });
      const sdk = stage.app.sdk({ apiToken: value ?? '' });
      const call = sdk.zeroTrust.organizations.revokeUsers({ account_id, email });
      if (may.has(name)) assert.equal(await call, true, name);
      else await assert.rejects(call, PermissionDeniedError, name);
    }
  });

  test('answers two words, byte for byte', async () => {
    const email = 'bytes@example.com';
    await create(email);
    for (const place of [`accounts/${at().account_id}`, `zones/${zone().zone_id}`]) {
      const response = await fetch(
        `${stage.app.origin}/client/v4/${place}/access/organizations/revoke_user`,
        {
          method: 'POST',
          headers: {
            authorization: `Bearer ${stage.app.credentials.api_token}`,
            'content-type': 'application/json',
          },
          body: JSON.stringify({ email }),
        },
      );
      assert.equal(response.status, 200);
      assert.equal(await response.text(), '{"result":true,"success":true}');
    }
  });

  test('writes in the audit log who was revoked, and how', async () => {
    const email = 'audited@example.com';
    const id = await create(email);
    await organizations().revokeUsers({ ...at(), email, warp_session_reauth: true });
    const { action, resource, owner, metadata } = await newestEntry(stage.app);
    assert.deepEqual(action, { type: 'user.revoke', result: true });
    assert.deepEqual([resource, owner], [{ id, type: 'user' }, { id: at().account_id }]);
    const { sessions, devices, warp_session_reauth } = metadata;
    assert.deepEqual([metadata.email, sessions, devices, warp_session_reauth], [email, 0, false, true]);
  });
});

gatedOnBothDatabases('revoke_user', (world) => {
  test('refuses who had a session at the next request; the person, the seat and others stay', async () => {
    const { app, account_id, sdk, arrived, open, person, signedIn, user } = world();
    const [ann, bob] = [person(), person()];
    const [browser, other] = [await signedIn(ann), await signedIn(bob)];
    const { users } = sdk.zeroTrust.access;
    const { id } = await user(ann);
    const before = await users.get(id, { account_id });
    assert.equal(before?.access_seat, true);
    const requests = arrived.length;

    await sdk.zeroTrust.organizations.revokeUsers({ account_id, email: ann.email });

    assert.equal((await open(browser)).status, 302);
    assert.equal(arrived.length, requests);
    assert.equal((await open(other)).status, 200);
    assert.equal((await newestEntry(app)).metadata.sessions, 1);
    assert.deepEqual((await users.activeSessions.list(id, { account_id })).result, []);
    assert.deepEqual(await users.get(id, { account_id }), before);
  });
});
