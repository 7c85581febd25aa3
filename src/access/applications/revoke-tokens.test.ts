import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NotFoundError, PermissionDeniedError } from 'cloudflare';
import { newestEntry } from '../../../test/support/access.ts';
import { tokenIn } from '../../../test/support/forge.ts';
import { about, ask, assertSignIn, PROGRAM, withToken } from '../../../test/support/gate-questions.ts';
import { AUTHORIZED, type Gated, gatedOnBothDatabases, IDENTITY } from '../../../test/support/gated.ts';
import { type Person, signIn } from '../../../test/support/openid-provider.ts';
import { readRows } from '../../../test/support/rows.ts';
import { assertRefused, callbackFor, withoutAccess } from '../../../test/support/sign-in-steps.ts';
import { addTenant, tokenPolicy } from '../../../test/support/tenants.ts';
import { newUuid } from '../../kernel/ids.ts';

/* applications.revokeTokens (reference §3.4): every token for the application ends, and no session does. */

function use(world: Gated) {
  const { sdk, account_id, application } = world;
  const { applications } = sdk.zeroTrust.access;
  return {
    applications,
    account_id,
    application,
    revoke: () => applications.revokeTokens(application.id, { account_id }),
  };
}

/** A browser with a one-time code for the application in hand, not redeemed yet. */
async function codeFor(world: Gated, person: Person) {
  const browser = world.browser();
  const until = ({ pathname }: URL) => pathname === AUTHORIZED;
  const page = await signIn(browser, world.site, { login: person.sub, until });
  return { browser, code: page.location ?? assert.fail(page.text) };
}

gatedOnBothDatabases('revoking the tokens of an application', (world) => {
  test('ends those of everyone at the first request, and nobody has to sign in again', async () => {
    const { revoke } = use(world());
    const [ann, bob] = [world().person(), world().person()];
    const browsers = [await world().signedIn(ann), await world().signedIn(bob)];
    const tokens = browsers.map((browser) => tokenIn(browser, world().site));
    assert.deepEqual(await revoke(), {});
    for (const token of tokens) await assertSignIn(world(), [withToken(token)], 'revoked');
    for (const browser of browsers) {
      assert.equal((await browser.get(world().site)).location?.origin, world().team);
      assert.equal((await browser.get(world().team + IDENTITY)).status, 200);
      const page = await browser.follow(world().site, {
        until: ({ pathname }) => pathname.endsWith('/auth'),
      });
      assert.equal(page.status, 200, 'the session gives a new token, without the provider');
      assert.equal((await world().open(browser)).status, 200);
    }
    for (const token of tokens) await assertSignIn(world(), [withToken(token)], 'revoked');
  });

  test('leaves the tokens of other applications', async () => {
    const { revoke } = use(world());
    const other = await world().createApplication(`other.localhost:${new URL(world().site).port}`);
    const browser = await world().signedIn(world().person(), { site: other.site });
    const token = tokenIn(browser, other.site);
    await revoke();
    const question = [...about(world(), '/', new URL(other.site).host), ...PROGRAM, withToken(token)];
    assert.equal((await ask(world(), question)).reason, 'policy_allow');
  });

  test('ends a code that is on its way, and the browser gets another one', async () => {
    const { revoke } = use(world());
    const { browser, code } = await codeFor(world(), world().person());
    await revoke();
    const page = await withoutAccess(world(), () => browser.get(code));
    assertRefused(world(), page, 'superseded');
    assert.equal((await browser.follow(world().site)).status, 200);
    const later = await codeFor(world(), world().person());
    assert.equal((await later.browser.get(later.code)).status, 302);
    assert.equal((await world().open(later.browser)).status, 200);
  });

  test('lets a sign-in that is under way end well', async () => {
    const { revoke } = use(world());
    const browser = world().browser();
    const person = world().person();
    const callback = await callbackFor(world(), { browser, person, start: world().site });
    await revoke();
    assert.equal((await browser.follow(callback)).text, `hello ${person.email}`);
  });

  test('is one revocation, one entry, and the answer that the SDK knows, by account, zone and AUD tag', async () => {
    const { applications, application, account_id } = use(world());
    const { zone_id } = world().app.credentials;
    const inZone = await world().createApplication('revoked.localhost');
    for (const [id, place, found] of [
      [application.id, { account_id }, application.id],
      [application.aud.toUpperCase(), { account_id }, application.id],
      [inZone.id, { zone_id }, inZone.id],
    ] as const) {
      const before = await readRows(world().database);
      const answer = await applications.revokeTokens(id, place).asResponse();
      assert.equal(answer.status, 202);
      assert.deepEqual(await answer.json(), { success: true, errors: [], messages: [], result: {} });
      const after = await readRows(world().database);
      const known = new Set(before.feed_entries);
      const added = (after.feed_entries ?? []).filter((row) => !known.has(row)).map((row) => JSON.parse(row));
      assert.deepEqual(
        added.map(({ kind, subject_type, subject_id }) => [kind, subject_type, subject_id]),
        [['revocation', 'application', found]],
      );
      assert.deepEqual([after.applications, after.sessions], [before.applications, before.sessions]);
      const entry = await newestEntry(world().app);
      assert.deepEqual([entry.action?.type, entry.resource?.id], ['application.revoke_tokens', found]);
    }
  });

  test('takes the right to revoke or to write, and an application of the account', async () => {
    const { applications, account_id, application } = use(world());
    const { app } = world();
    const other = await addTenant(app, 'elsewhere');
    const theirs = other.sdk.zeroTrust.access.applications;
    const revoked = async () => (await readRows(world().database)).revocations;
    const none = await revoked();
    await assert.rejects(applications.revokeTokens(newUuid(), { account_id }), NotFoundError);
    await assert.rejects(theirs.revokeTokens(application.id, { account_id: other.accountId }), NotFoundError);
    await assert.rejects(theirs.revokeTokens(application.id, { account_id }), PermissionDeniedError);
    await assert.rejects(theirs.revokeTokens(application.id, { zone_id: other.zoneId }), NotFoundError);
    assert.deepEqual(await revoked(), none);
    for (const right of ['Read', 'Revoke', 'Write'] as const) {
      const name = `Access: Apps and Policies ${right}` as const;
      const policies = [tokenPolicy(account_id, [name])];
      const { value } = await app.sdk().accounts.tokens.create({ account_id, name, policies });
      const sdk = app.sdk({ apiToken: value ?? '' });
      const call = sdk.zeroTrust.access.applications.revokeTokens(application.id, { account_id });
      if (right !== 'Read') assert.deepEqual(await call, {});
      else {
        await assert.rejects(call, PermissionDeniedError);
        assert.deepEqual(await revoked(), none);
      }
    }
  });
});
