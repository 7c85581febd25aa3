import path from 'node:path';
import { generateKey } from '../access/keys/keys.ts';
import { bootstrap, firstAccount } from '../accounts/bootstrap/bootstrap.ts';
import type { Config } from '../config.ts';
import { type Database, takeTurn } from '../database/database.ts';
import { type Clock, timestamp } from '../kernel/clock.ts';
import type { Vault } from '../kernel/crypto.ts';
import { openVault } from './master-key.ts';
import { writePrivately } from './private-file.ts';
import { StartError } from './start-error.ts';

/** Where the first start, and `credentials reset`, write what an operator needs to call the API. */
export function credentialsFile(config: Config): string {
  return path.join(config.data, 'credentials.json');
}

export interface FirstStarted {
  readonly vault: Vault;
  readonly teamDomain: string;
  readonly isFirstStart: boolean;
}

/**
 * The vault, and the first account if there is none; later the team domain must agree with the database. Of several
 * nodes that start at once on an empty database one makes the account. The others go on with it, if they have its
 * master key and team domain.
 */
export async function firstStart(
  config: Config,
  place: { database: Database; clock: Clock },
): Promise<FirstStarted> {
  const { database, clock } = place;
  const known = await firstAccount(database.reader);
  if (known && config.teamDomainGiven && known.auth_domain !== config.teamDomain) {
    throw new StartError(
      `--team-domain ${config.teamDomain}: the database says ${known.auth_domain}, and it rules after the first start`,
    );
  }
  const vault = await openVault(config.masterKeyFile, { reader: database.reader, isNew: known === null });
  if (known) return { vault, teamDomain: known.auth_domain, isFirstStart: false };
  const keys = [await generateKey('session'), await generateKey('gate')];
  const isMade = await database.write(async (tx) => {
    await takeTurn(tx, 'first start');
    const issued = await bootstrap(tx, {
      authDomain: config.teamDomain,
      zoneName: config.zone,
      adminEmail: config.adminEmail,
      keys,
      vault,
      now: timestamp(clock.now()),
    });
    // On disk before the commit: credentials that nobody was told must not exist.
    const told = { base_url: `${config.publicUrl}/client/v4`, ...issued };
    if (issued) writePrivately(credentialsFile(config), `${JSON.stringify(told, null, 2)}\n`);
    return issued !== null;
  });
  if (!isMade) return await firstStart(config, place);
  return { vault, teamDomain: config.teamDomain, isFirstStart: true };
}
