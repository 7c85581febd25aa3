import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import Cloudflare from 'cloudflare';
import { Client } from 'pg';
import type { Credentials } from './support/app.ts';
import { freePort } from './support/free-port.ts';
import { databases } from './support/postgres.ts';
import { readCredentials, runProgram, type Server, serve } from './support/program.ts';
import { readAnswer, toBytes } from './support/raw-http.ts';
import { readRows } from './support/rows.ts';

/* `portcullis serve`, the real program. */

const modeOf = async (file: string) => ((await stat(file)).mode & 0o777).toString(8);

for (const { name, create } of databases) {
  describe(`serve (${name})`, () => {
    test('makes the first account, writes the credentials down for its owner alone, and tells where, not what', async () => {
      await using database = await create();
      const folder = path.join(database.folder, 'new', 'data');
      await using server = await serve({ ...database, folder }, { flags: ['--log-level=trace'] });
      const file = path.join(folder, 'credentials.json');
      assert.ok(server.stdout().includes(`${file} (just made)`));
      assert.deepEqual([await modeOf(file), await modeOf(folder)], ['600', '700']);
      const credentials = await readCredentials(folder);
      const keys = ['base_url', 'account_id', 'zone_id', 'email', 'api_key', 'api_token'];
      assert.deepEqual(Object.keys(credentials), keys);
      assert.equal(credentials.base_url, `${server.origin}/client/v4`);
      assert.match(credentials.account_id, /^[0-9a-f]{32}$/);
      assert.match(credentials.zone_id, /^[0-9a-f]{32}$/);
      assert.match(credentials.api_key, /^cfk_[0-9a-f]{40}[0-9a-f]{8}$/);
      assert.match(credentials.api_token, /^cfat_[0-9A-Za-z]{40}[0-9a-f]{8}$/);
      await useBoth(credentials);
      const query = 'code=the-code-of-a-sign-in&state=its-state';
      await fetch(`${server.origin}/cdn-cgi/access/callback?${query}`, {
        headers: { cookie: 'a=the-cookie' },
      });
      assert.equal(await server.stop(), 0);
      const said = server.stdout() + server.stderr();
      assert.ok(said.includes('"route":"/client/v4/accounts"'), 'it does log requests');
      const secrets = [
        credentials.api_key,
        credentials.api_token,
        (await readFile(path.join(folder, 'master.key'), 'utf8')).trim(),
        'the-code-of-a-sign-in',
        'its-state',
        'the-cookie',
        ...(database.url ? [new URL(database.url).password].filter((password) => password !== '') : []),
      ];
      for (const secret of secrets) assert.equal(said.includes(secret), false, secret.slice(0, 5));
      for (const other of await readdir(folder)) {
        assert.equal(await modeOf(path.join(folder, other)), '600', other);
        if (other === 'credentials.json') continue;
        const content = await readFile(path.join(folder, other), 'latin1');
        for (const secret of secrets.slice(0, 2)) assert.equal(content.includes(secret), false, other);
      }
    });

    test('creates nothing the second time, and all that there was works', async () => {
      await using database = await create();
      const first = await serve(database);
      assert.equal(await first.stop(), 0);
      const file = path.join(database.folder, 'credentials.json');
      const before = [await readFile(file, 'utf8'), (await stat(file)).mtimeMs];
      const rows = await readRows(database);
      await using second = await serve(database);
      assert.deepEqual([await readFile(file, 'utf8'), (await stat(file)).mtimeMs], before);
      assert.deepEqual(await readRows(database), rows);
      assert.equal(second.stdout().includes('just made'), false);
      assert.ok(second.stdout().includes(file));
      await useBoth({ ...(await readCredentials(database.folder)), base_url: `${second.origin}/client/v4` });
      assert.equal(await second.stop(), 0);
    });

    test('finishes what is under way when it is asked to stop, and takes nothing more', async () => {
      await using database = await create();
      await using server = await serve(database);
      const { account_id, api_token } = await readCredentials(database.folder);
      const body = '{"email":"late@example.com"}';
      const request = toBytes(
        {
          method: 'POST',
          target: `/client/v4/accounts/${account_id}/access/users`,
          headers: [
            ['authorization', `Bearer ${api_token}`],
            ['content-type', 'application/json'],
            ['expect', '100-continue'],
          ],
          body,
        },
        '127.0.0.1',
      );
      const socket = connect(server.port, '127.0.0.1');
      socket.write(request.subarray(0, request.length - body.length));
      const [go] = await once(socket, 'data');
      assert.match(String(go), /^HTTP\/1\.1 100 Continue/);
      server.child.kill('SIGTERM');
      await server.says('draining');
      await untilRefused(server.port);
      assert.equal(server.child.exitCode, null, 'it waits');
      const answer = readAnswer(socket);
      socket.write(body);
      const { status, text } = await answer;
      assert.equal(status, 201, text);
      assert.equal(await server.ended, 0);
      assert.ok((await readRows(database)).users?.some((row) => row.includes('late@example.com')));
    });

    test('is read from variables, a file and files of secrets as well', async () => {
      await using database = await create();
      const port = await freePort();
      const config = path.join(database.folder, 'config.json');
      await writeFile(
        config,
        JSON.stringify({ 'admin-email': 'root@home.example', zone: 'home.example', 'metrics-listen': 'off' }),
      );
      const url = path.join(database.folder, 'database-url');
      if (database.url !== null) await writeFile(url, `${database.url}\n`);
      await using program = runProgram(['serve', '--config', config], {
        env: {
          PORTCULLIS_LISTEN: `127.0.0.1:${port}`,
          PORTCULLIS_DATA: database.folder,
          PORTCULLIS_TEAM_DOMAIN: `home.localhost:${port}`,
          ...(database.url === null ? {} : { PORTCULLIS_DATABASE_URL_FILE: url }),
        },
      });
      await program.says('is ready.');
      const credentials = await readCredentials(database.folder);
      assert.equal(credentials.email, 'root@home.example');
      const client = new Cloudflare({ baseURL: credentials.base_url, apiToken: credentials.api_token });
      const { account_id, zone_id } = credentials;
      const organization = await client.zeroTrust.organizations.list({ account_id });
      assert.equal(organization.auth_domain, `home.localhost:${port}`);
      assert.equal((await client.zones.get({ zone_id })).name, 'home.example');
    });
  });
}

