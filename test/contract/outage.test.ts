import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { type Kysely, sql } from 'kysely';
import { type ApiAnswer, startTestApp, type TestApp } from '../support/app.ts';
import { databases, type TestDatabase } from '../support/postgres.ts';
import { readRows } from '../support/rows.ts';

/* A database that is away, or cannot write: fail closed, say so, and go on when it is back (decisions, Running). */

test('while PostgreSQL is away nothing is answered but that, and afterwards all is well', async () => {
  await using database = await createOn('postgres');
  assert.ok(database.url);
  await using line = await openLine(new URL(database.url));
  await using app = await startTestApp({ ...database, url: line.url });
  const users = `/accounts/${app.credentials.account_id}/access/users`;
  const made = await app.api('POST', users, { body: { email: 'a@example.com' } });
  const user = `${users}/${made.body.result.id}`;
  const rows = await readRows(database);
  assert.equal(await ready(app), 200);

  await line.cut();
  const { email, api_key } = app.credentials;
  const keyed = { token: null, headers: { 'x-auth-email': email, 'x-auth-key': api_key } };
  const answers = [
    await app.api('GET', users),
    await app.api('GET', user, keyed),
    await app.api('POST', users, { body: { email: 'b@example.com' } }),
    await app.api('PUT', user, { body: { email: 'a@example.com', name: 'B' } }),
    await app.api('DELETE', user),
    await app.api('GET', `/accounts/${'0'.repeat(32)}/access/users`),
  ];
  for (const answer of answers) assertUnavailable(answer);
  assert.equal(await ready(app), 503);
  assert.equal((await fetch(`${app.origin}/healthz`)).status, 200, 'the process itself is well');

  await line.mend();
  assert.equal((await app.api('GET', user)).status, 200);
  assert.equal(await ready(app), 200);
  assert.deepEqual(await readRows(database), rows);
  assert.equal((await app.api('DELETE', user)).status, 202);
});

test('on a full disk what would write is refused as retriable, and what reads is answered', async () => {
  await using database = await createOn('sqlite');
  await using app = await startTestApp(database);
  const users = `/accounts/${app.credentials.account_id}/access/users`;
  const rows = await readRows(database);
  const limit = (pages: number) =>
    app.app.control.database.write((tx) =>
      sql.raw(`pragma max_page_count = ${pages}`).execute(tx.query as Kysely<unknown>),
    );
  await limit(1);
  const body = { email: 'a@example.com', name: 'n'.repeat(300) };
  const attempts: ApiAnswer[] = [];
  // A page that is in use has room for some more rows.
  for (let at = 0; attempts.at(-1)?.status !== 503; at++) {
    assert.ok(at < 200, 'the disk is full in the end');
    attempts.push(await app.api('POST', users, { body: { ...body, email: `a${at}@example.com` } }));
  }
  const refused = attempts.at(-1);
  assert.ok(refused);
  assertUnavailable(refused);
  const { body: list } = await app.api('GET', `${users}?per_page=1000`);
  assert.equal(list.result.length, attempts.length - 1);
  assert.equal(list.result_info.total_count, attempts.length - 1);
  const audited = (await readRows(database)).audit_entries?.length ?? 0;
  assert.equal(audited - (rows.audit_entries?.length ?? 0), attempts.length - 1);
  await limit(1_000_000);
  assert.equal((await app.api('POST', users, { body })).status, 201);
});

function assertUnavailable({ status, headers, body }: ApiAnswer): void {
  assert.equal(status, 503, JSON.stringify(body));
  assert.equal(headers.get('retry-after'), '1');
  assert.equal(headers.get('x-should-retry'), null, 'the SDK may try again');
  assert.equal(headers.get('cache-control'), 'no-store');
  assert.equal(body.success, false);
  assert.equal(body.errors[0].code, 10503);
  assert.equal(body.errors.length, 1);
  assert.equal(body.errors[0].message, 'Temporarily unavailable, try again');
}

async function ready(app: TestApp): Promise<number> {
  return (await fetch(`${app.origin}/readyz`)).status;
}

async function createOn(kind: 'sqlite' | 'postgres'): Promise<TestDatabase> {
  const database = await databases.find(({ name }) => name === kind)?.create();
  assert.ok(database);
  return database;
}

/** A line to the database server that can be cut and mended. */
async function openLine(target: URL) {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on('error', () => {}).on('close', () => other.destroy());
      one.pipe(other);
    }
  });
  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const port = await listen(0);
  const cut = async () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    if (!server.listening) return;
    server.close();
    await once(server, 'close');
  };
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String(port);
  return { url: url.href, cut, mend: () => listen(port), [Symbol.asyncDispose]: cut };
}
