import type { Server } from 'node:http';
import type { Logger } from 'pino';
import type { Admissions } from '../gate/admission.ts';
import type { Exchanges } from '../gate/exchanges.ts';
import type { GateState } from '../gate/state.ts';
import type { Upstreams } from '../gate/upstream.ts';
import { createListener, type Intercept } from '../http/listener.ts';
import type { TlsSide } from '../http/tls-side.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Scheme } from '../protocol/cookies.ts';
import { createAddressOf } from '../server/client-address.ts';
import { createIntercept, type InterceptConfig } from '../server/intercept.ts';
import { decisionCounter } from '../server/metrics.ts';
import type { ControlPlane } from './control-plane.ts';
import { createRemoteEdge } from './edge.ts';
import type { GateMetrics } from './metrics.ts';
import type { createOtherHosts } from './pages.ts';

export interface FrontOptions {
  readonly config: InterceptConfig;
  readonly tls: TlsSide | null;
  readonly state: GateState;
  readonly clock: Clock;
  readonly exchanges: Exchanges;
  readonly upstreams: Upstreams;
  readonly controlPlane: ControlPlane;
  readonly logger: Logger;
  readonly metrics: GateMetrics;
  readonly otherHosts: ReturnType<typeof createOtherHosts>;
  /** The gate's word on questions, for people who come by this scheme. */
  readonly admissionsFor: (scheme: Scheme) => Admissions;
}

/** What people and proxies reach: the hosts of applications, and forward-auth. */
export interface Front {
  /** Not yet listening. */
  readonly server: Server;
  /** People come by this scheme, as the control plane says; before it has, no host is an application's. */
  serve(scheme: Scheme): void;
}

export function createFront(options: FrontOptions): Front {
  let served: { scheme: Scheme; intercept: Intercept } | null = null;
  const server = createListener({
    tls: options.tls,
    handler: options.otherHosts,
    intercept: {
      request: (request, response) => served?.intercept.request(request, response) ?? false,
      wantsUpgrade: (request) => served?.intercept.wantsUpgrade(request) ?? false,
      upgrade: (request, socket, head) => served?.intercept.upgrade(request, socket, head),
    },
  });
  return {
    server,
    serve: (scheme) => {
      if (served?.scheme !== scheme) served = { scheme, intercept: interceptFor(options, scheme) };
    },
  };
}

function interceptFor(options: FrontOptions, scheme: Scheme): Intercept {
  const { config, state, clock, exchanges, upstreams, controlPlane, logger, metrics } = options;
  const countDecision = decisionCounter(metrics);
  return createIntercept({
    ...{ config, state, clock, scheme, exchanges, upstreams },
    admissions: options.admissionsFor(scheme),
    edge: createRemoteEdge(controlPlane, { direct: false, scheme }),
    directEdge: createRemoteEdge(controlPlane, { direct: true, scheme }),
    addressOf: createAddressOf(config.trustedProxies),
    onDecision: (decision) => {
      countDecision(decision.verdict, decision.reason);
      // Whoever is denied is given the request id: the log of a usual level has to know it.
      logger[decision.verdict === 'deny' ? 'info' : 'debug'](decision, 'gate decision');
    },
    onUpstreamFailure: (error, requestId) =>
      logger.warn({ requestId, cause: messageOf(error) }, 'the application does not answer'),
    onFault: (error, requestId) => logger.error({ requestId, err: error }, 'request failed'),
  });
}

function messageOf(cause: unknown): string | undefined {
  return cause instanceof Error ? cause.message : undefined;
}
