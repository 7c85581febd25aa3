import { firstAccount } from '../accounts/bootstrap/bootstrap.ts';
import type { Config } from '../config.ts';
import type { Database } from '../database/database.ts';
import { systemClock } from '../kernel/clock.ts';
import { beginEpoch, listStandings, waitOutLeases } from '../removal/epochs.ts';
import { StartError } from '../server/start-error.ts';
import { databaseExists, lockDatabase, openDatabase } from '../server/storage.ts';

/**
 * `portcullis restored`: an earlier state of the database is in its place. Begins an epoch in every account, so that
 * everything minted so far is refused, and closes it to sign-in and service tokens (removal-protocol, schedule 21).
 */
export async function restoredCommand(config: Config): Promise<number> {
  return await withDatabase(config, async (database) => {
    await waitOutLeases(database.reader);
    await beginEpoch({ database, clock: systemClock }, { cause: 'operator' });
    // Whoever renewed meanwhile did so before; whoever renews from now on has read of it.
    await waitOutLeases(database.reader);
    await tell(
      database,
      'Everybody is signed out, nobody can sign in, and no service token is accepted. Each account is as it was:',
    );
    say('Compare members, users, groups, policies and tokens with what was changed since, remove what was');
    say('removed since, and then open it: portcullis restored --approve');
  });
}

/** `portcullis restored --approve`: an administrator has read what is different; opens it again. */
export async function approveCommand(config: Config): Promise<number> {
  return await withDatabase(config, async (database) => {
    const begun = await beginEpoch({ database, clock: systemClock }, { cause: 'approval' });
    if (!begun) throw new StartError('the database is open to sign-in');
    await tell(database, 'People can sign in again. Each account is as it was:');
  });
}

/** Where each account stands, and when something in it was changed last. */
async function tell(database: Database, title: string): Promise<void> {
  say(title);
  for (const { id, name, epoch, position, changedAt } of await listStandings(database.reader)) {
    say(`  ${id} (${name}): epoch ${epoch}, position ${position}, last changed ${changedAt ?? 'never'}`);
  }
}

async function withDatabase(config: Config, work: (database: Database) => Promise<void>): Promise<number> {
  if (!databaseExists(config)) throw noAccount();
  // On SQLite nobody else may run: a server would not hear of it. Nodes on PostgreSQL share the lock, and do.
  const lock = await lockDatabase(config, `portcullis restored, pid ${process.pid}`);
  const database = await openDatabase(config, systemClock).catch(async (error: unknown) => {
    await lock.release();
    throw error;
  });
  try {
    if (!(await firstAccount(database.reader))) throw noAccount();
    await work(database);
  } finally {
    await database.close();
    await lock.release();
  }
  return 0;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function noAccount(): StartError {
  return new StartError('the database holds no account yet: start the server once');
}
