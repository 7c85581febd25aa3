import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { startPostgres, type TestDatabase } from './postgres.ts';

/** A PostgreSQL of its own, whose commits can be made to wait for a standby that does not exist. */
export interface Standbys extends AsyncDisposable {
  /** A fresh database of it. */
  createDatabase(): Promise<TestDatabase>;
  /** From now on no commit ends; from now on each does again. */
  demand(): Promise<void>;
  release(): Promise<void>;
  /** How many commits wait for it. */
  waiting(): Promise<number>;
  /** Resolves when so many commits wait. */
  untilWaiting(count: number): Promise<void>;
  /** Cancels the wait of each, as an operator would. */
  cancel(): Promise<void>;
}

export async function startStandbys(): Promise<Standbys> {
  const cluster = await startPostgres();
  const admin = await connectAs('postgres', cluster.url);
  const folders: string[] = [];
  let made = 0;

  const configure = async (names: string) => {
    await admin.query(`alter system set synchronous_standby_names = '${names}'`);
    await admin.query('select pg_reload_conf()');
  };
  const waiting = async () => (await waiters(admin)).length;
  const cancel = async () => {
    for (const pid of await waiters(admin)) await admin.query('select pg_cancel_backend($1)', [pid]);
  };
  const untilWaiting = (count: number) => until(async () => (await waiting()) === count);

  return {
    waiting,
    untilWaiting,
    cancel,
    createDatabase: async () => {
      made += 1;
      const owner = await connectAs('portcullis', cluster.url);
      await owner.query(`create database of_its_own_${made}`);
      await owner.end();
      const url = new URL(cluster.url);
      url.pathname = `/of_its_own_${made}`;
      const folder = await mkdtemp(join(tmpdir(), 'portcullis-test-'));
      folders.push(folder);
      const drop = async () => {};
      return { url: url.href, folder, file: join(folder, 'none'), drop, [Symbol.asyncDispose]: drop };
    },
    demand: async () => {
      await configure('nobody');
      // The server takes it in when it comes to it: a commit of ours tells.
      await until(async () => {
        const probe = await connectAs('postgres', cluster.url);
        const ended = probe.query('create table if not exists probed (); drop table probed').then(
          () => true,
          () => true,
        );
        const isWaiting = until(async () => (await waiting()) > 0, 10).then(
          () => false,
          () => true,
        );
        const isFree = await Promise.race([ended, isWaiting]);
        await cancel();
        await ended;
        await probe.end();
        return !isFree;
      });
    },
    release: async () => {
      await configure('');
      await until(async () => (await waiting()) === 0);
    },
    [Symbol.asyncDispose]: async () => {
      await admin.end();
      await cluster.stop();
      for (const folder of folders) await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Who administers it has no need to wait for anybody. */
async function connectAs(user: string, clusterUrl: string): Promise<Client> {
  const url = new URL(clusterUrl);
  url.username = user;
  const options = user === 'postgres' ? '' : '-c synchronous_commit=local';
  const client = new Client({ connectionString: url.href, options });
  await client.connect();
  return client;
}

async function waiters(admin: Client): Promise<number[]> {
  const { rows } = await admin.query(`select pid from pg_stat_activity where wait_event = 'SyncRep'`);
  return rows.map(({ pid }) => pid as number);
}

/** Asks until it is so. */
async function until(isSo: () => Promise<boolean>, tries = 1000): Promise<void> {
  for (let left = tries; left > 0; left--) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('it never came');
}
