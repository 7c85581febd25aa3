import { readFileSync } from 'node:fs';
import path from 'node:path';
import {
  firstAccount,
  type IssuedCredentials,
  issueCredentials,
  resetCredentials,
} from '../accounts/bootstrap/bootstrap.ts';
import type { Config } from '../config.ts';
import type { Database, Tx } from '../database/database.ts';
import { operator } from '../kernel/actor.ts';
import { systemClock, timestamp } from '../kernel/clock.ts';
import { aloneControl, type Change, commitAct } from '../removal/act.ts';
import { credentialsFile } from '../server/first-start.ts';
import { writePrivately } from '../server/private-file.ts';
import { StartError } from '../server/start-error.ts';
import { databaseExists, openDatabase } from '../server/storage.ts';

/**
 * `portcullis credentials reset`: new credentials for the first Super Administrator, in the credentials file.
 * May run beside the server, which reads API credentials from the database at every call.
 */
export async function resetCommand(config: Config): Promise<number> {
  return await issue(config, credentialsFile(config), (tx) =>
    resetCredentials(tx, { now: timestamp(systemClock.now()) }),
  );
}

/** `portcullis credentials issue --email E`: a key for a member, in a file of its own. */
export async function issueCommand(config: Config, email: string): Promise<number> {
  const name = email.replaceAll(/[^A-Za-z0-9@._+-]/g, '_');
  return await issue(config, path.join(config.data, `credentials-${name}.json`), (tx) =>
    issueCredentials(tx, { email }),
  );
}

async function issue(
  config: Config,
  file: string,
  change: (tx: Tx) => Promise<Change<IssuedCredentials>>,
): Promise<number> {
  if (!databaseExists(config)) throw noAccount();
  const database = await openDatabase(config, systemClock);
  try {
    await commit(database, config, { file, change });
  } finally {
    await database.close();
  }
  process.stdout.write(`The credentials are in ${file}\n`);
  return 0;
}

async function commit(
  database: Database,
  config: Config,
  { file, change }: { file: string; change: (tx: Tx) => Promise<Change<IssuedCredentials>> },
): Promise<void> {
  const account = await firstAccount(database.reader);
  if (!account) throw noAccount();
  const act = { accountId: account.id, actor: operator, authorize: async () => {} };
  await commitAct(aloneControl({ database, clock: systemClock }), act, async (tx) => {
    const changed = await change(tx);
    // Before the commit, as at the first start: a credential that cannot be written down must not exist.
    const told = { base_url: baseUrl(config), ...changed.result };
    writePrivately(file, `${JSON.stringify(told, null, 2)}\n`);
    return changed;
  });
}

function noAccount(): StartError {
  return new StartError('the database holds no account yet: start the server once');
}

/** The address the server wrote down stays, unless this command is told another. */
function baseUrl(config: Config): string {
  const written = config.publicUrlGiven ? null : writtenBaseUrl(credentialsFile(config));
  return written ?? `${config.publicUrl}/client/v4`;
}

/** Null for a file that is gone or broken: this command is how it is mended. */
function writtenBaseUrl(file: string): string | null {
  try {
    const { base_url } = JSON.parse(readFileSync(file, 'utf8')) as { base_url?: unknown };
    return typeof base_url === 'string' ? base_url : null;
  } catch {
    return null;
  }
}
