import type { IncomingMessage, Server } from 'node:http';
import { setInterval } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { type Logger, pino } from 'pino';
import { applicationStates } from './access/applications/applications.ts';
import { policyRoutes } from './access/applications/policy-routes.ts';
import { applicationRoutes } from './access/applications/routes.ts';
import { providerStates } from './access/identity-providers/identity-providers.ts';
import { identityProviderRoutes } from './access/identity-providers/routes.ts';
import { createSigner, keyStates, publicKeys } from './access/keys/keys.ts';
import { organizationStates } from './access/organizations/organizations.ts';
import { organizationRoutes } from './access/organizations/routes.ts';
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
import { createGateState, type GateState } from './gate/state.ts';
import { createTokenVerifier } from './gate/verify.ts';
import type { Route } from './http/route.ts';
import { createHttp } from './http/server.ts';
import { permissionGroupRoutes } from './iam/permission-groups/routes.ts';
import { resourceGroupRoutes } from './iam/resource-groups/routes.ts';
import { userGroupRoutes } from './iam/user-groups/routes.ts';
import { clientAddress } from './kernel/address.ts';
import { type Clock, MINUTE, SECOND, systemClock, timestamp } from './kernel/clock.ts';
import type { Vault } from './kernel/crypto.ts';
import { type Control, settle } from './removal/act.ts';
import { createFeed, type Follower } from './removal/feed.ts';
import { credentialsFile, firstStart } from './server/first-start.ts';
import { createDirectory, createGateEdge, createIntercept, teamOf } from './server/gate.ts';
import { listen, stopListening } from './server/listen.ts';
import { createMetrics, createMetricsServer, type Metrics } from './server/metrics.ts';
import { ownHosts } from './server/own-hosts.ts';
import { addPages } from './server/pages.ts';
import { lockDatabase, openDatabase } from './server/storage.ts';
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
  readonly logger: Logger;
  readonly metrics: Metrics;
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
    const feed = createFeed({
      database,
      follower: observed(state, metrics),
      sources: [
        organizationStates,
        providerStates,
        applicationStates,
        keyStates,
        sessionStates(() => timestamp(clock.now())),
      ],
    });
    await feed.start();
    const parts: Parts = {
      config,
      control: { database, feed, clock },
      vault: first.vault,
      state,
      logger,
      metrics,
    };
    const http = await createServer(parts);
    await listen(http.server, config.listen);
    undo.push(() => stopListening(http));
    if (config.metricsListen) undo.push(await serveMetrics(metrics, config.metricsListen));
    undo.push(repeat(logger, MINUTE, () => sweep(parts)));
    undo.push(repeat(logger, POLL_EVERY, () => feed.poll()));
    return {
      control: parts.control,
      teamDomain: first.teamDomain,
      credentialsFile: credentialsFile(config),
      isFirstStart: first.isFirstStart,
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

function observed(state: GateState, { position }: Metrics): Follower {
  return {
    load: (snapshot) => {
      state.load(snapshot);
      position.set({ account: snapshot.accountId }, snapshot.head.position);
    },
    apply: (batch) => {
      state.apply(batch);
      position.set({ account: batch.accountId }, batch.at.position);
    },
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
    ...identityProviderRoutes(control, { vault }),
    ...applicationRoutes(control, { reservedHosts: ownHosts(config) }),
    ...policyRoutes(control),
  ];
}

async function createServer(parts: Parts): Promise<FastifyInstance> {
  const { config, control, vault, state, logger, metrics } = parts;
  const { database, feed, clock } = control;
  const verifier = createTokenVerifier({ scheme: config.scheme });
  const signer = createSigner({ database, vault });
  const directory = createDirectory(state, verifier, clock);
  const signIn = createSignIn({ control, vault, signer, directory, scheme: config.scheme });
  const addressOf = (request: IncomingMessage) => addressIn(config, request);
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
    intercept: createIntercept({
      config,
      state,
      verifier,
      signer,
      clock,
      catchUp: (accountId) => feed.catchUp(accountId),
      edge: createGateEdge(signIn, onRefused),
      addressOf,
      onDecision: (decision) => {
        metrics.decisions.inc({ verdict: decision.verdict, reason: decision.reason });
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
          return accountId ? await publicKeys(database.reader, accountId) : null;
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

function addressIn({ trustedProxies }: Config, request: IncomingMessage): string {
  const forwardedFor = request.headers['x-forwarded-for'];
  return clientAddress({
    peer: request.socket.remoteAddress ?? '',
    forwardedFor: Array.isArray(forwardedFor) ? forwardedFor.join(',') : forwardedFor,
    trusted: trustedProxies,
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
