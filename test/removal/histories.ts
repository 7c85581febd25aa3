import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Client } from 'pg';
import type { Database } from '../../src/database/database.ts';
import { createGateState } from '../../src/gate/state.ts';
import type { Rev } from '../../src/protocol/rev.ts';
import { aloneControl } from '../../src/removal/act.ts';
import { createFeed } from '../../src/removal/feed.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { createSteps, type Mutant } from './steps.ts';
import { askGate, HOST, openAgain, type World } from './world.ts';

/** A copy of a database that nobody has open: a backup, or a standby that was behind. */
export async function copyDatabase(of: TestDatabase): Promise<TestDatabase> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-test-'));
  const file = join(folder, 'portcullis.db');
  const url = of.url === null ? null : await copyPostgres(of.url);
  if (url === null) await copySqlite(of.file, file);
  const drop = async () => {
    if (url !== null) await dropPostgres(url);
    await rm(folder, { recursive: true, force: true });
  };
  return { url, folder, file, drop, [Symbol.asyncDispose]: drop };
}

async function copySqlite(from: string, to: string): Promise<void> {
  const connection = new DatabaseSync(from);
  connection.exec('pragma wal_checkpoint(truncate)');
  connection.close();
  await copyFile(from, to);
}

async function copyPostgres(url: string): Promise<string> {
  const name = new URL(url).pathname.slice(1);
  await administer(url, `create database ${name}_copy template ${name}`);
  const copy = new URL(url);
  copy.pathname = `/${name}_copy`;
  return copy.href;
}

const dropPostgres = (url: string) =>
  administer(url, `drop database if exists ${new URL(url).pathname.slice(1)} with (force)`);

async function administer(url: string, statement: string): Promise<void> {
  const elsewhere = new URL(url);
  elsewhere.pathname = '/postgres';
  const client = new Client(elsewhere.href);
  await client.connect();
  await client.query(statement);
  await client.end();
}

/** A process on a database that holds the world's account, or a copy of it; `swap` puts another in its place. */
export async function openOn(world: World, place: TestDatabase, mutant: Mutant = { name: 'none' }) {
  let present = openAgain(place);
  const database: Database = {
    ...present,
    get reader() {
      return present.reader;
    },
    snapshot: (work, options) => present.snapshot(work, options),
    write: (work) => present.write(work),
    close: () => present.close(),
  };
  const { accountId, providerId, applicationId, clock, sources } = world;
  const state = createGateState();
  const lost: Rev[] = [];
  const onLost = (_accountId: string, { epoch, position }: Rev) => void lost.push({ epoch, position });
  const feed = createFeed({ database, follower: state, sources, onLost });
  await feed.start();
  const control = aloneControl({ database, clock, feed });
  const audience = state.route(HOST, '/')?.application.aud ?? '';
  const of = { accountId, providerId, applicationId, audience, clock, mutant };
  return {
    control,
    database,
    feed,
    /** What was applied here and the database in place does not know. */
    lost,
    steps: createSteps({ control, observer: database, ...of }),
    ask: (token: Parameters<World['ask']>[0]) => askGate(state, token, clock.now()),
    head: () => state.account(accountId)?.revocations.head,
    swap: async (other: TestDatabase) => {
      await present.close();
      present = openAgain(other);
    },
    [Symbol.asyncDispose]: () => present.close(),
  };
}

export type Opened = Awaited<ReturnType<typeof openOn>>;
