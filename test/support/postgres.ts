import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';

/** A fresh, empty database of one test, and a folder of its own. */
export interface TestDatabase extends AsyncDisposable {
  /** `postgres://…` of a new database owned by a role that is no superuser; null on SQLite. */
  url: string | null;
  /** Where the SQLite file is to be made; it does not exist yet. */
  file: string;
  /** An empty folder that nothing else uses: the data folder of an app under test. */
  folder: string;
  /** Deletes database and folder; connections that are still open are cut. Also called by `await using`. */
  drop(): Promise<void>;
}

export interface DatabaseKind {
  name: 'sqlite' | 'postgres';
  create(): Promise<TestDatabase>;
}

/** Both database engines, real ones. `for (const { name, create } of databases) describe(name, …)`. */
export const databases: readonly DatabaseKind[] = [
  { name: 'sqlite', create: createSqlite },
  { name: 'postgres', create: createPostgres },
];

/** A running PostgreSQL cluster; it ends with `stop`, or else with this process. */
export interface Cluster {
  /** A database to connect to while making others, as a role that may create databases. */
  url: string;
  stop(): Promise<void>;
}

/** Where a test file finds the cluster that the whole run shares (test/support/global-setup.ts). */
export const CLUSTER_VARIABLE = 'TEST_POSTGRES_URL';

/** Starts a PostgreSQL cluster of its own in a second or less. It is stopped even if this process is killed. */
export async function startPostgres(): Promise<Cluster> {
  const keeperPath = fileURLToPath(new URL('./postgres-keeper.ts', import.meta.url));
  // Detached: a Ctrl-C meant for the tests must not reach the cluster before they are done with it.
  const keeper = spawn(process.execPath, [keeperPath], {
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const ended = once(keeper, 'exit');
  const [line] = await Promise.race([once(createInterface(keeper.stdout), 'line'), ended.then(() => ['{}'])]);
  const { url, error } = JSON.parse(String(line)) as { url?: string; error?: string };
  if (url === undefined)
    throw new Error(`PostgreSQL for the tests does not start: ${error ?? 'its keeper ended'}`);
  keeper.unref();
  for (const pipe of [keeper.stdin, keeper.stdout]) if (pipe instanceof Socket) pipe.unref();
  return {
    url,
    async stop() {
      keeper.ref();
      keeper.stdin.end();
      await ended;
    },
  };
}

async function createSqlite(): Promise<TestDatabase> {
  return testDatabase(await createFolder(), null, async () => undefined);
}

async function createPostgres(): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  await administer(`CREATE DATABASE ${name}`);
  const url = new URL(await clusterUrl());
  url.pathname = `/${name}`;
  return testDatabase(await createFolder(), url.href, () =>
    administer(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  );
}

function createFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'portcullis-test-'));
}

function testDatabase(folder: string, url: string | null, dropDatabase: () => Promise<void>): TestDatabase {
  const drop = async () => {
    await dropDatabase();
    await rm(folder, { recursive: true, force: true });
  };
  return { url, folder, file: join(folder, 'portcullis.db'), drop, [Symbol.asyncDispose]: drop };
}

async function administer(statement: string): Promise<void> {
  const client = new Client({ connectionString: await clusterUrl() });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

const own: { cluster?: Promise<Cluster> } = {};

/** The run's cluster, or, when a test file runs alone, one that this process starts at its first need. */
async function clusterUrl(): Promise<string> {
  const shared = process.env[CLUSTER_VARIABLE];
  if (shared !== undefined) return shared;
  own.cluster ??= startPostgres();
  return (await own.cluster).url;
}
