import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { check, sayVerdicts, type Verdict } from './checker.ts';
import type { Estate } from './estate.ts';
import { readFinal } from './final.ts';
import type { History } from './history.ts';

/** What an answer may take beyond a lease on a machine that does other things as well, in milliseconds. */
const NETWORK = 4000;

export async function verdictsOf(estate: Estate, history: History): Promise<Verdict[]> {
  const final = await readFinal(estate);
  return check({ events: history.events, final, lease: estate.options.lease * 1000, network: NETWORK });
}

/** Where the history of a run is kept if it shows something wrong. */
export function historyFile(seed: number): string {
  return join(tmpdir(), `portcullis-history-${seed}.jsonl`);
}

/** Checks a history; throws with the seed, the verdicts and where the history is kept if an invariant is broken. */
export async function judge(
  estate: Estate,
  history: History,
  seed: number,
): Promise<ReadonlyMap<number, number>> {
  const verdicts = await verdictsOf(estate, history);
  if (verdicts.some(({ broken }) => broken.length > 0)) {
    const file = historyFile(seed);
    await history.write(file);
    throw new Error(`seed ${seed}, history in ${file}\n${sayVerdicts(verdicts)}`);
  }
  const checked = new Map<number, number>();
  // Of two about one invariant, the one that says less counts.
  for (const one of verdicts)
    checked.set(one.invariant, Math.min(checked.get(one.invariant) ?? one.checked, one.checked));
  return checked;
}
