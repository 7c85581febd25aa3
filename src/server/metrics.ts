import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { listen } from './listen.ts';

export type Metrics = ReturnType<typeof createMetrics>;

/** What a gate tells, whether a node or by itself. */
export type DecisionMetrics = ReturnType<typeof createDecisionMetrics>;

/** Decisions, cuts and the feed's position, beside what is told of the process itself. No label names a person. */
export function createDecisionMetrics() {
  const register = new Registry();
  collectDefaultMetrics({ register });
  const registers = [register];
  return {
    register,
    decisions: new Counter({
      name: 'portcullis_gate_decisions_total',
      help: 'Decisions of the gate by verdict and reason.',
      labelNames: ['verdict', 'reason'],
      registers,
    }),
    cuts: new Counter({
      name: 'portcullis_gate_cuts_total',
      help: 'Exchanges that the gate ended before their time, by reason.',
      labelNames: ['reason'],
      registers,
    }),
    position: new Gauge({
      name: 'portcullis_feed_position',
      help: 'Position up to which this process has applied the feed, by account.',
      labelNames: ['account'],
      registers,
    }),
  };
}

/** What /metrics of a node tells: requests and removals as well. */
export function createMetrics() {
  const gate = createDecisionMetrics();
  const registers = [gate.register];
  return {
    ...gate,
    requests: new Histogram({
      name: 'portcullis_http_request_seconds',
      help: 'API and sign-in requests by route and status.',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
      registers,
    }),
    refusedSignIns: new Counter({
      name: 'portcullis_sign_in_refused_total',
      help: 'Sign-ins that did not end in a session, by reason.',
      labelNames: ['reason'],
      registers,
    }),
    mails: new Counter({
      name: 'portcullis_mails_total',
      help: 'Mails with a one-time PIN by outcome: sent, or failed for good.',
      labelNames: ['outcome'],
      registers,
    }),
    requestLogDropped: new Counter({
      name: 'portcullis_request_log_dropped_total',
      help: 'Lines of the request log that are lost, or whose count is too small, for want of room or of a database.',
      registers,
    }),
    removals: new Histogram({
      name: 'portcullis_removal_in_force_seconds',
      help: 'From the commit of a removal until it was in force at every node and gate.',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 6, 15, 60],
      registers,
    }),
    waitedFor: new Counter({
      name: 'portcullis_removal_waited_for_total',
      help: 'Removals that had to wait until the lease of this node or gate ran out.',
      labelNames: ['name'],
      registers,
    }),
    lateGates: new Counter({
      name: 'portcullis_gate_late_total',
      help: 'How often a gate of this node did not apply an entry before its lease ran out.',
      labelNames: ['gate'],
      registers,
    }),
    synchronous: new Gauge({
      name: 'portcullis_database_synchronous',
      help: '1 if a commit waits for a standby of the database.',
      registers,
    }),
  };
}

/** Counts decisions; a child of the counter for each reason is found once, since every request counts here. */
export function decisionCounter({ decisions }: DecisionMetrics): (verdict: string, reason: string) => void {
  const children = new Map<string, { inc(): void }>();
  return (verdict, reason) => {
    const known = children.get(reason) ?? decisions.labels(verdict, reason);
    children.set(reason, known);
    known.inc();
  };
}

/** When the certificate that is served runs out; only where TLS is ours to end, since 0 would say that it has. */
export function certificateExpiry({ register }: DecisionMetrics): Gauge {
  return new Gauge({
    name: 'portcullis_tls_certificate_expiry_seconds',
    help: 'When the TLS certificate that is served expires, in seconds since the epoch.',
    registers: [register],
  });
}

/** Shows how many exchanges are open, counted when it is asked. */
export function showOpenExchanges({ register }: DecisionMetrics, count: () => number): void {
  new Gauge({
    name: 'portcullis_gate_open_exchanges',
    help: 'Requests, streams and upgraded connections that the built-in proxy carries at this moment.',
    registers: [register],
    collect() {
      this.set(count());
    },
  });
}

/** Answers a request, or says that it is not its own. */
export type Page = (request: IncomingMessage, response: ServerResponse) => boolean;

/** Serves /metrics, and these pages and nothing else. */
export function createMetricsServer(
  { register }: Pick<DecisionMetrics, 'register'>,
  pages: Page = () => false,
): Server {
  return createServer((request, response) => {
    if (pages(request, response)) return;
    if (request.url !== '/metrics' || request.method !== 'GET') {
      response.writeHead(404).end();
      return;
    }
    register.metrics().then(
      (text) => response.writeHead(200, { 'content-type': register.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
}

/** Serves /metrics; answers how to stop that. */
export async function serveMetrics(
  metrics: Pick<DecisionMetrics, 'register'>,
  at: { host: string; port: number },
  pages?: Page,
): Promise<() => Promise<void>> {
  const server: Server = createMetricsServer(metrics, pages);
  await listen(server, at);
  return async () => {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  };
}
