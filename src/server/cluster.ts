import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import type { Database } from '../database/database.ts';
import { openNotifier, silentNotifier } from '../database/notifier.ts';
import { createGateHub, type GateHub } from '../gates/hub.ts';
import { type Clock, type Clocks, SECOND, type Stopwatch } from '../kernel/clock.ts';
import { CLOSE } from '../protocol/gate-messages.ts';
import { createLease, type Lease, lockedLease, RENEW_AFTER } from '../protocol/lease.ts';
import type { Rev } from '../protocol/rev.ts';
import { type AckWriter, createAckWriter } from '../removal/acks.ts';
import { createFeed, type Feed, type Follower, type StateSource } from '../removal/feed.ts';
import { createInForce, type InForce } from '../removal/in-force.ts';
import { createLeases } from '../removal/leases.ts';
import { createLockedNodeLease, createNodeLease, type NodeLease } from '../removal/node-lease.ts';
import { createRemovals, type Removals } from '../removal/removals.ts';
import { createHistoryKeeper } from './history.ts';
import { createLostCommits } from './lost-commits.ts';
import type { Metrics } from './metrics.ts';
import { repeat } from './repeat.ts';

export interface ClusterOptions {
  readonly config: Config;
  readonly nodeId: string;
  readonly version: string;
  readonly database: Database;
  /** The same database over connections of its own: leases and feed never wait behind requests. */
  readonly priority: Database;
  /** Breaks all connections to the database: they do not answer. */
  readonly reopen: () => void;
  readonly sources: readonly StateSource[];
  readonly clock: Clock;
  readonly clocks: Clocks;
  readonly stopwatch: Stopwatch;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** This node among the others: its right to decide, what it tells them, and what it waits for. */
export interface Cluster {
  readonly lease: Lease;
  readonly nodeLease: NodeLease;
  readonly hub: GateHub;
  readonly feed: Feed;
  readonly inForce: InForce;
  readonly removals: Removals;
  /** Calls it whenever the row of this node's lease had to be made anew. */
  onNewRow(tell: () => void): void;
  /** Whether commits wait for a standby of the database; null on SQLite. */
  isSynchronous(): boolean | null;
  /** Told of a genuine reading beyond everything that is committed. */
  readonly onLost: (accountId: string, rev: Rev) => void;
  /** Has these decide from what the feed brings, in this order, and gates after them; loads them and takes the lease. */
  start(followers: readonly Follower[]): Promise<void>;
  /** Gives the lease up; nothing here decides any more. */
  stop(): Promise<void>;
}

/** How often the feed is read without a cause: while others can wake this node, and while they cannot. */
const POLL_HEARD = SECOND;
const POLL_UNHEARD = 100;
const LOOK_EVERY = 50;
const ADOPT_EVERY = 10 * SECOND;

export function openCluster(options: ClusterOptions): Cluster {
  const { config, nodeId, version, database, priority, clock, stopwatch, logger, metrics } = options;
  const length = config.lease;
  const lease = config.databaseUrl ? createLease(options.clocks) : lockedLease;
  const leases = createLeases(stopwatch);
  const warn = (message: string) => (error: unknown) => logger.warn({ err: error }, message);
  const followers: Follower[] = [];
  const onNewRow: (() => void)[] = [];

  const acks: AckWriter = createAckWriter({
    database: priority,
    nodeId,
    onWritten: (accountIds) => notifier.tell(`ack ${accountIds.join(' ')}`),
    onFault: warn('acks cannot be written'),
  });
  const hub = createGateHub({
    ...{ lease, length, stopwatch },
    onSettled: (accountId, at, waitedFor) => acks.note(accountId, at, waitedFor),
    onLate: (gate, processId) => {
      metrics.lateGates.inc({ gate });
      logger.warn({ gate, processId }, 'a gate did not apply an entry before its lease ran out');
    },
  });
  const feed = createFeed({
    database: priority,
    follower: told(followers, hub),
    sources: options.sources,
    onLost: (accountId, applied) => onLost(accountId, applied),
  });
  const onLost = createLostCommits({ database: priority, feed, clock }, logger);
  const inForce = createInForce({
    ...{ reader: priority.reader, feed, leases, gates: hub, nodeId, stopwatch },
    lookEvery: LOOK_EVERY,
  });
  const removals = createRemovals({
    ...{ database, reader: database.reader, inForce, nodeId, clock },
    onFinished: ({ accountId, at, milliseconds, waitedFor }) => {
      metrics.removals.observe(milliseconds / SECOND);
      for (const name of waitedFor) metrics.waitedFor.inc({ name });
      const level = waitedFor.length > 0 ? 'warn' : 'info';
      logger[level](
        { accountId, ...at, milliseconds: Math.round(milliseconds), waitedFor },
        'removal in force',
      );
    },
    onFault: warn('the outcome of a removal cannot be written'),
  });
  const history = createHistoryKeeper({
    database: priority,
    clock,
    stopwatch,
    lease,
    length,
    logger,
    metrics,
  });
  const name = `${config.listen.host}:${config.listen.port} pid ${process.pid}`;
  const own = { database: priority, leases, nodeId, name, version, length };
  const nodeLease = config.databaseUrl
    ? createNodeLease({
        ...{ ...own, feed, lease },
        checkHistory: () => history.check(() => feed.poll()),
        onNewRow: () => {
          acks.begin();
          for (const tell of onNewRow) tell();
        },
      })
    : createLockedNodeLease(own);
  const wake = (message: string) => {
    if (message.startsWith('ack')) inForce.wake();
    else poll().catch(warn('the feed cannot be read'));
  };
  const notifier =
    config.databaseUrl && config.notifications ? openNotifier(config.databaseUrl, wake) : silentNotifier;
  const poll = createPoll(feed);
  const stops: (() => Promise<void>)[] = [];

  return {
    ...{ lease, nodeLease, hub, inForce, removals, onLost },
    isSynchronous: history.isSynchronous,
    onNewRow: (tell) => {
      onNewRow.push(tell);
    },
    feed: {
      ...feed,
      committed: (batch) => {
        feed.committed(batch);
        if (batch.items.length > 0) notifier.tell('feed');
      },
    },
    start: async (some) => {
      followers.push(...some);
      await feed.start();
      await nodeLease.renew();
      stops.push(keepLease({ ...options, nodeLease, lease, length }));
      if (config.databaseUrl) {
        stops.push(repeatSoon(logger, () => (notifier.isHeard() ? POLL_HEARD : POLL_UNHEARD), poll));
      }
      stops.push(repeat(logger, ADOPT_EVERY, () => removals.adopt()));
      removals.adopt().catch(warn('removals of the former process are not finished yet'));
    },
    stop: async () => {
      for (const stop of stops.splice(0)) await stop();
      hub.closeAll(CLOSE.unavailable);
      acks.close();
      // A gate may still decide by what was granted here: then the row stands until it runs out.
      if (hub.hasGrants()) lease.end();
      else await nodeLease.release().catch(warn('the lease could not be given back'));
      await notifier.close();
    },
  };
}

/** All that decide here, and after them the gates: what they are sent is in force here. */
function told(followers: readonly Follower[], hub: Follower): Follower {
  return {
    load: (snapshot) => {
      for (const follower of [...followers, hub]) follower.load(snapshot);
    },
    apply: (batch) => {
      for (const follower of [...followers, hub]) follower.apply(batch);
    },
  };
}

/** One reading at a time, and one more after it for whoever asked meanwhile: it may have read too early for them. */
function createPoll(feed: Feed): () => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  let next: Promise<void> | null = null;
  return () => {
    next ??= last
      .catch(() => {})
      .then(() => {
        next = null;
        last = feed.poll();
        return last;
      });
    return next;
  };
}

