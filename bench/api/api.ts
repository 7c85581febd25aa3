import type { Bench, BenchContext } from '../harness/bench.ts';
import { packageVersion } from '../harness/machine.ts';
import { SOURCE_PROGRAM } from '../harness/program.ts';
import type { Asker } from './ask.ts';
import { measureDeletions } from './deletions.ts';
import { measureFuzz } from './fuzzing.ts';
import { operations } from './operations.ts';
import { startPrism } from './prism.ts';
import { measureRead } from './reads.ts';
import { sizesOf } from './sizes.ts';
import { type Engine, prepareWorld, sqlite, startPostgresEngine } from './worlds.ts';

/** The API: what a request takes among many, on both databases. */
export const api: Bench = {
  versions: async () => ({ prism: packageVersion('@stoplight/prism-cli') }),
  run: async (context) => {
    const sizes = sizesOf(context);
    context.say('starting PostgreSQL');
    const postgres = await startPostgresEngine(context);
    context.say('starting Prism');
    const prism = await startPrism(context);
    for (const engine of [sqlite, postgres]) await measureEngine(context, engine, prism);
    if (sizes.fuzzed > 0) await measureFuzz(context, { requests: sizes.fuzzed });
  },
};

async function measureEngine(context: BenchContext, engine: Engine, prism: Asker | null): Promise<void> {
  const sizes = sizesOf(context);
  const world = (users: number) => prepareWorld(context, engine, { program: SOURCE_PROGRAM, sizes, users });
  const [large, small] = [await world(sizes.users), await world(sizes.few)];
  for (const operation of operations) await measureRead(context, { large, small, prism, operation, sizes });
  await measureDeletions(context, { large, small, sizes });
  await Promise.all([large, small].map(({ server }) => server[Symbol.asyncDispose]()));
}
