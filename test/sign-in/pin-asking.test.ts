import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MINUTE } from '../../src/kernel/clock.ts';
import type { Page } from '../support/browser.ts';
import { assertMails, begun } from '../support/pin-steps.ts';
import { pinsOnBothDatabases, Visitor } from '../support/pin-world.ts';
import { readRows } from '../support/rows.ts';
import { later, withoutAccess } from '../support/sign-in-steps.ts';

pinsOnBothDatabases('whoever asks for a code', (pins) => {
  /** All that an answer tells, without what is of this request alone. */
  function told({ status, headers, text, location }: Page, { url, email }: { url: URL; email: string }) {
    const { date: _, 'x-request-id': __, ...rest } = headers;
    const state = url.searchParams.get('state') ?? '';
    const plain = (from: string) => from.replaceAll(state, 'STATE').replaceAll(email, 'EMAIL');
    return {
      status,
      text: plain(text),
      location: plain(location?.href ?? ''),
      headers: plain(JSON.stringify(rest)),
    };
  }

  it('learns nothing of the address: neither at once, nor by trying, nor by asking again', async () => {
    const { world, sink } = pins();
    const { sdk, account_id } = world;
    await sdk.post(`/accounts/${account_id}/portcullis/blocked_users`, {
      body: { email: 'banned@example.com' },
    });
    await sdk.zeroTrust.access.users.create({ account_id, email: 'entire@example.org' });
    const count = sink.mails.length;
    const walk = async (email: string) => {
      const visitor = pins().visitor();
      const url = await visitor.begin();
      const of = { url, email };
      const heard = [
        await visitor.post(url, { email }),
        await visitor.get(url),
        await visitor.enter(url, '000000'),
        await visitor.post(url, { again: '1' }),
        await visitor.get(url),
        await visitor.enter(url, '000000'),
        await visitor.post(url, { again: '1' }),
        await visitor.post(url, { again: '1' }),
      ];
      return heard.map((page) => told(page, of));
    };
    // All as long as each other, since a page names the address.
    const usual = await walk('people@example.com');
    for (const email of [
      'denied@example.com',
      'banned@example.com',
      'nobody@example.net',
      'entire@example.org',
    ])
      assert.deepEqual(await walk(email), usual, email);
    assert.deepEqual(
      usual.map(({ status }) => status),
      [302, 200, 403, 302, 200, 403, 302, 429],
    );
    await assertMails(pins(), count + 3);
    assert.ok(sink.mails.slice(count).every(({ to }) => !/denied|banned|nobody|entire/.test(to.join())));
  });

  it('gets the same work done in the database, whoever it is for', async () => {
    const rows = async (email: string) => {
      const visitor = pins().visitor();
      const url = await visitor.begin();
      const before = await readRows(pins().world.database);
      await visitor.ask(url, email);
      const after = await readRows(pins().world.database);
      const changed = Object.entries(after).map(([table, all]) => {
        const was = new Set(before[table]);
        return [table, all.filter((row) => !was.has(row)).map((row) => Object.keys(JSON.parse(row)).join())];
      });
      // The request log is written beside it, whenever it is its turn.
      const isOwn = ([table, fresh]: (typeof changed)[number]) =>
        (fresh ?? []).length > 0 && !['access_requests', 'totals'].includes(String(table));
      return Object.fromEntries(changed.filter(isOwn));
    };
    const usual = await rows('rows@example.com');
    await pins().sink.mail(0, 'rows@example.com');
    assert.deepEqual(Object.keys(usual).sort(), ['pin_counts', 'sign_in_pins', 'sign_in_states']);
    assert.deepEqual(await rows('denied@example.com'), usual);
    assert.deepEqual(await rows('nobody@example.net'), usual);
  });

  it('without an application to go to is sent one if they are a user, or may use one of the launcher', async () => {
    const { world, sink, application } = pins();
    const { sdk, account_id } = world;
    // The world's own application is everybody's.
    await sdk.zeroTrust.access.applications.delete(world.application.id, { account_id });
    await sdk.zeroTrust.access.users.create({ account_id, email: 'entered@example.org' });
    const ask = async (email: string) => {
      const visitor = pins().visitor();
      await visitor.ask(await visitor.begin('team'), email);
    };
    const count = sink.mails.length;
    await ask('stranger@example.org');
    await ask('denied@example.com');
    await assertMails(pins(), count);
    await ask('entered@example.org');
    await ask('anybody@example.com');
    await assertMails(pins(), count + 3);
    assert.ok(application);
  });

  /** One more asks for a code, in a browser of their own, at this address. */
  async function askAt(ip: string, email: string) {
    const visitor = new Visitor(pins(), ip);
    const url = await visitor.begin();
    const page = await visitor.post(url, { email });
    return { visitor, url, page };
  }

  async function mailsTo(email: string): Promise<number> {
    const { sink } = pins();
    await begun(pins(), `after-${sink.mails.length}@example.com`);
    return sink.mails.filter(({ to }) => to.includes(email)).length;
  }

  it('is sent five mails in a quarter of an hour to one network and no more, whatever the browser', async () => {
    const { world } = pins();
    const email = 'flooded@example.com';
    const ask = (host: number) => askAt(`2001:db8:1:1::${host}`, email);
    const pages: Page[] = [];
    for (let asked = 1; asked <= 5; asked += 1) pages.push((await ask(asked)).page);
    const beyond = await ask(6);
    assert.equal(beyond.page.status, pages[0]?.status);
    assert.equal(await mailsTo(email), 5);
    const guess = await withoutAccess(world, () => beyond.visitor.enter(beyond.url, '------'));
    assert.equal(guess.status, 403);
    await later(world, 15 * MINUTE, async () => {
      await ask(7);
      assert.equal(await mailsTo(email), 6);
    });
  });

  it('is sent one though another network has asked for as many as it may, and for more', async () => {
    const email = 'owner@example.com';
    for (let asked = 0; asked < 25; asked += 1) await askAt('203.0.113.1', email);
    assert.equal(await mailsTo(email), 5);
    await askAt('203.0.113.2', email);
    assert.equal(await mailsTo(email), 6);
  });

  it('is sent twenty mails in a quarter of an hour and no more, from however many networks', async () => {
    const email = 'everywhere@example.com';
    for (let asked = 0; asked < 25; asked += 1) await askAt(`203.0.113.${10 + asked}`, email);
    assert.equal(await mailsTo(email), 20);
  });

  it('is told when there were too many from their network, and nothing is sent for it or counted', async () => {
    const { world } = pins();
    const visitor = pins().visitor();
    const url = await visitor.begin();
    for (let asked = 0; asked < 50; asked += 1) await visitor.post(url, { email: `x${asked}@example.net` });
    const counted = async () => (await readRows(world.database)).pin_counts?.length;
    const before = await counted();
    const email = 'fresh@example.com';
    for (let asked = 0; asked < 7; asked += 1) {
      const page = await visitor.post(await visitor.begin(), { email });
      assert.equal(page.status, 429);
      assert.match(page.text, /Too many codes were asked for from your network/);
    }
    assert.equal(await counted(), before);
    assert.equal(await mailsTo(email), 0);
    await begun(pins(), email);
  });

  it('gets the same page when the mail server fails, and the log says that it did', async () => {
    const { sink, world } = pins();
    const visitor = pins().visitor();
    const url = await visitor.begin();
    for (let refused = 0; refused < 2; refused += 1) sink.refusals.push({ code: 550, message: 'no' });
    const page = await visitor.ask(url, 'down@example.com');
    assert.equal(page.status, 200);
    assert.match(page.text, /If down@example\.com may sign in/);
    for (let left = 500; left > 0 && sink.refusals.length > 1; left -= 1)
      await new Promise((resolve) => setTimeout(resolve, 10));
    sink.refusals.length = 0;
    await assertMails(pins(), sink.mails.length);
    const line = world.log.find(({ msg }) => msg === 'a mail could not be sent');
    assert.match(String(line?.cause), /550/);
    assert.doesNotMatch(JSON.stringify(world.log), /down@example/);
  });
});
