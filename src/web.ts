import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { type Signer, toKeySet } from './access/keys/keys.ts';
import { authenticate, findZone } from './accounts/authority/authority.ts';
import { firstAccount } from './accounts/bootstrap/bootstrap.ts';
import { isAlive } from './database/database.ts';
import { createAdmissions } from './gate/admission.ts';
import { createAssertions } from './gate/assertions.ts';
import type { Exchanges } from './gate/exchanges.ts';
import { createExternalAnswers } from './gate/external-answers.ts';
import { createExternalCall } from './gate/external-call.ts';
import type { RequestLog } from './gate/request-log.ts';
import type { GateState } from './gate/state.ts';
import type { Upstreams } from './gate/upstream.ts';
import { createTokenVerifier } from './gate/verify.ts';
import { createReadThrough } from './gates/read-through.ts';
import { createHttp } from './http/server.ts';
import type { TlsSide } from './http/tls-side.ts';
import { networkOf } from './kernel/address.ts';
import type { Beside } from './kernel/beside.ts';
import { findGateBySecret } from './portcullis/gates/gates.ts';
import { answerBefore, settle } from './removal/act.ts';
import type { StateSource } from './removal/feed.ts';
import { type ApiParts, listRoutes } from './routes.ts';
import { createAddressOf } from './server/client-address.ts';
import type { Cluster } from './server/cluster.ts';
import { createDirectory, createGateEdge, teamOf } from './server/gate.ts';
import { besideGates, createGateAttach } from './server/gate-attach.ts';
import { addGatePages } from './server/gate-pages.ts';
import { createIntercept } from './server/intercept.ts';
import { decisionCounter, type Metrics } from './server/metrics.ts';
import { addPages, type Readiness } from './server/pages.ts';
import { unanswered } from './server/unanswered.ts';
import { addDeviceRoutes, type DeviceRoutesOptions } from './sign-in/device-routes.ts';
import type { Mailer } from './sign-in/mailer.ts';
import type { SignInRefused } from './sign-in/refused.ts';
import { addSignInPages } from './sign-in/routes.ts';
import { createSignIn } from './sign-in/service.ts';

/** What the HTTP side is made of. */
export interface WebParts extends ApiParts {
  readonly state: GateState;
  readonly signer: Signer;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly exchanges: Exchanges;
  readonly upstreams: Upstreams;
  readonly requestLog: RequestLog;
  readonly tls: TlsSide | null;
  readonly cluster: Cluster;
  /** null: no mail can be sent. */
  readonly mailer: Mailer | null;
  readonly beside: Beside;
  /** Of this process. */
  readonly nodeId: string;
  /** All that gates know of an account beside revocations. */
  readonly sources: readonly StateSource[];
}

/** The HTTP server with everything on it: the API, the pages of sign-in, the gate. Not yet listening. */
export async function createServer(parts: WebParts): Promise<FastifyInstance> {
  const { config, control, cluster, vault, state, signer, logger, metrics, requestLog } = parts;
  const { database, feed, clock } = control;
  const verifier = createTokenVerifier({ scheme: config.scheme });
  const catchUp = (accountId: string) => feed.catchUp(accountId);
  const onAhead = cluster.onLost;
  const directory = createDirectory({ state, verifier, clock, catchUp, onAhead });
  const signIn = createSignIn({
    ...{
      control,
      vault,
      signer,
      directory,
      scheme: config.scheme,
      mailer: parts.mailer,
      beside: parts.beside,
    },
    onOutcome: (outcome) => requestLog.noteSignIn(outcome, clock.now()),
  });
  const onRefused = (refused: SignInRefused, requestId: string) => {
    metrics.refusedSignIns.inc({ reason: refused.reason });
    logger.info({ requestId, reason: refused.reason, cause: messageOf(refused.cause) }, 'sign-in refused');
  };
  const { scheme } = config;
  const assertions = createAssertions((accountId, claims) => signer.signAssertion(accountId, claims), {
    scheme,
  });
  const externalAnswers = createExternalAnswers({
    ...{ clock, onFailure: unanswered(logger) },
    call: createExternalCall((accountId, claims) => signer.signQuestion(accountId, claims)),
  });
  const { lease } = cluster;
  const admissions = createAdmissions({
    ...{ state, verifier, assertions, externalAnswers, clock, lease, catchUp, onAhead },
  });
  const directEdge = createGateEdge(signIn, onRefused, { direct: true });
  const edge = createGateEdge(signIn, onRefused, { direct: false });
  const addressOf = createAddressOf(config.trustedProxies);
  const countDecision = decisionCounter(metrics);
  const onFault = (error: unknown, requestId: string) =>
    logger.error({ requestId, err: error }, 'request failed');
  return await createHttp({
    keeper: {
      reader: database.reader,
      authenticate: (request) => authenticate({ database, clock }, request),
      findZone,
      settle: (accountId) => settle(control, accountId),
      answerBefore: (key) => answerBefore(control, key),
    },
    routes: listRoutes({
      ...parts,
      onFault: (error) => logger.error({ err: error }, 'work beside the requests failed'),
    }),
    rateLimit: config.rateLimit,
    publicUrl: config.publicUrl,
    addressOf,
    tls: parts.tls,
    isLeased: () => lease.isLive(),
    intercept: besideGates(
      createIntercept({
        ...{ config, state, clock, scheme, admissions, edge, directEdge },
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
      createGateAttach(parts),
    ),
    pages: async (app, limits) => {
      addPages(app, {
        readiness: () => readiness(parts),
        certs: async (host) => {
          const accountId = teamOf(state, host)?.accountId ?? (await firstAccount(database.reader))?.id;
          const account = accountId ? state.account(accountId) : null;
          return account ? toKeySet(account.keys.values()) : null;
        },
      });
      addGatePages(app, {
        ...{ state, edge, directEdge, limits },
        authenticate: (secret) => findGateBySecret(database.reader, secret),
        readThrough: createReadThrough({
          ...{ state, admissions, lend: cluster.hub.lend },
          ensureRow: () => cluster.nodeLease.ensureRow(),
        }),
        addressOf: (request) => addressOf(request.raw),
      });
      const ofTeam: DeviceRoutesOptions = {
        signIn,
        teamOf: (host) => teamOf(state, host),
        addressOf: (request) => addressOf(request.raw),
        limit: (request, reply) =>
          limits.countCall(request, reply, `sign-in ${networkOf(addressOf(request.raw))}`),
        onDeviceRefused: (reason, requestId) => logger.info({ requestId, reason }, 'device refused'),
      };
      await addDeviceRoutes(app, ofTeam);
      addSignInPages(app, {
        ...ofTeam,
        onRefused,
        onLogoutRefused: (reason, requestId) =>
          logger.info({ requestId, reason }, 'logout token of a provider refused'),
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

/** What decides whether a load balancer sends anybody here. */
async function readiness({ cluster, control }: WebParts): Promise<Readiness> {
  const synchronous = cluster.isSynchronous();
  const told = synchronous === null ? {} : { synchronous_replication: synchronous };
  const reason = cluster.lease.isLive() ? null : 'no lease';
  const isReady = reason === null && (await isAlive(control.database.reader));
  if (isReady) return { status: 'ready', ...told };
  return { status: 'not ready', reason: reason ?? 'the database does not answer', ...told };
}

function messageOf(cause: unknown): string | undefined {
  return cause instanceof Error ? cause.message : undefined;
}
