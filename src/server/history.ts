import type { Logger } from 'pino';
import type { Database } from '../database/database.ts';
import type { Clock, Stopwatch } from '../kernel/clock.ts';
import { type Lease, MARGIN } from '../protocol/lease.ts';
import { beginEpoch, checkHistory, type History } from '../removal/epochs.ts';
import { readLeases } from '../removal/lease-store.ts';
import type { Metrics } from './metrics.ts';

export interface HistoryKeeperOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly stopwatch: Stopwatch;
  readonly lease: Lease;
  /** Milliseconds of a lease. */
  readonly length: number;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Watches whether the database is still the one that this node's word rests on (design §4.9). */
export interface HistoryKeeper {
  /**
   * Whether a lease may be renewed on it. Where another history has taken its place, nobody decides until the longest
   * lease has passed; then a new epoch begins, and `poll` brings it here.
   */
  check(poll: () => Promise<void>): Promise<boolean>;
  /** Whether commits waited for a standby when it was last asked; null before, and on SQLite. */
  isSynchronous(): boolean | null;
}

export function createHistoryKeeper(options: HistoryKeeperOptions): HistoryKeeper {
  const { database, clock, stopwatch, lease, length, logger, metrics } = options;
  let last: { synchronous: boolean } | undefined;
  let noticedAt: number | null = null;

  const replaced = async (found: Extract<History, { why: 'new_history' }>, poll: () => Promise<void>) => {
    lease.end();
    if (noticedAt === null)
      logger.error({ cause: found.cause }, 'another history took the place of the database');
    noticedAt ??= stopwatch.elapsed();
    const longest = Math.max(length, ...(await readLeases(database.reader)).map(({ lease_ms }) => lease_ms));
    if (stopwatch.elapsed() - noticedAt < longest * (1 + MARGIN)) return false;
    const begun = await beginEpoch({ database, clock }, found);
    if (begun) logger.error({ cause: found.cause, accounts: begun.length }, 'a new epoch has begun');
    await poll();
    noticedAt = null;
    return true;
  };

  return {
    isSynchronous: () => last?.synchronous ?? null,
    check: async (poll) => {
      const found = await checkHistory(database, last);
      if (found.ok) {
        if (last?.synchronous !== found.synchronous && !found.synchronous) {
          logger.warn('commits wait for no standby: a failover of the database may lose removals');
        }
        metrics.synchronous.set(found.synchronous ? 1 : 0);
        last = found;
        noticedAt = null;
        return true;
      }
      if (found.why === 'new_history') return await replaced(found, poll);
      logger.warn('the database is a standby: nothing is decided by it');
      return false;
    },
  };
}
