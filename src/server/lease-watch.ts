import type { Exchanges } from '../gate/exchanges.ts';
import { SECOND, type Stopwatch } from '../kernel/clock.ts';
import type { Lease } from '../protocol/lease.ts';

/** How long open connections wait for a new lease, in milliseconds. */
const PATIENCE = 5 * SECOND;
const LOOK_EVERY = 100;

/**
 * Freezes what is open when the lease ends, lets it go on under a new one, and resets it when none comes in five
 * seconds (design §4.6). No decision waits for this: each chunk and each admission asks the lease by itself.
 */
export function watchLease(
  { lease, exchanges, stopwatch }: { lease: Lease; exchanges: Exchanges; stopwatch: Stopwatch },
  onChange: (isLive: boolean) => void,
): () => void {
  let endedAt: number | null = null;

  const look = () => {
    if (lease.isLive()) {
      if (endedAt !== null) onChange(true);
      endedAt = null;
      exchanges.resume();
      return;
    }
    exchanges.suspend();
    if (endedAt === null) onChange(false);
    endedAt ??= stopwatch.elapsed();
    if (stopwatch.elapsed() - endedAt >= PATIENCE) exchanges.cutAll('lease_ended');
  };

  const timer = setInterval(look, LOOK_EVERY).unref();
  return () => clearInterval(timer);
}
