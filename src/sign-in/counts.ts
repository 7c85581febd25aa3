import type { Tx } from '../database/database.ts';
import { timestamp } from '../kernel/clock.ts';
import { sha256 } from '../kernel/crypto.ts';
import { countOne } from './pin-store.ts';

/** How often something may be done in a while. */
export interface Limit {
  readonly name: string;
  readonly most: number;
  /** Milliseconds. */
  readonly within: number;
}

/**
 * Counts this request towards each limit in turn, until one is exceeded: what is refused by one uses nothing up of
 * the next. Always in this order, or two could block.
 */
export async function isWithin(
  tx: Tx,
  { accountId }: { accountId: string },
  { now, limits }: { now: number; limits: readonly (readonly [of: string, limit: Limit])[] },
): Promise<boolean> {
  for (const [of, { name, most, within }] of limits) {
    const counted = `${name} ${sha256(of)}`;
    const times = { now: timestamp(now), expiresAt: timestamp(now + within) };
    if ((await countOne(tx, { accountId, counted, ...times })) > most) return false;
  }
  return true;
}
