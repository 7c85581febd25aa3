import type { FastifyInstance } from 'fastify';
import { type Logger, pino } from 'pino';
import { applicationStates } from './access/applications/applications.ts';
import { providerStates } from './access/identity-providers/identity-providers.ts';
import { keyStates } from './access/keys/keys.ts';
import { createSigner } from './access/keys/signer.ts';
import { createKeyTimer } from './access/keys/timer.ts';
import { organizationStates } from './access/organizations/organizations.ts';
import { serviceTokenStates } from './access/service-tokens/service-tokens.ts';
import type { Config } from './config.ts';
import { dropExpiredAnchors } from './database/paging.ts';
import { createRequestLog } from './gate/request-log.ts';
import { createGateState } from './gate/state.ts';
import { replaceKeyPair } from './http/listener.ts';
import { type Clock, MINUTE, SECOND, systemClock, systemStopwatch, timestamp } from './kernel/clock.ts';
import type { Control } from './removal/act.ts';
import { createFeed, type Follower } from './removal/feed.ts';
import { following, openExchanges } from './server/exchanges.ts';
import { credentialsFile, firstStart } from './server/first-start.ts';
import { readKeyPair, type ServedPair } from './server/key-pair.ts';
import { followKeyPair, type KeyPairFollower } from './server/key-pair-follower.ts';
import { listen, stopListening } from './server/listen.ts';
import { certificateExpiry, createMetrics, type Metrics, serveMetrics } from './server/metrics.ts';
import { repeat } from './server/repeat.ts';
import { startRequestLogWriter } from './server/request-log.ts';
import { lockDatabase, openDatabase } from './server/storage.ts';
import { openUpstreams } from './server/upstreams.ts';
import { dropExpired, sessionStates } from './sign-in/lineage.ts';
import { createServer, type WebParts } from './web.ts';

/** A server that is listening. */
export interface App {
  readonly control: Control;
  /** The team domain of the first account. */
  readonly teamDomain: string;
  readonly credentialsFile: string;
  readonly isFirstStart: boolean;
  /** Reads the files of --tls-cert and --tls-key now. What cannot be served is logged, and the last pair stays. */
  reloadCertificate(): Promise<void>;
  /** Stops taking requests, lets those under way finish, and gives everything back. */
  close(): Promise<void>;
}

export interface AppOptions {
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** Called when the server may no longer decide, because its lock on the database is lost. */
  readonly onLost?: () => void;
}

/** How often the feed is read without a cause, in milliseconds. */
const POLL_EVERY = 5 * SECOND;

/**
 * Starts the server: lock, schema, first start, the gate's memory, then the listeners. Throws a StartError
 * for whatever the operator can mend; nothing is left running then.
 */
export async function startApp(config: Config, options: AppOptions = {}): Promise<App> {
  const clock = options.clock ?? systemClock;
  const logger = options.logger ?? createLogger(config);
  const undo: (() => Promise<void>)[] = [];
  const giveBack = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const keyPair = config.tls && (await readKeyPair(config.tls, clock.now()));
    const lock = await lockDatabase(
      config,
      `portcullis on ${config.listen.host}:${config.listen.port}, pid ${process.pid}`,
    );
    undo.push(() => lock.release());
    lock.onLost(() => options.onLost?.());
    const database = await openDatabase(config, clock);
    undo.push(() => database.close());
    const first = await firstStart(config, { database, clock });
    const state = createGateState();
    const metrics = createMetrics();
    const onFault = (error: unknown) => logger.error({ err: error }, 'a signing key cannot be opened');
    const signer = createSigner({ database, vault: first.vault, onFault });
    const exchanges = openExchanges({ state, clock, logger, metrics });
    const upstreams = openUpstreams(config);
    undo.push(async () => upstreams.close());
    const feed = createFeed({
      database,
      follower: observed([state, following(exchanges), signer], metrics),
      sources: [
        organizationStates,
        providerStates,
        applicationStates,
        serviceTokenStates,
        keyStates,
        sessionStates(() => timestamp(clock.now())),
      ],
    });
    await feed.start();
    const requestLog = createRequestLog(state);
    const parts: WebParts = {
      config,
      control: { database, feed, clock },
      vault: first.vault,
      state,
      signer,
      logger,
      metrics,
      exchanges,
      upstreams,
      requestLog,
      keyPair,
    };
    undo.push(keepRequestLog(parts));
    const http = await createServer(parts);
    const follower = keyPair && followCertificate(parts, { http, keyPair });
    if (follower) undo.push(() => follower.stop());
    const listening = await listen(http.server, config.listen);
    undo.push(async () => {
      exchanges.cutUpgraded('stopping');
      await stopListening(http, listening, () => exchanges.cutAll('stopping'));
    });
    if (config.metricsListen) undo.push(await serveMetrics(metrics, config.metricsListen));
    undo.push(repeat(logger, MINUTE, () => sweep(parts)));
    undo.push(repeat(logger, SECOND, async () => exchanges.sweep()));
    const keyTimer = createKeyTimer(parts, systemStopwatch);
    undo.push(repeat(logger, MINUTE, () => keyTimer.turn()));
    undo.push(repeat(logger, MINUTE, () => signer.openMissing()));
    undo.push(repeat(logger, POLL_EVERY, () => feed.poll()));
    return {
      control: parts.control,
      teamDomain: first.teamDomain,
      credentialsFile: credentialsFile(config),
      isFirstStart: first.isFirstStart,
      reloadCertificate: async () => await follower?.check(),
      close: giveBack,
    };
  } catch (error) {
    await giveBack();
    throw error;
  }
}

/** Forgets, in memory and in the database, what has expired; nothing decides by its absence. */
async function sweep({ control: { database, clock }, state }: WebParts): Promise<void> {
  const now = timestamp(clock.now());
  state.sweep(clock.now());
  await database.write(async (tx) => {
    await dropExpired(tx, now);
    await dropExpiredAnchors(tx, now);
  });
}

/** Nothing that names a credential, a cookie or a query is ever handed to it. */
export function createLogger(config: Config): Logger {
  return pino({ level: config.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime });
}

function observed(followers: readonly Follower[], { position }: Metrics): Follower {
  return {
    load: (snapshot) => {
      for (const follower of followers) follower.load(snapshot);
      position.set({ account: snapshot.accountId }, snapshot.head.position);
    },
    apply: (batch) => {
      for (const follower of followers) follower.apply(batch);
      position.set({ account: batch.accountId }, batch.at.position);
    },
  };
}

/** Writes the request log in the background, until the end. */
function keepRequestLog({ config, control, logger, metrics, requestLog }: WebParts): () => Promise<void> {
  const { database, clock } = control;
  const writer = startRequestLogWriter({
    log: requestLog,
    database,
    clock,
    logger,
    onDropped: (lines) => metrics.requestLogDropped.inc(lines),
    days: config.requestLogDays,
    lines: config.requestLogLines,
  });
  return () => writer.close();
}

/** Serves each new certificate as it comes, and tells in the metrics how long it lasts. */
function followCertificate(
  { config, control, logger, metrics }: WebParts,
  { http, keyPair }: { http: FastifyInstance; keyPair: ServedPair },
): KeyPairFollower | null {
  if (!config.tls) return null;
  const expiry = certificateExpiry(metrics);
  const show = ({ notAfter }: ServedPair) => expiry.set(Math.floor(notAfter / 1000));
  show(keyPair);
  return followKeyPair(keyPair, {
    files: config.tls,
    clock: control.clock,
    logger,
    use: (pair) => {
      replaceKeyPair(http.server, pair);
      show(pair);
    },
  });
}
