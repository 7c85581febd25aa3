import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { Client } from 'pg';
import type { Database } from '../../src/database/database.ts';
import { openPostgres } from '../../src/database/postgres.ts';
import { openSqlite } from '../../src/database/sqlite.ts';
import { startTestApp, type TestApp } from '../../test/support/app.ts';
import { startPostgres } from '../../test/support/postgres.ts';
import type { BenchContext } from '../harness/bench.ts';
import { startServe } from '../harness/program.ts';
import type { Server } from '../harness/servers.ts';
import { type Asker, createAsker } from './ask.ts';
import { type Bulk, openBulkPostgres, openBulkSqlite } from './bulk.ts';
import { emailOf } from './names.ts';
import { fillAccount } from './rows.ts';
import { HOLDINGS, type Sizes } from './sizes.ts';

/** Where databases are made. */
export interface Engine {
  readonly name: 'SQLite' | 'PostgreSQL';
  /** Makes place for a server with that data folder. */
  create(folder: string): Promise<Place>;
}

interface Place {
  /** null: a file in the folder. */
  readonly url: string | null;
  bulk(): Promise<Bulk>;
  open(): Database;
}

/** A server on a filled database, and the database itself for statements beside it. */
export interface World {
  readonly engine: Engine['name'];
  readonly users: number;
  readonly userGroups: number;
  readonly accountId: string;
  readonly server: Server;
  readonly asker: Asker;
  readonly database: Database;
}

export const sqlite: Engine = {
  name: 'SQLite',
  create: async (folder) => ({
    url: null,
    bulk: async () => openBulkSqlite(folder),
    open: () => openSqlite(path.join(folder, 'portcullis.db')),
  }),
};

/** A cluster of its own, which ends with the bench. */
export async function startPostgresEngine({ stack }: BenchContext): Promise<Engine> {
  const cluster = await startPostgres();
  stack.defer(() => cluster.stop());
  return {
    name: 'PostgreSQL',
    create: async (folder) => {
      const name = path.basename(folder).replaceAll(/\W/g, '_').toLowerCase();
      const client = new Client({ connectionString: cluster.url });
      await client.connect();
      await client.query(`create database ${name}`);
      await client.end();
      const url = new URL(cluster.url);
      url.pathname = `/${name}`;
      return {
        url: url.href,
        bulk: () => openBulkPostgres(url.href),
        open: () => openPostgres(url.href),
      };
    },
  };
}

export interface Asked {
  readonly program: string;
  readonly sizes: Sizes;
  readonly users: number;
}

/** Makes a database with the program, fills it while nothing runs on it, and starts the program on it again. */
export async function prepareWorld(
  context: BenchContext,
  engine: Engine,
  { program, sizes, users }: Asked,
): Promise<World> {
  const { stack, cores, folder, say } = context;
  const data = path.join(folder, `${engine.name}-${users}`);
  await mkdir(data, { recursive: true });
  const { url, bulk: openBulk, open } = await engine.create(data);
  const flags = url === null ? [] : [`--database-url=${url}`];
  const made = await firstStart(data, url, sizes);
  say(`${engine.name}: filling a world of ${users} users`);
  const bulk = await openBulk();
  const userGroups = Math.min(users, sizes.userGroups);
  await fillAccount(bulk, { ...made, users, userGroups, deletions: sizes.deletions }).finally(() =>
    bulk[Symbol.asyncDispose](),
  );
  const server = stack.use(
    await startServe(program, {
      data,
      core: cores.server,
      flags: [...flags, '--rate-limit=off', '--log-level=warn'],
    }),
  );
  const database = open();
  stack.defer(() => database.close());
  const asker = createAsker(server.port, {
    root: `/client/v4/accounts/${made.accountId}`,
    token: made.apiToken,
  });
  stack.defer(() => asker.close());
  return { engine: engine.name, users, userGroups, accountId: made.accountId, server, asker, database };
}

/** What the API makes: a provider, and groups whose rules name those who are deleted later. */
async function firstStart(folder: string, url: string | null, { deletions }: Sizes) {
  await using app = await startServerHere(folder, url);
  const { account_id: accountId, api_token: apiToken } = app.credentials;
  const make = async (resource: string, body: object): Promise<string> => {
    const answer = await app.api('POST', `/accounts/${accountId}/access/${resource}`, { body });
    if (answer.status >= 300) throw new Error(`${resource}: ${JSON.stringify(answer.body)}`);
    return String(answer.body.result.id);
  };
  const config = { client_id: 'bench', client_secret: 'a secret for a bench' };
  const providerId = await make('identity_providers', { name: 'Bench', type: 'github', config });
  const include = Array.from({ length: deletions }, (_, at) => ({ email: { email: emailOf(at + 1) } }));
  for (let at = 0; at < HOLDINGS.groups; at += 1) await make('groups', { name: `Group ${at}`, include });
  return { accountId, apiToken, providerId };
}

/** A server in this process, on the folder's own database or another: a process of its own takes longer to start. */
export async function startServerHere(folder: string, url: string | null): Promise<TestApp> {
  const drop = async () => {};
  const file = path.join(folder, 'portcullis.db');
  return await startTestApp({ url, folder, file, drop, [Symbol.asyncDispose]: drop });
}