test('on PostgreSQL a server whose connections are all broken goes on, and takes them up again', async () => {
  const database = await databases.find(({ name }) => name === 'postgres')?.create();
  assert.ok(database?.url);
  await using _database = database;
  await using server = await serve(database);
  const client = new Client(database.url);
  await client.connect();
  const ended = `select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`;
  assert.ok(((await client.query(ended)).rowCount ?? 0) > 1);
  const locks = `select 1 from pg_locks where locktype = 'advisory' and mode = 'ShareLock'
    and database = (select oid from pg_database where datname = current_database())`;
  for (const until = performance.now() + 20_000; (await client.query(locks)).rowCount === 0; await wait(50)) {
    assert.ok(performance.now() < until, 'the lock is not held again');
  }
  await client.end();
  for (const until = performance.now() + 20_000; (await fetch(`${server.origin}/readyz`)).status !== 200; ) {
    assert.ok(performance.now() < until, 'it does not recover');
    await wait(50);
  }
  assert.equal(await server.stop(), 0);
});

describe('beside the API', () => {
  test('are health and readiness; metrics are served elsewhere, or nowhere', async () => {
    const database = await databases.find(({ name }) => name === 'sqlite')?.create();
    assert.ok(database);
    await using _database = database;
    const port = await freePort();
    await using server = await serve(database, { flags: [`--metrics-listen=127.0.0.1:${port}`] });
    for (const [page, body] of [
      ['healthz', { status: 'ok' }],
      ['readyz', { status: 'ready' }],
    ] as const) {
      const answer = await fetch(`${server.origin}/${page}`);
      assert.deepEqual([answer.status, await answer.json()], [200, body]);
    }
    const { api_token } = await readCredentials(database.folder);
    await fetch(`${server.origin}/client/v4/accounts`, { headers: { authorization: `Bearer ${api_token}` } });
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    assert.match(
      metrics,
      /portcullis_http_request_seconds_count\{method="GET",route="\/client\/v4\/accounts",status="200"\} 1/,
    );
    assert.match(metrics, /portcullis_feed_position\{account="[0-9a-f]{32}"\} \d+/);
    assert.match(metrics, /process_cpu_seconds_total/);
    assert.equal(metrics.includes(api_token), false);
    assert.equal((await fetch(`${server.origin}/metrics`)).status, 404);
    assert.equal((await fetch(`http://127.0.0.1:${port}/client/v4/accounts`)).status, 404);
    assert.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 404);
    await server.stop();
    await using quiet = await serve(database);
    assert.match(quiet.stdout(), /metrics +off/);
    await assert.rejects(connectTo(port), /ECONNREFUSED/);
  });

  test('SIGINT stops it as SIGTERM does', async () => {
    const database = await databases.find(({ name }) => name === 'sqlite')?.create();
    assert.ok(database);
    await using _database = database;
    await using server: Server = await serve(database);
    server.child.kill('SIGINT');
    assert.equal(await server.ended, 0);
  });
});

async function useBoth(credentials: Credentials): Promise<void> {
  const {
    base_url: baseURL,
    account_id,
    email: apiEmail,
    api_key: apiKey,
    api_token: apiToken,
  } = credentials;
  const none = { apiToken: null, apiEmail: null, apiKey: null, maxRetries: 0 };
  for (const client of [
    new Cloudflare({ ...none, baseURL, apiToken }),
    new Cloudflare({ ...none, baseURL, apiEmail, apiKey }),
  ]) {
    const accounts = await client.accounts.list();
    assert.deepEqual(
      accounts.result.map(({ id }) => id),
      [account_id],
    );
  }
}

/** Connects until nobody listens any more. */
async function untilRefused(port: number): Promise<void> {
  for (;;) {
    const refused = await connectTo(port).catch((error: NodeJS.ErrnoException) => error.code);
    if (refused === 'ECONNREFUSED') return;
  }
}

async function connectTo(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.destroy();
}
