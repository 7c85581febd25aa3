import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import type { Credentials } from '../support/app.ts';
import { freePort } from '../support/free-port.ts';
import { databases, type TestDatabase } from '../support/postgres.ts';

const program = path.join(import.meta.dirname, '..', '..', 'bin', 'portcullis.js');
const PEOPLE = 60;
const TOKENS = 20;
/** Killed when this many removals have been answered, with the rest under way. */
const KILL_AFTER = 25;

interface Server {
  readonly child: ChildProcess;
  readonly origin: string;
  readonly ended: Promise<unknown>;
}

for (const { name, create } of databases) {
  test(`kill -9 in the middle of removals loses none that was answered, on ${name}`, {
    timeout: 60_000,
  }, async () => {
    await using database = await create();
    const first = await start(database);
    const credentials = await readCredentials(database);
    const users = await createUsers(first, credentials);
    const tokens = await createTokens(first, credentials);

    const answered = await removeUntilKilled(first, credentials, { users, tokens });
    assert.ok(
      answered.users.length + answered.tokens.length >= KILL_AFTER,
      'the server was killed too early',
    );

    const second = await start(database);
    try {
      for (const id of answered.users) {
        assert.equal((await call(second, credentials, 'GET', `/access/users/${id}`)).status, 404);
      }
      for (const token of answered.tokens) {
        const { status } = await call(
          second,
          { ...credentials, api_token: token.value },
          'GET',
          '/access/users',
        );
        assert.equal(status, 401);
      }
      const audited = await auditedResources(second, credentials);
      for (const id of [...answered.users, ...answered.tokens.map((token) => token.id)]) {
        assert.ok(audited.has(id), `${id} was removed without an audit entry`);
      }
      await assertWholeOrNotAtAll(second, credentials, { users, audited });
    } finally {
      second.child.kill('SIGTERM');
      await second.ended;
    }
    assert.equal(second.child.exitCode, 0);
  });
}

/** Whether a removal that was not answered happened is open, but it happened with its audit entry or not at all. */
async function assertWholeOrNotAtAll(
  server: Server,
  credentials: Credentials,
  { users, audited }: { users: readonly string[]; audited: ReadonlySet<string> },
): Promise<void> {
  for (const id of users) {
    const { status } = await call(server, credentials, 'GET', `/access/users/${id}`);
    assert.equal(status === 404, audited.has(id));
  }
}

interface Token {
  readonly id: string;
  readonly value: string;
}

async function removeUntilKilled(
  server: Server,
  credentials: Credentials,
  { users, tokens }: { users: readonly string[]; tokens: readonly Token[] },
) {
  const answered = { users: [] as string[], tokens: [] as Token[] };
  const note = async <T>(kept: T[], item: T, status: number, target: string) => {
    const answer = await call(server, credentials, 'DELETE', target).catch(() => null);
    if (answer?.status !== status) return;
    kept.push(item);
    if (answered.users.length + answered.tokens.length === KILL_AFTER) server.child.kill('SIGKILL');
  };
  const work = interleave(
    users.map((id) => () => note(answered.users, id, 202, `/access/users/${id}`)),
    tokens.map((token) => () => note(answered.tokens, token, 200, `/tokens/${token.id}`)),
  );
  const worker = async () => {
    for (let next = work.shift(); next; next = work.shift()) await next();
  };
  await Promise.all(Array.from({ length: 6 }, worker));
  await server.ended;
  return answered;
}

function interleave<T>(long: readonly T[], short: readonly T[]): T[] {
  return long.flatMap((item, index) => {
    const other = short[index];
    return other === undefined ? [item] : [item, other];
  });
}

async function auditedResources(server: Server, credentials: Credentials): Promise<Set<string>> {
  const { body } = await call(
    server,
    credentials,
    'GET',
    '/audit_logs?per_page=1000&action.type=user.delete',
  );
  const tokens = await call(
    server,
    credentials,
    'GET',
    '/audit_logs?per_page=1000&action.type=account_token.delete',
  );
  const entries = [...body.result, ...tokens.body.result] as { resource: { id: string } }[];
  return new Set(entries.map((entry) => entry.resource.id));
}

async function createUsers(server: Server, credentials: Credentials): Promise<string[]> {
  const ids: string[] = [];
  for (let number = 0; number < PEOPLE; number++) {
    const made = await call(server, credentials, 'POST', '/access/users', {
      email: `person${number}@example.com`,
    });
    ids.push(made.body.result.id);
  }
  return ids;
}

async function createTokens(server: Server, credentials: Credentials): Promise<Token[]> {
  const groups = await call(
    server,
    credentials,
    'GET',
    '/tokens/permission_groups?name=Access%3A+Audit+Logs+Read',
  );
  const policies = [
    {
      effect: 'allow',
      permission_groups: [{ id: groups.body.result[0].id }],
      resources: { [`com.cloudflare.api.account.${credentials.account_id}`]: '*' },
    },
  ];
  const tokens: Token[] = [];
  for (let number = 0; number < TOKENS; number++) {
    const made = await call(server, credentials, 'POST', '/tokens', { name: `token ${number}`, policies });
    tokens.push({ id: made.body.result.id, value: made.body.result.value });
  }
  return tokens;
}

async function start(database: TestDatabase): Promise<Server> {
  const port = await freePort();
  const flags = [
    `--listen=127.0.0.1:${port}`,
    `--team-domain=team.localhost`,
    `--data=${database.folder}`,
    '--metrics-listen=off',
    '--rate-limit=off',
    '--log-level=silent',
    ...(database.url ? [`--database-url=${database.url}`] : []),
  ];
  const child = spawn(process.execPath, [program, 'serve', ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  if (!child.stdout) throw new Error('no output');
  const ready = once(child.stdout, 'data');
  await Promise.race([ready, ended.then(() => Promise.reject(new Error('the server did not start')))]);
  return { child, origin: `http://127.0.0.1:${port}`, ended };
}

async function readCredentials(database: TestDatabase): Promise<Credentials> {
  return JSON.parse(await readFile(path.join(database.folder, 'credentials.json'), 'utf8')) as Credentials;
}

async function call(
  server: Server,
  { account_id, api_token }: Credentials,
  method: string,
  target: string,
  body?: object,
) {
  const response = await fetch(`${server.origin}/client/v4/accounts/${account_id}${target}`, {
    method,
    headers: {
      authorization: `Bearer ${api_token}`,
      ...(body ? { 'content-type': 'application/json' } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape, asserted on by the test
  return { status: response.status, body: (await response.json()) as any };
}
