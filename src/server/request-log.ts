import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { dropOldRequests, writeRequestLines } from '../access/logs/request-lines.ts';
import type { Database } from '../database/database.ts';
import { failureOf } from '../database/failures.ts';
import type { RequestLog } from '../gate/request-log.ts';
import { type Clock, DAY, MINUTE, SECOND } from '../kernel/clock.ts';

export interface RequestLogWriterOptions extends LossOptions {
  readonly log: RequestLog;
  readonly database: Database;
  /** How many days, and how many lines of an account and sort of visitor, are kept. */
  readonly days: number;
  readonly lines: number;
}

export interface RequestLogWriter {
  /** Writes what is left, if the database is there, and ends. */
  close(): Promise<void>;
}

const EVERY = SECOND;
/** How many lines one turn of the event loop writes on SQLite, whose driver is synchronous; and what lies between. */
const BATCH = 50;
const PAUSE = 25;
/** How long the end of the process is held up by a database that does not answer. */
const LAST_WAIT = 5 * SECOND;

/**
 * Writes the request log in the background, and drops what is too old or too much of it. While the database is away
 * the lines wait where they are bounded; a batch that the database refuses for good is left out, so that it does not
 * stand in the way of all others.
 */
export function startRequestLogWriter(options: RequestLogWriterOptions): RequestLogWriter {
  const { log, database, clock, logger } = options;
  const stopped = new AbortController();
  const losses = createLosses(options);
  const batches = createBatches({ log, database, losses });
  const running = { flush: null as Promise<void> | null, tidy: null as Promise<void> | null };
  let minute = minuteOf(clock);

  const tidy = async () => {
    const kept = { from: clock.now() - options.days * DAY, lines: options.lines };
    await dropOldRequests(database, kept, stopped.signal).catch((error: unknown) =>
      logger.warn({ err: error }, 'housekeeping of the request log failed'),
    );
    running.tidy = null;
  };

  const flushSlowly = async () => {
    await batches.write(() => stopped.signal.aborted || sleep(PAUSE));
    running.flush = null;
  };

  const turn = () => {
    if (minuteOf(clock) !== minute) {
      minute = minuteOf(clock);
      log.roll();
      running.tidy ??= tidy();
    }
    losses.add(log.takeDropped());
    losses.say();
    running.flush ??= flushSlowly();
  };

  const writeRest = async () => {
    await Promise.all([running.flush, running.tidy]);
    log.roll();
    await batches.write(() => {});
  };

  const timer = setInterval(turn, EVERY).unref();
  return {
    close: async () => {
      clearInterval(timer);
      stopped.abort();
      await Promise.race([writeRest(), sleep(LAST_WAIT, undefined, { ref: false })]);
      losses.add(log.takeDropped() + batches.giveUp());
      losses.say();
    },
  };
}

interface Batches {
  /** Writes until nothing is left, or until the database is away; between two batches it waits for `rest`. */
  write(rest: () => unknown): Promise<void>;
  /** Lets go of what was not written; answers how many lines that is. */
  giveUp(): number;
}

/** A batch that the database could not take is tried again next time, as it is: written twice it is there once. */
function createBatches({
  log,
  database,
  losses,
}: Pick<RequestLogWriterOptions, 'log' | 'database'> & { losses: Losses }): Batches {
  let batch: ReturnType<RequestLog['take']> = [];
  const isDone = async (): Promise<boolean> => {
    try {
      await database.write((tx) => writeRequestLines(tx, batch));
      return true;
    } catch (error) {
      const failure = failureOf(error);
      const mayPass = failure === 'unavailable' || failure === 'conflict';
      if (!mayPass) losses.add(batch.length);
      losses.say(error);
      return !mayPass;
    }
  };
  return {
    write: async (rest) => {
      for (;;) {
        if (batch.length === 0) batch = log.take(BATCH);
        if (batch.length === 0 || !(await isDone())) return;
        batch = [];
        await rest();
      }
    },
    giveUp: () => {
      let count = 0;
      for (; batch.length > 0; batch = log.take(BATCH)) count += batch.length;
      return count;
    },
  };
}

interface LossOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told how many lines were lost. */
  readonly onDropped: (lines: number) => void;
}

interface Losses {
  add(lines: number): void;
  /** Warns of what was lost, or of what went wrong, once a minute at most: it goes wrong often, if at all. */
  say(error?: unknown): void;
}

function createLosses({ clock, logger, onDropped }: LossOptions): Losses {
  let unsaid = 0;
  let said: number | null = null;
  return {
    add: (lines) => {
      unsaid += lines;
      if (lines > 0) onDropped(lines);
    },
    say: (error) => {
      if ((unsaid === 0 && error === undefined) || said === minuteOf(clock)) return;
      logger.warn({ err: error, dropped: unsaid }, 'the request log is not complete');
      said = minuteOf(clock);
      unsaid = 0;
    },
  };
}

function minuteOf(clock: Clock): number {
  return Math.floor(clock.now() / MINUTE);
}
