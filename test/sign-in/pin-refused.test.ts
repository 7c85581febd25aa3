import assert from 'node:assert/strict';
import { once } from 'node:events';
import { it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Client } from 'pg';
import { MINUTE } from '../../src/kernel/clock.ts';
import { assertMails, begun } from '../support/pin-steps.ts';
import { notThe, PIN, type PinWorld, pinsOnBothDatabases } from '../support/pin-world.ts';
import { readRows } from '../support/rows.ts';
import { assertPage, assertRefused, later, withoutAccess } from '../support/sign-in-steps.ts';
import { codeIn } from '../support/smtp.ts';

async function failures({ world }: PinWorld, userId = ''): Promise<string[]> {
  const { sdk, account_id } = world;
  const { result } = await sdk.zeroTrust.access.users.failedLogins.list(userId, { account_id });
  return result.map(({ metadata }) => (metadata as { reason: string }).reason);
}

/** The same, once there are some: they are noted after the answer. */
async function noted(pins: PinWorld, userId = ''): Promise<string[]> {
  for (let left = 500; left > 0; left -= 1) {
    const found = await failures(pins, userId);
    if (found.length > 0) return found;
    await setTimeout(10);
  }
  return [];
}

pinsOnBothDatabases('a code by mail is refused', (pins) => {
  it('once it was entered wrongly five times, and the right one too from then on', async () => {
    const { world } = pins();
    const { sdk, account_id } = world;
    const user = await sdk.zeroTrust.access.users.create({ account_id, email: 'five@example.com' });
    const { visitor, url, code } = await begun(pins(), 'five@example.com');
    await withoutAccess(world, async () => {
      for (const left of [4, 3, 2, 1]) {
        const page = await visitor.enter(url, notThe(code, left));
        assert.equal(page.status, 403);
        assertPage(page);
        assert.match(
          page.text,
          left === 1 ? /You have one try left/ : new RegExp(`You have ${left} tries left`),
        );
        assert.match(page.text, /aria-describedby="code-problem"/);
        assert.equal(page.headers['set-cookie'], undefined);
      }
      assertRefused(world, await visitor.enter(url, notThe(code)), 'pin_used_up');
      assertRefused(world, await visitor.enter(url, code), 'state_unknown');
      assertRefused(world, await visitor.get(url), 'state_unknown');
    });
    assert.deepEqual(await noted(pins(), user.id), ['pin_used_up']);
  });

  it('for the last time before that is noted for the user: how long it takes tells of nobody', async () => {
    const { world } = pins();
    const { sdk, account_id } = world;
    const user = await sdk.zeroTrust.access.users.create({ account_id, email: 'timed@example.com' });
    const { visitor, url, code } = await begun(pins(), 'timed@example.com');
    for (const step of [1, 2, 3, 4]) await visitor.enter(url, notThe(code, step));
    // On SQLite the notes alone cannot be locked: there it is told that they are written all the same.
    const holder = world.database.url === null ? null : new Client(world.database.url);
    await holder?.connect();
    try {
      await holder?.query('begin; lock table failed_logins in exclusive mode');
      const tooLong = AbortSignal.timeout(8000);
      const answer = visitor.enter(url, notThe(code)).catch(() => null);
      const first = await Promise.race([answer, once(tooLong, 'abort').then(() => null)]);
      assert.ok(first, 'the answer waited for the note');
      assertRefused(world, first, 'pin_used_up');
      if (holder) assert.deepEqual(await failures(pins(), user.id), []);
    } finally {
      await holder?.end();
    }
    assert.deepEqual(await noted(pins(), user.id), ['pin_used_up']);
  });

  it('when any number of tries come at once: five of them count', async () => {
    const { visitor, url, code } = await begun(pins(), 'crowd@example.com');
    await withoutAccess(pins().world, async () => {
      const tries = Array.from({ length: 20 }, (_, index) => visitor.enter(url, notThe(code, index + 1)));
      const answers = await Promise.all(tries);
      assert.equal(answers.filter(({ text }) => /not the code/.test(text)).length <= 4, true);
      assert.equal(
        answers.some(({ status }) => status === 200),
        false,
      );
      const last = await visitor.enter(url, code);
      assert.equal(last.status, 403);
    });
  });

  it('after ten minutes', async () => {
    const { visitor, url, code } = await begun(pins(), 'late@example.com');
    const { world } = pins();
    await withoutAccess(world, () =>
      later(world, 10 * MINUTE, async () => {
        const page = await visitor.enter(url, code);
        assertRefused(world, page, 'state_expired');
      }),
    );
  });

  it('in another browser, which is shown and sent nothing either', async () => {
    const { visitor, url, code } = await begun(pins(), 'elsewhere@example.com');
    const { world, sink } = pins();
    const count = sink.mails.length;
    const stranger = pins().visitor();
    await withoutAccess(world, async () => {
      assertRefused(world, await stranger.get(url), 'state_of_another_browser');
      await stranger.begin();
      for (const form of [{ code }, { email: 'other@example.com' }, { again: '1' }])
        assertRefused(world, await stranger.post(url, form), 'state_of_another_browser');
    });
    await assertMails(pins(), count);
    assert.equal((await visitor.enter(url, code)).status, 200);
  });

  it('a second time, and of two at the same time one', async () => {
    const { world } = pins();
    const { visitor, url, code } = await begun(pins(), 'twice@example.com');
    const answers = await Promise.all([visitor.enter(url, code), visitor.enter(url, code)]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 403]);
    await withoutAccess(world, async () => {
      assertRefused(world, await visitor.enter(url, code), 'state_unknown');
    });
  });

  it('for another sign-in of the same browser', async () => {
    const { visitor, code } = await begun(pins(), 'mixed@example.com');
    const other = await visitor.begin();
    const { world } = pins();
    await withoutAccess(world, async () => {
      assertRefused(world, await visitor.enter(other, code), 'pin_expired');
    });
  });

  it('when it is an older one of the same sign-in, and when it was for another address', async () => {
    const { world, sink } = pins();
    const email = 'again@example.com';
    const { visitor, url, code: first } = await begun(pins(), email);
    assert.equal((await visitor.post(url, { again: '1' })).status, 302);
    const second = codeIn(await sink.mail(1, email));
    assert.match((await visitor.get(new URL(`${url}&other=1`))).text, /type="email"/);
    const third = await visitor.askAndGet(url, 'other@example.com');
    await withoutAccess(world, async () => {
      for (const code of [first, second].filter((one) => one !== third))
        assert.match((await visitor.enter(url, code)).text, /not the code/);
    });
    const page = await visitor.enter(url, third);
    assert.equal(page.status, 200);
    assert.equal((await visitor.goOn(page)).text, 'hello other@example.com');
  });

  it('at the way back of other providers, by which nothing is entered', async () => {
    const { world } = pins();
    const { visitor, url, code } = await begun(pins(), 'way-back@example.com');
    const state = url.searchParams.get('state') ?? '';
    const callback = new URL(`${world.team}/cdn-cgi/access/callback?${new URLSearchParams({ state, code })}`);
    await withoutAccess(world, async () => {
      assert.equal((await visitor.get(callback)).headers['set-cookie'], undefined);
    });
  });

  it('when the provider was deleted meanwhile, and made again', async () => {
    const { world } = pins();
    const { sdk, account_id } = world;
    const name = 'another';
    const { visitor, url, code } = await begun(pins(), 'deleted@example.com');
    await sdk.zeroTrust.access.applications.delete(pins().application.id, { account_id });
    await sdk.zeroTrust.identityProviders.delete(pins().providerId, { account_id });
    await withoutAccess(world, async () => {
      assertRefused(world, await visitor.enter(url, code), 'state_unknown');
    });
    await sdk.zeroTrust.identityProviders.create({ account_id, name, type: 'onetimepin', config: {} });
    await withoutAccess(world, async () => {
      assert.equal((await visitor.enter(url, code)).headers['set-cookie'], undefined);
    });
  });
});

