import { readFileSync } from 'node:fs';
import { createKeyTimer } from '../../src/access/keys/timer.ts';
import { createVault, type Vault } from '../../src/kernel/crypto.ts';
import type { Control } from '../../src/removal/act.ts';
import type { TestApp } from './app.ts';

/** The key timer as another node beside the server would run it, with a stopwatch that the test holds. */
export interface TestKeyTimer {
  /** One turn, so much later by the stopwatch; the wall clock does not move. */
  turn(after?: number): Promise<void>;
}

/** The vault over the server's master key. */
export function vaultOf({ config }: TestApp): Vault {
  return createVault(Buffer.from(readFileSync(config.masterKeyFile, 'utf8').trim(), 'hex'));
}

export function createTestKeyTimer(app: TestApp, control: Control = app.app.control): TestKeyTimer {
  const watch = { elapsed: 0 };
  const timer = createKeyTimer({ control, vault: vaultOf(app) }, { elapsed: () => watch.elapsed });
  return {
    turn: async (after = 0) => {
      watch.elapsed += after;
      await timer.turn();
    },
  };
}

/** The ids in the key set that applications fetch from that host. */
export async function publishedKids(app: TestApp): Promise<string[]> {
  const answer = await fetch(`${app.origin}/cdn-cgi/access/certs`);
  const { keys = [] } = (await answer.json()) as { keys?: { kid: string }[] };
  return keys.map(({ kid }) => kid).sort();
}

/** The rows of the first account's keys, by stage. */
export async function keyRows({ app, credentials }: TestApp) {
  const rows = await app.control.database.reader.query
    .selectFrom('signing_keys')
    .selectAll()
    .where('account_id', '=', credentials.account_id)
    .orderBy('purpose')
    .orderBy('stage_since')
    .execute();
  const of = (stage: string) => rows.filter((row) => row.stage === stage);
  return { rows, next: of('next'), current: of('current'), former: of('former') };
}
