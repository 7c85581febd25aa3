import { prepareAccount } from '../../test/cluster/crowd.ts';
import { startEstate } from '../../test/cluster/estate.ts';
import type { Bench, BenchContext } from '../harness/bench.ts';
import { measureAccounts } from './accounts.ts';
import { measureFaults } from './faults.ts';
import { measureGrowth } from './growth.ts';
import { measureDeadGate, measureHealthy } from './healthy.ts';
import { type Sizes, sizesOf } from './sizes.ts';

/** Several nodes and gates: how long a removal takes, what it grows with, and what happens when things go wrong. */
export const cluster: Bench = {
  versions: async () => ({}),
  run: async (context) => {
    const began = performance.now();
    const sizes = sizesOf(context);
    context.say(`seed ${context.seed}`);
    await measureOne(context, sizes, began);
    if (!context.quick) await measureAccounts(context, sizes);
  },
};

async function measureOne(context: BenchContext, sizes: Sizes, began: number): Promise<void> {
  const { nodes, gates, lease } = sizes;
  context.say(`starting ${nodes} nodes and ${gates} gates on a database with a standby`);
  const estate = context.stack.use(
    await startEstate({ nodes, gates, lease, synchronous: true, clocks: !context.quick }),
  );
  const account = await prepareAccount(estate);
  await measureHealthy(context, estate, sizes);
  await measureDeadGate(context, estate, sizes);
  if (!context.quick) await measureGrowth(context, estate, sizes);
  await measureFaults(context, estate, { account, sizes, began });
  await estate[Symbol.asyncDispose]();
}