pinsOnBothDatabases('access that ends between a code and its entering', (pins) => {
  const ends: readonly (readonly [how: string, end: (pins: PinWorld, email: string) => Promise<unknown>])[] =
    [
      [
        'revoke_user',
        ({ world: { sdk, account_id } }, email) =>
          sdk.zeroTrust.organizations.revokeUsers({ account_id, email }),
      ],
      [
        'DELETE of the user',
        async ({ world }, email) => {
          const { sdk, account_id } = world;
          const user = await world.user({ sub: '', email, name: '' });
          await sdk.zeroTrust.access.users.delete(user.id, { account_id });
        },
      ],
    ];
  for (const [how, end] of ends) {
    it(`ends the sign-in too: ${how}; the person is sent to begin again, and then gets in`, async () => {
      const email = `${how.split(' ')[0]?.toLowerCase()}@example.com`;
      const first = await begun(pins(), email);
      assert.equal((await first.visitor.enter(first.url, first.code)).status, 200);
      const { visitor, url, code } = await begun(pins(), email);
      await end(pins(), email);
      const before = await readRows(pins().world.database);
      const page = await visitor.enter(url, code);
      assert.equal(page.status, 302);
      assert.equal(page.location?.pathname, PIN);
      assert.notEqual(page.location?.href, url.href);
      const after = await readRows(pins().world.database);
      for (const table of ['users', 'sessions', 'identities', 'audit_entries', 'feed_entries'])
        assert.deepEqual(after[table], before[table], table);
      const next = page.location ?? url;
      const fresh = await visitor.askAndGet(next, email);
      assert.equal((await visitor.goOn(await visitor.enter(next, fresh))).text, `hello ${email}`);
    });
  }

  it('ends the sign-in for good where the person was blocked', async () => {
    const { world } = pins();
    const { sdk, account_id } = world;
    const email = 'blocked.meanwhile@example.com';
    const { visitor, url, code } = await begun(pins(), email);
    await sdk.post(`/accounts/${account_id}/portcullis/blocked_users`, { body: { email } });
    await withoutAccess(world, async () => {
      assertRefused(world, await visitor.enter(url, code), 'user_blocked');
    });
  });
});
