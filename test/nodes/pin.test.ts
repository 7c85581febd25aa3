import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startTestApp, type TestApp } from '../support/app.ts';
import { Browser } from '../support/browser.ts';
import { notThe, type PinWorld, startPins, Visitor } from '../support/pin-world.ts';
import { databases } from '../support/postgres.ts';
import { assertRefused } from '../support/sign-in-steps.ts';

/* What is counted of a one-time PIN is counted once, whichever node of a cluster is asked. */

describe('a code by mail, on two nodes (postgres)', () => {
  const set: { pins?: PinWorld; other?: TestApp } = {};

  before(async () => {
    const kind = databases.find(({ name }) => name === 'postgres') ?? assert.fail();
    set.pins = await startPins(await kind.create());
    const { world, sink } = set.pins;
    const flags = [`--smtp=smtp://127.0.0.1:${sink.port}`, '--mail-from=access@acme.example'];
    set.other = await startTestApp(world.database, { flags });
  });
  after(async () => {
    await set.other?.close();
    await set.pins?.[Symbol.asyncDispose]();
  });

  /** Somebody whose requests to the team domain go to the one node or the other. */
  function visit(ip?: string) {
    const { pins, other } = set;
    assert.ok(pins && other);
    const ports = { 'team.localhost': pins.world.app.port };
    const at = (node: 0 | 1) => {
      ports['team.localhost'] = [pins.world.app.port, other.port][node] ?? 0;
    };
    return { pins, at, visitor: new Visitor(pins, ip ?? pins.visitor().ip, new Browser({ ports })) };
  }

  test('it is begun at one, asked for at the other, and entered at the first', async () => {
    const { pins, at, visitor } = visit();
    const url = await visitor.begin();
    at(1);
    const code = await visitor.askAndGet(url, 'across@example.com');
    at(0);
    assert.equal((await visitor.goOn(await visitor.enter(url, code))).text, 'hello across@example.com');
    assert.equal(pins.sink.mails.length, 1);
  });

  test('five tries are five, of both nodes together and at the same time', async () => {
    const { pins, at, visitor } = visit();
    const url = await visitor.begin();
    const code = await visitor.askAndGet(url, 'tries@example.com');
    const tries = Array.from({ length: 16 }, (_, index) => {
      at(index % 2 === 0 ? 0 : 1);
      return visitor.enter(url, notThe(code, index + 1));
    });
    const answers = await Promise.all(tries);
    assert.ok(answers.filter(({ text }) => /not the code/.test(text)).length <= 4);
    for (const node of [0, 1] as const) {
      at(node);
      assert.equal((await visitor.enter(url, code)).status, 403);
    }
    assert.ok(pins);
  });

  test('a right code that comes to both at once signs in once', async () => {
    const { at, visitor } = visit();
    const url = await visitor.begin();
    const code = await visitor.askAndGet(url, 'both@example.com');
    const entering = ([0, 1] as const).map((node) => {
      at(node);
      return visitor.enter(url, code);
    });
    const statuses = (await Promise.all(entering)).map(({ status }) => status);
    assert.deepEqual(statuses.sort(), [200, 403]);
  });

  test('five mails to one e-mail from one network are five, of both nodes together', async () => {
    const { pins, visitor: one } = visit();
    const email = 'flooded@example.com';
    const asking = Array.from({ length: 8 }, async (_, index) => {
      const { at, visitor } = visit(one.ip);
      at(index % 2 === 0 ? 0 : 1);
      await visitor.ask(await visitor.begin(), email);
    });
    await Promise.all(asking);
    await pins.sink.mail(4, email);
    const { at, visitor } = visit();
    at(1);
    await visitor.askAndGet(await visitor.begin(), 'last@example.com');
    assert.equal(pins.sink.mails.filter(({ to }) => to.includes(email)).length, 5);
  });

  test('who is blocked at one is refused at the other from then on', async () => {
    const { pins, at, visitor } = visit();
    const { world } = pins;
    const email = 'blocked@example.com';
    const url = await visitor.begin();
    const code = await visitor.askAndGet(url, email);
    await world.sdk.post(`/accounts/${world.account_id}/portcullis/blocked_users`, { body: { email } });
    at(1);
    const page = await visitor.enter(url, code);
    assert.equal(page.status, 403);
    assert.equal(page.headers['set-cookie'], undefined);
    at(0);
    assertRefused(world, await visitor.enter(url, code), 'state_unknown');
  });
});
