import { Client } from 'pg';

/**
 * Forces a schedule on PostgreSQL: holds the account's counter row, starts the acts one after the other, each
 * once the one before waits for the row, then lets go. They go on in the order in which they were started.
 */
export async function behindHeldCounter(
  { url, accountId }: { url: string; accountId: string },
  acts: readonly (() => Promise<unknown>)[],
): Promise<PromiseSettledResult<unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('BEGIN');
    await client.query('SELECT 1 FROM feed_heads WHERE account_id = $1 FOR UPDATE', [accountId]);
    const running: Promise<unknown>[] = [];
    for (const [index, act] of acts.entries()) {
      const outcome = act();
      outcome.catch(() => {});
      running.push(outcome);
      await waitFor(client, index + 1);
    }
    await client.query('COMMIT');
    return await Promise.allSettled(running);
  } finally {
    await client.end();
  }
}

/** Until so many connections to this database wait for a lock; fails if that does not come about. */
async function waitFor(client: Client, waiting: number): Promise<void> {
  for (let asked = 0; asked < 10_000; asked++) {
    // What a transaction has once seen of the others' activity it goes on seeing.
    await client.query('SELECT pg_stat_clear_snapshot()');
    const { rows } = await client.query(
      "SELECT count(*)::int AS waiting FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    );
    if (rows[0]?.waiting >= waiting) return;
  }
  throw new Error(`fewer than ${waiting} acts came to wait for the counter`);
}
