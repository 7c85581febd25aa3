import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, request as httpRequest } from 'node:http';
import type { LookupFunction, Socket } from 'node:net';
import { admittedUntil } from '../../src/gate/admission.ts';
import type { Timeouts } from '../../src/gate/carrier.ts';
import type { Decision } from '../../src/gate/decision.ts';
import { type CutReason, createExchanges, type Exchanges } from '../../src/gate/exchanges.ts';
import { createProxy } from '../../src/gate/proxy.ts';
import { createGateState, type GateState } from '../../src/gate/state.ts';
import type { Upstreams } from '../../src/gate/upstream.ts';
import { createListener } from '../../src/http/listener.ts';
import { createTlsSide, type KeyPair } from '../../src/http/tls-side.ts';
import type { JsonObject } from '../../src/kernel/json.ts';
import type { SessionToken } from '../../src/protocol/claims.ts';
import { createCookieReader } from '../../src/protocol/cookies.ts';
import type { FeedItem } from '../../src/protocol/feed.ts';
import { lockedLease } from '../../src/protocol/lease.ts';
import { createRevocationIndex } from '../../src/protocol/revocation-index.ts';
import type { ApplicationState } from '../../src/protocol/state.ts';
import { admissionsOver, applicationState, organizationState, type SlowParts } from './gate-parts.ts';

/** A host whose only visitor is ana, with the cookie ANA. */
export const HOST = 'wiki.example';
export const ANA = 'CF_Authorization=token';

export interface GateInHand extends AsyncDisposable {
  readonly port: number;
  readonly state: GateState;
  readonly exchanges: Exchanges;
  readonly decisions: Decision[];
  readonly cuts: CutReason[];
  readonly faults: unknown[];
  readonly failures: unknown[];
  /** What a committed transaction does: the memory, then what is open, in one turn. */
  apply(...items: FeedItem[]): void;
  /** The time by the gate's clock, in milliseconds. Everything of ana's ends at 2000. */
  setTime(now: number): void;
}

export interface GateParts extends Partial<Pick<SlowParts, 'verify' | 'sign'>> {
  /** Origin of the application. */
  readonly upstream: string;
  readonly exchanges?: Exchanges;
  readonly upstreams?: Upstreams;
  readonly timeouts?: Partial<Timeouts>;
  readonly tls?: KeyPair;
}

/** The built-in proxy over a memory of its own, on a port, with whatever takes time in the hand of the test. */
export async function startGateInHand({ upstream, ...parts }: GateParts): Promise<GateInHand> {
  const time = { now: 1000 };
  const clock = { now: () => time.now };
  const state = memoryOf(upstream);
  const [decisions, cuts, faults, failures] = [[], [], [], []] as [
    Decision[],
    CutReason[],
    unknown[],
    unknown[],
  ];
  const exchanges =
    parts.exchanges ??
    createExchanges({
      admittedUntil: (question, admitted) => admittedUntil({ state, clock }, question, admitted),
      clock,
      lease: lockedLease,
      onCut: (_exchange, reason) => void cuts.push(reason),
      onFault: (fault) => void faults.push(fault),
    });
  const { verify = async () => TOKEN, sign = async () => 'assertion' } = parts;
  const proxy = createProxy({
    state,
    clock,
    exchanges,
    admissions: admissionsOver({ state, clock, verify, sign }),
    upstreams: parts.upstreams ?? plainUpstreams(),
    timeouts: { connect: 20_000, answer: 20_000, idle: 20_000, ...parts.timeouts },
    readCookies: createCookieReader(),
    scheme: parts.tls ? 'https' : 'http',
    trustedProxies: [],
    addressOf: () => '192.0.2.1',
    edge: async () => ({ status: 404, headers: {}, body: '' }),
    onDecision: (decision) => void decisions.push(decision),
    onFault: (fault) => void faults.push(fault),
    onUpstreamFailure: (failure) => void failures.push(failure),
  });
  const server = createListener({
    tls: parts.tls ? createTlsSide(parts.tls) : null,
    handler: (_request, response) => void response.writeHead(421).end(),
    intercept: {
      request: (request, response) => {
        proxy.request(request, response);
        return true;
      },
      wantsUpgrade: (request) => proxy.wantsUpgrade(request),
      upgrade: (request, socket, head) => proxy.upgrade(request, socket, head),
    },
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as { port: number };
  let position = 8;
  return {
    port,
    state,
    exchanges,
    decisions,
    cuts,
    faults,
    failures,
    apply: (...items) => {
      position += 1;
      const batch = { accountId: 'acme', at: { epoch: 1, position }, items };
      state.apply(batch);
      exchanges.apply(batch);
    },
    setTime: (now) => {
      time.now = now;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Connections without any check, and names looked up by `lookup`. */
export function plainUpstreams(lookup?: LookupFunction): Upstreams {
  const agent = new Agent({ keepAlive: true });
  const open =
    (by: Agent): Upstreams['open'] =>
    (origin, head) => {
      const { hostname: host, port } = new URL(origin);
      return httpRequest({ ...head, host, port, agent: by, ...(lookup ? { lookup } : {}) });
    };
  return { open: open(agent), openFresh: open(new Agent()), close: () => agent.destroy() };
}

export function applicationItem(parts: Partial<ApplicationState>): FeedItem {
  const state = applicationState(parts) as unknown as JsonObject;
  return { kind: 'application', id: String(state.id), state };
}

export function destinationAt(upstream: string): ApplicationState['destinations'] {
  return [{ host: HOST, path: '', upstream }];
}

const TOKEN: SessionToken = {
  type: 'app',
  audience: 'aud',
  userId: 'ana',
  email: 'ana@example.com',
  sessionNonce: 'n1',
  expiresAt: 2000,
  rev: { epoch: 1, position: 5 },
  applicationRev: { epoch: 1, position: 5 },
  binding: null,
};

function memoryOf(upstream: string): GateState {
  const state = createGateState();
  const session = {
    nonce: 'n1',
    user_id: 'ana',
    email: 'ana@example.com',
    provider_id: 'p1',
    issuer: 'https://login.example',
    subject: 'subject',
    expires_at: 2000,
    rev: [1, 5],
    claims: {},
    amr: [],
  };
  const organization = organizationState() as unknown as JsonObject;
  state.load({
    accountId: 'acme',
    revocations: createRevocationIndex({ epoch: 1, position: 8, floor: 0 }),
    states: [
      { kind: 'organization', id: 'acme', state: organization },
      { kind: 'provider', id: 'p1', state: { id: 'p1', type: 'oidc', name: 'Provider' } },
      applicationItem({ destinations: destinationAt(upstream) }),
      { kind: 'session', id: 'n1', state: session },
    ],
  });
  assert.ok(state.isApplicationHost(HOST));
  return state;
}
