import { startTestApp } from '../../test/support/app.ts';
import { readOperations } from '../../test/support/conformance/document.ts';
import { fuzz } from '../../test/support/conformance/fuzz.ts';
import { inhabit } from '../../test/support/conformance/tenants.ts';
import { databases } from '../../test/support/postgres.ts';
import type { BenchContext } from '../harness/bench.ts';

/** So many requests are one call of the engine, after which others have their turn. */
const PART = 1000;

/**
 * Asks a server requests made of its own description, on each database, and counts the answers that are faults or are
 * none by the description.
 */
export async function measureFuzz(context: BenchContext, { requests }: { requests: number }): Promise<void> {
  const { stack, say, record, seed } = context;
  for (const { name, create } of databases) {
    const database = stack.use(await create());
    const app = stack.use(await startTestApp(database));
    const operations = await readOperations(app);
    const [own, other] = await inhabit(app, ['quokka', 'axolotl']);
    let defects = 0;
    for (let asked = 0; asked < requests; asked += PART) {
      const run = await fuzz({
        origin: app.origin,
        operations,
        own,
        other,
        seed: seed + asked,
        requests: PART,
      });
      defects += run.defects.length;
      for (const defect of run.defects.slice(0, 3)) say(`seed ${seed + asked}: ${JSON.stringify(defect)}`);
      if (asked % 10_000 === 0) say(`fuzz on ${name}, ${asked} of ${requests}`);
    }
    const goal = { of: 'value', atMost: 0 } as const;
    record({
      name: `fuzz on ${name}, ${requests} requests, wrong answers by kind`,
      unit: 'times',
      values: [defects],
      goal,
    });
    await app.close();
  }
}
