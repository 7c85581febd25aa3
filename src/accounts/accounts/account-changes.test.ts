import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PermissionDeniedError } from 'cloudflare';
import { onBothDatabases } from '../../../test/support/stage.ts';
import { addPerson, addTenant, firstTenant, refused } from '../../../test/support/tenants.ts';

onBothDatabases('an account is changed', (stage) => {
  const world = async () => {
    const home = await firstTenant(stage.app);
    const account_id = home.accountId;
    const { accounts } = home.sdk;
    return { home, account_id, accounts, before: await accounts.get({ account_id }) };
  };
  const asked = (account_id: string, more: object = {}) =>
    ({ account_id, id: account_id, name: 'Changed', type: 'standard' as const, ...more }) as const;

  describe('never', () => {
    it('by whoever may only read it, or is of another account', async () => {
      const { home, account_id, accounts, before } = await world();
      const may = ['Account Settings Read'] as const;
      const reader = await addPerson(stage.app, home, { email: 'reader@example.com', may });
      const other = await addTenant(stage.app, 'other');
      for (const { sdk } of [reader, other]) {
        await assert.rejects(sdk.accounts.update(asked(account_id)), PermissionDeniedError);
      }
      assert.deepEqual(await accounts.get({ account_id }), before);
    });

    it('to what cannot be honoured', async () => {
      const { account_id, accounts, before } = await world();
      const wrong: [object, string][] = [
        [{ settings: { enforce_twofactor: true } }, '/settings/enforce_twofactor'],
        [{ settings: { abuse_contact_email: 'nobody' } }, '/settings/abuse_contact_email'],
        [{ managed_by: { parent_org_id: 'a' } }, '/managed_by/parent_org_id'],
        [{ id: 'f'.repeat(32) }, '/id'],
        [{ name: '' }, '/name'],
        [{ name: undefined }, '/name'],
        [{ type: 'free' }, '/type'],
      ];
      for (const [more, pointer] of wrong) {
        const answer = await refused(accounts.update(asked(account_id, more)));
        assert.deepEqual([answer.status, answer.pointer], [400, pointer], JSON.stringify(more));
      }
      assert.deepEqual(await accounts.get({ account_id }), before);
    });
  });

  it('as the SDK and the Terraform provider send it', async () => {
    const { account_id, accounts, before } = await world();
    const settings = { abuse_contact_email: 'abuse@example.com', enforce_twofactor: false };
    const changed = await accounts.update(asked(account_id, { settings, managed_by: {} }));
    assert.deepEqual(changed, { ...before, name: 'Changed', settings });
    assert.deepEqual(await accounts.get({ account_id }), changed);
    assert.deepEqual(await accounts.update(asked(account_id)), changed);
    const listed = await accounts.list({ name: 'Changed' });
    assert.deepEqual(listed.result, [changed]);
    const enterprise = await accounts.update(asked(account_id, { type: 'enterprise' }));
    assert.equal(enterprise.type, 'enterprise');
    const cleared = await accounts.update(asked(account_id, { settings: { abuse_contact_email: '' } }));
    assert.deepEqual(cleared.settings, { enforce_twofactor: false });
  });
});
