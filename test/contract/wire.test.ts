import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiAnswer, TestApp } from '../support/app.ts';
import { seed } from '../support/authority-rows.ts';
import { exchange, type RawRequest, toBytes } from '../support/raw-http.ts';
import { type Refusal, refuses, type Scenario } from '../support/refusals.ts';
import { onBothDatabases, type Stage } from '../support/stage.ts';

/*
 * What goes wrong before there is a request is answered in the envelope as well (decisions, Bodies); and what
 * is odd but means one thing is answered as usual.
 */

const malformed: Refusal = { status: 400, code: 1010 };
const tooLarge: Refusal = { status: 431, code: 1012 };

interface World {
  readonly users: string;
  readonly token: string;
}

async function prepare({ app }: Stage): Promise<World> {
  const { account_id, api_token } = app.credentials;
  return { users: `/client/v4/accounts/${account_id}/access/users`, token: api_token };
}

type Row = readonly [name: string, sends: (world: World) => string | RawRequest, refusal: Refusal];

const wire: readonly Row[] = [
  ['garbage', () => '\x16\x03\x01 this is no HTTP\r\n\r\n', malformed],
  ['a NUL byte in the target', ({ users }) => `GET ${users}/\0 HTTP/1.1\r\nHost: a\r\n\r\n`, malformed],
  ['a header without a name', () => 'GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n', malformed],
  ['a NUL byte in a header', () => 'GET / HTTP/1.1\r\nHost: a\r\nX-A: a\0b\r\n\r\n', malformed],
  ['no Host', ({ users }) => `GET ${users} HTTP/1.1\r\nConnection: close\r\n\r\n`, malformed],
  [
    'two Hosts',
    ({ users, token }) =>
      `GET ${users} HTTP/1.1\r\nHost: a\r\nHost: b\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`,
    malformed,
  ],
  [
    'a length beside chunks, of which servers believe one or the other',
    ({ users, token }) =>
      `POST ${users} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: 27\r\nTransfer-Encoding: chunked\r\n\r\n1b\r\n{"email":"smuggled@a.test"}\r\n0\r\n\r\n`,
    malformed,
  ],
  [
    'two lengths',
    ({ users }) => `POST ${users} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}`,
    malformed,
  ],
  [
    'one header of 40 KB',
    ({ users }) => ({ target: users, headers: [['x-large', 'a'.repeat(40_000)]] }),
    tooLarge,
  ],
  [
    'headers of 40 KB together',
    ({ users }) => ({
      target: users,
      headers: Array.from({ length: 400 }, (_, at) => [`x-${at}`, 'a'.repeat(90)] as const),
    }),
    tooLarge,
  ],
  [
    '2 MB in chunks, without a length',
    ({ users, token }) => {
      const chunk = `10000\r\n${'a'.repeat(0x10000)}\r\n`;
      return `POST ${users} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(32)}0\r\n\r\n`;
    },
    { status: 413, code: 1007 },
  ],
];

refuses(
  'bytes that are refused',
  prepare,
  wire.map(([name, sends, refusal]): Scenario<World> => {
    return {
      name,
      refusal,
      sends: (world) => {
        const sent = sends(world);
        return typeof sent === 'string' ? Buffer.from(sent, 'latin1') : toBytes(sent, 'a');
      },
    };
  }),
);

