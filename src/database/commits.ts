import type { PostgresPool, PostgresPoolClient } from 'kysely';
import type { Pool, PoolClient } from 'pg';
import { SECOND } from '../kernel/clock.ts';

/** How long a commit may wait for a standby before it is answered that nobody knows, in milliseconds. */
export const COMMIT_WITHIN = 30 * SECOND;

/**
 * Nobody knows whether it is committed, or whether it will be after a failover. Its code is PostgreSQL's own for
 * that (transaction_resolution_unknown), which counts as a database that is away.
 */
export class UnknownCommitError extends Error {
  readonly code = '08007';
}

/**
 * The pool, but a COMMIT is one only if the server says so without a warning (design §4.9): the warning is what is
 * left when its wait for a synchronous standby was cancelled. A COMMIT that is not answered in time is given up, not
 * cancelled: its connection stays taken until the server answers it. While half of all connections are stuck so, no
 * other transaction that writes begins, and the rest can still read.
 */
export function guardCommits(pool: Pool, within: number): PostgresPool {
  const stuck = new Set<PoolClient>();
  const bounds = { within, stuck, most: Math.max(1, Math.floor(pool.options.max / 2)) };
  const guarded = new WeakMap<PoolClient, PostgresPoolClient>();
  return {
    options: pool.options,
    end: async () => {
      for (const client of stuck) client.release(true);
      stuck.clear();
      await pool.end();
    },
    connect: async () => {
      const client = await pool.connect();
      const guard = guarded.get(client) ?? guardClient(client, bounds);
      guarded.set(client, guard);
      return guard;
    },
  };
}

interface Bounds {
  readonly within: number;
  readonly most: number;
  /** Those whose commits were given up and not answered yet. */
  readonly stuck: Set<PoolClient>;
}

function guardClient(client: PoolClient, { within, most, stuck }: Bounds): PostgresPoolClient {
  const commit = async (text: string) => {
    const running = commitWithoutWarning(client, text);
    const answer = await inTime(running, within);
    if (answer !== LATE) return answer;
    stuck.add(client);
    const giveBack = () => {
      if (stuck.delete(client)) client.release(true);
    };
    running.then(giveBack, giveBack);
    throw late();
  };

  const query = async (text: string, values: unknown[]) => {
    // Whatever came after the commit would wait for it as well.
    if (stuck.has(client)) throw late();
    if (text === 'begin' && stuck.size >= most) throw late();
    return text === 'commit' ? await commit(text) : await client.query(text, values);
  };

  return {
    query: query as unknown as PostgresPoolClient['query'],
    release: (isBroken) => {
      if (!stuck.has(client)) client.release(isBroken);
    },
  };
}

function late(): UnknownCommitError {
  return new UnknownCommitError('a commit waits for a standby for too long');
}

/** Not the severity, which is translated: whatever is no plain success. */
const SUCCESS = /^00/;

async function commitWithoutWarning(client: PoolClient, text: string) {
  const warnings: string[] = [];
  const listen = (notice: { code: string | undefined; message: string | undefined }) => {
    if (!SUCCESS.test(notice.code ?? '')) warnings.push(notice.message ?? '');
  };
  client.on('notice', listen);
  try {
    const answer = await client.query(text);
    if (warnings.length > 0) throw new UnknownCommitError(`the commit warned: ${warnings.join('; ')}`);
    return answer;
  } finally {
    client.off('notice', listen);
  }
}

const LATE = Symbol('late');

async function inTime<T>(running: Promise<T>, milliseconds: number): Promise<T | typeof LATE> {
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<typeof LATE>((resolve) => {
    timer = setTimeout(() => resolve(LATE), milliseconds);
  });
  try {
    return await Promise.race([running, end]);
  } finally {
    clearTimeout(timer);
  }
}
