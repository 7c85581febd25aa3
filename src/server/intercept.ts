import type { Admissions } from '../gate/admission.ts';
import type { Decision } from '../gate/decision.ts';
import { createForwardAuth, type ForwardAuthOptions } from '../gate/forward-auth.ts';
import { createProxy, type ProxyOptions } from '../gate/proxy.ts';
import type { Intercept } from '../http/listener.ts';
import type { Cidr } from '../kernel/address.ts';
import { SECOND } from '../kernel/clock.ts';
import { createCookieReader, type Scheme } from '../protocol/cookies.ts';

/** How long it may take until an application's server is connected, in milliseconds. */
const CONNECT_WITHIN = 5 * SECOND;

/** What the gate's HTTP side is told from outside, in a node or by itself. */
export interface InterceptConfig {
  readonly trustedProxies: readonly Cidr[];
  readonly forwardAuthSecret: string | null;
  /** Milliseconds. */
  readonly upstreamTimeout: number;
  /** Milliseconds. */
  readonly idleTimeout: number;
}

export interface InterceptOptions
  extends Pick<ForwardAuthOptions, 'state' | 'clock' | 'edge' | 'onFault' | 'addressOf'>,
    Pick<ProxyOptions, 'exchanges' | 'upstreams' | 'onUpstreamFailure'> {
  readonly config: InterceptConfig;
  readonly scheme: Scheme;
  readonly admissions: Admissions;
  /** As `edge`, for whoever asks directly. */
  readonly directEdge: ProxyOptions['edge'];
  readonly onDecision: (decision: Decision) => void;
}

/** The gate's HTTP side: forward-auth, and hosts of applications, which never reach anything else of ours. */
export function createIntercept(options: InterceptOptions): Intercept {
  const { config, state } = options;
  const { trustedProxies } = config;
  const readCookies = createCookieReader();
  const forwardAuth = createForwardAuth({
    ...options,
    trustedProxies,
    readCookies,
    secret: config.forwardAuthSecret,
  });
  const proxy = createProxy({
    ...options,
    trustedProxies,
    readCookies,
    timeouts: { connect: CONNECT_WITHIN, answer: config.upstreamTimeout, idle: config.idleTimeout },
    edge: options.directEdge,
  });
  return {
    request: (request, response) => {
      if (forwardAuth(request, response)) return true;
      if (!state.isApplicationHost(request.headers.host?.toLowerCase() ?? '')) return false;
      proxy.request(request, response);
      return true;
    },
    wantsUpgrade: (request) => proxy.wantsUpgrade(request),
    upgrade: (request, socket, head) => proxy.upgrade(request, socket, head),
  };
}
