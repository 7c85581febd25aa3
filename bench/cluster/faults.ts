import { recoveries, sayVerdicts, type Verdict } from '../../test/cluster/checker.ts';
import type { Account } from '../../test/cluster/crowd.ts';
import type { Estate } from '../../test/cluster/estate.ts';
import {
  createHistory,
  type FaultEvent,
  type HistoryEvent,
  MACHINE,
  type RequestEvent,
} from '../../test/cluster/history.ts';
import { historyFile, verdictsOf } from '../../test/cluster/judge.ts';
import { createRandom } from '../../test/cluster/random.ts';
import { run } from '../../test/cluster/rounds.ts';
import { scheduleFaults } from '../../test/cluster/schedule.ts';
import type { BenchContext } from '../harness/bench.ts';
import type { Sizes } from './sizes.ts';

interface Place {
  readonly account: Account;
  readonly sizes: Sizes;
  /** When the bench began, by `performance.now()`. */
  readonly began: number;
}

const MOST_ROUNDS = 500;
const NONE = { of: 'value', atMost: 0 } as const;

/**
 * Removes people while nodes, gates and the database are killed, frozen, cut off and slowed down, and at the end while
 * the standby takes over; then checks all that was seen against the invariants of the removal protocol.
 */
export async function measureFaults(
  context: BenchContext,
  estate: Estate,
  { account, sizes, began }: Place,
): Promise<void> {
  const { seed, say, quick } = context;
  const history = createHistory();
  const isEnough = () => {
    const removals = history.events.filter(({ kind }) => kind === 'removal').length;
    return removals >= sizes.removals || performance.now() - began > sizes.until;
  };
  const rounds = scheduleFaults(estate, createRandom(seed), MOST_ROUNDS);
  const options = { seed, batch: sizes.batch, say, every: quick ? 160 : 250 };
  await run(estate, history, account, { ...options, rounds, isEnough });
  if (!quick) await run(estate, history, account, { ...options, rounds: [['fail over'], []] });
  const verdicts = await verdictsOf(estate, history);
  say(`\n${sayVerdicts(verdicts)}`);
  if (verdicts.some(({ broken }) => broken.length > 0)) {
    await history.write(historyFile(seed));
    say(`seed ${seed}, history in ${historyFile(seed)}`);
  }
  report(context, { verdicts, events: history.events, sizes });
}

interface Found {
  readonly verdicts: readonly Verdict[];
  readonly events: readonly HistoryEvent[];
  readonly sizes: Sizes;
}

function report({ record }: BenchContext, { verdicts, events, sizes }: Found): void {
  const broken = (some: readonly Verdict[]) => some.reduce((sum, one) => sum + one.broken.length, 0);
  const of = (invariant: number) => verdicts.filter((one) => one.invariant === invariant);
  const where = `${sizes.nodes} nodes, ${sizes.gates} gates`;
  const removals = events.filter((event) => event.kind === 'removal');
  const count = (name: string, unit: string, value: number) => record({ name, unit, values: [value] });
  const none = (name: string, value: number) => record({ name, unit: 'times', values: [value], goal: NONE });
  none(`admitted after a removal returned, ${where}`, broken(of(1)) + broken(of(10)));
  none(`any other invariant broken, ${where}`, broken(verdicts) - broken(of(1)) - broken(of(10)));
  count('removals called meanwhile', 'calls', removals.length);
  const isStall = (event: HistoryEvent) => event.kind === 'fault' && event.touches.includes(MACHINE);
  const faults = events.filter((event) => event.kind === 'fault');
  count('faults meanwhile', 'faults', faults.filter((event) => !isStall(event)).length);
  count('times that the machine itself stood still', 'times', faults.filter(isStall).length);
  count('refused at other gates while a node was faulty', '%', refusedElsewhere(events) * 100);
  const recovered = recoveries(events).map(({ milliseconds }) => milliseconds);
  const goal = { of: 'value', atMost: 10_000 } as const;
  const slowest = Math.max(0, ...recovered);
  record({ name: 'recovery after a fault, the slowest', unit: 'ms', values: [slowest], goal });
}

/** Of those who are not removed, at gates to which nothing was done, while a node was faulty and a while after. */
function refusedElsewhere(events: readonly HistoryEvent[]): number {
  const healthy = new Set(
    events.flatMap((event) => (event.kind === 'credential' && event.isHealthy ? [event.id] : [])),
  );
  const faults = events.filter((event) => event.kind === 'fault');
  const ofNodes = faults.filter(({ touches }) => touches.includes('all gates'));
  const others = faults.filter(({ touches }) => !touches.includes('all gates'));
  const meets = ({ begin, healed }: FaultEvent, one: RequestEvent) =>
    begin <= one.end && one.begin <= healed + 2000;
  const seen = events.filter(
    (event): event is RequestEvent =>
      event.kind === 'request' &&
      healthy.has(event.credential) &&
      ofNodes.some((fault) => meets(fault, event)) &&
      !others.some((fault) => meets(fault, event)),
  );
  return seen.filter(({ isAdmitted }) => !isAdmitted).length / Math.max(1, seen.length);
}
