import type { Server } from 'node:http';
import { setInterval } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { type Logger, pino } from 'pino';
import { applicationStates } from './access/applications/applications.ts';
import { policyRoutes } from './access/applications/policy-routes.ts';
import { applicationRoutes } from './access/applications/routes.ts';
import { providerStates } from './access/identity-providers/identity-providers.ts';
import { identityProviderRoutes } from './access/identity-providers/routes.ts';
import { keyStates, toKeySet } from './access/keys/keys.ts';
import { keyRoutes } from './access/keys/routes.ts';
import { createSigner, type FollowingSigner } from './access/keys/signer.ts';
import { createKeyTimer } from './access/keys/timer.ts';
import { accessLogRoutes } from './access/logs/routes.ts';
import { organizationStates } from './access/organizations/organizations.ts';
import { organizationRoutes } from './access/organizations/routes.ts';
import { serviceTokenRoutes } from './access/service-tokens/routes.ts';
import { serviceTokenStates } from './access/service-tokens/service-tokens.ts';
import { userRoutes } from './access/users/routes.ts';
import { accountRoutes } from './accounts/accounts/routes.ts';
import { auditLogRoutes } from './accounts/audit-logs/routes.ts';
import { authenticate, findZone } from './accounts/authority/authority.ts';
import { firstAccount } from './accounts/bootstrap/bootstrap.ts';
import { memberRoutes } from './accounts/members/routes.ts';
import { tokenRoutes } from './accounts/tokens/routes.ts';
import { zoneRoutes } from './accounts/zones/routes.ts';
import type { Config } from './config.ts';
import { isAlive } from './database/database.ts';
import { dropExpiredAnchors } from './database/paging.ts';
import { admittedUntil } from './gate/admission.ts';
import { createExchanges, type Exchanges } from './gate/exchanges.ts';
import { createRequestLog, type RequestLog } from './gate/request-log.ts';
import { createGateState, type GateState } from './gate/state.ts';
import type { Upstreams } from './gate/upstream.ts';
import { createTokenVerifier } from './gate/verify.ts';
import { replaceKeyPair } from './http/listener.ts';
import type { Route } from './http/route.ts';
import { createHttp } from './http/server.ts';
import { permissionGroupRoutes } from './iam/permission-groups/routes.ts';
import { resourceGroupRoutes } from './iam/resource-groups/routes.ts';
import { userGroupRoutes } from './iam/user-groups/routes.ts';
import { type Clock, MINUTE, SECOND, systemClock, systemStopwatch, timestamp } from './kernel/clock.ts';
import type { Vault } from './kernel/crypto.ts';
import { type Control, settle } from './removal/act.ts';
import { createFeed, type Follower } from './removal/feed.ts';
import { createAddressOf } from './server/client-address.ts';
import { credentialsFile, firstStart } from './server/first-start.ts';
import { createDirectory, createGateEdge, createIntercept, teamOf } from './server/gate.ts';
import { readKeyPair, type ServedPair } from './server/key-pair.ts';
import { followKeyPair, type KeyPairFollower } from './server/key-pair-follower.ts';
import { listen, stopListening } from './server/listen.ts';
import {
  certificateExpiry,
  createMetrics,
  createMetricsServer,
  decisionCounter,
  type Metrics,
  showOpenExchanges,
} from './server/metrics.ts';
import { ownHosts } from './server/own-hosts.ts';
import { addPages } from './server/pages.ts';
import { startRequestLogWriter } from './server/request-log.ts';
import { lockDatabase, openDatabase } from './server/storage.ts';
import { openUpstreams } from './server/upstreams.ts';
import { dropExpired, sessionStates } from './sign-in/lineage.ts';
import type { SignInRefused } from './sign-in/refused.ts';
import { addSignInPages } from './sign-in/routes.ts';
import { createSignIn } from './sign-in/service.ts';

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

