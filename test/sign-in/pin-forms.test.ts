import assert from 'node:assert/strict';
import { it } from 'node:test';
import { assertMails, begun } from '../support/pin-steps.ts';
import { pinsOnBothDatabases } from '../support/pin-world.ts';
import { assertPage, assertRefused } from '../support/sign-in-steps.ts';

pinsOnBothDatabases('a form for a code', (pins) => {
  it('is taken from our own page alone', async () => {
    const { world, sink } = pins();
    const visitor = pins().visitor();
    const url = await visitor.begin();
    const count = sink.mails.length;
    const foreign: Record<string, string | null>[] = [
      { origin: 'https://evil.example' },
      { origin: world.site },
      { origin: 'null' },
      { origin: null },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ];
    for (const headers of foreign) {
      const page = await visitor.post(url, { email: 'forged@example.com' }, headers);
      assertRefused(world, page, 'form_invalid', 400);
    }
    await assertMails(pins(), count);
  });

  const odd: readonly (readonly [what: string, body: string])[] = [
    ['with a field twice', 'email=a%40example.com&email=b%40example.com'],
    ['with two fields', 'email=a%40example.com&code=123456'],
    ['with none', ''],
    ['with one that it does not have', 'mail=a%40example.com'],
    ['with a NUL', 'email=a%40example.com%00'],
    ['with a line end', 'email=a%40example.com%0d%0aBcc%3a%20b%40example.com'],
    ['with bytes that are no text', 'email=%ff%40example.com'],
    ['that asks for another code before the first', 'again=1'],
  ];
  it('is refused if it is odd, and nothing is sent', async () => {
    const { sink } = pins();
    const visitor = pins().visitor();
    const url = await visitor.begin();
    const count = sink.mails.length;
    for (const [what, body] of odd) {
      const page = await visitor.postRaw(url, body);
      assert.equal(page.status, 400, what);
      assertPage(page);
    }
    assert.equal((await visitor.postRaw(url, `email=${'a'.repeat(10_240)}%40example.com`)).status, 413);
    assert.equal((await visitor.postRaw(url, '{}', { 'content-type': 'application/json' })).status, 400);
    await assertMails(pins(), count);
  });

  const noAddresses = [
    'a',
    'a@',
    '@example.com',
    'a@b@example.com',
    'a@example.com, b@example.com',
    'a b@example.com',
    '"a"@example.com',
    '<a@example.com>',
    'a@example.com\u2028Bcc: b@example.com',
    `${'a'.repeat(320)}@example.com`,
    ' ',
  ];
  it('says of what is no e-mail address that it is none', async () => {
    const { sink } = pins();
    const visitor = pins().visitor();
    const url = await visitor.begin();
    const count = sink.mails.length;
    for (const email of noAddresses) {
      const page = await visitor.post(url, { email });
      assert.equal(page.status, 400, email);
      assert.match(page.text, /not an e-mail address/);
      assert.match(page.text, /aria-invalid="true" aria-describedby="email-problem"/);
    }
    await assertMails(pins(), count);
  });

  it('costs no try with what is no code', async () => {
    const { visitor, url, code } = await begun(pins(), 'typo@example.com');
    for (const typed of ['12345', '1234567', 'abcdef', '１２３４５６', '12-34-5', "' or 1=1"]) {
      const page = await visitor.enter(url, typed);
      assert.equal(page.status, 403, typed);
      assert.match(page.text, /A code has six digits/);
    }
    assert.equal((await visitor.enter(url, ` ${code.slice(0, 3)} ${code.slice(3)} `)).status, 200);
  });
});
