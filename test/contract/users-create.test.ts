import assert from 'node:assert/strict';
import { test } from 'node:test';
import Cloudflare from 'cloudflare';
import { readRows } from '../support/rows.ts';
import { onBothDatabases } from '../support/stage.ts';

/* Creating a user (reference §3.1) with the unmodified official SDK. */

onBothDatabases('creating a user', (stage) => {
  const use = () => ({ account_id: stage.app.credentials.account_id, users: users() });
  const users = (options = {}) => stage.app.sdk(options).zeroTrust.access.users;

  test('answers 201 and all eleven fields of a user without a seat', async () => {
    const { account_id } = use();
    const call = users().create({ account_id, email: 'Jane.Doe@Example.com', name: 'Jane Doe' });
    const { data: user, response } = await call.withResponse();
    assert.equal(response.status, 201);
    assert.match(user?.id ?? '', /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const now = user?.created_at;
    assert.match(now ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.deepEqual<unknown>(user, {
      id: user?.id,
      uid: user?.id,
      seat_uid: null,
      email: 'Jane.Doe@Example.com',
      name: 'Jane Doe',
      access_seat: false,
      gateway_seat: false,
      active_device_count: 0,
      created_at: now,
      updated_at: now,
      last_successful_login: null,
    });
    assert.deepEqual(await users().get(user?.id ?? '', { account_id }), user);
  });

  test('needs no name', async () => {
    const { account_id } = use();
    const user = await users().create({ account_id, email: 'nameless@example.com' });
    assert.equal(user?.name, '');
  });

  const spellings: readonly (readonly [string, string, string])[] = [
    ['the same e-mail', 'twice@example.com', 'twice@example.com'],
    ['one that differs in case alone', 'case@example.com', 'CASE@Example.COM'],
    ['one that composes its letters otherwise', 'am\u00e9lie@example.com', 'ame\u0301lie@example.com'],
    ['one that writes its domain in ASCII', 'ida@b\u00fccher.example', 'ida@xn--bcher-kva.example'],
    ['one whose domain has other capitals', 'ivo@b\u00fccher.example', 'ivo@B\u00dcCHER.example'],
  ];
  for (const [name, email, again] of spellings) {
    test(`a second user with ${name} is refused once and for all`, async () => {
      const { account_id } = use();
      await users().create({ account_id, email });
      const rows = await readRows(stage.database);
      const seen: number[] = [];
      const counting: typeof fetch = async (...request) => {
        const answer = await fetch(...request);
        seen.push(answer.status);
        return answer;
      };
      const refused = users({ maxRetries: 2, fetch: counting }).create({ account_id, email: again });
      await assert.rejects(refused, (error) => {
        assert.ok(error instanceof Cloudflare.ConflictError);
        assert.equal(error.headers.get('x-should-retry'), 'false');
        assert.equal(error.errors[0]?.code, 12132);
        return true;
      });
      assert.deepEqual(seen, [409], 'the SDK repeats a 409 unless told that it is of no use');
      assert.deepEqual(await readRows(stage.database), rows);
    });
  }

  test('of many at once with one e-mail, one is made', async () => {
    const { account_id } = use();
    const target = `/accounts/${account_id}/access/users`;
    const total = async () => (await stage.app.api('GET', target)).body.result_info.total_count as number;
    const before = await total();
    const attempts = Array.from({ length: 10 }, () =>
      users().create({ account_id, email: 'one@example.com' }),
    );
    const outcomes = await Promise.allSettled(attempts);
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
    const others = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
    for (const other of others) assert.ok(other instanceof Cloudflare.ConflictError, String(other));
    assert.equal(await total(), before + 1);
  });

  test('an international e-mail is kept as it was written', async () => {
    const { account_id } = use();
    const email = 'J\u00f6rg.M\u00fcller@stra\u00dfe.example';
    const user = await users().create({ account_id, email });
    assert.equal(user?.email, email);
    const found = await users().list({ account_id, email: 'J\u00f6rg.m\u00fcller@STRA\u00dfE.example' });
    assert.deepEqual(
      found.result.map(({ id }) => id),
      [user?.id],
    );
  });

  test('an e-mail may be as long as 320 characters', async () => {
    const { account_id } = use();
    const domain = '@long.example';
    const longest = `${'l'.repeat(320 - domain.length)}${domain}`;
    const user = await users().create({ account_id, email: longest });
    assert.equal(user?.email, longest);
    await assert.rejects(users().create({ account_id, email: `l${longest}` }), Cloudflare.BadRequestError);
  });

  test('a name may be as long as 320 characters of any kind', async () => {
    const { account_id } = use();
    const name = String.fromCodePoint(...Array.from({ length: 320 }, (_, at) => 0x20000 + at * 97));
    const user = await users().create({ account_id, email: 'longname@example.com', name });
    assert.equal(user?.name, name);
    assert.equal((await users().list({ account_id, name })).result[0]?.id, user?.id);
  });

  const invalid = [
    'plain',
    '@example.com',
    'a@',
    'a@b@example.com',
    'a b@example.com',
    ' a@example.com',
    'a@example.com ',
    'a@example.com\n',
    'a@exa mple.com',
    'a@-example.com',
    'a@example..com',
    'a@.example.com',
    'a@example.com.',
    '.a@example.com',
    'a..b@example.com',
    '"a b"@example.com',
    'a@[127.0.0.1]',
    'a@127.0.0.1',
    'a\u200b@example.com',
    'a\uff20example.com',
    'A <a@example.com>',
    'a@example.com,b@example.com',
    `a@${'b'.repeat(64)}.example`,
  ];
  test('what is no e-mail address is refused, and no user made of it', async () => {
    const { account_id } = use();
    const rows = await readRows(stage.database);
    for (const email of invalid) {
      await assert.rejects(users().create({ account_id, email }), (error) => {
        assert.ok(error instanceof Cloudflare.BadRequestError, email);
        assert.equal((error.errors[0] as { source?: { pointer?: string } }).source?.pointer, '/email', email);
        return true;
      });
    }
    assert.deepEqual(await readRows(stage.database), rows);
  });
});
