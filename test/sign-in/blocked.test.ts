import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type Gated, gatedOnBothDatabases, IDENTITY } from '../support/gated.ts';
import type { Person } from '../support/openid-provider.ts';
import { assertRefused, callbackFor, signInWith, withoutAccess } from '../support/sign-in-steps.ts';

interface Blocked {
  readonly id: string;
}

async function block({ sdk, account_id }: Gated, { email }: Pick<Person, 'email'>): Promise<Blocked> {
  const body = { email, reason: 'left us' };
  const answer = await sdk.post<{ result: Blocked }>(`/accounts/${account_id}/portcullis/blocked_users`, {
    body,
  });
  return answer.result;
}

async function unblock({ sdk, account_id }: Gated, { id }: Blocked): Promise<void> {
  await sdk.delete(`/accounts/${account_id}/portcullis/blocked_users/${id}`);
}

async function reasons({ sdk, account_id }: Gated, userId: string): Promise<unknown[]> {
  const page = await sdk.zeroTrust.access.users.failedLogins.list(userId, { account_id });
  return page.result.map(({ metadata }) => (metadata as { reason: unknown }).reason);
}

gatedOnBothDatabases('somebody who is blocked', (world) => {
  it('is out at once, and does not get in again whatever they do', async () => {
    const person = world().person();
    const browser = await world().signedIn(person);
    const user = await world().user(person);
    await block(world(), person);
    await withoutAccess(world(), async () => {
      assert.equal((await browser.get(world().team + IDENTITY)).status, 401);
      assert.equal((await world().open(browser)).status, 302);
      for (const with_ of [browser, world().browser()]) {
        const page = await signInWith(world(), {}, { browser: with_, person });
        assertRefused(world(), page, 'user_blocked');
        assert.match(page.text, /If you think you should be able to sign in, give your administrator/);
        assert.doesNotMatch(page.text.split('</style>')[1] ?? page.text, /block|left us/i);
      }
    });
    assert.deepEqual(await reasons(world(), user.id), ['user_blocked', 'user_blocked']);
  });

  it('does not get in by a sign-in that was under way', async () => {
    const person = world().person();
    await world().signedIn(person);
    const browser = world().browser();
    const callback = await callbackFor(world(), { browser, person });
    await block(world(), person);
    const page = await withoutAccess(world(), () => browser.get(callback));
    assertRefused(world(), page, 'user_blocked');
  });

  it('need not have been there before, and is nobody afterwards', async () => {
    const person = world().person({ email: 'Never.Seen@Example.com' });
    await block(world(), { email: 'never.seen@EXAMPLE.com' });
    await withoutAccess(world(), async () => {
      assertRefused(
        world(),
        await signInWith(world(), {}, { browser: world().browser(), person }),
        'user_blocked',
      );
    });
  });

  const spellings: readonly (readonly [blocked: string, comes: string])[] = [
    ['tagged@example.com', 'tagged+2@example.com'],
    ['änn@example.com', 'Änn@example.com'],
    ['wide@example.com', 'ｗide@example.com'],
    ['both@example.com', 'ＢＯＴＨ＋2@example.com'],
  ];
  for (const [email, other] of spellings) {
    it(`does not come back as ${other} for ${email}`, async () => {
      const person = world().person({ email: other });
      await block(world(), { email });
      await withoutAccess(world(), async () => {
        const page = await signInWith(world(), {}, { browser: world().browser(), person });
        assertRefused(world(), page, 'user_blocked');
      });
    });
  }

  it('with a tag is kept out with that tag alone', async () => {
    await block(world(), { email: 'single+2@example.com' });
    await world().signedIn(world().person({ email: 'single@example.com' }));
    await world().signedIn(world().person({ email: 'single+3@example.com' }));
  });

  it('gets in again once unblocked, by logging in afresh', async () => {
    const person = world().person();
    const browser = await world().signedIn(person);
    await unblock(world(), await block(world(), person));
    assert.equal((await browser.get(world().team + IDENTITY)).status, 401);
    const asked = await browser.follow(world().site, { until: ({ pathname }) => pathname.endsWith('/auth') });
    assert.equal(asked.location?.searchParams.get('prompt'), 'login');
    await world().signedIn(person, { browser });
  });
});
