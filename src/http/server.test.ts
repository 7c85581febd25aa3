import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { type TObject, Type } from 'typebox';
import type { Principal } from '../database/act.ts';
import type { Reader } from '../database/database.ts';
import { operator } from '../kernel/actor.ts';
import { catalogue, refusal } from '../kernel/errors.ts';
import { type Route, route } from './route.ts';
import { createHttp, type HttpOptions } from './server.ts';

/* The server around routes that fail in ways the real ones should not. */

const SECRET = 'the key of the house';

const somebody: Principal = {
  actor: operator,
  credentialId: 'somebody',
  administratorId: 'somebody',
  permits: async () => true,
};

const spec = {
  method: 'GET',
  scope: 'user',
  path: '/thing',
  operation: 'thing',
  summary: 'A thing',
  tag: 'things',
  permission: ['User Details Read'],
  status: 200,
  result: Type.Object({}),
} as const;

function answering(handler: () => Promise<object>): Route {
  return route({ ...spec, handler });
}

function optionsWith(some: Partial<HttpOptions>): HttpOptions & { faults: unknown[] } {
  const faults: unknown[] = [];
  return {
    faults,
    keeper: {
      reader: { dialect: 'sqlite' } as Reader,
      authenticate: async () => somebody,
      findZone: async () => null,
      settle: async () => {},
      answerBefore: async () => null,
    },
    routes: [answering(async () => ({}))],
    rateLimit: null,
    publicUrl: 'http://127.0.0.1:1',
    addressOf: () => '192.0.2.1',
    intercept: {
      request: () => false,
      wantsUpgrade: () => false,
      upgrade: (_request, socket) => socket.destroy(),
    },
    isLeased: () => true,
    tls: null,
    pages: async () => {},
    onAnswer: () => {},
    onFault: (error) => void faults.push(error),
    ...some,
  };
}

async function serve(options: HttpOptions) {
  const http = await createHttp(options);
  http.server.listen(0, '127.0.0.1');
  await once(http.server, 'listening');
  const { port } = http.server.address() as AddressInfo;
  return {
    ask: (path = '/user/thing') => fetch(`http://127.0.0.1:${port}/client/v4${path}`),
    [Symbol.asyncDispose]: async () => {
      await http.close();
      http.server.closeAllConnections();
      http.server.close();
    },
  };
}

test('a route without permission groups does not boot', async () => {
  const { permission: _, ...bare } = spec;
  const unguarded = { ...bare, permission: [], handler: async () => ({}) } as unknown as Route;
  await assert.rejects(
    createHttp(optionsWith({ routes: [unguarded] })),
    /GET \/client\/v4\/user\/thing has no permission/,
  );
});

test('a page without a stated reason to be open does not boot', async () => {
  const pages: HttpOptions['pages'] = async (app) => {
    app.get('/secrets', async () => SECRET);
  };
  await assert.rejects(createHttp(optionsWith({ pages })), /GET \/secrets has no permission/);
});

test('a page says why it is open, and boots', async () => {
  const pages: HttpOptions['pages'] = async (app) => {
    app.get('/open', { config: { open: 'nothing is told here' } }, async () => ({}));
  };
  await (await createHttp(optionsWith({ pages }))).close();
});

test('two routes with one path do not boot', async () => {
  const twice = answering(async () => ({}));
  await assert.rejects(createHttp(optionsWith({ routes: [twice, twice] })), /already declared/);
});

const failures: readonly (readonly [string, unknown, number, number])[] = [
  ['a mistake of ours', new TypeError(SECRET), 500, 10001],
  ['something thrown that is no error', SECRET, 500, 10001],
  ['a database that is away', Object.assign(new Error(SECRET), { code: 'ECONNREFUSED' }), 503, 10503],
  ['a database that is full', Object.assign(new Error(SECRET), { errcode: 13 }), 503, 10503],
  ['a transaction that gave up', Object.assign(new Error(SECRET), { code: '40001' }), 503, 10503],
  ['a row that went away meanwhile', Object.assign(new Error(SECRET), { code: '23503' }), 503, 10503],
  ['a row that is there already', Object.assign(new Error(SECRET), { code: '23505' }), 409, 1004],
  ['a refusal with a cause', refusal('notFound', { cause: new Error(SECRET) }), 404, 1003],
];

for (const [name, error, status, code] of failures) {
  test(`${name} is ${status} to the caller, who learns no more, and whole to the log`, async () => {
    const fail = answering(async () => {
      throw error;
    });
    const options = optionsWith({ routes: [fail] });
    await using server = await serve(options);
    const answer = await server.ask();
    const text = await answer.text();
    assert.equal(answer.status, status);
    assert.deepEqual(
      JSON.parse(text).errors.map((fault: { code: number }) => fault.code),
      [code],
    );
    assert.equal(text.includes(SECRET), false);
    assert.equal([...answer.headers.values()].join().includes(SECRET), false);
    assert.equal(answer.headers.get('retry-after'), status === 503 ? '1' : null);
    assert.equal(answer.headers.get('x-should-retry'), status === 409 ? 'false' : null);
    const [told] = options.faults as { cause?: unknown }[];
    assert.equal(told?.cause, error instanceof Error && error.name === 'ApiError' ? error.cause : error);
  });
}

test('a fault of ours while a credential is read is no failure of the caller’s', async () => {
  const authenticate = async () => {
    throw Object.assign(new Error('gone'), { code: 'ECONNREFUSED' });
  };
  const { keeper, ...rest } = optionsWith({ rateLimit: 2 });
  await using server = await serve({ ...rest, keeper: { ...keeper, authenticate } });
  for (let at = 0; at < 6; at++) assert.equal((await server.ask()).status, 503);
});

test('a 404 is answered only when what it was read from is in force', async () => {
  const order: string[] = [];
  const unknown = route({
    ...spec,
    scope: 'account',
    handler: async () => {
      order.push('read');
      throw refusal('notFound');
    },
  });
  const settle = async (accountId: string) => void order.push(`settled ${accountId}`);
  const { keeper, ...rest } = optionsWith({ routes: [unknown] });
  await using server = await serve({ ...rest, keeper: { ...keeper, settle } });
  const account = 'a'.repeat(32);
  assert.equal((await server.ask(`/accounts/${account}/thing`)).status, 404);
  assert.deepEqual(order, ['read', `settled ${account}`]);
});

test('what a route answers beyond its shape is not sent', async () => {
  const shape = Type.Object({ name: Type.String() });
  const handler = async () => ({ name: 'A', secret: SECRET });
  const wide = route<typeof shape, TObject<Record<never, never>>>({ ...spec, result: shape, handler });
  await using server = await serve(optionsWith({ routes: [wide] }));
  const text = await (await server.ask()).text();
  assert.deepEqual(JSON.parse(text).result, { name: 'A' });
  assert.equal(text.includes(SECRET), false);
});

test('every code of the catalogue has one meaning', () => {
  const meanings = new Map<number, Set<string>>();
  for (const { code, message } of Object.values(catalogue)) {
    meanings.set(code, (meanings.get(code) ?? new Set()).add(message));
  }
  const shared = [...meanings].filter(([, messages]) => messages.size > 1).map(([code]) => code);
  // Cloudflare's own: not who you say, and not allowed to.
  assert.deepEqual(shared, [10000]);
});