/** Everything that the parts are wired from. */
interface Parts {
  readonly config: Config;
  readonly control: Control;
  readonly vault: Vault;
  readonly state: GateState;
  readonly signer: FollowingSigner;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly exchanges: Exchanges;
  readonly upstreams: Upstreams;
  readonly requestLog: RequestLog;
  readonly keyPair: ServedPair | null;
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
    const parts: Parts = {
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
async function sweep({ control: { database, clock }, state }: Parts): Promise<void> {
  const now = timestamp(clock.now());
  state.sweep(clock.now());
  await database.write(async (tx) => {
    await dropExpired(tx, now);
    await dropExpiredAnchors(tx, now);
  });
}

/** Does the work again and again, each time after the last has ended; a failure is logged and tried anew. */
function repeat(logger: Logger, every: number, work: () => Promise<void>): () => Promise<void> {
  const stopped = new AbortController();
  const running = (async () => {
    for await (const _ of setInterval(every, undefined, { signal: stopped.signal, ref: false })) {
      await work().catch((error: unknown) => logger.warn({ err: error }, 'housekeeping failed'));
    }
  })().catch(() => {});
  return async () => {
    stopped.abort();
    await running;
  };
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

function openExchanges({
  state,
  clock,
  logger,
  metrics,
}: Pick<Parts, 'state' | 'logger' | 'metrics'> & { clock: Clock }): Exchanges {
  const exchanges = createExchanges({
    admittedUntil: (question, admitted) => admittedUntil({ state, clock }, question, admitted),
    clock,
    onCut: ({ admitted: { destination } }, reason) => {
      metrics.cuts.inc({ reason });
      const { application, account } = destination;
      logger.info({ reason, accountId: account.accountId, applicationId: application.id }, 'exchange cut');
    },
    onFault: (error) => logger.error({ err: error }, 'an exchange could not be ended as it should'),
  });
  showOpenExchanges(metrics, () => exchanges.size);
  return exchanges;
}

/** What is open is ended in the turn in which the memory changed, before the change counts as applied. */
function following(exchanges: Exchanges): Follower {
  return {
    load: ({ accountId }) => exchanges.reload(accountId),
    apply: (batch) => exchanges.apply(batch),
  };
}

/** Every route of the API, in the order of the OpenAPI document. */
export function listRoutes({ control, vault, config }: Pick<Parts, 'control' | 'vault' | 'config'>): Route[] {
  return [
    ...accountRoutes(control),
    ...memberRoutes(control),
    ...tokenRoutes(control),
    ...auditLogRoutes(control),
    ...zoneRoutes(control),
    ...permissionGroupRoutes(),
    ...resourceGroupRoutes(control),
    ...userGroupRoutes(control),
    ...userRoutes(control),
    ...organizationRoutes(control),
    ...keyRoutes({ control, vault }),
    ...identityProviderRoutes(control, { vault }),
    ...applicationRoutes(control, { reservedHosts: ownHosts(config) }),
    ...policyRoutes(control),
    ...serviceTokenRoutes(control),
    ...accessLogRoutes(control),
  ];
}

async function createServer(parts: Parts): Promise<FastifyInstance> {
  const { config, control, vault, state, signer, logger, metrics, requestLog } = parts;
  const { database, feed, clock } = control;
  const verifier = createTokenVerifier({ scheme: config.scheme });
  const directory = createDirectory(state, verifier, clock);
  const signIn = createSignIn({
    ...{ control, vault, signer, directory, scheme: config.scheme },
    onOutcome: (outcome) => requestLog.noteSignIn(outcome, clock.now()),
  });
  const addressOf = createAddressOf(config.trustedProxies);
  const countDecision = decisionCounter(metrics);
  const onFault = (error: unknown, requestId: string) =>
    logger.error({ requestId, err: error }, 'request failed');
  const onRefused = (refused: SignInRefused, requestId: string) => {
    metrics.refusedSignIns.inc({ reason: refused.reason });
    logger.info({ requestId, reason: refused.reason, cause: messageOf(refused.cause) }, 'sign-in refused');
  };
  return await createHttp({
    keeper: {
      reader: database.reader,
      authenticate: (request) => authenticate({ database, clock }, request),
      findZone,
      settle: (accountId) => settle(control, accountId),
    },
    routes: listRoutes(parts),
    rateLimit: config.rateLimit,
    publicUrl: config.publicUrl,
    addressOf,
    tls: parts.keyPair,
    intercept: createIntercept({
      config,
      state,
      verifier,
      signer,
      clock,
      catchUp: (accountId) => feed.catchUp(accountId),
      edge: createGateEdge(signIn, onRefused, { direct: false }),
      directEdge: createGateEdge(signIn, onRefused, { direct: true }),
      exchanges: parts.exchanges,
      upstreams: parts.upstreams,
      onUpstreamFailure: (error, requestId) =>
        logger.warn({ requestId, cause: messageOf(error) }, 'the application does not answer'),
      addressOf,
      onDecision: (decision) => {
        countDecision(decision.verdict, decision.reason);
        requestLog.record(decision);
        // Whoever is denied is given the request id: the log of a usual level has to know it.
        logger[decision.verdict === 'deny' ? 'info' : 'debug'](decision, 'gate decision');
      },
      onFault,
    }),
    pages: async (app, limits) => {
      addPages(app, {
        isReady: () => isAlive(database.reader),
        certs: async (host) => {
          const accountId = teamOf(state, host)?.accountId ?? (await firstAccount(database.reader))?.id;
          const account = accountId ? state.account(accountId) : null;
          return account ? toKeySet(account.keys.values()) : null;
        },
      });
      addSignInPages(app, {
        signIn,
        teamOf: (host) => teamOf(state, host),
        addressOf: (request) => addressOf(request.raw),
        limit: (request, reply) => limits.countCall(request, reply, `sign-in ${addressOf(request.raw)}`),
        onRefused,
      });
    },
    onAnswer: ({ milliseconds, ...line }) => {
      const { method, route, status } = line;
      metrics.requests.observe({ method, route, status: String(status) }, milliseconds / 1000);
      logger.info({ ...line, milliseconds }, 'request');
    },
    onFault,
  });
}

/** Writes the request log in the background, until the end. */
function keepRequestLog({ config, control, logger, metrics, requestLog }: Parts): () => Promise<void> {
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
  { config, control, logger, metrics }: Parts,
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

function messageOf(cause: unknown): string | undefined {
  return cause instanceof Error ? cause.message : undefined;
}

async function serveMetrics(
  metrics: Metrics,
  at: { host: string; port: number },
): Promise<() => Promise<void>> {
  const server: Server = createMetricsServer(metrics);
  await listen(server, at);
  return async () => {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  };
}
