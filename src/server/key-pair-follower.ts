import { type FSWatcher, watch } from 'node:fs';
import path from 'node:path';
import type { Logger } from 'pino';
import { type Clock, MINUTE, timestamp } from '../kernel/clock.ts';
import type { KeyPairFiles } from '../setting-values.ts';
import { readKeyPair, type ServedPair } from './key-pair.ts';

/** How long after a change the files are read: whoever replaces both does it one after the other. */
const SETTLE_FOR = 500;

export interface KeyPairFollower {
  /** Reads the files. Never throws: what cannot be served is logged, once, and what is served stays. */
  check(): Promise<void>;
  stop(): Promise<void>;
}

export interface FollowOptions {
  readonly files: KeyPairFiles;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told of every pair that takes the place of the last. */
  readonly use: (pair: ServedPair) => void;
}

/**
 * Follows the two files, of which `first` was read. Their folders are watched, so that a replacement by renaming
 * or by turning a link is seen; and they are read every minute, for what no watching sees.
 */
export function followKeyPair(first: ServedPair, options: FollowOptions): KeyPairFollower {
  const { files, clock, logger, use } = options;
  const state = { live: first, problem: '', turn: Promise.resolve() };

  const look = async () => {
    const pair = await readKeyPair(files, clock.now());
    state.problem = '';
    if (pair.cert === state.live.cert && pair.key === state.live.key) return;
    use(pair);
    state.live = pair;
    logger.info({ until: timestamp(pair.notAfter) }, 'a new TLS certificate is served');
  };

  const complain = (error: Error) => {
    if (error.message === state.problem) return;
    state.problem = error.message;
    const until = timestamp(state.live.notAfter);
    logger.error({ until, problem: error.message }, 'no new TLS certificate: the last one stays');
  };

  const check = () => {
    state.turn = state.turn.then(look).catch(complain);
    return state.turn;
  };
  const watching = watchFolders(files, check, logger);
  const poll = setInterval(check, MINUTE).unref();
  return {
    check,
    stop: async () => {
      clearInterval(poll);
      watching.stop();
      await state.turn;
    },
  };
}

function watchFolders(files: KeyPairFiles, changed: () => void, logger: Logger): { stop: () => void } {
  const pending: { timer?: NodeJS.Timeout } = {};
  // Not put off by each further change: a folder may be busy for other reasons.
  const settle = () => {
    pending.timer ??= setTimeout(() => {
      delete pending.timer;
      changed();
    }, SETTLE_FOR).unref();
  };
  const folders = new Set([path.dirname(files.cert), path.dirname(files.key)]);
  const watchers = [...folders].map((folder) => watchFolder(folder, settle, logger));
  return {
    stop: () => {
      clearTimeout(pending.timer);
      for (const watcher of watchers) watcher?.close();
    },
  };
}

/** null where the system watches no more: then the files are read every minute all the same. */
function watchFolder(folder: string, changed: () => void, logger: Logger): FSWatcher | null {
  const onError = (error: Error) =>
    logger.warn({ err: error }, 'the folder of the certificate is not watched');
  try {
    return watch(folder, { persistent: false }, changed).on('error', onError);
  } catch (error) {
    onError(error as Error);
    return null;
  }
}
