import { createAccount } from '../../src/accounts/accounts/accounts.ts';
import { openPostgres } from '../../src/database/postgres.ts';
import { prepareAccount } from '../../test/cluster/crowd.ts';
import { type Estate, startEstate } from '../../test/cluster/estate.ts';
import type { BenchContext } from '../harness/bench.ts';
import { measureHere } from './growth.ts';
import type { Sizes } from './sizes.ts';

/** What more accounts cost those who are in one of them: the feed of each is followed. */
export async function measureAccounts(context: BenchContext, sizes: Sizes): Promise<void> {
  await using estate = await startEstate({ nodes: 2, gates: 0, lease: sizes.lease, synchronous: true });
  await prepareAccount(estate);
  let present = 1;
  for (const count of [1, 100, 1000]) {
    await addAccounts(estate, { from: present, to: count });
    present = count;
    // So many at once are more than a node takes in within one lease.
    await estate.ready(90_000);
    const of = `2 nodes, ${count} ${count === 1 ? 'account' : 'accounts'}`;
    await measureHere(context, estate, { sizes, nodes: 2, gates: 0 }, of);
  }
}

async function addAccounts({ database }: Estate, { from, to }: { from: number; to: number }) {
  const place = openPostgres(database.urlAt(database.primaryPort));
  try {
    for (let at = from; at < to; at += 1) {
      const name = `account-${at}`;
      const names = { name, zoneName: `${name}.test`, authDomain: `${name}.localhost` };
      const now = new Date().toISOString();
      await place.write((tx) => createAccount(tx, { ...names, now }));
    }
  } finally {
    await place.close();
  }
}
