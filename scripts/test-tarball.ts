/**
 * Packs the package, installs the tarball without development dependencies in an empty folder, and runs what
 * was installed: `--version`, what it exports to programs, then `serve` until it is healthy, then SIGTERM. Says what it does; exits 1 if
 * any of it fails.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const INSTALL_LIMIT_MS = 240_000;
const HEALTHY_WITHIN_MS = 30_000;
const ENDED_WITHIN_MS = 15_000;

const PROOF_SCRIPT = `
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { makeDeviceProof, readDeviceProof } from 'portcullis/device-proof';
const privateJwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
const request = { method: 'GET', url: 'https://wiki.example/', now: Date.now() };
const read = readDeviceProof(makeDeviceProof({ ...request, privateJwk, jti: randomUUID() }), request);
console.log('thumbprint' in read ? 'it is proven' : read.reason);
`;

// The Node that runs this script also runs npm and what is installed, whatever else the machine has.
const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}` };

const folder = await mkdtemp(join(tmpdir(), 'portcullis-tarball-'));
try {
  const tarball = await pack();
  const installed = await install(tarball);
  await checkContent(installed);
  const program = join(folder, 'app', 'node_modules', '.bin', 'portcullis');
  await checkVersion(program, installed);
  await checkExport();
  await checkServe(program);
  say('the tarball works');
} catch (error) {
  say(`FAILED: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function pack(): Promise<string> {
  await run('npm', ['pack', '--pack-destination', folder], ROOT);
  const name = (await readdir(folder)).find((file) => file.endsWith('.tgz'));
  if (name === undefined) throw new Error('npm pack made no tarball');
  say(`packed ${name}`);
  return join(folder, name);
}

async function install(tarball: string): Promise<string> {
  const app = join(folder, 'app');
  await mkdir(app);
  await writeFile(join(app, 'package.json'), JSON.stringify({ name: 'app', private: true }));
  await run('npm', ['install', '--omit=dev', '--no-audit', '--no-fund', tarball], app);
  say('installed it in an empty folder, without development dependencies');
  return join(app, 'node_modules', 'portcullis');
}

async function checkContent(installed: string): Promise<void> {
  const files = await readdir(installed, { recursive: true });
  const stray = files.filter((file) =>
    /(?<!\.d)\.ts$|\.test\.|^(?:src|test|demo|scripts|bench)\//.test(file),
  );
  if (stray.length > 0) throw new Error(`the package holds what it should not: ${stray.join(', ')}`);
  const missing = [
    'bin/portcullis.js',
    'dist/main.js',
    'dist/protocol/device-proof.d.ts',
    'LICENSE',
    'README.md',
  ].filter((file) => !files.includes(file));
  if (missing.length > 0) throw new Error(`the package lacks ${missing.join(', ')}`);
  say('it holds the program, its licence and its README, and no sources or tests');
}

async function checkVersion(program: string, installed: string): Promise<void> {
  const { version } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as {
    version: string;
  };
  const printed = await run(process.execPath, [program, '--version'], folder);
  if (!printed.includes(version))
    throw new Error(`--version prints "${printed.trim()}" instead of ${version}`);
  say(`--version prints ${version}`);
}

/** A program in the folder where it was installed makes a proof and reads it. */
async function checkExport(): Promise<void> {
  const script = join(folder, 'app', 'proof.mjs');
  await writeFile(script, PROOF_SCRIPT);
  const printed = await run(process.execPath, [script], folder);
  if (printed.trim() !== 'it is proven') throw new Error(`portcullis/device-proof says "${printed.trim()}"`);
  say('a program can make device proofs with it');
}

async function checkServe(program: string): Promise<void> {
  const listen = `127.0.0.1:${await freePort()}`;
  const server = spawn(
    process.execPath,
    [program, 'serve', '--listen', listen, '--data', join(folder, 'data')],
    {
      cwd: folder,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const output = collect(server);
  try {
    await untilHealthy(`http://${listen}/healthz`, server);
    say(`serve is healthy on ${listen}`);
    await stop(server);
    say('SIGTERM ends it with exit code 0');
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${output.join('')}`);
  } finally {
    server.kill('SIGKILL');
  }
}

async function untilHealthy(url: string, server: ChildProcess): Promise<void> {
  const deadline = Date.now() + HEALTHY_WITHIN_MS;
  while (Date.now() < deadline) {
    if (server.exitCode !== null) throw new Error(`serve ended with exit code ${server.exitCode}`);
    const answer = await fetch(url).catch(() => null);
    if (answer?.ok) return;
    await pause(50);
  }
  throw new Error(`serve is not healthy after ${HEALTHY_WITHIN_MS} ms`);
}

async function stop(server: ChildProcess): Promise<void> {
  const ended = once(server, 'exit', { signal: AbortSignal.timeout(ENDED_WITHIN_MS) });
  server.kill('SIGTERM');
  const [code, signal] = await ended.catch(() => [null, `nothing within ${ENDED_WITHIN_MS} ms`]);
  if (code !== 0) throw new Error(`after SIGTERM serve ended with ${code ?? signal}`);
}

/** Runs a command to its end and returns what it printed; throws, with all its output, if it fails. */
async function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  const child = spawn(command, args, {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: INSTALL_LIMIT_MS,
  });
  const printed: string[] = [];
  child.stdout.on('data', (chunk) => printed.push(String(chunk)));
  const output = collect(child);
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}\n${output.join('')}`);
  return printed.join('');
}

function collect(child: ChildProcess): string[] {
  const output: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => output.push(String(chunk)));
  return output;
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

function say(text: string): void {
  console.log(`tarball: ${text}`);
}
