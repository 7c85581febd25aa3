import { setTimeout as wait } from 'node:timers/promises';
import type { Stopwatch } from '../kernel/clock.ts';

export interface Patience {
  readonly stopwatch: Stopwatch;
  /** Milliseconds. */
  readonly within: number;
  readonly every: number;
  readonly signal: AbortSignal;
}

/** Asks again and again until the answer is not null; null if it still is when the time is over. */
export async function until<T>(
  { stopwatch, within, every, signal }: Patience,
  ask: () => T | null | Promise<T | null>,
): Promise<T | null> {
  const begun = stopwatch.elapsed();
  for (;;) {
    const answer = await ask();
    if (answer !== null || stopwatch.elapsed() - begun >= within) return answer;
    await wait(every, undefined, { signal });
  }
}

/** Waits, if there is anything to wait for; resolves also when it is told to stop. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (milliseconds <= 0) return;
  await wait(milliseconds, undefined, { signal }).catch(() => {});
}
