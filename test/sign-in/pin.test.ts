import assert from 'node:assert/strict';
import { it } from 'node:test';
import { DAY, MINUTE, timestamp } from '../../src/kernel/clock.ts';
import { dropExpired } from '../../src/sign-in/lineage.ts';
import { IDENTITY } from '../support/gated.ts';
import { signIn } from '../support/openid-provider.ts';
import { begun, tables } from '../support/pin-steps.ts';
import { notThe, pinsOnBothDatabases } from '../support/pin-world.ts';
import { readRows } from '../support/rows.ts';
import { assertPage, assertRefused, later, withoutAccess } from '../support/sign-in-steps.ts';
import { codeIn } from '../support/smtp.ts';

pinsOnBothDatabases('a code by mail', (pins) => {
  it('signs in where the person was going, once it is entered', async () => {
    const { world, sink } = pins();
    const visitor = pins().visitor();
    const url = await visitor.begin();
    const first = await visitor.get(url);
    assert.equal(first.status, 200);
    assertPage(first);
    assert.match(first.text, /<label for="email">/);
    const second = await visitor.ask(url, 'Ada.Lovelace@Example.com');
    assertPage(second);
    assert.match(second.text, /autocomplete="one-time-code"/);
    assert.match(second.text, /inputmode="numeric"/);
    const mail = await sink.mail(0, 'ada.lovelace@example.com');
    // Where mail goes is what the account knows the person by, never as somebody typed it.
    assert.deepEqual(mail.to, ['ada.lovelace@example.com']);
    assert.match(mail.headers, /^From: access@acme\.example\r$/m);
    assert.match(mail.raw, new RegExp(`asked for from ${visitor.ip.replaceAll('.', '\\.')}`));
    assert.match(mail.raw, /ten minutes/);
    assert.doesNotMatch(mail.headers, new RegExp(codeIn(mail)));
    assert.doesNotMatch(mail.raw, /https?:|href/);
    const page = await visitor.enter(url, codeIn(mail));
    assert.equal(page.status, 200);
    assertPage(page);
    assert.equal((await visitor.goOn(page)).text, 'hello ada.lovelace@example.com');
    const identity = JSON.parse((await visitor.get(world.team + IDENTITY)).text);
    assert.deepEqual(identity.idp, { id: pins().providerId, type: 'onetimepin' });
    assert.equal(identity.email, 'ada.lovelace@example.com');
    const rows = await readRows(world.database);
    const sessions = (rows.sessions ?? []).map((row) => JSON.parse(row));
    assert.ok(
      sessions.some(({ amr, provider_id }) => amr === '["otp"]' && provider_id === pins().providerId),
    );
    const identities = (rows.identities ?? []).map((row) => JSON.parse(row));
    const own = identities.find(({ subject }) => subject === 'ada.lovelace@example.com');
    assert.equal(own?.issuer, world.team);
    assert.deepEqual(await tables(pins()), { states: 0, codes: 0 });
  });

  it('works after four wrong ones, and for the same person the next day', async () => {
    const { world } = pins();
    const { visitor, url, code } = await begun(pins(), 'regular@example.com');
    for (const step of [1, 2, 3, 4]) await visitor.enter(url, notThe(code, step));
    assert.equal((await visitor.goOn(await visitor.enter(url, code))).text, 'hello regular@example.com');
    const again = await begun(pins(), 'regular@example.com');
    assert.equal((await again.visitor.enter(again.url, again.code)).status, 200);
    const rows = await readRows(world.database);
    const identities = (rows.identities ?? []).filter((row) => row.includes('regular@example.com'));
    assert.equal(identities.length, 1);
  });

  it('signs in to the team domain alone, and on to the launcher', async () => {
    const visitor = pins().visitor();
    const url = await visitor.begin('team');
    const code = await visitor.askAndGet(url, 'launcher@example.com');
    const page = await visitor.goOn(await visitor.enter(url, code));
    assert.equal(page.status, 200);
    assert.equal(page.url.pathname, '/');
    assert.match(page.text, /launcher@example\.com/);
  });

  it('does not make of anybody who reads mails a user of another provider, unless that is asked for', async () => {
    const { world, providerId } = pins();
    const { sdk, account_id } = world;
    const person = world.person({ email: 'linked@example.com' });
    const start = `${world.team}/cdn-cgi/access/login?idp=${world.providerId}`;
    await signIn(world.browser(), start, { login: person.sub });
    const first = await begun(pins(), person.email);
    await withoutAccess(world, async () => {
      assertRefused(world, await first.visitor.enter(first.url, first.code), 'link_refused');
    });
    await sdk.zeroTrust.identityProviders.update(providerId, {
      account_id,
      name: 'A code by mail',
      type: 'onetimepin',
      config: { link_by_email: true } as object,
    });
    const { visitor, url, code } = await begun(pins(), person.email);
    assert.equal((await visitor.goOn(await visitor.enter(url, code))).text, 'hello linked@example.com');
  });

  it('leaves nothing behind for longer than it is counted', async () => {
    const { app } = pins().world;
    const sweep = () => app.app.control.database.write((tx) => dropExpired(tx, timestamp(app.clock.now())));
    const left = async () => {
      const { pin_counts: counts = [] } = await readRows(pins().world.database);
      return { ...(await tables(pins())), counts: counts.length };
    };
    await begun(pins(), 'left@example.com');
    const before = await left();
    await sweep();
    assert.deepEqual(await left(), before);
    assert.ok(before.codes > 0 && before.counts > 0);
    await later(pins().world, DAY + MINUTE, sweep);
    assert.deepEqual(await left(), { states: 0, codes: 0, counts: 0 });
  });

  it('keeps the code sealed, and nowhere in the log', async () => {
    const { world } = pins();
    const { code } = await begun(pins(), 'sealed@example.com');
    const { sign_in_pins: codes = [] } = await readRows(world.database);
    const own = codes
      .map((row) => JSON.parse(row))
      .find(({ email_key }) => email_key === 'sealed@example.com');
    assert.ok(own);
    assert.equal(own.pin.includes(code), false);
    assert.doesNotMatch(JSON.stringify(world.log), new RegExp(`"${code}"|code=${code}`));
    assert.doesNotMatch(JSON.stringify(world.log), /sealed@example/);
  });
});