/** Renews the lease in time; what does not answer until the lease has ended is cut off. */
function keepLease(options: ClusterOptions & { nodeLease: NodeLease; lease: Lease; length: number }) {
  const { nodeLease, lease, length, logger, stopwatch, reopen } = options;
  let isAway = false;

  const renew = async () => {
    const since = stopwatch.elapsed();
    const late = setTimeout(() => reopen(), length).unref();
    try {
      await nodeLease.renew();
      if (isAway && lease.isLive()) logger.info('the lease is renewed again');
      isAway = !lease.isLive();
    } catch (error) {
      if (!isAway) logger.warn({ err: error }, 'the lease cannot be renewed');
      isAway = true;
    } finally {
      clearTimeout(late);
    }
    if (stopwatch.elapsed() - since > length) logger.warn('the database takes longer than a lease lasts');
  };

  // A renewal that took long has left less than a whole lease.
  const next = () =>
    isAway ? (length * RENEW_AFTER) / 3 : Math.min(length, lease.remaining()) * RENEW_AFTER;
  return repeatSoon(logger, next, renew);
}

/** Does the work again and again, each time so long after the last has ended. */
function repeatSoon(logger: Logger, every: () => number, work: () => Promise<void>): () => Promise<void> {
  let timer: NodeJS.Timeout | null = null;
  let running: Promise<void> = Promise.resolve();
  let isStopped = false;
  const plan = () => {
    if (isStopped) return;
    timer = setTimeout(() => {
      running = work()
        .catch((error: unknown) => logger.debug({ err: error }, 'will be tried again'))
        .finally(plan);
    }, every());
    timer.unref();
  };
  plan();
  return async () => {
    isStopped = true;
    if (timer) clearTimeout(timer);
    await running;
  };
}
