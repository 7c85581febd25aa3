import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PermissionDeniedError } from 'cloudflare';
import { onBothDatabases } from '../../../test/support/stage.ts';
import { addPerson, addTenant, all, firstTenant, idsOf, refused } from '../../../test/support/tenants.ts';
import { superAdministrator } from '../../kernel/permissions.ts';

onBothDatabases('the user', (stage) => {
  describe('refuses', () => {
    it('a token of an account, which is nobody', async () => {
      const { sdk } = await firstTenant(stage.app);
      await assert.rejects(sdk.user.get(), PermissionDeniedError);
      await assert.rejects(sdk.user.edit({ first_name: 'Nobody' }), PermissionDeniedError);
    });

    it('a token of a person that may only read', async () => {
      const home = await firstTenant(stage.app);
      const person = await addPerson(stage.app, home, {
        email: 'reader@example.com',
        may: ['Account Settings Read'],
      });
      const { value = '' } = await person.sdk.user.tokens.create({
        name: 'read',
        policies: [
          {
            effect: 'allow',
            permission_groups: idsOf(['User Details Read']).map((id) => ({ id })),
            resources: { [`com.cloudflare.api.user.${person.administratorId}`]: '*' },
          },
        ],
      });
      const sdk = stage.app.sdk({ apiToken: value });
      const read = await sdk.user.get();
      assert.deepEqual([read.email, read.organizations], ['reader@example.com', []]);
      await assert.rejects(sdk.user.edit({ first_name: 'Ana' }), PermissionDeniedError);
      assert.equal((await person.sdk.user.get()).first_name, null);
    });

    it('what is too long, or no text', async () => {
      const home = await firstTenant(stage.app);
      const { sdk } = await addPerson(stage.app, home, { email: 'long@example.com', may: [] });
      const before = await sdk.user.get();
      const wrong = {
        first_name: 'x'.repeat(61),
        country: 'x'.repeat(31),
        zipcode: 7,
        telephone: 'a\u0000b',
      };
      for (const [name, value] of Object.entries(wrong)) {
        const answer = await refused(sdk.user.edit({ [name]: value } as object));
        assert.equal(answer.status, 400, name);
      }
      assert.deepEqual(await sdk.user.get(), before);
    });
  });

  it('is whoever asks, with the accounts that they have joined', async () => {
    const home = await firstTenant(stage.app);
    const other = await addTenant(stage.app, 'other');
    const roles = [superAdministrator.id];
    const { sdk, administratorId } = await addPerson(stage.app, home, { email: 'ana@example.com', roles });
    await addPerson(stage.app, other, { email: 'somebody@example.com', roles });
    const { name = '' } = await home.sdk.accounts.get({ account_id: home.accountId });
    assert.deepEqual(await sdk.user.get(), {
      id: administratorId,
      email: 'ana@example.com',
      first_name: null,
      last_name: null,
      country: null,
      telephone: null,
      zipcode: null,
      suspended: false,
      two_factor_authentication_enabled: false,
      two_factor_authentication_locked: false,
      has_pro_zones: false,
      has_business_zones: false,
      has_enterprise_zones: false,
      betas: [],
      organizations: [
        { id: home.accountId, name, status: 'member', roles: [superAdministrator.name], permissions: [] },
      ],
    });
  });

  it('changes what is given, and takes away what is null', async () => {
    const home = await firstTenant(stage.app);
    const { sdk, memberId } = await addPerson(stage.app, home, { email: 'edit@example.com', may: [] });
    const asked = { first_name: 'Zoë', last_name: 'Öz', country: 'NL', telephone: '+31 20', zipcode: '1012' };
    const edited = await sdk.user.edit(asked);
    assert.deepEqual({ ...edited, ...asked }, edited);
    assert.deepEqual(await sdk.user.get(), edited);
    const after = await sdk.user.edit({ last_name: null, zipcode: '' });
    assert.deepEqual(after, { ...edited, last_name: null, zipcode: null });
    assert.deepEqual(await sdk.user.edit({}), after);
    const member = await home.sdk.accounts.members.get(memberId, { account_id: home.accountId });
    assert.equal(member.user?.first_name, 'Zoë');
  });

  it('leaves in the audit log which fields were changed, and not to what', async () => {
    const home = await firstTenant(stage.app);
    const { sdk } = await addPerson(stage.app, home, { email: 'audited@example.com', may: [] });
    await sdk.user.edit({ telephone: '+49 30 901820' });
    const logs = await all(home.sdk.auditLogs.list({ account_id: home.accountId }));
    const entry = logs.find((one) => 'action' in one && one.action?.type === 'user.edit');
    assert.ok(entry);
    assert.doesNotMatch(JSON.stringify(logs), /901820/);
    assert.match(JSON.stringify(entry), /telephone/);
  });
});
