import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { foldCase } from '../../src/kernel/text.ts';
import { onBothDatabases, type Stage } from '../support/stage.ts';

/* Listing users (reference §1.3, §3.1): filters, search, and walks that lose nobody. */

type Filter = { name?: string; email?: string; search?: string };

function use({ app }: Stage) {
  const { account_id } = app.credentials;
  const { users } = app.sdk().zeroTrust.access;
  const create = async (email: string, name = '') =>
    (await users.create({ account_id, email, name }))?.id ?? '';
  const find = async (filter: Filter) =>
    (await users.list({ account_id, ...filter })).result.map(({ email }) => email ?? '').sort();
  const total = async (filter: Filter = {}) =>
    (await app.api('GET', `/accounts/${account_id}/access/users?${new URLSearchParams(filter)}`)).body
      .result_info.total_count as number | undefined;
  return { app, account_id, users, create, find, total };
}

onBothDatabases('filters of users', (stage) => {
  const people: readonly (readonly [email: string, name: string])[] = [
    ['ann@example.com', 'Ann'],
    ['ann@example.org', 'Ann'],
    ['anna@example.com', 'Anna'],
    ['per.cent@example.com', '100%_sure\\"*'],
    ['plain@example.com', '100 percent sure'],
    ['j\u00f6rg@b\u00fccher.example', '\u00c5sa \u0130\u011fd\u0131r'],
    ['M\u00dcLLER@example.com', '\u039f\u03b4\u03cc\u03c2'],
    ['smile@example.com', 'Emoji \u{1f600}\u{1f601}\u{1f602}'],
  ];

  test('each finds those that it means and nobody else', async () => {
    const { create, find } = use(stage);
    for (const [email, name] of people) await create(email, name);
    const all = people.map(([email]) => email).sort();
    const anns = ['ann@example.com', 'ann@example.org'];
    const table: readonly (readonly [Filter, readonly string[]])[] = [
      [{ name: 'Ann' }, anns],
      [{ name: 'aNN' }, anns],
      [{ name: 'An' }, []],
      [{ name: 'Ann%' }, []],
      [{ email: 'ANN@example.COM' }, ['ann@example.com']],
      [{ email: 'ann' }, []],
      [{ email: 'nobody@example.com' }, []],
      [{ email: 'J\u00f6rg@xn--bcher-kva.example' }, ['j\u00f6rg@b\u00fccher.example']],
      [{ name: 'Ann', email: 'ann@example.org' }, ['ann@example.org']],
      [{ name: 'Anna', email: 'ann@example.org' }, []],
      [{ name: 'Ann', search: 'example.org' }, ['ann@example.org']],
      [{ search: '' }, all],
      [{ search: 'an' }, ['ann@example.com', 'ann@example.org', 'anna@example.com']],
      [{ search: 'AN' }, ['ann@example.com', 'ann@example.org', 'anna@example.com']],
      [{ search: 'nn' }, []],
      [{ search: 'nna' }, ['anna@example.com']],
      [{ search: 'NNA@EXAMPLE' }, ['anna@example.com']],
      [{ search: '100%' }, ['per.cent@example.com']],
      [{ search: '0%_' }, ['per.cent@example.com']],
      [{ search: '00_' }, []],
      [{ search: 'a%m' }, []],
      [{ search: 'e\\"*' }, ['per.cent@example.com']],
      [{ search: '\\"*' }, ['per.cent@example.com']],
      [{ search: '"""' }, []],
      [{ search: '***' }, []],
      [{ search: 'ann*' }, []],
      [{ search: 'ann OR plain' }, []],
      [{ search: '\u00c5SA' }, ['j\u00f6rg@b\u00fccher.example']],
      [{ search: '\u00e5s' }, ['j\u00f6rg@b\u00fccher.example']],
      [{ search: 'asa' }, []],
      [{ search: '\u0130\u011eD' }, ['j\u00f6rg@b\u00fccher.example']],
      [{ search: 'b\u00fccher' }, ['j\u00f6rg@b\u00fccher.example']],
      [{ search: 'B\u00dcCHER.EX' }, ['j\u00f6rg@b\u00fccher.example']],
      [{ search: 'xn--bcher' }, ['j\u00f6rg@b\u00fccher.example']],
      [{ search: 'm\u00fcller' }, ['M\u00dcLLER@example.com']],
      [{ search: '\u039f\u0394\u038c\u03a3' }, ['M\u00dcLLER@example.com']],
      [{ search: '\u03b4\u03cc\u03c3' }, ['M\u00dcLLER@example.com']],
      [{ search: '\u{1f601}\u{1f602}' }, []],
      [{ search: '\u{1f600}\u{1f601}\u{1f602}' }, ['smile@example.com']],
      [{ search: 'e'.repeat(320) }, []],
    ];
    for (const [filter, emails] of table) {
      assert.deepEqual(await find(filter), [...emails].sort(), JSON.stringify(filter));
    }
  });

  test('a search of three characters or more finds exactly what holds it, in any case', async () => {
    const { create, find } = use(stage);
    const letters = [
      ...'abAsS\u00e4\u00c4\u00df\u1e9e\u017fk\u212a\u03c3\u03c2\u03a3i\u0130\u0131%_\\"*^:-( \u0301',
    ];
    const names = fc.sample(fc.string({ unit: fc.constantFrom(...letters), minLength: 3, maxLength: 8 }), {
      numRuns: 60,
      seed: 7,
    });
    const known = names.map((name, at) => ({ email: `u${at}@names.test`, name }));
    for (const { email, name } of known) await create(email, name);
    const part = fc.oneof(
      fc.string({ unit: fc.constantFrom(...letters), minLength: 3, maxLength: 4 }),
      fc
        .tuple(fc.constantFrom(...names), fc.nat(5), fc.integer({ min: 3, max: 5 }))
        .map(([name, from, length]) => name.slice(from, from + length)),
    );
    const search = part.filter((text) => [...foldCase(text)].length >= 3);
    await fc.assert(
      fc.asyncProperty(search, async (text) => {
        const expected = known.filter(({ name }) => foldCase(name).includes(foldCase(text)));
        const found = (await find({ search: text })).filter((email) => email.endsWith('@names.test'));
        assert.deepEqual(found, expected.map(({ email }) => email).sort(), JSON.stringify(text));
      }),
      { numRuns: 150 },
    );
  });
});

