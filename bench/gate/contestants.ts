import type { BenchContext } from '../harness/bench.ts';
import type { Load, Measured } from '../harness/load.ts';
import type { Contestant } from '../harness/rounds.ts';
import type { Server } from '../harness/servers.ts';

export const PER_CPU_SECOND = 'requests per CPU second';
export const CPU_MICROSECONDS = 'µs of CPU per request';

export interface Asked {
  readonly name: string;
  readonly server: Server;
  readonly requests: readonly string[];
  /** What of a round is its value; requests per CPU second unless given. */
  readonly value?: (measured: Measured) => number;
  /** See LoadOptions. */
  readonly awake?: boolean;
}

/**
 * A server that is asked these requests over and over for the length of a round. Before that it is asked all of
 * them once, which fills its caches, and then for a while, until its code is compiled.
 */
export async function enter(
  { quick, roundFor }: BenchContext,
  load: Load,
  { name, server, requests, value = perCpuSecond, awake = true }: Asked,
): Promise<Contestant> {
  await load.ask(server, { requests, awake });
  await load.ask(server, { requests, awake, during: quick ? 200 : 3000 });
  return { name, round: async () => value(await load.ask(server, { requests, awake, during: roundFor })) };
}

function perCpuSecond({ answers, cpuSeconds }: Measured): number {
  return answers / cpuSeconds;
}

export function microsecondsEach({ answers, cpuSeconds }: Measured): number {
  return (cpuSeconds / answers) * 1e6;
}

/** Megabytes of bodies that one second of the server's processor carries. */
export function megabytesPerCpuSecond({ bytes, cpuSeconds }: Measured): number {
  return bytes / 1e6 / cpuSeconds;
}
