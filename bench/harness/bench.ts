import type { Cores } from './cores.ts';
import type { Measurement } from './report.ts';

/** What a bench is given: its size, its place, and where its numbers go. */
export interface BenchContext {
  readonly quick: boolean;
  readonly cores: Cores;
  /** A folder of this call alone, removed at its end. */
  readonly folder: string;
  /** Closed at the end of the call, whatever happens: every process and file of a bench belongs to it. */
  readonly stack: AsyncDisposableStack;
  /** Rounds of a comparison; never fewer than seven. */
  readonly rounds: number;
  /** How long one server is asked in one round, in milliseconds. */
  readonly roundFor: number;
  /** What chance follows from; the same number repeats the same schedule. */
  readonly seed: number;
  record(measurement: Measurement): void;
  /** One line about what is being done, for whoever waits. */
  say(line: string): void;
}

/** A set of measurements that belong together. */
export interface Bench {
  /** Versions of what it is compared with, null for a peer that this machine does not have. */
  versions(): Promise<Readonly<Record<string, string | null>>>;
  run(context: BenchContext): Promise<void>;
}