onBothDatabases('what is odd but clear', (stage) => {
  test('a page beyond the last is empty, or the SDK would never stop asking', async () => {
    const { app } = stage;
    const users = usersOf(app);
    await app.api('POST', users, { body: { email: 'last@example.com' } });
    const { total_count } = (await app.api('GET', users)).body.result_info;
    assert.ok(total_count > 0);
    for (const page of [2, 1_000_000_000]) {
      const { status, body } = await app.api('GET', `${users}?page=${page}&per_page=1000`);
      assert.equal(status, 200);
      assert.deepEqual(body.result, []);
      const info = { page, per_page: 1000, count: 0, total_count, total_pages: 1 };
      assert.deepEqual(body.result_info, info);
    }
  });

  test('what is not known is ignored, and each of it named', async () => {
    const { app } = stage;
    const body = { email: 'unknown@example.com', nickname: 'A', constructor: 1, 'a/b~c': null };
    const answer = await app.api('POST', `${usersOf(app)}?dry_run=true`, { body });
    assert.equal(answer.status, 201);
    const pointers = ['/nickname', '/constructor', '/a~1b~0c', '/query/dry_run'];
    assert.deepEqual(
      answer.body.messages.map((note: { source: object }) => note.source),
      pointers.map((pointer) => ({ pointer })),
    );
    for (const note of answer.body.messages) assert.match(note.message, /ignored/);
    assert.deepEqual(Object.keys(answer.body.result).includes('nickname'), false);
  });

  test('a query may use the names of an object’s own machinery', async () => {
    const { app } = stage;
    const answer = await app.api('GET', `${usersOf(app)}?__proto__=1&constructor=2&hasOwnProperty=3`);
    assert.equal(answer.status, 200);
    assert.equal(answer.body.messages.length, 3);
  });

  test('an expectation or an upgrade that is not offered is passed over', async () => {
    const { app } = stage;
    const target = `/client/v4${usersOf(app)}`;
    for (const odd of [
      ['expect', 'miracles'],
      ['upgrade', 'websocket'],
    ] as const) {
      const headers = [odd, ['authorization', `Bearer ${app.credentials.api_token}`]] as const;
      const answer = await exchange(app.port, toBytes({ target, headers }, 'a'));
      assert.equal(answer.status, 200);
      assert.equal(JSON.parse(answer.text).success, true);
    }
  });

  test('where no body is due, none and no content type are needed, and an empty one is none', async () => {
    const { app } = stage;
    const { id, secret } = await seed(app).token({}, []);
    const target = `/client/v4/accounts/${app.credentials.account_id}/tokens/${id}`;
    const authorization = ['authorization', `Bearer ${app.credentials.api_token}`] as const;
    const json = ['content-type', 'application/json'] as const;
    const ask = async (request: RawRequest) => {
      const answer = await exchange(app.port, toBytes(request, 'a'));
      assert.equal(answer.status, 200, answer.text);
      return JSON.parse(answer.text).result;
    };
    const rolled = await ask({ method: 'PUT', target: `${target}/value`, headers: [authorization] });
    assert.notEqual(rolled, secret);
    await ask({ method: 'PUT', target: `${target}/value`, headers: [authorization, json], body: '' });
    await ask({ method: 'PUT', target: `${target}/value`, headers: [authorization, json], body: '{}' });
    assert.deepEqual(await ask({ method: 'DELETE', target, headers: [authorization, json], body: '' }), {
      id,
    });
  });

  test('ids are read in upper case as well', async () => {
    const { app } = stage;
    const { body } = await app.api('POST', usersOf(app), { body: { email: 'upper@example.com' } });
    const path = `${usersOf(app)}/${body.result.id}`;
    const answer = await app.api(
      'GET',
      path.replace(/[0-9a-f-]{32,}/g, (id) => id.toUpperCase()),
    );
    assert.equal(answer.status, 200);
    assert.equal(answer.body.result.id, body.result.id);
  });

  test('every success has a number to ask about, is kept by no cache, and is in the envelope', async () => {
    const { app } = stage;
    const users = usersOf(app);
    const made = await app.api('POST', users, { body: { email: 'headers@example.com' } });
    const path = `${users}/${made.body.result.id}`;
    const answers = [
      made,
      await app.api('GET', users),
      await app.api('GET', path),
      await app.api('PUT', path, { body: { email: 'headers@example.com', name: 'A' } }),
      await app.api('DELETE', path),
    ];
    for (const answer of answers) assertProtected(answer);
    assert.equal(new Set(answers.map(({ headers }) => headers.get('x-request-id'))).size, answers.length);
  });
});

function assertProtected({ status, headers, body }: ApiAnswer): void {
  assert.ok(status >= 200 && status <= 202);
  assert.match(headers.get('x-request-id') ?? '', /^[0-9a-f]{16}$/);
  assert.equal(headers.get('cache-control'), 'no-store');
  assert.equal(headers.get('x-content-type-options'), 'nosniff');
  assert.equal(body.success, true);
  assert.deepEqual([body.errors, body.messages], [[], []]);
}

function usersOf(app: TestApp): string {
  return `/accounts/${app.credentials.account_id}/access/users`;
}
