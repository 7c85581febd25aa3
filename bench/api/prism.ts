import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../test/support/free-port.ts';
import type { BenchContext } from '../harness/bench.ts';
import { pin } from '../harness/cores.ts';
import { startProcess, untilListening } from '../harness/servers.ts';
import { type Asker, createAsker } from './ask.ts';
import { startServerHere } from './worlds.ts';

const PROGRAM = fileURLToPath(new URL('../../node_modules/.bin/prism', import.meta.url));
const READY_WITHIN_MS = 30_000;

/** Prism on the description that the server gives of itself; null, and a line that says why, where it does not start. */
export async function startPrism(context: BenchContext): Promise<Asker | null> {
  const { stack, cores, folder, say } = context;
  const file = path.join(folder, 'openapi.json');
  const accountId = await describe(path.join(folder, 'described'), file);
  const port = await freePort();
  const command = [process.execPath, PROGRAM, 'mock', '-h', '127.0.0.1', '-p', String(port), file];
  const started = stack.use(startProcess(command));
  try {
    await untilListening(started, { port, within: READY_WITHIN_MS });
  } catch (error) {
    say(`Prism cannot serve the description: ${(error as Error).message.slice(-300)}`);
    return null;
  }
  pin(started.pid, cores.server);
  const asker = createAsker(port, { root: `/client/v4/accounts/${accountId}`, token: 'of nobody' });
  stack.defer(() => asker.close());
  return asker;
}

/** Writes the description of a server that is there for this alone; answers the id of its account. */
async function describe(folder: string, file: string): Promise<string> {
  await mkdir(folder);
  await using app = await startServerHere(folder, null);
  const described = await fetch(`${app.origin}/client/v4/openapi.json`);
  await writeFile(file, await described.text());
  return app.credentials.account_id;
}