onBothDatabases('totals of users', (stage) => {
  test('are right at once after each creation and deletion', async () => {
    const { create, total, users, account_id } = use(stage);
    assert.equal(await total(), 0);
    const ids: string[] = [];
    for (let at = 0; at < 5; at++) {
      ids.push(await create(`t${at}@example.com`, at % 2 === 0 ? 'Even' : 'Odd'));
      assert.equal(await total(), at + 1);
    }
    assert.deepEqual([await total({ name: 'even' }), await total({ email: 'T3@example.com' })], [3, 1]);
    await assert.rejects(create('T1@example.com'));
    assert.equal(await total(), 5);
    for (const [at, id] of ids.entries()) {
      await users.delete(id, { account_id });
      assert.equal(await total(), 4 - at);
    }
    assert.equal(await total({ name: 'even' }), 0);
  });

  test('are not told for a search, whose hits nobody counts', async () => {
    const { app, account_id } = use(stage);
    const { body } = await app.api('GET', `/accounts/${account_id}/access/users?search=abc`);
    assert.deepEqual(body.result_info, { page: 1, per_page: 1000, count: 0 });
  });
});

onBothDatabases('a walk through the users', (stage) => {
  test('by the SDK visits those who stay exactly once while others come and go', async () => {
    const { create, users, account_id } = use(stage);
    const ids = new Map<string, string>();
    for (let at = 0; at < 30; at++) {
      const email = `w${String(at).padStart(2, '0')}@example.com`;
      ids.set(email, await create(email));
    }
    const seen: string[] = [];
    const gone = new Set<string>();
    for await (const { email = '' } of users.list({ account_id, per_page: 4 })) {
      seen.push(email);
      // After each page: the first of it and the first of those to come go, and somebody comes before all.
      if (seen.length % 4 !== 0) continue;
      const first = seen.at(-4) ?? '';
      const next = [...ids.keys()].find((other) => other > email && !gone.has(other));
      for (const leaver of [first, next]) {
        const id = leaver === undefined ? undefined : ids.get(leaver);
        if (leaver === undefined || id === undefined || gone.has(leaver)) continue;
        await users.delete(id, { account_id });
        gone.add(leaver);
      }
      await create(`a${seen.length}@example.com`);
    }
    assert.ok(gone.size > 8);
    const stayed = [...ids.keys()].filter((email) => !gone.has(email));
    assert.deepEqual(
      stayed.filter((email) => !seen.includes(email)),
      [],
    );
    assert.equal(new Set(seen).size, seen.length);
  });

  test('that ended with a short page shows nobody twice, though a longer one went before', async () => {
    const { create, users, account_id } = use(stage);
    const ids = [];
    for (let at = 0; at < 12; at++) ids.push(await create(`s${String(at).padStart(2, '0')}@short.test`));
    const walk = async () => {
      const seen: string[] = [];
      for await (const { email = '' } of users.list({ account_id, per_page: 5, search: '@short.test' }))
        seen.push(email);
      return seen;
    };
    assert.equal((await walk()).length, 12);
    for (const id of ids.slice(0, 4)) await users.delete(id, { account_id });
    for (const id of ids.slice(6, 10)) await users.delete(id, { account_id });
    assert.deepEqual(
      await walk(),
      ['s04', 's05', 's10', 's11'].map((name) => `${name}@short.test`),
    );
  });

  test('is of one credential: another that asks for page 2 alone is told the second part of the list', async () => {
    const { app, create, account_id, users } = use(stage);
    const gone = await create('c0@cold.test');
    for (const name of ['c1', 'c2', 'c3', 'c4']) await create(`${name}@cold.test`);
    const query = { account_id, per_page: 2, search: '@cold.test' };
    const emails = (page: { result: { email?: string }[] }) => page.result.map(({ email }) => email);
    assert.deepEqual(emails(await users.list(query)), ['c0@cold.test', 'c1@cold.test']);
    await users.delete(gone, { account_id });
    const cold = app.keySdk().zeroTrust.access.users;
    assert.deepEqual(emails(await cold.list({ ...query, page: 2 })), ['c3@cold.test', 'c4@cold.test']);
    assert.deepEqual(emails(await users.list({ ...query, page: 2 })), ['c2@cold.test', 'c3@cold.test']);
    app.clock.advance(10 * 60_000 + 1);
    assert.deepEqual(emails(await users.list({ ...query, page: 2 })), ['c3@cold.test', 'c4@cold.test']);
  });
});
