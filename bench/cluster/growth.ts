import { setTimeout as pause } from 'node:timers/promises';
import type { Estate } from '../../test/cluster/estate.ts';
import type { BenchContext } from '../harness/bench.ts';
import { cpuSeconds } from '../harness/processes.ts';
import { quantile } from '../harness/rounds.ts';
import { removeMany } from './healthy.ts';
import type { Sizes } from './sizes.ts';

/**
 * What a removal takes, and what doing nothing costs, by how many gates and nodes there are: from all of them down to
 * one node, and then all are started again.
 */
export async function measureGrowth(context: BenchContext, estate: Estate, sizes: Sizes): Promise<void> {
  const { gates, nodes } = estate;
  await measureRates(context, estate, sizes);
  for (const count of [gates.length, 5, 1, 0]) {
    await Promise.all(gates.slice(count).map(({ process }) => process.stop()));
    const left = { ...estate, doors: count > 0 ? gates.slice(0, count) : nodes };
    await measureHere(context, left, { sizes, gates: count, nodes: nodes.length });
  }
  for (const count of [2, 1]) {
    await Promise.all(nodes.slice(count).map(({ process }) => process.stop()));
    const left = nodes.slice(0, count);
    await measureHere(context, { ...estate, nodes: left, doors: left }, { sizes, gates: 0, nodes: count });
  }
  for (const { process } of nodes) await process.start();
  for (let at = 0; at < gates.length; at += 3) {
    await Promise.all(gates.slice(at, at + 3).map(({ process }) => process.start()));
  }
}

/** Several removals at a time: how many are done in a second, and what each of them takes then. */
async function measureRates({ say, record, seed }: BenchContext, estate: Estate, { growth }: Sizes) {
  for (const atOnce of [1, 4, 16]) {
    say(`${atOnce} removals at once`);
    const many = { count: growth * 2, seed, prefix: `rate-${atOnce}`, atOnce };
    const { took } = await removeMany(estate, many);
    // Each of them is always busy with one.
    const seconds = took.reduce((sum, one) => sum + one, 0) / atOnce / 1000;
    const of = `${estate.nodes.length} nodes, ${estate.gates.length} gates, ${atOnce} removals at once`;
    record({ name: `removal call, ${of}`, unit: 'ms', values: took });
    record({ name: `removals, ${of}`, unit: 'a second', values: [took.length / seconds] });
  }
}

interface Place {
  readonly sizes: Sizes;
  readonly nodes: number;
  readonly gates: number;
}

export async function measureHere(
  { say, record, seed }: BenchContext,
  estate: Estate,
  { sizes, nodes, gates }: Place,
  of = `${nodes} ${nodes === 1 ? 'node' : 'nodes'}, ${gates} ${gates === 1 ? 'gate' : 'gates'}`,
): Promise<void> {
  say(of);
  const many = { count: sizes.growth, seed, prefix: `grow-${of.replaceAll(/\W+/g, '-')}` };
  const { took } = await removeMany(estate, many);
  record({ name: `removal call, ${of}`, unit: 'ms', values: took });
  record({ name: `removal call, ${of}, p99`, unit: 'ms', values: [quantile(took, 0.99)] });
  const pids = estate.nodes.map(({ process }) => process.pid());
  record({ name: `idle, a node of ${of}`, unit: '% of a core', values: await idleCost(pids, sizes.idleFor) });
  const ofGates = gates > 0 ? estate.gates.slice(0, gates).map(({ process }) => process.pid()) : [];
  if (ofGates.length === 0) return;
  record({
    name: `idle, a gate of ${of}`,
    unit: '% of a core',
    values: await idleCost(ofGates, sizes.idleFor),
  });
}

/** Of each of these processes, in percent of a core, while nothing is asked. */
async function idleCost(pids: readonly number[], milliseconds: number): Promise<number[]> {
  await pause(1000);
  const before = pids.map(cpuSeconds);
  await pause(milliseconds);
  return pids.map((pid, at) => ((cpuSeconds(pid) - (before[at] ?? 0)) / milliseconds) * 100_000);
}
