import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, symlink } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from '../../test/support/free-port.ts';
import { pin } from './cores.ts';
import { type Server, startProcess, untilListening } from './servers.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The program as a checkout runs it, from source. */
export const SOURCE_PROGRAM = path.join(ROOT, 'bin', 'portcullis.js');

/** Builds the program into a folder, as `npm run build` does for the package; answers the file to run. */
export async function buildProgram(folder: string): Promise<string> {
  const compiler = path.join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const dist = path.join(folder, 'dist');
  await mkdir(folder, { recursive: true });
  const args = [compiler, '--project', path.join(ROOT, 'tsconfig.build.json'), '--outDir', dist];
  await promisify(execFile)(process.execPath, args).catch((error: { stdout?: string }) => {
    // The compiler writes the program even if it has something to say about types; that is another check's.
    if (!existsSync(path.join(dist, 'main.js'))) throw new Error(`the build failed: ${error.stdout}`);
  });
  for (const name of ['bin', 'package.json']) {
    await cp(path.join(ROOT, name), path.join(folder, name), { recursive: true });
  }
  await symlink(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
  return path.join(folder, 'bin', 'portcullis.js');
}

const READY_WITHIN_MS = 120_000;

/** Starts `portcullis serve` on a data folder, with its usual settings but for the ports and a trusted proxy. */
export async function startServe(
  program: string,
  { data, core, flags = [] }: { data: string; core: number | null; flags?: readonly string[] },
): Promise<Server> {
  const port = await freePort();
  const settings = [`--listen=127.0.0.1:${port}`, `--data=${data}`, '--metrics-listen=off'];
  const command = [process.execPath, program, 'serve', ...settings, '--trusted-proxy=127.0.0.1', ...flags];
  const started = startProcess(command);
  try {
    await untilListening(started, { port, within: READY_WITHIN_MS });
    pin(started.pid, core);
  } catch (error) {
    await started[Symbol.asyncDispose]();
    throw error;
  }
  return { pid: started.pid, port, [Symbol.asyncDispose]: () => started[Symbol.asyncDispose]() };
}
