import type { Logger } from 'pino';
import { applicationStates } from './access/applications/applications.ts';
import { certificateStates } from './access/certificates/certificates.ts';
import { customPageStates } from './access/custom-pages/custom-pages.ts';
import { groupStates } from './access/groups/groups.ts';
import { providerStates } from './access/identity-providers/identity-providers.ts';
import { keyStates } from './access/keys/keys.ts';
import { createSigner } from './access/keys/signer.ts';
import { createKeyTimer } from './access/keys/timer.ts';
import { organizationStates } from './access/organizations/organizations.ts';
import { inactiveTimeOf, listSeatExpirations } from './access/organizations/seat-expiration.ts';
import { policyStates } from './access/policies/policies.ts';
import { createSeatTimer } from './access/seats/expiry.ts';
import { serviceTokenStates } from './access/service-tokens/service-tokens.ts';
import type { Config } from './config.ts';
import { dropExpiredAnchors } from './database/paging.ts';
import { postureRuleStates } from './devices/posture/posture.ts';
import { registrationStates } from './devices/registrations/registration-states.ts';
import { createRequestLog } from './gate/request-log.ts';
import { createGateState } from './gate/state.ts';
import { listStates } from './gateway/lists/lists.ts';
import { createBeside } from './kernel/beside.ts';
import {
  type Clock,
  type Clocks,
  MINUTE,
  SECOND,
  systemClock,
  systemClocks,
  systemStopwatch,
  timestamp,
} from './kernel/clock.ts';
import { newTag } from './kernel/ids.ts';
import { dropUnseenGateKeys, gateKeyStates } from './portcullis/gates/gates.ts';
import type { Control } from './removal/act.ts';
import type { Follower, StateSource } from './removal/feed.ts';
import { openCluster } from './server/cluster.ts';
import { following, openExchanges } from './server/exchanges.ts';
import { credentialsFile, firstStart } from './server/first-start.ts';
import { readKeyPair } from './server/key-pair.ts';
import { watchLease } from './server/lease-watch.ts';
import { listen, stopListening } from './server/listen.ts';
import { createLogger } from './server/logger.ts';
import { createMailer } from './server/mail.ts';
import { createMetrics, type Metrics, serveMetrics } from './server/metrics.ts';
import { ownHosts } from './server/own-hosts.ts';
import { repeat } from './server/repeat.ts';
import { startRequestLogWriter } from './server/request-log.ts';
import { followCertificate } from './server/served-certificate.ts';
import { openTls } from './server/served-tls.ts';
import { lockDatabase, openDatabase, openPriority } from './server/storage.ts';
import { openUpstreams } from './server/upstreams.ts';
import { readVersion } from './server/version.ts';
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
  /** By which the lease is measured. */
  readonly clocks?: Clocks;
  readonly logger?: Logger;
}

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
    const tls = openTls({ keyPair, clock, logger });
    const lock = await lockDatabase(
      config,
      `portcullis on ${config.listen.host}:${config.listen.port}, pid ${process.pid}`,
    );
    undo.push(() => lock.release());
    const database = await openDatabase(config, clock);
    undo.push(() => database.close());
    const first = await firstStart(config, { database, clock });
    const state = createGateState({ ownHosts: ownHosts(config) });
    const metrics = createMetrics();
    const onFault = (error: unknown) => logger.error({ err: error }, 'a signing key cannot be opened');
    const signer = createSigner({ database, vault: first.vault, onFault });
    const priority = openPriority(config, database);
    undo.push(() => priority.close());
    const nodeId = newTag();
    const sources = stateSources(clock);
    const cluster = openCluster({
      ...{ config, database, priority, clock, logger, metrics },
      nodeId,
      version: readVersion(),
      reopen: () => {
        database.reopen();
        priority.reopen();
      },
      clocks: options.clocks ?? systemClocks,
      stopwatch: systemStopwatch,
      sources,
    });
    const { lease, feed } = cluster;
    const exchanges = openExchanges({ state, clock, lease, logger, metrics });
    const upstreams = openUpstreams(config);
    undo.push(async () => upstreams.close());
    undo.push(() => cluster.stop());
    await cluster.start([observed([state, following(exchanges), signer, tls.clients], metrics)]);
    const requestLog = createRequestLog(state);
    const mailer = config.mail && createMailer({ settings: config.mail, logger, metrics });
    if (mailer) undo.push(() => mailer.close());
    const beside = createBeside((error) => logger.error({ err: error }, 'work beside the requests failed'));
    const parts: WebParts = {
      config,
      control: { database, feed, inForce: cluster.inForce, removals: cluster.removals, clock },
      ...{ cluster, nodeId, sources, mailer, beside },
      vault: first.vault,
      state,
      signer,
      logger,
      metrics,
      exchanges,
      upstreams,
      requestLog,
      tls: tls.side,
    };
    undo.push(keepRequestLog(parts));
    undo.push(() => beside.ended());
    const http = await createServer(parts);
    const follower =
      config.tls &&
      keyPair &&
      tls.side &&
      followCertificate({ files: config.tls, keyPair, tls: tls.side, clock, logger, metrics });
    if (follower) undo.push(() => follower.stop());
    const listening = await listen(http.server, config.listen);
    undo.push(async () => {
      exchanges.cutUpgraded('stopping');
      await stopListening(http, listening, () => exchanges.cutAll('stopping'));
    });
    if (config.metricsListen) undo.push(await serveMetrics(metrics, config.metricsListen));
    undo.push(repeat(logger, MINUTE, () => sweep(parts)));
    undo.push(repeat(logger, SECOND, async () => exchanges.sweep()));
    const endWatch = watchLease({ lease, exchanges, stopwatch: systemStopwatch }, (isLive) =>
      logger[isLive ? 'info' : 'warn'](isLive ? 'deciding again' : 'the lease has ended: nothing is decided'),
    );
    undo.push(async () => endWatch());
    const keyTimer = createKeyTimer(parts, systemStopwatch);
    undo.push(repeat(logger, MINUTE, () => keyTimer.turn()));
    const expiring = { control: parts.control, list: listSeatExpirations, find: inactiveTimeOf };
    const seatTimer = createSeatTimer(expiring, systemStopwatch);
    undo.push(repeat(logger, MINUTE, () => seatTimer.turn()));
    undo.push(repeat(logger, MINUTE, () => dropUnseenGateKeys(parts.control, clock.now())));
    undo.push(repeat(logger, MINUTE, () => signer.openMissing()));
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

/** All that gates know of an account beside revocations. */
function stateSources(clock: Clock): StateSource[] {
  return [
    organizationStates,
    customPageStates,
    providerStates,
    applicationStates,
    policyStates,
    groupStates,
    listStates,
    postureRuleStates,
    serviceTokenStates,
    certificateStates,
    keyStates,
    gateKeyStates,
    sessionStates(() => timestamp(clock.now())),
    registrationStates(() => timestamp(clock.now())),
  ];
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
